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
 * The image has revision 1, blocks of 4096 bytes, inodes of 128 or 256 bytes and groups of 32768
 * blocks. Its features are filetype, sparse_super and large_file, plus has_journal on request. No
 * block is reserved, everything is owned by 0:0, and `e2fsck -fn` finds nothing. Like mke2fs it
 * makes spare inodes, one for 16 KiB. Unlike mke2fs, it places everything as one copy onto an empty
 * disk would.
 */

import { checkArgument, checkFunction, checkObject } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { InputError } from '../../base/input-error.ts';
import { putField } from '../../base/layout.ts';
import {
  EXT2_BLOCK_SIZE,
  EXT2_FAST_SYMLINK_MAX,
  EXT2_JOURNAL_INO,
  EXT2_MODE,
  INODE,
  INODE_EXTRA,
} from '../../format/ext2.ts';
import type { ImageStore } from '../image/image-store.ts';
import { MemoryImage } from '../image/memory-image.ts';
import { OverlayImage } from '../image/overlay-image.ts';
import { groupPlaces, writeBitmaps, writeSuperblocks } from './groups.ts';
import { directoryBytes, walkBlocks, type PlannedInode } from './inodes.ts';
import { MappedFiles, type Extent } from './mapped-files.ts';
import { countUp, type Ext2Options, type Ext2Plan, planExt2, type Progress } from './plan.ts';
import { forEachPiece, type FileContent, type Tree } from './tree.ts';

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

/** Bytes of an image in memory. Each group of 128 MiB takes 1 MiB of it, for the bitmaps. */
const IN_MEMORY_MAX = 2 ** 40;

/**
 * `planExt2` and `writeExt2` to memory, 1 TiB at most.
 * @throws ArgumentError for what is no tree; InputError for options and files as ext2 cannot have
 */
export function makeExt2(tree: Tree, options: Ext2Options = {}, onProgress?: Progress): MemoryImage {
  checkObject('tree', tree, 'root');
  checkObject('options', options);
  checkFunction('onProgress', onProgress, true);
  const half = (first: boolean): Progress | undefined =>
    onProgress && ((done, total) => onProgress(first ? done : total + done, 2 * total));
  const plan = planExt2(tree, options, half(true));
  if (plan.sizeBytes > IN_MEMORY_MAX)
    throw new InputError(`size: ${plan.sizeBytes} bytes are more than an image in memory can have, ${IN_MEMORY_MAX}`);
  const image = new MemoryImage(plan.sizeBytes);
  writeExt2(plan, image, half(false));
  return image;
}

const MODE_TYPE = { file: EXT2_MODE.regular, directory: EXT2_MODE.directory, symlink: EXT2_MODE.symlink } as const;

/** Writes an inode with everything except a file's contents; returns where those are to lie. */
function writeInode(plan: Ext2Plan, store: ImageStore, inode: PlannedInode): Extent[] {
  const { inodeBytes, inodesPerGroup } = plan.shape;
  const bytes = new Uint8Array(inodeBytes);
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
  if (inodeBytes > INODE.size) {
    putField(INODE_EXTRA, bytes, INODE.size, 'i_extra_isize', INODE_EXTRA.size);
    putField(INODE_EXTRA, bytes, INODE.size, 'i_crtime', meta.mtimeSeconds);
  }

  if (body.kind === 'symlink' && body.target.length < EXT2_FAST_SYMLINK_MAX)
    bytes.set(body.target, INODE.offset.i_block);
  const data = writePointers(store, inode, bytes);
  if (body.kind === 'directory') writePiece(store, data, 0, directoryBytes(inode));
  if (body.kind === 'symlink') writePiece(store, data, 0, body.target);

  const index = inode.ino - 1;
  const group = Math.floor(index / inodesPerGroup);
  const table = groupPlaces(plan.shape, group).inodeTable * EXT2_BLOCK_SIZE;
  store.write(table + (index % inodesPerGroup) * inodeBytes, bytes, 0, inodeBytes);
  return data;
}

/**
 * Writes the indirect blocks of an inode and sets i_block in `inodeBytes`; returns where the data
 * goes, ascending.
 */
function writePointers(store: ImageStore, inode: PlannedInode, inodeBytes: Uint8Array): Extent[] {
  const extents: Extent[] = [];
  // The indirect block in use at each level; the block at level 0 is pointed to by i_block.
  const tables: { readonly block: number; readonly bytes: Uint8Array; readonly words: DataView }[] = [];
  const flush = (level: number): void => {
    for (const table of tables.splice(level))
      store.write(table.block * EXT2_BLOCK_SIZE, table.bytes, 0, EXT2_BLOCK_SIZE);
  };
  const point = (level: number, element: number, block: number): void => {
    if (level === 0) putField(INODE, inodeBytes, 0, 'i_block', block, element);
    else tables[level - 1]!.words.setUint32(element * 4, block, true);
  };
  const blocks = blockCursor(inode.placedRuns);
  walkBlocks(
    inode.dataRuns,
    (path, level) => {
      flush(level);
      const { block } = blocks.take(1);
      point(level, path[level]!, block);
      const bytes = new Uint8Array(EXT2_BLOCK_SIZE);
      tables.push({ block, bytes, words: new DataView(bytes.buffer) });
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
