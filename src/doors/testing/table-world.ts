/**
 * The caller of a cache-mapping table under test: a hypervisor that moves numbers instead of pages.
 * What is in each frame and in each block is one number, and a store or a failed transfer makes one
 * that was nowhere before. It tells the table what a caller owes it, dies and comes back, and
 * compares what it claims with its disk.
 */

import type { PageName } from '../table/index.ts';

/** Frames of the caller. */
export const TABLE_FRAMES = 6;
/** Blocks of each of its two devices. */
const BLOCKS = 5;
const PAGE = 4096;

/** A transfer of a table under test. */
export interface TransferUnderTest {
  /** It has ended; `ok`: all bytes have moved. When not, anything may be where they go. */
  readonly end: (ok: boolean) => void;
}

/** Why a claim got no frame. */
export interface ClaimRefusal {
  /** In a word. */
  readonly reason: string;
  /** One that the caller may use now, and whose name is gone. */
  readonly frame?: number | undefined;
}

/** What a claim gives: the frame that holds the page, or why there is none. */
export type ClaimUnderTest =
  | {
      /** Says that there is a frame. */
      readonly ok: true;
      /** That frame. */
      readonly value: number;
    }
  | {
      /** Says that there is none. */
      readonly ok: false;
      /** Why. */
      readonly reason: ClaimRefusal;
    };

/**
 * A table that says which of its caller's frames survive with which page. `CacheTable` of
 * stillwarm/table is one. Frames and blocks are numbers from 0 on.
 */
export interface TableUnderTest {
  /** A read of a block into a frame is about to be submitted. */
  beginRead(frame: number, device: number, block: number): TransferUnderTest;
  /** A write of a frame to a block is about to be submitted. */
  beginWrite(frame: number, device: number, block: number): TransferUnderTest;
  /** A write of a block from elsewhere is about to be submitted. */
  beginOtherWrite(device: number, block: number): TransferUnderTest;
  /** A frame is about to be stored to. */
  store(frame: number): void;
  /** A frame holds this page from now on. */
  name(frame: number, name: PageName): void;
  /** A frame has no name any more. */
  erase(frame: number): void;
  /** The page lies at this block now: hands out, once, a frame that survived with it. */
  claim(name: PageName, block: number): ClaimUnderTest;
  /** A frame is given back; as `erase` by default. */
  free?(frame: number): void;
  /** The guest has died and the caller lives on; left out by default. */
  preserve?(): void;
  /** Whether a store must be told; each must by default. */
  isProtected?(frame: number): boolean;
  /** Whether a frame waits to be claimed; not asked by default. */
  isPreserved?(frame: number): boolean;
  /** Throws when the table has damaged itself; called after each step. */
  checkInvariants?(): void;
}

/** The memory of a caller. */
export interface FramesUnderTest {
  /** How many there are. */
  readonly frames: number;
  /** The 4096 bytes of a frame as they are now. */
  readonly bytesOf: (frame: number) => Uint8Array;
}

/** Makes tables over one piece of memory of its own: what it keeps between two calls are bytes. */
export interface TableMaker {
  /** An empty table. */
  create(memory: FramesUnderTest): TableUnderTest;
  /** The table that the caller left behind when it died, or why it starts cold. */
  recover(memory: FramesUnderTest): TableUnderTest | string;
}

/** One thing that the caller does; what the numbers choose depends on what there is. */
export interface TableStep {
  /** What it does. */
  readonly what:
    | 'fill'
    | 'read'
    | 'write'
    | 'otherWrite'
    | 'end'
    | 'name'
    | 'store'
    | 'erase'
    | 'free'
    | 'claim'
    | 'preserve'
    | 'reboot';
  /** Which frame. */
  readonly frame: number;
  /** Number of the device, 0 or 1. */
  readonly device: number;
  /** Which block of it. */
  readonly block: number;
  /** Number of the file, from 0. */
  readonly file: number;
  /** Of a transfer: whether the bytes move early. */
  readonly early: boolean;
  /** Of a transfer: whether it ends well. */
  readonly ok: boolean;
  /** Of a transfer: whether it ends before anything else happens; false by default. */
  readonly atOnce?: boolean;
}

interface InFlight {
  readonly transfer: TransferUnderTest;
  readonly frame: number;
  /** Moves the bytes, at some time between begin and end. */
  move: (() => void) | undefined;
  /** What a failure makes of where the bytes go. */
  readonly spoil: () => void;
}

/** Of a TableWorld. */
export interface WorldOptions {
  /** Stores that do not trap, to frames that are in no transfer. */
  readonly isWild?: boolean;
}

/** The caller. Its methods throw an Error of one line when a claim is wrong. */
export class TableWorld {
  readonly frames = Array.from({ length: TABLE_FRAMES }, (_, frame) => 1000 + frame);
  readonly disks = [0, 1].map((device) => Array.from({ length: BLOCKS }, (_, block) => 100 * device + block));
  table: TableUnderTest;
  /** Claims that were granted. */
  claims = 0;
  /** Why others were not. */
  readonly reasons = new Set<string>();
  /** The name that each frame was given last, while it has it. */
  readonly #names = new Map<number, PageName>();
  /** Of each frame, the block of its last transfer. */
  readonly #blocks = new Map<number, number>();
  readonly #maker: TableMaker;
  readonly #isWild: boolean;
  readonly #memory: FramesUnderTest;
  #inFlight: InFlight[] = [];
  #fresh = 10_000;

  constructor(maker: TableMaker, { isWild = false }: WorldOptions = {}) {
    this.#maker = maker;
    this.#isWild = isWild;
    this.#memory = {
      frames: TABLE_FRAMES,
      bytesOf: (frame) => {
        const page = new Uint8Array(PAGE);
        new DataView(page.buffer).setUint32(0, this.frames[frame]!);
        return page;
      },
    };
    this.table = maker.create(this.#memory);
  }

  /** Does all steps; then dies, comes back and claims all there is. */
  play(steps: readonly TableStep[]): void {
    for (const step of steps) {
      this.do(step);
      this.table.checkInvariants?.();
    }
    this.reboot();
    this.table.checkInvariants?.();
    this.claimAll();
  }

  do(step: TableStep): void {
    const { what, frame, device, block } = step;
    const { table, frames } = this;
    const disk = this.disks[device]!;
    if (what === 'fill') {
      if (this.#isInFlight(frame)) return;
      const read = table.beginRead(frame, device, block);
      frames[frame] = disk[block]!;
      this.#blocks.set(frame, block);
      read.end(true);
      this.do({ ...step, what: 'name' });
    } else if (what === 'read') {
      const move = (): number => (frames[frame] = disk[block]!);
      this.#begin(table.beginRead(frame, device, block), step, frame, move, () => (frames[frame] = this.#fresh++));
    } else if (what === 'write') {
      const move = (): number => (disk[block] = frames[frame]!);
      this.#begin(table.beginWrite(frame, device, block), step, frame, move, () => (disk[block] = this.#fresh++));
    } else if (what === 'otherWrite') {
      const write = (): number => (disk[block] = this.#fresh++);
      this.#begin(table.beginOtherWrite(device, block), step, undefined, write, write);
    } else if (what === 'end') this.#end(frame, step.ok);
    else if (what === 'name') {
      table.name(frame, nameOf(step));
      this.#names.set(frame, nameOf(step));
    } else if (what === 'store') this.#store(frame);
    else if (what === 'erase' || what === 'free') {
      if (what === 'free' && this.#isInFlight(frame)) return;
      if (what === 'free' && table.free !== undefined) table.free(frame);
      else table.erase(frame);
      this.#names.delete(frame);
    } else if (what === 'claim') this.claim(nameOf(step), block);
    else if (what === 'preserve') table.preserve?.();
    else this.reboot();
  }

  /** Claims a page; throws when it is not what is on the disk, or not what was named so. */
  claim(name: PageName, block: number): void {
    const { table, frames, disks } = this;
    const claimed = table.claim(name, block);
    if (!claimed.ok) {
      this.reasons.add(claimed.reason.reason);
      if (claimed.reason.frame !== undefined) this.#names.delete(claimed.reason.frame);
      return;
    }
    this.claims++;
    const frame = claimed.value;
    const told = JSON.stringify(this.#names.get(frame));
    if (told !== JSON.stringify(name)) throw new Error(`frame ${frame} was not named ${JSON.stringify(name)}: ${told}`);
    if (frames[frame] !== disks[name.device]![block]) throw new Error(`frame ${frame} is not block ${block}`);
    if (table.isPreserved?.(frame) === true) throw new Error(`frame ${frame} could be claimed twice`);
  }

  /**
   * Every page that has a name is claimed: a third of them at its block, others at another one or
   * as another generation first.
   */
  claimAll(): void {
    for (let frame = 0; frame < TABLE_FRAMES; frame++) {
      const name = this.#names.get(frame);
      const block = this.#blocks.get(frame) ?? 0;
      if (name === undefined) continue;
      if (frame % 3 === 1) this.claim(name, (block + 1) % BLOCKS);
      if (frame % 3 === 2) this.claim({ ...name, generation: 1 - name.generation }, block);
      this.claim(name, block);
    }
  }

  /**
   * Of the caller nothing is left but what is in memory and on the disk. Returns why it is cold.
   */
  reboot(): string | undefined {
    const old = this.#inFlight;
    // What was under way arrives or does not, and no caller learns which.
    this.#inFlight = [];
    old.forEach(({ move, spoil }, i) => {
      if (i % 3 === 1) spoil();
      else move?.();
    });
    const left = this.#maker.recover(this.#memory);
    this.table = typeof left === 'string' ? this.#maker.create(this.#memory) : left;
    return typeof left === 'string' ? left : undefined;
  }

  #isInFlight(frame: number): boolean {
    return this.#inFlight.some((one) => one.frame === frame);
  }

  #begin(
    transfer: TransferUnderTest,
    { early, ok, atOnce = false, block }: TableStep,
    frame: number | undefined,
    move: () => void,
    spoil: () => void,
  ): void {
    if (early) move();
    if (frame !== undefined) this.#blocks.set(frame, block);
    this.#inFlight.push({ transfer, frame: frame ?? -1, move: early ? undefined : move, spoil });
    if (atOnce) this.#end(this.#inFlight.length - 1, ok);
  }

  #end(which: number, ok: boolean): void {
    const [one] = this.#inFlight.splice(which % Math.max(1, this.#inFlight.length), 1);
    if (one === undefined) return;
    if (ok) one.move?.();
    else one.spoil();
    one.transfer.end(ok);
  }

  #store(frame: number): void {
    const isWild = this.#isWild && !this.#isInFlight(frame);
    if (!isWild && this.table.isProtected?.(frame) !== false) this.table.store(frame);
    this.frames[frame] = this.#fresh++;
  }
}

function nameOf({ device, file }: TableStep): PageName {
  return { device, inode: 7, generation: file & 1, index: file >> 1 };
}
