/**
 * Bios of pages that come one by one: neighbours on the device share one, as in fs/mpage.c of
 * 2.6.12.
 */

import type { Pfn } from '../../base/units.ts';
import { NOTHING, type Process } from '../../sim/index.ts';
import { SEGMENTS_PER_REQUEST, type BlkifOp } from '../../xen/public/index.ts';
import type { Bio, BlockQueue } from './block-queue.ts';

/** Requests that a process which has waited for room may submit without waiting: BLK_BATCH_REQ. */
const BATCH_REQUESTS = 32;

export class BioBuilder {
  readonly #queue: BlockQueue;
  readonly #op: BlkifOp;
  readonly #endPage: Bio['endPage'];
  #bio: Bio | undefined;
  /** Requests that go into a full queue, so that neighbours stay together (ioc_batching). */
  #batch = 0;

  /** @param endPage called for each page, in interrupt context */
  constructor(queue: BlockQueue, op: BlkifOp, endPage: Bio['endPage']) {
    this.#queue = queue;
    this.#op = op;
    this.#endPage = endPage;
  }

  /**
   * Whether a page of that block can be added. Where it cannot, the caller submits what there is
   * first.
   */
  hasRoomFor(block: number): boolean {
    const bio = this.#bio;
    return bio === undefined || (bio.block + bio.pages.length === block && bio.pages.length < SEGMENTS_PER_REQUEST);
  }

  add(block: number, pfn: Pfn): void {
    this.#bio ??= { op: this.#op, block, pages: [], endPage: this.#endPage };
    this.#bio.pages.push(pfn);
  }

  /** Submits what there is, if anything; waits for room in the queue. */
  submit(): Process {
    const bio = this.#bio;
    this.#bio = undefined;
    return bio === undefined ? NOTHING : this.#submit(bio);
  }

  *#submit(bio: Bio): Process {
    const isBatching = this.#batch > 0 && !this.#queue.isOverfull(bio.op);
    if (this.#queue.isFull(bio.op) && !isBatching) {
      yield* this.#queue.waitForRoom(bio.op);
      this.#batch = BATCH_REQUESTS;
    }
    if (this.#batch > 0) this.#batch--;
    this.#queue.submit(bio);
  }
}
