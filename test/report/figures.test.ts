/**
 * Every figure of the printed tables and of the page of `stillwarm reboot`, against inputs of which
 * no two are equal. The arithmetic is written here: no code that makes the figures is asked what
 * they should be.
 */

import { describe, expect, it } from 'vitest';
import type { RebootResult, RunResult, StrategyResult } from '../../src/experiment/guest/result.ts';
import { lostChart, runsChart, timelineChart } from '../../src/report/charts.ts';
import { renderHtml } from '../../src/report/html.ts';
import { renderText } from '../../src/report/tables.ts';
import { boxesOf, htmlRowsOf, onScale, rowsOf, textsOf } from './printed.ts';

const run = (phase: RunResult['phase'], number: RunResult['number'], bytes: number, ns: number): RunResult => ({
  phase,
  number,
  bytes,
  ns,
});

/** Reads 3, 40, 5.5 and 60 MB/s. */
const COLD: StrategyResult = {
  name: 'cold',
  runs: [
    run('before', 1, 6_000_000, 2_000_000_000),
    run('before', 2, 8_000_000, 200_000_000),
    run('after', 1, 11_000_000, 2_000_000_000),
    run('after', 2, 12_000_000, 200_000_000),
  ],
  rebootNs: 10_250_000_000,
  boots: {
    before: { ns: 5_000_000_000, bytes: 31_000_000, pagesRead: 1_101, pagesReused: 0 },
    after: { ns: 4_750_000_000, bytes: 32_000_000, pagesRead: 1_102, pagesReused: 1_103 },
  },
  pages: {
    preserved: 1_001,
    reused: 1_002,
    readAgain: 1_003,
    refused: {
      ok: 9_999,
      absent: 11,
      dirty: 12,
      inFlight: 13,
      staleBlock: 14,
      generation: 15,
      checksum: 16,
      corruptRecord: 17,
      duplicate: 18,
      bootRegion: 19,
      memoryShrank: 20,
      badTable: 21,
      badP2m: 22,
      released: 23,
      notAsked: 24,
      ioError: 25,
      otherDisk: 26,
      diskChanged: 27,
    },
    recency: 'untold',
  },
  metadataReads: 1_004,
  hypercalls: { count: 1_005, ns: 1_006, share: 0.0321 },
  writes: { bytes: 1_007, bytesLost: 1_008, dirtyPages: 1_009, pagesWrittenBack: 1_010, pagesLost: 1_011 },
  domain0: null,
  verified: { pages: 1_012, bytes: 1_013, mismatches: 0 },
  timeline: [
    { startNs: -2_200_000_000, ns: 2_000_000_000, bytes: 6_000_000 },
    { startNs: -200_000_000, ns: 200_000_000, bytes: 8_000_000 },
    { startNs: 10_250_000_000, ns: 2_000_000_000, bytes: 11_000_000 },
    { startNs: 12_250_000_000, ns: 200_000_000, bytes: 12_000_000 },
  ],
};

/** Reads 4, 80, 30 and 90 MB/s. */
const WARM: StrategyResult = {
  name: 'warm-cache',
  runs: [
    run('before', 1, 4_000_000, 1_000_000_000),
    run('before', 2, 8_000_000, 100_000_000),
    run('after', 1, 60_000_000, 2_000_000_000),
    run('after', 2, 9_000_000, 100_000_000),
  ],
  rebootNs: 8_000_000_000,
  boots: {
    before: { ns: 6_000_000_000, bytes: 33_000_000, pagesRead: 2_101, pagesReused: 0 },
    after: { ns: 2_500_000_000, bytes: 34_000_000, pagesRead: 2_102, pagesReused: 2_103 },
  },
  pages: {
    preserved: 2_001,
    reused: 2_002,
    readAgain: 2_003,
    refused: Object.fromEntries(
      Object.entries(COLD.pages.refused).map(([reason, count]) => [reason, reason === 'ok' ? 7 : count + 100]),
    ) as typeof COLD.pages.refused,
    recency: 'damaged',
  },
  metadataReads: 2_004,
  hypercalls: { count: 2_005, ns: 2_006, share: 0.00654 },
  writes: { bytes: 2_007, bytesLost: 2_008, dirtyPages: 2_009, pagesWrittenBack: 2_010, pagesLost: 2_011 },
  domain0: null,
  verified: { pages: 2_012, bytes: 2_013, mismatches: 0 },
  timeline: [
    { startNs: -1_100_000_000, ns: 1_000_000_000, bytes: 4_000_000 },
    { startNs: -100_000_000, ns: 100_000_000, bytes: 8_000_000 },
    { startNs: 8_000_000_000, ns: 2_000_000_000, bytes: 60_000_000 },
    { startNs: 10_000_000_000, ns: 100_000_000, bytes: 9_000_000 },
  ],
};

const RESULT: RebootResult = {
  schema: 'stillwarm/reboot@1',
  set: [{ constant: 'guest.syscallNs', value: 300 }],
  seed: 42,
  digest: 'fedcba9876543210',
  profile: 'server-2026',
  arch: 'x86_64',
  disk: 'nvme',
  workload: 'zipf',
  crash: true,
  checksum: true,
  expire: 77,
  backend: 'partition',
  domain0Cache: null,
  domain0Curve: [],
  // 1.5 GiB, which are 1.61 GB.
  memory: 1_610_612_736,
  files: 1_234,
  // 250 MB, which are 238 MiB.
  bytes: 250_000_000,
  strategies: [COLD, WARM],
  fitted: ['guest.copyNsPerByte'],
};

/** 3 MB/s are 6,000,000 bytes in 2 s. */
const ROWS: readonly (readonly [string, string, string])[] = [
  ['before, first run, MB/s', '3.00', '4.00'],
  ['before, second run, MB/s', '40.0', '80.0'],
  ['after, first run, MB/s', '5.50', '30.0'],
  ['after, second run, MB/s', '60.0', '90.0'],
  // 5.5 / 3 and 30 / 4.
  ['first after / first before', '1.83 ×', '7.50 ×'],
  // 5.5 / 60 and 30 / 90.
  ['first after / second after', '9.17 %', '33.3 %'],
  ['reboot, s', '10.3', '8.00'],
  ['pages preserved', '1,001', '2,001'],
  ['pages reused', '1,002', '2,002'],
  ['pages read again', '1,003', '2,003'],
  ['dirty pages at its start', '1,009', '2,009'],
  ['dirty pages written back', '1,010', '2,010'],
  ['dirty pages lost', '1,011', '2,011'],
  ['bytes written before', '1,007', '2,007'],
  ['bytes lost', '1,008', '2,008'],
  ['order of the LRU lists', 'untold', 'damaged'],
  ['refused: never kept', '11', '111'],
  ['refused: not vouched for', '12', '112'],
  ['refused: I/O in flight', '13', '113'],
  ['refused: lies elsewhere now', '14', '114'],
  ['refused: inode used anew', '15', '115'],
  ['refused: checksum differs', '16', '116'],
  ['refused: corrupt record', '17', '117'],
  ['refused: name taken twice', '18', '118'],
  ['refused: in the boot region', '19', '119'],
  ['refused: memory shrank', '20', '120'],
  ['refused: table did not parse', '21', '121'],
  ['refused: P2M did not parse', '22', '122'],
  ['refused: given back', '23', '123'],
  ['refused: nothing to keep', '24', '124'],
  ['refused: not taken by the disk', '25', '125'],
  ['refused: another disk', '26', '126'],
  ['refused: disk written by others', '27', '127'],
  ['first boot, s', '5.00', '6.00'],
  ['boot in the reboot, s', '4.75', '2.50'],
  // 5 - 4.75 and 6 - 2.5.
  ['saved of the boot, s', '0.250', '3.50'],
  ['read by services, MB', '32.0', '34.0'],
  ['boot: pages read', '1,102', '2,102'],
  ['boot: pages reused', '1,103', '2,103'],
  ['metadata reads, blocks', '1,004', '2,004'],
  ['hypercalls', '1,005', '2,005'],
  ['hypercalls, share of time', '3.21 %', '0.654 %'],
];

const of = (strategies: readonly StrategyResult[], change: Partial<RebootResult> = {}): RebootResult => ({
  ...RESULT,
  ...change,
  strategies,
});

describe('the printed tables', () => {
  const text = renderText(RESULT, [], false);

  it('the printed tables have these rows, and no other', () => {
    const head = ['', 'cold', 'warm-cache'];
    const parts = [ROWS.slice(0, 6), ROWS.slice(6, 33), ROWS.slice(33, 39), ROWS.slice(39)];
    const expected = parts.flatMap((rows) => [head, ...rows]);
    expect(rowsOf(text)).toEqual(expected);
  });

  it('the printed tables stand under what was run, and over what was verified', () => {
    const words = text.replaceAll(/\s+/g, ' ');
    expect(words).toContain(
      'files 1,234, 250 MB; workload zipf; guest memory 1.5 GiB; reboot crash, nothing flushed; ' +
        'checksums CRC-32C at every claim; unclaimed pages given back 77 s after boot began; profile server-2026; ' +
        'set guest.syscallNs 300; architecture x86_64; disk nvme; seed 42; digest fedcba9876543210 ' +
        'fitted to the paper: guest.copyNsPerByte How fast',
    );
    // 30 / 5.5, and 30 / 90.
    expect(words).toContain(
      'warm-cache reads files 5.45 × as fast as cold just after the crash (30.0 MB/s against 5.50) ' +
        'and 33.3 % as fast as the second time. ' +
        'The first run takes 2.00 s instead of 2.00 s; the service is down for 8.00 s before it.',
    );
    // 1,012 + 2,012 and 1,013 + 2,013.
    expect(words).toContain('verified 3,024 pages, 3,026 bytes: all equal');
  });

  it('the printed tables say what an orderly run without extras is', () => {
    const plain = renderText(
      of([COLD], { crash: false, checksum: false, expire: null, disk: 'profile', fitted: [] }),
      [],
      false,
    );
    const words = plain.replaceAll(/\s+/g, ' ');
    expect(words).toContain('reboot orderly; checksums off; profile server-2026;');
    expect(words).toContain('disk that of the profile;');
    expect(words).toContain('fitted to the paper: nothing');
    expect(words).not.toContain('against');
  });

  it('the printed tables say when the services of no boot have read anything', () => {
    const nothing = (strategy: StrategyResult): StrategyResult => ({
      ...strategy,
      boots: { before: { ...strategy.boots.before, bytes: 0 }, after: { ...strategy.boots.after, bytes: 0 } },
    });
    expect(text).not.toContain('No list of files');
    expect(renderText(of([nothing(COLD), WARM]), [], false)).not.toContain('No list of files');
    expect(renderText(of([nothing(COLD), nothing(WARM)]), [], false)).toContain(
      'How long does the boot in it take? (No list of files to read was found that makes sense.)',
    );
  });

  it('the printed tables say what it means when less than nothing was saved of a boot, and else nothing', () => {
    const { before } = COLD.boots;
    const slower: StrategyResult = { ...COLD, boots: { before, after: { ...before, ns: before.ns + 1e7 } } };
    const note = 'A negative figure saved of a boot: it took longer than the first one.';
    for (const printed of [renderText(of([slower, WARM]), [], false), renderHtml(of([slower, WARM]), [])]) {
      expect(printed).toContain(note);
      expect(printed).toContain('−0.0100');
    }
    expect(text).not.toContain(note);
  });

  it.each(Object.keys(COLD.pages.refused).filter((reason) => reason !== 'ok'))(
    'the printed tables leave out the reason %s, and nothing else, when no strategy has it',
    (reason) => {
      const without = (strategy: StrategyResult): StrategyResult => ({
        ...strategy,
        pages: { ...strategy.pages, refused: { ...strategy.pages.refused, [reason]: 0 } },
      });
      const labels = rowsOf(renderText(of([without(COLD), without(WARM)]), [], false)).map(([label]) => label);
      const gone = ROWS.find(([, cold]) => cold === String(COLD.pages.refused[reason as 'dirty']))![0];
      expect(labels.filter((label) => label !== '')).toEqual(
        ROWS.map(([label]) => label).filter((each) => each !== gone),
      );
      // One of them is enough.
      expect(rowsOf(renderText(of([without(COLD), WARM]), [], false)).map(([label]) => label)).toContain(gone);
    },
  );

  it('the printed tables leave out what was written when nothing was, and the order of the lists when it was whole', () => {
    const read = (strategy: StrategyResult): StrategyResult => ({
      ...strategy,
      writes: { ...strategy.writes, bytes: 0 },
      pages: { ...strategy.pages, recency: 'told' },
    });
    const labels = rowsOf(renderText(of([read(COLD), read(WARM)]), [], false)).map(([label]) => label);
    expect(labels.filter((label) => label !== '')).toEqual(
      ROWS.map(([label]) => label).filter((label) => !/dirty pages|bytes|order/.test(label)),
    );
  });

  it('the printed tables count what is not equal', () => {
    const bad = (strategy: StrategyResult, mismatches: number): StrategyResult => ({
      ...strategy,
      verified: { ...strategy.verified, mismatches },
    });
    expect(renderText(of([bad(COLD, 1_000), bad(WARM, 234)]), [], false)).toMatch(
      /\nverified 3,024 pages, 3,026 bytes: 1,234 NOT EQUAL\n$/,
    );
  });
});

describe('the page', () => {
  it('the page has the same rows', () => {
    expect(htmlRowsOf(renderHtml(RESULT, []))).toEqual(ROWS);
  });

  it('the page says what was run in units of its own', () => {
    const html = renderHtml(RESULT, []);
    for (const [name, value] of [
      ['files', '1,234, 250 MB'],
      ['guest memory', '1.5 GiB'],
      ['seed', '42'],
    ])
      expect(html).toContain(`<div><dt>${name!}</dt><dd>${value!}</dd></div>`);
    expect(html).toContain('<title>stillwarm: reboot of a guest with 1,234 files</title>');
    expect(html).toContain('verified 3,024 pages, 3,026 bytes: all equal');
  });
});

describe('the bars', () => {
  const both = runsChart(RESULT).svg;
  const chart = onScale(both, 'linear');
  const EXPECTED = [
    ['bar-outline', 3, 4],
    ['bar-solid', 5.5, 30],
    ['bar-pale', 60, 90],
  ] as const;

  it('the bars are as long as their figures say, of one scale, beside their labels', () => {
    const [longest] = boxesOf(chart, 'bar-pale').slice(-1);
    for (const [style, cold, warm] of EXPECTED) {
      const boxes = boxesOf(chart, style);
      // The longest bar is that of the fastest run, of 90 MB/s.
      for (const [n, value] of [cold, warm].entries())
        expect(boxes[n]!.width).toBeCloseTo((value / 90) * longest!.width, 0);
      expect(new Set(boxes.map(({ x }) => x)).size).toBe(1);
    }
    expect(longest!.width).toBeGreaterThan(300);
    const shown = textsOf(chart, 'value').map(({ text }) => text);
    expect(shown).toEqual(['3.00', '5.50', '60.0', '4.00', '30.0', '90.0']);
    const labels = textsOf(chart, 'tick end');
    expect(labels.map(({ text }) => text)).toEqual([0, 1].flatMap(() => ['before, 1st', 'after, 1st', 'after, 2nd']));
    EXPECTED.forEach(([style], n) => {
      boxesOf(chart, style).forEach(({ y, height }, strategy) => {
        const label = labels[3 * strategy + n]!;
        expect(label.y).toBeGreaterThan(y);
        expect(label.y).toBeLessThan(y + height);
      });
    });
  });

  it('the bars are as long as the logarithms say on the other scale, from 1 MB/s on', () => {
    const log = onScale(both, 'log');
    const unit = boxesOf(log, 'bar-pale')[1]!.width / Math.log10(90);
    for (const [style, cold, warm] of EXPECTED)
      for (const [n, value] of [cold, warm].entries())
        expect(boxesOf(log, style)[n]!.width).toBeCloseTo(Math.log10(value) * unit, 0);
    expect(textsOf(log, 'tick').map(({ text }) => text)).toEqual(['MB/s, logarithmic from 1']);
  });

  it('the bars are described', () => {
    expect(chart).toContain(
      'cold: 3.00 first before the reboot, 5.50 first after, 60.0 second after. ' +
        'warm-cache: 4.00 first before the reboot, 30.0 first after, 90.0 second after.',
    );
    expect(chart).toContain('<title>warm-cache, after, 1st: 30.0 MB/s</title>');
  });
});

describe('the throughput over time', () => {
  const chart = timelineChart(RESULT).svg;
  const panels = onScale(chart, 'linear').split('<g class="mark-').slice(1);
  /** What the places of a panel say: from, to, and the figure. */
  const saidIn = (panel: string): { from: number; to: number; says: string }[] =>
    [...panel.matchAll(/<title>[^,]*, (-?[\d.]+) to (-?[\d.]+) s: ([^<]*)<\/title>/g)].map(([, from, to, says]) => ({
      from: Number(from),
      to: Number(to),
      says: says!,
    }));

  it.each([
    ['cold', 0, COLD, 10.25],
    ['warm-cache', 1, WARM, 8],
  ] as const)('the throughput over time of %s says what was measured, where it was measured', (_, n, strategy, up) => {
    const said = saidIn(panels[n]!);
    for (const { from, to, says } of said) {
      const whole = strategy.timeline.find(
        ({ startNs, ns }) => startNs / 1e9 <= from - 0.06 && to + 0.06 <= (startNs + ns) / 1e9,
      );
      if (whole !== undefined) expect(Number.parseFloat(says)).toBeCloseTo((whole.bytes * 1000) / whole.ns, 1);
      if (from > 0.06 && to < up - 0.06) expect(says).toBe('down');
    }
    expect(said.filter(({ says }) => says !== 'down').length).toBeGreaterThan(10);
    expect(said.some(({ says }) => says === 'down')).toBe(true);
  });

  it('the throughput over time breaks the axis at the reboot and where the first service is back', () => {
    for (const [n, down, takes] of [
      [0, '10.3', '2.00'],
      [1, '8.00', '2.00'],
    ] as const) {
      const panel = panels[n]!;
      expect(panel.match(/class="break"/g)).toHaveLength(2);
      expect(textsOf(panel, 'halo middle').map(({ text }) => text)).toEqual([`${down} s`]);
      expect(textsOf(panel, 'note end').map(({ text }) => text)).toEqual([`first run takes ${takes} s`]);
      const begin = Number(/class="begin" d="M([\d.]+) /.exec(panel)![1]);
      expect(boxesOf(panel, 'down')[0]!.x).toBeCloseTo(begin, 5);
    }
    // Both are away until 8 s. The longer absence reaches over the zigzag.
    const [cold, warm] = panels.map((panel) => boxesOf(panel, 'down')[0]!);
    expect(cold!.x).toBe(warm!.x);
    expect(cold!.width).toBeGreaterThan(warm!.width + 50);
  });

  it('the throughput over time is described', () => {
    expect(chart).toContain(
      'cold: out of service for 10.3 s, then a first run at 5.50 MB/s that lasts 2.00 s. ' +
        'warm-cache: out of service for 8.00 s, then a first run at 30.0 MB/s that lasts 2.00 s.',
    );
  });
});

describe('what a crash lost', () => {
  const write = (strategy: StrategyResult, bytes: number, bytesLost: number): StrategyResult => ({
    ...strategy,
    writes: { ...strategy.writes, bytes, bytesLost },
  });

  it('what a crash lost is as wide as its share of what was written', () => {
    const chart = lostChart(of([write(COLD, 4_000_000, 1_000_000), write(WARM, 2_000_000, 0)])).svg;
    // The most written, of 4 MB, is 640 units wide.
    expect(boxesOf(chart, 'kept').map(({ x, width }) => [x, width])).toEqual([
      [0, 480],
      [0, 320],
    ]);
    expect(boxesOf(chart, 'lost').map(({ x, width }) => [x, width])).toEqual([[480, 160]]);
    expect(textsOf(chart, 'note end').map(({ text }) => text)).toEqual(['1 MB lost', '2 MB, none lost']);
    expect(chart).toContain('cold: 1 MB of 4 MB lost. warm-cache: 0 B of 2 MB lost.');
  });

  it('what a crash lost is seen however little it is', () => {
    const [lost] = boxesOf(lostChart(of([write(COLD, 4_000_000, 1)])).svg, 'lost');
    expect(lost!.width).toBe(3);
    expect(lost!.x + lost!.width).toBe(640);
  });

  it('what a crash lost is in the page when something was written, and only then', () => {
    expect(renderHtml(RESULT, [])).toContain('<h2>What the crash lost</h2>');
    expect(renderHtml(of([write(COLD, 0, 0)]), [])).not.toContain('lost</h2>');
  });
});
