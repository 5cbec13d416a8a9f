/**
 * The queue of requests before a drive, and the order in which it serves them (block/elevator.c of
 * 2.6; here it is the drive's own).
 *
 * `elevator`: upwards from where the last request ended, then again from the lowest (C-LOOK). A
 * request that MAX_OVERTAKEN others have overtaken goes first. `fifo`: in the order of arrival. A
 * flush is a fence: it begins when everything before it has completed, and nothing after it begins
 * earlier.
 */

import type { MachineMemory } from '../../machine/memory.ts';
import type { BlockRequest } from './block-device.ts';

/** Later requests that may overtake a waiting one: twice what a block back-end keeps in flight. */
const MAX_OVERTAKEN = 128;

/** A waiting request. */
export interface Pending {
  readonly request: BlockRequest;
  /** Memory of the machine that sent it. */
  readonly memory: MachineMemory;
  readonly sectors: number;
  readonly arrival: number;
  /** Requests that had started when this one arrived. */
  readonly startedBefore: number;
}

export class RequestQueue {
  readonly #isElevator: boolean;
  #queue: Pending[] = [];
  #arrivals = 0;
  #started = 0;
  /** Where the last request ended: the elevator goes on from here. */
  #elevatorAt = 0;

  constructor(order: 'fifo' | 'elevator') {
    this.#isElevator = order === 'elevator';
  }

  get length(): number {
    return this.#queue.length;
  }

  add(request: BlockRequest, memory: MachineMemory, sectors: number): void {
    this.#queue.push({ request, memory, sectors, arrival: this.#arrivals++, startedBefore: this.#started });
  }

  at(place: number): Pending {
    return this.#queue[place]!;
  }

  /**
   * Place of the request to serve next, or -1 when a fence holds back all. The queue is not empty.
   * @param isIdle whether no request is in service
   */
  pick(isIdle: boolean): number {
    const queue = this.#queue;
    let oldest = 0;
    let fence = -1;
    for (let i = 0; i < queue.length; i++) {
      const { arrival, request } = queue[i]!;
      if (arrival < queue[oldest]!.arrival) oldest = i;
      if (request.op === 'flush' && (fence < 0 || arrival < queue[fence]!.arrival)) fence = i;
    }
    if (oldest === fence) return isIdle ? fence : -1;
    const isStarving = this.#started - queue[oldest]!.startedBefore >= MAX_OVERTAKEN;
    if (!this.#isElevator || isStarving) return oldest;
    const before = fence < 0 ? this.#arrivals : queue[fence]!.arrival;
    let above = -1;
    let lowest = oldest;
    for (let i = 0; i < queue.length; i++) {
      const { arrival, request } = queue[i]!;
      if (arrival >= before) continue;
      if (isBefore(queue[i]!, queue[lowest]!)) lowest = i;
      if (request.sector >= this.#elevatorAt && (above < 0 || isBefore(queue[i]!, queue[above]!))) above = i;
    }
    return above >= 0 ? above : lowest;
  }

  /** The request at a place leaves the queue, to be served. */
  start(place: number): void {
    const { request, sectors } = this.#queue[place]!;
    const last = this.#queue.pop()!;
    if (place < this.#queue.length) this.#queue[place] = last;
    this.#started++;
    if (request.op !== 'flush') this.#elevatorAt = request.sector + sectors;
  }

  /** The requests of a machine leave the queue. */
  dropOf(memory: MachineMemory): void {
    this.#queue = this.#queue.filter((pending) => pending.memory !== memory);
  }

  clear(): void {
    this.#queue = [];
  }
}

/** Order of the elevator: by place, then by arrival. */
function isBefore(a: Pending, b: Pending): boolean {
  return a.request.sector < b.request.sector || (a.request.sector === b.request.sector && a.arrival < b.arrival);
}
