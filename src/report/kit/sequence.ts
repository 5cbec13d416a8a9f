/**
 * Who does what, one after another. Each actor has a line, and time goes down. A step is a mark on
 * the line of its actor. An event is a bar over all lines. The last row says how it ends.
 *
 * Its letters are always 20 units high: the picture stands beside other things. A name that is too
 * long for its place is cut, and whole in the title of its row.
 */

import { mark, path, rect, round, seriesStyle, spreadOut, svg, text, WIDTH, widthOf, type Chart } from './svg.ts';

export interface SequenceRow {
  /** Whose line has the mark; undefined for an event, which concerns all. */
  readonly actor: string | undefined;
  readonly label: string;
}

export interface SequenceChart {
  /** Of the chart, unique in its page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly SequenceRow[];
  /** Said in the last row. */
  readonly end: string;
}

/** Left of the lines: the numbers of the steps. */
const GUTTER = 52;
const ROW = 34;
const HEAD = 27;
const EDGE = 4;
/** Units between a mark and its label. */
const BESIDE = 16;
/** Room for the name of an actor, units. */
const NAME = 230;

/** Steps and events in their order. What belongs to the n-th, from 1, has `data-step="n"`. */
export function sequenceChart({ id, title, description, rows, end }: SequenceChart): Chart {
  const actors = [...new Set(rows.flatMap(({ actor }) => actor ?? []))];
  const spacing = (WIDTH - GUTTER) / Math.max(1, actors.length);
  const xs = actors.map((_, n) => GUTTER + (n + 0.5) * spacing);
  const { drawn: names, height: top, levelOf } = heads(actors, xs, spacing);
  const middleOf = (n: number): number => top + (n + 0.5) * ROW;
  const bottom = top + rows.length * ROW + 8;
  const xOf = (actor: string): number => xs[actors.indexOf(actor)]!;

  const frames = [
    frame(0, EDGE, top - 2 * EDGE, 'the beginning'),
    ...rows.map((row, n) => frame(n + 1, top + n * ROW, ROW, `${n + 1}: ${said(row)}`)),
  ];
  const lifelines = actors.map((name, n) =>
    group(seriesStyle(name, n), path(`M${round(xs[n]!)} ${HEAD * (levelOf(n) + 1)}V${round(bottom)}`, 'lifeline')),
  );
  const walk = rows.flatMap(({ actor }, n) =>
    actor === undefined ? [] : `${round(xOf(actor))} ${round(middleOf(n))}`,
  );
  const steps = rows.map(({ actor, label }, n) => {
    const y = middleOf(n);
    const number = text(GUTTER - 14, y + 7, `${n + 1}`, 'tick end');
    const pointer = path(`M${GUTTER - 10} ${round(y - 6)}l9 6l-9 6z`, 'pointer');
    const parts = actor === undefined ? bar(y, label) : step(y, xOf(actor), actors.indexOf(actor), label);
    return `<g class="step" data-step="${n + 1}">${[number, pointer, ...parts].join('')}</g>`;
  });
  const ended = [
    rect(EDGE, bottom, WIDTH - 2 * EDGE, ROW, 'broken'),
    text(WIDTH / 2, bottom + ROW / 2 + 7, cut(end, WIDTH - 4 * EDGE), 'broken-law middle'),
  ];
  const picture = svg(id, bottom + ROW + EDGE, title, description, [
    ...frames,
    ...lifelines,
    walk.length < 2 ? '' : path(`M${walk.join('L')}`, 'walk'),
    ...names,
    ...steps,
    `<g class="step" data-step="${rows.length}">${ended.join('')}</g>`,
  ]);
  return { svg: picture, series: [], hasLog: false };
}

const said = ({ actor, label }: SequenceRow): string => (actor === undefined ? label : `${actor}, ${label}`);

const group = (style: string, ...parts: readonly string[]): string => `<g class="${style}">${parts.join('')}</g>`;

/** What is seen behind a row when a reader is at it. */
const frame = (n: number, y: number, height: number, says: string): string =>
  `<g data-step="${n}">${rect(EDGE, y, WIDTH - 2 * EDGE, height, 'frame', says)}</g>`;

/** Names over their lines, on as many levels as they need not to meet. */
function heads(
  actors: readonly string[],
  xs: readonly number[],
  spacing: number,
): { drawn: string[]; height: number; levelOf: (n: number) => number } {
  const names = actors.map((name) => cut(name, NAME));
  const room = Math.max(0, ...names.map(roomOf)) + 8;
  const onOne = Math.floor((WIDTH - 4 * EDGE) / room);
  const levels = Math.max(1, Math.ceil(room / spacing), Math.ceil(names.length / onOne));
  const levelOf = (n: number): number => n % levels;
  const drawn = Array.from({ length: Math.min(levels, Math.max(1, actors.length)) }, (_, level) => {
    const on = actors.flatMap((_name, n) => (levelOf(n) === level ? n : []));
    const centres = spreadOut(
      on.map((n) => ({ at: xs[n]!, width: roomOf(names[n]!) })),
      [2 * EDGE, WIDTH - 2 * EDGE],
    );
    return on.map((n, place) =>
      group(seriesStyle(actors[n]!, n), text(centres[place]!, HEAD * (level + 1) - 6, names[n]!, 'name halo middle')),
    );
  });
  return { drawn: drawn.flat(), height: HEAD * drawn.length + 10, levelOf };
}

/** A mark, and its name on the side that has more room. */
function step(y: number, x: number, n: number, label: string): string[] {
  const isLeft = x - GUTTER <= WIDTH - x;
  const room = (isLeft ? WIDTH - 2 * EDGE - x : x - GUTTER) - BESIDE;
  const place = isLeft ? x + BESIDE : x - BESIDE;
  return [
    `<g class="${seriesStyle('', n)}" transform="translate(${round(x)},${round(y)}) scale(1.7)">${mark(n, 0, 0)}</g>`,
    text(place, y + 7, cut(label, room), `halo${isLeft ? '' : ' end'}`),
  ];
}

function bar(y: number, label: string): string[] {
  return [
    rect(GUTTER + 4, y - 13, WIDTH - GUTTER - 12, 26, 'event'),
    text((GUTTER + WIDTH) / 2, y + 7, cut(label, WIDTH - GUTTER - 24), 'event-name middle'),
  ];
}

/** Units that a letter of another script than Latin needs at most. */
const WIDE = 27;

const roomOf = (value: string): number =>
  Array.from(value).reduce((room, letter) => room + (letter < '\u0300' ? widthOf(letter) : WIDE), 0);

/** The beginning of a text that fits into a place. */
function cut(value: string, room: number): string {
  if (roomOf(value) <= room) return value;
  let short = '';
  for (const letter of value) {
    if (roomOf(`${short}${letter}…`) > room) break;
    short += letter;
  }
  return `${short}…`;
}
