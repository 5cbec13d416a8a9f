// The definitions by which a service has recovered, held against arithmetic.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { between, isLate, recoveryOf, type Exchange } from '../../../src/experiment/judge/recovery.ts';
import { property } from '../../support/property.ts';

const S = 1e9;

/** Requests that are each answered 1 ms after they were sent, so many a second in [from, to). */
const steady = (from: number, to: number, rate: number): Exchange[] =>
  Array.from({ length: Math.round((to - from) * rate) }, (_, n) => {
    const endNs = Math.round((from + (n + 0.5) / rate) * S);
    return { sentNs: endNs - 1e6, endNs, isAnswered: true };
  });

const failed = (sent: number, end: number): Exchange => ({ sentNs: sent * S, endNs: end * S, isAnswered: false });

describe('the recovery of a service', () => {
  it('a service that comes back whole is at 90 % one window after its return', () => {
    // 10 a second for 40 s; nothing for 5 s; 10 a second again. The return is the answer at 45.05
    // s.
    const exchanges = [...steady(0, 40, 10), ...steady(45, 60, 10)];
    const recovery = recoveryOf({ exchanges, beginNs: 0, rebootNs: 40 * S, endNs: 60 * S });
    expect(recovery).toMatchObject({ rateBefore: 10, downNs: 5.1 * S, returnNs: 5.05 * S, until90Ns: 6.05 * S });
    expect(recovery).toMatchObject({ late: 0, lost: 0 });
    // 10 × 6.05 requests, less the 10 of [45.05, 46.05).
    expect(recovery.areaLost).toBeCloseTo(50.5, 9);
  });

  it('90 % must last for three windows, and the first of them counts', () => {
    // After the return at 41.05 s, windows have 10, 9, 8, 9, 9, 10 answers.
    const counts = [10, 9, 8, 9, 9, 10];
    const after = counts.flatMap((rate, n) =>
      Array.from({ length: rate }, (_, k): Exchange => {
        const endNs = 41.05 * S + n * S + (k / rate) * 0.9 * S;
        return { sentNs: endNs, endNs, isAnswered: true };
      }),
    );
    const exchanges = [...steady(0, 40, 10), ...after];
    const measured = { exchanges, beginNs: 0, rebootNs: 40 * S };
    expect(recoveryOf({ ...measured, endNs: 47.05 * S }).until90Ns).toBe(5.05 * S);
    // The third window is not measured to its end.
    expect(recoveryOf({ ...measured, endNs: 47 * S }).until90Ns).toBeUndefined();
  });

  it('the mean is of the last 30 s before, or of what was measured', () => {
    const exchanges = [...steady(0, 10, 50), ...steady(10, 40, 10), ...steady(41, 50, 10)];
    const measured = { exchanges, rebootNs: 40 * S, endNs: 50 * S };
    expect(recoveryOf({ ...measured, beginNs: 0 }).rateBefore).toBe(10);
    expect(recoveryOf({ ...measured, beginNs: 5 * S, rebootNs: 20 * S }).rateBefore).toBeCloseTo((250 + 100) / 15, 9);
  });

  it('a service that does not return is down to the end, and its area is all of the rate before', () => {
    const exchanges = steady(0, 40, 10);
    const recovery = recoveryOf({ exchanges, beginNs: 0, rebootNs: 40 * S, endNs: 60 * S });
    expect(recovery.returnNs).toBeUndefined();
    expect(recovery.until90Ns).toBeUndefined();
    expect(recovery.downNs).toBe(20.05 * S);
    expect(recovery.areaLost).toBe(200);
    expect(recovery.loss).toEqual({ first20s: undefined, first33s: undefined });
  });

  it('late is more than 1 s after it was sent; lost is never; both from those under way on', () => {
    const exchanges: Exchange[] = [
      { sentNs: 0, endNs: 3 * S, isAnswered: true }, // answered before the reboot
      { sentNs: 8 * S, endNs: 10 * S, isAnswered: true }, // under way: late
      { sentNs: 11 * S, endNs: 12 * S, isAnswered: true }, // after 1 s: not late
      { sentNs: 11 * S, endNs: 12 * S + 1, isAnswered: true }, // late
      // answered when the measurement was over: late
      { sentNs: 19 * S, endNs: 25 * S, isAnswered: true },
      failed(4, 9), // given up before the reboot
      failed(9, 10), // under way: lost
      failed(15, 20),
      failed(20, 21), // sent when the measurement was over
    ];
    expect(exchanges.map(isLate)).toEqual([true, true, false, true, true, false, false, false, false]);
    const { late, lost } = recoveryOf({ exchanges, beginNs: 0, rebootNs: 10 * S, endNs: 20 * S });
    expect([late, lost]).toEqual([3, 2]);
  });

  it('the loss is the share of the rate before that is missing in 20 s and 33 s after the return', () => {
    // 10 a second before; the return is at 50 s; 5 a second up to 70 s, then 10 a second.
    const exchanges = [...steady(0, 40, 10), ...steady(49.9, 69.9, 5), ...steady(69.9, 90, 10)];
    const { loss, returnNs } = recoveryOf({ exchanges, beginNs: 0, rebootNs: 40 * S, endNs: 90 * S });
    expect(returnNs).toBe(10 * S);
    expect(loss.first20s).toBeCloseTo(1 - 101 / 200, 2);
    expect(loss.first33s).toBeCloseTo(1 - (100 + 131) / 330, 2);
    const short = recoveryOf({ exchanges, beginNs: 0, rebootNs: 40 * S, endNs: 80 * S });
    expect(short.loss.first20s).toBe(loss.first20s);
    expect(short.loss.first33s).toBeUndefined();
  });

  property(
    'answers of disjoint spans add up, and the area is what is missing, whatever comes when',
    fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 200 }),
    (times) => {
      const exchanges = times.map((ms): Exchange => ({ sentNs: ms * 1e6, endNs: ms * 1e6, isAnswered: true }));
      const answers = Float64Array.from(times, (ms) => ms * 1e6).sort();
      expect(between(answers, 0, 17 * S) + between(answers, 17 * S, 61 * S)).toBe(times.length);
      const recovery = recoveryOf({ exchanges, beginNs: 0, rebootNs: 30 * S, endNs: 60 * S });
      const rate = times.filter((ms) => ms < 30_000).length / 30;
      const until = recovery.until90Ns ?? 30 * S;
      const got = times.filter((ms) => ms >= 30_000 && ms * 1e6 < 30 * S + until).length;
      expect(recovery.rateBefore).toBeCloseTo(rate, 9);
      expect(recovery.areaLost).toBeCloseTo((rate * until) / S - got, 6);
    },
  );
});
