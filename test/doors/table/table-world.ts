// A caller of the table that moves numbers instead of pages. In each frame and in each block is one
// number, and a store or a failed transfer makes one that was nowhere before. It tells the table
// what it owes it, and compares each page that it claims with its disk.
import { CacheTable, type PageName, type TableProtections, type Transfer } from '../../../src/doors/table/index.ts';

export const FRAMES = 6;
const BLOCKS = 5;
export const BYTES = CacheTable.bytesFor(FRAMES);

/** One thing that the caller does; what the numbers choose depends on what there is. */
export interface Step {
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
  readonly frame: number;
  readonly device: number;
  readonly block: number;
  readonly file: number;
  /** Of a transfer: whether the bytes move early, and whether it ends well. */
  readonly early: boolean;
  readonly ok: boolean;
}

interface InFlight {
  readonly transfer: Transfer;
  /** Moves the bytes, at some time between begin and end. */
  move: (() => void) | undefined;
  /** What a failure makes of where the bytes go. */
  readonly spoil: () => void;
}

export interface WorldOptions {
  readonly protections?: Partial<TableProtections>;
  readonly hasBytes?: boolean;
  /** Stores that nobody traps, to frames that are in no transfer. */
  readonly isWild?: boolean;
  /** What happens to the bytes of the table while nobody is there. */
  readonly onReboot?: (bytes: Uint8Array) => void;
}

export class TableWorld {
  readonly bytes = new Uint8Array(BYTES);
  readonly frames = Array.from({ length: FRAMES }, (_, frame) => 1000 + frame);
  readonly disks = [0, 1].map((device) => Array.from({ length: BLOCKS }, (_, block) => 100 * device + block));
  table: CacheTable;
  claims = 0;
  readonly reasons = new Set<string>();
  /** The name that each frame was given last, while it has it. */
  readonly #names = new Map<number, PageName>();
  readonly #options: WorldOptions;
  #inFlight: InFlight[] = [];
  #fresh = 10_000;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.table = CacheTable.create(this.bytes, this.#tableOptions);
  }

  get #tableOptions(): Parameters<typeof CacheTable.create>[1] {
    const { protections = {}, hasBytes } = this.#options;
    const bytesOf = (frame: number): Uint8Array => {
      const page = new Uint8Array(4096);
      new DataView(page.buffer).setUint32(0, this.frames[frame]!);
      return page;
    };
    return { frames: FRAMES, protections, ...(hasBytes === true ? { bytesOf } : {}) };
  }

  do(step: Step): void {
    const { what, frame, device, block, early, ok } = step;
    const { table, frames } = this;
    const disk = this.disks[device]!;
    if (what === 'fill') {
      if (this.#framesInFlight.has(frame)) return;
      const read = table.beginRead(frame, device, block);
      frames[frame] = disk[block]!;
      read.end(true);
      this.do({ ...step, what: 'name' });
    } else if (what === 'read')
      this.#begin(table.beginRead(frame, device, block), early, frame, {
        move: () => (frames[frame] = disk[block]!),
        spoil: () => (frames[frame] = this.#fresh++),
      });
    else if (what === 'write')
      this.#begin(table.beginWrite(frame, device, block), early, frame, {
        move: () => (disk[block] = frames[frame]!),
        spoil: () => (disk[block] = this.#fresh++),
      });
    else if (what === 'otherWrite') {
      const write = (): number => (disk[block] = this.#fresh++);
      this.#begin(table.beginOtherWrite(device, block), early, -1, { move: write, spoil: write });
    } else if (what === 'end') this.#end(frame, ok);
    else if (what === 'name') {
      table.name(frame, nameOf(step));
      this.#names.set(frame, nameOf(step));
    } else if (what === 'store') this.#store(frame);
    else if (what === 'erase') {
      table.erase(frame);
      this.#names.delete(frame);
    } else if (what === 'free') {
      if (this.#framesInFlight.has(frame)) return;
      table.free(frame);
      this.#names.delete(frame);
    } else if (what === 'claim') this.claim(nameOf(step), block);
    else if (what === 'preserve') table.preserve();
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
    if (table.isPreserved(frame)) throw new Error(`frame ${frame} could be claimed twice`);
  }

  /**
   * Every page that waits is claimed: a third of them at its block, others at another one or as
   * another generation first.
   */
  claimAll(): void {
    for (let frame = 0; frame < FRAMES; frame++) {
      const { name, block = 0 } = this.table.factsOf(frame);
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
    // What was under way arrives or does not, and nobody is told.
    this.#inFlight = [];
    old.forEach(({ move, spoil }, i) => {
      if (i % 3 === 1) spoil();
      else move?.();
    });
    this.#options.onReboot?.(this.bytes);
    const left = CacheTable.recover(this.bytes, this.#tableOptions);
    if (left.ok) {
      this.table = left.value.table;
      for (const [reason, count] of Object.entries(left.value.refused)) if (count > 0) this.reasons.add(reason);
      return undefined;
    }
    this.table = CacheTable.create(this.bytes, this.#tableOptions);
    return left.reason;
  }

  readonly #framesInFlight = {
    has: (frame: number): boolean => this.#inFlight.some((one) => this.#frameOf.get(one) === frame),
  };
  readonly #frameOf = new WeakMap<InFlight, number>();

  #begin(
    transfer: Transfer,
    early: boolean,
    frame: number,
    { move, spoil }: { move: () => void; spoil: () => void },
  ): void {
    const one: InFlight = { transfer, move, spoil };
    if (early) {
      move();
      one.move = undefined;
    }
    this.#inFlight.push(one);
    this.#frameOf.set(one, frame);
  }

  #end(which: number, ok: boolean): void {
    const [one] = this.#inFlight.splice(which % Math.max(1, this.#inFlight.length), 1);
    if (one === undefined) return;
    if (ok) one.move?.();
    else one.spoil();
    one.transfer.end(ok);
  }

  #store(frame: number): void {
    const isWild = this.#options.isWild === true && !this.#framesInFlight.has(frame);
    if (!isWild && this.table.isProtected(frame)) this.table.store(frame);
    this.frames[frame] = this.#fresh++;
  }
}

function nameOf({ device, file }: Step): PageName {
  return { device, inode: 7, generation: file & 1, index: file >> 1 };
}
