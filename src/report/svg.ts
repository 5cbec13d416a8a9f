/**
 * Pieces of charts, as SVG text that depends on nothing but the style sheet of the page around it (html.ts).
 *
 * Coordinates are those of a viewBox 640 wide; the page enlarges the letters on a narrow screen, which is why margins look
 * generous on a wide one. Every text goes through `escapeMarkup`.
 */

/** Width of a chart. */
export const WIDTH = 640;

export function svg(id: string, height: number, title: string, description: string, parts: readonly string[]): string {
  return [
    `<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-title ${id}-desc">`,
    `<title id="${id}-title">${escapeMarkup(title)}</title>`,
    `<desc id="${id}-desc">${escapeMarkup(description)}</desc>`,
    ...parts,
    '</svg>',
  ].join('\n');
}

export function text(x: number, y: number, value: string, style: string): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${style}">${escapeMarkup(value)}</text>`;
}

export function rect(x: number, y: number, width: number, height: number, style: string): string {
  const size = `width="${round(width)}" height="${round(height)}"`;
  return `<rect x="${round(x)}" y="${round(y)}" ${size} class="${style}"/>`;
}

/** One decimal: a tenth of a unit is less than a pixel, and the page stays small. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** About `count` steps of 1, 2 or 5 times a power of ten that cover from … to; at least two ticks. */
export function ticks(from: number, to: number, count: number): number[] {
  const rough = Math.max(to - from, 1e-9) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.floor(from / step);
  const last = Math.max(first + 1, Math.ceil(to / step - 1e-6));
  // Multiples of the step rather than repeated sums, so that zero is exactly zero.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

export function tickLabel(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 9 });
}

/** The text with everything that means something to HTML or SVG made harmless. */
export function escapeMarkup(value: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return value.replace(/[&<>"']/g, (character) => entities[character]!);
}
