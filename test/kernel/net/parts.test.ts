// The parts of the transport by themselves: bytes put in order, bytes kept until acknowledged, and
// timers that are put off.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns } from '../../../src/base/units.ts';
import { Alarm } from '../../../src/kernel/net/alarm.ts';
import { CongestionWindow, RTO_MIN_NS, WINDOW_BYTES } from '../../../src/kernel/net/congestion.ts';
import { MessageReceiver } from '../../../src/kernel/net/receiver.ts';
import { decode, encode, FLAG, KIND, MAX_MESSAGE, refusal, SEGMENT_HEADER } from '../../../src/kernel/net/segment.ts';
import { SendBuffer } from '../../../src/kernel/net/send-buffer.ts';
import { Simulation } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';
import { message } from './wire.ts';

describe('the receiver of a message', () => {
  property(
    'the receiver of a message has its bytes in order, whatever parts come in whatever order, and however they overlap',
    fc.integer({ min: 0, max: 500 }),
    fc.array(fc.tuple(fc.nat(520), fc.nat(100)), { maxLength: 60 }),
    (length, parts) => {
      const bytes = message(length);
      const receiver = new MessageReceiver();
      const known = new Uint8Array(length + 1);
      for (const [at, size] of parts) {
        const end = Math.min(length, at + size);
        if (at > length) continue;
        receiver.take(at, bytes.subarray(at, end), end === length);
        known.fill(1, at, end === length ? length + 1 : end);
        const gap = known.indexOf(0);
        const expected = gap < 0 ? length + 1 : gap;
        // A part with the same start as one that was kept is not looked at unless it is longer.
        expect([receiver.received, receiver.isComplete]).toEqual([expected, expected === length + 1]);
        expect(receiver.bytes).toEqual(bytes.subarray(0, Math.min(expected, length)));
      }
    },
  );

  it('the receiver of a message of many small parts has them all, in order', () => {
    const receiver = new MessageReceiver();
    const bytes = message(5000);
    for (let at = 0; at < bytes.length; at++) receiver.take(at, bytes.subarray(at, at + 1), at === bytes.length - 1);
    expect([receiver.received, receiver.isComplete]).toEqual([5001, true]);
    expect(receiver.bytes).toEqual(bytes);
  });

  it('the receiver of a message keeps nothing that lies beyond the window, and 64 parts before their turn at most', () => {
    const receiver = new MessageReceiver();
    const one = Uint8Array.of(7);
    receiver.take(WINDOW_BYTES, one, false);
    for (let n = 0; n < 65; n++) receiver.take(1 + n, Uint8Array.of(n), false);
    receiver.take(0, one, false);
    expect(receiver.received).toBe(1 + 64);
    receiver.take(65, new Uint8Array(WINDOW_BYTES - 65), false);
    expect(receiver.received).toBe(WINDOW_BYTES);
  });
});

describe('the buffer of what is sent', () => {
  property(
    'the buffer of what is sent has every byte until it is released, as many as there is room for',
    fc.integer({ min: 1, max: 9000 }),
    fc.array(fc.tuple(fc.nat(6000), fc.nat(6000)), { maxLength: 30 }),
    (capacity, deeds) => {
      const bytes = message(200_000);
      const buffer = new SendBuffer(capacity);
      for (const [append, release] of deeds) {
        const { start, end, room } = buffer;
        expect(room).toBe(capacity - (end - start));
        expect(buffer.append(bytes.subarray(0, end + append), end)).toBe(Math.min(append, room));
        const kept = new Uint8Array(buffer.end - start);
        buffer.copyOut(start, kept.length, kept, 0);
        expect(kept).toEqual(bytes.subarray(start, buffer.end));
        buffer.release(Math.min(buffer.end, start + release));
      }
      expect(() => buffer.release(buffer.end + 1)).toThrow('send buffer 1');
    },
  );
});

it('the congestion window begins with 3 segments, doubles up to 45, and grows by one a window beyond its threshold', () => {
  const window = new CongestionWindow();
  const grow = (): number => {
    window.acknowledged(window.segments);
    return window.segments;
  };
  expect([window.segments, grow(), grow(), grow(), grow(), grow()]).toEqual([3, 6, 12, 24, 45, 45]);
  window.timedOut(20);
  expect([window.segments, grow(), grow(), grow(), grow(), grow(), grow()]).toEqual([1, 2, 4, 8, 10, 11, 12]);
  window.sent(0);
  window.resumes(RTO_MIN_NS);
  expect(window.segments).toBe(12);
  window.resumes(RTO_MIN_NS + 1);
  expect(window.segments).toBe(3);
});

it('the congestion window shrinks by half in the round trip after the own queue was full, once a window', () => {
  const window = new CongestionWindow();
  for (const segments of [3, 6, 12, 24]) window.acknowledged(segments);
  window.congested(30);
  expect([window.segments, window.isShrinking]).toEqual([31, true]);
  window.congested(10);
  // By one for two segments, over acknowledgements of any size.
  const shrunk = [1, 1, 4, 3, 5].map((segments) => {
    window.acknowledged(segments);
    return window.segments;
  });
  expect(shrunk).toEqual([31, 30, 28, 27, 24]);
  window.acknowledged(16);
  expect([window.segments, window.isShrinking]).toEqual([16, true]);
  // One that was sent later.
  window.acknowledged(1);
  expect([window.segments, window.isShrinking]).toEqual([16, false]);
  // From half of the 45 on it grows by one a window.
  window.acknowledged(16);
  expect(window.segments).toBe(22);
  window.acknowledged(22);
  expect(window.segments).toBe(23);
});

it('the congestion window of which little was under way when the queue was full keeps a quarter, and that of nothing a segment', () => {
  const window = new CongestionWindow();
  for (const segments of [3, 6, 12, 24]) window.acknowledged(segments);
  window.congested(12);
  window.acknowledged(13);
  expect([window.segments, window.isShrinking]).toEqual([11, false]);
  window.congested(0);
  expect(window.segments).toBe(1);
  window.timedOut(1);
  expect([window.segments, window.isShrinking]).toEqual([1, false]);
});

it('an alarm goes off once at its last time, costs one event while it is put off, and none when it is turned off', () => {
  const simulation = new Simulation(1);
  const at: number[] = [];
  const alarm = new Alarm(simulation, () => at.push(simulation.now));
  for (let n = 0; n < 100; n++) {
    simulation.after(Ns(n), () => {
      alarm.set(1000);
    });
  }
  expect(simulation.run()).toBe(100 + 2);
  expect(at).toEqual([1099]);
  alarm.set(1000);
  alarm.set(10);
  simulation.run(() => at.length === 2);
  expect([at[1], alarm.isSet]).toEqual([1109, false]);
  alarm.set(5);
  alarm.clear();
  simulation.run();
  expect(at).toHaveLength(2);
});

describe('a packet', () => {
  const fields = { connection: 1, sequence: 2, offset: 3, acknowledged: 4, kind: KIND.answer, flags: FLAG.last };
  const packet = new Uint8Array(SEGMENT_HEADER.size + 5);
  packet.set([9, 8, 7, 6, 5], SEGMENT_HEADER.size);
  encode(packet, fields);

  property(
    'a packet of which any bits of a byte are changed, or that has lost or got bytes, is no packet',
    fc.nat(packet.length - 1),
    fc.integer({ min: 1, max: 255 }),
    fc.integer({ min: -33, max: 5 }).filter((more) => more !== 0),
    (at, bits, more) => {
      expect(decode(packet)).toEqual({ ...fields, payload: Uint8Array.of(9, 8, 7, 6, 5) });
      const damaged = packet.slice();
      damaged[at]! ^= bits;
      expect([decode(damaged), refusal(damaged)]).toEqual([undefined, undefined]);
      const other = new Uint8Array(packet.length + more);
      other.set(packet.subarray(0, other.length));
      expect(decode(other)).toBeUndefined();
    },
  );

  it.each([
    [{ ...fields, flags: 4 }, false],
    [{ ...fields, offset: MAX_MESSAGE }, true],
    [{ ...fields, offset: MAX_MESSAGE + 1 }, false],
  ])('a packet with the fields %o is taken: %s', (wrong, isTaken) => {
    expect(decode(encode(new Uint8Array(SEGMENT_HEADER.size), wrong)) !== undefined).toBe(isTaken);
  });
});
