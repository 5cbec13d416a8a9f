/**
 * The figures of a result, held against what happened: the runs, the guests' own counters, the
 * phases. Sums, shares and units by arithmetic written here.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { RebootOptions } from '../../../src/experiment/guest/options.ts';
import type { StrategyName } from '../../../src/experiment/host/strategies.ts';
import type { StrategyResult } from '../../../src/experiment/guest/result.ts';
import { type Guest, Testbed } from '../../../src/experiment/host/testbed.ts';
import { Timeline } from '../../../src/experiment/guest/timeline.ts';
import { runVmmReboot } from '../../../src/experiment/vmm/experiment.ts';
import { VMM_STRATEGIES, type VmmStrategyName } from '../../../src/experiment/host/strategies.ts';
import type { VmmPhase } from '../../../src/experiment/vmm/result.ts';
import { inTemporaryDirectory } from '../../support/e2fsprogs.ts';
import { casesOf } from '../../support/product.ts';
import { diskOf, pattern, runSmall, smallImage } from '../../support/small-disk.ts';

const image = smallImage();
const BYTES = diskOf(image).bytes;

interface Seen {
  readonly result: StrategyResult;
  readonly before: { hypercalls: number; hypercallNs: number; dirty: number };
  readonly after: Guest;
}

/** Runs a strategy, and looks at both guests beside it. */
function watch(name: StrategyName, over: Partial<RebootOptions> = {}): Seen {
  const seen: { before?: Seen['before']; after?: Guest } = {};
  const { reboot } = Testbed.prototype;
  const spy = vi.spyOn(Testbed.prototype, 'reboot').mockImplementation(function* (this: Testbed, guest, ...rest) {
    const { hypercalls } = guest.domain.stats;
    seen.before = { hypercalls: hypercalls.count, hypercallNs: hypercalls.ns, dirty: guest.kernel.stats.pagesDirty };
    return (seen.after = yield* reboot.call(this, guest, ...rest));
  });
  const { result } = runSmall(diskOf(image), name, { disk: 'disk', ...over });
  spy.mockRestore();
  return { result, before: seen.before!, after: seen.after! };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe.each(['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'] as const)('the result of %s', (name) => {
  const { result, before, after } = watch(name);

  it('the result has four runs, of all bytes', () => {
    expect(result.runs.map(({ phase, number, bytes }) => [phase, number, bytes])).toEqual([
      ['before', 1, BYTES],
      ['before', 2, BYTES],
      ['after', 1, BYTES],
      ['after', 2, BYTES],
    ]);
  });

  it('the result counts hypercalls of both guests, and the share of those in the four runs of their time', () => {
    const { hypercalls } = after.domain.stats;
    expect(result.hypercalls.count).toBe(before.hypercalls + hypercalls.count);
    expect(result.hypercalls.ns).toBe(Math.round(before.hypercallNs + hypercalls.ns));
    // Most of them are made in runs; the others at boot, at the reboot and after the last run.
    const nsInRuns = result.hypercalls.share * sum(result.runs.map(({ ns }) => ns));
    expect(nsInRuns).toBeLessThan(result.hypercalls.ns);
    expect(nsInRuns).toBeGreaterThan(result.hypercalls.ns / 2);
    expect(hypercalls.count).toBeGreaterThan(0);
    expect(before.hypercalls).toBeGreaterThan(0);
  });

  it('the result counts pages of the new guest alone', () => {
    const { stats } = after.kernel;
    expect(result.pages.reused).toBe(stats.pagesReused);
    expect(result.pages.readAgain).toBe(stats.dataPagesRead + stats.metadataPagesRead);
    expect(result.metadataReads).toBe(stats.metadataPagesRead);
    expect(result.pages.preserved).toBe(after.domain.stats.preserved);
    expect(result.verified).toEqual({ pages: stats.pagesReused, bytes: 4 * BYTES, mismatches: 0 });
    expect(result.writes).toEqual({ bytes: 0, bytesLost: 0, dirtyPages: 0, pagesWrittenBack: 0, pagesLost: 0 });
  });

  it('the result has samples that tile the runs, and lose no byte', () => {
    let samples = [...result.timeline];
    // Backwards from the reboot, then forwards from its end: runs follow each other at once.
    const starts = [
      -result.runs[0]!.ns - result.runs[1]!.ns,
      -result.runs[1]!.ns,
      result.rebootNs,
      result.rebootNs + result.runs[2]!.ns,
    ];
    result.runs.forEach(({ bytes, ns }, n) => {
      const mine = samples.filter(({ startNs }) => startNs >= starts[n]! && startNs < starts[n]! + ns);
      samples = samples.filter((sample) => !mine.includes(sample));
      mine.forEach((sample, i) => {
        expect(sample.startNs).toBe(starts[n]! + i * 100_000_000);
        expect(sample.ns).toBe(Math.min(100_000_000, ns - i * 100_000_000));
      });
      expect(mine).toHaveLength(Math.ceil(ns / 100_000_000));
      expect(sum(mine.map((sample) => sample.bytes))).toBe(bytes);
    });
    expect(samples).toEqual([]);
  });
});

describe('what was written', () => {
  const ends = [
    ['cold', true],
    ['warm-cache', true],
    ['rio', true],
    ['rio+warm-cache', true],
    ['cold', false],
    ['warm-cache+metadata', false],
  ] as const;
  it.each(casesOf('what was written, by strategy', '', ends, { sample: 3, whole: 6 }))(
    'what was written is counted under %s, crash %s',
    (name, crash) => {
      const { result, before, after } = watch(name, { workload: 'log', crash });
      const written = after.domain.stats.dirty.written;
      const { writes } = result;
      expect(writes.dirtyPages).toBe(before.dirty);
      expect(writes.pagesWrittenBack).toBe(written);
      expect(writes.pagesLost).toBe(crash ? before.dirty - written : 0);
      expect(written).toBe(name.startsWith('rio') ? before.dirty : 0);
      const lost = crash && !name.startsWith('rio');
      expect(writes.bytesLost).toBe(lost ? writes.bytes : 0);
      // A line for each file and run: its path, its size and 10 characters around them.
      const lines = diskOf(image).files.map(({ path, size }) => path.length + String(size).length + 10);
      expect(writes.bytes).toBe(2 * sum(lines));
    },
  );
});

describe('a timeline', () => {
  it('a timeline puts bytes into buckets of 100 ms from the start of a run, and cuts the last one', () => {
    const timeline = new Timeline();
    timeline.begin(1_000);
    timeline.add(1_000, 1);
    timeline.add(100_000_999, 2);
    timeline.add(100_001_000, 4);
    timeline.add(350_001_000, 8);
    timeline.end(350_001_500);
    timeline.begin(400_000_000);
    timeline.add(400_000_007, 16);
    timeline.end(400_000_009);
    expect(timeline.samples(2_000)).toEqual([
      { startNs: -1_000, ns: 100_000_000, bytes: 3 },
      { startNs: 99_999_000, ns: 100_000_000, bytes: 4 },
      { startNs: 199_999_000, ns: 100_000_000, bytes: 0 },
      { startNs: 299_999_000, ns: 50_000_500, bytes: 8 },
      { startNs: 399_998_000, ns: 9, bytes: 16 },
    ]);
  });

  it('a timeline has no sample of a run that read nothing', () => {
    const timeline = new Timeline();
    timeline.begin(5);
    timeline.end(9);
    expect(timeline.samples(0)).toEqual([]);
  });
});

describe('the result of a reboot of the hypervisor', () => {
  const FILE_BYTES = 100_000;
  const { result } = inTemporaryDirectory((dir) => {
    const path = join(dir, 'files');
    mkdirSync(path);
    for (let n = 0; n < 3; n++) writeFileSync(join(path, `file${n}`), pattern(FILE_BYTES, n));
    return runVmmReboot({
      path,
      withoutBootFiles: true,
      vms: 2,
      memory: 16 << 20,
      disk: 'profile',
      profile: 'server-2026',
      strategies: VMM_STRATEGIES,
      seed: 1,
      limit: 250_000,
      series: false,
    });
  });
  const of = Object.fromEntries(result.machines[0]!.strategies.map((each) => [each.strategy, each])) as Record<
    VmmStrategyName,
    (typeof result.machines)[number]['strategies'][number]
  >;
  const SUMS: Record<VmmStrategyName, { stop: VmmPhase['name'][]; start: VmmPhase['name'][] }> = {
    'warm-vm': { stop: ['suspend guests', 'hand over'], start: ['resume guests'] },
    'save-restore': { stop: ['save guests'], start: ['restore guests'] },
    'live-migration': { stop: ['migrate guests'], start: ['migrate guests back'] },
    'shutdown-boot': { stop: ['shut guests down'], start: ['boot guests'] },
    'warm-cache': { stop: ['shut guests down', 'hand over'], start: ['boot guests'] },
    'warm-cache+metadata': { stop: ['shut guests down', 'hand over'], start: ['boot guests'] },
  };

  it.each(VMM_STRATEGIES)('the result of a reboot under %s sums its phases', (strategy) => {
    const { stopNs, startNs, totalNs, timeline } = of[strategy];
    const length = (names: readonly VmmPhase['name'][]): number =>
      sum(timeline.filter(({ name }) => names.includes(name)).map((phase) => phase.endNs - phase.startNs));
    expect(stopNs).toBe(length(SUMS[strategy].stop));
    expect(startNs).toBe(length(SUMS[strategy].start));
    expect(totalNs).toBe(timeline.at(-1)!.endNs);
    expect(stopNs).toBeGreaterThan(0);
    expect(startNs).toBeGreaterThan(0);
    // One after the other, without a gap; they begin when the reboot does.
    expect(timeline[0]!.startNs).toBe(0);
    for (let n = 1; n < timeline.length; n++) expect(timeline[n]!.startNs).toBe(timeline[n - 1]!.endNs);
  });

  it.each(VMM_STRATEGIES)(
    'the result of a reboot under %s reads the limit in each run, and moves what it says',
    (strategy) => {
      const { reads, verified, diskBytes, networkBytes, guests } = of[strategy];
      for (const { bytes, ns } of Object.values(reads)) {
        expect(bytes).toBe(2 * 250_000);
        expect(ns).toBeGreaterThan(0);
      }
      expect(verified).toMatchObject({ bytes: 3 * 2 * 250_000, mismatches: 0 });
      const memory = 2 * (16 << 20);
      const saves = strategy === 'save-restore';
      expect(diskBytes.written > memory && diskBytes.read > memory).toBe(saves);
      if (!saves) expect(diskBytes).toEqual({ written: 0, read: 0 });
      // There and back.
      expect(networkBytes > 2 * memory).toBe(strategy === 'live-migration');
      if (strategy !== 'live-migration') expect(networkBytes).toBe(0);
      for (const { pagesReused } of guests) expect(pagesReused > 0).toBe(strategy.startsWith('warm-cache'));
    },
  );

  it('the result of a reboot of the hypervisor counts the files and bytes of one guest', () => {
    // The disk has what the limit leaves of the directory.
    expect(result).toMatchObject({ files: 3, bytes: 250_000, limit: 250_000 });
  });
});
