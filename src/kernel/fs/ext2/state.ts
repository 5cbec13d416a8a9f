/**
 * What the superblock of a mounted ext2 file system says (fs/ext2/super.c of 2.6.12). That is its
 * geometry, its state on the disk, whether anything may be changed, and the errors that were found.
 *
 * Superblock and descriptors are buffers held for the life of the mount (pinned pages). So their
 * words can be read and changed at any time. The words that are changed here go straight to their
 * place, past any journal.
 *
 * Differs from the original: the first change marks the superblock, not the mount. The mark says
 * "not unmounted in order" (ext2) or "has a journal to be replayed" (ext3). A system that only
 * reads writes nothing.
 */

import { ModelError } from '../../../base/errno.ts';
import { getField } from '../../../base/layout.ts';
import { PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import {
  checkGroupDescriptor,
  checkSuperblock,
  descriptorBlock,
  EXT2_INCOMPAT,
  EXT2_STATE,
  EXT2_SUPERBLOCK_OFFSET,
  EXT2_SUPERBLOCK_SIZE,
  GROUP_DESCRIPTOR,
  SUPERBLOCK,
  type Ext2Geometry,
} from '../../../format/ext2.ts';
import type { CpuClock, Process } from '../../../sim/index.ts';
import { WALL_CLOCK_START, type GuestMemory } from '../../../xen/public/index.ts';
import type { KernelLog } from '../../log.ts';
import type { Buffers } from '../buffer.ts';
import type { FsCore } from '../core.ts';
import { type Ext2InodeFields, isFine } from './inode-info.ts';

const DESCRIPTORS_PER_BLOCK = PAGE_SIZE / GROUP_DESCRIPTOR.size;
const AT = SUPERBLOCK.offset;
/**
 * Nanoseconds for which the wall clock stands still: xtime of 2.6.12-xen moves on with HZ = 100.
 */
const TICK_NS = 10_000_000;
const TICKS_PER_SECOND = 1e9 / TICK_NS;
/** Metadata that could not be written is an error of the file system. */
export const LOST_METADATA = 'ext2: metadata could not be written';

export class Ext2State {
  readonly geometry: Ext2Geometry;
  /** They go straight to their places. */
  readonly #buffers: Buffers;
  /** The superblock lies at byte 1024 of this page, which is pinned. */
  readonly superblockPage: Pfn;
  readonly #cpu: CpuClock;
  readonly #log: KernelLog;
  readonly #memory: GuestMemory;
  readonly #marksFirstChange: boolean;
  readonly #descriptorPages: readonly Pfn[];
  readonly #inodeTables: Uint32Array;
  #readOnly: boolean;
  #modified = false;
  /** Whether `beginChange` would do nothing. A field: every overwrite asks. Changed here alone. */
  isChanging = false;
  /** The present tick of the wall clock, and when it ends, virtual ns. */
  #second = 0;
  #nanoseconds = 0;
  #tickEnds = 0;
  #lastError = '';

  private constructor(
    { env, log, rules }: FsCore,
    buffers: Buffers,
    geometry: Ext2Geometry,
    superblockPage: Pfn,
    descriptorPages: readonly Pfn[],
    inodeTables: Uint32Array,
  ) {
    this.#cpu = env.cpu;
    this.#log = log;
    this.#memory = env.memory;
    this.#marksFirstChange = rules.firstChange;
    this.#buffers = buffers;
    this.geometry = geometry;
    this.superblockPage = superblockPage;
    this.#descriptorPages = descriptorPages;
    this.#inodeTables = inodeTables;
    this.#readOnly = geometry.readOnlyFeatures.length > 0;
  }

  /**
   * ext2_fill_super: reads and checks superblock and group descriptors.
   * Throws EINVAL with one line that names the field or feature that the driver cannot mount; EIO.
   */
  static *read(core: FsCore, buffers: Buffers): Process<Ext2State> {
    if (buffers.device.pageCount < 2) throw new ModelError('EINVAL', 'ext2: the device is shorter than a superblock');
    const bytes = new Uint8Array(PAGE_SIZE);
    const superblockPage = yield* buffers.bread(0);
    core.env.memory.copyOut(superblockPage, EXT2_SUPERBLOCK_OFFSET, bytes, 0, EXT2_SUPERBLOCK_SIZE);
    const checked = checkSuperblock(bytes, buffers.device.pageCount * PAGE_SIZE);
    if (!checked.ok) throw new ModelError('EINVAL', `ext2: ${checked.reason}`);
    const geometry = checked.value;
    buffers.pin(superblockPage);
    const descriptorPages: Pfn[] = [];
    const inodeTables = new Uint32Array(geometry.groupCount);
    for (let group = 0; group < geometry.groupCount; group++) {
      if (group % DESCRIPTORS_PER_BLOCK === 0) {
        const pfn = yield* buffers.bread(descriptorBlock(geometry, descriptorPages.length));
        buffers.pin(pfn);
        descriptorPages.push(pfn);
        buffers.copyOut(pfn, 0, bytes, PAGE_SIZE);
      }
      const at = (group % DESCRIPTORS_PER_BLOCK) * GROUP_DESCRIPTOR.size;
      const lies = checkGroupDescriptor(geometry, group, bytes, at);
      if (!lies.ok) throw new ModelError('EINVAL', `ext2: ${lies.reason}`);
      inodeTables[group] = getField(GROUP_DESCRIPTOR, bytes, at, 'bg_inode_table');
    }
    return new Ext2State(core, buffers, geometry, superblockPage, descriptorPages, inodeTables);
  }

  get isReadOnly(): boolean {
    return this.#readOnly;
  }

  /** Whether anything was changed since the mount. */
  get isChanged(): boolean {
    return this.#modified;
  }

  /** First block of a group's inode table. */
  inodeTable(group: number): number {
    return this.#inodeTables[group]!;
  }

  /** Where a group's descriptor lies: a pinned page, and the offset in it. */
  descriptor(group: number): { pfn: Pfn; offset: number } {
    return {
      pfn: this.#descriptorPages[Math.floor(group / DESCRIPTORS_PER_BLOCK)]!,
      offset: (group % DESCRIPTORS_PER_BLOCK) * GROUP_DESCRIPTOR.size,
    };
  }

  /** The block of a group's descriptor. */
  descriptorBlock(group: number): number {
    return descriptorBlock(this.geometry, Math.floor(group / DESCRIPTORS_PER_BLOCK));
  }

  /** Wall-clock time in seconds since 1970, as files are stamped with it. */
  now(): number {
    if (this.#cpu.now >= this.#tickEnds) this.#tick();
    return this.#second;
  }

  /** The nanoseconds that belong to `now`, whole ticks of 10 ms. */
  nowNs(): number {
    if (this.#cpu.now >= this.#tickEnds) this.#tick();
    return this.#nanoseconds;
  }

  /** When `now` and `nowNs`, which were asked before, change; ns of virtual time. */
  get tickEnds(): number {
    return this.#tickEnds;
  }

  #tick(): void {
    const tick = Math.floor(this.#cpu.now / TICK_NS);
    this.#tickEnds = (tick + 1) * TICK_NS;
    this.#second = WALL_CLOCK_START + Math.floor(tick / TICKS_PER_SECOND);
    this.#nanoseconds = (tick % TICKS_PER_SECOND) * TICK_NS;
  }

  /** current_fs_time: the data of an inode has changed now, and so has the inode. */
  stampChange(fields: Ext2InodeFields): void {
    this.stampInode(fields);
    fields.mtime = fields.ctime;
    fields.mtimeNs = fields.ctimeNs;
  }

  /** An inode has changed now. */
  stampInode(fields: Ext2InodeFields): void {
    fields.ctime = this.now();
    fields.ctimeNs = isFine(fields) ? this.nowNs() : 0;
  }

  /** What was found last that is an error of the file system; empty: nothing. */
  get lastError(): string {
    return this.#lastError;
  }

  /** ext3_warning: something on the disk makes no sense, and is not used. */
  warn(text: string): void {
    this.#log.say('warning', text);
  }

  /** Before anything is changed: says so on the disk. Throws EROFS. */
  beginChange(): void {
    if (this.#buffers.hasLostWrites && !this.#readOnly) this.fail(LOST_METADATA);
    if (this.#readOnly) throw new ModelError('EROFS', 'the file system is mounted read-only');
    if (this.#modified) return;
    this.#modified = true;
    this.isChanging = true;
    if (!this.#marksFirstChange) return;
    if (this.geometry.journalInode === 0) this.#setState(this.#state & ~EXT2_STATE.valid);
    else this.setNeedsRecovery(true);
    this.#put(AT.s_mtime, this.now());
    const mounts = this.#buffers.readU16(this.superblockPage, EXT2_SUPERBLOCK_OFFSET + AT.s_mnt_count);
    this.#put16(AT.s_mnt_count, (mounts + 1) & 0xffff);
  }

  /** Whether the journal must be replayed by the next mount. */
  setNeedsRecovery(value: boolean): void {
    const at = EXT2_SUPERBLOCK_OFFSET + AT.s_feature_incompat;
    const features = this.#buffers.readU32(this.superblockPage, at) & ~EXT2_INCOMPAT.needs_recovery;
    this.#put(AT.s_feature_incompat, (features | (value ? EXT2_INCOMPAT.needs_recovery : 0)) >>> 0);
  }

  /** Whether errors were found, now or before the mount, and e2fsck has not run since. */
  get hasErrors(): boolean {
    return (this.#state & EXT2_STATE.error) !== 0;
  }

  /** The superblock says that errors were found: to be written afterwards. */
  noteErrors(): void {
    this.#setState(this.#state | EXT2_STATE.error);
  }

  /**
   * ext2_error with errors=remount-ro, for the superblock's part. The structure on the disk is not
   * what it must be, or a change was left half done. After that, only what is under way may change
   * anything.
   */
  fail(text: string): void {
    this.#lastError = text;
    this.#log.say('crit', text);
    if (this.#readOnly) return;
    this.noteErrors();
    this.#readOnly = true;
    this.isChanging = false;
    this.#log.say('crit', 'ext2: the file system is read-only from now on');
  }

  /**
   * ext2_remount to read-only, its last step: the file system was unmounted in order. To be written
   * afterwards.
   */
  endChanges(): void {
    if (!this.#modified) return;
    this.#put(AT.s_wtime, this.now());
    if (this.geometry.journalInode !== 0) this.setNeedsRecovery(false);
    else if (this.geometry.clean) this.#setState(this.#state | EXT2_STATE.valid);
    this.#modified = false;
    this.#readOnly = true;
    this.isChanging = false;
  }

  get #state(): number {
    return this.#buffers.readU16(this.superblockPage, EXT2_SUPERBLOCK_OFFSET + AT.s_state);
  }

  #setState(state: number): void {
    this.#put16(AT.s_state, state);
  }

  #put(field: number, value: number): void {
    this.#memory.writeU32(this.superblockPage, EXT2_SUPERBLOCK_OFFSET + field, value);
    this.#buffers.dirtyDirect(this.superblockPage);
  }

  #put16(field: number, value: number): void {
    this.#memory.writeU16(this.superblockPage, EXT2_SUPERBLOCK_OFFSET + field, value);
    this.#buffers.dirtyDirect(this.superblockPage);
  }
}
