/**
 * How the index of a directory begins, and how it grows (make_indexed_dir, do_split and
 * ext3_dx_add_entry of fs/ext3/namei.c, 2.6.12).
 *
 * A directory of one block that is full gets a root in that block, and two leaves. A full leaf is
 * split in two. Before that, a full root gives its records to a node below it, and a full node is
 * split.
 *
 * Contract: each of these steps leaves a sound index with the same names. A step fails before its
 * first store, except when memory for the page of a second new block is missing. The caller looks
 * the name up again after each. All run under one handle, and the caller holds i_sem.
 *
 * Differs from the original in two ways. A leaf is split where half of its bytes are, as in Linux
 * since 2.6.19. The original splits at half of its names, which may leave no room for a long name.
 * And the name is looked up anew.
 */

import { ModelError } from '../../../base/errno.ts';
import { getU16, getU32, putU16, putU32 } from '../../../base/layout.ts';
import { PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import { checkDirent, DIRENT, direntLength, DX_ENTRY, DX_ROOT, EXT2_INDEX_FL } from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import type { GuestEnvironment } from '../../../xen/public/index.ts';
import type { KernelCosts } from '../../costs.ts';
import type { FsCore } from '../core.ts';
import type { Ext2Changes } from './change.ts';
import { hasName } from './dirent.ts';
import type { Ext2Pages } from './pages.ts';
import { INFO_LENGTH, type IndexPath, type Level, limitOf, NODE_HEAD, ROOT_HEAD } from './dx.ts';
import { hashName, isHashVersion } from './dx-hash.ts';
import type { Ext2Inode } from './inode-info.ts';

const DOT = Uint8Array.of(0x2e);
const DOTDOT = Uint8Array.of(0x2e, 0x2e);

/** An entry of a leaf that is split. */
interface HashedEntry {
  readonly at: number;
  readonly length: number;
  readonly hash: number;
}

export class Ext3IndexSplits {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #changes: Ext2Changes;
  readonly #pages: Ext2Pages;

  constructor({ env, costs }: FsCore, changes: Ext2Changes, pages: Ext2Pages) {
    this.#env = env;
    this.#costs = costs;
    this.#changes = changes;
    this.#pages = pages;
  }

  /**
   * Makes room for a name whose leaf is full: splits the leaf, or before that the node that has no
   * room for one leaf more. Throws EIO, ENOSPC: when no block is free, or root and node are full.
   */
  *makeRoom(directory: Ext2Inode, path: IndexPath): Process {
    const [root, node] = path.levels;
    const above = node ?? root!;
    if (above.count < limitOf(above.head)) return yield* this.#splitLeaf(directory, path, above);
    if (node !== undefined && root!.count === limitOf(ROOT_HEAD))
      throw new ModelError('ENOSPC', `ext3: the index of directory ${directory.ino} is full`);
    // The leaf is split next. Then nothing of what that takes may fail: its page stays in memory,
    // and it has its block.
    yield* this.#changes.journal.access(directory, path.leaf);
    if (node === undefined) yield* this.#addLevel(directory);
    else yield* this.#splitNode(directory, root!, node);
  }

  /**
   * make_indexed_dir: a directory of one block gets an index. Its entries go to two leaves. Returns
   * false, and changes nothing, when the block does not begin as it must or the superblock names an
   * unknown hash.
   */
  *begin(directory: Ext2Inode): Process<boolean> {
    const { version } = this.#changes.geometry.directoryHash;
    if (!isHashVersion(version)) return false;
    const rootPfn = yield* this.#changes.journal.access(directory, 0);
    const root = this.#copyOf(rootPfn);
    const dotdot = DX_ROOT.offset.dx_dotdot;
    const entries = isDots(root)
      ? this.#hashesOf(directory, root, dotdot + getU16(root, dotdot + DIRENT.offset.rec_len), version)
      : [];
    if (entries.length < 2) return false;
    const { lower, upper, hash } = halvesOf(root, entries);
    yield* this.#pages.reserve(directory, 2);
    const block = directory.pageCount;
    const lowerPfn = yield* this.#pages.append(directory);
    // Should there be no page for the other one, this is a block without names.
    this.#store(directory, block, lowerPfn, packed(root, []));
    const upperPfn = yield* this.#pages.append(directory);
    this.#store(directory, block, lowerPfn, lower);
    this.#store(directory, block + 1, upperPfn, upper);
    root.fill(0, DX_ROOT.offset.dx_reserved);
    putU16(root, dotdot + DIRENT.offset.rec_len, PAGE_SIZE - dotdot);
    root[DX_ROOT.offset.dx_hash_version] = version;
    root[DX_ROOT.offset.dx_info_length] = INFO_LENGTH;
    putCounts(root, ROOT_HEAD, 2);
    putU32(root, ROOT_HEAD + DX_ENTRY.offset.dx_block, block);
    putU32(root, ROOT_HEAD + DX_ENTRY.size, hash);
    putU32(root, ROOT_HEAD + DX_ENTRY.size + DX_ENTRY.offset.dx_block, block + 1);
    this.#store(directory, 0, rootPfn, root);
    directory.fields.flags |= EXT2_INDEX_FL;
    this.#changes.markInodeDirty(directory);
    return true;
  }

  /** do_split: the upper half of a leaf's hashes goes to a new leaf. */
  *#splitLeaf(directory: Ext2Inode, path: IndexPath, above: Level): Process {
    const leafPfn = yield* this.#changes.journal.access(directory, path.leaf);
    const abovePfn = yield* this.#changes.journal.access(directory, above.block);
    const leaf = this.#copyOf(leafPfn);
    const entries = this.#hashesOf(directory, leaf, 0, path.version);
    if (entries.length < 2)
      throw new ModelError('EIO', `ext3: directory ${directory.ino} has a full block of one name`);
    const { lower, upper, hash } = halvesOf(leaf, entries);
    this.#env.cpu.charge(this.#costs.copyNsPerByte * PAGE_SIZE);
    const added = yield* this.#pages.append(directory);
    const block = directory.pageCount - 1;
    this.#store(directory, path.leaf, leafPfn, lower);
    this.#store(directory, block, added, upper);
    this.#insert(directory, above, abovePfn, hash, block);
  }

  /** A full node gives the upper half of its records to a new one. */
  *#splitNode(directory: Ext2Inode, root: Level, node: Level): Process {
    const rootPfn = yield* this.#changes.journal.access(directory, root.block);
    const nodePfn = yield* this.#changes.journal.access(directory, node.block);
    const bytes = this.#copyOf(nodePfn);
    const half = node.count >>> 1;
    const from = NODE_HEAD + half * DX_ENTRY.size;
    const hash = getU32(bytes, from);
    yield* this.#pages.reserve(directory, 2);
    const added = yield* this.#pages.append(directory);
    const block = directory.pageCount - 1;
    this.#store(directory, block, added, nodeOf(bytes, from, node.count - half));
    putCounts(bytes, NODE_HEAD, half);
    this.#store(directory, node.block, nodePfn, bytes);
    this.#insert(directory, root, rootPfn, hash, block);
  }

  /** A full root gives its records to a node below it. */
  *#addLevel(directory: Ext2Inode): Process {
    const pfn = yield* this.#changes.journal.access(directory, 0);
    const root = this.#copyOf(pfn);
    yield* this.#pages.reserve(directory, 2);
    const added = yield* this.#pages.append(directory);
    const block = directory.pageCount - 1;
    this.#store(directory, block, added, nodeOf(root, ROOT_HEAD, limitOf(ROOT_HEAD)));
    root[DX_ROOT.offset.dx_indirect_levels] = 1;
    putCounts(root, ROOT_HEAD, 1);
    putU32(root, ROOT_HEAD + DX_ENTRY.offset.dx_block, block);
    this.#store(directory, 0, pfn, root);
  }

  /** dx_insert_block: a record behind the one that the way takes. */
  #insert(directory: Ext2Inode, level: Level, pfn: Pfn, hash: number, block: number): void {
    const bytes = this.#copyOf(pfn);
    const at = level.head + (level.at + 1) * DX_ENTRY.size;
    bytes.copyWithin(at + DX_ENTRY.size, at, level.head + level.count * DX_ENTRY.size);
    putU32(bytes, at, hash);
    putU32(bytes, at + DX_ENTRY.offset.dx_block, block);
    putCounts(bytes, level.head, level.count + 1);
    this.#store(directory, level.block, pfn, bytes);
  }

  /**
   * dx_make_map: the entries of a block from `from` on, in the order of their hashes. Throws EIO
   * when one makes no sense.
   */
  #hashesOf(directory: Ext2Inode, block: Uint8Array, from: number, version: number): HashedEntry[] {
    const { directoryHash, inodeCount } = this.#changes.geometry;
    const entries: HashedEntry[] = [];
    for (let at = from; at < PAGE_SIZE; at += getU16(block, at + DIRENT.offset.rec_len)) {
      this.#env.cpu.charge(this.#costs.direntNs);
      const checked = checkDirent(block, at, PAGE_SIZE, inodeCount);
      if (!checked.ok) throw new ModelError('EIO', `ext2: directory ${directory.ino}: ${checked.reason}`);
      if (getU32(block, at) === 0) continue;
      const nameLength = block[at + DIRENT.offset.name_len]!;
      const name = block.subarray(at + DIRENT.size, at + DIRENT.size + nameLength);
      entries.push({ at, length: direntLength(nameLength), hash: hashName(name, version, directoryHash) });
    }
    return entries.sort((a, b) => a.hash - b.hash || a.at - b.at);
  }

  #copyOf(pfn: Pfn): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.#env.memory.copyOut(pfn, 0, bytes, 0, PAGE_SIZE);
    return bytes;
  }

  /**
   * New contents of a block, whose page `pageForChange` or `append` gave under this handle: it
   * stays in the cache.
   */
  #store(directory: Ext2Inode, block: number, pfn: Pfn, bytes: Uint8Array): void {
    this.#env.memory.copyIn(pfn, 0, bytes, 0, PAGE_SIZE);
    this.#changes.journal.markPageDirty(directory, pfn);
    if (directory.index?.isKnown(block) === true)
      directory.index.learn(block, bytes, this.#changes.geometry.inodeCount);
  }
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

/**
 * Two leaves with the entries of a block, and the hash from which the second one begins. Bit 0 of
 * it: some names with that hash are in the first leaf, too.
 */
function halvesOf(block: Uint8Array, entries: HashedEntry[]): { lower: Uint8Array; upper: Uint8Array; hash: number } {
  const upper = entries.splice(halfOf(entries));
  const { hash } = upper[0]!;
  const continues = entries.at(-1)!.hash === hash ? 1 : 0;
  return { lower: packed(block, entries), upper: packed(block, upper), hash: hash + continues };
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
