/**
 * The ext2 driver: inodes as the rest of the kernel sees them (fs/ext2 of 2.6.12).
 *
 * Metadata goes through the block device's own mapping (buffer.ts); the file system as a whole is ext2-super.ts, the map
 * from pages to blocks ext2-map.ts, allocation ext2-balloc.ts and ext2-ialloc.ts, directories ext2-dir.ts. Nothing on the disk
 * is trusted: what does not make sense is EIO, and what the driver cannot mount is refused in one line.
 *
 * An inode whose last link and last use are gone is deleted: its pages are dropped, its blocks and its number freed, its
 * time of deletion written.
 */

import { ModelError } from '../base/errno.ts';
import { Ino, PAGE_SIZE, pagesOf, SECTORS_PER_PAGE, type Pfn } from '../base/units.ts';
import {
  EXT2_MAX_FILE_BLOCKS,
  EXT2_MODE,
  EXT2_RO_COMPAT,
  EXT2_ROOT_INO,
  EXT2_SUPERBLOCK_OFFSET,
  EXT2_TRIPLE_INDIRECT,
  INODE,
  inodeLocation,
  SUPERBLOCK,
  type Ext2Geometry,
} from '../disk/ext2-format.ts';
import type { Process } from '../sim/index.ts';
import { BLOCK_DEVICE_INO, type GuestEnvironment } from '../xen/public/index.ts';
import { BlockDeviceMapping, Buffers } from './buffer.ts';
import type { KernelCosts } from './costs.ts';
import { freeInode, newInode } from './ext2-ialloc.ts';
import { Ext2Map } from './ext2-map.ts';
import { Ext2Super } from './ext2-super.ts';
import { Inode, InodeCache, type InodeOperations } from './inode.ts';
import { NO_PAGE, PG } from './mem-map.ts';
import type { MemoryManagement } from './mm.ts';
import type { PageIo } from './page-io.ts';
import type { Writeback } from './page-writeback.ts';
import { truncatePages } from './truncate.ts';

/** What of the file system is named in the cache-mapping table. */
export interface NamingPolicy {
  readonly files: boolean;
  /** Directories and the block device's own pages. */
  readonly metadata: boolean;
}

/** Pages of memory for each inode that the cache keeps unused at most. */
const PAGES_PER_CACHED_INODE = 4;
/** Bytes of the longest file: what the pointers reach. */
const MAX_FILE_BYTES = EXT2_MAX_FILE_BLOCKS * PAGE_SIZE;
/** A file of this many bytes needs the feature large_file. */
const LARGE_FILE_BYTES = 2 ** 31;
const INODE_BYTES = INODE.size;
/** 512-byte sectors of a block. */
const SECTORS_PER_BLOCK = PAGE_SIZE / 512;

export class Ext2 implements InodeOperations {
  readonly inodes: InodeCache;
  readonly buffers: Buffers;
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #writeback: Writeback;
  readonly #policy: NamingPolicy;
  readonly #scratch = new Uint8Array(INODE_BYTES);
  readonly #scratchWords = new DataView(this.#scratch.buffer);
  #mounted: { superblock: Ext2Super; map: Ext2Map } | undefined;

  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    mm: MemoryManagement,
    io: PageIo,
    writeback: Writeback,
    policy: NamingPolicy,
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
    this.inodes = new InodeCache(mm, Math.max(64, Math.floor(mm.map.nrPages / PAGES_PER_CACHED_INODE)));
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

  get #fs(): { superblock: Ext2Super; map: Ext2Map } {
    if (this.#mounted === undefined) throw new ModelError('EINVAL', 'file system is not mounted');
    return this.#mounted;
  }

  /** ext2_fill_super. Throws EINVAL with one line that names what the driver cannot mount; EIO. */
  *mount(): Process {
    const superblock = yield* Ext2Super.mount(this.#env, this.buffers);
    const map = new Ext2Map(superblock, (inode) => {
      inode.isSizeDirty = true;
      this.markInodeDirty(inode);
    });
    this.#mounted = { superblock, map };
  }

  /** Wall-clock time, seconds since 1970. */
  now(): number {
    return this.superblock.now();
  }

  /** The root directory, with a reference. Throws EIO when inode 2 is no directory. */
  *root(): Process<Inode> {
    const root = yield* this.iget(EXT2_ROOT_INO);
    if (root.isDirectory) return root;
    this.inodes.put(root);
    throw new ModelError('EIO', 'ext2: the root inode is no directory');
  }

  /** ext2_read_inode: the inode, with a reference. Throws EIO when it is out of range, not in use or makes no sense. */
  *iget(number: number): Process<Inode> {
    const { geometry } = this;
    if (number < 1 || number > geometry.inodeCount) throw new ModelError('EIO', `ext2: there is no inode ${number}`);
    const ino = Ino(number);
    const cached = this.inodes.get(ino);
    if (cached !== undefined) return cached;
    const { block, offset } = this.#place(number);
    const pfn = yield* this.buffers.bread(block);
    // Another process may have read it while this one waited for the block.
    const raced = this.inodes.get(ino);
    if (raced !== undefined) return raced;
    this.#env.cpu.charge(this.#costs.inodeFillNs);
    const inode = this.#readInode(ino, pfn, offset);
    this.inodes.add(inode);
    return inode;
  }

  /** iput: gives a reference back; the last one of an inode without links deletes it. */
  *iput(inode: Inode): Process {
    this.inodes.put(inode);
    if (inode.references === 0 && inode.fields.links === 0) yield* this.#delete(inode);
  }

  /**
   * ext2_new_inode: an inode with one reference, in no directory yet (its links are 0).
   * Throws ENOSPC, EIO, EROFS.
   * @param mode type and permissions
   */
  *newInode(directory: Inode, mode: number): Process<Inode> {
    const { superblock } = this;
    superblock.beginChange();
    const { ino, generation } = yield* newInode(superblock, directory.ino, mode);
    const now = this.now();
    const inode = this.#instantiate({
      ino: Ino(ino),
      generation,
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
    this.inodes.add(inode);
    inode.isSizeDirty = true;
    this.markInodeDirty(inode);
    return inode;
  }

  /** mark_inode_dirty: `fields` have changed. */
  markInodeDirty(inode: Inode): void {
    inode.isInodeDirty = true;
    this.#writeback.markInodeDirty(inode);
  }

  /** set_page_dirty for a page of a file. */
  markPageDirty(inode: Inode, pfn: Pfn): void {
    this.#writeback.markPageDirty(inode, pfn);
  }

  getPage(inode: Inode, index: number): Process<Pfn> {
    return this.#io.getPage(inode, index);
  }

  /** One more zeroed block at the end of a directory or of a long symbolic link. The page is valid until the next wait. */
  *appendPage(inode: Inode): Process<Pfn> {
    const { map, cache } = this.#mm;
    const index = pagesOf(inode.size);
    yield* this.blockForWrite(inode, index);
    const pfn = yield* this.#io.grabPage(inode, index);
    this.#env.memory.zero(pfn, 0, PAGE_SIZE);
    map.set(pfn, PG.hasBlock);
    cache.setUptodate(pfn);
    this.#io.unlockPage(pfn);
    this.#writeback.markPageDirty(inode, pfn);
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

  blockForWrite(inode: Inode, index: number): Process<number> {
    return this.#fs.map.blockForWrite(inode, index);
  }

  /** ext2_write_inode: stores what changed into the inode table's buffer. Throws EIO. */
  *writeInode(inode: Inode): Process {
    if (!inode.isInodeDirty) return;
    const { block, offset } = this.#place(inode.ino);
    const pfn = yield* this.buffers.bread(block);
    this.#storeInode(inode, pfn, offset);
  }

  /**
   * vmtruncate and ext2_truncate: sets a file's size; what lies beyond is gone. The caller holds i_sem.
   * Throws EFBIG, EIO, EROFS.
   */
  *setSize(inode: Inode, size: number): Process {
    if (size > MAX_FILE_BYTES) throw new ModelError('EFBIG', `${size} bytes`);
    this.superblock.beginChange();
    const { fields } = inode;
    const old = fields.size;
    if (size > old) this.zeroTail(inode);
    fields.size = size;
    fields.mtime = fields.ctime = this.now();
    inode.isSizeDirty = true;
    this.markInodeDirty(inode);
    if (size >= old) return;
    yield* truncatePages(this.#mm, this.#io, inode.space, pagesOf(size));
    if (size % PAGE_SIZE !== 0) {
      const index = Math.floor(size / PAGE_SIZE);
      let pfn = yield* this.#io.getPage(inode, index);
      // A page under writeback may be zeroed: it is dirty again then, and written once more.
      if (this.#mm.map.has(pfn, PG.hasBlock)) {
        pfn = this.#mm.cache.find(inode.space, index);
        this.#env.memory.zero(pfn, size % PAGE_SIZE, PAGE_SIZE - (size % PAGE_SIZE));
        this.#writeback.markPageDirty(inode, pfn);
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
    this.#writeback.markPageDirty(inode, pfn);
  }

  /**
   * ext2_sync_file: the file's pages, the indirect blocks that lead to them and its inode are on the disk's medium when this
   * returns. Throws what a write of it met since the last time (EIO, ENOSPC).
   * @param dataOnly fdatasync: an inode of which only times have changed need not be written
   */
  *fsync(inode: Inode, dataOnly: boolean): Process {
    const { device } = this.buffers;
    const writeback = this.#writeback;
    yield* writeback.writePages(inode, true);
    const blocks = inode.takeMetadataBlocks();
    if (!dataOnly || inode.isSizeDirty) yield* this.writeInode(inode);
    blocks.push(this.#place(inode.ino).block);
    for (const block of blocks) yield* writeback.writePages(device, true, Infinity, block, block + 1);
    yield* writeback.waitPages(inode);
    for (const block of blocks) yield* writeback.waitPages(device, block, block + 1);
    yield* writeback.flushDrive();
    writeback.throwError(inode);
  }

  /** sync: everything that is dirty is on the disk's medium when this returns. Throws EIO when the drive says so. */
  *sync(): Process {
    yield* this.#writeback.sync(this.buffers.device);
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
    this.superblock.endChanges();
    yield* this.sync();
  }

  /** ext2_delete_inode. */
  *#delete(inode: Inode): Process {
    const { fields } = inode;
    this.inodes.delete(inode);
    yield* truncatePages(this.#mm, this.#io, inode.space, 0);
    try {
      this.superblock.beginChange();
      fields.dtime = this.now();
      if (hasBlocks(inode)) {
        fields.size = 0;
        yield* this.#fs.map.truncate(inode, 0);
      }
      inode.isInodeDirty = true;
      yield* this.writeInode(inode);
      yield* freeInode(this.superblock, inode.ino, inode.isDirectory);
    } catch (error) {
      // As the original: what cannot be freed now is found by e2fsck.
      if (!(error instanceof ModelError)) throw error;
    }
    inode.isInodeDirty = false;
    this.#writeback.forget(inode.space);
    this.#mm.cache.close(inode.space);
  }

  /** Block and offset of an inode in its group's table. */
  #place(ino: number): { block: number; offset: number } {
    const { geometry } = this;
    const { group, indexInTable } = inodeLocation(geometry, ino);
    return {
      block: this.superblock.inodeTable(group) + Math.floor(indexInTable / geometry.inodesPerBlock),
      offset: (indexInTable % geometry.inodesPerBlock) * geometry.inodeSize,
    };
  }

  #storeInode(inode: Inode, pfn: Pfn, at: number): void {
    const { fields } = inode;
    const bytes = this.#scratch;
    const words = this.#scratchWords;
    const { offset } = INODE;
    this.buffers.copyOut(pfn, at, bytes, INODE_BYTES);
    // An inode number that was free: nothing of its last use stays, but for what is stored below.
    if (words.getUint32(offset.i_generation, true) !== fields.generation) bytes.fill(0);
    words.setUint16(offset.i_mode, fields.mode, true);
    words.setUint16(offset.i_uid, fields.uid, true);
    words.setUint16(offset.i_gid, fields.gid, true);
    words.setUint16(offset.i_links_count, fields.links, true);
    words.setUint32(offset.i_size, fields.size, true);
    words.setUint32(offset.i_atime, fields.atime, true);
    words.setUint32(offset.i_ctime, fields.ctime, true);
    words.setUint32(offset.i_mtime, fields.mtime, true);
    words.setUint32(offset.i_dtime, fields.dtime, true);
    words.setUint32(offset.i_blocks, fields.sectors, true);
    words.setUint32(offset.i_flags, fields.flags, true);
    words.setUint32(offset.i_generation, fields.generation, true);
    for (let i = 0; i < fields.pointers.length; i++) words.setUint32(offset.i_block + 4 * i, fields.pointers[i]!, true);
    if (inode.isRegular) {
      words.setUint32(offset.i_size_high, Math.floor(fields.size / 2 ** 32), true);
      if (fields.size >= LARGE_FILE_BYTES) this.#needLargeFiles();
    }
    inode.isInodeDirty = false;
    inode.isSizeDirty = false;
    this.buffers.copyIn(pfn, at, bytes, INODE_BYTES);
  }

  #needLargeFiles(): void {
    const { superblockPage } = this.superblock;
    const at = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_feature_ro_compat;
    const features = this.buffers.readU32(superblockPage, at);
    if ((features & EXT2_RO_COMPAT.large_file) === 0)
      this.buffers.writeU32(superblockPage, at, (features | EXT2_RO_COMPAT.large_file) >>> 0);
  }

  #readInode(ino: Ino, pfn: Pfn, at: number): Inode {
    const { memory } = this.#env;
    const word = (name: keyof typeof INODE.offset): number => memory.readU32(pfn, at + INODE.offset[name]);
    const mode = memory.readU16(pfn, at + INODE.offset.i_mode);
    const links = memory.readU16(pfn, at + INODE.offset.i_links_count);
    const type = mode & EXT2_MODE.typeMask;
    if (links === 0) throw new ModelError('EIO', `ext2: inode ${ino} is not in use`);
    if (!TYPES.has(type)) throw new ModelError('EIO', `ext2: inode ${ino} has the mode 0${mode.toString(8)}`);
    let size = memory.readU32(pfn, at + INODE.offset.i_size);
    if (type === EXT2_MODE.regular) size += memory.readU32(pfn, at + INODE.offset.i_size_high) * 0x1_0000_0000;
    if (size > MAX_FILE_BYTES) throw new ModelError('EIO', `ext2: inode ${ino} has the size ${size}`);
    if (type === EXT2_MODE.directory && size % PAGE_SIZE !== 0)
      throw new ModelError('EIO', `ext2: directory ${ino} has the size ${size}, not whole blocks`);
    const pointers = new Uint32Array(EXT2_TRIPLE_INDIRECT + 1);
    for (let i = 0; i < pointers.length; i++) pointers[i] = memory.readU32(pfn, at + INODE.offset.i_block + 4 * i);
    return this.#instantiate({
      ino,
      generation: word('i_generation'),
      mode,
      uid: memory.readU16(pfn, at + INODE.offset.i_uid),
      gid: memory.readU16(pfn, at + INODE.offset.i_gid),
      links,
      size,
      atime: word('i_atime'),
      mtime: word('i_mtime'),
      ctime: word('i_ctime'),
      dtime: 0,
      flags: word('i_flags'),
      pointers,
      sectors: word('i_blocks'),
    });
  }

  #instantiate(fields: Inode['fields']): Inode {
    const { ino, generation, mode } = fields;
    const isFile = (mode & EXT2_MODE.typeMask) === EXT2_MODE.regular;
    const named = isFile ? this.#policy.files : this.#policy.metadata;
    return new Inode(fields, this.#mm.cache.open(ino, generation, named), this);
  }
}

const TYPES: ReadonlySet<number> = new Set(Object.values(EXT2_MODE).filter((value) => value !== EXT2_MODE.typeMask));

/** Whether i_block holds pointers: a short symbolic link keeps its text there, a device its number. */
function hasBlocks(inode: Inode): boolean {
  return inode.isRegular || inode.isDirectory || (inode.isSymlink && inode.fields.sectors >= SECTORS_PER_BLOCK);
}
