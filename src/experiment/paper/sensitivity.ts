/**
 * How far figures move when the constants behind them move within their ranges: one at a time, and
 * all together by a seeded sample.
 *
 * There are many constants and a run takes seconds. So those that matter are found first, for each
 * run, by group tests, as in sequential bifurcation (Bettonvil 1990). All constants of a group move
 * to their slow ends together, and then to their fast ends. A group is dropped when neither moves
 * any time of the run by more than the threshold. Otherwise it is halved. Constants of a group do
 * not cancel out: each is moved in the direction that makes runs longer, or all in the other one.
 *
 * Contract: the study asks for points in batches, and is told what they gave. It asks for no point
 * twice. Its outcome depends on the answers and the random stream, and on nothing else.
 */

import type { RandomStream } from '../../sim/random.ts';
import type { Constants } from '../host/profiles.ts';
import type { Readings } from './runs.ts';

/** A constant and its range. */
export interface Factor {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** The end at which things take longer. */
  readonly slowEnd: 'low' | 'high';
  readonly isWhole: boolean;
}

/** A figure that is asked about. */
export interface Question {
  readonly name: string;
  /** Numbers of the runs that it is worked out from. */
  readonly runs: readonly number[];
  readonly measure: (readings: readonly Readings[]) => number;
}

/** A run with other values for some constants. */
export interface Point {
  readonly run: number;
  readonly constants: Constants;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** What a constant alone does to a figure. */
export interface Swing extends Interval {
  readonly constant: string;
  /** The figure when the constant is at its low end, and at its high end. */
  readonly atLow: number;
  readonly atHigh: number;
}

/** How far a figure moves. */
export interface Spread {
  readonly name: string;
  /** With all constants as they are. */
  readonly value: number;
  /** With one constant moved, whichever. */
  readonly alone: Interval;
  /** Over the sample in which all are moved. */
  readonly together: Interval;
  /** Of the constants that matter to its runs, those that move it most first. */
  readonly swings: readonly Swing[];
}

export interface Study {
  readonly spreads: readonly Spread[];
  /** Points that were asked for. */
  readonly points: number;
}

export interface StudyOptions {
  /** Share of a time by which a group has to move it, or is dropped. */
  readonly threshold: number;
  /** Points of the sample. */
  readonly samples: number;
  readonly random: RandomStream;
}

/** Asks for points; is told the readings of each, in that order. */
export type Asking<Outcome> = Generator<readonly Point[], Outcome, readonly Readings[]>;

export function* study(
  factors: readonly Factor[],
  questions: readonly Question[],
  { threshold, samples, random }: StudyOptions,
): Asking<Study> {
  const known = new Known(factors);
  const runs = [...new Set(questions.flatMap((question) => question.runs))];
  const mattering = new Map<number, ReadonlySet<Factor>>();
  for (const run of runs) {
    const before = [...mattering.values()].flatMap((set) => [...set]);
    mattering.set(run, yield* screen(known, run, factors, new Set(before), threshold));
  }
  const drawn = latinHypercube(factors, samples, random);
  const asked = questions.map(({ runs: own }) => ({
    singles: factors
      .filter((factor) => own.some((run) => mattering.get(run)!.has(factor)))
      .map((factor) => ({ factor, ends: [at(factor, factor.low), at(factor, factor.high)] as const })),
  }));
  // One batch: the more runs there are at a time, the better all cores are used.
  yield* known.ask(
    questions.flatMap(({ runs: own }, n) =>
      own.flatMap((run) =>
        [...asked[n]!.singles.flatMap(({ ends }) => ends), ...drawn].map((constants) => ({ run, constants })),
      ),
    ),
  );
  const spreads = questions.map((question, n): Spread => {
    const measured = (constants: Constants): number =>
      question.measure(question.runs.map((run) => known.readings({ run, constants })));
    const value = measured({});
    const swings = asked[n]!.singles.map(({ factor: { name, low, high }, ends }) => ({
      ...{ constant: name, low, high },
      ...{ atLow: measured(ends[0]), atHigh: measured(ends[1]) },
    }));
    return {
      name: question.name,
      value,
      alone: hull([value, ...swings.flatMap(({ atLow, atHigh }) => [atLow, atHigh])]),
      together: hull([value, ...drawn.map(measured)]),
      swings: swings
        .filter((swing) => spanOf(swing, value) > 0)
        .sort((a, b) => spanOf(b, value) - spanOf(a, value) || (a.constant < b.constant ? -1 : 1)),
    };
  });
  return { spreads, points: known.count };
}

/** How far a constant moves a figure, from end to end. */
const spanOf = ({ atLow, atHigh }: Swing, value: number): number => {
  const { low, high } = hull([value, atLow, atHigh]);
  return high - low;
};

const hull = (values: readonly number[]): Interval => ({ low: Math.min(...values), high: Math.max(...values) });
const at = ({ name }: Factor, value: number): Constants => ({ [name]: value });

/** The constants that move a time of a run. @param first those that are tried alone at once */
function* screen(
  known: Known,
  run: number,
  factors: readonly Factor[],
  first: ReadonlySet<Factor>,
  threshold: number,
): Asking<ReadonlySet<Factor>> {
  const mattering = new Set<Factor>();
  const [base] = yield* known.ask([{ run, constants: {} }]);
  let groups = [...factors.filter((factor) => first.has(factor)).map((factor) => [factor])];
  const rest = factors.filter((factor) => !first.has(factor));
  if (rest.length > 0) groups.push(rest);
  while (groups.length > 0) {
    const moved = new Set<readonly Factor[]>();
    for (const end of ['slow', 'fast'] as const) {
      const tried = groups.filter((group) => !moved.has(group));
      const readings = yield* known.ask(tried.map((group) => ({ run, constants: moveTo(group, end) })));
      tried.forEach((group, n) => {
        if (shareMoved(base!, readings[n]!) > threshold) moved.add(group);
      });
    }
    const next: Factor[][] = [];
    for (const group of moved) {
      const half = Math.ceil(group.length / 2);
      if (group.length === 1) mattering.add(group[0]!);
      else next.push(group.slice(0, half), group.slice(half));
    }
    groups = next;
  }
  return mattering;
}

const moveTo = (group: readonly Factor[], end: 'slow' | 'fast'): Constants =>
  Object.fromEntries(
    group.map(({ name, low, high, slowEnd }) => [name, (end === 'slow') === (slowEnd === 'low') ? low : high]),
  );

/** By how much of itself the time that moved most did. */
const shareMoved = (base: Readings, readings: Readings): number =>
  Math.max(
    ...Object.entries(base).map(([name, value]) =>
      readings[name] === value ? 0 : Math.abs(readings[name]! - value) / Math.abs(value),
    ),
  );

/**
 * Values for all constants: each range is cut into as many parts as there are points, and each part
 * has one point.
 */
export function latinHypercube(factors: readonly Factor[], points: number, random: RandomStream): Constants[] {
  const columns = factors.map(({ name, low, high, isWhole }) => {
    const parts = Array.from({ length: points }, (_, part) => part);
    random.shuffle(parts);
    return parts.map((part): [string, number] => {
      const value = low + ((part + random.fraction()) / points) * (high - low);
      return [name, isWhole ? Math.round(value) : value];
    });
  });
  return Array.from({ length: points }, (_, n) => Object.fromEntries(columns.map((column) => column[n]!)));
}

/** What the points gave that were asked for. */
class Known {
  readonly #values: ReadonlyMap<string, number>;
  readonly #readings = new Map<string, Readings>();

  constructor(factors: readonly Factor[]) {
    this.#values = new Map(factors.map(({ name, value }) => [name, value]));
  }

  get count(): number {
    return this.#readings.size;
  }

  /** The readings of the points, those asked for that are not known. */
  *ask(points: readonly Point[]): Asking<readonly Readings[]> {
    const missing = new Map<string, Point>();
    for (const point of points) {
      const key = this.#keyOf(point);
      if (!this.#readings.has(key)) missing.set(key, point);
    }
    if (missing.size > 0) {
      const answers = yield [...missing.values()];
      [...missing.keys()].forEach((key, n) => this.#readings.set(key, answers[n]!));
    }
    return points.map((point) => this.readings(point));
  }

  readings(point: Point): Readings {
    return this.#readings.get(this.#keyOf(point))!;
  }

  /** Constants that are as they are anyhow tell nothing. */
  #keyOf({ run, constants }: Point): string {
    const moved = Object.entries(constants).filter(([name, value]) => this.#values.get(name) !== value);
    return JSON.stringify([run, moved.sort(([a], [b]) => (a < b ? -1 : 1))]);
  }
}
