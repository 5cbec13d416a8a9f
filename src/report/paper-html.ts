/**
 * The paper's figures beside ours as one self-contained HTML page (kit/page.ts). It has every
 * figure with its range and reason, charts as the slides have them, and tornados.
 */

import type { PaperOutcome } from '../experiment/paper/paper.ts';
import type { PaperResult } from '../experiment/paper/result.ts';
import { CURVE_NOTE, CURVE_TITLE, gainChart, shareChart } from './curve.ts';
import { figure } from './kit/figure.ts';
import { renderGrid } from './kit/grids.ts';
import { html, type Markup, withCode } from './kit/markup.ts';
import { renderPage, section } from './kit/page.ts';
import {
  besideChart,
  figuresChart,
  machinesChart,
  readingsChart,
  resonanceChart,
  TITLES,
  tornadoOf,
} from './paper-charts.ts';
import {
  CELL_HEADS,
  cellsOf,
  paperParameters,
  paperVerification,
  reasonsOf,
  resonanceOf,
  studyOf,
  summaryOf,
} from './paper-measures.ts';
import { webChart } from './web-chart.ts';

const WEB_KEYS = [
  { style: 'key-line', label: 'requests answered a second' },
  { style: 'key-down', label: 'until the service returned' },
  { style: 'key-begin', label: 'start of the reboot' },
];
const RING = [{ style: 'key-ring', label: 'figure of the slides' }];
/** Figures that charts of the slides' web server show. */
const WEB = /^(web server|throughput lost)/;

/** The whole page. */
export function renderPaperHtml({ result, mismatches }: PaperOutcome): string {
  const { line, allEqual } = paperVerification(result);
  const downtimes = result.figures.filter(({ name }) => name.endsWith('service down'));
  return renderPage({
    title: "stillwarm: the paper's figures",
    heading: 'The paper’s figures, and ours',
    sentence: summaryOf(result),
    verdict: { line, isGood: allEqual },
    details: mismatches.length === 0 ? '' : html`<ul>${mismatches.map((what) => html`<li>${what}</li>`)}</ul>`,
    sections: [
      section(
        'Ours over the slides’',
        [figure(figuresChart(result))],
        'Bars are ranges, with all constants moved within their own. The band is what is within a tenth.',
      ),
      section('The figures', [table(result), ...reasons(result), html`<p>${withCode(studyOf(result))}</p>`]),
      machines(result, 'memory', 'The hypervisor’s reboot over the memory of a guest'),
      machines(result, 'vms', 'The hypervisor’s reboot over the number of guests'),
      section('Downtime', [figure(besideChart('downtimes', 'Service downtime', downtimes))]),
      section('A file read', [
        figure(readingsChart(result)),
        ...result.figures
          .filter(({ name }) => name.startsWith('files'))
          .map((each, n) => figure(besideChart(`files-${n}`, each.name, [each]))),
        html`<p>${resonanceOf(result)}</p>`,
        figure(resonanceChart(result)),
      ]),
      section(
        CURVE_TITLE,
        [figure(gainChart(result.domain0Curve)), figure(shareChart(result.domain0Curve))],
        CURVE_NOTE,
      ),
      section('A web server, and its throughput over time', [
        ...webServer(result),
        figure(webChart(result.services), { keys: WEB_KEYS }),
      ]),
      tornados(result),
    ],
    run: paperParameters(result),
    costs: result,
  });
}

const table = ({ figures }: PaperResult): Markup =>
  renderGrid({
    question: 'How near is each figure?',
    heads: CELL_HEADS,
    rows: figures.map((each) => ({ label: each.name, cells: cellsOf(each).map((value) => ({ value })) })),
  });

const reasons = (result: PaperResult): Markup[] =>
  reasonsOf(result).map(({ reason, names }) => html`<p><b>${names.join('; ')}</b>: ${withCode(reason)}.</p>`);

function machines(result: PaperResult, over: 'memory' | 'vms', title: string): Markup {
  const charts = (['stop', 'start', 'downtime'] as const).map((measure) =>
    figure(machinesChart(result, over, measure), { caption: TITLES[measure], keys: RING }),
  );
  return section(title, charts);
}

/** Figures of one unit in one chart, beside the slides'. */
function webServer({ figures }: PaperResult): Markup[] {
  const own = figures.filter(({ name }) => WEB.test(name));
  const units = [...new Set(own.map(({ unit }) => unit))];
  return units.map((unit, n) => {
    const ofUnit = own.filter((each) => each.unit === unit);
    return figure(besideChart(`web-${n}`, 'A web server around the reboot', ofUnit));
  });
}

function tornados({ figures }: PaperResult): Markup | '' {
  const charts = figures.flatMap((each, n) => {
    const chart = tornadoOf(each, `tornado-${n}`);
    return chart === undefined ? [] : [figure(chart, { caption: each.name })];
  });
  const note = 'Each constant is moved to the ends of its range, and the others stay.';
  return charts.length === 0 ? '' : section('What moves the predicted figures most', charts, note);
}
