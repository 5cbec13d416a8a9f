/** Tables of figures, for the printed text and the page alike. */

import { html, lines, type Markup } from './markup.ts';

/** A figure, and what is said of it in a line below. */
export interface Cell {
  readonly value: string;
  readonly note?: string;
}

export interface Grid {
  /** What the table answers. */
  readonly question: string;
  readonly heads: readonly string[];
  readonly rows: readonly { readonly label: string; readonly cells: readonly Cell[] }[];
}

/** A table that scrolls by itself where it is too wide. */
export function renderGrid({ question, heads, rows }: Grid): Markup {
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
