/**
 * A mounted ext2 or ext3 file system, as allocation and everything that changes it see it. It has
 * superblock, buffers and journal, lock_super, and what is done on errors (fs/ext2/super.c and
 * fs/ext3/super.c of 2.6.12).
 *
 * Free counts on the disk are not trusted to be right.
 */

import { ModelError } from '../../../base/errno.ts';
import type { Pfn } from '../../../base/units.ts';
import type { Ext2Geometry } from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import type { Buffers } from '../buffer.ts';
import type { Journal } from '../jbd/journal.ts';
import { Mutex } from '../mutex.ts';
import { type Ext2State, LOST_METADATA } from './state.ts';

/** Different warnings that are given. */
const MAX_WARNINGS = 16;

/** Whoever keeps copies of blocks. */
export interface BlockCopies {
  /** Blocks were freed: what is kept of them is another file's from now on. */
  discard(block: number, count: number): void;
}

export class Ext2Super {
  readonly state: Ext2State;
  readonly buffers: Buffers;
  readonly journal: Journal;
  /** Told of blocks that are freed. */
  readonly copies: BlockCopies;
  readonly geometry: Ext2Geometry;
  /** lock_super: held by whoever allocates or frees. */
  readonly lock = new Mutex('lock_super');
  /** Orlov's debts: directories made in a group since, less files. */
  readonly debts: Uint8Array;
  /** Group with which the search for a directory in the root begins next. */
  nextTopGroup = 0;
  /** Warnings that were given, which are not given again. */
  readonly #warnings = new Set<string>();

  constructor(state: Ext2State, buffers: Buffers, journal: Journal, copies: BlockCopies) {
    this.state = state;
    this.buffers = buffers;
    this.journal = journal;
    this.copies = copies;
    this.geometry = state.geometry;
    this.debts = new Uint8Array(state.geometry.groupCount);
  }

  /** The superblock lies at byte 1024 of this page, which is pinned. */
  get superblockPage(): Pfn {
    return this.state.superblockPage;
  }

  /** First block of a group's inode table. */
  inodeTable(group: number): number {
    return this.state.inodeTable(group);
  }

  /** Where a group's descriptor lies: a pinned page, and the offset in it. */
  descriptor(group: number): { pfn: Pfn; offset: number } {
    return this.state.descriptor(group);
  }

  /** Called before anything is changed. Throws EROFS. */
  beginChange(): void {
    this.noteLostWrites();
    this.state.beginChange();
  }

  /**
   * Before anything of a group is changed with a journal: its descriptor and the superblock, for
   * `breadForChange`.
   */
  *prepareGroup(group: number): Process {
    for (const block of [this.state.descriptorBlock(group), 0])
      if (this.buffers.findForChange(block) === undefined) yield* this.buffers.breadForChange(block);
  }

  /** ext3_warning: something on the disk makes no sense, and is not used. */
  warn(text: string): void {
    if (this.#warnings.size === MAX_WARNINGS || this.#warnings.has(text)) return;
    this.#warnings.add(text);
    this.state.warn(text);
  }

  /** ext2_error, ext3_error: nothing is changed any more, and the journal ends. */
  error(text: string): void {
    const wasReadOnly = this.state.isReadOnly;
    this.state.fail(text);
    if (!wasReadOnly) this.journal.abort(text);
  }

  /** Metadata could not be written. */
  noteLostWrites(): void {
    if (this.buffers.hasLostWrites && !this.state.isReadOnly) this.error(LOST_METADATA);
  }

  /**
   * Runs the rest of a change whose first store is made: what fails now leaves it half done. Throws
   * what the rest throws.
   */
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
}
