// A page with every chart of the kit, with names and figures as long as they come.
import { barChart } from '../../src/report/kit/bars.ts';
import { curveChart } from '../../src/report/kit/curves.ts';
import { beside, figure } from '../../src/report/kit/figure.ts';
import { ganttChart } from '../../src/report/kit/gantt.ts';
import { lossChart } from '../../src/report/kit/losses.ts';
import { renderGrid } from '../../src/report/kit/grids.ts';
import { renderPage, section } from '../../src/report/kit/page.ts';
import { timeChart } from '../../src/report/kit/panels.ts';
import { ratioChart } from '../../src/report/kit/ratios.ts';
import { segmentsAround } from '../../src/report/kit/scales.ts';
import { tornadoChart } from '../../src/report/kit/tornado.ts';

const said = { title: 'A chart of the kit', description: 'It shows figures that are made up.' };
const NAMES = ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata', 'rio', 'rio+warm-cache'];

const requests = timeChart({
  ...{ id: 'requests', ...said, unit: 'requests/s', axis: 'seconds from the start of the reboot' },
  segments: segmentsAround(
    NAMES.map((_, n) => ({ downFrom: 0, up: 6, recovered: 6 + 0.04 * 4 ** n })),
    2,
  ),
  panels: NAMES.map((name, n) => ({
    name,
    note: `back to 90 % after ${4 ** n} s`,
    down: { from: 0, to: 6 + n / 100 },
    lines: [
      {
        label: 'answered',
        spans: [
          { from: -2, to: 0, value: 12_345 },
          { from: 6 + n / 100, to: 6 + 0.04 * 4 ** n, value: 1234 },
        ],
      },
      { label: 'late', spans: [{ from: 6 + n / 100, to: 6 + 0.03 * 4 ** n, value: 234 }] },
    ],
  })),
});
const curve = (id: string) =>
  curveChart({
    ...{ id, ...said, unit: 's', axis: 'memory of one guest, MiB', extent: { x: [256, 12_288], y: 130 } },
    lines: NAMES.map((name, n) => ({
      name,
      points: [256, 300, 512, 1024, 2048, 12_288].map((x) => ({
        ...{ x, y: (n + 1) * Math.log2(x), range: [n + 1, (n + 1.5) * Math.log2(x)] as const },
        ...(x === 1024 ? { slide: (n + 1) * 9 } : {}),
      })),
    })),
  });
const phases = ganttChart({
  ...{ id: 'phases', ...said, axis: 'seconds from the start of the reboot' },
  rows: NAMES.map((name, n) => ({
    name,
    note: `service down for ${1000 + n}.25 s`,
    phases: [0, 1, 2, 3, 4].map((kind) => ({
      ...{ kind, label: 'a phase' },
      ...{ from: 10 ** (kind - 2) * n, to: 10 ** (kind - 2) * n + 10 ** (kind - 3) },
    })),
    silences: [{ label: 'guest0 does not answer', from: -0.5, to: 3 * n }],
  })),
});
const losses = lossChart({
  ...{ id: 'losses', ...said },
  rows: NAMES.map((name, n) => ({
    ...{ name, kept: 1000 - n, lost: n, note: `${1000 * n} of 1,234,567 lost` },
    say: (amount) => `${amount} bytes`,
  })),
});
const tornado = tornadoChart({
  ...{ id: 'tornado', ...said, unit: '% of the second run', base: 28.8 },
  rows: ['the media rate of the drive', 'the distance of two indirect blocks', 'a revolution'].map((name, n) => ({
    name,
    ends: [
      { value: 28.8 - 3.33 / (n + 1), when: '55 MB/s' },
      { value: 28.8 + 22.2 / (n + 1), when: '70 MB/s' },
    ],
  })),
});
const ratios = ratioChart({
  ...{ id: 'ratios', ...said },
  rows: ['save 1 VM of 1 GB', 'boot 6 VMs of 256 MB', 'file read, share of the second run'].map((label, n) => ({
    ...{ label, kind: n === 0 ? 'fitted' : 'predicted', unit: n === 2 ? '%' : 's' },
    ...{ ours: 20 * (n + 1), slide: 28, range: [10 * (n + 1), 30 * (n + 1)] as const },
  })),
});
const bars = barChart({
  ...{ id: 'bars', ...said, unit: 'MB/s' },
  groups: NAMES.map((name, n) => ({
    name,
    bars: [
      { label: 'before, 1st', value: 10 ** n, fill: 'outline' as const },
      { label: 'after, 1st', value: 0, fill: 'solid' as const },
      { label: 'after, 2nd', value: 123_456, fill: 'pale' as const },
    ],
  })),
});

export const KIT_PAGE = renderPage({
  title: 'every chart of the kit',
  heading: 'Every chart of the kit',
  sentence: 'A sentence says who wins.',
  verdict: { line: 'nothing is verified', isGood: true },
  details: '',
  sections: [
    section(
      'All charts',
      [requests, bars, curve('curve'), phases, losses, tornado, ratios].map((chart) =>
        figure(chart, { caption: 'A chart' }),
      ),
    ),
    section('Two beside each other', [
      beside(figure(curve('ours'), { caption: 'Ours' }), figure(curve('slides'), { caption: 'The slides' })),
      renderGrid({
        question: 'How long does it take?',
        heads: ['suspend, save,\nshut down, s', 'an hour', 'a day', 'a year'],
        rows: NAMES.map((label) => ({
          label,
          cells: ['1', '2', '3', '4'].map((value) => ({ value, note: 'slide 28' })),
        })),
      }),
    ]),
  ],
  run: [['digest', '0123456789abcdef']],
  costs: { profile: 'pentium4-2006', fitted: [] },
});
