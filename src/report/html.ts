/**
 * A result of a reboot as one self-contained HTML page. Nothing is loaded from anywhere, as its own
 * content policy says. Without its script it says the same. It is readable on a phone, on paper and
 * in the dark, and with a screen reader. The charts are charts.ts, the figures are those of the
 * printed tables (measures.ts).
 */

import { counted } from '../base/counted.ts';
import type { Mismatch, RebootResult } from '../experiment/guest/result.ts';
import { hasWrites, lostChart, runsChart, timelineChart } from './charts.ts';
import { CURVE_NOTE, CURVE_TITLE, gainChart, curveHeads, curveSection, shareChart } from './curve.ts';
import { figure } from './kit/figure.ts';
import { fioSections } from './fio-measures.ts';
import { html, lines, type Markup } from './kit/markup.ts';
import { renderPage, section } from './kit/page.ts';
import { bootNotes, parameters, sections, verification, type Section } from './measures.ts';
import { winner } from './winner.ts';

/** The whole page. */
export function renderHtml(result: RebootResult, mismatches: readonly Mismatch[]): string {
  const { line, allEqual } = verification(result);
  return renderPage({
    title: `stillwarm: reboot of a guest with ${counted(result.files, 'file')}`,
    heading: 'What a page cache buys that survives the reboot',
    sentence: winner(result),
    verdict: { line, isGood: allEqual && mismatches.length === 0 },
    details: lines(mismatches.map(renderHistory)),
    sections: [
      hasWrites(result) ? section(`What the ${result.crash ? 'crash' : 'reboot'} lost`, [lost(result)]) : '',
      section(
        'Throughput around the reboot',
        [timeline(result)],
        'Each piece of the time axis has a scale of its own. A zigzag is where one ends.',
      ),
      section('The runs compared', [runs(result)]),
      section(
        'The figures',
        [renderTable('The figures', namesOf(result.strategies), [...sections(result), ...fioSections(result)])],
        bootNotes(result).join(' '),
      ),
      result.domain0Curve.length === 0 ? '' : section(CURVE_TITLE, curve(result.domain0Curve), CURVE_NOTE),
    ],
    run: parameters(result),
    costs: result,
  });
}

function lost(result: RebootResult): Markup {
  const keys = [
    { style: 'key-kept', label: 'written and kept' },
    { style: 'key-lost', label: 'written and lost' },
  ];
  return figure(lostChart(result), { keys });
}

function timeline(result: RebootResult): Markup {
  const keys = [
    { style: 'key-line', label: 'throughput' },
    { style: 'key-down', label: 'service down' },
    { style: 'key-begin', label: 'start of the reboot' },
  ];
  return figure(timelineChart(result), { keys });
}

function runs(result: RebootResult): Markup {
  const keys = [
    { style: 'key-outline', label: 'first run before' },
    { style: 'key-solid', label: 'first run after' },
    { style: 'key-pale', label: 'second run after' },
  ];
  return figure(runsChart(result), { keys });
}

/** Both measures over the size of domain 0's cache, and their table. */
function curve(points: RebootResult['domain0Curve']): Markup[] {
  const heads = curveHeads(points).map((size) => html`${size}`);
  const table = renderTable(CURVE_TITLE, heads, [curveSection(points)]);
  return [figure(gainChart(points)), figure(shareChart(points)), table];
}

/** Sections under each other, with a column for each head. */
export function renderTable(label: string, heads: readonly Markup[], parts: readonly Section[]): Markup {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
<table>
<thead><tr><td></td>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
${lines(parts.map((part) => renderSection(part, heads.length)))}
</table>
</div>`;
}

function renderSection({ question, rows: measures }: Section, columns: number): Markup {
  const rows = measures.map(
    ({ label, values }) => html`<tr>${rowHead(label)}${values.map((value) => html`<td>${value}</td>`)}</tr>`,
  );
  const head = html`<tr><th scope="rowgroup" colspan="${columns + 1}">${question}</th></tr>`;
  return html`<tbody>
${head}
${lines(rows)}
</tbody>`;
}

/** A label that begins with spaces belongs to the row above, and stands a little to the right. */
const rowHead = (label: string): Markup =>
  label.startsWith(' ')
    ? html`<th scope="row" class="below">${label.trim()}</th>`
    : html`<th scope="row">${label}</th>`;

function renderHistory({ strategy, what, history }: Mismatch): Markup {
  const events = history.map((event) => html`<li>${event}</li>`);
  return html`<details><summary>${strategy}: ${what}</summary><ol>${events}</ol></details>`;
}

/** Names of strategies, as heads of columns. */
export const namesOf = (strategies: readonly { readonly name: string }[]): Markup[] =>
  strategies.map(({ name }) => breakable(name));

/** A name that a narrow column may break after a hyphen or a plus. */
function breakable(name: string): Markup {
  return html`${name.split(/(?<=[-+])/).flatMap((part, n) => (n === 0 ? [part] : [html`<wbr>`, part]))}`;
}
