/**
 * The guest's block layer (drivers/block/ll_rw_blk.c of 2.6.12 with the noop elevator).
 *
 * Bios are merged with the last request when they continue it on the device, up to 11 pages; else first in, first out.
 * An empty queue is plugged by the first request, so that neighbours can merge, and unplugged when a process waits for
 * a page, at 4 queued requests, or after one jiffy. 128 requests a direction; congested on at 113, off at 103.
 */

import { Ns, type Pfn } from '../base/units.ts';
import { WaitQueue, type Process } from '../sim/index.ts';
import { BlkifOp, SEGMENTS_PER_REQUEST, type GuestEnvironment } from '../xen/public/index.ts';
import type { BlockFront, FrontRequest } from './blkfront.ts';

const QUEUE_LIMIT = 128;
const CONGESTION_ON = 113;
const CONGESTION_OFF = 103;
const UNPLUG_THRESHOLD = 4;
/** One jiffy at HZ = 100. */
const UNPLUG_DELAY = Ns(10_000_000);

/** Pages to be read from or written to blocks that follow each other. */
export interface Bio {
  readonly op: BlkifOp;
  readonly block: number;
  readonly pages: Pfn[];
  /** Called for every page of the bio, in interrupt context. */
  readonly endPage: (pfn: Pfn, failed: boolean) => void;
}

class Request implements FrontRequest {
  readonly op: BlkifOp;
  readonly block: number;
  readonly pages: Pfn[] = [];
  readonly #bios: Bio[] = [];
  readonly #queue: BlockQueue;
  readonly #onEnd: ((failed: boolean) => void) | undefined;

  constructor(queue: BlockQueue, bio: Bio, onEnd?: (failed: boolean) => void) {
    this.#queue = queue;
    this.#onEnd = onEnd;
    this.op = bio.op;
    this.block = bio.block;
    this.append(bio);
  }

  append(bio: Bio): void {
    this.#bios.push(bio);
    for (const pfn of bio.pages) this.pages.push(pfn);
  }

  readonly end = (failed: boolean): void => {
    this.#queue.completed();
    for (const bio of this.#bios) for (const pfn of bio.pages) bio.endPage(pfn, failed);
    this.#onEnd?.(failed);
  };
}

export class BlockQueue {
  readonly #env: GuestEnvironment;
  readonly #room = new WaitQueue('room in the block queue');
  #front: BlockFront | undefined;
  #pending: Request[] = [];
  #allocated = 0;
  #plugged = false;
  #plugCount = 0;
  #congested = false;

  constructor(env: GuestEnvironment) {
    this.#env = env;
  }

  /** Binds the driver; before that nothing may be submitted. */
  attach(front: BlockFront): void {
    this.#front = front;
  }

  get isCongested(): boolean {
    return this.#congested;
  }

  /** Whether a submission would have to wait. */
  get isFull(): boolean {
    return this.#allocated >= QUEUE_LIMIT;
  }

  /** Waits until there is room for a request. */
  *waitForRoom(): Process {
    while (this.isFull) {
      this.unplug();
      yield* this.#env.cpu.settle();
      if (this.isFull) yield this.#room;
    }
  }

  /** __make_request. The caller has waited for room. */
  submit(bio: Bio): void {
    const last = this.#pending.at(-1);
    if (
      last?.op === bio.op &&
      last.pages.length > 0 &&
      last.block + last.pages.length === bio.block &&
      last.pages.length + bio.pages.length <= SEGMENTS_PER_REQUEST
    ) {
      last.append(bio);
      return;
    }
    if (this.#pending.length === 0 && !this.#plugged) this.#plug();
    this.#pending.push(new Request(this, bio));
    this.#allocated++;
    if (this.#allocated >= CONGESTION_ON) this.#congested = true;
    if (!this.#plugged || this.#pending.length >= UNPLUG_THRESHOLD) this.unplug();
  }

  /** blkdev_issue_flush: empties the drive's volatile cache, behind what is queued. The caller has waited for room. */
  flush(end: (failed: boolean) => void): void {
    this.#pending.push(new Request(this, { op: BlkifOp.flush, block: 0, pages: [], endPage: () => undefined }, end));
    this.#allocated++;
    this.unplug();
  }

  /** generic_unplug_device: hands what is queued to the driver. */
  unplug(): void {
    this.#plugged = false;
    this.dispatch();
  }

  /** Hands queued requests to the driver as far as the ring has room. */
  readonly dispatch = (): void => {
    const front = this.#front;
    if (this.#plugged || front === undefined || this.#pending.length === 0) return;
    let queued = 0;
    while (queued < this.#pending.length && front.queue(this.#pending[queued]!)) queued++;
    if (queued === 0) return;
    this.#pending = this.#pending.slice(queued);
    front.push();
  };

  /** @internal: a request has ended. */
  completed(): void {
    this.#allocated--;
    if (this.#allocated < CONGESTION_OFF) this.#congested = false;
    this.#room.wakeOne();
  }

  #plug(): void {
    this.#plugged = true;
    const plug = ++this.#plugCount;
    this.#env.after(UNPLUG_DELAY, () => {
      if (this.#plugged && this.#plugCount === plug) this.unplug();
      this.#env.cpu.book();
    });
  }
}
