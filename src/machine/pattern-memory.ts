/**
 * Machine memory for replays whose files hold pieces of one pattern. A frame that equals a page cut
 * from the pattern is kept as the place of the cut, and its 4096 bytes are not stored. So a machine
 * of 64 GiB whose page cache is full needs little of the host.
 *
 * Reads and writes find plain memory. A whole page that a device or a processor stores is looked up
 * in the pattern by its first word, then compared. Any other store to such a frame puts its bytes
 * into the bank first.
 *
 * Invariant: the bank of a frame that is kept as a place is all zero, and plain memory has not
 * marked the frame as written.
 */

import { checkArgument } from '../base/argument-error.ts';
import { equalBytes } from '../base/bytes.ts';
import { type Mfn, PAGE_SIZE } from '../base/units.ts';
import { MachineMemory } from './memory.ts';

/** Views of the pattern that are kept (see hot-paths 10), by the low bits of their places. */
const VIEWS = 16384;
/** Buckets of the index, for each place of the pattern. */
const BUCKETS_PER_PLACE = 2;

/** Read once (see hot-paths 10): the engine keeps this prototype as a dictionary. */
const setBytes: (this: Uint8Array, source: Uint8Array, at: number) => void = Reflect.get(Uint8Array.prototype, 'set');

/** Where a page is cut from a pattern, found by its first word of 32 bits. */
class PatternIndex {
  readonly #pattern: Uint8Array;
  /** Places plus one, by open addressing; 0: free. */
  readonly #buckets: Int32Array;
  readonly #mask: number;

  constructor(pattern: Uint8Array) {
    this.#pattern = pattern;
    const places = pattern.length - PAGE_SIZE + 1;
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(BUCKETS_PER_PLACE * places)));
    this.#mask = this.#buckets.length - 1;
    for (let place = 0; place < places; place++) {
      let at = this.#bucketOf(pattern, place);
      while (this.#buckets[at] !== 0) at = (at + 1) & this.#mask;
      this.#buckets[at] = place + 1;
    }
  }

  /** The place from which a page of 4096 bytes is cut, or -1. */
  find(page: Uint8Array): number {
    for (let at = this.#bucketOf(page, 0); this.#buckets[at] !== 0; at = (at + 1) & this.#mask) {
      const place = this.#buckets[at]! - 1;
      if (equalBytes(page, 0, this.#pattern, place, PAGE_SIZE)) return place;
    }
    return -1;
  }

  #bucketOf(bytes: Uint8Array, at: number): number {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    const hash = Math.imul(word ^ (word >>> 15), 0x9e37_79b1);
    return (hash ^ (hash >>> 13)) & this.#mask;
  }
}

export class PatternMemory extends MachineMemory {
  readonly #pattern: Uint8Array;
  readonly #index: PatternIndex;
  /** By frame: the place in the pattern plus one; 0: the bank has its bytes. */
  readonly #places: Int32Array;
  readonly #views: (Uint8Array | undefined)[] = new Array<Uint8Array | undefined>(VIEWS).fill(undefined);
  /** What a device stores, before it is looked up. */
  readonly #bounce = new Uint8Array(PAGE_SIZE);
  /** Frames kept as places. */
  #kept = 0;
  /** With a CPU cache a store has a value before it, so every frame has its bytes. */
  #isPlain = false;

  /**
   * @param bytes size, as of `MachineMemory`
   * @param pattern at least a page of bytes, a buffer of its own. It must not change.
   * @throws ArgumentError, InputError as `MachineMemory` does
   */
  constructor(bytes: number, pattern: Uint8Array) {
    super(bytes);
    checkArgument(pattern.length >= PAGE_SIZE && pattern.byteOffset === 0, 'pattern', 'no buffer of a page or more');
    this.#pattern = pattern;
    this.#index = new PatternIndex(pattern);
    this.#places = new Int32Array(this.frameCount);
  }

  /** Frames whose bytes are not stored. */
  get keptAsPlaces(): number {
    return this.#kept;
  }

  override isTouched(mfn: Mfn): boolean {
    return this.#isKept(mfn) || super.isTouched(mfn);
  }

  override copyOut(mfn: Mfn, offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    if (!this.#isKept(mfn)) {
      super.copyOut(mfn, offset, dst, dstOffset, length);
      return;
    }
    const page = this.frame(mfn);
    checkArgument(offset >= 0 && length >= 0 && offset + length <= PAGE_SIZE, 'offset', 'range leaves the frame');
    checkArgument(dstOffset >= 0 && dstOffset + length <= dst.length, 'length', 'range leaves the destination');
    setBytes.call(dst, length === PAGE_SIZE ? page : page.subarray(offset, offset + length), dstOffset);
  }

  override copyIn(mfn: Mfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    if (offset === 0 && length === PAGE_SIZE && srcOffset >= 0 && srcOffset + length <= src.length)
      if (this.#keep(mfn, length === src.length ? src : src.subarray(srcOffset, srcOffset + length))) return;
    this.#store(mfn);
    super.copyIn(mfn, offset, src, srcOffset, length);
  }

  override dma(mfn: Mfn, offset: number, length: number, store: (frame: Uint8Array) => void): void {
    if (offset !== 0 || length !== PAGE_SIZE || this.#isPlain) {
      this.#store(mfn);
      super.dma(mfn, offset, length, store);
      return;
    }
    store(this.#bounce);
    this.copyIn(mfn, 0, this.#bounce, 0, PAGE_SIZE);
  }

  override zero(mfn: Mfn, offset = 0, length = PAGE_SIZE): void {
    if (this.#isKept(mfn) && offset === 0 && length === PAGE_SIZE) {
      this.#forget(mfn);
      return;
    }
    this.#store(mfn);
    super.zero(mfn, offset, length);
  }

  override readU8(mfn: Mfn, offset: number): number {
    this.#store(mfn);
    return super.readU8(mfn, offset);
  }

  override readU16(mfn: Mfn, offset: number): number {
    this.#store(mfn);
    return super.readU16(mfn, offset);
  }

  override readU32(mfn: Mfn, offset: number): number {
    this.#store(mfn);
    return super.readU32(mfn, offset);
  }

  override skipWords(mfn: Mfn, offset: number, end: number, word: number): number {
    this.#store(mfn);
    return super.skipWords(mfn, offset, end, word);
  }

  override writeU8(mfn: Mfn, offset: number, value: number): void {
    this.#store(mfn);
    super.writeU8(mfn, offset, value);
  }

  override writeU16(mfn: Mfn, offset: number, value: number): void {
    this.#store(mfn);
    super.writeU16(mfn, offset, value);
  }

  override writeU32(mfn: Mfn, offset: number, value: number): void {
    this.#store(mfn);
    super.writeU32(mfn, offset, value);
  }

  override words(first: Mfn, frames: number): Uint32Array {
    this.#storeAll(first, first + frames);
    return super.words(first, frames);
  }

  override touch(first: Mfn, frames = 1): void {
    this.#storeAll(first, first + frames);
    super.touch(first, frames);
  }

  /** As of plain memory, but valid until the next store to the frame. */
  override frame(mfn: Mfn): Uint8Array {
    if (!this.#isKept(mfn)) return super.frame(mfn);
    const place = this.#places[mfn]! - 1;
    const slot = place & (VIEWS - 1);
    const view = this.#views[slot];
    if (view?.byteOffset === place) return view;
    return (this.#views[slot] = this.#pattern.subarray(place, place + PAGE_SIZE));
  }

  override peek(mfn: Mfn): Uint8Array {
    return this.#isKept(mfn) ? this.frame(mfn) : super.peek(mfn);
  }

  override attachCpuCache(lines: number, viewed: readonly Mfn[]): void {
    this.settle();
    this.#isPlain = true;
    super.attachCpuCache(lines, viewed);
  }

  protected override settle(): void {
    this.#storeAll(0, this.frameCount);
  }

  #isKept(mfn: Mfn): boolean {
    return (this.#places[mfn] ?? 0) !== 0;
  }

  /** Keeps a frame as a place. Returns false when the page is none of the pattern. */
  #keep(mfn: Mfn, page: Uint8Array): boolean {
    if (this.#isPlain || this.#places[mfn] === undefined) return false;
    const place = this.#index.find(page);
    if (place < 0) return false;
    if (this.#places[mfn] === 0) {
      super.zero(mfn);
      this.#kept++;
    }
    this.#places[mfn] = place + 1;
    return true;
  }

  #forget(mfn: Mfn): void {
    this.#places[mfn] = 0;
    this.#kept--;
  }

  /** Puts the bytes of a frame into its bank. */
  #store(mfn: Mfn): void {
    if (!this.#isKept(mfn)) return;
    const page = this.frame(mfn);
    this.#forget(mfn);
    super.copyIn(mfn, 0, page, 0, PAGE_SIZE);
  }

  #storeAll(first: number, end: number): void {
    for (let mfn = first; this.#kept > 0 && mfn < end; mfn++) this.#store(mfn as Mfn);
  }
}
