/**
 * Machine memory: the machine's RAM as raw bytes, 4 KiB frames numbered from 0.
 *
 * Memory is a row of banks of 1 GiB, each one ArrayBuffer; the last one may be shorter. So more
 * than 4 GiB are possible, and a run of frames inside a bank is a run of bytes. The host gives zero
 * pages for what was never written, so an untouched frame costs nothing. `touched` says which
 * frames were written, so that clearing and dumping skip the others. A caller that writes through a
 * view from `words` marks it.
 *
 * This is hardware: owners and protection belong to the hypervisor. With a CPU cache attached, a
 * reset loses the stores that were not written back (cpu-cache.ts).
 */

import { checkArgument, checkInteger } from '../base/argument-error.ts';
import { assert } from '../base/assert.ts';
import { copyBytes } from '../base/bytes.ts';
import { PAGE_SHIFT, PAGE_SIZE, type Mfn } from '../base/units.ts';
import { askHost } from '../base/input-error.ts';
import type { RandomStream } from '../sim/random.ts';
import { CpuCache } from './cpu-cache.ts';

/** log2 of the frames in a bank: 2^18 frames are 1 GiB. */
const BANK_SHIFT = 18;
const BANK_FRAMES = 1 << BANK_SHIFT;
const BANK_MASK = BANK_FRAMES - 1;
/**
 * Views of frames that are kept for the next copy (see hot-paths 10), the oldest replaced first. 64
 * MiB worth of frames are read without allocating.
 */
const VIEWS = 16384;
/**
 * Buckets of the index over the views, by the low bits of the frame number: neighbours lie side by
 * side.
 */
const VIEW_BUCKETS = 32768;
const VIEW_MASK = VIEW_BUCKETS - 1;

/** Bytes that are copied one by one. */
const FEW_BYTES = 64;

/** Read once (see hot-paths 10): the engine keeps this prototype as a dictionary. */
const setBytes: (this: Uint8Array, source: Uint8Array, at: number) => void = Reflect.get(Uint8Array.prototype, 'set');

/** Marks of written frames: one bit a frame. */
const bit = (mfn: number): number => 1 << (mfn & 31);

/** Memory of a machine as raw bytes, in frames of 4 KiB from 0 on. */
export class MachineMemory {
  /** Frames of 4 KiB. */
  readonly frameCount: number;
  readonly #banks: Uint8Array<ArrayBuffer>[] = [];
  /** The banks again, as words. */
  readonly #words: Uint32Array[] = [];
  readonly #touched: Uint32Array<ArrayBuffer>;
  readonly #views: (Uint8Array | undefined)[] = new Array<Uint8Array | undefined>(VIEWS + 1).fill(undefined);
  readonly #viewedFrame = new Int32Array(VIEWS + 1);
  /** First slot of each bucket, and the next slot of each slot; 0 for none. */
  readonly #viewBuckets = new Uint16Array(VIEW_BUCKETS);
  readonly #nextSlot = new Uint16Array(VIEWS + 1);
  #lastSlot = 0;
  #cpuCache: CpuCache | undefined;

  /**
   * @param bytes size, a multiple of 4096, at least one frame
   * @param before another memory of this size, whose bytes this one takes over. Only one of both is
   * used from then on. Room for new bytes costs the host as much as the boot of a small guest.
   * @throws ArgumentError
   * @throws InputError when the host has no room for it
   */
  constructor(bytes: number, before?: MachineMemory) {
    checkInteger('bytes', bytes, PAGE_SIZE);
    checkArgument(bytes % PAGE_SIZE === 0, 'bytes', `${bytes} is not a multiple of ${PAGE_SIZE}`);
    this.frameCount = bytes / PAGE_SIZE;
    if (before !== undefined) {
      checkArgument(before instanceof MachineMemory && before.frameCount === this.frameCount, 'before', 'another size');
      before.settle();
      this.#banks = before.#banks;
      this.#words = before.#words;
      this.#touched = before.#touched;
      return;
    }
    for (let at = 0; at < this.frameCount; at += BANK_FRAMES) {
      const frames = Math.min(BANK_FRAMES, this.frameCount - at);
      const bank = askHost(`a machine of ${bytes} bytes`, () => new ArrayBuffer(frames * PAGE_SIZE));
      this.#banks.push(new Uint8Array(bank));
      this.#words.push(new Uint32Array(bank));
    }
    this.#touched = new Uint32Array(Math.ceil(this.frameCount / 32));
  }

  /** Whether the frame was written since power-on, or since it was last cleared as a whole. */
  isTouched(mfn: Mfn): boolean {
    return (this.#touched[mfn >>> 5]! & bit(mfn)) !== 0;
  }

  /** @internal Copies out of a frame. The range must lie inside the frame. */
  copyOut(mfn: Mfn, offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    if (offset === 0 && length === 4096) {
      setBytes.call(dst, this.#view(mfn), dstOffset);
      return;
    }
    checkArgument(offset >= 0 && length >= 0 && offset + length <= PAGE_SIZE, 'offset', 'range leaves the frame');
    checkArgument(dstOffset >= 0 && dstOffset + length <= dst.length, 'length', 'range leaves the destination');
    const bank = this.#bank(mfn);
    const at = ((mfn & BANK_MASK) << PAGE_SHIFT) + offset;
    // A call to the host costs more than a few bytes.
    if (length <= FEW_BYTES) for (let i = 0; i < length; i++) dst[dstOffset + i] = bank[at + i]!;
    else copyBytes(bank, at, dst, dstOffset, length);
  }

  /** @internal Copies into a frame. The range must lie inside the frame. */
  copyIn(mfn: Mfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    // The path of a cached overwrite: rare work is in a function of its own (see hot-paths 7).
    const isWhole = (offset | srcOffset) === 0 && length === 4096 && src.length === 4096;
    if (!isWhole || this.#cpuCache !== undefined || mfn >>> 0 >= this.frameCount) {
      this.#copyInPart(mfn, offset, src, srcOffset, length);
      return;
    }
    this.#touched[mfn >>> 5]! |= 1 << (mfn & 31);
    setBytes.call(this.#banks[mfn >>> BANK_SHIFT]!, src, (mfn & BANK_MASK) << PAGE_SHIFT);
  }

  #copyInPart(mfn: Mfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    checkArgument(offset >= 0 && length >= 0 && offset + length <= PAGE_SIZE, 'offset', 'range leaves the frame');
    checkArgument(srcOffset >= 0 && srcOffset + length <= src.length, 'length', 'range leaves the source');
    if (this.#cpuCache !== undefined) this.#cpuCache.store(mfn, offset, length);
    this.#touched[mfn >>> 5]! |= bit(mfn);
    const part = length === src.length ? src : src.subarray(srcOffset, srcOffset + length);
    this.#bank(mfn).set(part, ((mfn & BANK_MASK) << PAGE_SHIFT) + offset);
  }

  /** @internal Zeroes a range of a frame. */
  zero(mfn: Mfn, offset = 0, length = PAGE_SIZE): void {
    checkArgument(offset >= 0 && length >= 0 && offset + length <= PAGE_SIZE, 'offset', 'range leaves the frame');
    if (!this.isTouched(mfn)) return;
    if (this.#cpuCache !== undefined) this.#cpuCache.store(mfn, offset, length);
    const at = ((mfn & BANK_MASK) << PAGE_SHIFT) + offset;
    this.#bank(mfn).fill(0, at, at + length);
    if (length === PAGE_SIZE) this.#touched[mfn >>> 5]! &= ~bit(mfn);
  }

  /** @internal */
  readU8(mfn: Mfn, offset: number): number {
    checkArgument(offset >= 0 && offset <= PAGE_SIZE - 1, 'offset', 'word leaves the frame');
    return this.#bank(mfn)[((mfn & BANK_MASK) << PAGE_SHIFT) + offset]!;
  }

  /** @internal */
  readU16(mfn: Mfn, offset: number): number {
    checkArgument(offset >= 0 && offset <= PAGE_SIZE - 2, 'offset', 'word leaves the frame');
    const bank = this.#bank(mfn);
    const at = ((mfn & BANK_MASK) << PAGE_SHIFT) + offset;
    return bank[at]! | (bank[at + 1]! << 8);
  }

  /**
   * The little-endian word of 32 bits at byte `offset` of a frame, 0 to 4092. Throws ArgumentError
   * for another.
   */
  readU32(mfn: Mfn, offset: number): number {
    checkArgument(offset >= 0 && offset <= PAGE_SIZE - 4, 'offset', 'word leaves the frame');
    if ((offset & 3) === 0) return this.#bankWords(mfn)[((mfn & BANK_MASK) << (PAGE_SHIFT - 2)) + (offset >>> 2)]!;
    const bank = this.#bank(mfn);
    const at = ((mfn & BANK_MASK) << PAGE_SHIFT) + offset;
    return (bank[at]! | (bank[at + 1]! << 8) | (bank[at + 2]! << 16) | (bank[at + 3]! << 24)) >>> 0;
  }

  /**
   * @internal The offset of the first word of 32 bits from `offset` on that is not `word`, or
   * `end`. Both are multiples of 4.
   */
  skipWords(mfn: Mfn, offset: number, end: number, word: number): number {
    checkArgument(offset >= 0 && end <= PAGE_SIZE, 'offset', 'words leave the frame');
    const words = this.#bankWords(mfn);
    const base = (mfn & BANK_MASK) << (PAGE_SHIFT - 2);
    const last = base + (end >>> 2);
    let at = base + (offset >>> 2);
    while (at < last && words[at] === word) at++;
    return (at - base) << 2;
  }

  /** @internal */
  writeU8(mfn: Mfn, offset: number, value: number): void {
    checkArgument(offset >= 0 && offset <= PAGE_SIZE - 1, 'offset', 'word leaves the frame');
    if (this.#cpuCache !== undefined) this.#cpuCache.store(mfn, offset, 1);
    this.#bank(mfn)[((mfn & BANK_MASK) << PAGE_SHIFT) + offset] = value;
    this.#touched[mfn >>> 5]! |= bit(mfn);
  }

  /** @internal */
  writeU16(mfn: Mfn, offset: number, value: number): void {
    checkArgument(offset >= 0 && offset <= PAGE_SIZE - 2, 'offset', 'word leaves the frame');
    if (this.#cpuCache !== undefined) this.#cpuCache.store(mfn, offset, 2);
    const bank = this.#bank(mfn);
    const at = ((mfn & BANK_MASK) << PAGE_SHIFT) + offset;
    bank[at] = value;
    bank[at + 1] = value >>> 8;
    this.#touched[mfn >>> 5]! |= bit(mfn);
  }

  /**
   * Stores a little-endian word of 32 bits at byte `offset` of a frame, 0 to 4092. Throws
   * ArgumentError.
   */
  writeU32(mfn: Mfn, offset: number, value: number): void {
    checkArgument(offset >= 0 && offset <= PAGE_SIZE - 4, 'offset', 'word leaves the frame');
    if (this.#cpuCache !== undefined) this.#cpuCache.store(mfn, offset, 4);
    const bank = this.#bank(mfn);
    const at = ((mfn & BANK_MASK) << PAGE_SHIFT) + offset;
    bank[at] = value;
    bank[at + 1] = value >>> 8;
    bank[at + 2] = value >>> 16;
    bank[at + 3] = value >>> 24;
    this.#touched[mfn >>> 5]! |= bit(mfn);
  }

  /**
   * The words of a run of frames that lies in one bank, for a structure that its owner keeps in
   * memory. The caller marks what it writes with `touch`. Words are the host's, little-endian, as
   * the module asserts when it is loaded.
   * @internal
   */
  words(first: Mfn, frames: number): Uint32Array {
    checkArgument(
      frames >= 1 && first >>> BANK_SHIFT === (first + frames - 1) >>> BANK_SHIFT,
      'frames',
      'run leaves the bank',
    );
    checkArgument(first + frames <= this.frameCount, 'frames', 'run leaves memory');
    const bank = this.#bank(first);
    return new Uint32Array(bank.buffer, (first & BANK_MASK) << PAGE_SHIFT, (frames * PAGE_SIZE) / 4);
  }

  /** @internal The same run as halves of words, 16 bits each. */
  halves(first: Mfn, frames: number): Uint16Array {
    const words = this.words(first, frames);
    return new Uint16Array(words.buffer, words.byteOffset, 2 * words.length);
  }

  /** @internal The bytes of a run of frames that lies in one bank; as `words`. */
  bytes(first: Mfn, frames: number): Uint8Array {
    const words = this.words(first, frames);
    return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  }

  /** @internal Marks a run of frames as written. */
  touch(first: Mfn, frames = 1): void {
    checkArgument(first >= 0 && first + frames <= this.frameCount, 'mfn', 'no such frame');
    for (let mfn = first as number; mfn < first + frames; mfn++) this.#touched[mfn >>> 5]! |= bit(mfn);
  }

  /** A view of one frame, for reading only; valid as long as the machine. */
  frame(mfn: Mfn): Uint8Array {
    return this.#view(mfn);
  }

  /**
   * @internal The same for one look, as in a scan over all frames: the view is not kept, and drives
   * out no other.
   */
  peek(mfn: Mfn): Uint8Array {
    return new Uint8Array(this.#bank(mfn).buffer, (mfn & BANK_MASK) << PAGE_SHIFT, PAGE_SIZE);
  }

  /**
   * @internal A device stores to a range of a frame by DMA; marks the frame as written.
   * @param store gets a view of the whole frame, and stores to the range alone
   */
  dma(mfn: Mfn, _offset: number, _length: number, store: (frame: Uint8Array) => void): void {
    const view = this.#view(mfn);
    if (this.#cpuCache !== undefined) this.#cpuCache.dma(mfn);
    this.#touched[mfn >>> 5]! |= bit(mfn);
    store(view);
  }

  /**
   * Gives the processors a cache of so many lines, which a reset loses.
   * @param viewed frames that are stored to through `words`
   * @internal
   */
  attachCpuCache(lines: number, viewed: readonly Mfn[]): void {
    this.#cpuCache = new CpuCache(this, lines, viewed);
  }

  /** @internal Writes back what only the CPU cache has, if there is one. Returns the lines. */
  flushCpuCache(): number {
    return this.#cpuCache?.writeBack() ?? 0;
  }

  /** @internal A reset that keeps memory: loses what only the CPU cache has. */
  reset(random: RandomStream): void {
    this.#cpuCache?.lose(random);
  }

  /** @internal What only the CPU cache had is lost. */
  restore(mfn: Mfn, offset: number, bytes: Uint8Array): void {
    this.#bank(mfn).set(bytes, ((mfn & BANK_MASK) << PAGE_SHIFT) + offset);
    this.#touched[mfn >>> 5]! |= bit(mfn);
  }

  /**
   * @internal Takes the bytes of another memory of the same size. Only frames that were written are
   * copied. What only that memory's CPU cache has counts as written back.
   */
  copyFrom(other: MachineMemory): void {
    checkArgument(other.frameCount === this.frameCount, 'other', 'it is of another size');
    this.clearAll();
    other.settle();
    for (let mfn = 0; mfn < this.frameCount; mfn++) {
      const first = mfn as Mfn;
      if (!other.isTouched(first)) continue;
      const end = Math.min(this.frameCount, (first | BANK_MASK) + 1);
      while (mfn + 1 < end && other.isTouched((mfn + 1) as Mfn)) mfn++;
      const start = (first & BANK_MASK) << PAGE_SHIFT;
      this.#bank(first).set(other.#bank(first).subarray(start, start + (mfn + 1 - first) * PAGE_SIZE), start);
    }
    this.#touched.set(other.#touched);
  }

  /** @internal Loses everything, as a hardware reset with memory test does. */
  clearAll(): void {
    for (let mfn = 0; mfn < this.frameCount; mfn++) this.zero(mfn as Mfn);
  }

  /** Every byte is where plain memory has it: in the banks. */
  protected settle(): void {
    // It is, here.
  }

  #bank(mfn: Mfn): Uint8Array<ArrayBuffer> {
    checkArgument(mfn >= 0 && mfn < this.frameCount, 'mfn', 'no such frame');
    return this.#banks[mfn >>> BANK_SHIFT]!;
  }

  #bankWords(mfn: Mfn): Uint32Array {
    checkArgument(mfn >= 0 && mfn < this.frameCount, 'mfn', 'no such frame');
    return this.#words[mfn >>> BANK_SHIFT]!;
  }

  #view(mfn: Mfn): Uint8Array {
    let slot = this.#viewBuckets[mfn & VIEW_MASK]!;
    while (slot !== 0) {
      if (this.#viewedFrame[slot] === mfn) return this.#views[slot]!;
      slot = this.#nextSlot[slot]!;
    }
    return this.#makeView(mfn);
  }

  #makeView(mfn: Mfn): Uint8Array {
    const bank = this.#bank(mfn);
    const view = new Uint8Array(bank.buffer, (mfn & BANK_MASK) << PAGE_SHIFT, PAGE_SIZE);
    const slot = (this.#lastSlot % VIEWS) + 1;
    this.#lastSlot = slot;
    if (this.#views[slot] !== undefined) this.#unhash(slot);
    const bucket = mfn & VIEW_MASK;
    this.#views[slot] = view;
    this.#viewedFrame[slot] = mfn;
    this.#nextSlot[slot] = this.#viewBuckets[bucket]!;
    this.#viewBuckets[bucket] = slot;
    return view;
  }

  #unhash(slot: number): void {
    const bucket = this.#viewedFrame[slot]! & VIEW_MASK;
    const next = this.#nextSlot[slot]!;
    let at = this.#viewBuckets[bucket]!;
    if (at === slot) {
      this.#viewBuckets[bucket] = next;
      return;
    }
    while (this.#nextSlot[at] !== slot) {
      assert(at !== 0, 'a view is not in the bucket of its frame');
      at = this.#nextSlot[at]!;
    }
    this.#nextSlot[at] = next;
  }
}

assert(new Uint8Array(new Uint32Array([1]).buffer)[0] === 1, 'the host is little-endian');
