/**
 * The ext2 and ext3 driver as a whole: mounting, syncing, remounting read-only (fs/ext2/super.c and
 * fsync.c, fs/ext3/super.c and fsync.c of 2.6.12).
 *
 * The parts are in files of their own:
 * - how anything is changed: ext2/change.ts;
 * - the life of inodes: ext2/iget.ts, their pages: ext2/pages.ts, names: ext2/namei.ts;
 * - superblock and group descriptors: ext2/state.ts and ext2/super.ts;
 * - the map from pages to blocks: ext2/map.ts, inodes on the disk: ext2/inode.ts;
 * - allocation: ext2/balloc.ts and ext2/ialloc.ts, directories: ext2/dir.ts.
 *
 * Metadata goes through the block device's own mapping (buffer.ts). Nothing on the disk is trusted.
 * What does not make sense is EIO, and what the driver cannot mount is refused in one line.
 */

import { ModelError } from '../../../base/errno.ts';
import { Ino, SECTORS_PER_PAGE } from '../../../base/units.ts';
import { EXT2_NAME_MAX, EXT2_ROOT_INO } from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import { BLOCK_DEVICE_INO } from '../../../xen/public/index.ts';
import { BlockDeviceMapping, Buffers } from '../buffer.ts';
import type { FsCore } from '../core.ts';
import type { FileSystem, FileSystemStatistics } from '../file-system.ts';
import type { Journal } from '../jbd/journal.ts';
import { Ext2Changes } from './change.ts';
import { Ext2Directories } from './dir.ts';
import { Ext2Inodes } from './iget.ts';
import type { Ext2Inode } from './inode-info.ts';
import { MAX_FILE_BYTES } from './inode.ts';
import { type Ext2Mount, mountJournal } from './mount.ts';
import { Ext2Names } from './namei.ts';
import { Ext2Pages } from './pages.ts';
import { statisticsOf } from './statfs.ts';
import { Ext2Super } from './super.ts';
import { AttributeBlocks } from './xattr-blocks.ts';
import { Ext2Attributes } from './xattr.ts';

export class Ext2 implements FileSystem {
  readonly rootIno = EXT2_ROOT_INO;
  readonly maxFileBytes = MAX_FILE_BYTES;
  readonly maxNameBytes = EXT2_NAME_MAX;
  readonly device: BlockDeviceMapping;
  readonly changes: Ext2Changes;
  readonly pages: Ext2Pages;
  readonly directories: Ext2Directories;
  readonly names: Ext2Names;
  readonly attributes: Ext2Attributes;
  readonly #core: FsCore;
  readonly #buffers: Buffers;
  readonly #inodes: Ext2Inodes;
  /**
   * Inodes of which fsync has told that a write of metadata failed; undefined: none has failed
   * since the mount.
   */
  #toldOfLoss: Set<Ino> | undefined;

  private constructor(core: FsCore, { policy, inodes, dentries }: Ext2Mount, superblock: Ext2Super) {
    this.#core = core;
    this.#buffers = superblock.buffers;
    this.device = superblock.buffers.device;
    this.changes = new Ext2Changes(core, superblock);
    this.pages = new Ext2Pages(core, this.changes);
    this.directories = new Ext2Directories(core, this.changes, this.pages);
    const blocks = new AttributeBlocks(superblock);
    this.attributes = new Ext2Attributes(this.changes, blocks);
    this.#inodes = new Ext2Inodes(core, policy, inodes, this.changes, this.pages, blocks);
    this.names = new Ext2Names(core, this.changes, this.pages, this.#inodes, this.directories, dentries);
  }

  /**
   * ext2_fill_super, ext3_fill_super: a crash's log is replayed, and what was in use without a name
   * is deleted. Throws EINVAL with one line that names what the driver cannot mount; EIO, ENOMEM.
   */
  static *mount(core: FsCore, mount: Ext2Mount): Process<Ext2> {
    const device = new BlockDeviceMapping(
      core.mm.cache.open(Ino(BLOCK_DEVICE_INO), 0, mount.policy.metadata, core.writeback),
      Math.floor(mount.sectorCount / SECTORS_PER_PAGE),
      mount.inodes,
    );
    const direct = new Buffers(core, device);
    const { state, buffers, journal, journalInode } = yield* mountJournal(core, mount, direct);
    const ext2 = new Ext2(core, mount, new Ext2Super(state, buffers, journal, mount.copies));
    // The journal holds its inode for the life of the mount.
    if (journalInode !== undefined) ext2.#inodes.adopt(journalInode.fields, journalInode.object);
    if (journal.isKept) yield* ext2.#inodes.deleteOrphans();
    const how = state.isReadOnly ? 'read-only' : journal.isKept ? 'with ordered data mode' : 'without a journal';
    core.log.say('info', `ext2: mounted ${how}`);
    return ext2;
  }

  iget(ino: number): Process<Ext2Inode> {
    return this.#inodes.iget(ino);
  }

  statistics(): FileSystemStatistics {
    return statisticsOf(this.changes.superblock);
  }

  /** Transactions committed since the mount. */
  get commits(): number {
    return this.changes.journal.commits;
  }

  /** Whether anything was changed since the mount. */
  get isChanged(): boolean {
    return this.changes.superblock.state.isChanged;
  }

  /**
   * ext2_sync_file, ext3_sync_file. When this returns, the disk's medium has the file's pages, the
   * indirect blocks that lead to them and its inode. Throws, once, what a write of it met since the
   * last time (EIO, ENOSPC). With ext2 it also throws EIO, once, after a failed write of any
   * metadata.
   * @param dataOnly fdatasync: an inode of which only times have changed need not be written
   */
  *fsync(inode: Ext2Inode, dataOnly: boolean): Process {
    const { journal } = this.changes;
    if (!journal.isKept) yield* this.#syncInode(inode, dataOnly);
    // The pages of a directory are the journal's, and so are errors of theirs.
    else if (inode.isDirectory) yield* this.#commitInode(journal, inode, dataOnly);
    else {
      yield* this.#core.writeback.writePages(inode, true);
      yield* this.#core.writeback.waitPages(inode);
      try {
        yield* this.#commitInode(journal, inode, dataOnly);
      } finally {
        this.#core.writeback.throwError(inode);
      }
    }
  }

  /** ext2_sync_file. What one of its steps meets does not keep it from the others. */
  *#syncInode(inode: Ext2Inode, dataOnly: boolean): Process {
    const { device } = this.#buffers;
    const { inodeTable } = this.changes;
    const writeback = this.#core.writeback;
    yield* writeback.writePages(inode, true);
    try {
      if (!dataOnly || inode.isSizeDirty) yield* inodeTable.store(inode);
    } finally {
      for (let mustStore = true; mustStore; ) {
        const blocks = inode.unwrittenBlocks(this.#buffers);
        blocks.push(inodeTable.place(inode.ino).block);
        for (const block of blocks) yield* writeback.writePages(device, true, block, block + 1);
        mustStore = yield* writeback.waitPages(inode);
        for (const block of blocks) mustStore = (yield* writeback.waitPages(device, block, block + 1)) || mustStore;
        // Blocks were withdrawn: their place, too, is on the disk when this returns.
        if (mustStore) yield* inodeTable.store(inode);
      }
      yield* writeback.flushDrive();
      const mustTell = this.#mustTellLoss(inode);
      writeback.throwError(inode);
      if (mustTell) throw new ModelError('EIO', `ext2: writing metadata has failed, perhaps of inode ${inode.ino}`);
    }
  }

  /**
   * AS_EIO of the block device: whether a write of metadata has failed since this inode was told
   * last. Nobody knows whose the block was, so each inode is told; by its number, for it may have
   * left memory meanwhile.
   */
  #mustTellLoss({ ino }: Ext2Inode): boolean {
    const { space } = this.#buffers.device;
    if (space.error !== undefined) {
      space.error = undefined;
      this.#toldOfLoss = new Set();
    }
    if (this.#toldOfLoss === undefined || this.#toldOfLoss.has(ino)) return false;
    this.#toldOfLoss.add(ino);
    return true;
  }

  /**
   * The last change of the inode is in the log; where it has been there before, the drive's cache
   * is flushed.
   */
  *#commitInode(journal: Journal, inode: Ext2Inode, dataOnly: boolean): Process {
    const tid = dataOnly ? inode.syncTid : inode.tid;
    if (journal.isCommitted(tid)) yield* this.#core.writeback.flushDrive();
    else yield* journal.waitFor(tid);
  }

  /**
   * sync: everything that is dirty is on the disk's medium when this returns. Throws EIO when the
   * drive says so, or when metadata could not be written: the superblock says that then.
   */
  *sync(): Process {
    const { superblock, journal } = this.changes;
    const { state } = superblock;
    const wasReadOnly = state.isReadOnly;
    try {
      yield* this.#core.writeback.sync(this.#buffers.device);
      yield* journal.force();
    } finally {
      superblock.noteLostWrites();
      if (!wasReadOnly && state.isReadOnly) yield* this.#core.writeback.sync(this.#buffers.device);
    }
    if (!wasReadOnly && state.isReadOnly) throw new ModelError('EIO', state.lastError);
  }

  /**
   * Remount read-only, as the root is at shutdown: all is written, the page cache stays. What
   * cannot be written is an error of the file system, and what follows is done all the same. Throws
   * the first such error at the end.
   */
  *remountReadOnly(): Process {
    const { journal, superblock } = this.changes;
    let failure: ModelError | undefined;
    try {
      yield* this.sync();
      yield* journal.flush();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      failure = error;
      superblock.error(`ext2: ${error.message}`);
    }
    // After an abort the log holds what is nowhere else: it is to be replayed.
    if (!journal.isAborted) superblock.state.endChanges();
    const isNoted = failure !== undefined;
    try {
      yield* this.#core.writeback.sync(this.#buffers.device);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      failure ??= error;
    }
    if (this.#core.writeback.hasLostMetadata || (!isNoted && failure !== undefined)) {
      superblock.state.noteErrors();
      yield* this.#core.writeback.sync(this.#buffers.device);
    }
    if (failure !== undefined) throw failure;
  }
}
