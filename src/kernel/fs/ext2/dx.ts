/**
 * Directories with an index on the disk: a tree of hashes of names, at most two levels high. It
 * leads from a name to its block (dx_probe and ext3_htree_next_block of fs/ext3/namei.c, 2.6.12).
 * How it begins and grows is ext2/dx-split.ts.
 *
 *   block 0 of the directory: the root, behind the entries "." and ".."
 *      records: [hash from which on, block] ascending  ->  nodes, the same once more  ->  leaves: blocks of entries, in no order
 *
 * Names with one hash may fill more than one leaf. Bit 0 of a leaf's hash says that the leaf before
 * has some of them, too. Code that reads the directory block by block sees root and nodes as
 * entries with much space behind them.
 *
 * Nothing in an index is trusted: one that makes no sense is not used (ERR_BAD_DX_DIR), where the
 * original stops the kernel for some of it. The guest pays for each record that is compared as for
 * an entry, and reads only the blocks of the way.
 */

import { PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import { DX_ENTRY, DX_NODE, DX_ROOT, EXT2_COMPAT, EXT2_INDEX_FL } from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import type { GuestEnvironment } from '../../../xen/public/index.ts';
import type { KernelCosts } from '../../costs.ts';
import type { FsCore } from '../core.ts';
import type { Ext2Changes } from './change.ts';
import { hashName, isHashVersion } from './dx-hash.ts';
import type { Ext2Inode } from './inode-info.ts';
import type { PageIo } from '../../cache/page-io.ts';

/**
 * Bytes before the records of a root and of a node, which follow each other up to the end of the
 * block.
 */
export const ROOT_HEAD = DX_ROOT.size;
export const NODE_HEAD = DX_NODE.size;
/** Of dx_unused_flags: names are hashed in a way that nobody has made. */
const UNKNOWN_HASH = 1;
/** dx_info_length. */
export const INFO_LENGTH = DX_ROOT.size - DX_ROOT.offset.dx_reserved;
const MOST_INDIRECT_LEVELS = 1;
/** Bits of a record's block that count. */
const BLOCK_MASK = 0xff_ffff;

/** Root or node on the way to a leaf. */
export interface Level {
  /** Of the directory. */
  readonly block: number;
  /** Bytes before its records. */
  readonly head: number;
  /** Records, the first included. */
  readonly count: number;
  /** The record that the way takes. */
  at: number;
  /** The block that it names. */
  child: number;
}

/** The way to the leaf in which a name is, or belongs. */
export interface IndexPath {
  readonly version: number;
  readonly hash: number;
  readonly indirectLevels: number;
  /** The root first. */
  readonly levels: Level[];
  /** A block of the directory. */
  leaf: number;
  /** Leaves that may still come: a sound index has no more than the directory has blocks. */
  left: number;
}

export class Ext3Index {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #io: PageIo;
  readonly #changes: Ext2Changes;

  constructor({ env, costs, io }: FsCore, changes: Ext2Changes) {
    this.#env = env;
    this.#costs = costs;
    this.#io = io;
    this.#changes = changes;
  }

  /** Whether directories of this file system are indexed: ext3 with the feature dir_index. */
  get isKept(): boolean {
    const { features, journalInode } = this.#changes.geometry;
    return journalInode !== 0 && (features.compat & EXT2_COMPAT.dir_index) !== 0;
  }

  isUsed(directory: Ext2Inode): boolean {
    return (directory.fields.flags & EXT2_INDEX_FL) !== 0 && this.isKept;
  }

  /**
   * dx_probe: the way to the first leaf that may have the name; undefined when the index makes no
   * sense. Throws EIO.
   */
  *find(directory: Ext2Inode, name: Uint8Array): Process<IndexPath | undefined> {
    if (directory.pageCount === 0) return undefined;
    const { memory } = this.#env;
    const pfn = yield* this.#page(directory, 0);
    const field = (name: 'dx_hash_version' | 'dx_info_length' | 'dx_indirect_levels' | 'dx_unused_flags'): number =>
      memory.readU8(pfn, DX_ROOT.offset[name]);
    const version = field('dx_hash_version');
    const indirectLevels = field('dx_indirect_levels');
    const isKnown =
      isHashVersion(version) &&
      field('dx_info_length') === INFO_LENGTH &&
      (field('dx_unused_flags') & UNKNOWN_HASH) === 0 &&
      indirectLevels <= MOST_INDIRECT_LEVELS;
    const hash = hashName(name, version, this.#changes.geometry.directoryHash);
    const path: IndexPath = { version, hash, indirectLevels, levels: [], leaf: 0, left: directory.pageCount };
    const root = isKnown ? this.#enter(pfn, 0, ROOT_HEAD, hash) : undefined;
    if (root !== undefined && (yield* this.#descend(directory, path, root, hash))) return path;
    this.#warn(directory);
    return undefined;
  }

  /**
   * ext3_htree_next_block: the way goes on to the next leaf if that has names of the same hash.
   * False: it does not; undefined: the index makes no sense. Throws EIO.
   */
  *next(directory: Ext2Inode, path: IndexPath): Process<boolean | undefined> {
    const { levels } = path;
    let level = levels.pop();
    while (level !== undefined && level.at + 1 === level.count) level = levels.pop();
    if (level === undefined) return false;
    const pfn = yield* this.#page(directory, level.block);
    const record = level.head + (level.at + 1) * DX_ENTRY.size;
    this.#env.cpu.charge(this.#costs.direntNs);
    if ((this.#env.memory.readU32(pfn, record) & ~1) >>> 0 !== path.hash) return false;
    level.at++;
    level.child = this.#childOf(pfn, record);
    if (yield* this.#descend(directory, path, level, undefined)) return true;
    this.#warn(directory);
    return undefined;
  }

  /**
   * From a level down to a leaf: by the hash, or to the first one. Returns false when the index
   * makes no sense.
   */
  *#descend(directory: Ext2Inode, path: IndexPath, from: Level, hash: number | undefined): Process<boolean> {
    const { levels } = path;
    levels.push(from);
    for (let { child } = from; ; ) {
      // The root is block 0.
      if (child >= directory.pageCount || levels.some(({ block }) => block === child)) return false;
      path.leaf = child;
      if (levels.length > path.indirectLevels) return --path.left >= 0;
      const level = this.#enter(yield* this.#page(directory, child), child, NODE_HEAD, hash);
      if (level === undefined) return false;
      levels.push(level);
      child = level.child;
    }
  }

  /**
   * A root or node, at the last record whose hash is not above; undefined when its numbers of
   * records make no sense.
   */
  #enter(pfn: Pfn, block: number, head: number, hash: number | undefined): Level | undefined {
    const { memory, cpu } = this.#env;
    const limit = memory.readU16(pfn, head);
    const count = memory.readU16(pfn, head + 2);
    if (limit !== limitOf(head) || count === 0 || count > limit) return undefined;
    let at = 0;
    if (hash !== undefined) {
      // The first record has no hash: it begins at 0.
      for (let end = count; end - at > 1; ) {
        const middle = (at + end) >>> 1;
        cpu.charge(this.#costs.direntNs);
        if (memory.readU32(pfn, head + middle * DX_ENTRY.size) > hash) end = middle;
        else at = middle;
      }
    }
    return { block, head, count, at, child: this.#childOf(pfn, head + at * DX_ENTRY.size) };
  }

  #childOf(pfn: Pfn, record: number): number {
    return this.#env.memory.readU32(pfn, record + DX_ENTRY.offset.dx_block) & BLOCK_MASK;
  }

  *#page(directory: Ext2Inode, index: number): Process<Pfn> {
    return this.#io.find(directory.space, index) ?? (yield* this.#io.getPage(directory, index));
  }

  #warn(directory: Ext2Inode): void {
    this.#changes.superblock.warn(`ext3: the index of directory ${directory.ino} makes no sense, and is not used`);
  }
}

/** How many records a root or a node holds: its block without so many bytes at the beginning. */
export function limitOf(head: number): number {
  return (PAGE_SIZE - head) / DX_ENTRY.size;
}
