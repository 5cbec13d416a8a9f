/**
 * Pieces of charts, as SVG text that depends on nothing but the style sheet of the page around it
 * (html.ts).
 *
 * Coordinates are those of a viewBox 640 wide. The page enlarges the letters on a narrow screen,
 * which is why margins look generous on a wide one. Every text goes through `escapeMarkup`.
 */

import { scaleLinear, type ScaleLinear } from 'd3-scale';
import { escapeMarkup } from './markup.ts';

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

/** A tenth of a unit is less than a pixel, and the page stays small. */
export const DIGITS = 1;

export function round(value: number): number {
  return Math.round(value * 10 ** DIGITS) / 10 ** DIGITS;
}

/** A linear scale of an axis that begins at zero and ends at a tick, `most` or above. */
export function zeroScale(most: number, count: number, range: readonly [number, number]): ScaleLinear<number, number> {
  return scaleLinear([0, most > 0 ? most : 1], range).nice(count);
}

export function tickLabel(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 9 });
}
