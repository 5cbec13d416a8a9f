// Reads a printed table or a drawn chart as a person does: by what stands on the paper.

/**
 * The rows of all tables of a text, each cell trimmed. A line of which the first cell is empty
 * belongs to the row before it.
 */
export function rowsOf(text: string): string[][] {
  const rows: string[][] = [];
  let before: string[] | undefined;
  for (const line of text.split('\n')) {
    if (!line.startsWith('│')) {
      before = undefined;
      continue;
    }
    const cells = line
      .split('│')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const row = before;
    if (cells[0] === '' && row !== undefined)
      cells.forEach((cell, n) => {
        if (cell !== '') row[n] += `\n${cell}`;
      });
    else {
      rows.push(cells);
      before = cells;
    }
  }
  return rows;
}

/** The rows of all tables of a page: label, then cells; a line break is one. */
export function htmlRowsOf(html: string): string[][] {
  return [...html.matchAll(/<tr><th scope="row">(.*?)<\/th>(.*?)<\/tr>/g)].map(([, label, cells]) => [
    plain(label!),
    ...[...cells!.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => plain(cell!)),
  ]);
}

const plain = (markup: string): string => markup.replaceAll('<br>', '\n').replaceAll(/<[^>]*>/g, '');

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The rectangles of a class, in the order in which they were drawn. */
export function boxesOf(chart: string, style: string): Box[] {
  const pattern = new RegExp(
    `<rect x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)" class="${style}(?: hit)?"`,
    'g',
  );
  return [...chart.matchAll(pattern)].map(([, x, y, width, height]) => ({
    x: Number(x),
    y: Number(y),
    width: Number(width),
    height: Number(height),
  }));
}

/** What is written on a chart in a class, with its place. */
export function textsOf(
  chart: string,
  style: string,
): { readonly x: number; readonly y: number; readonly text: string }[] {
  const pattern = new RegExp(`<text x="([^"]*)" y="([^"]*)" class="${style}">([^<]*)</text>`, 'g');
  return [...chart.matchAll(pattern)].map(([, x, y, text]) => ({ x: Number(x), y: Number(y), text: text! }));
}

/** The places of the rings of a chart. */
export function ringsOf(chart: string): { readonly x: number; readonly y: number }[] {
  const pattern = /<circle cx="([^"]*)" cy="([^"]*)" r="7" class="ring hit">/g;
  return [...chart.matchAll(pattern)].map(([, x, y]) => ({ x: Number(x), y: Number(y) }));
}

/** The places of the marks of a chart. */
export function marksOf(chart: string): { readonly x: number; readonly y: number }[] {
  const pattern = /<path transform="translate\(([^,]*),([^)]*)\)" d="[^"]*" class="dot hit">/g;
  return [...chart.matchAll(pattern)].map(([, x, y]) => ({ x: Number(x), y: Number(y) }));
}

/** A chart as it is first seen: without the parts of the other scale. */
export function onScale(chart: string, kind: 'linear' | 'log'): string {
  return chart.replaceAll(new RegExp(`<g class="${kind === 'log' ? 'linear' : 'log'}">[^]*?</g>`, 'g'), '');
}

/** The scale that ticks on an axis say: what a place on it means. */
export function scaleOf(ticks: readonly { readonly at: number; readonly text: string }[]): (at: number) => number {
  const values = ticks.map(({ at, text }) => ({ at, value: Number(text.replaceAll(',', '')) }));
  const [first, last] = [values[0]!, values.at(-1)!];
  const perUnit = (last.value - first.value) / (last.at - first.at);
  for (const { at, value } of values)
    if (Math.abs(first.value + (at - first.at) * perUnit - value) > Math.abs(perUnit) * 0.2)
      throw new Error('the axis is not linear');
  return (at) => first.value + (at - first.at) * perUnit;
}
