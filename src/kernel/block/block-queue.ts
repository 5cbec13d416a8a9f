/**
 * The guest's block layer (drivers/block/ll_rw_blk.c of 2.6.12 with the noop elevator).
 *
 * Bios are merged with the last request when they continue it on the device, up to 11 pages; else first in, first out.
 * An empty queue is plugged by the first request, so that neighbours can merge, and unplugged when a process waits for
 * a page, at 4 queued requests, or after one jiffy. Reads and writes have 128 requests each, so that neither waits for the
 * other; a direction is congested from 113 of them on, until there are fewer than 103.
 */

import { Ns, type Pfn } from '../../base/units.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import { BlkifOp, SEGMENTS_PER_REQUEST, type GuestEnvironment } from '../../xen/public/index.ts';
import type { BlockFront, FrontRequest } from './blkfront.ts';

/** Requests of a direction: BLKDEV_MAX_RQ, and the congestion thresholds that follow from it. */
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
    this.#queue.completed(this.op);
    for (const bio of this.#bios) for (const pfn of bio.pages) bio.endPage(pfn, failed);
    this.#onEnd?.(failed);
  };
}

/** The requests of a direction that have not ended, queued or with the driver (request_list). */
class Direction {
  allocated = 0;
  isCongested = false;
  readonly room: WaitQueue;

  constructor(name: string) {
    this.room = new WaitQueue(`room for ${name} in the block queue`);
  }
}

export class BlockQueue {
  readonly #env: GuestEnvironment;
  readonly #reads = new Direction('a read');
  /** Flushes are counted with them. */
  readonly #writes = new Direction('a write');
  #front: BlockFront | undefined;
  #pending: Request[] = [];
  #plugged = false;
  #plugCount = 0;

  constructor(env: GuestEnvironment) {
    this.#env = env;
  }

  /** Binds the driver; before that nothing may be submitted. */
  attach(front: BlockFront): void {
    this.#front = front;
  }

  /** Whether so many requests of the operation's direction are under way that nobody should add one that can be done without. */
  isCongested(op: BlkifOp): boolean {
    return this.#directionOf(op).isCongested;
  }

  /** Whether a submission of this operation would have to wait. */
  isFull(op: BlkifOp): boolean {
    return this.#directionOf(op).allocated >= QUEUE_LIMIT;
  }

  /** Waits until there is room for a request. */
  *waitForRoom(op: BlkifOp): Process {
    while (this.isFull(op)) {
      this.unplug();
      yield* this.#env.cpu.settle();
      if (this.isFull(op)) yield this.#directionOf(op).room;
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
    const direction = this.#directionOf(bio.op);
    direction.allocated++;
    if (direction.allocated >= CONGESTION_ON) direction.isCongested = true;
    if (!this.#plugged || this.#pending.length >= UNPLUG_THRESHOLD) this.unplug();
  }

  /** blkdev_issue_flush: empties the drive's volatile cache, behind what is queued. The caller has waited for room. */
  flush(end: (failed: boolean) => void): void {
    this.#pending.push(new Request(this, { op: BlkifOp.flush, block: 0, pages: [], endPage: () => undefined }, end));
    this.#writes.allocated++;
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
  completed(op: BlkifOp): void {
    const direction = this.#directionOf(op);
    direction.allocated--;
    if (direction.allocated < CONGESTION_OFF) direction.isCongested = false;
    direction.room.wakeOne();
  }

  #directionOf(op: BlkifOp): Direction {
    return op === BlkifOp.read ? this.#reads : this.#writes;
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
