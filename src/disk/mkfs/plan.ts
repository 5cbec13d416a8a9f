/**
 * The plan of a file system: where every file, directory and journal of a tree is to lie.
 *
 * Contract: the same tree and options give the same plan. Every file is read once, to find its
 * holes. Nothing is written.
 */

import { counted } from '../../base/counted.ts';
import { InputError } from '../../base/input-error.ts';
import { encodeText } from '../../base/text.ts';
import { EXT2_BLOCK_SIZE, EXT2_FIRST_INO, EXT2_GOOD_OLD_INODE_SIZE } from '../../format/ext2.ts';
import { JBD_MIN_BLOCKS } from '../../format/jbd.ts';
import { collectInodes, journalInode, type PlannedInode } from './inodes.ts';
import { chooseShape, MAX_BLOCKS, Placement, shapeOfSize, type Shape } from './layout.ts';
import { countFiles, type Tree } from './tree.ts';

/** 17 June 2005, the release of Linux 2.6.12. Any fixed time would do. */
const DEFAULT_TIME_SECONDS = 1_118_966_400;
/** Free space of an image whose size was not given, as a share of the contents. */
export const DEFAULT_SLACK = 0.05;
/** Least free space of an image whose size was not given: 1 MiB. */
const MIN_FREE_BLOCKS = 256;

/** What an ext2 or ext3 image is like. All of it can be left out. */
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
  /**
   * Bytes of an inode: 128, the default, or 256. The larger one keeps times to the nanosecond, and
   * extended attributes.
   */
  readonly inodeBytes?: 128 | 256 | undefined;
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
  const { inodeBytes = EXT2_GOOD_OLD_INODE_SIZE } = options;
  const label = encodeText(options.label ?? '');
  if (size !== undefined && !(Number.isSafeInteger(size) && size > 0))
    throw new InputError(`size: expected bytes above 0, got ${size}`);
  if (!(slack >= 0 && slack < Infinity)) throw new InputError(`slack: expected 0 or more, got ${slack}`);
  if (!(Number.isSafeInteger(timeSeconds) && timeSeconds >= 0 && timeSeconds < 2 ** 31))
    throw new InputError(`timeSeconds: expected 0 to 2147483647, got ${timeSeconds}`);
  if (label.length > 16) throw new InputError(`label: expected at most 16 bytes, got ${label.length}`);

  if (journalBlocks !== undefined && !(Number.isSafeInteger(journalBlocks) && journalBlocks >= JBD_MIN_BLOCKS))
    throw new InputError(`journalBlocks: expected ${JBD_MIN_BLOCKS} or more, got ${journalBlocks}`);
  if (inodeBytes !== 128 && inodeBytes !== 256)
    throw new InputError(`inodeBytes: expected 128 or 256, got ${String(inodeBytes)}`);

  const { files, bytes: fileBytes } = countFiles(tree);
  const inodes = collectInodes(tree, timeSeconds, countUp(fileBytes, onProgress));
  // Besides the root, the inodes with reserved numbers.
  const reserved = journalBlocks === undefined ? 1 : 2;
  if (journalBlocks !== undefined) inodes.splice(1, 0, journalInode(journalBlocks, timeSeconds));
  const blocks = inodes.reduce((sum, inode) => sum + inode.blockCount, 0);
  const freeBlocks = Math.max(MIN_FREE_BLOCKS, Math.ceil(blocks * slack));
  const demand = { blocks, freeBlocks, inodes: inodes.length - reserved + EXT2_FIRST_INO - 1, inodeBytes };
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
export function countUp(totalBytes: number, onProgress: Progress | undefined): (bytes: number) => void {
  let doneBytes = 0;
  return (bytes) => {
    doneBytes += bytes;
    onProgress?.(doneBytes, totalBytes);
  };
}
