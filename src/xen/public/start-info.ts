/**
 * start_info: the page that a domain finds at boot. Written by the domain builder at pfn
 * START_INFO_PFN; everything a new guest learns about itself, its memory and what was preserved for
 * it is here.
 *
 * The boot region is pfns 0 … bootPages - 1: this page, the preserved bitmap, shared_info and grant
 * table, the boot module, the kernel image. Cache pages never lie there. The preserved bitmap has
 * one bit a pfn (bit pfn % 8 of byte pfn / 8), set where the page was preserved from before the
 * reboot. The kernel takes those pages out of its allocator before its first allocation.
 */

import { assert } from '../../base/assert.ts';
import { defineArchLayouts } from '../../base/layout.ts';
import { Pfn } from '../../base/units.ts';

/** Page of a guest that holds start_info. */
export const START_INFO_PFN = Pfn(0);
/** "swstart1" */
export const START_INFO_MAGIC = [0x73, 0x77, 0x73, 0x74, 0x61, 0x72, 0x74, 0x31] as const;
/** Version of the layout. */
export const START_INFO_VERSION = 2;
/** Bytes of the command line, with the zero at its end. */
export const CMD_LINE_BYTES = 1024;

/** Layouts of start_info, one an architecture. */
export const START_INFO = defineArchLayouts('start_info', 1120, (frame) => [
  { name: 'magic', width: 1, count: 8, writer: 'tool stack', meaning: '"swstart1"' },
  { name: 'version', width: 4, writer: 'tool stack', meaning: 'layout version, 2' },
  { name: 'arch', width: 4, writer: 'tool stack', meaning: 'architecture: 62 x86_64, 3 x86_32' },
  { name: 'moduleBytes', width: 4, writer: 'tool stack', meaning: 'length of the boot module' },
  { name: 'coldReason', width: 4, writer: 'tool stack', meaning: 'why nothing was preserved (a reason code), or 0' },
  { name: 'nrPages', width: frame, writer: 'tool stack', meaning: 'pages of the domain' },
  { name: 'bootPages', width: frame, writer: 'tool stack', meaning: 'pages of the boot region, from pfn 0' },
  { name: 'preservedPfn', width: frame, writer: 'tool stack', meaning: 'first page of the preserved bitmap' },
  { name: 'preservedCount', width: frame, writer: 'tool stack', meaning: 'bits set in the preserved bitmap' },
  {
    name: 'modulePfn',
    width: frame,
    writer: 'tool stack',
    meaning: 'first page of the boot module; 0 when there is none',
  },
  { name: 'sharedInfoPfn', width: frame, writer: 'tool stack', meaning: 'page of shared_info' },
  { name: 'grantTablePfn', width: frame, writer: 'tool stack', meaning: 'first page of the grant table, of 4' },
  { name: 'reserved', width: 4, count: frame === 8 ? 3 : 10, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'tool stack', meaning: 'CRC-32C of the page up to here and of cmdLine' },
  {
    name: 'cmdLine',
    width: 1,
    count: CMD_LINE_BYTES,
    writer: 'tool stack',
    meaning: 'command line, UTF-8, zero-padded',
  },
]);

assert(
  START_INFO.x86_32.offset.arch === START_INFO.x86_64.offset.arch,
  'a guest finds the architecture before it knows it',
);
