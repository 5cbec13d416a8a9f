/**
 * A chart in a page, with the keys of its marks and series and the switch of its scale. In a line
 * below it the script (script.ts) shows the value that a reader points at.
 */

import { html, lines, Markup } from './markup.ts';
import { mark, path, seriesStyle, type Chart } from './svg.ts';

/** A key of the legend: a sample of a class of the style sheet, and what it means. */
export interface Key {
  readonly style: string;
  readonly label: string;
  /** A letter for readers who do not tell the samples apart. */
  readonly letter?: string;
}

/** A figure with its legend. */
export function figure(chart: Chart, { caption, keys = [] }: { caption?: string; keys?: readonly Key[] } = {}): Markup {
  const samples = keys.map(
    ({ style, label, letter }) =>
      html`<span class="key"><i class="${style}"></i>${letter === undefined ? '' : html`<b>${letter}</b> `}${label}</span> `,
  );
  const series = chart.series.length < 2 ? [] : chart.series.map((name, n) => seriesKey(name, n));
  const legend = [...series, ...samples];
  return html`<figure${chart.hasLog ? html` data-scale="linear"` : ''}>
${caption === undefined ? '' : html`<figcaption>${caption}</figcaption>`}
${legend.length === 0 ? '' : html`<p class="legend">${legend}</p>`}
${chart.hasLog ? html`<button type="button" class="scale" aria-pressed="false" hidden>logarithmic <kbd>l</kbd></button>` : ''}
${new Markup(chart.svg)}
<p class="readout" role="status" hidden></p>
</figure>`;
}

/** Figures in two columns; on a narrow screen one below the other. */
export function beside(...figures: readonly Markup[]): Markup {
  return html`<div class="beside">
${lines(figures)}
</div>`;
}

function seriesKey(name: string, n: number): Markup {
  const sample = new Markup(
    `<svg class="swatch" viewBox="0 0 34 14" aria-hidden="true">${path('M0 7H34', 'curve')}${mark(n, 17, 7)}</svg>`,
  );
  return html`<span class="key ${seriesStyle(name, n)}" data-series="${name}">${sample}${name}</span> `;
}
