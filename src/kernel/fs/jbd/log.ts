/**
 * The journal's place on the disk: a ring of blocks in the file with the journal's inode. The
 * superblock says where in it the log starts (fs/jbd/journal.c of 2.6.12).
 *
 * Where dirty pages survive a crash (Rio), a second superblock is kept, which says that the log is
 * empty. It is registered in place of the cached one as long as the log may hold something. So no
 * recovery undoes what is written home.
 *
 * Log blocks are written from pages of their own, past the page cache. They are copies of blocks
 * whose cached pages go to their own places later.
 */

import { counted } from '../../../base/counted.ts';
import { ModelError } from '../../../base/errno.ts';
import { PAGE_SIZE, pagesOf, type Pfn } from '../../../base/units.ts';
import { checkJbdSuperblock, JBD_INCOMPAT_REVOKE, JBD_SUPERBLOCK, type JbdSuperblock } from '../../../format/jbd.ts';
import { Completion, type Process } from '../../../sim/index.ts';
import { BlkifOp, type GuestMemory } from '../../../xen/public/index.ts';
import type { Buffers } from '../buffer.ts';
import { BioBuilder } from '../../block/bio-builder.ts';
import type { FsCore } from '../core.ts';
import { HOLE, lookUpBlock, type Mapping } from '../../cache/mapping.ts';
import type { PageIo } from '../../cache/page-io.ts';
import type { DirtyRegistry } from '../../cache/dirty-registry.ts';
import type { Writeback } from '../../cache/fs-writeback.ts';

const AT = JBD_SUPERBLOCK.offset;
/** EIO, as Linux numbers it. */
const ABORTED = 5;

/** The file in which the log lies. */
export interface JournalFile extends Pick<Mapping, 'blockNow' | 'loadMetadata'> {
  readonly ino: number;
  readonly isRegular: boolean;
  /** Bytes. */
  readonly size: number;
}

export class JournalLog {
  readonly superblock: JbdSuperblock;
  readonly #memory: GuestMemory;
  readonly #buffers: Buffers;
  readonly #io: PageIo;
  readonly #writeback: Writeback;
  readonly #file: JournalFile;
  readonly #superblockPlace: number;
  readonly #superblockPage: Pfn;
  #head: number;
  #used = 0;
  /** s_start as the disk has it. */
  #start: number;
  #hasRevokes: boolean;

  private constructor(
    { env, io, writeback }: FsCore,
    buffers: Buffers,
    file: JournalFile,
    home: { readonly place: number; readonly page: Pfn; readonly superblock: JbdSuperblock },
  ) {
    const { superblock } = home;
    this.#memory = env.memory;
    this.#buffers = buffers;
    this.#io = io;
    this.#writeback = writeback;
    this.#file = file;
    this.#superblockPlace = home.place;
    this.#superblockPage = home.page;
    this.superblock = superblock;
    this.#head = superblock.first;
    this.#start = superblock.start;
    this.#hasRevokes = (superblock.incompat & JBD_INCOMPAT_REVOKE) !== 0;
  }

  /**
   * journal_init_inode and load_superblock. Throws EINVAL with one line when it makes no sense,
   * EIO.
   */
  static *open(core: FsCore, buffers: Buffers, file: JournalFile): Process<JournalLog> {
    if (!file.isRegular) throw new ModelError('EINVAL', `ext3: journal: inode ${file.ino} is no regular file`);
    const place = file.size >= PAGE_SIZE ? yield* lookUpBlock(file, 0) : HOLE;
    if (place === HOLE) throw new ModelError('EINVAL', 'ext3: journal: it has no blocks');
    const page = yield* buffers.bread(place);
    const bytes = new Uint8Array(PAGE_SIZE);
    buffers.copyOut(page, 0, bytes, PAGE_SIZE);
    const superblock = checkJbdSuperblock(bytes, pagesOf(file.size));
    if (!superblock.ok) throw new ModelError('EINVAL', `ext3: ${superblock.reason}`);
    buffers.pin(page);
    return new JournalLog(core, buffers, file, { place, page, superblock: superblock.value });
  }

  /** Blocks of the ring. */
  get length(): number {
    return this.superblock.maxLength - this.superblock.first;
  }

  /** Blocks that may be written. */
  get free(): number {
    return this.length - this.#used;
  }

  /** The ring position behind `position`. */
  next(position: number): number {
    return position + 1 < this.superblock.maxLength ? position + 1 : this.superblock.first;
  }

  /** The file-system block of a ring position. Throws EIO. */
  *place(position: number): Process<number> {
    const block = yield* lookUpBlock(this.#file, position);
    if (block === HOLE) throw new ModelError('EIO', `ext3: journal: block ${position} is a hole`);
    return block;
  }

  /**
   * Writes pages to the next blocks of the ring; they are in the drive when this returns. Throws
   * EIO.
   */
  *append(pages: readonly Pfn[]): Process {
    if (pages.length > this.free)
      throw new ModelError(
        'EIO',
        `ext3: journal: ${counted(pages.length, 'block is', 'blocks are')} to be written and ${counted(this.free, 'is free', 'are free')}`,
      );
    const blocks: number[] = [];
    for (let i = 0, at = this.#head; i < pages.length; i++, at = this.next(at)) blocks.push(yield* this.place(at));
    const written = new Completion('blocks of the log to be written', pages.length);
    const bios = new BioBuilder(this.#io.queue, BlkifOp.write, (_, failed) => {
      written.complete(!failed);
    });
    for (const [i, pfn] of pages.entries()) {
      const block = blocks[i]!;
      this.#head = this.next(this.#head);
      this.#used++;
      if (!bios.hasRoomFor(block)) yield* bios.submit();
      bios.add(block, pfn);
    }
    yield* bios.submit();
    this.#io.queue.unplug();
    if (!(yield* written.wait())) throw new ModelError('EIO', 'ext3: journal: a log block could not be written');
  }

  /**
   * Prepares the superblock that is to be on the disk after a crash, where dirty pages survive one.
   * It says that the log is empty and the next transaction is `sequence`. Throws ENOMEM.
   */
  *prepareStandIn(registry: DirtyRegistry, sequence: number): Process {
    const pfn = yield* this.#io.supply.allocateReserved();
    this.#fillStandIn(pfn, sequence);
    registry.replace(this.#superblockPlace, pfn);
  }

  /**
   * After a crash the log is empty, and the next transaction is younger than any that may be found
   * in it.
   */
  #updateStandIn(sequence: number): void {
    const { registry } = this.#writeback;
    if (registry?.standIn === undefined) return;
    const { pfn, block } = registry.standIn;
    this.#fillStandIn(pfn, sequence);
    registry.registerAt(pfn, block);
    registry.flush();
  }

  #fillStandIn(pfn: Pfn, sequence: number): void {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.#memory.copyOut(this.#superblockPage, 0, bytes, 0, PAGE_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(AT.s_start, 0);
    view.setUint32(AT.s_sequence, sequence);
    this.#memory.copyIn(pfn, 0, bytes, 0, PAGE_SIZE);
  }

  /**
   * Before transaction `sequence` is written into an empty log: the superblock says where the log
   * starts. Throws EIO.
   */
  *begin(sequence: number, hasRevokes: boolean): Process {
    this.#updateStandIn(sequence);
    const mustTell = this.#start === 0 || (hasRevokes && !this.#hasRevokes);
    if (!mustTell) return;
    if (hasRevokes && !this.#hasRevokes) {
      this.#hasRevokes = true;
      this.#put(AT.s_feature_incompat, JBD_INCOMPAT_REVOKE);
    }
    if (this.#start === 0) yield* this.#tell(this.#head, sequence);
    else yield* this.#write();
  }

  /**
   * cleanup_journal_tail: everything in the log has reached its own place, and the log is empty.
   * The next transaction is `sequence`. Throws EIO.
   * @param isClosed whether the journal is put out of use: nothing is to be replayed
   */
  *empty(sequence: number, isClosed: boolean): Process {
    this.#used = 0;
    yield* this.#tell(isClosed ? 0 : this.#head, sequence);
  }

  /**
   * The journal has ended, and says so to the next mount: s_errno. Written with the other buffers.
   */
  recordError(): void {
    this.#put(AT.s_errno, -ABORTED);
    this.#buffers.dirtyDirect(this.#superblockPage);
  }

  /** journal_clear_err: the file system has taken note. Throws EIO. */
  *clearError(): Process {
    this.#put(AT.s_errno, 0);
    yield* this.#write();
  }

  *#tell(start: number, sequence: number): Process {
    this.#start = start;
    this.#put(AT.s_start, start);
    this.#put(AT.s_sequence, sequence);
    yield* this.#write();
  }

  *#write(): Process {
    yield* this.#buffers.writeThrough(this.#superblockPlace);
    yield* this.#writeback.flushDrive();
  }

  /** The journal counts the big end first. */
  #put(offset: number, value: number): void {
    const swapped =
      ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | ((value >>> 24) & 0xff);
    this.#memory.writeU32(this.#superblockPage, offset, swapped >>> 0);
  }
}
