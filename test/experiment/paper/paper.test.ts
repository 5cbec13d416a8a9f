import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runInOrder } from '../../../src/experiment/guest/runs.ts';
import { paperFigures } from '../../../src/experiment/paper/figures.ts';
import type { WrittenRanges } from '../../../src/experiment/paper/paper.ts';
import { PAPER_RUNS, type PaperJob, type PaperRun } from '../../../src/experiment/paper/runs.ts';
import { madeUpPaper, madeUpPart } from '../../report/paper-sample.ts';

const MIB = 1 << 20;
const figuresOf = (outcome = madeUpPaper()) =>
  new Map(outcome.result.figures.map((figure) => [figure.name, figure] as const));

describe('the registry of the figures', () => {
  it('the registry has the 23 figures of the slides: 15 of the hypervisor, 2 of files, 6 of a web server', () => {
    const ofMachine = (strategy: string, machine: string, measures: readonly string[]) =>
      measures.map((measure) => `${strategy}, ${machine}: ${measure}`);
    expect(paperFigures().map(({ name, slide: { value, unit } }) => `${name} ${value} ${unit}`)).toEqual([
      ...ofMachine('warm-vm', '1 of 1 GiB', ['suspend 0.6 s', 'resume 0.6 s', 'service down 40 s']),
      ...ofMachine('save-restore', '1 of 1 GiB', ['save 28 s', 'restore 20 s', 'service down 104 s']),
      ...ofMachine('shutdown-boot', '1 of 1 GiB', ['shut down 12 s', 'boot 11 s', 'service down 78 s']),
      ...ofMachine('warm-vm', '6 of 256 MiB', ['suspend 2.3 s', 'resume 2 s']),
      ...ofMachine('save-restore', '6 of 256 MiB', ['save 45 s', 'restore 37 s']),
      ...ofMachine('shutdown-boot', '6 of 256 MiB', ['shut down 25 s', 'boot 56 s']),
      ...['files: first run ÷ conventional 15 ×', 'files: first run ÷ second run 64 %'],
      ...['web server: first run ÷ conventional 3 ×', 'web server: first run ÷ second run 92 %'],
      ...['throughput lost, warm-cache: how much 6 %', 'throughput lost, warm-cache: how long 20 s'],
      ...['throughput lost, cold: how much 44 %', 'throughput lost, cold: how long 33 s'],
    ]);
  });

  it('each figure of the registry has runs', () => {
    for (const { name, runs } of paperFigures()) expect(runs.length, name).toBeGreaterThan(0);
    expect(paperFigures(4).flatMap(({ runs }) => runs)[0]).toMatchObject({ memory: 256 * MIB });
  });
});

describe('stillwarm paper', () => {
  it('a figure is worked out from the readings of its runs, and stands beside the slide', () => {
    const figures = figuresOf();
    const cells = (name: string) => {
      const { slide, ours, percentOff, status } = figures.get(name)!;
      return [slide, ours, percentOff, status];
    };
    expect(cells('warm-vm, 1 of 1 GiB: suspend')).toEqual([0.6, 0.5, (100 * (0.5 - 0.6)) / 0.6, 'predicted']);
    expect(cells('warm-vm, 1 of 1 GiB: service down')).toEqual([40, 51.2, (100 * (51.2 - 40)) / 40, 'fitted']);
    expect(cells('save-restore, 1 of 1 GiB: service down')).toEqual([104, 84, (100 * -20) / 104, 'predicted']);
    // Six guests.
    expect(cells('save-restore, 6 of 256 MiB: save')).toEqual([45, 90, 100, 'predicted']);
    expect(cells('shutdown-boot, 6 of 256 MiB: boot').slice(0, 2)).toEqual([56, 72]);
    // 8 s / 1 s, and 0.4 s of 1 s.
    expect(cells('files: first run ÷ conventional')).toEqual([15, 8, (100 * -7) / 15, 'predicted']);
    expect(cells('files: first run ÷ second run').slice(0, 2)).toEqual([64, 40]);
    expect(cells('web server: first run ÷ conventional')).toEqual([3, 3, 0, 'predicted']);
    expect(cells('web server: first run ÷ second run').slice(0, 2)).toEqual([92, 90]);
    expect(cells('throughput lost, warm-cache: how much')).toEqual([6, 1, (100 * -5) / 6, 'not comparable']);
    expect(cells('throughput lost, cold: how much').slice(0, 2)).toEqual([44, 40]);
    expect(cells('throughput lost, cold: how long').slice(0, 2)).toEqual([33, 1]);
  });

  it('a figure that the service did not reach is not run, and says so', () => {
    const short = (job: PaperJob) => ({
      ...madeUpPart(job),
      ...(job.run.kind === 'web server' && job.run.part === 'service' && { readings: {} }),
    });
    const figures = [...madeUpPaper({}, undefined, short).result.figures].filter(({ status }) => status === 'not run');
    expect(figures.map(({ name, ours, reason }) => [name, ours, reason])).toEqual(
      ['warm-cache: how much', 'warm-cache: how long', 'cold: how much', 'cold: how long'].map((name) => [
        `throughput lost, ${name}`,
        null,
        'the service did not come so far while it was measured',
      ]),
    );
  });

  it('the machines of the charts are one guest over memory, and one to six guests', () => {
    const { machines, readings, rates, domain0Curve, verified } = madeUpPaper().result;
    expect(machines.map(({ vms, memory }) => [vms, memory / MIB])).toEqual([
      [1, 256],
      [1, 512],
      [1, 1024],
      ...[2, 3, 4, 5, 6].map((vms) => [vms, 256]),
    ]);
    expect(machines.at(-1)!.strategies[1]).toEqual({
      strategy: 'save-restore',
      ...{ stopNs: 90e9, startNs: 114e9, downtimeNs: 254e9 },
    });
    expect(readings.map(({ strategy, firstNs }) => [strategy, firstNs])).toEqual([
      ['cold', 8e9],
      ['warm-cache', 1e9],
      ['warm-cache+metadata', 0.5e9],
    ]);
    expect(rates.map(({ mbps }) => mbps)).toEqual(Array.from({ length: 16 }, (_, n) => 55 + n));
    expect(rates[15]!.percent).toBeCloseTo((40 * 70) / 61, 6);
    expect(domain0Curve.map(({ domain0Cache, coldNs, warmNs }) => [domain0Cache / MIB, coldNs, warmNs])).toEqual(
      [0, 256, 384, 448, 500].map((mib) => [mib, 8e9, 1e9 - mib * MIB]),
    );
    // 24 reboots of the hypervisor, 3 of a guest, and 16 more with a media rate. 4 of a web server.
    // 8 over a disk that is a file.
    expect(verified).toEqual({ pages: 55, bytes: 550, mismatches: 0 });
  });

  it('what differs from the disk is told with its run, and counted', () => {
    const wrong = (job: PaperJob) => ({
      ...madeUpPart(job),
      ...(job.run.kind === 'files' && job.run.strategy === 'cold' && job.run.domain0Cache === undefined
        ? { verified: { pages: 0, bytes: 0, mismatches: 2 }, mismatches: ['byte 3', 'byte 4'] }
        : {}),
    });
    const { result, mismatches } = madeUpPaper({}, undefined, wrong);
    expect(result.verified.mismatches).toBe(2);
    expect(mismatches).toEqual([expect.stringMatching(/cold.*: byte 3$/), expect.stringMatching(/cold.*: byte 4$/)]);
  });
});

describe('the ranges of the figures', () => {
  const { result, found } = madeUpPaper({ study: true });

  it('the ranges are those of the predicted figures, with the constants that move them', () => {
    expect(found!.figures.map(({ name }) => name)).toEqual(
      result.figures.filter(({ status }) => status === 'predicted').map(({ name }) => name),
    );
    const save = figuresOf({ result, found, mismatches: [] }).get('save-restore, 1 of 1 GiB: save')!;
    const [swing, ...others] = save.range!.swings;
    expect(others).toEqual([]);
    expect(swing).toMatchObject({ constant: 'hypervisor.savePageNs' });
    // 15 s, and 1 ms a nanosecond.
    expect(swing!.atLow).toBeCloseTo(15 + (swing!.low - 7_500) / 1000, 6);
    expect(save.range!.alone).toEqual({ low: Math.min(15, swing!.atLow), high: Math.max(15, swing!.atHigh) });
    expect(save.range!.together.low).toBeGreaterThanOrEqual(save.range!.alone.low);
    expect(result.study).toMatchObject({ seed: 7, samples: 3, thresholdPercent: 0.5 });
  });

  it('ranges that are written down give the same result again', () => {
    const written = JSON.parse(JSON.stringify(found)) as WrittenRanges;
    expect(madeUpPaper({}, written).result).toEqual(result);
  });

  it('a range is not used for a figure that has changed since', () => {
    const changed = (job: PaperJob) => {
      const part = madeUpPart(job);
      return job.run.kind === 'files' ? part : { ...part, readings: { ...part.readings, stopNs: 1e9 } };
    };
    const figures = figuresOf(madeUpPaper({}, found, changed));
    expect(figures.get('save-restore, 1 of 1 GiB: save')!.range).toBeNull();
    expect(figures.get('save-restore, 1 of 1 GiB: restore')!.range).not.toBeNull();
    expect(madeUpPaper({}, { ...found!, figures: [] }).result.study).toBeNull();
  });

  it('a figure that is far off says which constant brings it near, or that none does', () => {
    const figures = figuresOf({ result, found, mismatches: [] });
    expect(figures.get('save-restore, 1 of 1 GiB: restore')!.reason).toBe('within 10 %');
    expect(figures.get('files: first run ÷ second run')!.reason).toMatch(
      /^the slides do not say .*\. No constant alone brings it within 10 % of 64 %, nor do all together$/,
    );
    const near = (job: PaperJob) => {
      const part = madeUpPart(job);
      const save = job.constants['hypervisor.savePageNs'] ?? 7_500;
      return { ...part, readings: { ...part.readings, stopNs: save === 7_500 ? 15e9 : 28e9 } };
    };
    expect(
      figuresOf(madeUpPaper({ study: true }, undefined, near)).get('save-restore, 1 of 1 GiB: save')!.reason,
    ).toMatch(/Within its range, hypervisor\.savePageNs alone brings it within 10 % of 28 s$/);
  });
});

describe('the runs behind the figures', () => {
  const RUNS: readonly PaperRun[] = [
    { kind: 'hypervisor', vms: 1, memory: 16 * MIB, strategy: 'save-restore' },
    { kind: 'files', memory: 48 * MIB, fileBytes: 4 * MIB, strategy: 'cold' },
    { kind: 'files', memory: 48 * MIB, fileBytes: 4 * MIB, strategy: 'warm-cache' },
    { kind: 'web server', part: 'runs', memory: 64 * MIB, files: { count: 3, size: 65_536 }, strategy: 'warm-cache' },
  ];
  const jobs = [
    ...RUNS.map((run): PaperJob => ({ run, constants: {} })),
    { run: RUNS[0]!, constants: { 'hypervisor.savePageNs': 107_500 } },
  ];
  const done = (order: readonly PaperJob[]) => runInOrder(PAPER_RUNS, { seed: 1, jobs: order }, () => undefined);

  it('a run gives the same whichever runs were done before it, and its job and part are plain data', () => {
    const parts = done(jobs);
    const order = [2];
    const others = done(structuredClone(order.map((n) => jobs[n]!)));
    expect(others).toEqual(order.map((n) => parts[n]));
    expect(structuredClone(parts)).toEqual(parts);
    expect(parts.flatMap(({ mismatches }) => mismatches)).toEqual([]);
    for (const { verified } of parts) expect(verified).toMatchObject({ mismatches: 0 });
    const [saved, cold, warm, server, slow] = parts.map(({ readings }) => readings);
    expect(server!['secondNs']).toBeLessThan(server!['firstBeforeNs']!);
    expect(warm!['firstNs']! * 2).toBeLessThan(cold!['firstNs']!);
    expect(warm!['secondNs']).toBe(warm!['secondBeforeNs']);
    // 0.1 ms more for each of 4,096 pages, of which some take the disk longer.
    expect((slow!['stopNs']! - saved!['stopNs']!) / 1e5).toBeGreaterThan(2_000);
  });
});

describe('the ranges that come with the program', () => {
  const written = JSON.parse(
    readFileSync(new URL('../../../data/paper-ranges.json', import.meta.url), 'utf8'),
  ) as WrittenRanges;
  const named = (name: string) => written.figures.find((spread) => spread.name === name);

  it('each predicted figure has a range that comes with the program', () => {
    const predicted = paperFigures().filter(({ slide }) => slide.status === 'predicted');
    expect(written.figures.map(({ name }) => name)).toEqual(predicted.map(({ name }) => name));
    for (const { swings, alone, together } of written.figures) {
      expect(swings.length).toBeGreaterThan(0);
      expect(alone.low).toBeLessThan(alone.high);
      expect(together.low).toBeLessThan(together.high);
    }
  });

  // Files are quick to read. `stillwarm paper` holds every figure against that of its range.
  it('the ranges of the files read are of the figures of today: else run stillwarm paper --ranges data/paper-ranges.json', () => {
    const figures = paperFigures().filter(({ slide }) => slide.kind === 'files');
    const runs = [
      ...new Map(figures.flatMap((figure) => figure.runs).map((run) => [JSON.stringify(run), run])).values(),
    ];
    const jobs = runs.map((run) => ({ run, constants: {} }));
    const parts = runInOrder(PAPER_RUNS, { seed: 1, jobs }, () => undefined);
    const readings = new Map(runs.map((run, n) => [JSON.stringify(run), parts[n]!.readings]));
    const today = figures.map(({ name, runs: own, measure }) => [
      name,
      measure(own.map((run) => readings.get(JSON.stringify(run))!)),
    ]);
    expect(figures.map(({ name }) => [name, named(name)!.value])).toEqual(today);
  });
});
