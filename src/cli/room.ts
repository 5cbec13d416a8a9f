/**
 * Whether the machine that was asked for can be: with these constants, its guests fit, and its
 * parts go together.
 */

import type { Arch } from '../base/arch.ts';
import { ArgumentError, counted, grouped, UserError } from '../base/index.ts';
import type { BackendOptions } from '../experiment/host/backend.ts';
import {
  archOf,
  checkConstants,
  nameOfProfile,
  profileOf,
  type Constants,
  type DiskName,
  type ProfileChoice,
} from '../experiment/host/profiles.ts';
import { guestMemoryMax } from '../experiment/host/host.ts';
import { constantsOf } from '../machine/profile.ts';
import { oneLine, sizeText } from './kit/values.ts';

export interface Guests {
  readonly arch?: Arch | undefined;
  readonly profile: ProfileChoice;
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

export interface Settings {
  readonly profile: ProfileChoice;
  readonly disk: DiskName;
  readonly constants?: Constants | undefined;
}

/**
 * @param unused constants on which no result of the command rests, or how their names begin
 * @throws UserError that names the constant which the profile has not, which changes nothing, or
 * which cannot have the value
 */
export function checkSet({ profile, disk, constants = {} }: Settings, unused: readonly string[] = []): void {
  const own = profileOf({ profile });
  const { kind } = own.disk;
  const isOther = disk !== 'profile' && disk !== kind;
  const names: readonly string[] = [...constantsOf(own).keys()];
  for (const name of Object.keys(constants)) {
    if (isOther && name.startsWith('disk.') && names.includes(name))
      throw new UserError(
        `--set: ${name} is of the drive of ${nameOfProfile(profile)}, which --disk ${disk} takes out: leave out one`,
      );
    if (unused.some((each) => name.startsWith(each)) && names.includes(name))
      throw new UserError(`--set: ${name} changes nothing here: no figure of this command rests on it`);
    if (names.includes(name)) continue;
    const section = `${name.split('.')[0]!}.`;
    const close = names.filter((each) => each.startsWith(section));
    const sections = [...new Set(names.map((each) => `${each.split('.')[0]!}.`))];
    const others = close.length > 0 ? close.join(', ') : `names that begin with ${sections.join(', ')}`;
    throw new UserError(`--set: ${nameOfProfile(profile)} has no constant ${oneLine(name)}; there are ${others}`);
  }
  try {
    checkConstants({ profile, constants });
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new UserError(`--set: ${error.message.replace(/^changes: /, '')}`);
  }
}
