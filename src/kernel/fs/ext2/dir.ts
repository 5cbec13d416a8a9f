/**
 * ext2 directories: finding, listing, adding and removing names (fs/ext2/dir.c of 2.6.12). A
 * directory's blocks are pages of its own inode's mapping, read one by one without readahead. A bad
 * entry is EIO, and a walk never leaves its block.
 *
 * A search costs the guest every entry from the first block on, as in the original. The host passes
 * over blocks known to hold nothing that the search would find (ext2/dir-index.ts). Their pages are
 * in the cache, and looking there leaves no trace. On ext3 with dir_index, a search costs what the
 * index on the disk leads to (ext2/dx.ts). A directory of more than one block gets an index. It is
 * still listed in the order of the disk, where the original sorts by hashes. On ext2, an index is
 * not used, and a change gives it up.
 *
 * A caller that changes a directory holds its i_sem. A change is made in one go after the last
 * wait, so that it is whole.
 */

import { ModelError } from '../../../base/errno.ts';
import { getU16, getU32, putU16, putU32 } from '../../../base/layout.ts';
import { canonicalText, decodeText, encodeText } from '../../../base/text.ts';
import { PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import {
  checkDirent,
  DIRENT,
  direntLength,
  EXT2_FILE_TYPE,
  EXT2_INCOMPAT,
  EXT2_INDEX_FL,
  EXT2_MODE,
  EXT2_NAME_MAX,
} from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import type { GuestEnvironment } from '../../../xen/public/index.ts';
import type { KernelCosts } from '../../costs.ts';
import type { FsCore } from '../core.ts';
import type { DirectoryEntry, DirectoryOperations } from '../file-system.ts';
import type { Ext2Changes } from './change.ts';
import { hasName } from './dirent.ts';
import type { Ext2Pages } from './pages.ts';
import { Ext3Index, type IndexPath } from './dx.ts';
import { Ext3IndexSplits } from './dx-split.ts';
import type { Ext2Inode } from './inode-info.ts';
import type { PageIo } from '../../cache/page-io.ts';

/**
 * Where an entry lies: its block, and the entry before it in the block, -1 when it is the first.
 */
interface EntryPlace {
  readonly index: number;
  readonly at: number;
  readonly previous: number;
}

/** The index makes no sense: the directory is searched block by block. */
const BAD_INDEX = 'bad index';
/** A level more or a node split, a leaf split, the name added; one to spare. */
const INDEX_ATTEMPTS = 4;
const DOT = 0x2e;

export class Ext2Directories implements DirectoryOperations {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #io: PageIo;
  readonly #changes: Ext2Changes;
  readonly #pages: Ext2Pages;
  readonly #hashed: Ext3Index;
  readonly #splits: Ext3IndexSplits;
  /**
   * The name that was encoded last, and the one string of its bytes: one operation asks for it
   * several times.
   */
  #encoded = { name: '', bytes: encodeText(''), key: '' };
  /** A directory's block, while no wait intervenes. */
  readonly #block = new Uint8Array(PAGE_SIZE);

  constructor(core: FsCore, changes: Ext2Changes, pages: Ext2Pages) {
    this.#env = core.env;
    this.#costs = core.costs;
    this.#io = core.io;
    this.#changes = changes;
    this.#pages = pages;
    this.#hashed = new Ext3Index(core, changes);
    this.#splits = new Ext3IndexSplits(core, changes, pages);
  }

  /** ext2_find_entry: the inode number of a name, or 0. Throws EIO. */
  *find(directory: Ext2Inode, name: string): Process<number> {
    const place = yield* this.#locate(directory, name);
    return place === undefined ? 0 : getU32(this.#block, place.at);
  }

  /** ext2_add_link, ext3_add_entry: throws EEXIST, ENAMETOOLONG, ENOSPC, EIO. */
  *addLink(directory: Ext2Inode, name: string, inode: Ext2Inode): Process {
    const { bytes: wanted, key } = this.#encode(name);
    const hasIndex = this.#hashed.isUsed(directory);
    if (hasIndex && (yield* this.#addByHash(directory, name, inode))) return;
    const needed = direntLength(wanted.length);
    const page = this.#block;
    let index = this.#next(directory, 0, key, needed);
    for (; index < directory.pageCount; index = this.#next(directory, index + 1, key, needed)) {
      const pfn = this.#io.find(directory.space, index) ?? (yield* this.#io.getPage(directory, index));
      this.#lookAt(directory, index, pfn);
      const at = this.#roomFor(directory, name);
      if (at < 0) continue;
      const changed = this.#changes.journal.tryAccess(directory, index) ?? (yield* this.#forChange(directory, index));
      this.#putInto(directory, index, changed, at, name, inode, false);
      return;
    }
    // One that cannot be used is given up, and no other is made.
    if (!hasIndex && this.#hashed.isKept && directory.pageCount === 1 && (yield* this.#splits.begin(directory)))
      if (yield* this.#addByHash(directory, name, inode)) return;
    const pfn = yield* this.#pages.append(directory);
    this.#copy(pfn, page);
    this.#putEntry(page, 0, PAGE_SIZE, wanted, inode);
    this.#store(directory, pfn, 0, needed, false);
    this.#learn(directory, directory.pageCount - 1);
  }

  /** ext3_dx_add_entry; returns false when the index makes no sense, and nothing was added. */
  *#addByHash(directory: Ext2Inode, name: string, inode: Ext2Inode): Process<boolean> {
    const { bytes } = this.#encode(name);
    for (let attempt = 0; attempt < INDEX_ATTEMPTS; attempt++) {
      const path = yield* this.#hashed.find(directory, bytes);
      if (path === undefined) return false;
      const index = path.leaf;
      const pfn = this.#io.find(directory.space, index) ?? (yield* this.#io.getPage(directory, index));
      this.#copy(pfn, this.#block);
      const at = this.#roomFor(directory, name);
      if (at >= 0) {
        const changed = this.#changes.journal.tryAccess(directory, index) ?? (yield* this.#forChange(directory, index));
        this.#putInto(directory, index, changed, at, name, inode);
        return true;
      }
      yield* this.#splits.makeRoom(directory, path);
    }
    return false;
  }

  /** ext2_delete_entry: its space goes to the entry before it in the block. Throws ENOENT, EIO. */
  *deleteEntry(directory: Ext2Inode, name: string): Process {
    const place = yield* this.#locate(directory, name);
    if (place === undefined) throw new ModelError('ENOENT', name);
    const { index, at, previous } = place;
    const page = this.#block;
    const pfn = this.#changes.journal.tryAccess(directory, index) ?? (yield* this.#forChange(directory, index));
    page.fill(0, at, at + 4);
    if (previous >= 0) {
      const length = at - previous + getU16(page, at + DIRENT.offset.rec_len);
      putU16(page, previous + DIRENT.offset.rec_len, length);
    }
    const from = Math.max(0, previous);
    this.#store(directory, pfn, from, at + DIRENT.size - from);
    directory.index?.removed(index, this.#encode(name).key, page);
  }

  /** ext2_set_link: an entry that is there names another inode. Throws ENOENT, EIO. */
  *setLink(directory: Ext2Inode, name: string, inode: Ext2Inode): Process {
    const place = yield* this.#locate(directory, name);
    if (place === undefined) throw new ModelError('ENOENT', name);
    const page = this.#block;
    const pfn =
      this.#changes.journal.tryAccess(directory, place.index) ?? (yield* this.#forChange(directory, place.index));
    putU32(page, place.at, inode.ino);
    page[place.at + DIRENT.offset.file_type] = this.#fileType(inode);
    this.#store(directory, pfn, place.at, DIRENT.size);
  }

  /** ext2_make_empty: the first block of a new directory, with "." and "..". */
  *makeEmpty(directory: Ext2Inode, parent: Ext2Inode): Process {
    const pfn = yield* this.#pages.append(directory);
    const page = this.#block;
    page.fill(0);
    const dot = direntLength(1);
    this.#putEntry(page, 0, dot, encodeText('.'), directory);
    this.#putEntry(page, dot, PAGE_SIZE - dot, encodeText('..'), parent);
    this.#store(directory, pfn, 0, 2 * dot);
  }

  /** ext2_empty_dir: whether a directory has no entries but "." and "..". */
  *isEmpty(directory: Ext2Inode): Process<boolean> {
    const entries = yield* this.list(directory);
    return entries.every(({ name }) => name === '.' || name === '..');
  }

  /** Where a name lies; the block is in #block then. */
  *#locate(directory: Ext2Inode, name: string): Process<EntryPlace | undefined> {
    const { bytes: wanted, key } = this.#encode(name);
    if (this.#hashed.isUsed(directory)) {
      const found = yield* this.#locateByHash(directory, wanted);
      if (found !== BAD_INDEX) return found;
    }
    let index = this.#next(directory, 0, key, 0);
    for (; index < directory.pageCount; index = this.#next(directory, index + 1, key, 0)) {
      const pfn = this.#io.find(directory.space, index) ?? (yield* this.#io.getPage(directory, index));
      this.#lookAt(directory, index, pfn);
      const place = this.#search(directory, index, wanted);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  /**
   * ext3_dx_find_entry: "." and ".." are in the first block, other names where their hash leads to.
   */
  *#locateByHash(directory: Ext2Inode, wanted: Uint8Array): Process<EntryPlace | undefined | typeof BAD_INDEX> {
    const isDot = wanted.length <= 2 && wanted.every((byte) => byte === DOT);
    const path: IndexPath | undefined = isDot ? undefined : yield* this.#hashed.find(directory, wanted);
    if (path === undefined && !isDot) return BAD_INDEX;
    for (;;) {
      const index = path?.leaf ?? 0;
      this.#copy(this.#io.find(directory.space, index) ?? (yield* this.#io.getPage(directory, index)), this.#block);
      const place = this.#search(directory, index, wanted);
      if (place !== undefined) return place;
      if (path === undefined) return BAD_INDEX;
      const goesOn = yield* this.#hashed.next(directory, path);
      if (goesOn !== true) return goesOn === false ? undefined : BAD_INDEX;
    }
  }

  /** Where a name lies in #block, which is the directory's block `index`. */
  #search(directory: Ext2Inode, index: number, wanted: Uint8Array): EntryPlace | undefined {
    const page = this.#block;
    for (let at = 0, previous = -1; at < PAGE_SIZE; ) {
      const length = this.#recordLength(directory, page, at);
      if (getU32(page, at) !== 0 && hasName(page, at, wanted)) return { index, at, previous };
      previous = at;
      at += length;
    }
    return undefined;
  }

  /**
   * The entry of #block that has room for a name, or behind which there is room; -1: none. Throws
   * EEXIST.
   */
  #roomFor(directory: Ext2Inode, name: string): number {
    const { bytes: wanted } = this.#encode(name);
    const page = this.#block;
    const needed = direntLength(wanted.length);
    for (let at = 0, length = 0; at < PAGE_SIZE; at += length) {
      length = this.#recordLength(directory, page, at);
      if (getU32(page, at) !== 0 && hasName(page, at, wanted)) throw new ModelError('EEXIST', name);
      if (length - usedBytes(page, at) >= needed) return at;
    }
    return -1;
  }

  /**
   * An entry more in #block, the directory's block `index`, where `roomFor` said; its page may be
   * changed.
   */
  #putInto(
    directory: Ext2Inode,
    index: number,
    pfn: Pfn,
    at: number,
    name: string,
    inode: Ext2Inode,
    keepsIndex = this.#hashed.isKept,
  ): void {
    const { bytes, key } = this.#encode(name);
    const page = this.#block;
    const used = usedBytes(page, at);
    const length = getU16(page, at + DIRENT.offset.rec_len);
    // Where nothing is used, this is the new entry's, and is set below.
    putU16(page, at + DIRENT.offset.rec_len, used);
    this.#putEntry(page, at + used, length - used, bytes, inode);
    this.#store(directory, pfn, at, used + direntLength(bytes.length), keepsIndex);
    directory.index?.added(index, key, page);
  }

  /**
   * The page of a directory, to be changed before the next wait, when that takes a wait; its
   * contents are in #block again.
   */
  *#forChange(directory: Ext2Inode, index: number): Process<Pfn> {
    const pfn = yield* this.#changes.journal.access(directory, index);
    this.#copy(pfn, this.#block);
    return pfn;
  }

  #putEntry(page: Uint8Array, at: number, length: number, name: Uint8Array, inode: Ext2Inode): void {
    putU32(page, at, inode.ino);
    putU16(page, at + DIRENT.offset.rec_len, length);
    page[at + DIRENT.offset.name_len] = name.length;
    page[at + DIRENT.offset.file_type] = this.#fileType(inode);
    page.set(name, at + DIRENT.size);
  }

  #fileType(inode: Ext2Inode): number {
    if ((this.#changes.geometry.features.incompat & EXT2_INCOMPAT.filetype) === 0) return EXT2_FILE_TYPE.unknown;
    return FILE_TYPES.get(inode.fields.mode & EXT2_MODE.typeMask) ?? EXT2_FILE_TYPE.unknown;
  }

  /**
   * Bytes of #block go to the directory's page, which is not let go since it was copied; times
   * follow.
   */
  #store(directory: Ext2Inode, pfn: Pfn, at: number, length: number, keepsIndex = this.#hashed.isKept): void {
    this.#env.memory.copyIn(pfn, at, this.#block, at, length);
    this.#changes.journal.markPageDirty(directory, pfn);
    this.#changes.superblock.state.stampChange(directory.fields);
    if (!keepsIndex) directory.fields.flags &= ~EXT2_INDEX_FL;
    this.#changes.markInodeDirty(directory);
  }

  /**
   * ext2_readdir: every entry in use, "." and ".." included, in the order of the disk. Throws EIO.
   */
  *list(directory: Ext2Inode): Process<DirectoryEntry[]> {
    const entries: DirectoryEntry[] = [];
    const page = new Uint8Array(PAGE_SIZE);
    for (let index = 0; index < directory.pageCount; index++) {
      this.#copy(this.#io.find(directory.space, index) ?? (yield* this.#io.getPage(directory, index)), page);
      for (let at = 0; at < PAGE_SIZE; at += this.#recordLength(directory, page, at)) {
        const ino = getU32(page, at);
        if (ino === 0) continue;
        const start = at + DIRENT.size;
        const name = decodeText(page.subarray(start, start + page[at + DIRENT.offset.name_len]!));
        entries.push({ name, ino, type: page[at + DIRENT.offset.file_type]! });
      }
    }
    return entries;
  }

  /**
   * The next block from `from` on that a search for a name, or for room of so many bytes, must look
   * at. The guest pays for the entries of those that are passed over.
   */
  #next(directory: Ext2Inode, from: number, key: string, needed: number): number {
    const { index, pageCount } = directory;
    if (index === undefined || pageCount === 1) return from;
    const next = index.next(from, pageCount, key, needed);
    if (next > from) this.#env.cpu.charge(index.entriesIn(from, next) * this.#costs.direntNs);
    return next;
  }

  /** The contents of a directory's page are in #block, and what the block has is known. */
  #lookAt(directory: Ext2Inode, index: number, pfn: Pfn): void {
    this.#copy(pfn, this.#block);
    this.#learn(directory, index);
  }

  /** Nothing need be known of a directory of one block. */
  #learn(directory: Ext2Inode, index: number): void {
    if (directory.pageCount === 1 || directory.index?.isKnown(index) !== false) return;
    directory.index.learn(index, this.#block, this.#changes.geometry.inodeCount);
  }

  /** The bytes of a name, and the one string of these. Throws ENAMETOOLONG. */
  #encode(name: string): { readonly bytes: Uint8Array; readonly key: string } {
    if (name !== this.#encoded.name) this.#encoded = { name, bytes: encodeText(name), key: canonicalText(name) };
    if (this.#encoded.bytes.length > EXT2_NAME_MAX) throw new ModelError('ENAMETOOLONG', name);
    return this.#encoded;
  }

  #copy(pfn: Pfn, page: Uint8Array): void {
    this.#env.memory.copyOut(pfn, 0, page, 0, PAGE_SIZE);
  }

  /**
   * Length of the entry at `at`, after it was found to make sense: at least 12, and inside the
   * block.
   */
  #recordLength(directory: Ext2Inode, page: Uint8Array, at: number): number {
    this.#env.cpu.charge(this.#costs.direntNs);
    const checked = checkDirent(page, at, PAGE_SIZE, this.#changes.geometry.inodeCount);
    if (!checked.ok) throw new ModelError('EIO', `ext2: directory ${directory.ino}: ${checked.reason}`);
    return getU16(page, at + DIRENT.offset.rec_len);
  }
}

const FILE_TYPES: ReadonlyMap<number, number> = new Map([
  [EXT2_MODE.regular, EXT2_FILE_TYPE.regular],
  [EXT2_MODE.directory, EXT2_FILE_TYPE.directory],
  [EXT2_MODE.characterDevice, EXT2_FILE_TYPE.characterDevice],
  [EXT2_MODE.blockDevice, EXT2_FILE_TYPE.blockDevice],
  [EXT2_MODE.fifo, EXT2_FILE_TYPE.fifo],
  [EXT2_MODE.socket, EXT2_FILE_TYPE.socket],
  [EXT2_MODE.symlink, EXT2_FILE_TYPE.symlink],
]);

/** Bytes of the entry at `at` that its name needs; 0 when it has none. */
function usedBytes(page: Uint8Array, at: number): number {
  return getU32(page, at) === 0 ? 0 : direntLength(page[at + DIRENT.offset.name_len]!);
}
