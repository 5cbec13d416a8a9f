/**
 * The guest's block layer (drivers/block/ll_rw_blk.c of 2.6.12 with the noop elevator).
 *
 * Bios are merged with the last request when they continue it on the device, up to 11 pages; else
 * first in, first out. An empty queue is plugged by the first request, so that neighbours can
 * merge. It is unplugged when a process waits for a page, at 4 queued requests, or after one jiffy.
 * Reads and writes have 128 requests each, so that neither waits for the other. A process that has
 * waited for room may go on up to 192 (bio-builder.ts). A direction is congested from 113 requests
 * on, until there are fewer than 103.
 */

import { Ns, type Pfn } from '../../base/units.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import { BlkifOp, SEGMENTS_PER_REQUEST, type GuestEnvironment } from '../../xen/public/index.ts';
import type { BlockFront, FrontRequest } from './blkfront.ts';

/** Requests of a direction: BLKDEV_MAX_RQ, and the congestion thresholds that follow from it. */
const QUEUE_LIMIT = 128;
const BATCH_LIMIT = (QUEUE_LIMIT * 3) / 2;
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
  readonly #direction: Direction;
  readonly #onEnd: ((failed: boolean) => void) | undefined;

  constructor(direction: Direction, bio: Bio, onEnd?: (failed: boolean) => void) {
    this.#direction = direction;
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
    this.#direction.completed();
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

  completed(): void {
    this.allocated--;
    if (this.allocated < CONGESTION_OFF) this.isCongested = false;
    this.room.wakeOne();
  }
}

/**
 * The requests that wait for the driver. It stands between the two: the queue adds requests, and
 * the driver has them dispatched whenever its ring has room.
 */
export class PendingRequests {
  /** While it is plugged nothing is dispatched. */
  isPlugged = false;
  #requests: Request[] = [];

  get count(): number {
    return this.#requests.length;
  }

  /** @internal */
  get last(): Request | undefined {
    return this.#requests.at(-1);
  }

  /** @internal */
  add(request: Request): void {
    this.#requests.push(request);
  }

  /** Hands requests to the driver as far as its ring has room. */
  readonly dispatchTo = (front: BlockFront): void => {
    if (this.isPlugged || this.#requests.length === 0) return;
    let queued = 0;
    while (queued < this.#requests.length && front.queue(this.#requests[queued]!)) queued++;
    if (queued === 0) return;
    this.#requests = this.#requests.slice(queued);
    front.push();
  };
}

export class BlockQueue {
  readonly #env: GuestEnvironment;
  readonly #pending: PendingRequests;
  readonly #front: BlockFront;
  readonly #bioSubmitNs: number;
  readonly #reads = new Direction('a read');
  /** Flushes are counted with them. */
  readonly #writes = new Direction('a write');
  #plugCount = 0;

  /**
   * @param pending where the driver, `front`, finds its requests
   * @param bioSubmitNs processor time that a bio takes to submit
   */
  constructor(env: GuestEnvironment, pending: PendingRequests, front: BlockFront, bioSubmitNs: number) {
    this.#env = env;
    this.#pending = pending;
    this.#front = front;
    this.#bioSubmitNs = bioSubmitNs;
  }

  /**
   * Whether so many requests of the operation's direction are under way that an optional one should
   * wait.
   */
  isCongested(op: BlkifOp): boolean {
    return this.#directionOf(op).isCongested;
  }

  /** Whether a submission of this operation would have to wait. */
  isFull(op: BlkifOp): boolean {
    return this.#directionOf(op).allocated >= QUEUE_LIMIT;
  }

  /** Whether a process that has waited for room would have to wait again. */
  isOverfull(op: BlkifOp): boolean {
    return this.#directionOf(op).allocated >= BATCH_LIMIT;
  }

  /** Waits until there is room for a request. */
  *waitForRoom(op: BlkifOp): Process {
    while (this.isFull(op)) {
      this.unplug();
      yield* this.#env.cpu.settle();
      if (this.isFull(op)) yield this.#directionOf(op).room;
    }
  }

  /** submit_bio: waits for room. */
  *submitBio(bio: Bio): Process {
    if (this.isFull(bio.op)) yield* this.waitForRoom(bio.op);
    this.submit(bio);
  }

  /** __make_request. The caller has waited for room. */
  submit(bio: Bio): void {
    this.#env.cpu.charge(this.#bioSubmitNs);
    const pending = this.#pending;
    const { last } = pending;
    if (
      last?.op === bio.op &&
      last.pages.length > 0 &&
      last.block + last.pages.length === bio.block &&
      last.pages.length + bio.pages.length <= SEGMENTS_PER_REQUEST
    ) {
      last.append(bio);
      return;
    }
    if (pending.count === 0 && !pending.isPlugged) this.#plug();
    const direction = this.#directionOf(bio.op);
    pending.add(new Request(direction, bio));
    direction.allocated++;
    if (direction.allocated >= CONGESTION_ON) direction.isCongested = true;
    if (!pending.isPlugged || pending.count >= UNPLUG_THRESHOLD) this.unplug();
  }

  /**
   * blkdev_issue_flush: empties the drive's volatile cache, behind what is queued. The caller has
   * waited for room.
   */
  flush(end: (failed: boolean) => void): void {
    const bio: Bio = { op: BlkifOp.flush, block: 0, pages: [], endPage: () => undefined };
    this.#pending.add(new Request(this.#writes, bio, end));
    this.#writes.allocated++;
    this.unplug();
  }

  /** generic_unplug_device: hands what is queued to the driver. */
  unplug(): void {
    this.#pending.isPlugged = false;
    this.#pending.dispatchTo(this.#front);
  }

  #directionOf(op: BlkifOp): Direction {
    return op === BlkifOp.read ? this.#reads : this.#writes;
  }

  #plug(): void {
    this.#pending.isPlugged = true;
    const plug = ++this.#plugCount;
    this.#env.after(UNPLUG_DELAY, () => {
      if (this.#pending.isPlugged && this.#plugCount === plug) this.unplug();
      this.#env.cpu.book();
    });
  }
}
