/**
 * Machine memory that tells an observer of each store, right before it. Its bytes are those of
 * plain memory, which knows nothing of steps.
 *
 * A store to one frame is one step, whatever its length. A copy or a DMA may span lines of the CPU
 * cache. Then the observer may ask for moments at which only the first lines are stored. Stores
 * through a view of words are seen by a proxy of the view. One word is a step, and so is one `fill`
 * or `set`. That makes what is kept in such a view slow. An observer that wants the guest's steps
 * alone is not told of any other, and views are plain.
 *
 * Not steps: clearing all of memory, and what a reset takes from the CPU cache.
 */

import { type Mfn, PAGE_SIZE } from '../base/units.ts';
import type { StepObserver } from '../sim/steps.ts';
import { CACHE_LINE_BYTES } from './cpu-cache.ts';
import { MachineMemory } from './memory.ts';

/** Arrays that stand for a structure in memory. */
type View = Uint32Array | Uint16Array;

export class SteppedMemory extends MachineMemory {
  readonly #steps: StepObserver;
  /** Memory is cleared as a whole. */
  #isClearing = false;

  /** @throws ArgumentError, InputError as `MachineMemory` does */
  constructor(bytes: number, steps: StepObserver, before?: MachineMemory) {
    super(bytes, before);
    this.#steps = steps;
  }

  override copyIn(mfn: Mfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    let lines = this.#before('copy', mfn, offset, length);
    while (lines > 0) {
      super.copyIn(mfn, offset, src, srcOffset, bytesOf(lines, offset, length));
      lines = this.#steps.torn();
    }
    super.copyIn(mfn, offset, src, srcOffset, length);
  }

  override zero(mfn: Mfn, offset = 0, length = PAGE_SIZE): void {
    if (this.#isClearing || !this.isTouched(mfn)) {
      super.zero(mfn, offset, length);
      return;
    }
    let lines = this.#before('zero', mfn, offset, length);
    while (lines > 0) {
      super.zero(mfn, offset, bytesOf(lines, offset, length));
      lines = this.#steps.torn();
    }
    super.zero(mfn, offset, length);
  }

  override writeU8(mfn: Mfn, offset: number, value: number): void {
    this.#before('byte', mfn, offset, 1);
    super.writeU8(mfn, offset, value);
  }

  override writeU16(mfn: Mfn, offset: number, value: number): void {
    this.#before('half', mfn, offset, 2);
    super.writeU16(mfn, offset, value);
  }

  override writeU32(mfn: Mfn, offset: number, value: number): void {
    this.#before('word', mfn, offset, 4);
    super.writeU32(mfn, offset, value);
  }

  override dma(mfn: Mfn, offset: number, length: number, store: (frame: Uint8Array) => void): void {
    let lines = this.#before('DMA', mfn, offset, length);
    super.dma(mfn, offset, length, (frame) => {
      const old = lines > 0 ? frame.slice() : frame;
      store(frame);
      while (lines > 0) {
        const cut = offset + bytesOf(lines, offset, length);
        const rest = frame.slice(cut);
        frame.set(old.subarray(cut), cut);
        lines = this.#steps.torn();
        frame.set(rest, cut);
      }
    });
  }

  override words(first: Mfn, frames: number): Uint32Array {
    if (this.#steps.wantsGuestOnly) return super.words(first, frames);
    return this.#watched(super.words(first, frames), first * PAGE_SIZE);
  }

  override halves(first: Mfn, frames: number): Uint16Array {
    if (this.#steps.wantsGuestOnly) return super.halves(first, frames);
    return this.#watched(super.halves(first, frames), first * PAGE_SIZE);
  }

  override clearAll(): void {
    this.#isClearing = true;
    super.clearAll();
    this.#isClearing = false;
  }

  #before(what: string, mfn: Mfn, offset: number, length: number): number {
    return this.#steps.before('store', what, mfn * PAGE_SIZE + offset, length);
  }

  /** The same view, which begins at this byte of memory; stores to it are told. */
  #watched<T extends View>(view: T, first: number): T {
    const before = (at: number, value: number): void => {
      this.#steps.before('word', 'word', first + at * view.BYTES_PER_ELEMENT, value);
    };
    const methods: Record<string, unknown> = {
      fill: (value: number, start = 0, end = view.length): T => {
        before(start, value);
        view.fill(value, start, end);
        return view;
      },
      set: (values: ArrayLike<number>, at = 0): void => {
        before(at, values[0] ?? 0);
        view.set(values, at);
      },
      subarray: (start = 0, end = view.length): T =>
        this.#watched(view.subarray(start, end) as T, first + start * view.BYTES_PER_ELEMENT),
    };
    return new Proxy(view, {
      get: (target, key) => {
        if (typeof key === 'string' && key in methods) return methods[key];
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
      set: (target, key, value) => {
        before(Number(key), value as number);
        target[Number(key)] = value as number;
        return true;
      },
    });
  }
}

/** Bytes of a run that lie in its first lines. */
function bytesOf(lines: number, offset: number, length: number): number {
  return Math.min(length, lines * CACHE_LINE_BYTES - (offset % CACHE_LINE_BYTES));
}
