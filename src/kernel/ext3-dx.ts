/**
 * Directories with an index on the disk: a tree of hashes of names, at most two levels high, that leads to the block which has a name
 * (dx_probe, ext3_htree_next_block and what ext3_dx_add_entry calls in fs/ext3/namei.c, 2.6.12).
 *
 *   block 0 of the directory: the root, behind the entries "." and ".."
 *      records: [hash from which on, block] ascending  ->  nodes, the same once more  ->  leaves: blocks of entries, in no order
 *
 * Names with one hash may fill more than one leaf: bit 0 of a leaf's hash says that the leaf before has some of them, too.
 * Who reads a directory block by block, sees root and nodes as entries with much space behind them.
 *
 * Nothing in an index is trusted: one that makes no sense is not used (ERR_BAD_DX_DIR), where the original stops the kernel for some
 * of it. The guest pays for each record that is compared as for an entry. Each change here leaves a sound index, and is made in
 * one go after everything that can fail: the caller looks the name up again after it.
 *
 * Differs from the original: a leaf is split where half of its bytes are, as in Linux since 2.6.19, not half of its names, which may
 * leave no room for a long name. A name whose leaf was split is looked up anew.
 */

import { ModelError } from '../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../base/units.ts';
import {
  checkDirent,
  DIRENT,
  direntLength,
  DX_ENTRY,
  DX_NODE,
  DX_ROOT,
  EXT2_COMPAT,
  EXT2_INDEX_FL,
} from '../disk/ext2-format.ts';
import type { Process } from '../sim/index.ts';
import type { GuestEnvironment } from '../xen/public/index.ts';
import type { KernelCosts } from './costs.ts';
import type { Ext2 } from './ext2.ts';
import type { Ext2Changes } from './ext2-change.ts';
import { getU16, getU32, hasName, putU16, putU32 } from './ext2-dirent.ts';
import type { Ext2Pages } from './ext2-pages.ts';
import { hashName, isHashVersion } from './ext3-hash.ts';
import type { Inode } from './inode.ts';
import type { PageIo } from './page-io.ts';

/** Bytes before the records of a root and of a node, which follow each other up to the end of the block. */
const ROOT_HEAD = DX_ROOT.size;
const NODE_HEAD = DX_NODE.size;
const INFO_LENGTH = DX_ROOT.size - DX_ROOT.offset.dx_reserved;
const MOST_INDIRECT_LEVELS = 1;
/** Bits of a record's block that count. */
const BLOCK_MASK = 0xff_ffff;
const DOT = Uint8Array.of(0x2e);
const DOTDOT = Uint8Array.of(0x2e, 0x2e);

/** Root or node on the way to a leaf. */
interface Level {
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

/** An entry of a leaf that is split. */
interface HashedEntry {
  readonly at: number;
  readonly length: number;
  readonly hash: number;
}

export class Ext3Index {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #io: PageIo;
  readonly #changes: Ext2Changes;
  readonly #pages: Ext2Pages;

  constructor(env: GuestEnvironment, costs: KernelCosts, io: PageIo, ext2: Ext2) {
    this.#env = env;
    this.#costs = costs;
    this.#io = io;
    this.#changes = ext2.changes;
    this.#pages = ext2.pages;
  }

  /** Whether directories of this file system are indexed: ext3 with the feature dir_index. */
  get isKept(): boolean {
    const { features, journalInode } = this.#changes.geometry;
    return journalInode !== 0 && (features.compat & EXT2_COMPAT.dir_index) !== 0;
  }

  isUsed(directory: Inode): boolean {
    return (directory.fields.flags & EXT2_INDEX_FL) !== 0 && this.isKept;
  }

  /** dx_probe: the way to the first leaf that may have the name; undefined when the index makes no sense. Throws EIO. */
  *find(directory: Inode, name: Uint8Array): Process<IndexPath | undefined> {
    if (directory.pageCount === 0) return undefined;
    const { memory } = this.#env;
    const pfn = yield* this.#page(directory, 0);
    const field = (name: 'dx_hash_version' | 'dx_info_length' | 'dx_indirect_levels' | 'dx_unused_flags'): number =>
      memory.readU8(pfn, DX_ROOT.offset[name]);
    const version = field('dx_hash_version');
    const indirectLevels = field('dx_indirect_levels');
    if (
      !isHashVersion(version) ||
      field('dx_info_length') !== INFO_LENGTH ||
      (field('dx_unused_flags') & 1) !== 0 ||
      indirectLevels > MOST_INDIRECT_LEVELS
    )
      return this.#bad(directory);
    const hash = hashName(name, version, this.#changes.geometry.directoryHash);
    const path: IndexPath = { version, hash, indirectLevels, levels: [], leaf: 0, left: directory.pageCount };
    const root = this.#enter(pfn, 0, ROOT_HEAD, hash);
    return root !== undefined && (yield* this.#descend(directory, path, root, hash)) ? path : this.#bad(directory);
  }

  /**
   * ext3_htree_next_block: the way goes on to the next leaf if that has names of the same hash. False: it does not;
   * undefined: the index makes no sense. Throws EIO.
   */
  *next(directory: Inode, path: IndexPath): Process<boolean | undefined> {
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
    return (yield* this.#descend(directory, path, level, undefined)) ? true : this.#bad(directory);
  }

  /**
   * Makes room for a name whose leaf is full: splits the leaf, or before that the node that has no room for one leaf more.
   * Throws EIO, ENOSPC: when no block is free, or root and node are full.
   */
  *makeRoom(directory: Inode, path: IndexPath): Process {
    const above = path.levels.at(-1)!;
    if (above.count < limitOf(above.head)) yield* this.#splitLeaf(directory, path, above);
    else if (path.levels.length === 1) yield* this.#addLevel(directory);
    else if (path.levels[0]!.count < limitOf(ROOT_HEAD)) yield* this.#splitNode(directory, path.levels[0]!, above);
    else throw new ModelError('ENOSPC', `ext3: the index of directory ${directory.ino} is full`);
  }

  /**
   * make_indexed_dir, its first half: a directory of one block gets an index. Its entries go to a block of their own. Returns false
   * when that cannot be: the block does not begin as it must, or the superblock names a hash that there is not.
   */
  *begin(directory: Inode): Process<boolean> {
    const { version } = this.#changes.geometry.directoryHash;
    if (!this.isKept || !isHashVersion(version)) return false;
    const pfn = yield* this.#changes.pageForChange(directory, 0);
    const root = this.#copyOf(pfn);
    const dotdot = DX_ROOT.offset.dx_dotdot;
    const start = dotdot + getU16(root, dotdot + DIRENT.offset.rec_len);
    if (!isDots(root) || start >= PAGE_SIZE) return false;
    const leaf = new Uint8Array(PAGE_SIZE);
    leaf.set(root.subarray(start));
    let last = 0;
    for (let at = 0; at < PAGE_SIZE - start; at += this.#lengthAt(directory, leaf, at, PAGE_SIZE - start)) last = at;
    putU16(leaf, last + DIRENT.offset.rec_len, PAGE_SIZE - last);
    const added = yield* this.#pages.append(directory);
    root.fill(0, DX_ROOT.offset.dx_reserved);
    putU16(root, dotdot + DIRENT.offset.rec_len, PAGE_SIZE - dotdot);
    root[DX_ROOT.offset.dx_hash_version] = version;
    root[DX_ROOT.offset.dx_info_length] = INFO_LENGTH;
    putCounts(root, ROOT_HEAD, 1);
    putU32(root, ROOT_HEAD + DX_ENTRY.offset.dx_block, directory.pageCount - 1);
    this.#store(directory, 0, pfn, root);
    this.#store(directory, directory.pageCount - 1, added, leaf);
    directory.fields.flags |= EXT2_INDEX_FL;
    this.#changes.markInodeDirty(directory);
    return true;
  }

  /** From a level down to a leaf: by the hash, or to the first one. Returns false when the index makes no sense. */
  *#descend(directory: Inode, path: IndexPath, from: Level, hash: number | undefined): Process<boolean> {
    const { levels } = path;
    levels.push(from);
    for (let { child } = from; ; ) {
      if (child === 0 || child >= directory.pageCount || levels.some(({ block }) => block === child)) return false;
      path.leaf = child;
      if (levels.length > path.indirectLevels) return --path.left >= 0;
      const level = this.#enter(yield* this.#page(directory, child), child, NODE_HEAD, hash);
      if (level === undefined) return false;
      levels.push(level);
      child = level.child;
    }
  }

  /** A root or node, at the last record whose hash is not above; undefined when its numbers of records make no sense. */
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

  /** do_split: the upper half of a leaf's hashes goes to a new leaf. */
  *#splitLeaf(directory: Inode, path: IndexPath, above: Level): Process {
    const leafPfn = yield* this.#changes.pageForChange(directory, path.leaf);
    const abovePfn = yield* this.#changes.pageForChange(directory, above.block);
    const leaf = this.#copyOf(leafPfn);
    const entries = this.#hashesOf(directory, leaf, path.version);
    if (entries.length < 2)
      throw new ModelError('EIO', `ext3: directory ${directory.ino} has a full block of one name`);
    this.#env.cpu.charge(this.#costs.copyNsPerByte * PAGE_SIZE);
    const upper = entries.splice(halfOf(entries));
    const { hash } = upper[0]!;
    const continues = entries.at(-1)!.hash === hash ? 1 : 0;
    entries.sort((a, b) => a.at - b.at);
    const added = yield* this.#pages.append(directory);
    const block = directory.pageCount - 1;
    this.#store(directory, path.leaf, leafPfn, packed(leaf, entries));
    this.#store(directory, block, added, packed(leaf, upper));
    this.#insert(directory, above, abovePfn, hash + continues, block);
  }

  /** A full node gives the upper half of its records to a new one. */
  *#splitNode(directory: Inode, root: Level, node: Level): Process {
    const rootPfn = yield* this.#changes.pageForChange(directory, root.block);
    const nodePfn = yield* this.#changes.pageForChange(directory, node.block);
    const bytes = this.#copyOf(nodePfn);
    const half = node.count >>> 1;
    const from = NODE_HEAD + half * DX_ENTRY.size;
    const hash = getU32(bytes, from);
    const added = yield* this.#pages.append(directory);
    const block = directory.pageCount - 1;
    this.#store(directory, block, added, nodeOf(bytes, from, node.count - half));
    putCounts(bytes, NODE_HEAD, half);
    this.#store(directory, node.block, nodePfn, bytes);
    this.#insert(directory, root, rootPfn, hash, block);
  }

  /** A full root gives its records to a node below it. */
  *#addLevel(directory: Inode): Process {
    const pfn = yield* this.#changes.pageForChange(directory, 0);
    const root = this.#copyOf(pfn);
    const added = yield* this.#pages.append(directory);
    const block = directory.pageCount - 1;
    this.#store(directory, block, added, nodeOf(root, ROOT_HEAD, limitOf(ROOT_HEAD)));
    root[DX_ROOT.offset.dx_indirect_levels] = 1;
    putCounts(root, ROOT_HEAD, 1);
    putU32(root, ROOT_HEAD + DX_ENTRY.offset.dx_block, block);
    this.#store(directory, 0, pfn, root);
  }

  /** dx_insert_block: a record behind the one that the way takes. */
  #insert(directory: Inode, level: Level, pfn: Pfn, hash: number, block: number): void {
    const bytes = this.#copyOf(pfn);
    const at = level.head + (level.at + 1) * DX_ENTRY.size;
    bytes.copyWithin(at + DX_ENTRY.size, at, level.head + level.count * DX_ENTRY.size);
    putU32(bytes, at, hash);
    putU32(bytes, at + DX_ENTRY.offset.dx_block, block);
    putCounts(bytes, level.head, level.count + 1);
    this.#store(directory, level.block, pfn, bytes);
  }

  /** dx_make_map: the entries of a leaf in the order of their hashes. Throws EIO. */
  #hashesOf(directory: Inode, leaf: Uint8Array, version: number): HashedEntry[] {
    const entries: HashedEntry[] = [];
    for (let at = 0; at < PAGE_SIZE; at += this.#lengthAt(directory, leaf, at, PAGE_SIZE)) {
      if (getU32(leaf, at) === 0) continue;
      const nameLength = leaf[at + DIRENT.offset.name_len]!;
      const name = leaf.subarray(at + DIRENT.size, at + DIRENT.size + nameLength);
      const hash = hashName(name, version, this.#changes.geometry.directoryHash);
      entries.push({ at, length: direntLength(nameLength), hash });
    }
    return entries.sort((a, b) => a.hash - b.hash || a.at - b.at);
  }

  /** Length of the entry at `at`. Throws EIO when it makes no sense. */
  #lengthAt(directory: Inode, bytes: Uint8Array, at: number, end: number): number {
    this.#env.cpu.charge(this.#costs.direntNs);
    const problem = checkDirent(bytes, at, end, this.#changes.geometry.inodeCount);
    if (problem !== undefined) throw new ModelError('EIO', `ext2: directory ${directory.ino}: ${problem}`);
    return getU16(bytes, at + DIRENT.offset.rec_len);
  }

  *#page(directory: Inode, index: number): Process<Pfn> {
    return this.#io.find(directory.space, index) ?? (yield* this.#io.getPage(directory, index));
  }

  #copyOf(pfn: Pfn): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.#env.memory.copyOut(pfn, 0, bytes, 0, PAGE_SIZE);
    return bytes;
  }

  /** New contents of a block, whose page `pageForChange` or `append` gave under this handle: it stays in the cache. */
  #store(directory: Inode, block: number, pfn: Pfn, bytes: Uint8Array): void {
    this.#env.memory.copyIn(pfn, 0, bytes, 0, PAGE_SIZE);
    this.#changes.markPageDirty(directory, pfn);
    if (directory.index?.isKnown(block) === true)
      directory.index.learn(block, bytes, this.#changes.geometry.inodeCount);
  }

  #bad(directory: Inode): undefined {
    this.#changes.superblock.warn(`ext3: the index of directory ${directory.ino} makes no sense, and is not used`);
    return undefined;
  }
}

/** How many records a root or a node holds. */
function limitOf(head: number): number {
  return (PAGE_SIZE - head) / DX_ENTRY.size;
}

function putCounts(bytes: Uint8Array, head: number, count: number): void {
  putU16(bytes, head, limitOf(head));
  putU16(bytes, head + 2, count);
}

/** A node with the records that lie at `from`. */
function nodeOf(bytes: Uint8Array, from: number, count: number): Uint8Array {
  const node = new Uint8Array(PAGE_SIZE);
  putU16(node, DIRENT.offset.rec_len, PAGE_SIZE);
  node.set(bytes.subarray(from, from + count * DX_ENTRY.size), NODE_HEAD);
  putCounts(node, NODE_HEAD, count);
  return node;
}

/** How many of these entries, at least one and not all, take about half of their bytes. */
function halfOf(entries: readonly HashedEntry[]): number {
  let left = entries.reduce((sum, { length }) => sum + length, 0) / 2;
  let count = 0;
  for (const { length } of entries) {
    left -= length / 2;
    if (left < 0) break;
    left -= length / 2;
    count++;
  }
  return Math.min(Math.max(count, 1), entries.length - 1);
}

/** A leaf with these entries, one behind the other; the last one has the rest of the block. */
function packed(leaf: Uint8Array, entries: readonly HashedEntry[]): Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE);
  let to = 0;
  let last = 0;
  for (const { at, length } of entries) {
    const size = DIRENT.size + leaf[at + DIRENT.offset.name_len]!;
    bytes.set(leaf.subarray(at, at + size), to);
    putU16(bytes, to + DIRENT.offset.rec_len, length);
    last = to;
    to += length;
  }
  putU16(bytes, last + DIRENT.offset.rec_len, PAGE_SIZE - last);
  return bytes;
}

/** Whether a block begins with "." and "..", the first one as short as can be. */
function isDots(block: Uint8Array): boolean {
  const dotdot = DX_ROOT.offset.dx_dotdot;
  return getU16(block, DIRENT.offset.rec_len) === dotdot && hasName(block, 0, DOT) && hasName(block, dotdot, DOTDOT);
}
