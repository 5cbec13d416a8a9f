/**
 * The pages of a file, directory or long symbolic link on ext2 and ext3: where they lie, and how a
 * file grows and shrinks. Modelled after fs/ext2/inode.c and vmtruncate of mm/memory.c, 2.6.12.
 *
 * A file that is cut loses its pages first, then its blocks, so that no page of it is left whose
 * block is another's. The rest of its last page is zeroed. What a mapped store left behind the end
 * is zeroed before the file grows. So a file that was cut and made longer again reads as zeros
 * there. All that this takes is read before the size changes, so a block that cannot be read leaves
 * the file as it was. A block that only tells what to free is an error of the file system instead
 * (ext2/map.ts).
 */

import { ModelError } from '../../../base/errno.ts';
import { PAGE_SIZE, pagesOf, type Pfn } from '../../../base/units.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import type { GuestMemory } from '../../../xen/public/index.ts';
import type { Ext2Changes } from './change.ts';
import { MAX_FILE_BYTES } from './inode.ts';
import { SECTORS_PER_BLOCK } from './map.ts';
import type { FsCore } from '../core.ts';
import type { PageOperations } from '../file-system.ts';
import type { Ext2Inode, Ext2InodeOperations } from './inode-info.ts';
import { NO_PAGE, PG } from '../../mm/mem-map.ts';
import type { MemoryManagement } from '../../mm/mm.ts';
import type { PageIo } from '../../cache/page-io.ts';
import { dropPages, truncatePages } from '../../cache/truncate.ts';

export class Ext2Pages implements Ext2InodeOperations, PageOperations {
  readonly #memory: GuestMemory;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #changes: Ext2Changes;

  constructor({ env, mm, io }: FsCore, changes: Ext2Changes) {
    this.#memory = env.memory;
    this.#mm = mm;
    this.#io = io;
    this.#changes = changes;
  }

  blockNow(inode: Ext2Inode, index: number): number {
    return this.#changes.map.blockNow(inode, index);
  }

  loadMetadata(inode: Ext2Inode, index: number): Process {
    return this.#changes.map.loadMetadata(inode, index);
  }

  isBoundary(index: number): boolean {
    return this.#changes.map.isBoundary(index);
  }

  hasUnwritten(inode: Ext2Inode): boolean {
    return inode.unwrittenBlocks(this.#changes.superblock.buffers).length > 0;
  }

  leadsThrough(inode: Ext2Inode, block: number): boolean {
    return inode.pageBehind(block) >= 0;
  }

  /**
   * That the blocks behind the lost one stay in use is for e2fsck, as all metadata that could not
   * be written.
   */
  *withdrawMetadata(inode: Ext2Inode, block: number): Process {
    try {
      yield* this.#changes.map.withdraw(inode, inode.pageBehind(block), block);
    } catch (error) {
      // In memory it stays what it is.
      if (!(error instanceof ModelError)) throw error;
      this.#changes.superblock.error(`ext2: block ${block} of inode ${inode.ino} is not withdrawn: ${error.message}`);
    }
  }

  store(inode: Ext2Inode): Process {
    return this.#changes.inodeTable.store(inode);
  }

  /** Under `change`, as everything that changes the file system. */
  blockForWrite(inode: Ext2Inode, index: number): Process<number> {
    return this.#changes.map.blockForWrite(inode, index);
  }

  *allocate(inode: Ext2Inode, index: number): Process {
    yield* this.#changes.change(() => this.#allocate(inode, index));
  }

  *#allocate(inode: Ext2Inode, index: number): Process {
    if (index >= inode.pageCount) return;
    yield* this.blockForWrite(inode, index);
    this.#changes.journal.addData(inode);
  }

  /**
   * The first write of a page into a new block has failed. The file gets a hole there, and does not
   * show what the block's former owner left. A journal ends, because its transaction must not say
   * that the file has the block.
   */
  *withdraw(inode: Ext2Inode, index: number): Process {
    const { map, cache } = this.#mm;
    const { superblock, journal } = this.#changes;
    let pfn = cache.find(inode.space, index);
    while (pfn !== NO_PAGE && map.has(pfn, PG.locked | PG.writeback)) {
      yield* this.#io.locks.wait(pfn);
      pfn = cache.find(inode.space, index);
    }
    if (pfn === NO_PAGE || !map.isLost(pfn)) return;
    map.set(pfn, PG.locked);
    const withdraw = (): Process => this.#changes.map.withdraw(inode, index);
    try {
      if (journal.isKept) superblock.error(`ext3: data of inode ${inode.ino} could not be written`);
      yield* journal.isKept ? withdraw() : this.#changes.change(withdraw);
    } catch (error) {
      // In memory the page stays what it is.
      if (!(error instanceof ModelError)) throw error;
      superblock.error(`ext2: page ${index} of inode ${inode.ino} is not withdrawn: ${error.message}`);
      return;
    } finally {
      this.#io.locks.unlock(pfn);
    }
    dropPages(this.#mm, [pfn]);
  }

  /**
   * ext2_write_inode: stores what changed into the inode table's buffer. With a journal the commit
   * does that. Throws EIO.
   */
  *writeInode(inode: Ext2Inode): Process {
    const { journal, inodeTable } = this.#changes;
    if (!journal.isKept) yield* inodeTable.store(inode);
    else if (journal.isAborted) inode.isInodeDirty = false;
  }

  /**
   * So many blocks behind the end of a directory, which `append` takes then; or none of them.
   * Throws ENOSPC, EIO.
   */
  *reserve(directory: Ext2Inode, count: number): Process {
    const end = pagesOf(directory.size);
    try {
      for (let index = end; index < end + count; index++) yield* this.blockForWrite(directory, index);
    } catch (error) {
      yield* this.#changes.map.truncate(directory, end);
      throw error;
    }
  }

  /**
   * One more zeroed block at the end of a directory or of a long symbolic link. The page is valid
   * until the next wait.
   */
  *append(inode: Ext2Inode): Process<Pfn> {
    const { map, cache } = this.#mm;
    const index = pagesOf(inode.size);
    const block = yield* this.blockForWrite(inode, index);
    let pfn: Pfn;
    try {
      pfn = yield* this.#io.grabPage(inode, index);
    } catch (error) {
      yield* this.#changes.map.truncate(inode, index);
      throw error;
    }
    this.#memory.zero(pfn, 0, PAGE_SIZE);
    map.set(pfn, PG.hasBlock);
    cache.setUptodate(pfn);
    this.#io.locks.unlock(pfn);
    const { journal } = this.#changes;
    if (inode.isDirectory) journal.join(inode, index, block, pfn);
    else map.set(pfn, PG.fresh);
    journal.markPageDirty(inode, pfn);
    inode.fields.size = (index + 1) * PAGE_SIZE;
    inode.isSizeDirty = true;
    this.#changes.markInodeDirty(inode);
    return pfn;
  }

  /**
   * vmtruncate and ext2_truncate: sets a file's size and drops everything beyond it. The caller
   * holds i_sem. Throws EFBIG, EIO, EROFS. EIO may also mean that the file has its new size, but
   * something that was cut off could not be freed. The superblock says so then. In 2.6.12 no caller
   * learns of that.
   */
  *setSize(inode: Ext2Inode, size: number): Process {
    if (size > MAX_FILE_BYTES) throw new ModelError('EFBIG', `${size} bytes`);
    yield* this.#changes.change(() => this.#setSize(inode, size));
  }

  *#setSize(inode: Ext2Inode, size: number): Process {
    const changes = this.#changes;
    changes.superblock.beginChange();
    if (!changes.isPrepared(inode)) yield* changes.prepare(inode);
    const { fields } = inode;
    const isCut = size < fields.size;
    if (isCut) {
      yield* changes.journal.waitForData(inode);
      yield* changes.map.prepareTruncation(inode, pagesOf(size));
      if (size % PAGE_SIZE > 0) yield* this.#zeroRest(inode, size);
    } else if (size > fields.size) this.zeroTail(inode);
    fields.size = size;
    changes.superblock.state.stampChange(fields);
    inode.isSizeDirty = true;
    changes.markInodeDirty(inode);
    if (!isCut) return;
    yield* truncatePages(this.#mm, this.#io, inode.space, pagesOf(size));
    yield* changes.map.truncate(inode, pagesOf(size));
    const { state } = changes.superblock;
    if (state.isReadOnly) throw new ModelError('EIO', state.lastError);
  }

  /**
   * A crash came between the new size of a file and the freeing of its blocks: another
   * implementation's transactions.
   */
  *finishTruncation(inode: Ext2Inode): Process {
    if (hasBlocks(inode)) {
      const end = pagesOf(inode.size);
      yield* this.#changes.map.prepareTruncation(inode, end);
      if (inode.size % PAGE_SIZE > 0) yield* this.#zeroRest(inode, inode.size);
      yield* this.#changes.map.truncate(inode, end);
    }
    yield* this.#changes.removeOrphan(inode);
    inode.fields.dtime = 0;
    this.#changes.markInodeDirty(inode);
  }

  /**
   * Zeroes what is to lie behind the end of a file in its last page. Throws EIO; does not wait
   * after the first store.
   */
  *#zeroRest(inode: Ext2Inode, size: number): Process {
    const rest = size % PAGE_SIZE;
    const pfn = yield* this.#io.getPage(inode, Math.floor(size / PAGE_SIZE));
    if (!this.#mm.map.has(pfn, PG.hasBlock)) return;
    // A page under writeback may be zeroed: it is dirty again then, and written once more.
    this.#memory.zero(pfn, rest, PAGE_SIZE - rest);
    this.#changes.journal.markPageDirty(inode, pfn);
  }

  beginWrite(inode: Ext2Inode, leavesHole: boolean): Process {
    this.#changes.superblock.beginChange();
    if (!this.#changes.isPrepared(inode)) return this.#beginColdWrite(inode, leavesHole);
    if (leavesHole) this.zeroTail(inode);
    return NOTHING;
  }

  *#beginColdWrite(inode: Ext2Inode, leavesHole: boolean): Process {
    yield* this.#changes.prepare(inode);
    if (leavesHole) this.zeroTail(inode);
  }

  /**
   * Before a file grows: bytes behind its end, which a mapped store may have left in the last page,
   * become zero.
   */
  zeroTail(inode: Ext2Inode): void {
    const { map, cache } = this.#mm;
    const index = Math.floor(inode.size / PAGE_SIZE);
    const tail = inode.tail(index);
    if (tail === 0) return;
    const pfn = cache.find(inode.space, index);
    if (pfn === NO_PAGE || !map.has(pfn, PG.uptodate)) return;
    this.#memory.zero(pfn, PAGE_SIZE - tail, tail);
    this.#changes.journal.markPageDirty(inode, pfn);
  }
}

/**
 * Whether i_block holds pointers: a short symbolic link keeps its text there, a device its number.
 */
export function hasBlocks(inode: Ext2Inode): boolean {
  return inode.isRegular || inode.isDirectory || (inode.isSymlink && !isFastSymlink(inode));
}

/**
 * ext2_inode_is_fast_symlink: whether a symbolic link has its text in i_block: it has no block but
 * that of its attributes.
 */
export function isFastSymlink({ fields: { sectors, fileAcl } }: Ext2Inode): boolean {
  return sectors === (fileAcl === 0 ? 0 : SECTORS_PER_BLOCK);
}
