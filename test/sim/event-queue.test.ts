// The event queue against an array that is sorted by (time, sequence).
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InvariantViolation } from '../../src/base/index.ts';
import { EventQueue } from '../../src/sim/event-queue.ts';
import { property } from '../support/property.ts';

/** A time to push, or a pop. Few times, so that many are equal. */
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.nat({ max: 6 }) },
  { weight: 1, arbitrary: fc.maxSafeNat() },
  { weight: 2, arbitrary: fc.constant('pop' as const) },
);

property(
  'the event queue pops in order of (time, sequence), whatever is pushed in between',
  fc.array(operation, { maxLength: 300 }),
  (operations) => {
    const queue = new EventQueue();
    const model: { time: number; sequence: number }[] = [];
    const popped: number[] = [];
    operations.push(...operations.map(() => 'pop' as const));
    for (const [sequence, what] of operations.entries()) {
      if (what === 'pop') {
        if (model.length === 0) continue;
        const first = model.reduce((a, b) => (b.time < a.time ? b : a));
        model.splice(model.indexOf(first), 1);
        expect(queue.nextTime).toBe(first.time);
        queue.pop()();
        expect(popped.pop()).toBe(first.sequence);
      } else {
        model.push({ time: what, sequence });
        queue.push(what, () => popped.push(sequence));
      }
      expect(queue.length).toBe(model.length);
    }
  },
);

it('the event queue keeps its order when it grows', () => {
  const queue = new EventQueue();
  const order: number[] = [];
  for (let i = 0; i < 1000; i++) queue.push((i * 7919) % 10, () => order.push(i));
  while (queue.length > 0) queue.pop()();
  const expected = Array.from({ length: 1000 }, (_, i) => i).sort(
    (a, b) => ((a * 7919) % 10) - ((b * 7919) % 10) || a - b,
  );
  expect(order).toEqual(expected);
});

it('the event queue refuses to pop what is not there', () => {
  expect(() => new EventQueue().pop()).toThrow(InvariantViolation);
});
