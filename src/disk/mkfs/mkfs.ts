/**
 * Makes an ext2 file system from a tree of files, for `stillwarm mkfs` and for experiments on a
 * directory.
 *
 * Contract: two steps. `planExt2` reads every file once and decides where everything goes;
 * `writeExt2` fills a store that is all zeros. `makeExt2` does both in memory. The same tree and
 * options give the same bytes. Besides the names and the plan, at most one piece of one file is in
 * memory. A file that changes its length between the steps is an InputError. One that changes its
 * bytes gives the old or the new ones, and a sound image.
 *
 * The image has revision 1, blocks of 4096 bytes, inodes of 128 bytes, groups of 32768 blocks, and
 * the features filetype, sparse_super and large_file, plus has_journal on request. No block is
 * reserved, everything is owned by 0:0, and `e2fsck -fn` finds nothing. Like mke2fs it makes spare
 * inodes, one for 16 KiB. Unlike mke2fs, it places everything as one copy onto an empty disk would.
 */

import { encodeText } from '../../base/text.ts';
import { counted } from '../../base/counted.ts';
import { checkArgument, checkFunction, checkObject } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { putField } from '../../base/layout.ts';
import { InputError } from '../../base/input-error.ts';
import {
  EXT2_BLOCK_SIZE,
  EXT2_COMPAT,
  EXT2_DYNAMIC_REV,
  EXT2_FAST_SYMLINK_MAX,
  EXT2_FIRST_INO,
  EXT2_GOOD_OLD_INODE_SIZE,
  EXT2_INCOMPAT,
  EXT2_JOURNAL_INO,
  EXT2_LOG_BLOCK_SIZE,
  EXT2_MAGIC,
  EXT2_MODE,
  EXT2_RO_COMPAT,
  EXT2_STATE,
  EXT2_SUPERBLOCK_OFFSET,
  GROUP_DESCRIPTOR,
  hasSuperblock,
  INODE,
  SUPERBLOCK,
} from '../../format/ext2.ts';
import type { ImageStore } from '../image/image-store.ts';
import { JBD_MIN_BLOCKS } from '../../format/jbd.ts';
import { MappedFiles, type Extent } from './mapped-files.ts';
import { MemoryImage } from '../image/memory-image.ts';
import { collectInodes, directoryBytes, journalInode, walkBlocks, type PlannedInode } from './inodes.ts';
import {
  BLOCKS_PER_GROUP,
  chooseShape,
  groupOverhead,
  MAX_BLOCKS,
  Placement,
  shapeOfSize,
  type Shape,
} from './layout.ts';
import { countFiles, forEachPiece, type FileContent, type Tree } from './tree.ts';
import { OverlayImage } from '../image/overlay-image.ts';

/** 17 June 2005, the release of Linux 2.6.12. Any fixed time would do. */
const DEFAULT_TIME_SECONDS = 1_118_966_400;
const DEFAULT_SLACK = 0.05;
/** Least free space of an image whose size was not given: 1 MiB. */
const MIN_FREE_BLOCKS = 256;

export interface Ext2Options {
  /**
   * Size of the image in bytes, rounded down to blocks; by default what the contents need, and the
   * slack.
   */
  readonly size?: number | undefined;
  /**
   * Free space as a share of the contents, 0 and up; at least 1 MiB is free. Not used with `size`.
   */
  readonly slack?: number | undefined;
  /** Name of the volume, at most 16 bytes. */
  readonly label?: string | undefined;
  /** When the file system was made, seconds since 1970. */
  readonly timeSeconds?: number | undefined;
  /** Blocks of a journal, at least 1024; by default there is none. */
  readonly journalBlocks?: number | undefined;
}

/** Called as work goes on: file bytes done, of all there are to do. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

/** Where everything goes. */
export interface Ext2Plan {
  readonly sizeBytes: number;
  /** Regular files and the sum of their lengths. */
  readonly files: number;
  readonly fileBytes: number;
  readonly shape: Shape;
  readonly placement: Placement;
  readonly inodes: readonly PlannedInode[];
  readonly label: Uint8Array;
  readonly timeSeconds: number;
}

/**
 * Decides where everything goes.
 * @throws InputError for an option out of range, a size too small, a file that ext2 cannot hold or
 * that cannot be read
 */
export function planExt2(tree: Tree, options: Ext2Options = {}, onProgress?: Progress): Ext2Plan {
  const { size, slack = DEFAULT_SLACK, timeSeconds = DEFAULT_TIME_SECONDS, journalBlocks } = options;
  const label = encodeText(options.label ?? '');
  if (size !== undefined && !(Number.isSafeInteger(size) && size > 0))
    throw new InputError(`size: expected bytes above 0, got ${size}`);
  if (!(slack >= 0 && slack < Infinity)) throw new InputError(`slack: expected 0 or more, got ${slack}`);
  if (!(Number.isSafeInteger(timeSeconds) && timeSeconds >= 0 && timeSeconds < 2 ** 31))
    throw new InputError(`timeSeconds: expected 0 to 2147483647, got ${timeSeconds}`);
  if (label.length > 16) throw new InputError(`label: expected at most 16 bytes, got ${label.length}`);

  if (journalBlocks !== undefined && !(Number.isSafeInteger(journalBlocks) && journalBlocks >= JBD_MIN_BLOCKS))
    throw new InputError(`journalBlocks: expected ${JBD_MIN_BLOCKS} or more, got ${journalBlocks}`);

  const { files, bytes: fileBytes } = countFiles(tree);
  const inodes = collectInodes(tree, timeSeconds, countUp(fileBytes, onProgress));
  // Besides the root, the inodes with reserved numbers.
  const reserved = journalBlocks === undefined ? 1 : 2;
  if (journalBlocks !== undefined) inodes.splice(1, 0, journalInode(journalBlocks, timeSeconds));
  const blocks = inodes.reduce((sum, inode) => sum + inode.blockCount, 0);
  const freeBlocks = Math.max(MIN_FREE_BLOCKS, Math.ceil(blocks * slack));
  const demand = { blocks, freeBlocks, inodes: inodes.length - reserved + EXT2_FIRST_INO - 1 };
  const given = size === undefined ? undefined : Math.floor(size / EXT2_BLOCK_SIZE);
  if (given !== undefined && given > MAX_BLOCKS)
    throw new InputError(`size: ${size} bytes are more than ext2 can have, ${MAX_BLOCKS * EXT2_BLOCK_SIZE}`);
  const shape = given === undefined ? chooseShape(demand, true) : shapeOfSize(given, demand);
  if (shape === undefined) {
    const least = chooseShape({ ...demand, freeBlocks: 0 }, false);
    if (size === undefined || least === undefined) throw new InputError('the files are too many for ext2');
    throw new InputError(
      `size: ${counted(size, 'byte is', 'bytes are')} too few, the files need ${least.blockCount * EXT2_BLOCK_SIZE}`,
    );
  }

  const placement = new Placement(shape);
  for (const inode of inodes) placement.place(inode);
  return {
    sizeBytes: (given ?? shape.blockCount) * EXT2_BLOCK_SIZE,
    files,
    fileBytes,
    shape,
    placement,
    inodes,
    label,
    timeSeconds,
  };
}

/** Adds up what is done and reports it. */
function countUp(totalBytes: number, onProgress: Progress | undefined): (bytes: number) => void {
  let doneBytes = 0;
  return (bytes) => {
    doneBytes += bytes;
    onProgress?.(doneBytes, totalBytes);
  };
}

/**
 * Writes the planned file system. What must be zero is not written.
 * @param store all zeros, at least plan.sizeBytes long
 * @throws InputError when a file cannot be read, or the store cannot be written
 */
export function writeExt2(plan: Ext2Plan, store: ImageStore, onProgress?: Progress): void {
  checkArgument(store.size >= plan.sizeBytes, 'store', 'the store has room for the image');
  const onWritten = countUp(plan.fileBytes, onProgress);
  writeAround(plan, store, (extents, content, { ino, sizeBytes }) => {
    forEachPiece(content, (offset, piece) => writePiece(store, extents, offset, piece));
    if (ino !== EXT2_JOURNAL_INO) onWritten(sizeBytes);
  });
}

/**
 * The planned file system as an image whose files stay where they are: their bytes are read when
 * the image is read. Writes are kept in memory.
 */
export function mapExt2(plan: Ext2Plan): ImageStore {
  const files = new MappedFiles(plan.sizeBytes);
  const image = new OverlayImage(files);
  writeAround(plan, image, (extents, content) => files.place(extents, content));
  return image;
}

/** Writes everything except the contents of files, which `onFile` puts in place. */
function writeAround(
  plan: Ext2Plan,
  store: ImageStore,
  onFile: (extents: readonly Extent[], content: FileContent, inode: PlannedInode) => void,
): void {
  for (const inode of plan.inodes) {
    const extents = writeInode(plan, store, inode);
    if (inode.body.kind === 'file') onFile(extents, inode.body.content, inode);
  }
  writeBitmaps(plan, store);
  // Last: until now the image has no magic number, so an unfinished one is not taken for a file
  // system.
  writeSuperblocks(plan, store);
}

/** `planExt2` and `writeExt2` to memory. */
export function makeExt2(tree: Tree, options: Ext2Options = {}, onProgress?: Progress): MemoryImage {
  checkObject('tree', tree, 'root');
  checkObject('options', options);
  checkFunction('onProgress', onProgress, true);
  const half = (first: boolean): Progress | undefined =>
    onProgress && ((done, total) => onProgress(first ? done : total + done, 2 * total));
  const plan = planExt2(tree, options, half(true));
  const image = new MemoryImage(plan.sizeBytes);
  writeExt2(plan, image, half(false));
  return image;
}

const MODE_TYPE = { file: EXT2_MODE.regular, directory: EXT2_MODE.directory, symlink: EXT2_MODE.symlink } as const;

/** Writes an inode with everything except a file's contents; returns where those are to lie. */
function writeInode(plan: Ext2Plan, store: ImageStore, inode: PlannedInode): Extent[] {
  const bytes = new Uint8Array(INODE.size);
  const put = (name: keyof typeof INODE.offset, value: number): void => putField(INODE, bytes, 0, name, value);
  const { body, meta } = inode;
  put('i_mode', MODE_TYPE[body.kind] | meta.mode);
  put('i_size', inode.sizeBytes % 2 ** 32);
  put('i_size_high', Math.floor(inode.sizeBytes / 2 ** 32));
  put('i_atime', meta.mtimeSeconds);
  put('i_ctime', meta.mtimeSeconds);
  put('i_mtime', meta.mtimeSeconds);
  put('i_links_count', inode.links);
  put('i_blocks', (inode.blockCount * EXT2_BLOCK_SIZE) / 512);

  if (body.kind === 'symlink' && body.target.length < EXT2_FAST_SYMLINK_MAX)
    bytes.set(body.target, INODE.offset.i_block);
  const data = writePointers(store, inode, bytes);
  if (body.kind === 'directory') writePiece(store, data, 0, directoryBytes(inode));
  if (body.kind === 'symlink') writePiece(store, data, 0, body.target);

  const index = inode.ino - 1;
  const group = Math.floor(index / plan.shape.inodesPerGroup);
  const table = groupPlaces(plan.shape, group).inodeTable * EXT2_BLOCK_SIZE;
  store.write(table + (index % plan.shape.inodesPerGroup) * INODE.size, bytes, 0, INODE.size);
  return data;
}

/**
 * Writes the indirect blocks of an inode and sets i_block in `inodeBytes`; returns where the data
 * goes, ascending.
 */
function writePointers(store: ImageStore, inode: PlannedInode, inodeBytes: Uint8Array): Extent[] {
  const extents: Extent[] = [];
  // The indirect block in use at each level; the block at level 0 is pointed to by i_block.
  const tables: { readonly block: number; readonly bytes: Uint8Array }[] = [];
  const flush = (level: number): void => {
    for (const table of tables.splice(level))
      store.write(table.block * EXT2_BLOCK_SIZE, table.bytes, 0, EXT2_BLOCK_SIZE);
  };
  const point = (level: number, element: number, block: number): void => {
    if (level === 0) putField(INODE, inodeBytes, 0, 'i_block', block, element);
    else putU32(tables[level - 1]!.bytes, element * 4, block);
  };
  const blocks = blockCursor(inode.placedRuns);
  walkBlocks(
    inode.dataRuns,
    (path, level) => {
      flush(level);
      const { block } = blocks.take(1);
      point(level, path[level]!, block);
      tables.push({ block, bytes: new Uint8Array(EXT2_BLOCK_SIZE) });
    },
    (index, count, path) => {
      for (let done = 0; done < count; ) {
        const { block, taken } = blocks.take(count - done);
        for (let i = 0; i < taken; i++) point(path.length - 1, path.at(-1)! + done + i, block + i);
        extents.push({ first: index + done, end: index + done + taken, block });
        done += taken;
      }
    },
  );
  flush(0);
  assert(blocks.isAtEnd(), 'every block is used');
  return extents;
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = value >>> (8 * i);
}

/** Takes blocks from runs in order, as many as lie in line, at most `count`. */
function blockCursor(runs: readonly number[]): {
  take: (count: number) => { block: number; taken: number };
  isAtEnd: () => boolean;
} {
  let run = 0;
  let used = 0;
  return {
    take: (count) => {
      assert(run < runs.length, 'the inode has a block for everything');
      const block = runs[run]! + used;
      const taken = Math.min(count, runs[run + 1]! - used);
      used += taken;
      if (used === runs[run + 1]!) {
        run += 2;
        used = 0;
      }
      return { block, taken };
    },
    isAtEnd: () => run === runs.length,
  };
}

/** Writes the bytes of a file that begin at `offset`, less those that fall into holes. */
function writePiece(store: ImageStore, extents: readonly Extent[], offset: number, bytes: Uint8Array): void {
  const first = offset / EXT2_BLOCK_SIZE;
  const end = first + Math.ceil(bytes.length / EXT2_BLOCK_SIZE);
  for (let i = firstExtentAfter(extents, first); i < extents.length && extents[i]!.first < end; i++) {
    const extent = extents[i]!;
    const from = Math.max(first, extent.first);
    const start = (from - first) * EXT2_BLOCK_SIZE;
    const length = Math.min((Math.min(end, extent.end) - from) * EXT2_BLOCK_SIZE, bytes.length - start);
    store.write((extent.block + from - extent.first) * EXT2_BLOCK_SIZE, bytes, start, length);
  }
}

/** Index of the first extent that ends after block `index`. */
function firstExtentAfter(extents: readonly Extent[], index: number): number {
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (extents[middle]!.end <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Blocks of the metadata of a group. */
function groupPlaces(shape: Shape, group: number): { blockBitmap: number; inodeBitmap: number; inodeTable: number } {
  const blockBitmap = group * BLOCKS_PER_GROUP + (hasSuperblock(group) ? 1 + shape.descriptorBlocks : 0);
  return { blockBitmap, inodeBitmap: blockBitmap + 1, inodeTable: blockBitmap + 2 };
}

/** Bits 0 to `used` - 1 are in use; those from `exists` on do not exist, and are set too. */
function bitmap(used: number, exists: number): Uint8Array {
  const bytes = new Uint8Array(EXT2_BLOCK_SIZE);
  const set = (from: number, to: number): void => {
    for (let bit = from; bit < to; bit++) bytes[bit >>> 3]! |= 1 << (bit & 7);
  };
  set(0, used);
  set(exists, EXT2_BLOCK_SIZE * 8);
  return bytes;
}

function writeBitmaps({ shape, placement }: Ext2Plan, store: ImageStore): void {
  placement.groups.forEach((group, number) => {
    const places = groupPlaces(shape, number);
    const blocks = bitmap(group.nextBlock - group.firstBlock, group.endBlock - group.firstBlock);
    store.write(places.blockBitmap * EXT2_BLOCK_SIZE, blocks, 0, EXT2_BLOCK_SIZE);
    const inodes = bitmap(group.nextInode, shape.inodesPerGroup);
    store.write(places.inodeBitmap * EXT2_BLOCK_SIZE, inodes, 0, EXT2_BLOCK_SIZE);
  });
}

/** Writes the descriptors and the superblock to every group that holds a copy, to group 0 last. */
function writeSuperblocks(plan: Ext2Plan, store: ImageStore): void {
  const { shape, placement } = plan;
  const descriptors = new Uint8Array(shape.descriptorBlocks * EXT2_BLOCK_SIZE);
  placement.groups.forEach((group, number) => {
    const places = groupPlaces(shape, number);
    const put = (name: keyof typeof GROUP_DESCRIPTOR.offset, value: number): void =>
      putField(GROUP_DESCRIPTOR, descriptors, number * GROUP_DESCRIPTOR.size, name, value);
    put('bg_block_bitmap', places.blockBitmap);
    put('bg_inode_bitmap', places.inodeBitmap);
    put('bg_inode_table', places.inodeTable);
    put('bg_free_blocks_count', group.endBlock - group.nextBlock);
    put('bg_free_inodes_count', shape.inodesPerGroup - group.nextInode);
    put('bg_used_dirs_count', group.directories);
  });
  const superblock = superblockBytes(plan);
  for (let group = shape.groupCount - 1; group >= 0; group--) {
    if (!hasSuperblock(group)) continue;
    const block = group * BLOCKS_PER_GROUP;
    assert(block + groupOverhead(shape, group) <= shape.blockCount, 'the copy lies in the file system');
    putField(SUPERBLOCK, superblock, 0, 's_block_group_nr', group);
    store.write((block + 1) * EXT2_BLOCK_SIZE, descriptors, 0, descriptors.length);
    // Only the first one leaves room for a boot sector.
    const at = group === 0 ? EXT2_SUPERBLOCK_OFFSET : block * EXT2_BLOCK_SIZE;
    store.write(at, superblock, 0, superblock.length);
  }
}

function superblockBytes({ shape, placement, inodes, label, timeSeconds }: Ext2Plan): Uint8Array {
  const hasJournal = inodes.some(({ ino }) => ino === EXT2_JOURNAL_INO);
  const bytes = new Uint8Array(SUPERBLOCK.size);
  const put = (name: keyof typeof SUPERBLOCK.offset, value: number): void =>
    putField(SUPERBLOCK, bytes, 0, name, value);
  put('s_inodes_count', shape.groupCount * shape.inodesPerGroup);
  put('s_blocks_count', shape.blockCount);
  put('s_free_blocks_count', placement.freeBlocks);
  put('s_free_inodes_count', placement.freeInodes);
  put('s_log_block_size', EXT2_LOG_BLOCK_SIZE);
  put('s_log_frag_size', EXT2_LOG_BLOCK_SIZE);
  put('s_blocks_per_group', BLOCKS_PER_GROUP);
  put('s_frags_per_group', BLOCKS_PER_GROUP);
  put('s_inodes_per_group', shape.inodesPerGroup);
  put('s_wtime', timeSeconds);
  put('s_max_mnt_count', 65535);
  put('s_magic', EXT2_MAGIC);
  put('s_state', EXT2_STATE.valid);
  put('s_errors', 1);
  put('s_lastcheck', timeSeconds);
  put('s_rev_level', EXT2_DYNAMIC_REV);
  put('s_first_ino', EXT2_FIRST_INO);
  put('s_inode_size', EXT2_GOOD_OLD_INODE_SIZE);
  if (hasJournal) {
    put('s_feature_compat', EXT2_COMPAT.has_journal);
    put('s_journal_inum', EXT2_JOURNAL_INO);
  }
  put('s_feature_incompat', EXT2_INCOMPAT.filetype);
  put('s_feature_ro_compat', EXT2_RO_COMPAT.sparse_super | EXT2_RO_COMPAT.large_file);
  put('s_mkfs_time', timeSeconds);
  bytes.set(label, SUPERBLOCK.offset.s_volume_name);
  bytes.set(volumeId(bytes), SUPERBLOCK.offset.s_uuid);
  return bytes;
}

/**
 * A volume id in the form of a random UUID (version 4, variant 1) that follows from the rest of the
 * superblock.
 */
function volumeId(superblock: Uint8Array): Uint8Array {
  const id = new Uint8Array(16);
  for (let word = 0; word < 4; word++) putU32(id, word * 4, crc32c(superblock, 0, superblock.length, word));
  id[6] = (id[6]! & 0x0f) | 0x40;
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id;
}
