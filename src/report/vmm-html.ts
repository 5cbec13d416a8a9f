/**
 * The result of reboots of the hypervisor as one self-contained HTML page (kit/page.ts): charts
 * (vmm-charts.ts) and every figure.
 */

import type { VmmExperimentOutcome } from '../experiment/vmm/experiment.ts';
import type { VmmExperimentResult } from '../experiment/vmm/result.ts';
import type { VmmMeasure } from '../slides/figures.ts';
import { figure } from './kit/figure.ts';
import { renderGrid } from './kit/grids.ts';
import { html, type Markup } from './kit/markup.ts';
import { renderPage, section } from './kit/page.ts';
import { downtimeChart, PHASE_KEYS, seriesChart } from './vmm-charts.ts';
import {
  grids,
  machineName,
  MEASURES,
  notesOf,
  parametersOf,
  reasonsOf,
  seriesOf,
  verificationOf,
} from './vmm-measures.ts';
import { renderVmmMismatches } from './vmm-text.ts';
import { vmmWinner } from './vmm-winner.ts';

/** The whole page. */
export function renderVmmHtml({ result, mismatches }: VmmExperimentOutcome): string {
  const asked = result.machines[0]!;
  const { line, allEqual } = verificationOf(result);
  return renderPage({
    title: `stillwarm: reboot of a hypervisor under ${machineName(asked)}`,
    heading: 'What a reboot of the hypervisor takes',
    sentence: vmmWinner(result),
    verdict: { line, isGood: allEqual },
    details: list([...renderVmmMismatches(mismatches), ...reasonsOf(result)]),
    sections: [
      section(`The service under ${machineName(asked)}`, [figure(downtimeChart(asked), { keys: PHASE_KEYS })]),
      ...renderSeries(result),
      section('The figures', grids(result).map(renderGrid), notesOf(result).join(' ')),
    ],
    run: parametersOf(result),
    costs: result,
  });
}

function renderSeries(result: VmmExperimentResult): Markup[] {
  const keys = [{ style: 'key-ring', label: 'figure of the slides' }];
  return seriesOf(result).map((series, n) => {
    const charts = (Object.keys(MEASURES) as VmmMeasure[]).map((measure) =>
      figure(seriesChart(result, series, measure, `series-${n}-${measure}`), {
        caption: MEASURES[measure].title,
        keys,
      }),
    );
    return section(`Times ${series.title}`, charts);
  });
}

function list(items: readonly string[]): Markup | '' {
  return items.length === 0 ? '' : html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;
}
