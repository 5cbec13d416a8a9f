/**
 * The life of an inode on ext2 and ext3: it is read from its table, or made, and deleted. Modelled
 * after ext2_read_inode, ext2_new_inode and ext2_delete_inode (fs/ext2/inode.c and ialloc.c of
 * 2.6.12). Fills the inode cache of fs/inode.ts.
 *
 * An inode whose last link and last use are gone is deleted. Its pages are dropped, its blocks and
 * its number are freed, its time of deletion is written. One that a crash has left in use without a
 * name (ext2/orphan.ts) is deleted by the next mount.
 *
 * The process that gives up the last use does not learn that something could not be freed. The
 * superblock says so, for e2fsck. All that can be freed is freed; without its place in the inode
 * table nothing is.
 */

import { ModelError } from '../../../base/errno.ts';
import { Ino, type Pfn } from '../../../base/units.ts';
import { EXT2_MODE, EXT2_ROOT_INO, EXT2_TRIPLE_INDIRECT, INODE, INODE_EXTRA } from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import type { Ext2Changes } from './change.ts';
import { DirectoryIndex } from './dir-index.ts';
import { freeInode, isInodeInUse, newInode } from './ialloc.ts';
import { hasBlocks, type Ext2Pages } from './pages.ts';
import type { AttributeBlocks } from './xattr-blocks.ts';
import type { FsCore } from '../core.ts';
import { S_IS, type InodeCache, type InodeHolder } from '../inode.ts';
import { Ext2Inode, type Ext2InodeFields } from './inode-info.ts';
import type { InodeTable } from './inode.ts';
import { truncatePages } from '../../cache/truncate.ts';
import { NO_PAGE } from '../../mm/mem-map.ts';

/** Which pages of the file system are named in the cache-mapping table. */
export interface NamingPolicy {
  readonly files: boolean;
  /** Directories and the block device's own pages. */
  readonly metadata: boolean;
}

/**
 * alloc_inode and ext2_read_inode: the fields of an inode, and the slab object for it. Undefined
 * when another process has read it meanwhile. Throws EIO, ENOMEM.
 */
export function* readInode(
  { env, costs }: FsCore,
  inodes: InodeCache<Ext2Inode>,
  table: InodeTable,
  ino: Ino,
  isOrphan: boolean,
): Process<{ fields: Ext2InodeFields; object: Pfn } | undefined> {
  let object = inodes.tryAllocate();
  if (object === NO_PAGE) object = yield* inodes.allocate();
  try {
    const pfn = table.find(ino) ?? (yield* table.bread(ino));
    if (!inodes.has(ino)) {
      env.cpu.charge(costs.inodeFillNs);
      return { fields: table.read(pfn, ino, isOrphan), object };
    }
  } catch (error) {
    inodes.free(object);
    throw error;
  }
  inodes.free(object);
  return undefined;
}

export class Ext2Inodes implements InodeHolder {
  readonly #core: FsCore;
  readonly #policy: NamingPolicy;
  readonly #cache: InodeCache<Ext2Inode>;
  readonly #changes: Ext2Changes;
  readonly #pages: Ext2Pages;
  readonly #attributes: AttributeBlocks;

  constructor(
    core: FsCore,
    policy: NamingPolicy,
    cache: InodeCache<Ext2Inode>,
    changes: Ext2Changes,
    pages: Ext2Pages,
    attributes: AttributeBlocks,
  ) {
    this.#core = core;
    this.#policy = policy;
    this.#cache = cache;
    this.#changes = changes;
    this.#pages = pages;
    this.#attributes = attributes;
  }

  /** The root directory, with a reference. Throws EIO when inode 2 is no directory. */
  *root(): Process<Ext2Inode> {
    const root = this.#cache.get(Ino(EXT2_ROOT_INO)) ?? (yield* this.iget(EXT2_ROOT_INO));
    if (root.isDirectory) return root;
    this.#cache.put(root);
    throw new ModelError('EIO', 'ext2: the root inode is not a directory');
  }

  /**
   * ext2_read_inode: the inode, with a reference. Throws EIO when it is out of range, not in use or
   * makes no sense.
   */
  *iget(number: number): Process<Ext2Inode> {
    const { geometry } = this.#changes;
    if (number < 1 || number > geometry.inodeCount) throw new ModelError('EIO', `ext2: there is no inode ${number}`);
    return yield* this.#read(number, false);
  }

  /** ext2_iget, or ext3_orphan_get for an inode that may have no name. */
  *#read(number: number, isOrphan: boolean): Process<Ext2Inode> {
    const ino = Ino(number);
    const cached = this.#cache.get(ino);
    if (cached !== undefined) return cached;
    const read = yield* readInode(this.#core, this.#cache, this.#changes.inodeTable, ino, isOrphan);
    if (read === undefined) return this.#cache.get(ino)!;
    const inode = this.adopt(read.fields, read.object);
    // Before it left memory it may have been changed in any transaction up to now.
    inode.tid = inode.syncTid = this.#changes.journal.lastTid;
    return inode;
  }

  /** The inode that was read has come into memory, with a reference. */
  adopt(fields: Ext2InodeFields, object: Pfn): Ext2Inode {
    const { ino, generation, mode } = fields;
    const type = mode & EXT2_MODE.typeMask;
    const named = type === EXT2_MODE.regular ? this.#policy.files : this.#policy.metadata;
    const index = type === EXT2_MODE.directory ? new DirectoryIndex() : undefined;
    const space = this.#core.mm.cache.open(ino, generation, named, this.#core.writeback, index);
    const inode = new Ext2Inode(fields, space, this.#pages, this, index);
    this.#cache.add(inode, object);
    return inode;
  }

  hold(inode: Ext2Inode): boolean {
    return this.#cache.hold(inode);
  }

  /** iput: gives a reference back; the last one of an inode without links deletes it. */
  iput(inode: Ext2Inode): Process {
    this.#cache.put(inode);
    return inode.references === 0 && inode.fields.links === 0 ? this.#delete(inode) : NOTHING;
  }

  /**
   * ext2_new_inode: an inode with one reference, in no directory yet (its links are 0).
   * Throws ENOSPC, ENOMEM, EIO, EROFS.
   * @param mode type and permissions
   */
  *create(directory: Ext2Inode, mode: number): Process<Ext2Inode> {
    const { superblock, geometry } = this.#changes;
    const isSetGid = (directory.fields.mode & S_IS.gid) !== 0;
    const isDirectory = (mode & EXT2_MODE.typeMask) === EXT2_MODE.directory;
    superblock.beginChange();
    let object = this.#cache.tryAllocate();
    if (object === NO_PAGE) object = yield* this.#cache.allocate();
    let born: { ino: number; generation: number };
    try {
      born = yield* newInode(superblock, directory.ino, mode);
      if (this.#cache.has(Ino(born.ino))) {
        superblock.error(`ext2: inode ${born.ino} is in use, but free in its bitmap`);
        throw new ModelError('EIO', `ext2: inode ${born.ino}`);
      }
    } catch (error) {
      this.#cache.free(object);
      throw error;
    }
    this.#core.env.cpu.charge(this.#core.costs.inodeFillNs);
    const fields: Ext2InodeFields = {
      ino: Ino(born.ino),
      generation: born.generation,
      // BSD's rule for a directory with the bit setgid.
      mode: isSetGid && isDirectory ? mode | S_IS.gid : mode,
      uid: 0,
      gid: isSetGid ? directory.fields.gid : 0,
      links: 0,
      size: 0,
      atime: 0,
      mtime: 0,
      ctime: 0,
      atimeNs: 0,
      mtimeNs: 0,
      ctimeNs: 0,
      dtime: 0,
      flags: 0,
      pointers: new Uint32Array(EXT2_TRIPLE_INDIRECT + 1),
      sectors: 0,
      fileAcl: 0,
      extraBytes: Math.min(INODE_EXTRA.size, geometry.inodeSize - INODE.size),
    };
    superblock.state.stampChange(fields);
    fields.atime = fields.mtime;
    fields.atimeNs = fields.mtimeNs;
    const inode = this.adopt(fields, object);
    inode.isSizeDirty = true;
    this.#changes.markInodeDirty(inode);
    return inode;
  }

  /** ext2_delete_inode. */
  *#delete(inode: Ext2Inode): Process {
    this.#cache.delete(inode);
    try {
      yield* this.#changes.change(() => this.#freeOnDisk(inode));
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      this.#changes.superblock.error(`ext2: inode ${inode.ino} is not deleted: ${error.message}`);
      yield* truncatePages(this.#core.mm, this.#core.io, inode.space, 0);
    }
    inode.isInodeDirty = false;
    this.#core.writeback.forget(inode.space);
    this.#cache.destroy(inode);
  }

  *#freeOnDisk(inode: Ext2Inode): Process {
    const { fields } = inode;
    const { superblock, journal, map, inodeTable } = this.#changes;
    superblock.beginChange();
    if (!this.#changes.isPrepared(inode)) yield* this.#changes.prepare(inode);
    if (journal.isKept) yield* journal.waitForData(inode);
    journal.forgetMapping(inode);
    const truncation = truncatePages(this.#core.mm, this.#core.io, inode.space, 0);
    if (truncation !== NOTHING) yield* truncation;
    if (hasBlocks(inode)) {
      fields.size = 0;
      yield* map.truncate(inode, 0);
    }
    if (fields.fileAcl !== 0) yield* this.#attributes.release(inode);
    if (journal.isKept) yield* this.#changes.removeOrphan(inode);
    fields.dtime = superblock.state.now();
    inode.isInodeDirty = true;
    const storing = inodeTable.store(inode);
    if (storing !== NOTHING) yield* storing;
    yield* freeInode(superblock, inode.ino, inode.isDirectory);
  }

  /**
   * ext3_orphan_cleanup. The list of a file system with errors is given up, and so is what lies
   * behind a bad entry.
   */
  *deleteOrphans(): Process {
    const changes = this.#changes;
    const { orphans: list } = changes;
    const first = yield* list.first();
    const orphans = changes.superblock.state.hasErrors ? [] : yield* this.#readOrphans(first);
    list.restore(orphans);
    if (first !== 0 && orphans.length === 0) yield* changes.change(() => list.clear());
    for (const inode of orphans) {
      try {
        if (inode.fields.links > 0) yield* changes.change(() => this.#pages.finishTruncation(inode));
      } catch (error) {
        // As when its last use ends: what cannot be freed now is found by e2fsck.
        if (!(error instanceof ModelError)) throw error;
      }
      yield* this.iput(inode);
    }
  }

  /** The orphans, up to the first that cannot be one, or is on the list twice. */
  *#readOrphans(first: number): Process<Ext2Inode[]> {
    const { firstInode, inodeCount } = this.#changes.geometry;
    const orphans: Ext2Inode[] = [];
    try {
      for (let ino = first; ino !== 0; ino = orphans.at(-1)!.fields.dtime) {
        if (ino < firstInode || ino > inodeCount || this.#cache.has(Ino(ino))) break;
        if (!(yield* isInodeInUse(this.#changes.superblock, ino))) break;
        orphans.push(yield* this.#read(ino, true));
      }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
    return orphans;
  }
}
