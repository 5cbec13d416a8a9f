/**
 * The start-info page, from which a guest learns what it knows of its machine: parsed and checked.
 */

import { archOfCode } from '../../base/arch.ts';
import { assert } from '../../base/assert.ts';
import { counted } from '../../base/counted.ts';
import { crc32c } from '../../base/crc32c.ts';
import { GuestPanic } from '../../base/errno.ts';
import { getField, overlongField, reservedIsZero } from '../../base/layout.ts';
import { decodeText } from '../../base/text.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import {
  CMD_LINE_BYTES,
  START_INFO,
  START_INFO_MAGIC,
  START_INFO_PFN,
  START_INFO_VERSION,
  type GuestEnvironment,
} from '../../xen/public/index.ts';

/** What start_info says. */
export interface BootParameters {
  readonly nrPages: number;
  readonly bootPages: number;
  readonly preservedPfn: number;
  readonly preservedCount: number;
  readonly sharedInfoPfn: number;
  readonly grantTablePfn: number;
  readonly modulePfn: number;
  readonly moduleBytes: number;
  readonly cmdLine: string;
}

/** Throws GuestPanic when it makes no sense. */
export function parseStartInfo(env: GuestEnvironment): BootParameters {
  const page = new Uint8Array(PAGE_SIZE);
  env.memory.copyOut(START_INFO_PFN, 0, page, 0, PAGE_SIZE);
  const arch = archOfCode(getField(START_INFO.x86_64, page, 0, 'arch'));
  const layout = START_INFO[arch ?? 'x86_64'];
  const field = (name: keyof typeof layout.offset): number => getField(layout, page, 0, name);
  if (START_INFO_MAGIC.some((byte, i) => page[i] !== byte)) throw new GuestPanic('start_info: bad magic');
  if (field('version') !== START_INFO_VERSION) throw new GuestPanic(`start_info: version ${field('version')}`);
  if (arch === undefined) throw new GuestPanic(`start_info: architecture ${field('arch')}`);
  if (!reservedIsZero(layout, page, 0)) throw new GuestPanic('start_info: reserved field is not zero');
  const { checksum, cmdLine } = layout.offset;
  const head = crc32c(page, 0, checksum);
  if (field('checksum') !== crc32c(page, cmdLine, CMD_LINE_BYTES, head))
    throw new GuestPanic('start_info: bad checksum');
  const overlong = overlongField(layout, page, 0);
  if (overlong !== undefined) throw new GuestPanic(`start_info: ${overlong} has more than 32 bits`);
  const nrPages = field('nrPages');
  if (nrPages !== env.memory.nrPages)
    throw new GuestPanic(`start_info: ${counted(nrPages, 'page')}, not ${env.memory.nrPages}`);
  const end = page.indexOf(0, cmdLine);
  assert(end >= cmdLine && end < layout.size, 'command line is not terminated');
  return {
    nrPages,
    bootPages: field('bootPages'),
    preservedPfn: field('preservedPfn'),
    preservedCount: field('preservedCount'),
    sharedInfoPfn: field('sharedInfoPfn'),
    grantTablePfn: field('grantTablePfn'),
    modulePfn: field('modulePfn'),
    moduleBytes: field('moduleBytes'),
    cmdLine: decodeText(page.subarray(cmdLine, end)),
  };
}
