import { describe, expect, it } from 'vitest';
import type { RebootResult, StrategyResult } from '../../src/experiment/guest/result.ts';
import { vmmWinner } from '../../src/report/vmm-winner.ts';
import { winner } from '../../src/report/winner.ts';
import { sampleResult, sampleStrategy } from './sample.ts';
import { sampleMeasurement, sampleVmmResult } from './vmm-sample.ts';

const of = (...strategies: StrategyResult[]): RebootResult => ({ ...sampleResult(), strategies });
const [cold, prefetch, warm, metadata] = sampleResult().strategies as [
  StrategyResult,
  StrategyResult,
  StrategyResult,
  StrategyResult,
];
const writing = (strategy: StrategyResult, bytesLost: number): StrategyResult => ({
  ...strategy,
  writes: { ...strategy.writes, bytes: 2_000_000, bytesLost },
});

describe('the first sentences', () => {
  it('the first sentences say who wins, by what, and why', () => {
    // 289.3 MB at 1,090 and at 42 MB/s.
    expect(winner(sampleResult())).toBe(
      'warm-cache+metadata reads files 26.0 × as fast as cold just after the reboot (1,090 MB/s against 42.0) and ' +
        '94.8 % as fast as the second time, since it reads 12 pages from the disk again, not 81,734. ' +
        'The first run takes 0.265 s instead of 6.89 s; the service is down for 23.4 s before it.',
    );
    const none = { ...metadata, pages: { ...metadata.pages, readAgain: 0 } };
    expect(winner(of(cold, none))).toContain(', since it reads nothing from the disk again.');
  });

  it('the first sentences give prefetching its own reason, since it reads as much', () => {
    expect(winner(of(cold, prefetch))).toContain(
      'prefetch reads files 1.14 × as fast as cold just after the reboot (48.0 MB/s against 42.0) and 4.17 % as fast as ' +
        'the second time, since many pages are in its cache before they are asked for.',
    );
  });

  it('the first sentences name all that win together, and never one as faster than itself', () => {
    const twin = { ...metadata, name: 'warm-cache' as const, pages: { ...metadata.pages, readAgain: 12 } };
    expect(winner(of(cold, twin, metadata))).toContain(
      'warm-cache and warm-cache+metadata read files 26.0 × as fast as cold',
    );
    expect(winner(of(cold, twin, metadata))).toContain('since they read 12 pages');
    const fastCold = { ...sampleStrategy('cold', 1090, 23e9, 0) };
    expect(winner(of(fastCold, metadata, prefetch))).toContain(
      'cold and warm-cache+metadata read files 22.7 × as fast as prefetch',
    );
  });

  it('the first sentences compare with the slowest when there is no conventional reboot', () => {
    expect(winner(of(prefetch, warm, metadata))).toContain('22.7 × as fast as prefetch');
  });

  it('the first sentences of one strategy, or of some that are alike, compare nothing', () => {
    expect(winner(of(warm))).toBe(
      'warm-cache reads files at 640 MB/s just after the reboot, 55.7 % as fast as the second time; ' +
        'the service is down for 23.3 s before it.',
    );
    expect(winner(of(cold, { ...cold, name: 'rio' }))).toContain('All alike: cold and rio read files at 42.0 MB/s');
  });

  it('the first sentences say nothing of a speed where nothing was read', () => {
    const nothing = cold.runs.map((run) => ({ ...run, bytes: 0, ns: 0 }));
    expect(winner(of({ ...cold, runs: nothing }))).toBe('');
  });

  it('the first sentences begin with what a crash lost', () => {
    const crashed = (...strategies: StrategyResult[]): string => winner({ ...of(...strategies), crash: true });
    const rio = { ...cold, name: 'rio' as const };
    expect(crashed(writing(cold, 500_000), writing(rio, 0))).toMatch(
      /^rio loses nothing of the 2 MB that the guest had written; cold loses 500 kB, since that was not on the disk yet\. All alike/,
    );
    expect(crashed(writing(cold, 500_000), writing(warm, 700_000))).toMatch(
      /^cold and warm-cache lose 500 kB to 700 kB of 2 MB that the guest had written, since that was not on the disk yet\. warm-cache reads .* just after the crash/,
    );
    expect(crashed(writing(rio, 0))).toMatch(/^rio loses nothing of the 2 MB that the guest had written\. /);
  });

  it('the first sentences begin with what differs from the disk, before everything else', () => {
    const bad = (strategy: StrategyResult, mismatches: number): StrategyResult => ({
      ...strategy,
      verified: { ...strategy.verified, mismatches },
    });
    expect(winner(of(bad(cold, 2), bad(warm, 1)))).toMatch(
      /^DIFFERS: 3 pages or reads are not what is on the disk\. warm/,
    );
    expect(winner(of(bad(writing(warm, 0), 1)))).toMatch(/^DIFFERS: 1 page or read is not what is on the disk\. warm/);
  });
});

describe('the first sentences of a reboot of the hypervisor', () => {
  const machine = sampleMeasurement(1, 1 << 30);
  type Strategy = (typeof machine.strategies)[number];
  const [first, second] = machine.strategies as [Strategy, Strategy];
  const down = (
    strategy: Strategy,
    seconds: number,
    outcome: 'continued' | 'booted',
    moved: [number, number],
  ): Strategy => ({
    ...strategy,
    guests: strategy.guests.map((guest) => ({ ...guest, outcome, downtimeNs: seconds * 1e9 })),
    diskBytes: { written: moved[0] * 1e6, read: 0 },
    networkBytes: moved[1] * 1e6,
  });
  const named = (strategy: Strategy, name: Strategy['strategy']): Strategy => ({ ...strategy, strategy: name });
  const said = (...strategies: Strategy[]): string =>
    vmmWinner(sampleVmmResult({ machines: [{ ...machine, strategies }] }));

  it('the first sentences of a reboot of the hypervisor say whose service is away for the shortest time, and why', () => {
    expect(said(down(first, 40, 'continued', [0, 0]), down(named(second, 'shutdown-boot'), 80, 'booted', [0, 0]))).toBe(
      'warm-vm has the shortest downtime under 1 guest of 1 GiB: 40.0 s, since its guests stay in memory and go on: ' +
        'nothing of them is written to the disk. shutdown-boot is down for 80.0 s, 2.00 × as long.',
    );
  });

  it('the first sentences of a reboot of the hypervisor name the best on one machine, too, when two were needed', () => {
    const migrated = down(named(first, 'live-migration'), 0.5, 'continued', [0, 2180]);
    const saved = down(second, 100, 'continued', [1074, 0]);
    expect(said(migrated, saved)).toBe(
      'live-migration has the shortest downtime under 1 guest of 1 GiB: 0.500 s, since its guests run on a second machine ' +
        'meanwhile (2,180 MB over the network). save-restore is down for 100 s, 200 × as long. Without a second machine ' +
        'save-restore is the shortest: 100 s, with its guests written to the disk and read back (1,074 MB).',
    );
  });

  it('the first sentences of a reboot of the hypervisor compare nothing when all are alike, and say what differs first', () => {
    expect(said(down(first, 40, 'booted', [0, 0]))).toBe(
      'warm-vm: the service under 1 guest of 1 GiB is down for 40.0 s, with 1 guest booted again.',
    );
    const bad = { ...down(second, 40.1, 'booted', [0, 0]), verified: { pages: 1, bytes: 1, mismatches: 4 } };
    expect(said(down(first, 40, 'booted', [0, 0]), bad)).toMatch(
      /^DIFFERS: 4 pages or reads are not what is on the disk\. All alike, warm-vm and save-restore: the service/,
    );
  });
});
