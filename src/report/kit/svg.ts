/**
 * Pieces of charts, as SVG text that depends on nothing but the style sheet of the page around it
 * (style.ts).
 *
 * Coordinates are those of a viewBox 640 wide. A narrow screen shrinks the picture, and the style
 * sheet enlarges its letters to 20 units. A layout leaves that much room everywhere. Every text
 * goes through `escapeMarkup`.
 */

import { symbol, symbolCircle, symbolCross, symbolDiamond, symbolSquare, symbolTriangle, symbolWye } from 'd3-shape';
import { escapeMarkup } from './markup.ts';

/** Width of a chart, units. */
export const WIDTH = 640;
/** Height that a line of text needs, units; and where the first of a chart stands. */
export const LINE = 25;
export const FIRST = 20;
/** Width of a letter at its largest, units: of a wide font, on a narrow screen. */
const LETTER = 12.6;

/** What a page shows in a figure. */
export interface Chart {
  readonly svg: string;
  /** Names of the series that a reader can isolate, in the order of their marks. */
  readonly series: readonly string[];
  /** Whether the chart has a logarithmic scale besides its linear one. */
  readonly hasLog: boolean;
}

export function svg(id: string, height: number, title: string, description: string, parts: readonly string[]): string {
  return [
    `<svg class="chart" viewBox="0 0 ${WIDTH} ${round(height)}" role="img" aria-labelledby="${id}-title ${id}-desc">`,
    `<title id="${id}-title">${escapeMarkup(title)}</title>`,
    `<desc id="${id}-desc">${escapeMarkup(description)}</desc>`,
    ...parts,
    '</svg>',
  ].join('\n');
}

export function text(x: number, y: number, value: string, style: string): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${style}">${escapeMarkup(value)}</text>`;
}

/** @param says what a reader sees who points at it, or goes to it by a key; without it, nothing */
export function rect(x: number, y: number, width: number, height: number, style: string, says?: string): string {
  const box = `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;
  return says === undefined
    ? `${box} class="${style}"/>`
    : `${box} class="${style} hit"><title>${escapeMarkup(says)}</title></rect>`;
}

export function path(d: string, style: string): string {
  return `<path class="${style}" d="${d}"/>`;
}

/** The parts that belong to a series: its colour, its marks, and what a click isolates. */
export function seriesGroup(name: string, n: number, parts: readonly string[]): string {
  return [`<g class="${seriesStyle(name, n)}" data-series="${escapeMarkup(name)}">`, ...parts, '</g>'].join('\n');
}

/**
 * The classes of a series: the n-th of its chart, and its own colour if the style sheet has one.
 */
export function seriesStyle(name: string, n: number): string {
  return `mark-${n % MARKS.length} strategy-${name.replaceAll(/[^A-Za-z0-9-]+/g, '-')}`;
}

/** Parts for one kind of scale. They contain no group. */
export function scaleGroup(kind: 'linear' | 'log', parts: readonly string[]): string {
  return [`<g class="${kind}">`, ...parts, '</g>'].join('\n');
}

/** Shapes that are told apart without colour, of about 40 square units each. */
const MARKS = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolCross, symbolWye].map((shape) => {
  const drawn = symbol(shape, 42).digits(1)();
  if (drawn === null) throw new Error('a symbol without a context is text');
  return drawn;
});

/** The mark of the n-th series. */
export function mark(n: number, x: number, y: number, says?: string): string {
  const shape = `<path transform="translate(${round(x)},${round(y)})" d="${MARKS[n % MARKS.length]!}"`;
  return says === undefined
    ? `${shape} class="dot"/>`
    : `${shape} class="dot hit"><title>${escapeMarkup(says)}</title></path>`;
}

/** A figure of the slides. */
export function ring(x: number, y: number, says: string): string {
  const place = `cx="${round(x)}" cy="${round(y)}" r="7"`;
  return `<circle ${place} class="ring hit"><title>${escapeMarkup(says)}</title></circle>`;
}

/** Units that a text needs at most. */
export function widthOf(value: string): number {
  return value.length * LETTER;
}

/**
 * Centres of labels, moved apart as little as they need and kept inside.
 * @param labels in ascending order of `at`, with their widths
 */
export function spreadOut(
  labels: readonly { readonly at: number; readonly width: number }[],
  [low, high]: readonly [number, number],
): number[] {
  // Labels that meet become a block, which stands where its members would be on the average.
  const blocks: { sum: number; size: number; width: number; offsets: number[] }[] = [];
  const startOf = ({ sum, size, width }: { sum: number; size: number; width: number }): number =>
    Math.max(low, Math.min(sum / size, high - width));
  for (const { at, width } of labels) {
    blocks.push({ sum: at - width / 2, size: 1, width, offsets: [width / 2] });
    for (;;) {
      const [before, last] = [blocks.at(-2), blocks.at(-1)!];
      if (before === undefined || startOf(before) + before.width <= startOf(last)) break;
      blocks.splice(-2, 2, {
        sum: before.sum + last.sum - before.width * last.size,
        size: before.size + last.size,
        width: before.width + last.width,
        offsets: [...before.offsets, ...last.offsets.map((offset) => offset + before.width)],
      });
    }
  }
  return blocks.flatMap((block) => block.offsets.map((offset) => startOf(block) + offset));
}

/** A tenth of a unit is less than a pixel, and the page stays small. */
export const DIGITS = 1;

export function round(value: number): number {
  return Math.round(value * 10 ** DIGITS) / 10 ** DIGITS;
}
