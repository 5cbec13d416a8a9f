/**
 * The mounted ext2 file system as a whole: superblock, group descriptors, what is done on errors (fs/ext2/super.c of
 * 2.6.12).
 *
 * Superblock and descriptors are buffers held for the life of the mount (pinned pages), so that their words can be read and
 * changed at any time. Free counts on the disk are not trusted to be right.
 *
 * Differs from the original: the superblock is marked as not unmounted in order (ext2), or as having a journal to be replayed
 * (ext3), at the first change rather than by the mount, so that a system that only reads writes nothing.
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
import { NOTHING, type CpuClock, type Process } from '../../../sim/index.ts';
import { WALL_CLOCK_START, type GuestEnvironment, type GuestMemory } from '../../../xen/public/index.ts';
import type { Buffers } from '../buffer.ts';
import { Mutex } from '../mutex.ts';

const DESCRIPTORS_PER_BLOCK = PAGE_SIZE / GROUP_DESCRIPTOR.size;
const AT = SUPERBLOCK.offset;

export class Ext2Super {
  readonly geometry: Ext2Geometry;
  readonly buffers: Buffers;
  /** lock_super: held by whoever allocates or frees. */
  readonly lock = new Mutex('lock_super');
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
  /** Orlov's debts: directories made in a group since, less files. */
  readonly debts: Uint8Array;
  /** Group with which the search for a directory in the root begins next. */
  nextTopGroup = 0;
  /** Called when an error is found in the file system's structure. */
  onError: (text: string) => void = () => undefined;
  /** Bits of blocks that are free and must not be used yet, by group. */
  frozen: (group: number) => Uint8Array | undefined = () => undefined;
  /** A block was freed. */
  onFree: (group: number, bit: number) => void = () => undefined;
  /** Blocks were freed, for whoever keeps copies of them. */
  onFreeBlocks: (block: number, count: number) => void = () => undefined;
  /** Texts of the errors found in the file system's structure, the first ones. */
  readonly errors: string[] = [];
  /** Texts of what was found that makes no sense and can be done without, the first ones. */
  readonly warnings = new Set<string>();

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
    this.buffers = buffers;
    this.geometry = geometry;
    this.superblockPage = superblockPage;
    this.#descriptorPages = descriptorPages;
    this.#inodeTables = inodeTables;
    this.debts = new Uint8Array(geometry.groupCount);
    this.#readOnly = geometry.readOnlyFeatures.length > 0;
  }

  /**
   * ext2_fill_super: reads and checks superblock and group descriptors.
   * Throws EINVAL with one line that names the field or feature that the driver cannot mount; EIO.
   */
  static *mount(env: GuestEnvironment, buffers: Buffers): Process<Ext2Super> {
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
      const problem = checkGroupDescriptor(geometry, group, bytes, at);
      if (problem !== undefined) throw new ModelError('EINVAL', `ext2: ${problem}`);
      inodeTables[group] = getField(GROUP_DESCRIPTOR, bytes, at, 'bg_inode_table');
    }
    return new Ext2Super(env, buffers, geometry, superblockPage, descriptorPages, inodeTables);
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

  /** Called before anything is changed. Throws EROFS. */
  beginChange(): void {
    if (this.buffers.hasLostWrites) this.noteLostWrites();
    if (this.#readOnly) throw new ModelError('EROFS', 'the file system is mounted read-only');
    if (this.#modified) return;
    this.#modified = true;
    if (this.geometry.journalInode === 0) this.#setState(this.#state & ~EXT2_STATE.valid);
    else this.setNeedsRecovery(true);
    this.#put(AT.s_mtime, this.now());
    const mounts = this.buffers.readU16(this.superblockPage, EXT2_SUPERBLOCK_OFFSET + AT.s_mnt_count);
    this.#put16(AT.s_mnt_count, (mounts + 1) & 0xffff);
  }

  /** Whether the journal must be replayed by the next mount. */
  setNeedsRecovery(value: boolean): void {
    const at = EXT2_SUPERBLOCK_OFFSET + AT.s_feature_incompat;
    const features = this.buffers.readU32(this.superblockPage, at) & ~EXT2_INCOMPAT.needs_recovery;
    this.#put(AT.s_feature_incompat, (features | (value ? EXT2_INCOMPAT.needs_recovery : 0)) >>> 0);
  }

  /** Before anything of a group is changed: its descriptor and the superblock, for `breadForChange`. */
  prepareGroup(group: number): Process {
    return this.buffers.journal === undefined ? NOTHING : this.#prepareGroup(group);
  }

  *#prepareGroup(group: number): Process {
    const descriptors = descriptorBlock(this.geometry, Math.floor(group / DESCRIPTORS_PER_BLOCK));
    for (const block of [descriptors, 0])
      if (this.buffers.findForChange(block) === undefined) yield* this.buffers.breadForChange(block);
  }

  /** Whether errors were found, now or before the mount, and e2fsck has not run since. */
  get hasErrors(): boolean {
    return (this.#state & EXT2_STATE.error) !== 0;
  }

  /** The superblock says that errors were found: to be written afterwards. */
  noteErrors(): void {
    this.#setState(this.#state | EXT2_STATE.error);
  }

  /** ext3_warning: something on the disk makes no sense, and is not used. */
  warn(text: string): void {
    if (this.warnings.size < 16) this.warnings.add(text);
  }

  /**
   * ext2_error with errors=remount-ro: the structure on the disk is not what it must be, or a change was left half done. Nothing
   * is changed any more, except by what is under way.
   */
  error(text: string): void {
    if (this.errors.length < 16) this.errors.push(text);
    if (this.#readOnly) return;
    this.noteErrors();
    this.#readOnly = true;
    this.onError(text);
  }

  /** Metadata that could not be written is an error of the file system. */
  noteLostWrites(): void {
    if (this.buffers.hasLostWrites && !this.#readOnly) this.error('ext2: metadata could not be written');
  }

  /** Runs the rest of a change whose first store is made: what fails now leaves it half done. Throws what the rest throws. */
  begun<T>(rest: Process<T>): Process<T> {
    return rest === NOTHING ? rest : this.#begun(rest);
  }

  *#begun<T>(rest: Process<T>): Process<T> {
    try {
      return yield* rest;
    } catch (error) {
      if (error instanceof ModelError) this.error(`ext2: a change is left half done: ${error.message}`);
      throw error;
    }
  }

  /** ext2_remount to read-only, its last step: the file system was unmounted in order. To be written afterwards. */
  endChanges(): void {
    if (!this.#modified) return;
    this.#put(AT.s_wtime, this.now());
    if (this.geometry.journalInode !== 0) this.setNeedsRecovery(false);
    else if (this.geometry.clean) this.#setState(this.#state | EXT2_STATE.valid);
    this.#modified = false;
    this.#readOnly = true;
  }

  get #state(): number {
    return this.buffers.readU16(this.superblockPage, EXT2_SUPERBLOCK_OFFSET + AT.s_state);
  }

  #setState(state: number): void {
    this.#put16(AT.s_state, state);
  }

  #put(field: number, value: number): void {
    this.#memory.writeU32(this.superblockPage, EXT2_SUPERBLOCK_OFFSET + field, value);
    this.buffers.dirtyDirect(this.superblockPage);
  }

  #put16(field: number, value: number): void {
    this.#memory.writeU16(this.superblockPage, EXT2_SUPERBLOCK_OFFSET + field, value);
    this.buffers.dirtyDirect(this.superblockPage);
  }
}
