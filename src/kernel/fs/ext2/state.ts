/**
 * What the superblock of a mounted ext2 file system says: its geometry, its state on the disk,
 * whether anything may be changed, and the errors that were found (fs/ext2/super.c of 2.6.12).
 *
 * Superblock and descriptors are buffers held for the life of the mount (pinned pages), so that
 * their words can be read and changed at any time. The words that are changed here go straight to
 * their place, past any journal.
 *
 * Differs from the original: the superblock is marked as not unmounted in order (ext2), or as
 * having a journal to be replayed (ext3), at the first change rather than by the mount. A system
 * that only reads writes nothing.
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
import { WALL_CLOCK_START, type GuestEnvironment, type GuestMemory } from '../../../xen/public/index.ts';
import type { Buffers } from '../buffer.ts';

const DESCRIPTORS_PER_BLOCK = PAGE_SIZE / GROUP_DESCRIPTOR.size;
const AT = SUPERBLOCK.offset;
/** Texts that are kept. */
const MAX_TEXTS = 16;
/** Metadata that could not be written is an error of the file system. */
export const LOST_METADATA = 'ext2: metadata could not be written';

export class Ext2State {
  readonly geometry: Ext2Geometry;
  /** They go straight to their places. */
  readonly #buffers: Buffers;
  /** The superblock lies at byte 1024 of this page, which is pinned. */
  readonly superblockPage: Pfn;
  readonly #cpu: CpuClock;
  readonly #memory: GuestMemory;
  readonly #descriptorPages: readonly Pfn[];
  readonly #inodeTables: Uint32Array;
  #readOnly: boolean;
  #modified = false;
  /** The present second, and when it ends, virtual ns. */
  #second = 0;
  #secondEnds = 0;
  /** Texts of the errors found in the file system's structure, the first ones. */
  readonly errors: string[] = [];

  private constructor(
    env: GuestEnvironment,
    buffers: Buffers,
    geometry: Ext2Geometry,
    superblockPage: Pfn,
    descriptorPages: readonly Pfn[],
    inodeTables: Uint32Array,
  ) {
    this.#cpu = env.cpu;
    this.#memory = env.memory;
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
  static *read(env: GuestEnvironment, buffers: Buffers): Process<Ext2State> {
    if (buffers.device.pageCount < 2) throw new ModelError('EINVAL', 'ext2: the device is shorter than a superblock');
    const bytes = new Uint8Array(PAGE_SIZE);
    const superblockPage = yield* buffers.bread(0);
    env.memory.copyOut(superblockPage, EXT2_SUPERBLOCK_OFFSET, bytes, 0, EXT2_SUPERBLOCK_SIZE);
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
    return new Ext2State(env, buffers, geometry, superblockPage, descriptorPages, inodeTables);
  }

  get isReadOnly(): boolean {
    return this.#readOnly;
  }

  /** Whether anything was changed since the mount. */
  get isChanged(): boolean {
    return this.#modified;
  }

  /** Whether `beginChange` would do nothing. */
  get isChanging(): boolean {
    return this.#modified && !this.#readOnly;
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
    return this.#cpu.now < this.#secondEnds ? this.#second : this.#nextSecond();
  }

  #nextSecond(): number {
    const second = Math.floor(this.#cpu.now / 1e9);
    this.#secondEnds = (second + 1) * 1e9;
    this.#second = WALL_CLOCK_START + second;
    return this.#second;
  }

  /** Before anything is changed: says so on the disk. Throws EROFS. */
  beginChange(): void {
    if (this.#buffers.hasLostWrites && !this.#readOnly) this.fail(LOST_METADATA);
    if (this.#readOnly) throw new ModelError('EROFS', 'the file system is mounted read-only');
    if (this.#modified) return;
    this.#modified = true;
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
   * ext2_error with errors=remount-ro, as far as the superblock: the structure on the disk is not
   * what it must be, or a change was left half done. Nothing is changed any more, except by what is
   * under way.
   */
  fail(text: string): void {
    if (this.errors.length < MAX_TEXTS) this.errors.push(text);
    if (this.#readOnly) return;
    this.noteErrors();
    this.#readOnly = true;
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
