/**
 * Recognises a file that was given in place of an ext2 image, by its first bytes, and says what to
 * do with it. Nothing here decides whether an image is used: it is asked when one is refused.
 */

import { basename } from 'node:path';
import { getField } from '../../base/layout.ts';
import { shellWord } from '../../base/shell-word.ts';
import {
  EXT2_COMPAT,
  EXT2_LOG_BLOCK_SIZE,
  EXT2_MAGIC,
  EXT2_STATE,
  EXT2_SUPERBLOCK_OFFSET,
  EXT2_SUPERBLOCK_SIZE,
  checkIncompatibleFeatures,
  SUPERBLOCK,
} from '../../format/ext2.ts';
import { readPartitionTable, type PartitionTable } from '../../format/partition-table.ts';

/** Bytes at the start of a file by which its kind is known. */
export const HEAD_BYTES = 128 << 10;

const SECTOR = 512;
const COPY_FILES = 'mount it and name the directory, or make an image of that with stillwarm mkfs';

/**
 * A name for the raw image that a command makes of `path`; never `path` itself, which the command
 * would empty.
 */
const rawOf = (path: string): string => shellWord(`${basename(path)}.raw`);

interface Signature {
  readonly at: number;
  readonly bytes: string;
  readonly is: string;
  readonly next: (path: string) => string;
}

const packed = (bytes: string, program: string): Signature => ({
  at: 0,
  bytes,
  is: `packed by ${program}`,
  next: (path) => `unpack it first: ${program} -dc ${shellWord(path)} > ${rawOf(path)}`,
});
const ofMachine = (at: number, bytes: string, format: string): Signature => ({
  at,
  bytes,
  is: `an image in the format ${format}`,
  next: (path) => `make it raw first: qemu-img convert -O raw ${shellWord(path)} ${rawOf(path)}`,
});
const fileSystem = (at: number, bytes: string, name: string): Signature => ({
  at,
  bytes,
  is: `an image of ${name}`,
  next: () => COPY_FILES,
});

/** Latin-1 of the bytes. */
const SIGNATURES: readonly Signature[] = [
  packed('\x1f\x8b', 'gzip'),
  packed('BZh', 'bzip2'),
  packed('\xfd7zXZ\0', 'xz'),
  packed('\x28\xb5\x2f\xfd', 'zstd'),
  packed('\x04\x22\x4d\x18', 'lz4'),
  ofMachine(0, 'QFI\xfb', 'qcow2'),
  ofMachine(0, 'KDMV', 'vmdk'),
  ofMachine(0, 'vhdxfile', 'vhdx'),
  ofMachine(64, '\x7f\x10\xda\xbe', 'vdi'),
  { at: 0, bytes: 'LUKS\xba\xbe', is: 'encrypted', next: () => 'open it with cryptsetup, and copy what that shows' },
  { at: SECTOR, bytes: 'LABELONE', is: 'a volume of LVM', next: () => 'copy the logical volume in it' },
  fileSystem(0, 'XFSB', 'XFS'),
  fileSystem(0, 'hsqs', 'squashfs'),
  fileSystem(3, 'NTFS    ', 'NTFS'),
  fileSystem(32_769, 'CD001', 'ISO 9660'),
  fileSystem(65_600, '_BHRfS_M', 'btrfs'),
];

const has = (head: Uint8Array, at: number, bytes: string): boolean =>
  Array.from(bytes).every((char, i) => head[at + i] === char.charCodeAt(0));

/**
 * The kind of the file at `path`, and what to do next; undefined when its first bytes do not tell.
 */
export function foreignImage(path: string, head: Uint8Array): string | undefined {
  if (superblockOf(head) !== undefined) return undefined;
  const known = SIGNATURES.find(({ at, bytes }) => has(head, at, bytes));
  if (known !== undefined) return `${known.is}: ${known.next(path)}`;
  const partition = tableOf(head)?.partitions[0];
  if (partition === undefined) return undefined;
  const { start, bytes } = partition;
  return `a whole disk with a partition table: copy the partition first: dd if=${shellWord(path)} of=${rawOf(path)} bs=${SECTOR} skip=${start / SECTOR} count=${bytes / SECTOR}`;
}

/** What the first bytes of a file say that it is; undefined when they do not tell. */
export const whatIs = (head: Uint8Array): string | undefined =>
  SIGNATURES.find(({ at, bytes }) => has(head, at, bytes))?.is;

/** The partition table of a disk, as far as its first bytes tell. */
export const tableOf = (head: Uint8Array): PartitionTable | undefined =>
  readPartitionTable((offset, length) =>
    offset + length <= head.length ? head.subarray(offset, offset + length) : undefined,
  );

/** The bytes of an ext2, ext3 or ext4 superblock; undefined when there is none. */
export function superblockOf(head: Uint8Array): Uint8Array | undefined {
  const bytes = head.subarray(EXT2_SUPERBLOCK_OFFSET, EXT2_SUPERBLOCK_OFFSET + EXT2_SUPERBLOCK_SIZE);
  if (bytes.length < EXT2_SUPERBLOCK_SIZE) return undefined;
  return getField(SUPERBLOCK, bytes, 0, 's_magic') === EXT2_MAGIC ? bytes : undefined;
}

/** Which of its kin a file system is. @param superblock as `superblockOf` finds it */
export function extOf(superblock: Uint8Array): 'ext2' | 'ext3' | 'ext4' {
  if (!checkIncompatibleFeatures(getField(SUPERBLOCK, superblock, 0, 's_feature_incompat')).ok) return 'ext4';
  return (getField(SUPERBLOCK, superblock, 0, 's_feature_compat') & EXT2_COMPAT.has_journal) === 0 ? 'ext2' : 'ext3';
}

/** What to do about a refused ext2, ext3 or ext4 image; undefined when nothing is known. */
export function adviceOnExt(head: Uint8Array): string | undefined {
  const bytes = superblockOf(head);
  if (bytes === undefined) return undefined;
  if (!checkIncompatibleFeatures(getField(SUPERBLOCK, bytes, 0, 's_feature_incompat')).ok)
    return `it is ext4, or has features of it: ${COPY_FILES}`;
  if (getField(SUPERBLOCK, bytes, 0, 's_log_block_size') !== EXT2_LOG_BLOCK_SIZE)
    return `make it anew with mke2fs -b 4096: ${COPY_FILES}`;
  return undefined;
}

/**
 * Why an image of ext2 is not run although a guest would mount it; undefined when nothing is wrong.
 */
export function whyUnclean(head: Uint8Array): string | undefined {
  const bytes = superblockOf(head);
  if (bytes === undefined) return undefined;
  const state = getField(SUPERBLOCK, bytes, 0, 's_state');
  const hasJournal = (getField(SUPERBLOCK, bytes, 0, 's_feature_compat') & EXT2_COMPAT.has_journal) !== 0;
  const next = 'run e2fsck -f on a copy of it first';
  if ((state & EXT2_STATE.error) !== 0) return `the file system has noted errors: ${next}`;
  if ((state & EXT2_STATE.valid) !== 0) return undefined;
  return `${hasJournal ? 'ext3' : 'ext2'}, and was not unmounted${hasJournal ? '' : ', without a journal'}: ${next}`;
}
