/**
 * The event queue: a binary heap over typed arrays (see hot-paths 1), ordered by (time, sequence).
 * Two events of one instant run in the order in which they were scheduled, so a run depends on
 * nothing but its inputs.
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
  #actions: (EventAction | undefined)[] = new Array<EventAction | undefined>(64).fill(undefined);
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
    const actions = this.#actions;
    let hole = this.#length++;
    // A new event has the largest sequence, so equal times never move it up.
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (times[parent]! <= time) break;
      times[hole] = times[parent]!;
      sequences[hole] = sequences[parent]!;
      actions[hole] = actions[parent];
      hole = parent;
    }
    times[hole] = time;
    sequences[hole] = sequence;
    actions[hole] = action;
  }

  pop(): EventAction {
    assert(this.#length > 0, 'pop of an empty event queue');
    const times = this.#times;
    const sequences = this.#sequences;
    const actions = this.#actions;
    const first = actions[0]!;
    const last = --this.#length;
    const time = times[last]!;
    const sequence = sequences[last]!;
    const action = actions[last];
    actions[last] = undefined;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= last) break;
      const right = child + 1;
      if (
        right < last &&
        (times[right]! < times[child]! || (times[right] === times[child] && sequences[right]! < sequences[child]!))
      )
        child = right;
      if (times[child]! > time || (times[child] === time && sequences[child]! > sequence)) break;
      times[hole] = times[child]!;
      sequences[hole] = sequences[child]!;
      actions[hole] = actions[child];
      hole = child;
    }
    if (last > 0) {
      times[hole] = time;
      sequences[hole] = sequence;
      actions[hole] = action;
    }
    return first;
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    const times = new Float64Array(capacity);
    times.set(this.#times);
    this.#times = times;
    const sequences = new Float64Array(capacity);
    sequences.set(this.#sequences);
    this.#sequences = sequences;
    while (this.#actions.length < capacity) this.#actions.push(undefined);
  }
}
