/** The result of reboots of the hypervisor as one self-contained HTML page (page.ts): charts (vmm-charts.ts) and every figure. */

import type { VmmExperimentOutcome } from '../experiment/vmm/experiment.ts';
import type { VmmExperimentResult } from '../experiment/vmm/result.ts';
import type { VmmMeasure } from './vmm-slides.ts';
import { renderFitted, renderPage } from './page.ts';
import { escapeMarkup as e } from './svg.ts';
import { downtimeChart, PHASE_KINDS, seriesChart } from './vmm-charts.ts';
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

/** The whole page. */
export function renderVmmHtml({ result, mismatches }: VmmExperimentOutcome): string {
  const asked = result.machines[0]!;
  const { line, allEqual } = verificationOf(result);
  const keys = PHASE_KINDS.map(({ kind, label }) => `<span><i class="phase-${kind}"></i>${e(label)}</span>`);
  return renderPage(
    `stillwarm: reboot of a hypervisor under ${machineName(asked)}`,
    `<header>
<p class="program">stillwarm</p>
<h1>What a reboot of the hypervisor takes</h1>
<p class="verdict ${allEqual ? 'good' : 'bad'}"><b aria-hidden="true">${allEqual ? '✓' : '✗'}</b> ${e(line)}</p>
${list([...renderVmmMismatches(mismatches), ...reasonsOf(result)])}
</header>
<section>
<h2>The service under ${e(machineName(asked))}</h2>
<p class="legend">${keys.join(' ')} <span><i class="key-silence"></i>a guest does not answer</span></p>
<figure>${downtimeChart(asked)}</figure>
</section>
${renderSeries(result)}
<section>
<h2>The figures</h2>
<p>Below a figure stands what the slides say, and whether the model was fitted to it; figures without are predicted.</p>
${grids(result).map(renderGrid).join('\n')}
</section>
<section>
<h2>What was run</h2>
<dl>
${parametersOf(result)
  .map(([name, value]) => `<div><dt>${e(name)}</dt><dd>${e(value)}</dd></div>`)
  .join('\n')}
</dl>
<p>The same files, options and seed give the same digest, byte for byte.</p>
</section>
<section>
<h2>Where the times come from</h2>
${renderFitted(result)}
</section>`,
  );
}

function renderSeries(result: VmmExperimentResult): string {
  return seriesOf(result)
    .map((series, n) => {
      const charts = (Object.keys(MEASURES) as VmmMeasure[]).map(
        (measure) =>
          `<figure><figcaption>${e(MEASURES[measure].title)}</figcaption>${seriesChart(result, series, measure, `series-${n}-${measure}`)}</figure>`,
      );
      return `<section>
<h2>Times ${e(series.title)}</h2>
<p class="legend"><span><i class="key-ring"></i>figure of the slides</span></p>
${charts.join('\n')}
</section>`;
    })
    .join('\n');
}

function renderGrid({ question, heads, rows }: Grid): string {
  const body = rows.map(
    ({ label, cells }) =>
      `<tr><th scope="row">${e(label)}</th>${cells
        .map(({ value, note }) => `<td>${e(value)}${note === undefined ? '' : `<br><small>${e(note)}</small>`}</td>`)
        .join('')}</tr>`,
  );
  return `<div class="scroll" tabindex="0" role="region" aria-label="${e(question)}">
<table>
<caption>${e(question)}</caption>
<thead><tr><td></td>${heads.map((head) => `<th scope="col">${e(head)}</th>`).join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody>
</table>
</div>`;
}

function list(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `<ul>${lines.map((line) => `<li>${e(line)}</li>`).join('')}</ul>`;
}
