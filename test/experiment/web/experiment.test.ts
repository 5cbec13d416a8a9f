// The laws of a web server over a reboot, on a small machine.
import { describe, expect, it } from 'vitest';
import { runWeb, WEB_RUNS } from '../../../src/experiment/web/experiment.ts';
import type { WebOptions } from '../../../src/experiment/web/options.ts';
import type { WebResult, WebStrategyResult } from '../../../src/experiment/web/result.ts';

const SIZES = { count: 40, size: 9000 };
const BYTES = SIZES.count * SIZES.size;

const options = (change: Partial<WebOptions> = {}): WebOptions => ({
  path: 'made files',
  withoutBootFiles: true,
  memory: 24 << 20,
  disk: 'disk',
  profile: 'server-2026',
  seed: 1,
  limit: undefined,
  crash: false,
  sizes: SIZES,
  strategies: ['cold', 'warm-cache'],
  workers: 8,
  sending: 'sendfile',
  loop: 'open',
  rate: 40,
  arrivals: 'constant',
  connections: 3,
  think: 0,
  timeout: 2,
  order: 'zipf',
  alpha: 1,
  prefetchRate: undefined,
  before: 2,
  after: 4,
  ...change,
});

/** What must hold of every result. */
function lawful(result: WebResult, asked: WebOptions): void {
  for (const { name, service, runs, verified } of result.strategies) {
    expect(verified.mismatches).toBe(0);
    expect(runs.map(({ phase, number }) => `${phase} ${number}`)).toEqual([
      'before 1',
      'before 2',
      'after 1',
      'after 2',
    ]);
    for (const run of runs) expect([run.requests, run.bytes]).toEqual([SIZES.count, BYTES]);
    // Every byte that arrived was compared: of four runs, of the run that filled the cache, of the
    // service.
    const counted = service.windows.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(verified.bytes).toBeGreaterThanOrEqual(5 * BYTES + counted);
    expect(verified.bytes % SIZES.size).toBe(0);
    const before = service.windows.filter(({ startNs }) => startNs < 0);
    expect(before).toHaveLength(asked.before);
    expect(service.rateBefore).toBeCloseTo(before.reduce((sum, { answered }) => sum + answered, 0) / asked.before, 9);
    const errors = Object.values(service.errors).reduce((a, b) => a + b);
    expect([name, service.lost]).toEqual([name, errors]);
    expect(service.downNs).toBeGreaterThan(0);
    expect(service.returnNs).toBeGreaterThan(0);
    const end = service.windows.at(-1)!.startNs + 1e9;
    expect(end).toBeLessThanOrEqual(service.rebootNs + asked.after * 1e9 + 1e9);
  }
}

const of = ({ strategies }: WebResult, name: string): WebStrategyResult =>
  strategies.find((strategy) => strategy.name === name)!;

describe('a web server over a reboot', () => {
  it('every byte is the file’s, figures add up, and warm pages come back', () => {
    const asked = options({ strategies: ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'] });
    const { result, mismatches } = runWeb(asked);
    expect(mismatches).toEqual([]);
    lawful(result, asked);
    const pages = SIZES.count * Math.ceil(SIZES.size / 4096);
    expect(of(result, 'cold').pages).toMatchObject({ preserved: 0, reused: 0 });
    expect(of(result, 'cold').pages.readAgain).toBeGreaterThanOrEqual(pages);
    expect(of(result, 'warm-cache').pages.reused).toBeGreaterThanOrEqual(pages);
    expect(of(result, 'warm-cache+metadata').pages.readAgain).toBeLessThan(of(result, 'warm-cache').pages.readAgain);
    const [cold, warm] = ['cold', 'warm-cache'].map((name) => of(result, name).runs[2]!.ns);
    expect(warm).toBeLessThan(cold!);
    // The same before the reboot, whatever comes.
    const first = result.strategies.map(({ runs }) => runs.slice(0, 2).map(({ bytes }) => bytes));
    expect(new Set(first.map(String)).size).toBe(1);
  });

  it('two runs of one seed are one digest, in any order of the parts; another seed is another', () => {
    const asked = options({ arrivals: 'poisson', after: 3 });
    const { result } = runWeb(asked);
    const open = WEB_RUNS.open(asked, () => undefined);
    const parts = new Map([3, 0, 2, 1].map((n) => [n, open.run(n, () => undefined)]));
    const merged = WEB_RUNS.merge(
      asked,
      open.disk,
      [0, 1, 2, 3].map((n) => parts.get(n)!),
    );
    expect(merged.result).toEqual(result);
    expect(runWeb({ ...asked, seed: 2 }).result.digest).not.toBe(result.digest);
  });

  it('a crash with Rio, and a closed loop with read and send, are as exact', () => {
    const asked = options({
      crash: true,
      strategies: ['rio', 'rio+warm-cache'],
      loop: 'closed',
      think: 0.05,
      order: 'once',
      sending: 'read',
    });
    const { result } = runWeb(asked);
    lawful(result, asked);
    expect([result.rate, result.arrivals, result.alpha, result.thinkNs]).toEqual([null, null, null, 50e6]);
    expect(of(result, 'rio').pages.reused).toBe(0);
    expect(of(result, 'rio+warm-cache').pages.reused).toBeGreaterThan(0);
  });

  it.each([
    [{ rate: 0 }, /^rate: /],
    [{ rate: Number.NaN }, /^rate: /],
    [{ timeout: -1 }, /^timeout: /],
    [{ think: Infinity }, /^think: /],
    [{ alpha: -1 }, /^alpha: /],
    [{ workers: 0 }, /^workers: /],
    [{ connections: 1.5 }, /^connections: /],
    [{ before: 0 }, /^before: /],
    [{ sizes: { count: 0, size: 1 } }, /^sizes\.count: /],
    [{ sizes: { count: 2 ** 19, size: 2 ** 20 } }, /^sizes: /],
    [{ strategies: ['rio'] }, /^strategies: rio is for a guest that crashes$/],
    [{ order: 'random' }, /^order: /],
    [{ prefetchRate: 0 }, /^prefetchRate: /],
  ] as [Partial<WebOptions>, RegExp][])(
    'options that make no sense are refused by their name: %j',
    (change, message) => {
      expect(() => runWeb(options(change))).toThrow(message);
    },
  );
});
