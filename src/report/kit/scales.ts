/**
 * The scales of the charts, over those of d3-scale: values on a linear and a logarithmic scale, and
 * time on an axis that is broken.
 */

import { scaleLinear, scaleLog, type ScaleLinear } from 'd3-scale';
import { tickLabel } from './figures.ts';
import { FIRST, round, scaleGroup, text, WIDTH, widthOf } from './svg.ts';

export interface ValueScale {
  readonly kind: 'linear' | 'log';
  /** Where a value lies. On a logarithmic scale everything below its first tick lies at it. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** A linear scale of an axis that begins at zero and ends at a tick, `most` or above. */
export function zeroScale(most: number, count: number, range: readonly [number, number]): ScaleLinear<number, number> {
  return scaleLinear([0, most > 0 ? most : 1], range).nice(count);
}

/**
 * The scales for these values: a linear one that begins at zero, and a logarithmic one if a value
 * is positive.
 * @param count ticks wanted, about
 * @param range where the axis begins and ends, units
 */
export function valueScales(
  values: readonly number[],
  count: number,
  range: readonly [number, number],
): readonly ValueScale[] {
  const linear = zeroScale(Math.max(0, ...values), count, range);
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const ofLinear: ValueScale = { kind: 'linear', at: linear, ticks: linear.ticks(count) };
  return positive.length === 0 ? [ofLinear] : [ofLinear, logScale(positive, count, range)];
}

/** A scale from a power of ten to 1, 2 or 5 times one, around all values. Its ticks are powers. */
function logScale(positive: readonly number[], count: number, range: readonly [number, number]): ValueScale {
  const [least, most] = [Math.min(...positive), Math.max(...positive)];
  const from = Math.floor(Math.log10(least) + 1e-9);
  const decade = Math.max(from, Math.floor(Math.log10(most) + 1e-9));
  const top = [1, 2, 5, 10]
    .map((digit) => power(decade, digit))
    .find((end) => end >= most * (1 - 1e-9) && end > power(from))!;
  const step = Math.max(1, Math.ceil(Math.log10(top / power(from)) / count));
  const powers = Array.from({ length: decade + 2 - from }, (_, n) => power(from + n * step)).filter(
    (tick) => tick <= top,
  );
  const scale = scaleLog([power(from), top], range).clamp(true);
  return {
    kind: 'log',
    at: (value) => (value > 0 ? scale(value) : range[0]),
    ticks: powers.length > 1 ? powers : [power(from), top],
  };
}

/** A power of ten, exactly, or a few of them. */
const power = (exponent: number, times = 1): number => Number(`${times}e${exponent}`);

/** Parts drawn once a scale, each in a group that the page shows or hides. */
export function onEach(scales: readonly ValueScale[], draw: (scale: ValueScale) => readonly string[]): string[] {
  return scales.map((scale) => scaleGroup(scale.kind, draw(scale)));
}

/** The head of an axis: its unit, and where it begins on a logarithmic scale. */
export function unitLabel(scales: readonly ValueScale[], unit: string): string[] {
  return onEach(scales, ({ kind, ticks }) => {
    const said = kind === 'log' ? `${unit}, logarithmic from ${tickLabel(ticks[0]!)}` : unit;
    return [text(0, FIRST, said, 'tick')];
  });
}

/** The room that the labels of an axis need at its left, units. */
export function labelRoom(scales: readonly ValueScale[]): number {
  return Math.max(...scales.flatMap(({ ticks }) => ticks.map((tick) => widthOf(tickLabel(tick))))) + 14;
}

/** A piece of an axis, with a scale of its own. */
export interface AxisSegment {
  readonly from: number;
  readonly to: number;
  /** Of the width, relative to that of the other segments. */
  readonly share: number;
}

export interface BrokenAxis {
  /** Where a value lies; one before or behind the axis lies at its end. */
  readonly at: (value: number) => number;
  readonly segments: readonly {
    readonly from: number;
    readonly to: number;
    readonly x0: number;
    readonly x1: number;
  }[];
  /** The ticks whose labels neither meet nor leave the chart. */
  readonly ticks: readonly { readonly value: number; readonly x: number }[];
}

/** Between two segments, units. A zigzag is drawn there. */
const BREAK = 12;

/**
 * An axis of segments, each linear. Where a segment does not begin at the end of the one before,
 * what lies between is left out.
 * @param segments in ascending order
 */
export function brokenAxis(segments: readonly AxisSegment[], [left, right]: readonly [number, number]): BrokenAxis {
  const shares = segments.reduce((sum, { share }) => sum + share, 0);
  const perShare = (right - left - BREAK * (segments.length - 1)) / shares;
  let end = left - BREAK;
  const placed = segments.map(({ from, to, share }) => {
    const x0 = end + BREAK;
    end = x0 + share * perShare;
    return { from, to, x0, x1: end };
  });
  const scale = scaleLinear(
    placed.flatMap(({ from, to }) => [from, to]),
    placed.flatMap(({ x0, x1 }) => [x0, x1]),
  ).clamp(true);
  return { at: scale, segments: placed, ticks: ticksOf(placed) };
}

function ticksOf(placed: BrokenAxis['segments']): { value: number; x: number }[] {
  const wanted = placed.flatMap(({ from, to, x0, x1 }, n) => {
    const own = scaleLinear([from, to], [x0, x1]);
    const values = own.ticks(Math.max(1, Math.round((x1 - x0) / 50)));
    // A tick at the end of a segment is that at the beginning of the next.
    return values.filter((value) => value !== placed[n + 1]?.from).map((value) => ({ value, x: own(value) }));
  });
  const kept: { value: number; x: number }[] = [];
  let end = -Infinity;
  for (const tick of wanted) {
    const half = widthOf(tickLabel(tick.value)) / 2;
    if (tick.x - half < end + 6 || tick.x + half > WIDTH) continue;
    kept.push(tick);
    end = tick.x + half;
  }
  return kept;
}

/** A service that is away for a while: instants on one axis. */
export interface Absence {
  readonly downFrom: number;
  readonly up: number;
  /** When what is shown of its recovery ends. */
  readonly recovered: number;
}

/**
 * Segments for the time around absences: before them; the time in which every service is away,
 * narrow; and the recovery. When one recovers at least four times as fast as another, the recovery
 * has a segment for the fast and another for the slow.
 * @param before how much is shown before the first absence
 */
export function segmentsAround(absences: readonly Absence[], before: number): AxisSegment[] {
  const downFrom = Math.min(...absences.map((absence) => absence.downFrom));
  const down = Math.max(...absences.map((absence) => absence.downFrom));
  const up = Math.min(...absences.map((absence) => absence.up));
  const end = Math.max(up, ...absences.map(({ recovered }) => recovered));
  const segments: AxisSegment[] = [];
  if (before > 0) segments.push({ from: downFrom - before, to: downFrom, share: 0.16 });
  const hasDeadTime = up > down;
  if (hasDeadTime) segments.push({ from: downFrom, to: up, share: 0.2 });
  const from = hasDeadTime ? up : downFrom;
  // A little more than until the last has recovered.
  const last = from + (end - from) * 1.02;
  const cut = fastUntil(absences, from);
  if (cut === undefined) segments.push({ from, to: last > from ? last : from + 1, share: 0.64 });
  else segments.push({ from, to: cut, share: 0.3 }, { from: cut, to: last, share: 0.34 });
  return segments;
}

/** Until when the fast ones have recovered; undefined when none is much faster than the others. */
function fastUntil(absences: readonly Absence[], from: number): number | undefined {
  const lasts = absences.map(({ recovered }) => recovered - from).sort((a, b) => a - b);
  let cut: number | undefined;
  let widest = 4;
  for (let n = 0; n + 1 < lasts.length; n++) {
    const ratio = lasts[n]! > 0 ? lasts[n + 1]! / lasts[n]! : 0;
    if (ratio < widest) continue;
    widest = ratio;
    cut = from + lasts[n]! * 1.15;
  }
  return cut;
}

/** The zigzags between the segments of an axis, over whatever crosses them. */
export function breakMarks({ segments }: BrokenAxis, top: number, base: number): string[] {
  return segments.slice(1).map(({ x0 }) => {
    const middle = x0 - BREAK / 2;
    const teeth = Math.max(1, Math.round((base - top) / 16));
    const tooth = (base - top) / teeth / 2;
    const zigzag = Array.from({ length: teeth }, () => `l4 ${round(tooth)}l-4 ${round(tooth)}`).join('');
    const line = (x: number): string => `M${round(x)} ${round(top)}${zigzag}`;
    return `<path class="gap" d="M${round(middle)} ${round(top)}V${round(base)}"/><path class="break" d="${line(middle - 5)}${line(middle + 1)}"/>`;
  });
}
