/**
 * The partition table of a whole disk: MBR, with the chain of logical partitions, or GPT.
 *
 * Contract: takes any bytes and never throws. A chain that leads back to itself ends. Partitions
 * are in the order of their numbers, which are those of Linux. Where they end is not compared with
 * the disk. Checksums of a GPT are not checked, and its copy at the end of the disk is not read.
 */

import { getU16, getU32 } from '../base/layout.ts';

export interface Partition {
  /** As Linux counts: 1 to 4 are in an MBR itself, 5 and up are the logical ones. */
  readonly number: number;
  /** Where it begins on the disk, bytes. */
  readonly start: number;
  readonly bytes: number;
}

export interface PartitionTable {
  readonly kind: 'MBR' | 'GPT';
  readonly partitions: readonly Partition[];
}

/** Bytes of the disk; undefined where there are none, or not so many. */
export type ReadDisk = (offset: number, length: number) => Uint8Array | undefined;

const SECTOR = 512;
const SIGNATURE_AT = 510;
const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;
const ENTRIES = 4;
/** Types of an entry that leads to logical partitions. */
const EXTENDED: readonly number[] = [0x05, 0x0f, 0x85];
/** Logical partitions that are looked for. */
const LOGICAL_MAX = 124;

/** "EFI PART". */
const GPT_SIGNATURE = [0x45, 0x46, 0x49, 0x20, 0x50, 0x41, 0x52, 0x54];
const GPT_ENTRY_MIN = 128;
const GPT_ENTRY_MAX = 4096;
const GPT_ENTRIES_MAX = 1024;

/** Undefined when there is no table, or no partition in it. */
export function readPartitionTable(read: ReadDisk): PartitionTable | undefined {
  const mbr = sectorAt(read, 0);
  if (mbr === undefined) return undefined;
  const gpt = readGpt(read);
  if (gpt !== undefined) return gpt.length > 0 ? { kind: 'GPT', partitions: gpt } : undefined;
  const entries = entriesOf(mbr);
  // The first sector of a FAT has the same signature.
  if (entries.some(({ flag }) => (flag & 0x7f) !== 0)) return undefined;
  const partitions: Partition[] = [];
  let logical: Partition[] = [];
  entries.forEach(({ type, first, sectors }, i) => {
    if (type === 0 || first === 0 || sectors === 0) return;
    if (EXTENDED.includes(type)) logical = readLogical(read, first);
    else partitions.push({ number: i + 1, start: first * SECTOR, bytes: sectors * SECTOR });
  });
  const all = [...partitions, ...logical];
  return all.length > 0 ? { kind: 'MBR', partitions: all } : undefined;
}

/** A sector with the signature of a boot record. */
function sectorAt(read: ReadDisk, sector: number): Uint8Array | undefined {
  const bytes = read(sector * SECTOR, SECTOR);
  return bytes !== undefined && getU16(bytes, SIGNATURE_AT) === 0xaa55 ? bytes : undefined;
}

interface MbrEntry {
  readonly flag: number;
  readonly type: number;
  readonly first: number;
  readonly sectors: number;
}

const entriesOf = (bytes: Uint8Array): MbrEntry[] =>
  Array.from({ length: ENTRIES }, (_, i) => {
    const at = ENTRIES_AT + i * ENTRY_BYTES;
    return { flag: bytes[at]!, type: bytes[at + 4]!, first: getU32(bytes, at + 8), sectors: getU32(bytes, at + 12) };
  });

/** Each record has a partition, which begins relative to it, and leads to the next record. */
function readLogical(read: ReadDisk, extended: number): Partition[] {
  const partitions: Partition[] = [];
  const seen = new Set<number>();
  for (let at = extended; !seen.has(at) && partitions.length < LOGICAL_MAX; ) {
    seen.add(at);
    const bytes = sectorAt(read, at);
    if (bytes === undefined) break;
    const [own, next] = entriesOf(bytes) as [MbrEntry, MbrEntry, ...MbrEntry[]];
    if (own.type !== 0 && own.sectors > 0)
      partitions.push({
        number: ENTRIES + 1 + partitions.length,
        start: (at + own.first) * SECTOR,
        bytes: own.sectors * SECTOR,
      });
    if (!EXTENDED.includes(next.type)) break;
    at = extended + next.first;
  }
  return partitions;
}

/** Undefined when the disk has no GPT. */
function readGpt(read: ReadDisk): Partition[] | undefined {
  for (const sector of [SECTOR, 4096]) {
    const header = read(sector, SECTOR);
    if (header === undefined || GPT_SIGNATURE.some((byte, i) => header[i] !== byte)) continue;
    const at = getU64(header, 72) * sector;
    const entryBytes = getU32(header, 84);
    if (entryBytes < GPT_ENTRY_MIN || entryBytes > GPT_ENTRY_MAX) return [];
    const partitions: Partition[] = [];
    for (let i = 0; i < Math.min(getU32(header, 80), GPT_ENTRIES_MAX); i++) {
      const place = at + i * entryBytes;
      const entry = Number.isSafeInteger(place) ? read(place, GPT_ENTRY_MIN) : undefined;
      if (entry === undefined) break;
      const start = getU64(entry, 32) * sector;
      const end = (getU64(entry, 40) + 1) * sector;
      const isUsed = entry.subarray(0, 16).some((byte) => byte !== 0);
      if (isUsed && start > 0 && end > start && Number.isSafeInteger(end))
        partitions.push({ number: i + 1, start, bytes: end - start });
    }
    return partitions;
  }
  return undefined;
}

/** Not exact above 2^53, which no disk has. */
const getU64 = (bytes: Uint8Array, at: number): number => getU32(bytes, at) + getU32(bytes, at + 4) * 2 ** 32;
