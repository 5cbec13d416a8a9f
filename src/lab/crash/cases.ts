/**
 * The cases of the check, in their order: kinds as asked for, steps ascending, crashes ascending.
 */

import { type RandomStream, RandomStreams } from '../../sim/index.ts';
import { subsetsOf } from './lost-blocks.ts';
import type { CrashKind, CrashOptions, Moment } from './options.ts';
import type { Trace } from './trace.ts';

/** The first crash of a case. */
export interface Point extends Moment {
  readonly kind: CrashKind;
  /** Steps that it stands for; 0 where another point has the step, too. */
  readonly covers: number;
}

/** All points, or those of the sample. */
export function pointsOf(options: CrashOptions, trace: Trace): readonly Point[] {
  const { kinds, crash, seed, at } = options;
  if (at !== undefined) return kinds.map((kind) => ({ kind, ...at[0]!, covers: 1 }));
  const random = new RandomStreams(seed).stream('crash points');
  const all = allPoints(kinds, trace);
  if (crash === 'every-line') return all.flatMap(cutAtEachLine);
  const torn = all.map((point) => (point.lines === 0 ? point : { ...point, lines: 1 + random.below(point.lines) }));
  if (crash === 'every' || crash.sample >= torn.length) return torn;
  return sampleOf(torn, crash.sample, trace, random);
}

/** How many places there are at which a copy can be cut, of each kind that sees a difference. */
export function cutsOf({ kinds }: CrashOptions, trace: Trace): number {
  return allPoints(kinds, trace).reduce((sum, { lines }) => sum + lines, 0);
}

/** How many subsets of the drive's blocks a loss of power can leave. */
export function subsetsCounted({ kinds }: CrashOptions, { losable }: Trace): number {
  if (!kinds.includes('power')) return 0;
  return losable.reduce((sum, blocks) => sum + (blocks === 0 ? 0 : subsetsOf(blocks)), 0);
}

/** Of a point with `lines`, it is the number of lines before the last one. */
function allPoints(kinds: readonly CrashKind[], trace: Trace): readonly Point[] {
  return kinds.flatMap((kind) => (kind === 'guest' ? guestPoints(trace) : machinePoints(trace, kind)));
}

function cutAtEachLine(point: Point): readonly Point[] {
  return point.lines === 0 ? [point] : Array.from({ length: point.lines }, (_, n) => ({ ...point, lines: n + 1 }));
}

/**
 * Half of a sample is at steps that differ from the one before. Long runs of equal steps, as when a
 * table is cleared, take all of an even sample.
 */
function sampleOf(points: readonly Point[], size: number, { isTurn }: Trace, random: RandomStream): readonly Point[] {
  const places = points.map((_, place) => place);
  random.shuffle(places);
  const turns = places.filter((place) => isTurn[points[place]!.step] === 1).slice(0, Math.floor(size / 2));
  const chosen = new Set([...turns, ...places]);
  return [...chosen]
    .slice(0, size)
    .sort((a, b) => a - b)
    .map((place) => points[place]!);
}

function machinePoints({ steps, lines, losable }: Trace, kind: CrashKind): Point[] {
  const points: Point[] = [];
  for (let step = 0; step <= steps; step++) {
    points.push({ kind, step, lines: 0, covers: 1 });
    const subsets = kind === 'power' && losable[step]! > 0 ? subsetsOf(losable[step]!) : 0;
    for (let kept = 0; kept < subsets; kept++) points.push({ kind, step, lines: 0, kept, covers: 0 });
    // Memory is lost with the power, and so is the difference.
    if (kind === 'hypervisor' && lines[step]! > 1) points.push({ kind, step, lines: lines[step]! - 1, covers: 0 });
  }
  return points;
}

function guestPoints({ guest, lines, ordinals }: Trace): Point[] {
  return guest.flatMap(({ step, covers }): Point[] => {
    const whole: Point = { kind: 'guest', step, lines: 0, covers };
    const own = step + covers - 1;
    if (!(lines[own]! > 1) || ordinals[own]! < 0) return [whole];
    return [whole, { kind: 'guest', step: own, lines: lines[own]! - 1, covers: 0 }];
  });
}
