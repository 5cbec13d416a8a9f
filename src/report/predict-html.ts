/** The result of `stillwarm predict` as one self-contained HTML page (kit/page.ts). */

import { counted } from '../base/counted.ts';
import type { PredictOutcome } from '../experiment/predict/experiment.ts';
import { namesOf, renderTable } from './html.ts';
import { figure } from './kit/figure.ts';
import { html, type Markup } from './kit/markup.ts';
import { renderPage, section } from './kit/page.ts';
import type { Chart } from './kit/svg.ts';
import { hitChart, latencyChart } from './predict-charts.ts';
import {
  fileSection,
  PREDICT_NOTE,
  predictHeadline,
  predictParameters,
  predictSections,
  predictVerification,
} from './predict-measures.ts';
import { restoreChart, restoreTable, sizesChart, sizesTable, type OwnTable } from './predict-pages.ts';
import { renderPredictMismatches } from './predict-text.ts';

/** The whole page. */
export function renderPredictHtml({ result, mismatches }: PredictOutcome): string {
  const { line, allEqual } = predictVerification(result);
  const { strategies } = result;
  const found = renderPredictMismatches(mismatches).map((item) => html`<li>${item}</li>`);
  const files = fileSection(result);
  const keys = (label: string) => ({
    keys: [
      { style: 'key-line', label },
      { style: 'key-down', label: 'until the service returned' },
      { style: 'key-begin', label: 'start of the reboot' },
    ],
  });
  const scale = 'Each piece of the time axis has a scale of its own. A zigzag is where one ends.';
  return renderPage({
    title: `stillwarm: a trace of ${counted(result.operations, 'operation')} over a reboot of its guest`,
    heading: 'How long a reboot makes a server slow',
    sentence: predictHeadline(result),
    verdict: { line, isGood: allEqual && mismatches.length === 0 },
    details: found.length === 0 ? '' : html`<ul>${found}</ul>`,
    sections: [
      section('Hit ratio around the reboot', [figure(hitChart(strategies), keys('pages cached, %'))], scale),
      section('Latency around the reboot', [figure(latencyChart(strategies), keys('99 % of operations, ms'))], scale),
      section('The figures', [renderTable('The figures', namesOf(strategies), predictSections(result))], PREDICT_NOTE),
      ...(files === undefined
        ? []
        : [section('Files that matter', [renderTable('Files that matter', namesOf(strategies), [files])], '')]),
      ...ownSection(sizesTable(result), () => sizesChart(result)),
      ...ownSection(restoreTable(result), () => restoreChart(result.restore!)),
    ],
    run: predictParameters(result),
    costs: result,
  });
}

/** A chart and its table; nothing without a table. */
function ownSection(table: OwnTable | undefined, chart: () => Chart): Markup[] {
  if (table === undefined) return [];
  const { title, section: rows, note } = table;
  const heads = table.heads.map((head) => html`${head}`);
  const unbroken = { ...rows, rows: rows.rows.map((row) => ({ ...row, label: row.label.replaceAll(' ', '\u00a0') })) };
  return [section(title, [figure(chart()), renderTable(title, heads, [unbroken])], note)];
}
