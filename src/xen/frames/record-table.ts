/**
 * The records of all frames as bytes in machine memory: what they say, and the one place where a
 * state is changed.
 *
 * The records are the truth. Derived from them is a bitmap of the protected frames (see
 * hot-paths 12).
 *
 * The first layer of the frame table (frame-table.ts). Costs are the callers' to charge.
 */

import { crc32c } from '../../base/crc32c.ts';
import { Mfn, PAGE_SIZE, Pfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { Protections } from '../protections.ts';
import type { MemoryMap } from '../records/layouts.ts';
import * as record from './frame-record.ts';
import { deviceOfState, ownerOfState, recordIsIntact, writeProvenance } from './frame-record.ts';
import type { LogDirty } from './log-dirty.ts';
import type { Provenance, ProvenanceName } from './provenance.ts';

// Constants of this file: see hot-paths 3.
const { RECORD_WORDS, W_STATE, W_INO, W_GENERATION, W_INDEX, W_BLOCK, W_CRC, W_PFN } = record;
const { S_PROVENANCE, S_NAMED, S_PROTECTED, S_PRESERVED, S_CRC, S_DIRTY } = record;

/** What happened to a frame, for page histories. */
export type FrameHappening =
  | ProvenanceName
  | 'assigned'
  | 'freed'
  | 'named'
  | 'erased'
  | 'dirty'
  | 'undirty'
  | 'preserved'
  | 'claimed'
  | 'dropped';

/** Hears of every change of a frame. */
export interface FrameObserver {
  /**
   * `a`, `b`, `c` by happening: named: inode, generation, index. A provenance, dirty: block.
   * assigned: owner's domid, pfn. dropped (a preserved or named frame refused): the reason's code.
   * Otherwise 0.
   */
  onFrame(happening: FrameHappening, mfn: Mfn, a: number, b: number, c: number): void;
}

/** Where the records and the bytes of the frames are: machine memory, or an embedder's arrays. */
export type TableMemory = Pick<MachineMemory, 'words' | 'touch' | 'frame'>;
/** Where in it the records are, and of how many frames. */
export type TablePlace = Pick<
  MemoryMap,
  'tableMfn' | 'tableFrames' | 'frameCount' | 'plannedFrames' | 'firstDomainMfn'
>;

export class RecordTable {
  protected readonly memory: TableMemory;
  protected readonly words: Uint32Array;
  protected readonly protections: Protections;
  protected readonly observer: FrameObserver | undefined;
  /**
   * S_PROTECTED for frames with a provenance, and for dirty ones; 0 where that protection is off.
   */
  protected readonly protectBit: number;
  protected readonly dirtyProtectBit: number;
  /** One bit a frame: its record says that it is protected. */
  readonly #protected: Uint32Array;
  /** Domains in log-dirty mode, by owner. */
  readonly #logs = new Map<number, LogDirty>();

  /**
   * Clears the records, except of frames that another hypervisor left: these count as not
   * protected, until they are adopted.
   */
  constructor(
    memory: TableMemory,
    map: TablePlace,
    protections: Protections,
    observer: FrameObserver | undefined,
    isLeft: (mfn: Mfn) => boolean,
  ) {
    this.memory = memory;
    this.words = memory.words(map.tableMfn, map.tableFrames);
    this.protections = protections;
    this.observer = observer;
    this.protectBit = protections.writeProtection ? S_PROTECTED : 0;
    this.dirtyProtectBit = protections.dirtyProtection ? S_PROTECTED : 0;
    this.#protected = new Uint32Array(Math.ceil(map.plannedFrames / 32));
    for (let mfn = 0; mfn < map.plannedFrames; mfn++)
      if (!isLeft(Mfn(mfn))) this.words.fill(0, mfn * RECORD_WORDS, (mfn + 1) * RECORD_WORDS);
    memory.touch(map.tableMfn, map.tableFrames);
  }

  /** Bytes of the arrays that are derived from the records. */
  get derivedBytes(): number {
    return this.#protected.byteLength;
  }

  ownerOf(mfn: Mfn): number {
    return ownerOfState(this.state(mfn));
  }

  /** Number of the device that the name and the provenance of the frame refer to. */
  deviceOf(mfn: Mfn): number {
    return deviceOfState(this.state(mfn));
  }

  pfnOf(mfn: Mfn): Pfn {
    return Pfn(this.words[mfn * RECORD_WORDS + W_PFN]!);
  }

  provenanceOf(mfn: Mfn): Provenance {
    return (this.state(mfn) & S_PROVENANCE) as Provenance;
  }

  /** Block of the provenance, or that a dirty frame is newer than; 0 when there is neither. */
  blockOf(mfn: Mfn): number {
    return this.words[mfn * RECORD_WORDS + W_BLOCK]!;
  }

  isProtected(mfn: Mfn): boolean {
    return (this.#protected[mfn >>> 5]! & (1 << (mfn & 31))) !== 0;
  }

  isNamed(mfn: Mfn): boolean {
    return (this.state(mfn) & S_NAMED) !== 0;
  }

  /** The name of a frame; undefined when it has none. */
  nameOf(mfn: Mfn): { readonly ino: number; readonly generation: number; readonly index: number } | undefined {
    if (!this.isNamed(mfn)) return undefined;
    const at = mfn * RECORD_WORDS;
    const words = this.words;
    return { ino: words[at + W_INO]!, generation: words[at + W_GENERATION]!, index: words[at + W_INDEX]! };
  }

  isPreserved(mfn: Mfn): boolean {
    return (this.state(mfn) & S_PRESERVED) !== 0;
  }

  isDirty(mfn: Mfn): boolean {
    return (this.state(mfn) & S_DIRTY) !== 0;
  }

  /** Whether a dirty frame is to be stored to between `opened` and `closed` only. */
  isSealed(mfn: Mfn): boolean {
    const state = this.state(mfn);
    return (state & S_DIRTY) !== 0 && (state & (this.dirtyProtectBit | S_CRC)) !== 0;
  }

  /**
   * Whether a program may have stored to a dirty frame through its own page table since it was
   * registered.
   */
  isOpen(mfn: Mfn): boolean {
    const state = this.state(mfn);
    return (state & S_DIRTY) !== 0 && (state & (S_PROTECTED | S_CRC)) === 0;
  }

  /**
   * Whether a store to a dirty frame, which is not open, is refused. A damaged record refuses none:
   * its page may be clean, and the guest must not die of the damage.
   */
  refusesStores(mfn: Mfn): boolean {
    const state = this.state(mfn);
    return (state & S_DIRTY) !== 0 && (state & this.dirtyProtectBit) !== 0 && this.isWhole(mfn);
  }

  /** Whether the record may be believed; always true with the record check switched off. */
  isIntact(mfn: Mfn): boolean {
    return !this.protections.recordCheck || recordIsIntact(this.words, mfn * RECORD_WORDS);
  }

  /** The same, whatever is switched off: who owns a frame must be known in any case. */
  isWhole(mfn: Mfn): boolean {
    return recordIsIntact(this.words, mfn * RECORD_WORDS);
  }

  hasGeneration(mfn: Mfn, generation: number): boolean {
    return this.words[mfn * RECORD_WORDS + W_GENERATION] === generation;
  }

  /**
   * Whether a CRC-32C is recorded and the bytes match it. A record without one is of no page that
   * was vouched for.
   */
  matchesChecksum(mfn: Mfn): boolean {
    if ((this.state(mfn) & S_CRC) === 0) return false;
    return crc32c(this.memory.frame(mfn), 0, PAGE_SIZE) === this.words[mfn * RECORD_WORDS + W_CRC];
  }

  // Log-dirty mode.

  /**
   * Stores to the owner's frames that the guest's page tables do not see are told to `log`; no
   * longer when it is undefined.
   */
  logDirty(owner: number, log: LogDirty | undefined): void {
    if (log === undefined) this.#logs.delete(owner);
    else this.#logs.set(owner, log);
  }

  protected log(mfn: Mfn): void {
    if (this.#logs.size > 0) this.#logs.get(this.ownerOf(mfn))?.mark(this.pfnOf(mfn));
  }

  // How records change.

  protected state(mfn: Mfn): number {
    return this.words[mfn * RECORD_WORDS + W_STATE]!;
  }

  /** The bitmap follows the state of a record. */
  protected noteProtection(mfn: number, state: number): void {
    const bit = 1 << (mfn & 31);
    if ((state & S_PROTECTED) !== 0) this.#protected[mfn >>> 5]! |= bit;
    else this.#protected[mfn >>> 5]! &= ~bit;
  }

  protected setState(at: number, state: number, block: number, crc: number): void {
    this.noteProtection(at / RECORD_WORDS, state);
    writeProvenance(this.words, at, state, block, crc);
  }

  /**
   * The parts of a state that belong to a dirty frame: protection and checksum. An open one stays
   * open: its checksum is not known.
   */
  protected sealOf(state: number): number {
    if ((state & S_DIRTY) === 0) return 0;
    const isOpen = this.protections.checksum && (state & S_CRC) === 0;
    return (state & S_CRC) | (isOpen ? 0 : this.dirtyProtectBit);
  }

  protected seal(mfn: Mfn, block: number): void {
    const { checksum } = this.protections;
    const crc = checksum ? crc32c(this.memory.frame(mfn), 0, PAGE_SIZE) : 0;
    const state = this.state(mfn) | S_DIRTY | this.dirtyProtectBit | (checksum ? S_CRC : 0);
    this.setState(mfn * RECORD_WORDS, state >>> 0, block, crc);
  }

  protected endDirty(mfn: Mfn): void {
    const state = this.state(mfn) & ~(S_DIRTY | S_PROTECTED | S_CRC);
    const known = (state & S_PROVENANCE) !== 0;
    this.setState(
      mfn * RECORD_WORDS,
      (known ? state | this.protectBit : state) >>> 0,
      known ? this.blockOf(mfn) : 0,
      0,
    );
    this.observer?.onFrame('undirty', mfn, 0, 0, 0);
  }
}
