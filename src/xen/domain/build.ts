/**
 * The boot region of a domain: what a new guest finds in its memory. public/start-info.ts has the
 * contract.
 *
 * | pfn | content |
 * |---|---|
 * | 0 | start_info |
 * | 1 … | preserved bitmap, one bit a page of the domain |
 * | … | shared_info, nothing pending and everything masked |
 * | … | grant table, 4 pages, empty |
 * | … | boot module, if there is one |
 * | … bootPages - 1 | kernel image: as many pages as the hypervisor was told, all zero, for nothing executes it |
 *
 * Modelled after Xen's domain builder (xc_linux_build), which also places page tables and a P2M
 * list there.
 */

import { type Arch, ARCH_CODES } from '../../base/arch.ts';
import { ArgumentError } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { putField } from '../../base/layout.ts';
import { encodeText } from '../../base/text.ts';
import { Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { P2mList } from '../frames/p2m.ts';
import { NR_GRANT_FRAMES } from '../public/grant-table.ts';
import {
  CMD_LINE_BYTES,
  START_INFO,
  START_INFO_MAGIC,
  START_INFO_PFN,
  START_INFO_VERSION,
} from '../public/start-info.ts';
import { initSharedInfo } from '../channels/shared-info.ts';

/** Pages that a domain must have beyond its boot region: 4 MiB. */
const LEAST_USABLE_PAGES = 1024;
const PRESERVED_PFN = Pfn(1);

export interface BootRegion {
  readonly nrPages: number;
  readonly bootPages: number;
  readonly sharedInfoPfn: Pfn;
  readonly grantTablePfn: Pfn;
  readonly modulePfn: Pfn;
  readonly module: Uint8Array;
  /** UTF-8, shorter than CMD_LINE_BYTES. */
  readonly cmdLine: Uint8Array;
}

/**
 * Plans the boot region of a domain, before anything is touched.
 * @throws ArgumentError when the memory is no whole number of pages or too small, or the command
 * line is too long
 */
export function planBootRegion(
  name: string,
  memoryBytes: number,
  kernelPages: number,
  module: Uint8Array = new Uint8Array(0),
  cmdLine = '',
): BootRegion {
  if (!Number.isSafeInteger(memoryBytes) || memoryBytes < 0 || memoryBytes % PAGE_SIZE !== 0)
    throw new ArgumentError(`memoryBytes: ${memoryBytes} of domain "${name}" is not a multiple of ${PAGE_SIZE}`);
  const nrPages = memoryBytes / PAGE_SIZE;
  const sharedInfoPfn = Pfn(PRESERVED_PFN + Math.ceil(nrPages / 8 / PAGE_SIZE));
  const grantTablePfn = Pfn(sharedInfoPfn + 1);
  const modulePfn = Pfn(grantTablePfn + NR_GRANT_FRAMES);
  const bootPages = modulePfn + Math.ceil(module.length / PAGE_SIZE) + kernelPages;
  const least = bootPages + LEAST_USABLE_PAGES;
  if (nrPages < least)
    throw new ArgumentError(
      `memoryBytes: ${memoryBytes} is too little for domain "${name}", which needs at least ${least * PAGE_SIZE}`,
    );
  const encoded = encodeText(cmdLine);
  if (encoded.includes(0)) throw new ArgumentError(`cmdLine: of domain "${name}" has a zero byte, which would end it`);
  if (encoded.length >= CMD_LINE_BYTES)
    throw new ArgumentError(`cmdLine: ${encoded.length} bytes for domain "${name}", at most ${CMD_LINE_BYTES - 1} fit`);
  return {
    nrPages,
    bootPages,
    sharedInfoPfn,
    grantTablePfn,
    modulePfn: module.length === 0 ? Pfn(0) : modulePfn,
    module,
    cmdLine: encoded,
  };
}

/** Collects which pages are preserved, while the frames are gone through once. */
export class PreservedBitmap {
  readonly bytes: Uint8Array;
  #count = 0;

  constructor(nrPages: number) {
    this.bytes = new Uint8Array(Math.ceil(nrPages / 8));
  }

  get count(): number {
    return this.#count;
  }

  add(pfn: Pfn): void {
    this.bytes[pfn >>> 3]! |= 1 << (pfn & 7);
    this.#count++;
  }
}

/**
 * Writes the boot region into frames that are zero. `coldReason` is a code of Reason, 0 when there
 * is none.
 */
export function writeBootRegion(
  memory: MachineMemory,
  arch: Arch,
  p2m: P2mList,
  region: BootRegion,
  preserved: PreservedBitmap,
  coldReason: number,
): void {
  assert(
    preserved.bytes.subarray(0, region.bootPages >>> 3).every((byte) => byte === 0),
    'no cache in the boot region',
  );
  const layout = START_INFO[arch];
  const bytes = new Uint8Array(layout.size);
  START_INFO_MAGIC.forEach((byte, i) => putField(layout, bytes, 0, 'magic', byte, i));
  putField(layout, bytes, 0, 'version', START_INFO_VERSION);
  putField(layout, bytes, 0, 'arch', ARCH_CODES[arch]);
  putField(layout, bytes, 0, 'nrPages', region.nrPages);
  putField(layout, bytes, 0, 'bootPages', region.bootPages);
  putField(layout, bytes, 0, 'preservedPfn', PRESERVED_PFN);
  putField(layout, bytes, 0, 'preservedCount', preserved.count);
  putField(layout, bytes, 0, 'modulePfn', region.modulePfn);
  putField(layout, bytes, 0, 'moduleBytes', region.module.length);
  putField(layout, bytes, 0, 'coldReason', coldReason);
  putField(layout, bytes, 0, 'sharedInfoPfn', region.sharedInfoPfn);
  putField(layout, bytes, 0, 'grantTablePfn', region.grantTablePfn);
  bytes.set(region.cmdLine, layout.offset.cmdLine);
  const { checksum, cmdLine } = layout.offset;
  putField(layout, bytes, 0, 'checksum', crc32c(bytes, cmdLine, CMD_LINE_BYTES, crc32c(bytes, 0, checksum)));
  copyToPages(memory, p2m, START_INFO_PFN, bytes);
  copyToPages(memory, p2m, PRESERVED_PFN, preserved.bytes);
  copyToPages(memory, p2m, region.modulePfn, region.module);
  initSharedInfo(memory, Mfn(p2m.at(region.sharedInfoPfn)));
}

function copyToPages(memory: MachineMemory, p2m: P2mList, first: Pfn, bytes: Uint8Array): void {
  for (let at = 0, pfn = first as number; at < bytes.length; at += PAGE_SIZE, pfn++)
    memory.copyIn(Mfn(p2m.at(pfn)), 0, bytes, at, Math.min(PAGE_SIZE, bytes.length - at));
}
