/** The result of `stillwarm web` as one self-contained HTML page (page.ts). */

import { counted } from '../base/counted.ts';
import type { WebOutcome } from '../experiment/web/experiment.ts';
import { breakable, renderSection } from './html.ts';
import { figure } from './kit/figure.ts';
import { html, lines } from './kit/markup.ts';
import { renderFitted, renderPage } from './kit/page.ts';
import { webChart } from './web-chart.ts';
import { OF_THE_SLIDES, webHeadline, webParameters, webSections, webVerification } from './web-measures.ts';
import { renderWebMismatches } from './web-text.ts';

/** The whole page. */
export function renderWebHtml({ result, mismatches }: WebOutcome): string {
  const { line, allEqual } = webVerification(result);
  const isGood = allEqual && mismatches.length === 0;
  const sentence = webHeadline(result);
  const { strategies } = result;
  return renderPage(
    `stillwarm: a web server with ${counted(result.served, 'file')} over a reboot of its guest`,
    html`<header>
<p class="program">stillwarm</p>
<h1>What a reboot of its guest costs a web server</h1>
${sentence === undefined ? '' : html`<p class="headline">${sentence}</p>`}
<p class="verdict ${isGood ? 'good' : 'bad'}"><b aria-hidden="true">${isGood ? '✓' : '✗'}</b> ${line}</p>
${mismatches.length === 0 ? '' : html`<ul>${renderWebMismatches(mismatches).map((item) => html`<li>${item}</li>`)}</ul>`}
</header>
<section>
<h2>Throughput around the reboot</h2>
<p class="legend-note">Each piece of the time axis has a scale of its own. A zigzag is where one ends.</p>
${figure(webChart(result), {
  keys: [
    { style: 'key-line', label: 'requests answered a second' },
    { style: 'key-down', label: 'until the service returned' },
    { style: 'key-begin', label: 'start of the reboot' },
  ],
})}
</section>
<section>
<h2>The figures</h2>
<p>${OF_THE_SLIDES}</p>
<div class="scroll" tabindex="0" role="region" aria-label="The figures">
<table>
<thead><tr><td></td>${strategies.map(({ name }) => html`<th scope="col">${breakable(name)}</th>`)}</tr></thead>
${lines(webSections(result).map((section) => renderSection(section, strategies.length)))}
</table>
</div>
</section>
<section>
<h2>What was run</h2>
<dl>
${lines(webParameters(result).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`))}
</dl>
<p>The same files, options and seed give the same digest, byte for byte.</p>
</section>
<section>
<h2>Where the times come from</h2>
${renderFitted(result)}
</section>`,
  );
}
