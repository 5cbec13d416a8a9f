/**
 * The real frame table, whose records can be put back, and from which single rules can be taken.
 *
 * A state of a search is the bytes of the records and the transfers in flight. Everything else that
 * the table has is derived from them, and `derive` makes it anew as a recovery does. With all rules
 * kept nothing else is changed.
 */

import { Mfn, type Pfn } from '../../base/units.ts';
import {
  checkWord,
  identityOf,
  RECORD_WORDS,
  S_IDENTITY,
  W_CHECK,
  W_PFN,
  W_STATE,
  writeProvenance,
} from '../../xen/frames/frame-record.ts';
import { FrameTable } from '../../xen/frames/frame-table.ts';
import { FrameEvent, Provenance } from '../../xen/frames/provenance.ts';
import type { TableMemory, TablePlace } from '../../xen/frames/record-table.ts';
import type { Protections } from '../../xen/protections.ts';
import type { Rules } from './rules.ts';

/** A block has the same place through any device. */
const DEVICES = { placeOf: (_device: number, block: number): number => block };
const KEEP = 1;
const DUPLICATE = 2;

export class ScopeTable extends FrameTable {
  readonly #rules: Rules;
  readonly #list: Uint32Array;
  readonly #verdicts: Uint8Array;
  /** The transfer that is taken up. */
  #submitted: FrameEvent = FrameEvent.readSubmitted;
  #block = 0;
  /** Stores of a record after which the processor stops; undefined: it goes on. */
  #stores: number | undefined;

  /** @param frames those whose records are put back, from the first of a domain on */
  constructor(memory: TableMemory, map: TablePlace, protections: Protections, rules: Rules, frames: number) {
    super(memory, map, protections, DEVICES, undefined, () => false);
    this.#rules = rules;
    this.#list = Uint32Array.from({ length: frames }, (_, n) => map.firstDomainMfn + n);
    this.#verdicts = new Uint8Array(frames);
  }

  /** Nothing is known of any frame of a domain, and no frame has an owner. */
  clear(): void {
    this.unlinkAll(this.#list, 0, this.#list.length);
    const first = this.#list[0]!;
    this.words.fill(0, first * RECORD_WORDS, (first + this.#list.length) * RECORD_WORDS);
  }

  /** The records were put back after `clear`: indices and protection follow from them. */
  derive(): void {
    for (const mfn of this.#list) this.noteProtection(mfn, this.state(Mfn(mfn)));
    this.#verdicts.fill(KEEP);
    this.index(this.#list, 0, this.#list.length, this.#verdicts, KEEP, DUPLICATE);
  }

  // Rules that are taken away.

  override isProtected(mfn: Mfn): boolean {
    if (!super.isProtected(mfn)) return false;
    if (this.#rules.protectAtSubmission) return true;
    const provenance = this.provenanceOf(mfn);
    return provenance !== Provenance.reading && provenance !== Provenance.writing;
  }

  override beginRead(mfn: Mfn, device: number, block: number): void {
    this.#submitted = FrameEvent.readSubmitted;
    this.#block = block;
    super.beginRead(mfn, device, block);
  }

  override beginWrite(mfn: Mfn, device: number, first: number, last: number, whole: boolean): void {
    this.#submitted = FrameEvent.writeSubmitted;
    this.#block = first;
    super.beginWrite(mfn, device, first, last, whole);
  }

  override assign(mfn: Mfn, owner: number, pfn: Pfn, device: number): void {
    if (this.#rules.blankFrames) super.assign(mfn, owner, pfn, device);
    else this.#handOn(mfn, identityOf(owner, device), pfn);
  }

  override free(mfn: Mfn): void {
    if (this.#rules.blankFrames) super.free(mfn);
    else this.#handOn(mfn, 0, this.pfnOf(mfn));
  }

  /** Gives a frame another owner, and keeps all that was known of it. */
  #handOn(mfn: Mfn, identity: number, pfn: Pfn): void {
    const at = mfn * RECORD_WORDS;
    const { words } = this;
    words[at + W_STATE] = (words[at + W_STATE]! & ~S_IDENTITY) | identity;
    words[at + W_PFN] = pfn;
    words[at + W_CHECK] = checkWord(words, at, words[at + W_STATE]!);
  }

  /**
   * A read into a frame is taken up, and the processor stops after so many stores of the record.
   * The last store is never made. Without the order, claims are not taken before the fields change.
   */
  takeUpInPart(mfn: Mfn, block: number, stores: number): void {
    this.#stores = stores;
    this.move(mfn, FrameEvent.readSubmitted, block);
    this.#stores = undefined;
  }

  protected override setState(at: number, state: number, block: number, crc: number): void {
    if (this.#stores === undefined) {
      super.setState(at, state, block, crc);
      return;
    }
    const made: (readonly [number, number])[] = [];
    const record = new Proxy(this.words.slice(at, at + RECORD_WORDS), {
      get: (words, place) => words[Number(place)],
      set: (words, place, value: number) => {
        made.push([Number(place), value]);
        words[Number(place)] = value;
        return true;
      },
    });
    writeProvenance(record, 0, state, block, crc);
    if (!this.#rules.publicationOrder && made[0]![0] === W_STATE) made.shift();
    for (const [place, value] of made.slice(0, Math.min(this.#stores, made.length - 1))) this.words[at + place] = value;
  }

  protected override move(mfn: Mfn, event: FrameEvent, block: number): void {
    const { otherWrites, overlaps, failedTransfers } = this.#rules;
    if (event === FrameEvent.overwritten && !otherWrites) return;
    if (event === FrameEvent.failed && !failedTransfers) super.move(mfn, FrameEvent.completed, block);
    else if (event === FrameEvent.overlapped && !overlaps) {
      super.move(mfn, FrameEvent.stored, 0);
      super.move(mfn, this.#submitted, this.#block);
    } else super.move(mfn, event, block);
  }
}
