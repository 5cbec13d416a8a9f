/**
 * The event queue: a heap over typed arrays (see hot-paths 1), ordered by (time, sequence). Two
 * events of one instant run in the order in which they were scheduled, so a run depends on nothing
 * but its inputs.
 *
 * Each node of the heap has four children. Most events are due soon, while some tens of thousands
 * are time-outs that lie far below: a flat heap moves fewer nodes. An action has a slot while its
 * event waits, and what moves in the heap are numbers.
 *
 * Times are integer nanoseconds held in doubles (exact below 2^53 ns, about 104 days). The heap
 * grows by doubling and never shrinks.
 */

import { assert } from '../base/assert.ts';

/** What happens at an event. */
export type EventAction = () => void;

export class EventQueue {
  #times = new Float64Array(64);
  #sequences = new Float64Array(64);
  /** Slots of the actions. Behind the heap's end are those that are free. */
  #slots = Int32Array.from({ length: 64 }, (_, slot) => slot);
  readonly #actions: (EventAction | undefined)[] = new Array<EventAction | undefined>(64).fill(undefined);
  #length = 0;
  #nextSequence = 0;

  get length(): number {
    return this.#length;
  }

  /** Time of the earliest event; only valid when length > 0. */
  get nextTime(): number {
    return this.#times[0]!;
  }

  push(time: number, action: EventAction): void {
    if (this.#length === this.#times.length) this.#grow();
    const sequence = this.#nextSequence++;
    const times = this.#times;
    const sequences = this.#sequences;
    const slots = this.#slots;
    let hole = this.#length++;
    const slot = slots[hole]!;
    this.#actions[slot] = action;
    // A new event has the largest sequence, so equal times never move it up.
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      if (times[parent]! <= time) break;
      times[hole] = times[parent]!;
      sequences[hole] = sequences[parent]!;
      slots[hole] = slots[parent]!;
      hole = parent;
    }
    times[hole] = time;
    sequences[hole] = sequence;
    slots[hole] = slot;
  }

  pop(): EventAction {
    assert(this.#length > 0, 'pop of an empty event queue');
    const times = this.#times;
    const sequences = this.#sequences;
    const slots = this.#slots;
    const first = slots[0]!;
    const last = --this.#length;
    const time = times[last]!;
    const sequence = sequences[last]!;
    const slot = slots[last]!;
    let hole = 0;
    for (;;) {
      let child = 4 * hole + 1;
      if (child >= last) break;
      const end = Math.min(child + 4, last);
      for (let other = child + 1; other < end; other++)
        if (times[other]! < times[child]! || (times[other] === times[child] && sequences[other]! < sequences[child]!))
          child = other;
      if (times[child]! > time || (times[child] === time && sequences[child]! > sequence)) break;
      times[hole] = times[child]!;
      sequences[hole] = sequences[child]!;
      slots[hole] = slots[child]!;
      hole = child;
    }
    times[hole] = time;
    sequences[hole] = sequence;
    slots[hole] = slot;
    slots[last] = first;
    const action = this.#actions[first]!;
    this.#actions[first] = undefined;
    return action;
  }

  #grow(): void {
    const length = this.#times.length;
    const times = new Float64Array(2 * length);
    times.set(this.#times);
    this.#times = times;
    const sequences = new Float64Array(2 * length);
    sequences.set(this.#sequences);
    this.#sequences = sequences;
    const slots = Int32Array.from({ length: 2 * length }, (_, slot) => slot);
    slots.set(this.#slots);
    this.#slots = slots;
    for (let slot = length; slot < 2 * length; slot++) this.#actions.push(undefined);
  }
}
