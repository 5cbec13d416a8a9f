/** Whether the machine that was asked for can be: its guests fit, and its parts go together. */

import type { Arch } from '../base/arch.ts';
import { counted, grouped, UserError } from '../base/index.ts';
import type { BackendOptions } from '../experiment/host/backend.ts';
import { archOf } from '../experiment/host/profiles.ts';
import type { ProfileName } from '../experiment/host/profiles.ts';
import { guestMemoryMax } from '../experiment/host/host.ts';
import { sizeText } from './values.ts';

export interface Guests {
  readonly arch?: Arch | undefined;
  readonly profile: ProfileName;
  /** Of each guest, bytes. */
  readonly memory: number;
  /** 1 when not given. */
  readonly vms?: number;
}

/** @throws UserError for a size of a cache that is not there */
export function checkBackend({ backend, domain0Cache }: BackendOptions): void {
  if (domain0Cache !== undefined && backend !== 'file')
    throw new UserError('--domain0-cache: a partition is reached without it: add --backend file');
}

/** @throws UserError that names the options at fault, the most that there can be, and what to do */
export function checkRoom(guests: Guests): void {
  const { memory, vms = 1 } = guests;
  const arch = archOf(guests);
  const most = guestMemoryMax(arch);
  if (memory * vms <= most) return;
  const asked = vms === 1 ? `--memory ${sizeText(memory)}` : `--vms ${vms} --memory ${sizeText(memory)}`;
  const what = vms === 1 ? `a guest of ${arch} has` : `${counted(vms, 'guest')} of ${arch} together have`;
  const other = memory * vms <= guestMemoryMax('x86_64') ? ', or --arch x86_64' : '';
  const less = vms === 1 ? `--memory ${sizeText(most)}` : 'fewer or smaller guests';
  throw new UserError(
    `${asked}: ${what} at most ${sizeText(most)} (${grouped(most)} bytes) of memory: ask for ${less}${other}`,
  );
}
