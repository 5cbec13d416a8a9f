/**
 * The ext2 and ext3 driver: inodes as the rest of the kernel sees them (fs/ext2 and fs/ext3 of 2.6.12).
 *
 * Metadata goes through the block device's own mapping (buffer.ts); the file system as a whole is ext2-super.ts, the map
 * from pages to blocks ext2-map.ts, inodes on the disk ext2-inode.ts, allocation ext2-balloc.ts and ext2-ialloc.ts,
 * directories ext2-dir.ts. Nothing on the disk is trusted: what does not make sense is EIO, and what the driver cannot mount is refused in one line.
 *
 * Every change is made by an operation that `change` runs. With a journal (ext3, jbd.ts) that is a handle: what the operation
 * changes reaches the disk whole or not at all. The fields of inodes go to their buffers when the transaction closes; directories
 * are journaled like any metadata, files are written before what leads to them (data=ordered).
 *
 * An inode whose last link and last use are gone is deleted: its pages are dropped, its blocks and its number freed, its
 * time of deletion written.
 */

import { ModelError } from '../base/errno.ts';
import { Ino, PAGE_SIZE, pagesOf, SECTORS_PER_PAGE, type Pfn } from '../base/units.ts';
import { EXT2_MODE, EXT2_ROOT_INO, EXT2_TRIPLE_INDIRECT, type Ext2Geometry } from '../disk/ext2-format.ts';
import { NOTHING, type Process } from '../sim/index.ts';
import { BLOCK_DEVICE_INO, type GuestEnvironment } from '../xen/public/index.ts';
import { BlockDeviceMapping, Buffers } from './buffer.ts';
import type { KernelCosts } from './costs.ts';
import { freeInode, newInode } from './ext2-ialloc.ts';
import { InodeTable, MAX_FILE_BYTES } from './ext2-inode.ts';
import { Ext2Map } from './ext2-map.ts';
import { Ext2Super } from './ext2-super.ts';
import { deleteOrphans, OrphanList, type OrphanClient } from './ext3-orphan.ts';
import { Inode, InodeCache, type InodeOperations } from './inode.ts';
import { Journal, type JournalClient } from './jbd.ts';
import { JournalLog } from './jbd-log.ts';
import { recoverJournal } from './jbd-recovery.ts';
import { NO_PAGE, PG } from './mem-map.ts';
import type { MemoryManagement } from './mm.ts';
import { HOLE, lookUpBlock, type PageIo } from './page-io.ts';
import type { Writeback } from './page-writeback.ts';
import type { SlabCache } from './slab.ts';
import { truncatePages } from './truncate.ts';

/** What of the file system is named in the cache-mapping table. */
export interface NamingPolicy {
  readonly files: boolean;
  /** Directories and the block device's own pages. */
  readonly metadata: boolean;
}

/** Times that an operation is tried again after a commit, when the only free blocks were frozen (ext3_should_retry_alloc). */
const ALLOCATION_RETRIES = 3;
/** 512-byte sectors of a block. */
const SECTORS_PER_BLOCK = PAGE_SIZE / 512;

interface Mounted {
  readonly superblock: Ext2Super;
  readonly map: Ext2Map;
  readonly inodeTable: InodeTable;
}

export class Ext2 implements InodeOperations, JournalClient, OrphanClient {
  /** Told of blocks that are freed. Set before the mount. */
  onFreeBlocks: (block: number, count: number) => void = () => undefined;
  /** Where dirty pages are registered that are to survive a crash. Set before the mount. */
  registry: Writeback['registry'];
  readonly inodes: InodeCache;
  readonly buffers: Buffers;
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #writeback: Writeback;
  readonly #policy: NamingPolicy;
  #mounted: Mounted | undefined;
  #journal: Journal | undefined;
  readonly #orphans: OrphanList;
  /** With a registry of dirty pages: inodes that changed since `publish`. */
  readonly #unpublished = new Set<Inode>();

  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    mm: MemoryManagement,
    io: PageIo,
    writeback: Writeback,
    policy: NamingPolicy,
    inodeSlab: SlabCache,
    sectorCount: number,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#io = io;
    this.#writeback = writeback;
    this.#policy = policy;
    const device = new BlockDeviceMapping(
      mm.cache.open(Ino(BLOCK_DEVICE_INO), 0, policy.metadata),
      Math.floor(sectorCount / SECTORS_PER_PAGE),
    );
    this.buffers = new Buffers(env, mm, io, writeback, device);
    this.#orphans = new OrphanList(this.buffers, (inode) => this.markInodeDirty(inode));
    this.inodes = new InodeCache(mm, inodeSlab);
  }

  get superblock(): Ext2Super {
    return this.#fs.superblock;
  }

  get geometry(): Ext2Geometry {
    return this.superblock.geometry;
  }

  get isReadOnly(): boolean {
    return this.superblock.isReadOnly;
  }

  get #fs(): Mounted {
    if (this.#mounted === undefined) throw new ModelError('EINVAL', 'file system is not mounted');
    return this.#mounted;
  }

  /** ext2_fill_super. Throws EINVAL with one line that names what the driver cannot mount; EIO. */
  *mount(): Process {
    yield* this.#mountSuper();
    if (this.geometry.journalInode !== 0) yield* this.#mountJournal(this.geometry.journalInode);
    else this.#writeback.registry = this.registry;
  }

  *#mountSuper(): Process {
    const superblock = yield* Ext2Super.mount(this.#env, this.buffers);
    superblock.onFreeBlocks = this.onFreeBlocks;
    const map = new Ext2Map(superblock, (inode) => {
      inode.isSizeDirty = true;
      this.markInodeDirty(inode);
    });
    this.#mounted = { superblock, map, inodeTable: new InodeTable(this.#env.memory, this.buffers, superblock) };
  }

  /** ext3_load_journal: replays what a crash has left, and deletes what was in use without a name. */
  *#mountJournal(ino: number): Process {
    const inode = yield* this.iget(ino);
    const log = yield* JournalLog.open(this.#env.memory, this.buffers, this.#io, this.#writeback, inode);
    const nextTid = yield* this.#replay(log);
    if (this.isReadOnly) return;
    const { superblock } = this;
    this.#writeback.registry = this.registry;
    const journal = yield* Journal.load(
      this.#env,
      this.#costs,
      this.#mm,
      this.#io,
      this.buffers,
      this.#writeback,
      this,
      log,
      nextTid,
    );
    this.#journal = journal;
    this.buffers.journal = journal;
    superblock.onError = (text) => journal.abort(text);
    superblock.frozen = (group) => journal.frozen(group);
    superblock.onFree = (group, bit) => journal.freeze(group, bit);
    yield* deleteOrphans(this, this.#orphans);
  }

  /** What the log holds comes home, and the log is empty; an error that it notes becomes the file system's. Returns the next transaction. */
  *#replay(log: JournalLog): Process<number> {
    const { device } = this.buffers;
    const { blockCount, needsRecovery } = this.geometry;
    // A log that the superblock does not ask for is older than what was written since (journal_wipe).
    const recovered = yield* recoverJournal(log, this.buffers, this.#io, blockCount, needsRecovery);
    const nextTid = recovered.nextSequence;
    if (needsRecovery || log.superblock.start !== 0) {
      yield* this.#writeback.sync(device);
      this.#writeback.throwError(device);
      yield* log.empty(nextTid, true);
      // What was read before may have been replaced.
      yield* this.#mountSuper();
      this.superblock.setNeedsRecovery(false);
      yield* this.buffers.writeThrough(0);
      if (recovered.problem !== undefined) this.superblock.error(recovered.problem);
    }
    if (log.superblock.errno !== 0) {
      // ext3_clear_journal_err: what ended the journal is now known to the file system, and to e2fsck.
      this.superblock.noteErrors();
      yield* this.buffers.writeThrough(0);
      yield* log.clearError();
    }
    return nextTid;
  }

  /** Transactions committed since the mount. */
  get commits(): number {
    return this.#journal?.commits ?? 0;
  }

  /** Mounted as ext3. */
  get isJournaled(): boolean {
    return this.#journal !== undefined;
  }

  /**
   * The superblock when bytes may be stored in a page that has its block, and times changed, at once, since no handle is needed
   * for that now; else undefined.
   */
  get changeable(): Ext2Super | undefined {
    const { superblock } = this.#fs;
    if (superblock.isReadOnly || this.#writeback.registry !== undefined) return undefined;
    const isChangeable = this.#journal === undefined ? superblock.isChanged : this.#journal.isOpen;
    return isChangeable ? superblock : undefined;
  }

  /**
   * Runs an operation that changes the file system; with a journal, under one handle. Not recursive. An operation that found no
   * free block is run again after a commit when that frees some.
   * @param isWhole whether a system call ends with it; else the caller publishes
   */
  change<T>(operation: () => Process<T>, isWhole = true): Process<T> {
    const process = this.#journal === undefined ? operation() : this.#changeUnderHandle(this.#journal, operation);
    return isWhole && this.#writeback.registry !== undefined ? this.#published(process) : process;
  }

  *#published<T>(process: Process<T>): Process<T> {
    try {
      return yield* process;
    } finally {
      yield* this.publish();
    }
  }

  /**
   * Where dirty pages survive a crash: what changed of inodes goes to their buffers, and the hypervisor knows of every dirty
   * page. So the pages say all that this kernel knows of the file system, as long as no operation is under way.
   */
  publish(): Process {
    return this.#writeback.registry === undefined ? NOTHING : this.#publish();
  }

  *#publish(): Process {
    if (this.#unpublished.size > 0) {
      try {
        yield* this.change(() => this.#storeChanged(), false);
      } catch (error) {
        // The inode table cannot be read, or nothing may be changed any more: the inodes stay dirty, as without a registry.
        if (!(error instanceof ModelError)) throw error;
      }
    }
    yield* this.#writeback.publish();
  }

  *#storeChanged(): Process {
    for (const inode of this.#unpublished) {
      this.#unpublished.delete(inode);
      yield* this.storeInode(inode);
    }
  }

  *#changeUnderHandle<T>(journal: Journal, operation: () => Process<T>): Process<T> {
    for (let attempt = 0; ; attempt++) {
      if (this.isReadOnly) throw new ModelError('EROFS', 'the file system is mounted read-only');
      yield* journal.start();
      try {
        return yield* operation();
      } catch (error) {
        const mayRetry = error instanceof ModelError && error.code === 'ENOSPC' && journal.hasFrozen;
        if (!mayRetry || attempt === ALLOCATION_RETRIES) throw error;
      } finally {
        journal.stop();
      }
      yield* journal.force();
    }
  }

  /** The inode lost its last name and is still in use: a crash deletes it. Under `change`. */
  addOrphan(inode: Inode): Process {
    return this.#journal === undefined ? NOTHING : this.#orphans.add(inode);
  }

  removeOrphan(inode: Inode): Process {
    return this.#journal === undefined ? NOTHING : this.#orphans.remove(inode);
  }

  /** Wall-clock time, seconds since 1970. */
  now(): number {
    return this.superblock.now();
  }

  /** The root directory, with a reference. Throws EIO when inode 2 is no directory. */
  *root(): Process<Inode> {
    const root = this.inodes.get(Ino(EXT2_ROOT_INO)) ?? (yield* this.iget(EXT2_ROOT_INO));
    if (root.isDirectory) return root;
    this.inodes.put(root);
    throw new ModelError('EIO', 'ext2: the root inode is no directory');
  }

  /** ext2_read_inode: the inode, with a reference. Throws EIO when it is out of range, not in use or makes no sense. */
  *iget(number: number): Process<Inode> {
    const { geometry } = this;
    if (number < 1 || number > geometry.inodeCount) throw new ModelError('EIO', `ext2: there is no inode ${number}`);
    return yield* this.#read(number, false);
  }

  /** ext3_orphan_get: an inode that may have no name, with a reference. Throws EIO. */
  readOrphan(number: number): Process<Inode> {
    return this.#read(number, true);
  }

  *#read(number: number, isOrphan: boolean): Process<Inode> {
    const ino = Ino(number);
    const cached = this.inodes.get(ino);
    if (cached !== undefined) return cached;
    const object = yield* this.inodes.allocate();
    try {
      const table = this.#fs.inodeTable;
      const pfn = table.find(number) ?? (yield* table.bread(number));
      // Another process may have read it while this one waited.
      const raced = this.inodes.get(ino);
      if (raced !== undefined) {
        this.inodes.free(object);
        return raced;
      }
      this.#env.cpu.charge(this.#costs.inodeFillNs);
      const inode = this.#instantiate(table.read(pfn, ino, isOrphan));
      this.inodes.add(inode, object);
      return inode;
    } catch (error) {
      this.inodes.free(object);
      throw error;
    }
  }

  /** iput: gives a reference back; the last one of an inode without links deletes it. */
  iput(inode: Inode): Process {
    this.inodes.put(inode);
    return inode.references === 0 && inode.fields.links === 0 ? this.#delete(inode) : NOTHING;
  }

  /**
   * ext2_new_inode: an inode with one reference, in no directory yet (its links are 0).
   * Throws ENOSPC, ENOMEM, EIO, EROFS.
   * @param mode type and permissions
   */
  *newInode(directory: Inode, mode: number): Process<Inode> {
    const { superblock } = this;
    superblock.beginChange();
    const object = yield* this.inodes.allocate();
    let born: { ino: number; generation: number };
    try {
      born = yield* newInode(superblock, directory.ino, mode);
      if (this.inodes.has(Ino(born.ino))) {
        superblock.error(`ext2: inode ${born.ino} is in use, but free in its bitmap`);
        throw new ModelError('EIO', `ext2: inode ${born.ino}`);
      }
    } catch (error) {
      this.inodes.free(object);
      throw error;
    }
    const now = this.now();
    const inode = this.#instantiate({
      ino: Ino(born.ino),
      generation: born.generation,
      mode,
      uid: 0,
      gid: 0,
      links: 0,
      size: 0,
      atime: now,
      mtime: now,
      ctime: now,
      dtime: 0,
      flags: 0,
      pointers: new Uint32Array(EXT2_TRIPLE_INDIRECT + 1),
      sectors: 0,
    });
    this.#env.cpu.charge(this.#costs.inodeFillNs);
    this.inodes.add(inode, object);
    inode.isSizeDirty = true;
    this.markInodeDirty(inode);
    return inode;
  }

  /** mark_inode_dirty: `fields` have changed. */
  markInodeDirty(inode: Inode): void {
    const journal = this.#journal;
    if (journal === undefined) {
      // One that is dirty is on the list already.
      if (!inode.isInodeDirty) this.#writeback.markInodeDirty(inode);
      inode.isInodeDirty = true;
      if (this.#writeback.registry !== undefined) this.#unpublished.add(inode);
      return;
    }
    inode.isInodeDirty = true;
    if (journal.isAborted) return;
    if (this.#writeback.registry !== undefined) this.#unpublished.add(inode);
    journal.addInode(inode);
    inode.tid = journal.tid;
    if (inode.isSizeDirty) inode.syncTid = journal.tid;
  }

  /** set_page_dirty for a page of a file, or of a directory that `pageForChange` gave. */
  markPageDirty(inode: Inode, pfn: Pfn): void {
    if (this.#journal !== undefined && inode.isDirectory) return;
    this.#writeback.markPageDirty(inode, pfn);
    this.#journal?.addData(inode);
  }

  /** What `pageForChange` would return without waiting; undefined when it would have to. */
  findForChange(directory: Inode, index: number): Pfn | undefined {
    if (this.#journal === undefined) return this.#io.find(directory.space, index);
    const block = directory.blockNow(index);
    return block < 0 ? undefined : this.#journal.tryAccess(directory, index, block);
  }

  /** The page of a directory, for a change that is made before the next wait. Throws EIO. */
  *pageForChange(directory: Inode, index: number): Process<Pfn> {
    if (this.#journal === undefined) return yield* this.#io.getPage(directory, index);
    const block = yield* lookUpBlock(directory, index);
    if (block === HOLE) throw new ModelError('EIO', `ext2: directory ${directory.ino} has no page ${index}`);
    return yield* this.#journal.access(directory, index, block);
  }

  /** One more zeroed block at the end of a directory or of a long symbolic link. The page is valid until the next wait. */
  *appendPage(inode: Inode): Process<Pfn> {
    const { map, cache } = this.#mm;
    const index = pagesOf(inode.size);
    const block = yield* this.blockForWrite(inode, index);
    const pfn = yield* this.#io.grabPage(inode, index);
    this.#env.memory.zero(pfn, 0, PAGE_SIZE);
    map.set(pfn, PG.hasBlock);
    cache.setUptodate(pfn);
    this.#io.unlockPage(pfn);
    if (inode.isDirectory) this.#journal?.join(inode, index, block, pfn);
    this.markPageDirty(inode, pfn);
    inode.fields.size = (index + 1) * PAGE_SIZE;
    inode.isSizeDirty = true;
    this.markInodeDirty(inode);
    return pfn;
  }

  blockNow(inode: Inode, index: number): number {
    return this.#fs.map.blockNow(inode, index);
  }

  loadMetadata(inode: Inode, index: number): Process {
    return this.#fs.map.loadMetadata(inode, index);
  }

  isBoundary(index: number): boolean {
    return this.#fs.map.isBoundary(index);
  }

  /** Under `change`, as everything that changes the file system. */
  blockForWrite(inode: Inode, index: number): Process<number> {
    return this.#fs.map.blockForWrite(inode, index);
  }

  *allocate(inode: Inode, index: number): Process {
    yield* this.change(() => this.#allocate(inode, index));
  }

  *#allocate(inode: Inode, index: number): Process {
    if (index >= inode.pageCount) return;
    yield* this.blockForWrite(inode, index);
    this.#journal?.addData(inode);
  }

  /** ext2_write_inode: stores what changed into the inode table's buffer. With a journal the commit does that. Throws EIO. */
  *writeInode(inode: Inode): Process {
    if (this.#journal === undefined) yield* this.storeInode(inode);
    else if (this.#journal.isAborted) inode.isInodeDirty = false;
  }

  /** For the journal, whose transaction closes. Throws EIO. */
  storeInode(inode: Inode): Process {
    return this.#fs.inodeTable.store(inode);
  }

  /**
   * vmtruncate and ext2_truncate: sets a file's size; what lies beyond is gone. The caller holds i_sem.
   * Throws EFBIG, EIO, EROFS.
   */
  *setSize(inode: Inode, size: number): Process {
    if (size > MAX_FILE_BYTES) throw new ModelError('EFBIG', `${size} bytes`);
    yield* this.change(() => this.#setSize(inode, size));
  }

  *#setSize(inode: Inode, size: number): Process {
    this.superblock.beginChange();
    const { fields } = inode;
    const old = fields.size;
    if (size > old) this.zeroTail(inode);
    fields.size = size;
    fields.mtime = fields.ctime = this.now();
    inode.isSizeDirty = true;
    this.markInodeDirty(inode);
    if (size >= old) return;
    yield* this.#journal?.waitForData(inode) ?? NOTHING;
    yield* truncatePages(this.#mm, this.#io, inode.space, pagesOf(size));
    yield* this.#cut(inode, size);
  }

  /** A crash came between the new size of a file and the freeing of its blocks: another implementation's transactions. */
  *finishTruncation(inode: Inode): Process {
    if (hasBlocks(inode)) yield* this.#cut(inode, inode.fields.size);
    yield* this.removeOrphan(inode);
    inode.fields.dtime = 0;
    this.markInodeDirty(inode);
  }

  /** Frees what lies behind the end of a file, and zeroes the rest of its last page. */
  *#cut(inode: Inode, size: number): Process {
    if (size % PAGE_SIZE !== 0) {
      const index = Math.floor(size / PAGE_SIZE);
      let pfn = yield* this.#io.getPage(inode, index);
      // A page under writeback may be zeroed: it is dirty again then, and written once more.
      if (this.#mm.map.has(pfn, PG.hasBlock)) {
        pfn = this.#mm.cache.find(inode.space, index);
        this.#env.memory.zero(pfn, size % PAGE_SIZE, PAGE_SIZE - (size % PAGE_SIZE));
        this.markPageDirty(inode, pfn);
      }
    }
    yield* this.#fs.map.truncate(inode, pagesOf(size));
  }

  /** Before a file grows: bytes behind its end, which a mapped store may have left in the last page, become zero. */
  zeroTail(inode: Inode): void {
    const { map, cache } = this.#mm;
    const index = Math.floor(inode.size / PAGE_SIZE);
    const tail = inode.tail(index);
    if (tail === 0) return;
    const pfn = cache.find(inode.space, index);
    if (pfn === NO_PAGE || !map.has(pfn, PG.uptodate)) return;
    this.#env.memory.zero(pfn, PAGE_SIZE - tail, tail);
    this.markPageDirty(inode, pfn);
  }

  /**
   * ext2_sync_file, ext3_sync_file: the file's pages, the indirect blocks that lead to them and its inode are on the disk's medium when this
   * returns. Throws what a write of it met since the last time (EIO, ENOSPC).
   * @param dataOnly fdatasync: an inode of which only times have changed need not be written
   */
  *fsync(inode: Inode, dataOnly: boolean): Process {
    const { device } = this.buffers;
    const writeback = this.#writeback;
    if (this.#journal !== undefined && inode.isDirectory) {
      // Its pages are the journal's, and so are errors of theirs.
      yield* this.#commitInode(this.#journal, inode, dataOnly);
      return;
    }
    yield* writeback.writePages(inode, true);
    if (this.#journal !== undefined) {
      yield* writeback.waitPages(inode);
      yield* this.#commitInode(this.#journal, inode, dataOnly);
      writeback.throwError(inode);
      return;
    }
    const blocks = inode.takeMetadataBlocks();
    if (!dataOnly || inode.isSizeDirty) yield* this.writeInode(inode);
    blocks.push(this.#fs.inodeTable.place(inode.ino).block);
    for (const block of blocks) yield* writeback.writePages(device, true, block, block + 1);
    yield* writeback.waitPages(inode);
    for (const block of blocks) yield* writeback.waitPages(device, block, block + 1);
    yield* writeback.flushDrive();
    writeback.throwError(inode);
  }

  /** The last change of the inode is in the log; where it has been there before, the drive's cache is flushed. */
  *#commitInode(journal: Journal, inode: Inode, dataOnly: boolean): Process {
    const tid = dataOnly ? inode.syncTid : inode.tid;
    if (journal.isCommitted(tid)) yield* this.#writeback.flushDrive();
    else yield* journal.waitFor(tid);
  }

  /** sync: everything that is dirty is on the disk's medium when this returns. Throws EIO when the drive says so. */
  *sync(): Process {
    yield* this.#writeback.sync(this.buffers.device);
    yield* this.#journal?.force() ?? NOTHING;
  }

  /** For the journal: every dirty page of directories and of the device goes to its place. Throws EIO. */
  *writeMetadata(): Process {
    const mappings: (Inode | BlockDeviceMapping)[] = [this.buffers.device];
    for (const inode of this.inodes.all()) if (inode.isDirectory && inode.space.nrPages > 0) mappings.push(inode);
    for (const mapping of mappings) yield* this.#writeback.writePages(mapping, true);
    for (const mapping of mappings) {
      yield* this.#writeback.waitPages(mapping);
      this.#writeback.throwError(mapping);
    }
  }

  /** For the journal: before the first transaction, the superblock says that there will be something to replay. */
  *beginChanges(): Process {
    if (this.isChanged) return;
    this.superblock.beginChange();
    yield* this.buffers.writeThrough(0);
    yield* this.#writeback.flushDrive();
  }

  /** For the journal: it has ended. */
  aborted(why: string): void {
    this.superblock.error(why);
  }

  /** What fadvise(DONTNEED) does: starts writing what is dirty of a file, and drops other pages from `start` up to `end`. */
  *dropClean(inode: Inode, start: number, end: number): Process {
    yield* this.#writeback.writePages(inode, false);
    this.#mm.invalidate(inode.space, start, end);
  }

  /** Whether anything was changed since the mount. */
  get isChanged(): boolean {
    return this.superblock.isChanged;
  }

  /** Remount read-only, as the root is at shutdown: all is written, the page cache stays. */
  *remountReadOnly(): Process {
    yield* this.sync();
    yield* this.#journal?.flush() ?? NOTHING;
    // After an abort the log holds what is nowhere else: it is to be replayed.
    if (this.#journal?.isAborted !== true) this.superblock.endChanges();
    yield* this.#writeback.sync(this.buffers.device);
  }

  /** ext2_delete_inode. */
  *#delete(inode: Inode): Process {
    this.inodes.delete(inode);
    try {
      yield* this.change(() => this.#free(inode));
    } catch (error) {
      // As the original: what cannot be freed now is found by e2fsck.
      if (!(error instanceof ModelError)) throw error;
      yield* truncatePages(this.#mm, this.#io, inode.space, 0);
    }
    inode.isInodeDirty = false;
    this.#writeback.forget(inode.space);
    this.inodes.destroy(inode);
  }

  *#free(inode: Inode): Process {
    const { fields } = inode;
    yield* this.#journal?.waitForData(inode) ?? NOTHING;
    this.#journal?.forgetMapping(inode);
    yield* truncatePages(this.#mm, this.#io, inode.space, 0);
    this.superblock.beginChange();
    yield* this.removeOrphan(inode);
    fields.dtime = this.now();
    if (hasBlocks(inode)) {
      fields.size = 0;
      yield* this.#fs.map.truncate(inode, 0);
    }
    inode.isInodeDirty = true;
    yield* this.storeInode(inode);
    yield* freeInode(this.superblock, inode.ino, inode.isDirectory);
  }

  #instantiate(fields: Inode['fields']): Inode {
    const { ino, generation, mode } = fields;
    const isFile = (mode & EXT2_MODE.typeMask) === EXT2_MODE.regular;
    const named = isFile ? this.#policy.files : this.#policy.metadata;
    return new Inode(fields, this.#mm.cache.open(ino, generation, named), this);
  }
}

/** Whether i_block holds pointers: a short symbolic link keeps its text there, a device its number. */
function hasBlocks(inode: Inode): boolean {
  return inode.isRegular || inode.isDirectory || (inode.isSymlink && inode.fields.sectors >= SECTORS_PER_BLOCK);
}
