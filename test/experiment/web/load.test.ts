// The clients: what they count when the server refuses, is gone, or an answer is lost.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { xenMac, decodeFrame } from '../../../src/base/ethernet.ts';
import { Ns } from '../../../src/base/units.ts';
import { errorsOf } from '../../../src/experiment/web/windows.ts';
import { connectionOf } from '../../../src/kernel/index.ts';
import { decode, KIND } from '../../../src/kernel/net/segment.ts';
import { property } from '../../support/property.ts';
import { served } from './served.ts';

const NONE = { clientTimo: 0, socketTimo: 0, connRefused: 0, connReset: 0, other: 0 };
const upTo = (count: number) => {
  let n = 0;
  return (): number | undefined => (n < count ? n++ : undefined);
};

describe('the clients of a web server', () => {
  it('clients are refused while no process listens: each request once, at once', () => {
    const { load, run } = served({ sizes: [100, 100, 100] });
    const clients = load();
    run(clients.closed(2, 0, upTo(3)));
    expect(errorsOf(clients.exchanges)).toEqual({ ...NONE, connRefused: 3 });
    expect(clients.exchanges.every(({ sentNs, endNs }) => endNs - sentNs < 1e6)).toBe(true);
  });

  it('a client gives up exactly after its time-out when there is no host', () => {
    const { load, run } = served({ sizes: [100, 100] });
    const clients = load({ server: xenMac(7), timeoutNs: 1.5e9 });
    run(clients.closed(2, 0, upTo(2)));
    expect(errorsOf(clients.exchanges)).toEqual({ ...NONE, clientTimo: 2 });
    expect(clients.exchanges.map(({ sentNs, endNs }) => endNs - sentNs)).toEqual([1.5e9, 1.5e9]);
  });

  it('a connection gives up by itself when the client waits longer', () => {
    const { load, run } = served({ sizes: [100] });
    const clients = load({ server: xenMac(7), timeoutNs: 3600e9 });
    run(clients.closed(1, 0, upTo(1)));
    expect(errorsOf(clients.exchanges)).toEqual({ ...NONE, socketTimo: 1 });
  });

  it('a server that stops resets the connections that wait for it', () => {
    const { serve, load, run, simulation } = served({ sizes: [3_000_000] });
    const apache = serve();
    const clients = load();
    simulation.after(Ns(1_000_000), () => apache.close());
    run(clients.closed(1, 0, upTo(1)));
    expect(errorsOf(clients.exchanges)).toEqual({ ...NONE, connReset: 1 });
  });

  it('an answer that is not the file is an error, and no answer', () => {
    const { serve, load, run } = served({ sizes: [100, 200] });
    serve();
    const clients = load({ check: (file) => file === 0 });
    run(clients.closed(1, 0, upTo(2)));
    expect(errorsOf(clients.exchanges)).toEqual({ ...NONE, other: 1 });
    expect(clients.exchanges.map(({ isAnswered, bytes }) => [isAnswered, bytes])).toEqual([
      [true, 100],
      [false, 0],
    ]);
    const missing = load({ paths: ['/none'] });
    run(missing.closed(1, 0, upTo(1)));
    expect(errorsOf(missing.exchanges)).toEqual({ ...NONE, other: 1 });
  });

  it('a closed loop has as many requests under way as clients, and thinks between them', () => {
    const { serve, load, run } = served({ sizes: [100] });
    serve();
    const clients = load();
    let left = 9;
    run(clients.closed(3, 2e9, () => (left-- > 0 ? 0 : undefined)));
    const sent = clients.exchanges.map(({ sentNs }) => sentNs).sort((a, b) => a - b);
    expect(sent).toHaveLength(9);
    for (const round of [0, 3, 6]) expect(sent[round + 2]! - sent[round]!).toBeLessThan(10e6);
    for (const round of [3, 6]) expect(sent[round]! - sent[round - 1]!).toBeGreaterThan(1.99e9);
  });

  it.each(['constant', 'poisson'] as const)(
    'an open loop sends at its rate, whatever becomes of requests: %s',
    (arrivals) => {
      const { load, run, simulation } = served({ sizes: [100] });
      const clients = load({ server: xenMac(7), timeoutNs: 30e9 });
      const start = simulation.now;
      let left = 400;
      run(clients.open(50, arrivals, simulation.random.stream('test'), () => (left-- > 0 ? 0 : undefined)));
      run(clients.drain());
      const sent = clients.exchanges.map(({ sentNs }) => sentNs).sort((a, b) => a - b);
      expect(sent).toHaveLength(400);
      const gaps = sent.map((ns, n) => ns - (n === 0 ? start : sent[n - 1]!));
      const mean = gaps.reduce((a, b) => a + b) / gaps.length;
      const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
      if (arrivals === 'constant') {
        expect(new Set(gaps)).toEqual(new Set([20e6]));
      } else {
        // Four standard errors of a mean of 400, and a deviation as large as the mean.
        expect(Math.abs(mean - 20e6)).toBeLessThan(4e6);
        expect(deviation / mean).toBeGreaterThan(0.8);
        expect(deviation / mean).toBeLessThan(1.2);
      }
    },
  );

  property(
    'the k-th answer lost for ever is one time-out; lost once, it is an answer that comes late; no other is harmed',
    fc.nat(9),
    fc.boolean(),
    (k, forEver) => {
      const seen = new Map<number, number>();
      const loses = (bytes: Uint8Array): boolean => {
        const frame = decodeFrame(bytes);
        const connection = frame && connectionOf(frame.payload);
        // Connections are numbered from 1. Their first frame opens them; what is large has the
        // answer.
        if (connection !== k + 1 || bytes.length < 1000) return false;
        const before = seen.get(connection) ?? 0;
        seen.set(connection, before + 1);
        return forEver || before === 0;
      };
      const { serve, load, run, logLines } = served({ sizes: Array<number>(10).fill(1200), loses });
      const apache = serve();
      const clients = load({ timeoutNs: 2e9 });
      run(clients.closed(2, 0, upTo(10)));
      expect(seen.get(k + 1)).toBeGreaterThan(1);
      expect(errorsOf(clients.exchanges)).toEqual({ ...NONE, clientTimo: forEver ? 1 : 0 });
      const slow = clients.exchanges.filter(({ sentNs, endNs }) => endNs - sentNs > 100e6);
      expect(slow).toHaveLength(1);
      expect(slow[0]!.isAnswered).toBe(!forEver);
      // Each request was served once, however often its answer was sent.
      expect(apache.served).toBe(10);
      expect(logLines()).toHaveLength(10);
    },
    { numRuns: 6 },
  );
});

describe('answers of 512 KiB to many clients at once', () => {
  /** What reaches the clients: bytes of answers, and frames that come before their turn. */
  const answersTo = (clients: number) => {
    const seen = { bytes: 0, early: 0 };
    const next = new Map<number, number>();
    const loses = (bytes: Uint8Array): boolean => {
      const segment = decode(decodeFrame(bytes)!.payload);
      if (segment?.kind !== KIND.answer || segment.payload.length === 0) return false;
      const { connection, offset, payload } = segment;
      const expected = next.get(connection) ?? 0;
      seen.bytes += payload.length;
      if (offset > expected) seen.early++;
      else next.set(connection, Math.max(expected, offset + payload.length));
      return false;
    };
    const { serve, load, run, guest } = served({ sizes: [524_288], workers: clients, loses });
    serve();
    const web = load({ timeoutNs: 60e9 });
    let left = clients;
    run(web.closed(clients, 0, () => (left-- > 0 ? 0 : undefined)));
    expect(errorsOf(web.exchanges)).toEqual(NONE);
    return { ...seen, dropped: guest.kernel.stats.framesDropped };
  };

  // At 60 clients the windows together are more than the queue of the guest holds.
  it.each([10, 20, 40, 60])('no frame of answers to %i clients is lost, and none is sent twice', (clients) => {
    // A head of 43 bytes.
    expect(answersTo(clients)).toEqual({ bytes: clients * (43 + 524_288), early: 0, dropped: 0 });
  });
});
