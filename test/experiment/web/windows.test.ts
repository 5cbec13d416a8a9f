// Requests by the second, and percentiles: held against counting.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { WebExchange } from '../../../src/experiment/web/load.ts';
import { errorsOf, latencyOf, windowsOf } from '../../../src/experiment/web/windows.ts';
import { ERRORS } from '../../../src/experiment/web/options.ts';
import { property } from '../../support/property.ts';

const MS = 1e6;
const exchange = fc
  .record({
    sent: fc.nat(20_000),
    takes: fc.nat(3000),
    bytes: fc.nat(100),
    error: fc.constantFrom(undefined, undefined, ...ERRORS),
  })
  .map(({ sent, takes, bytes, error }): WebExchange => {
    const isAnswered = error === undefined;
    return { sentNs: sent * MS, endNs: (sent + takes) * MS, isAnswered, bytes: isAnswered ? bytes : 0, error };
  });

property(
  'each window has what was sent and what ended in its second, and no other',
  fc.array(exchange, { maxLength: 200 }),
  (exchanges) => {
    const windows = windowsOf(exchanges, { beginNs: 2500 * MS, rebootNs: 10_000 * MS, endNs: 18_700 * MS });
    expect(windows.map(({ startNs }) => startNs)).toEqual(Array.from({ length: 15 }, (_, n) => (n - 7) * 1e9));
    for (const { startNs, ...window } of windows) {
      const from = startNs + 10_000 * MS;
      const isIn = (ns: number): boolean => ns >= from && ns < from + 1e9;
      const ended = exchanges.filter(({ endNs }) => isIn(endNs));
      const answered = ended.filter(({ isAnswered }) => isAnswered);
      expect(window).toEqual({
        sent: exchanges.filter(({ sentNs }) => isIn(sentNs)).length,
        answered: answered.length,
        late: answered.filter(({ sentNs, endNs }) => endNs - sentNs > 1e9).length,
        bytes: answered.reduce((sum, { bytes }) => sum + bytes, 0),
        ...latencyOf(answered),
        errors: errorsOf(ended),
      });
      expect(Object.values(window.errors).reduce((a, b) => a + b)).toBe(ended.length - answered.length);
    }
  },
);

it('percentiles are by nearest rank', () => {
  const of = (times: number[]) =>
    latencyOf(times.map((endNs) => ({ sentNs: 0, endNs, isAnswered: true, bytes: 0, error: undefined })));
  expect(of([])).toEqual({ p50Ns: null, p99Ns: null });
  expect(of([7])).toEqual({ p50Ns: 7, p99Ns: 7 });
  expect(of([4, 1, 3, 2])).toEqual({ p50Ns: 2, p99Ns: 4 });
  expect(of(Array.from({ length: 200 }, (_, n) => 200 - n))).toEqual({ p50Ns: 100, p99Ns: 198 });
});
