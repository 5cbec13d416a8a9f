/**
 * The allocator of domain memory: a binary buddy system.
 *
 * Free frames lie in blocks of 2^order neighbours that begin at a multiple of their size. A block's
 * buddy is the other half of the block of twice its size. A block that becomes free is joined with
 * its buddy, for as long as that is free too. A request gets the frames of the first block of the
 * smallest order that has any, from its upper end down. So a domain's frames are neighbours in
 * descending order on a machine that was just booted. They are the more scattered, the more domains
 * have come and gone. Nothing above may rely on pages being neighbours, which is what a P2M list is
 * for.
 *
 * A frame costs one bit, and what is known of a block costs as many blocks as there are: few,
 * because they are joined.
 *
 * Invariants (`checkInvariants` asserts them in this order):
 *   1. A block is in the ring of its order.
 *   2. A block begins at a multiple of its size.
 *   3. The frames of a block are free.
 *   4. Two free buddies are one block.
 *   5. Each block is in a ring.
 *   6. Each free frame is in one block.
 * So the free frames alone determine the blocks; only their order in the rings depends on the past.
 *
 * Modelled after Xen 3.0 (common/page_alloc.c): the allocated bitmap, and the lists by order. Lower
 * halves go to the end of their list and freed blocks to the beginning. Differs from Xen:
 * - there is one zone, where Xen looks above 2 GiB first;
 * - frames are handed out one by one only, as Xen's domain builder and balloon drivers ask for
 *   them;
 * - neighbours are taken in one step, with the same outcome.
 */

import { counted } from '../../base/counted.ts';
import { assert } from '../../base/assert.ts';
import { DONE, err, type Result } from '../../base/result.ts';
import type { Mfn } from '../../base/units.ts';

/** Largest order of a block, 4 GiB: xen/include/xen/mm.h. */
const MAX_ORDER = 20;

/** A free block, in the ring of its order. The head of a ring is one without frames. */
class Block {
  readonly mfn: number;
  readonly order: number;
  prev: Block = this;
  next: Block = this;

  constructor(mfn: number, order: number) {
    this.mfn = mfn;
    this.order = order;
  }
}

export class FrameAllocator {
  readonly #first: number;
  readonly #end: number;
  /** One bit a frame. */
  readonly #free: Uint32Array;
  /** Heads of the rings, by order. */
  readonly #rings: readonly Block[] = Array.from({ length: MAX_ORDER + 1 }, (_, order) => new Block(-1, order));
  /** The free blocks by their first frames. */
  readonly #blocks = new Map<number, Block>();
  #freeCount = 0;

  /** All frames from `first` to `frameCount` - 1 are free, but for those that are taken already. */
  constructor(first: Mfn, frameCount: number, isTaken: (mfn: Mfn) => boolean = () => false) {
    this.#first = first;
    this.#end = frameCount;
    this.#free = new Uint32Array(Math.ceil(frameCount / 32));
    let from = first as number;
    for (let mfn = from; mfn < frameCount; mfn++) {
      if (!isTaken(mfn as Mfn)) this.#setFree(mfn);
      else {
        this.#addRun(from, mfn);
        from = mfn + 1;
      }
    }
    this.#addRun(from, frameCount);
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  isFree(mfn: Mfn): boolean {
    return this.#isFree(mfn);
  }

  free(mfn: Mfn): void {
    assert(mfn >= this.#first && mfn < this.#end, 'frame is not one of a domain');
    assert(!this.isFree(mfn), 'frame is freed once');
    this.#setFree(mfn);
    let at = mfn as number;
    let order = 0;
    for (; order < MAX_ORDER; order++) {
      const first = at ^ (1 << order);
      // The bit is asked first because most buddies are not free, and the map costs more.
      const buddy = this.#isFree(first) ? this.#blocks.get(first) : undefined;
      if (buddy?.order !== order) break;
      this.#remove(buddy);
      at = Math.min(at, first);
    }
    this.#add(at, order);
  }

  /** Fills `into` with frames. Fails, having taken none, when there are too few. */
  allocate(into: Uint32Array): Result {
    if (into.length > this.#freeCount)
      return err(
        `ENOMEM: ${counted(into.length, 'machine frame')} wanted, ${counted(this.#freeCount, 'is free', 'are free')}`,
      );
    let filled = 0;
    while (filled < into.length) {
      const block = this.#smallest();
      const end = block.mfn + 2 ** block.order;
      const rest = Math.max(block.mfn, end - (into.length - filled));
      this.#remove(block);
      for (let mfn = end - 1; mfn >= rest; mfn--) {
        this.#free[mfn >>> 5]! &= ~(1 << (mfn & 31));
        into[filled++] = mfn;
      }
      this.#freeCount -= end - rest;
      // No ring of a smaller order has a block, so it is all the same at which end these are put.
      this.#addRun(block.mfn, rest);
    }
    return DONE;
  }

  /**
   * The invariants, by their numbers above. Goes through all frames: for tests.
   * @throws InvariantViolation
   */
  checkInvariants(): void {
    let held = 0;
    let listed = 0;
    for (const head of this.#rings)
      for (let block = head.next; block !== head; block = block.next) {
        const { mfn, order } = block;
        assert(
          order === head.order && this.#blocks.get(mfn) === block,
          'invariant 1: a block is in the ring of its order',
        );
        assert(mfn % 2 ** order === 0, 'invariant 2: a block begins at a multiple of its size');
        for (let i = 0; i < 2 ** order; i++)
          assert(this.#isFree(mfn + i), 'invariant 3: the frames of a block are free');
        if (order < MAX_ORDER)
          assert(this.#blocks.get(mfn ^ (1 << order))?.order !== order, 'invariant 4: two free buddies are one block');
        held += 2 ** order;
        listed++;
      }
    assert(listed === this.#blocks.size, 'invariant 5: each block is in a ring');
    let free = 0;
    for (let mfn = 0; mfn < this.#end; mfn++) if (this.#isFree(mfn)) free++;
    // Blocks of the right size at the right place overlap only where one holds the other: then the
    // sum is too large.
    assert(free === held && free === this.#freeCount, 'invariant 6: each free frame is in one block');
  }

  #isFree(mfn: number): boolean {
    return ((this.#free[mfn >>> 5] ?? 0) & (1 << (mfn & 31))) !== 0;
  }

  #setFree(mfn: number): void {
    this.#free[mfn >>> 5]! |= 1 << (mfn & 31);
    this.#freeCount++;
  }

  /** First block of the smallest order that has one. There is one. */
  #smallest(): Block {
    const head = this.#rings.find((ring) => ring.next !== ring);
    assert(head !== undefined, 'free frames are in blocks');
    return head.next;
  }

  /**
   * Lists the frames of a run, whose neighbours are not free, in the largest blocks that there can
   * be.
   */
  #addRun(from: number, end: number): void {
    for (let at = from; at < end; ) {
      const aligned = at === 0 ? MAX_ORDER : 31 - Math.clz32(at & -at);
      const order = Math.min(aligned, 31 - Math.clz32(end - at), MAX_ORDER);
      this.#add(at, order);
      at += 2 ** order;
    }
  }

  #add(mfn: number, order: number): void {
    const head = this.#rings[order]!;
    const block = new Block(mfn, order);
    block.prev = head;
    block.next = head.next;
    head.next.prev = block;
    head.next = block;
    this.#blocks.set(mfn, block);
  }

  #remove(block: Block): void {
    block.prev.next = block.next;
    block.next.prev = block.prev;
    this.#blocks.delete(block.mfn);
  }
}
