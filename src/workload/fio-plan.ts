/**
 * Which operation a clone of a job does next: its places, blocks and kinds. It knows no time.
 *
 * A clone does passes. In a pass each file is touched for as many bytes as it has, in whole blocks.
 * What is left at its end is smaller than the least block, and is not touched. Files take turns.
 *
 * Places, kinds and sizes come from streams of their own, so that another mix leaves the places.
 */

import type { RandomStream } from '../sim/index.ts';
import { directionsOf, isRandom, type FioJob } from './fio-job.ts';
import { BlockMap, placesOf, type DrawPlace } from './fio-random.ts';
import type { BlockRange } from './fio-values.ts';

/** One read or write. */
export interface FioOperation {
  readonly isRead: boolean;
  /** Number of the file in its clone. */
  readonly file: number;
  /** Bytes. */
  readonly position: number;
  readonly length: number;
}

/** Where a file stands in its pass. */
interface Cursor {
  /** Bytes that a pass touches: whole blocks of the least size. */
  readonly bytes: number;
  readonly draw: DrawPlace | undefined;
  readonly blocks: number;
  map: BlockMap | undefined;
  done: number;
  readonly next: { read: number; write: number };
}

export class FioPlan {
  readonly #job: FioJob;
  readonly #unit: number;
  readonly #mix: RandomStream;
  readonly #sizes: RandomStream;
  readonly #cursors: readonly Cursor[];
  #turn = 0;
  #passes = 0;

  /**
   * @param sizes bytes of each file that a pass touches
   * @param stream a stream of the run, by what it is for
   */
  constructor(job: FioJob, sizes: readonly number[], stream: (what: string) => RandomStream) {
    this.#job = job;
    this.#mix = stream('mix');
    this.#sizes = stream('sizes');
    this.#unit = unitOf(job);
    const places = stream('places');
    this.#cursors = sizes.map((size) => {
      const blocks = Math.floor(size / this.#unit);
      const draw = isRandom(job) && blocks > 0 ? placesOf(job.values.distribution, blocks, places) : undefined;
      return { bytes: blocks * this.#unit, draw, blocks, map: undefined, done: 0, next: { read: 0, write: 0 } };
    });
  }

  /** The next operation; undefined when all passes are done. */
  next(): FioOperation | undefined {
    const { timeBased, loops } = this.#job.values;
    if (this.#cursors.every(({ bytes }) => bytes === 0)) return undefined;
    if (this.#cursors.every(({ bytes, done }) => done >= bytes)) {
      if (++this.#passes >= loops && !timeBased) return undefined;
      for (const cursor of this.#cursors) {
        cursor.done = 0;
        cursor.map = undefined;
        cursor.next.read = cursor.next.write = 0;
      }
    }
    while (this.#cursors[this.#turn]!.done >= this.#cursors[this.#turn]!.bytes) this.#takeTurn();
    const file = this.#turn;
    this.#takeTurn();
    return this.#operation(file, this.#cursors[file]!);
  }

  #takeTurn(): void {
    this.#turn = (this.#turn + 1) % this.#cursors.length;
  }

  #operation(file: number, cursor: Cursor): FioOperation {
    const { reads, writes } = directionsOf(this.#job);
    const { rwmixread, bs } = this.#job.values;
    const isRead = reads && (!writes || this.#mix.fraction() * 100 < rwmixread);
    const wanted = Math.min(this.#lengthOf(isRead ? bs.read : bs.write), cursor.bytes - cursor.done);
    const { position, length } =
      cursor.draw === undefined ? inOrder(cursor, isRead ? 'read' : 'write', wanted) : this.#atRandom(cursor, wanted);
    // Blocks of two sizes may use up the map before the bytes.
    cursor.done = cursor.map?.free === 0 ? cursor.bytes : cursor.done + length;
    return { isRead, file, position, length };
  }

  /** A size of a block: a multiple of the least. */
  #lengthOf({ least, most }: BlockRange): number {
    return least * (least === most ? 1 : 1 + this.#sizes.below(Math.floor(most / least)));
  }

  #atRandom(cursor: Cursor, wanted: number): { readonly position: number; readonly length: number } {
    const { distribution, norandommap } = this.#job.values;
    const drawn = cursor.draw!();
    if (norandommap || distribution.kind !== 'random') {
      const position = drawn * this.#unit;
      return { position, length: Math.min(wanted, cursor.bytes - position) };
    }
    const map = (cursor.map ??= new BlockMap(cursor.blocks));
    const block = map.freeFrom(drawn);
    const used = map.use(block, Math.ceil(wanted / this.#unit));
    return { position: block * this.#unit, length: Math.min(wanted, used * this.#unit) };
  }
}

/** Reads and writes each have a place of their own, which goes around the end. */
function inOrder(
  { bytes, next }: Cursor,
  way: 'read' | 'write',
  wanted: number,
): { readonly position: number; readonly length: number } {
  const position = next[way] >= bytes ? 0 : next[way];
  const length = Math.min(wanted, bytes - position);
  next[way] = position + length;
  return { position, length };
}

/** The least block that a job reads or writes, bytes: places are multiples of it. */
export function unitOf(job: FioJob): number {
  const { reads, writes } = directionsOf(job);
  const { read, write } = job.values.bs;
  return Math.min(reads ? read.least : Infinity, writes ? write.least : Infinity);
}
