/**
 * A result of a reboot as one self-contained HTML page. Nothing is loaded from anywhere, as its own
 * content policy says. Without its script it says the same. It is readable on a phone, on
 * paper and in the dark, and with a screen reader. The charts are charts.ts, the figures are those
 * of the printed tables (measures.ts).
 */

import { counted } from '../base/counted.ts';
import type { Mismatch, RebootResult } from '../experiment/guest/result.ts';
import { hasWrites, lostChart, runsChart, timelineChart } from './charts.ts';
import { figure } from './kit/figure.ts';
import { html, lines, type Markup } from './kit/markup.ts';
import { renderFitted, renderPage } from './kit/page.ts';
import { parameters, sections, verification, type Section } from './measures.ts';
import { winner } from './winner.ts';

/** The whole page. */
export function renderHtml(result: RebootResult, mismatches: readonly Mismatch[]): string {
  const title = `stillwarm: reboot of a guest with ${counted(result.files, 'file')}`;
  return renderPage(
    title,
    html`<header>
<p class="program">stillwarm</p>
<h1>What a page cache buys that survives the reboot</h1>
<p class="headline">${winner(result)}</p>
${renderVerdict(result, mismatches)}
</header>
${renderLost(result)}
<section>
<h2>Throughput around the reboot</h2>
<p class="legend-note">Each piece of the time axis has a scale of its own. A zigzag is where one ends.</p>
${figure(timelineChart(result), {
  keys: [
    { style: 'key-line', label: 'throughput' },
    { style: 'key-down', label: 'service down' },
    { style: 'key-begin', label: 'start of the reboot' },
  ],
})}
</section>
<section>
<h2>The runs compared</h2>
${figure(runsChart(result), {
  keys: [
    { style: 'key-outline', label: 'first run before' },
    { style: 'key-solid', label: 'first run after' },
    { style: 'key-pale', label: 'second run after' },
  ],
})}
</section>
<section>
<h2>The figures</h2>
<div class="scroll" tabindex="0" role="region" aria-label="The figures">
<table>
<thead><tr><td></td>${result.strategies.map(({ name }) => html`<th scope="col">${breakable(name)}</th>`)}</tr></thead>
${lines(sections(result).map((section) => renderSection(section, result.strategies.length)))}
</table>
</div>
</section>
<section>
<h2>What was run</h2>
<dl>
${lines(parameters(result).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`))}
</dl>
<p>The same files, options and seed give the same digest, byte for byte.</p>
</section>
<section>
<h2>Where the times come from</h2>
${renderFitted(result)}
</section>`,
  );
}

function renderLost(result: RebootResult): Markup | '' {
  if (!hasWrites(result)) return '';
  return html`<section>
<h2>What the ${result.crash ? 'crash' : 'reboot'} lost</h2>
${figure(lostChart(result), {
  keys: [
    { style: 'key-kept', label: 'written and kept' },
    { style: 'key-lost', label: 'written and lost' },
  ],
})}
</section>`;
}

function renderSection(section: Section, columns: number): Markup {
  const rows = section.rows.map(
    ({ label, values }) =>
      html`<tr><th scope="row">${label}</th>${values.map((value) => html`<td>${value}</td>`)}</tr>`,
  );
  const head = html`<tr><th scope="rowgroup" colspan="${columns + 1}">${section.question}</th></tr>`;
  return html`<tbody>
${head}
${lines(rows)}
</tbody>`;
}

function renderVerdict(result: RebootResult, mismatches: readonly Mismatch[]): Markup {
  const { line, allEqual } = verification(result);
  const isGood = allEqual && mismatches.length === 0;
  const histories = mismatches.map(
    ({ strategy, what, history }) =>
      html`<details><summary>${strategy}: ${what}</summary><ol>${history.map((event) => html`<li>${event}</li>`)}</ol></details>`,
  );
  const mark = isGood ? '✓' : '✗';
  return html`<p class="verdict ${isGood ? 'good' : 'bad'}"><b aria-hidden="true">${mark}</b> ${line}</p>
${lines(histories)}`;
}

/** A name that a narrow column may break after a hyphen or a plus. */
function breakable(name: string): Markup {
  return html`${name.split(/(?<=[-+])/).flatMap((part, n) => (n === 0 ? [part] : [html`<wbr>`, part]))}`;
}
