/**
 * The result of reboots of the hypervisor as one self-contained HTML page (kit/page.ts): charts
 * (vmm-charts.ts) and every figure.
 */

import type { VmmExperimentOutcome } from '../experiment/vmm/experiment.ts';
import type { VmmExperimentResult } from '../experiment/vmm/result.ts';
import type { VmmMeasure } from '../slides/figures.ts';
import { figure } from './kit/figure.ts';
import { html, lines, type Markup } from './kit/markup.ts';
import { renderFitted, renderPage } from './kit/page.ts';
import { downtimeChart, PHASE_KEYS, seriesChart } from './vmm-charts.ts';
import {
  grids,
  machineName,
  MEASURES,
  parametersOf,
  reasonsOf,
  seriesOf,
  verificationOf,
  type Grid,
} from './vmm-measures.ts';
import { renderVmmMismatches } from './vmm-text.ts';
import { vmmWinner } from './vmm-winner.ts';

/** The whole page. */
export function renderVmmHtml({ result, mismatches }: VmmExperimentOutcome): string {
  const asked = result.machines[0]!;
  const { line, allEqual } = verificationOf(result);
  return renderPage(
    `stillwarm: reboot of a hypervisor under ${machineName(asked)}`,
    html`<header>
<p class="program">stillwarm</p>
<h1>What a reboot of the hypervisor takes</h1>
<p class="headline">${vmmWinner(result)}</p>
<p class="verdict ${allEqual ? 'good' : 'bad'}"><b aria-hidden="true">${allEqual ? '✓' : '✗'}</b> ${line}</p>
${list([...renderVmmMismatches(mismatches), ...reasonsOf(result)])}
</header>
<section>
<h2>The service under ${machineName(asked)}</h2>
${figure(downtimeChart(asked), { keys: PHASE_KEYS })}
</section>
${renderSeries(result)}
<section>
<h2>The figures</h2>
<p>Below a figure is the slides' figure, and whether the model was fitted to it. Figures without one are predicted.</p>
${lines(grids(result).map(renderGrid))}
</section>
<section>
<h2>What was run</h2>
<dl>
${lines(parametersOf(result).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`))}
</dl>
<p>The same files, options and seed give the same digest, byte for byte.</p>
</section>
<section>
<h2>Where the times come from</h2>
${renderFitted(result)}
</section>`,
  );
}

function renderSeries(result: VmmExperimentResult): Markup {
  return lines(
    seriesOf(result).map((series, n) => {
      const keys = [{ style: 'key-ring', label: 'figure of the slides' }];
      const charts = (Object.keys(MEASURES) as VmmMeasure[]).map((measure) =>
        figure(seriesChart(result, series, measure, `series-${n}-${measure}`), {
          caption: MEASURES[measure].title,
          keys,
        }),
      );
      return html`<section>
<h2>Times ${series.title}</h2>
${lines(charts)}
</section>`;
    }),
  );
}

function renderGrid({ question, heads, rows }: Grid): Markup {
  const body = rows.map(
    ({ label, cells }) =>
      html`<tr><th scope="row">${label}</th>${cells.map(
        ({ value, note }) => html`<td>${value}${note === undefined ? '' : html`<br><small>${note}</small>`}</td>`,
      )}</tr>`,
  );
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${question}">
<table>
<caption>${question}</caption>
<thead><tr><td></td>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>
${lines(body)}
</tbody>
</table>
</div>`;
}

function list(items: readonly string[]): Markup | '' {
  return items.length === 0 ? '' : html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;
}
