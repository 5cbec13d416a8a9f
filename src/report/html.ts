/**
 * A result as one self-contained HTML page: no script, nothing loaded from anywhere (its own
 * content policy says so). It is readable on a phone, on paper and in the dark, and with a screen
 * reader. The charts are charts.ts, the figures are those of the printed tables (measures.ts).
 *
 * Colours are Okabe and Ito's, which stay apart for colour-blind readers; every use of one also has
 * a label, a hatch or an outline.
 */

import { counted } from '../base/counted.ts';
import type { Mismatch, RebootResult } from '../experiment/guest/result.ts';
import { barChart, timelineChart } from './charts.ts';
import { CURVE_NOTE, CURVE_TITLE, curveChart, curveHeads, curveSection } from './curve.ts';
import { headline, parameters, sections, verification, type Section } from './measures.ts';
import { html, lines, Markup } from './markup.ts';
import { renderFitted, renderPage } from './page.ts';

/** The whole page. */
export function renderHtml(result: RebootResult, mismatches: readonly Mismatch[]): string {
  const title = `stillwarm: reboot of a guest with ${counted(result.files, 'file')}`;
  const sentence = headline(result);
  return renderPage(
    title,
    html`<header>
<p class="program">stillwarm</p>
<h1>What a page cache buys that survives the reboot</h1>
${sentence === undefined ? '' : html`<p class="headline">${sentence}</p>`}
${renderVerdict(result, mismatches)}
</header>
<section>
<h2>Throughput around the reboot</h2>
<p class="legend"><span><i class="key-line"></i>throughput</span> <span><i class="key-down"></i>service down</span>
<span><i class="key-begin"></i>begin of the reboot</span></p>
<figure>${new Markup(timelineChart(result))}</figure>
</section>
<section>
<h2>The runs compared</h2>
<p class="legend"><span><i class="key-before"></i>first run before</span>
<span><i class="key-first"></i>first run after</span> <span><i class="key-second"></i>second run after</span> <span>MB/s</span></p>
<figure>${new Markup(barChart(result))}</figure>
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
${renderCurve(result)}
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

function renderCurve({ domain0Curve }: RebootResult): Markup | string {
  if (domain0Curve.length === 0) return '';
  return html`<section>
<h2>${CURVE_TITLE}</h2>
<p>${CURVE_NOTE}</p>
<figure>${new Markup(curveChart(domain0Curve))}</figure>
<div class="scroll" tabindex="0" role="region" aria-label="${CURVE_TITLE}">
<table>
<thead><tr><td></td>${curveHeads(domain0Curve).map((size) => html`<th scope="col">${size}</th>`)}</tr></thead>
${renderSection(curveSection(domain0Curve), domain0Curve.length)}
</table>
</div>
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
