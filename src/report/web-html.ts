/** The result of `stillwarm web` as one self-contained HTML page (kit/page.ts). */

import { counted } from '../base/counted.ts';
import type { WebOutcome } from '../experiment/web/experiment.ts';
import { namesOf, renderTable } from './html.ts';
import { figure } from './kit/figure.ts';
import { html } from './kit/markup.ts';
import { renderPage, section } from './kit/page.ts';
import { webChart } from './web-chart.ts';
import { OF_THE_SLIDES, webHeadline, webNotes, webParameters, webSections, webVerification } from './web-measures.ts';
import { renderWebMismatches } from './web-text.ts';

/** The whole page. */
export function renderWebHtml({ result, mismatches }: WebOutcome): string {
  const { line, allEqual } = webVerification(result);
  const found = renderWebMismatches(mismatches).map((item) => html`<li>${item}</li>`);
  const chart = figure(webChart(result.strategies), {
    keys: [
      { style: 'key-line', label: 'requests answered a second' },
      { style: 'key-down', label: 'until the service returned' },
      { style: 'key-begin', label: 'start of the reboot' },
    ],
  });
  return renderPage({
    title: `stillwarm: a web server with ${counted(result.served, 'file')} over a reboot of its guest`,
    heading: 'What a reboot of its guest costs a web server',
    sentence: webHeadline(result) ?? '',
    verdict: { line, isGood: allEqual && mismatches.length === 0 },
    details: found.length === 0 ? '' : html`<ul>${found}</ul>`,
    sections: [
      section(
        'Throughput around the reboot',
        [chart],
        'Each piece of the time axis has a scale of its own. A zigzag is where one ends.',
      ),
      section(
        'The figures',
        [renderTable('The figures', namesOf(result.strategies), webSections(result))],
        [...webNotes(result), OF_THE_SLIDES].join(' '),
      ),
    ],
    run: webParameters(result),
    costs: result,
  });
}
