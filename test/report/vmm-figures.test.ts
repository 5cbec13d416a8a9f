/**
 * Every figure of the printed tables, of the page and of the charts of `stillwarm vmm-reboot`.
 * Inputs are such that no two are equal, and the arithmetic is written here.
 */

import { describe, expect, it } from 'vitest';
import type { VmmExperimentResult, VmmMeasurement, VmmStrategyResult } from '../../src/experiment/vmm/result.ts';
import { downtimeChart, seriesChart } from '../../src/report/vmm-charts.ts';
import { renderVmmHtml } from '../../src/report/vmm-html.ts';
import { seriesOf } from '../../src/report/vmm-measures.ts';
import { renderVmmText } from '../../src/report/vmm-text.ts';
import { boxesOf, htmlRowsOf, marksOf, onScale, ringsOf, rowsOf, scaleOf, textsOf } from './printed.ts';

const GIB = 1 << 30;
const S = 1_000_000_000;

const WARM: VmmStrategyResult = {
  strategy: 'warm-vm',
  stopNs: 1.5 * S,
  startNs: 2.5 * S,
  totalNs: 62 * S,
  guests: [
    {
      name: 'guest0',
      outcome: 'continued',
      reason: undefined,
      downtimeNs: 20 * S,
      downFromNs: 10 * S,
      requests: { answered: 1_000, failed: 30 },
      keptConnection: true,
      keptSession: true,
      pagesRead: 1,
      pagesReused: 2,
      boots: { before: { ns: 8 * S, bytes: 1_000, pagesRead: 11, pagesReused: 0 }, after: null },
    },
    {
      name: 'guest1',
      outcome: 'continued',
      reason: undefined,
      downtimeNs: 35 * S,
      downFromNs: 12 * S,
      requests: { answered: 234, failed: 4_000 },
      keptConnection: true,
      keptSession: true,
      pagesRead: 3,
      pagesReused: 4,
      boots: { before: { ns: 9 * S, bytes: 2_000, pagesRead: 11, pagesReused: 0 }, after: null },
    },
    {
      name: 'guest2',
      outcome: 'booted',
      reason: 'a torn record',
      downtimeNs: 15 * S,
      downFromNs: 14 * S,
      requests: { answered: 5, failed: 600 },
      keptConnection: false,
      keptSession: true,
      pagesRead: 5,
      pagesReused: 6,
      boots: {
        before: { ns: 7 * S, bytes: 3_000, pagesRead: 1_201, pagesReused: 0 },
        after: { ns: 4.5 * S, bytes: 3_000, pagesRead: 1_202, pagesReused: 1_203 },
      },
    },
  ],
  // Megabytes of 10^6 bytes: 5 and 7; over the network 11.
  diskBytes: { written: 5_000_000, read: 7_000_000 },
  networkBytes: 11_000_000,
  timeline: [
    { name: 'domain 0 shutdown', startNs: 0, endNs: 10 * S },
    { name: 'suspend guests', startNs: 10 * S, endNs: 11 * S },
    { name: 'hand over', startNs: 11 * S, endNs: 11.5 * S },
    { name: 'reset and boot', startNs: 12 * S, endNs: 59 * S },
    { name: 'resume guests', startNs: 59.5 * S, endNs: 62 * S },
  ],
  // 2, 40 and 3 MB/s.
  reads: {
    first: { bytes: 4_000_000, ns: 2 * S },
    cached: { bytes: 4_000_000, ns: 0.1 * S },
    after: { bytes: 6_000_000, ns: 2 * S },
  },
  domain0: null,
  verified: { pages: 1_001, bytes: 1_002, mismatches: 0 },
};

const COLD: VmmStrategyResult = {
  ...WARM,
  strategy: 'shutdown-boot',
  stopNs: 12.25 * S,
  startNs: 11.75 * S,
  totalNs: 80 * S,
  guests: WARM.guests.map((guest, n) => ({
    ...guest,
    outcome: n === 0 ? ('lost' as const) : ('booted' as const),
    reason: n === 0 ? 'it does not shut down' : undefined,
    downtimeNs: (70 + n) * S,
    downFromNs: 1 * S,
    requests: { answered: 7 + n, failed: 8_000 },
    keptConnection: false,
    keptSession: n === 2,
    boots: {
      before: { ns: (10 + n) * S, bytes: 3_000, pagesRead: 9, pagesReused: 0 },
      after: n === 0 ? null : { ns: (6 + 2 * n) * S, bytes: 3_000, pagesRead: 500 + n, pagesReused: 600 + n },
    },
  })),
  diskBytes: { written: 0, read: 123_456_789 },
  networkBytes: 0,
  timeline: [
    { name: 'shut guests down', startNs: 0, endNs: 12 * S },
    { name: 'domain 0 shutdown', startNs: 12 * S, endNs: 20 * S },
    { name: 'reset and boot', startNs: 20 * S, endNs: 68 * S },
    { name: 'boot guests', startNs: 68 * S, endNs: 80 * S },
  ],
  reads: { first: WARM.reads.first, cached: { bytes: 0, ns: 0 }, after: { bytes: 5_000_000, ns: 4 * S } },
  domain0: null,
  verified: { pages: 2_001, bytes: 2_002, mismatches: 0 },
};

const asked: VmmMeasurement = { vms: 3, memory: 1.5 * GIB, domain0Cache: null, strategies: [WARM, COLD] };
const RESULT: VmmExperimentResult = {
  schema: 'stillwarm/vmm-reboot@1',
  set: [{ constant: 'guest.syscallNs', value: 300 }],
  seed: 43,
  digest: '00112233445566aa',
  profile: 'pentium4-2006',
  arch: 'x86_32',
  disk: 'profile',
  files: 9_285,
  // 250 MB, 238 MiB; 16.8 MB, 16 MiB.
  bytes: 250_000_000,
  limit: 16_777_216,
  backend: 'partition',
  machines: [asked],
  fitted: ['guest.suspendNs'],
};

/** One guest, so many times slower than the one above. */
const one = (memory: number, factor: number): VmmMeasurement => ({
  vms: 1,
  memory,
  domain0Cache: null,
  strategies: asked.strategies.map((strategy) => ({
    ...strategy,
    stopNs: strategy.stopNs * factor,
    startNs: strategy.startNs * factor,
    guests: [{ ...strategy.guests[0]!, downtimeNs: strategy.guests[0]!.downtimeNs * factor, reason: undefined }],
    verified: { pages: 1, bytes: 10, mismatches: 0 },
  })),
});

const HEAD = ['', 'warm-vm', 'shutdown-boot'];
/** By table: heads, then the cells of each strategy. */
const TABLES: readonly { readonly heads: readonly string[]; readonly rows: readonly (readonly string[])[] }[] = [
  {
    heads: ['suspend, save,\nshut down, s', 'resume, restore,\nboot, s', 'whole\nreboot, s', 'service\ndown, s'],
    rows: [
      ['1.50', '2.50', '62.0', '35.0'],
      ['12.3', '11.8', '80.0', '72.0'],
    ],
  },
  {
    heads: ['first\nboot, s', 'boot in the\nreboot, s', 'saved\ns', 'pages read\nby it', 'pages\nreused'],
    // Of those that booted: the longest of 11 and 12 s, of 8 and 10 s; 501 + 502, 601 + 602.
    rows: [
      ['7.00', '4.50', '2.50', '1,202', '1,203'],
      ['12.0', '10.0', '2.00', '1,003', '1,203'],
    ],
  },
  {
    heads: ['requests\nanswered', 'requests not\nanswered', 'connections\nkept', 'sessions\nkept'],
    // 1,000 + 234 + 5, 30 + 4,000 + 600; 7 + 8 + 9, 3 × 8,000.
    rows: [
      ['1,239', '4,630', '2 of 3', '3 of 3'],
      ['24', '24,000', '0 of 3', '1 of 3'],
    ],
  },
  {
    heads: ['go on', 'boot', 'are lost', 'first time\nMB/s', 'cached\nMB/s', 'after\nMB/s'],
    rows: [
      ['2', '1', '0', '2.00', '40.0', '3.00'],
      ['0', '2', '1', '2.00', '—', '1.25'],
    ],
  },
  {
    heads: ['to the\ndisk, MB', 'from the\ndisk, MB', 'over the\nnetwork, MB'],
    rows: [
      ['5.00', '7.00', '11.0'],
      ['0', '123', '0'],
    ],
  },
];
const rowsWith = (rows: readonly (readonly string[])[]): string[][] => rows.map((row, n) => [HEAD[n + 1]!, ...row]);

describe('the printed tables', () => {
  const text = renderVmmText({ result: RESULT, mismatches: [], notices: [] }, false);
  const words = text.replaceAll(/\s+/g, ' ');

  it('the printed tables have these columns and rows, and no other', () => {
    expect(rowsOf(text)).toEqual(TABLES.flatMap(({ heads, rows }) => [['', ...heads], ...rowsWith(rows)]));
  });

  it('the printed tables stand under what was run, and over the reasons and what was verified', () => {
    expect(words).toContain(
      'profile pentium4-2006; set guest.syscallNs 300; architecture x86_32; disk profile; files of each guest 9,285, 250 MB; ' +
        'read in one run, at most 16.8 MB; seed 43; digest 00112233445566aa fitted to the paper: guest.suspendNs',
    );
    expect(words).toContain('take under 3 guests of 1.5 GiB?');
    // 1,001 + 2,001 and 1,002 + 2,002.
    expect(text).toMatch(
      new RegExp(
        '\\n3 guests of 1.5 GiB, warm-vm: guest2 does not go on: a torn record\\n' +
          '3 guests of 1.5 GiB, shutdown-boot: guest0 does not go on: it does not shut down\\n' +
          'verified 3,002 pages, 3,004 bytes: all equal\\n$',
      ),
    );
  });
});

describe('the page', () => {
  it('the page has the same rows, the same heads, and the same words', () => {
    const html = renderVmmHtml({ result: RESULT, mismatches: [], notices: [] });
    expect(htmlRowsOf(html)).toEqual(TABLES.flatMap(({ rows }) => rowsWith(rows)));
    const heads = [...html.matchAll(/<th scope="col">([^<]*)<\/th>/g)].map(([, head]) => head);
    expect(heads).toEqual(TABLES.flatMap((table) => table.heads));
    expect(html).toContain('<dt>read in one run, at most</dt><dd>16.8 MB</dd>');
    expect(html).toContain('verified 3,002 pages, 3,004 bytes: all equal');
    expect(html).toContain('<li>3 guests of 1.5 GiB, warm-vm: guest2 does not go on: a torn record</li>');
  });
});

/** One guest of 256 MiB, 512 MiB and 1 GiB; two of 512 MiB. */
const SERIES: VmmExperimentResult = {
  ...RESULT,
  machines: [one(GIB, 4), one(GIB / 4, 1), { ...one(GIB / 2, 2), vms: 2 }, one(GIB / 2, 3)],
};

describe('the tables of the series', () => {
  const rows = rowsOf(renderVmmText({ result: SERIES, mismatches: [], notices: [] }, false)).slice(15);

  it('the tables of the series have a column a machine, ascending, with the figures of the slides where they have one', () => {
    const byMemory = ['', '256 MiB', '512 MiB', '1 GiB'];
    const byNumber = ['', '1', '2'];
    expect(rows).toEqual([
      byMemory,
      // 1.5 s times 1, 3 and 4; 12.25 s.
      ['warm-vm', '1.50', '4.50', '6.00\nslide 0.6,\npredicted'],
      ['shutdown-boot', '12.3', '36.8', '49.0\nslide 12,\npredicted'],
      byMemory,
      ['warm-vm', '2.50', '7.50', '10.0\nslide 0.6,\npredicted'],
      ['shutdown-boot', '11.8', '35.3', '47.0\nslide 11,\npredicted'],
      byMemory,
      ['warm-vm', '20.0', '60.0', '80.0\nslide 40,\nfitted'],
      ['shutdown-boot', '70.0', '210', '280\nslide 78,\nfitted'],
      byNumber,
      ['warm-vm', '4.50', '3.00'],
      ['shutdown-boot', '36.8', '24.5'],
      byNumber,
      ['warm-vm', '7.50', '5.00'],
      ['shutdown-boot', '35.3', '23.5'],
      byNumber,
      ['warm-vm', '60.0', '40.0'],
      ['shutdown-boot', '210', '140'],
    ]);
  });

  it('the tables of the series sum what was verified over all machines', () => {
    // Four machines, two strategies each.
    expect(renderVmmText({ result: SERIES, mismatches: [], notices: [] }, false)).toMatch(
      /\nverified 8 pages, 80 bytes: all equal\n$/,
    );
  });
});

describe('the chart of a reboot', () => {
  const chart = downtimeChart(asked).svg;
  const seconds = scaleOf(textsOf(chart, 'tick middle').map(({ x, text }) => ({ at: x, text })));
  const spanOf = ({ x, width }: { x: number; width: number }): [number, number] => [seconds(x), seconds(x + width)];
  const expectSpans = (style: string, spans: readonly (readonly [number, number])[]): void => {
    const drawn = boxesOf(chart, style).map(spanOf);
    expect(drawn).toHaveLength(spans.length);
    spans.forEach(([from, to], n) => {
      // Two tenths of a unit, of which there are 7.75 a second.
      expect(Math.abs(drawn[n]![0] - from)).toBeLessThan(0.03);
      expect(Math.abs(drawn[n]![1] - to)).toBeLessThan(0.03);
    });
  };

  it('the chart of a reboot has each phase where it was, in the colour of its kind', () => {
    expectSpans('phase-1', [
      [0, 10],
      [12, 20],
    ]);
    expectSpans('phase-0', [
      [10, 11],
      [11, 11.5],
      [0, 12],
    ]);
    expectSpans('phase-2', [
      [12, 59],
      [20, 68],
    ]);
    expectSpans('phase-3', [
      [59.5, 62],
      [68, 80],
    ]);
  });

  it('the chart of a reboot has the silence of each guest', () => {
    expectSpans('silence', [
      [10, 30],
      [12, 47],
      [14, 29],
      [1, 71],
      [1, 72],
      [1, 73],
    ]);
  });

  it('the chart of a reboot has the longest silence alone when there are many guests', () => {
    const many = { ...WARM, guests: [0, 1, 2].flatMap(() => WARM.guests) };
    const crowded = downtimeChart({ ...asked, vms: 9, strategies: [many] }).svg;
    expect(boxesOf(crowded, 'silence')).toHaveLength(1);
    const scale = scaleOf(textsOf(crowded, 'tick middle').map(({ x, text }) => ({ at: x, text })));
    const [box] = boxesOf(crowded, 'silence');
    expect(scale(box!.x)).toBeCloseTo(12, 1);
    expect(scale(box!.x + box!.width)).toBeCloseTo(47, 1);
  });

  it('the chart of a reboot has the seconds of each phase below it, with the letter of its kind', () => {
    expect(textsOf(chart, 'seconds middle').map(({ text }) => text)).toEqual([
      ...['B 10.0 s', 'A 1.00 s', 'A 0.500 s', 'C 47.0 s', 'D 2.50 s'],
      ...['A 12.0 s', 'B 8.00 s', 'C 48.0 s', 'D 12.0 s'],
    ]);
  });

  it('the chart of a reboot says how long the service was down, and in all', () => {
    expect(textsOf(chart, 'note end').map(({ text }) => text)).toEqual([
      'service down for 35.0 s',
      'service down for 72.0 s',
    ]);
    expect(chart).toContain(
      'warm-vm: 62.0 s in all, service down for 35.0 s. shutdown-boot: 80.0 s in all, service down for 72.0 s.',
    );
  });
});

describe('the charts of the series', () => {
  const [byMemory, byNumber] = seriesOf(SERIES);

  it.each([
    ['stop', [1.5, 4.5, 6], [12.25, 36.75, 49], [0.6, 12]],
    ['start', [2.5, 7.5, 10], [11.75, 35.25, 47], [0.6, 11]],
    ['downtime', [20, 60, 80], [70, 210, 280], [40, 78]],
  ] as const)(
    'the charts of the series of %s have their figures over the memory, and those of the slides',
    (measure, warm, cold, slides) => {
      const chart = onScale(seriesChart(SERIES, byMemory!, measure, 'it').svg, 'linear');
      const seconds = scaleOf(textsOf(chart, 'tick end').map(({ y, text }) => ({ at: y - 5, text })));
      const memory = scaleOf(textsOf(chart, 'tick middle').map(({ x, text }) => ({ at: x, text })));
      const near = (drawn: number, value: number, top: number): void => {
        expect(Math.abs(drawn - value)).toBeLessThan(top / 500);
      };
      const dots = marksOf(chart);
      expect(dots).toHaveLength(6);
      [...warm, ...cold].forEach((value, n) => {
        near(seconds(dots[n]!.y), value, cold[2] * 1.5);
        near(memory(dots[n]!.x), [256, 512, 1024][n % 3]!, 1024);
      });
      const rings = ringsOf(chart);
      expect(rings).toHaveLength(2);
      slides.forEach((value, n) => {
        near(seconds(rings[n]!.y), value, cold[2] * 1.5);
        near(memory(rings[n]!.x), 1024, 1024);
      });
    },
  );

  it('the charts of the series go over the numbers of guests, too, without a ring', () => {
    const chart = seriesChart(SERIES, byNumber!, 'stop', 'it').svg;
    expect(textsOf(chart, 'tick middle').map(({ text }) => text)).toEqual(['1', '2']);
    expect(textsOf(chart, 'caption middle').map(({ text }) => text)).toEqual(['guests of 512 MiB']);
    expect(ringsOf(chart)).toEqual([]);
    expect(chart).toContain('warm-vm: 4.50 s at 1, 3.00 s at 2. shutdown-boot: 36.8 s at 1, 24.5 s at 2.');
  });
});
