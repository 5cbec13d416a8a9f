/**
 * The save file of a domain: what a suspended domain is while it is on the disk.
 *
 * ```
 * block 0      block 1 …
 * +--------+---------------------------------------------------------------------------------------------------+------+
 * | header | batches of pages, each: count | count numbers with type | count pages;       a count of 0 ends    | zero |
 * |        | unmapped pages: the number of each                                                                |      |
 * |        | domain state and event channels: two frames, as in memory (domain-state.ts)                       |      |
 * |        | facts of frames: one record for each page that has a name or equals a block of its device         |      |
 * |        | recovery box: the frame that counts, as in memory                                                 |      |
 * +--------+---------------------------------------------------------------------------------------------------+------+
 * ```
 *
 * All numbers are little-endian. Those of pages are as wide as the header's architecture has them,
 * and a file is restored on that architecture only. The length of the body follows from the numbers
 * in the header, so that a reader knows it before it takes any memory. The header is written last,
 * when all else is on the medium. It is the commit point: before it, the file is not valid. It
 * names the domain's disk and the disk's write generation. The guest goes on with that disk in that
 * state only. The file is marked consumed on the disk before the guest goes on. A file is restored
 * once, because the guest changes its disk from then on.
 *
 * No machine frame is named: pages are named by pfn, shared pages and event channels too, as the
 * guest knows them. Modelled after the image that xc_linux_save of Xen 3.0 writes. Differs in
 * having sizes and checksums, and in that the header at the front is written last. Another
 * difference: there is no list of P2M frames, and no page is canonicalised. This guest's P2M list
 * and page tables are not in its memory.
 */

import { checkInteger, checkOneOf } from '../../base/argument-error.ts';
import { type Arch, ARCH_CODES, archOfCode, ARCHS, FRAME_NUMBER_BYTES } from '../../base/arch.ts';
import { assert } from '../../base/assert.ts';
import { defineArchLayouts, getField, overlongField, putField } from '../../base/layout.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { encodeText } from '../../base/text.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import type { StoreRecord } from '../records/devices.ts';
import { DOMAIN_NAME_BYTES, STATE_FRAMES_EACH, STORE_FIELDS } from '../records/layouts.ts';
import { CMD_LINE_BYTES } from '../public/start-info.ts';
import { flaw, getStore, getText, putStore, seal } from '../records/records.ts';

export const SAVE_VERSION = 4;
/** "swsave1\0" */
export const SAVE_MAGIC = [0x73, 0x77, 0x73, 0x61, 0x76, 0x65, 0x31, 0x00] as const;
/** Most pages in a batch. */
export const BATCH_PAGES = 1024;

/** In the first block of the file, the rest of which is zero. */
export const SAVE_HEADER = defineArchLayouts('save header', 1216, (frame) => [
  { name: 'magic', width: 1, count: 8, writer: 'tool stack', meaning: '"swsave1", zero' },
  { name: 'version', width: 4, writer: 'tool stack', meaning: 'version of the format, 4' },
  { name: 'size', width: 4, writer: 'tool stack', meaning: 'bytes of this record' },
  { name: 'arch', width: 4, writer: 'tool stack', meaning: 'architecture: 62 x86_64, 3 x86_32' },
  { name: 'consumed', width: 4, writer: 'tool stack', meaning: '1 once the guest went on from it: no second time' },
  { name: 'bodyBlocks', width: 4, writer: 'tool stack', meaning: 'blocks of 4096 bytes that follow the first' },
  { name: 'bodyCrc', width: 4, writer: 'tool stack', meaning: 'CRC-32C of these blocks' },
  { name: 'nrPages', width: frame, writer: 'tool stack', meaning: 'pages of the domain, its memory' },
  { name: 'mappedPages', width: frame, writer: 'tool stack', meaning: 'those of them that have a frame' },
  { name: 'factCount', width: frame, writer: 'tool stack', meaning: 'facts of frames' },
  { name: 'bootPages', width: frame, writer: 'tool stack', meaning: 'pages of its boot region' },
  { name: 'boots', width: 4, writer: 'tool stack', meaning: 'guests that were booted in it so far' },
  { name: 'name', width: 1, count: DOMAIN_NAME_BYTES, writer: 'tool stack', meaning: 'name, UTF-8, zero-padded' },
  {
    name: 'cmdLine',
    width: 1,
    count: CMD_LINE_BYTES,
    writer: 'tool stack',
    meaning: 'command line of its configuration, UTF-8, zero-padded',
  },
  ...STORE_FIELDS,
  { name: 'reserved', width: 4, count: frame === 8 ? 9 : 13, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'tool stack', meaning: 'CRC-32C of the record up to here' },
]);

/** What the hypervisor knew of a page's frame. */
export const FRAME_FACT_BYTES = 32;
export const FRAME_FACT = defineArchLayouts('frame fact', FRAME_FACT_BYTES, (frame) => [
  { name: 'pfn', width: frame, writer: 'tool stack', meaning: 'page, in ascending order' },
  {
    name: 'flags',
    width: 2,
    writer: 'tool stack',
    meaning: '1 named, 2 preserved and not claimed, 4 equal to block, 8 dirty, 16 open',
  },
  { name: 'recency', width: 2, writer: 'tool stack', meaning: 'recency of a preserved page' },
  { name: 'ino', width: 4, writer: 'tool stack', meaning: 'name: inode number' },
  { name: 'generation', width: 4, writer: 'tool stack', meaning: 'name: generation of the inode' },
  { name: 'index', width: 4, writer: 'tool stack', meaning: 'name: page index in the file' },
  {
    name: 'block',
    width: 4,
    writer: 'tool stack',
    meaning: '4 KiB block of the device that it equalled, or is newer than',
  },
  { name: 'reserved', width: 4, count: frame === 8 ? 1 : 2, meaning: 'for later versions', reserved: true },
]);

assert(
  SAVE_HEADER.x86_32.offset.arch === SAVE_HEADER.x86_64.offset.arch,
  'the architecture is found before it is known',
);

/**
 * The number of a page in a batch, for the reference page: on x86_64 the type is where the later
 * stream of Xen has it.
 */
export const PAGE_WORD_BITS = [
  { wideBits: '0–59', bits: '0–27', name: 'pfn', meaning: 'page of the domain' },
  { wideBits: '60–63', bits: '28–31', name: 'type', meaning: '0: an ordinary page; there are no others' },
] as const;

const NAMED = 1;
const PRESERVED = 2;
const CLEAN = 4;
const DIRTY = 8;
const OPEN = 16;

export interface SaveHeader {
  readonly arch: Arch;
  readonly consumed: boolean;
  readonly bodyCrc: number;
  readonly nrPages: number;
  readonly mappedPages: number;
  readonly factCount: number;
  readonly bootPages: number;
  readonly boots: number;
  readonly name: string;
  readonly cmdLine: string;
  /** The domain's disk, as it was when the guest stood still. */
  readonly store: StoreRecord;
}

export interface FrameFact {
  readonly pfn: number;
  /** Undefined: it has no name. */
  readonly name: { readonly ino: number; readonly generation: number; readonly index: number } | undefined;
  readonly preserved: boolean;
  readonly recency: number;
  /** Undefined: it equalled none. */
  readonly block: number | undefined;
  /**
   * Registered as dirty (Rio): the block, and whether a program may store to it. Then it equalled
   * none.
   */
  readonly dirty: { readonly block: number; readonly isOpen: boolean } | undefined;
}

/** Bytes that the file of a domain takes at most, whatever is in its memory. */
export function saveFileBytes(memoryBytes: number, arch: Arch): number {
  checkInteger('memoryBytes', memoryBytes);
  checkOneOf('arch', arch, ARCHS);
  const nrPages = memoryBytes / PAGE_SIZE;
  return (1 + bodyBlocksOf({ arch, nrPages, mappedPages: nrPages, factCount: nrPages })) * PAGE_SIZE;
}

/** Blocks of the body of a file. */
export function bodyBlocksOf({
  arch,
  nrPages,
  mappedPages,
  factCount,
}: Pick<SaveHeader, 'arch' | 'nrPages' | 'mappedPages' | 'factCount'>): number {
  const batches = Math.ceil(mappedPages / BATCH_PAGES) + 1;
  const bytes =
    4 * batches +
    nrPages * FRAME_NUMBER_BYTES[arch] +
    mappedPages * PAGE_SIZE +
    STATE_FRAMES_EACH * PAGE_SIZE +
    factCount * FRAME_FACT_BYTES +
    PAGE_SIZE;
  return Math.ceil(bytes / PAGE_SIZE);
}

/** The first block. */
export function encodeSaveHeader(header: SaveHeader): Uint8Array {
  const block = new Uint8Array(PAGE_SIZE);
  const layout = SAVE_HEADER[header.arch];
  const bytes = block.subarray(0, layout.size);
  putField(layout, bytes, 0, 'arch', ARCH_CODES[header.arch]);
  putField(layout, bytes, 0, 'consumed', header.consumed ? 1 : 0);
  putField(layout, bytes, 0, 'bodyBlocks', bodyBlocksOf(header));
  for (const name of ['bodyCrc', 'nrPages', 'mappedPages', 'factCount', 'bootPages', 'boots'] as const)
    putField(layout, bytes, 0, name, header[name]);
  const [name, cmdLine] = [header.name, header.cmdLine].map((text) => encodeText(text));
  assert(
    name!.length < DOMAIN_NAME_BYTES && cmdLine!.length < CMD_LINE_BYTES,
    'a domain has a configuration that fits',
  );
  bytes.set(name!, layout.offset.name);
  bytes.set(cmdLine!, layout.offset.cmdLine);
  putStore(layout, bytes, header.store);
  seal(layout, bytes, SAVE_MAGIC, SAVE_VERSION);
  return block;
}

/** @param arch of the machine on which it is to be restored */
export function decodeSaveHeader(block: Uint8Array, arch: Arch): Result<SaveHeader> {
  const bytes = block.subarray(0, SAVE_HEADER[arch].size);
  const written = archOfCode(getField(SAVE_HEADER[arch], bytes, 0, 'arch'));
  const layout = SAVE_HEADER[written ?? arch];
  const problem = flaw(layout, bytes, SAVE_MAGIC, SAVE_VERSION);
  if (problem !== undefined) return err(problem);
  if (written === undefined) return err('unknown architecture');
  if (written !== arch) return err(`of an ${written} machine, not ${arch}`);
  if (block.subarray(layout.size).some((byte) => byte !== 0)) return err('the rest of its block is not zero');
  const field = (name: keyof typeof layout.offset): number => getField(layout, bytes, 0, name);
  const value = {
    arch,
    consumed: field('consumed') !== 0,
    bodyCrc: field('bodyCrc'),
    nrPages: field('nrPages'),
    mappedPages: field('mappedPages'),
    factCount: field('factCount'),
    bootPages: field('bootPages'),
    boots: field('boots'),
    name: getText(layout, bytes, 'name', DOMAIN_NAME_BYTES),
    cmdLine: getText(layout, bytes, 'cmdLine', CMD_LINE_BYTES),
    store: getStore(layout, bytes),
  };
  const { nrPages, mappedPages, factCount, bootPages } = value;
  if (mappedPages > nrPages || factCount > mappedPages || bootPages > mappedPages || nrPages < 1 || nrPages >= 1 << 28)
    return err('numbers of pages that cannot be');
  return field('bodyBlocks') === bodyBlocksOf(value) ? ok(value) : err('another length than its pages have');
}

export function encodeFact(fact: FrameFact, arch: Arch): Uint8Array {
  const layout = FRAME_FACT[arch];
  const bytes = new Uint8Array(layout.size);
  const { name, preserved, block, dirty } = fact;
  const known = (name ? NAMED : 0) | (preserved ? PRESERVED : 0) | (block === undefined ? 0 : CLEAN);
  const flags = known | (dirty ? DIRTY : 0) | (dirty?.isOpen ? OPEN : 0);
  putField(layout, bytes, 0, 'pfn', fact.pfn);
  putField(layout, bytes, 0, 'flags', flags);
  putField(layout, bytes, 0, 'recency', fact.recency);
  putField(layout, bytes, 0, 'ino', name?.ino ?? 0);
  putField(layout, bytes, 0, 'generation', name?.generation ?? 0);
  putField(layout, bytes, 0, 'index', name?.index ?? 0);
  putField(layout, bytes, 0, 'block', block ?? dirty?.block ?? 0);
  return bytes;
}

/** Undefined for bytes that are none of `encodeFact`. */
export function decodeFact(bytes: Uint8Array, arch: Arch): FrameFact | undefined {
  const layout = FRAME_FACT[arch];
  if (overlongField(layout, bytes, 0) !== undefined) return undefined;
  const field = (name: keyof typeof layout.offset): number => getField(layout, bytes, 0, name);
  const flags = field('flags');
  const name = { ino: field('ino'), generation: field('generation'), index: field('index') };
  const fact = {
    pfn: field('pfn'),
    name: (flags & NAMED) === 0 ? undefined : name,
    preserved: (flags & PRESERVED) !== 0,
    recency: field('recency'),
    block: (flags & CLEAN) === 0 ? undefined : field('block'),
    dirty: (flags & DIRTY) === 0 ? undefined : { block: field('block'), isOpen: (flags & OPEN) !== 0 },
  };
  if (fact.preserved && (fact.name === undefined || fact.dirty !== undefined)) return undefined;
  if (fact.block !== undefined && fact.dirty !== undefined) return undefined;
  return encodeFact(fact, arch).every((byte, i) => byte === bytes[i]) ? fact : undefined;
}
