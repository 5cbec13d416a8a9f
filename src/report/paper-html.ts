/**
 * The paper's figures beside ours as one self-contained HTML page (kit/page.ts). It has every
 * figure with its range and reason, charts as the slides have them, and tornados.
 */

import type { PaperOutcome } from '../experiment/paper/paper.ts';
import type { PaperFigureResult, PaperResult } from '../experiment/paper/result.ts';
import { figure } from './kit/figure.ts';
import { html, lines, type Markup } from './kit/markup.ts';
import { renderFitted, renderPage } from './kit/page.ts';
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

const RING = [{ style: 'key-ring', label: 'figure of the slides' }];
/** Kinds of figures that charts of the slides' web server show. */
const WEB = /^(web server|throughput lost)/;

/** The whole page. */
export function renderPaperHtml({ result, mismatches }: PaperOutcome): string {
  const { line, allEqual } = paperVerification(result);
  return renderPage(
    "stillwarm: the paper's figures",
    html`<header>
<p class="program">stillwarm</p>
<h1>The paper’s figures, and ours</h1>
<p class="headline">${summaryOf(result)}</p>
<p class="verdict ${allEqual ? 'good' : 'bad'}"><b aria-hidden="true">${allEqual ? '✓' : '✗'}</b> ${line}</p>
${mismatches.length === 0 ? '' : html`<ul>${mismatches.map((what) => html`<li>${what}</li>`)}</ul>`}
</header>
<section>
<h2>Ours over the slides’</h2>
<p>Bars are ranges, with all constants moved within their own. The band is what is within a tenth.</p>
${figure(figuresChart(result))}
</section>
<section>
<h2>The figures</h2>
${renderTable(result)}
${lines(reasonsOf(result).map(({ reason, names }) => html`<p><b>${names.join('; ')}</b>: ${reason}.</p>`))}
<p>${studyOf(result)}</p>
</section>
${renderMachines(result, 'memory', 'The hypervisor’s reboot over the memory of a guest')}
${renderMachines(result, 'vms', 'The hypervisor’s reboot over the number of guests')}
<section>
<h2>Downtime</h2>
${figure(
  besideChart(
    'downtimes',
    'Service downtime',
    result.figures.filter(({ name }) => name.endsWith('service down')),
  ),
)}
</section>
<section>
<h2>A file read</h2>
${figure(readingsChart(result))}
${lines(
  result.figures
    .filter(({ name }) => name.startsWith('files'))
    .map((each, n) => figure(besideChart(`files-${n}`, each.name, [each]))),
)}
<p>${resonanceOf(result)}</p>
${figure(resonanceChart(result))}
</section>
${renderWeb(result)}
${renderTornados(result)}
<section>
<h2>What was run</h2>
<dl>
${lines(paperParameters(result).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`))}
</dl>
<p>The same seed gives the same digest, byte for byte.</p>
</section>
<section>
<h2>Where the times come from</h2>
${renderFitted(result)}
</section>`,
  );
}

function renderTable(result: PaperResult): Markup {
  const body = result.figures.map(
    (each) => html`<tr><th scope="row">${each.name}</th>${cellsOf(each).map((cell) => html`<td>${cell}</td>`)}</tr>`,
  );
  return html`<div class="scroll" tabindex="0" role="region" aria-label="The figures">
<table>
<thead><tr><td></td>${CELL_HEADS.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>
${lines(body)}
</tbody>
</table>
</div>`;
}

function renderMachines(result: PaperResult, over: 'memory' | 'vms', title: string): Markup {
  const charts = (['stop', 'start', 'downtime'] as const).map((measure) =>
    figure(machinesChart(result, over, measure), { caption: TITLES[measure], keys: RING }),
  );
  return html`<section>
<h2>${title}</h2>
${lines(charts)}
</section>`;
}

/** The web server's figures beside the slides', or why there are none of ours. */
function renderWeb({ figures }: PaperResult): Markup {
  const own = figures.filter(({ name }) => WEB.test(name));
  const units = [...new Set(own.map(({ unit }) => unit))];
  const charts = units.map((unit, n) =>
    figure(
      besideChart(
        `web-${n}`,
        'A web server around the reboot',
        own.filter((each) => each.unit === unit),
      ),
    ),
  );
  return html`<section>
<h2>A web server, and its throughput over time</h2>
${lines(charts)}
</section>`;
}

function renderTornados({ figures }: PaperResult): Markup | '' {
  const charts = figures.flatMap((each: PaperFigureResult, n) => {
    const chart = tornadoOf(each, `tornado-${n}`);
    return chart === undefined ? [] : [figure(chart, { caption: each.name })];
  });
  if (charts.length === 0) return '';
  return html`<section>
<h2>What moves the predicted figures most</h2>
<p>Each constant is moved to the ends of its range, and the others stay.</p>
${lines(charts)}
</section>`;
}
