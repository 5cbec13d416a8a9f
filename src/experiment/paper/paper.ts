/**
 * `stillwarm paper`: every figure that the slides print of a reboot, beside ours.
 *
 * The work is asked for in batches of runs that do not depend on each other. The first one has
 * everything but the ranges of the predicted figures. To find these takes far longer, so they are
 * written down (`WrittenRanges`), with the figure that each was found for. When the model has
 * changed since, and a figure with it, it has no range until they are found again.
 */

import { Digest } from '../../sim/digest.ts';
import { RandomStreams } from '../../sim/random.ts';
import { constantsOf, fittedConstants, type Constant } from '../../machine/profile.ts';
import { NEAR_PERCENT } from '../../slides/figures.ts';
import { archOf, PROFILE } from '../host/profiles.ts';
import type { PaperOptions } from './options.ts';
import { filesRun, paperFigures, seriesRuns, type PaperFigure } from './figures.ts';
import type { PaperFigureResult, PaperMachine, PaperRange, PaperResult, PaperStudy } from './result.ts';
import { PAPER_PROFILE, type PaperBatch, type PaperJob, type PaperPart, type PaperRun } from './runs.ts';
import { study, type Factor, type Interval, type Point, type Question, type Spread } from './sensitivity.ts';

/** Ranges as they are written to a file. */
export interface WrittenRanges {
  readonly schema: typeof RANGES_SCHEMA;
  readonly study: PaperStudy;
  readonly figures: readonly Spread[];
}

export interface PaperOutcome {
  readonly result: PaperResult;
  /** The ranges that were found, if that was asked for. */
  readonly found: WrittenRanges | undefined;
  /** What differed from the disk, a line each. */
  readonly mismatches: readonly string[];
}

/** Asks for batches of runs; is told the part of each run. */
export type PaperWork = Generator<PaperBatch, PaperOutcome, readonly PaperPart[]>;

export const RANGES_SCHEMA = 'stillwarm/paper-ranges@1';
/** Constants that move no time of a run by more than this are left as they are. */
const THRESHOLD = 0.005;
/** Swings that are printed of a figure. */
const MOST_SWINGS = 5;
const RATE = 'disk.outerMBps';
/** Media rates of drives of the time: the share of a file read depends on them by resonance. */
const RATES_MBPS = Array.from({ length: 16 }, (_, n) => 55 + n);
const FILE_STRATEGIES = ['cold', 'warm-cache', 'warm-cache+metadata'] as const;

/** @param written ranges that were found before, for figures that may have changed since */
export function* paper(options: PaperOptions, written: WrittenRanges | undefined): PaperWork {
  const { seed, shrink } = options;
  const figures = paperFigures(shrink);
  const runs = new Runs(seed);
  const reads = FILE_STRATEGIES.map((strategy) => filesRun(strategy, shrink));
  const series = seriesRuns(shrink);
  const rates = RATES_MBPS.map((rate) => ({ run: filesRun('warm-cache', shrink), constants: { [RATE]: rate } }));
  yield* runs.do([...[...figures.flatMap((figure) => figure.runs), ...series, ...reads].map(asIs), ...rates]);
  const { digest, verified, mismatches } = runs.summary();

  const found = options.study ? yield* findRanges(options, figures, runs) : undefined;
  const ranges = found ?? written;
  const results = figures.map((figure) => figureResult(figure, runs, ranges));
  return {
    result: {
      schema: 'stillwarm/paper@1',
      seed,
      digest,
      profile: PAPER_PROFILE,
      arch: archOf({ profile: PAPER_PROFILE }),
      disk: 'profile',
      set: [],
      figures: results,
      machines: machinesOf(series, runs),
      readings: reads.map(({ strategy, fileBytes }, n) => {
        const { firstBeforeNs, secondBeforeNs, firstNs, secondNs } = runs.readings(asIs(reads[n]!));
        return {
          ...{ strategy, bytes: fileBytes, firstBeforeNs: firstBeforeNs!, secondBeforeNs: secondBeforeNs! },
          ...{ firstNs: firstNs!, secondNs: secondNs! },
        };
      }),
      rates: rates.map((job) => {
        const { firstNs, secondNs } = runs.readings(job);
        return { mbps: job.constants[RATE], percent: (100 * secondNs!) / firstNs! };
      }),
      study: results.some(({ range }) => range !== null) ? ranges!.study : null,
      verified,
      fitted: fittedConstants(PROFILE[PAPER_PROFILE]),
    },
    found,
    mismatches,
  };
}

const asIs = (run: PaperRun): PaperJob => ({ run, constants: {} });

function machinesOf(series: ReturnType<typeof seriesRuns>, runs: Runs): PaperMachine[] {
  const machines = new Map<string, PaperMachine>();
  for (const run of series) {
    const { vms, memory, strategy } = run;
    const { stopNs, startNs, downtimeNs } = runs.readings(asIs(run));
    const before = machines.get(`${vms} ${memory}`)?.strategies ?? [];
    const strategies = [...before, { strategy, stopNs: stopNs!, startNs: startNs!, downtimeNs: downtimeNs! }];
    machines.set(`${vms} ${memory}`, { vms, memory, strategies });
  }
  return [...machines.values()];
}

function figureResult(figure: PaperFigure, runs: Runs, ranges: WrittenRanges | undefined): PaperFigureResult {
  const { name, slide, measure, notRun } = figure;
  const { unit, value } = slide;
  const common = { name, unit, slide: value };
  if (measure === undefined)
    return { ...common, ours: null, percentOff: null, status: 'not run', reason: notRun!, range: null };
  const ours = measure(figure.runs.map((run) => runs.readings(asIs(run))));
  const percentOff = (100 * (ours - value)) / value;
  const measured = { ...common, ours, percentOff, status: slide.status };
  switch (slide.status) {
    case 'fitted':
      return { ...measured, reason: 'constants were fitted to it', range: null };
    case 'not comparable':
      return { ...measured, reason: slide.reason, range: null };
    case 'predicted': {
      const spread = ranges?.figures.find((each) => each.name === name && each.value === ours);
      const isNear = Math.abs(percentOff) <= NEAR_PERCENT;
      const reason = isNear
        ? `within ${NEAR_PERCENT} %`
        : [slide.assumption, ...(spread === undefined ? [] : [whatReaches(spread, value, unit)])].join('. ');
      return { ...measured, reason, range: spread === undefined ? null : rangeOf(spread) };
    }
  }
}

const rangeOf = ({ alone, together, swings }: Spread): PaperRange => ({
  alone,
  together,
  swings: swings.slice(0, MOST_SWINGS),
});

/** Which constants bring a figure near that of the slide, within their ranges. */
function whatReaches({ value, together, swings }: Spread, slide: number, unit: string): string {
  const near = { low: slide * (1 - NEAR_PERCENT / 100), high: slide * (1 + NEAR_PERCENT / 100) };
  const meets = ({ low, high }: Interval): boolean => low <= near.high && high >= near.low;
  const alone = swings
    .filter(({ atLow, atHigh }) => meets({ low: Math.min(value, atLow, atHigh), high: Math.max(value, atLow, atHigh) }))
    .map(({ constant }) => constant);
  const target = `${slide}${unit === 's' ? ' s' : unit === '%' ? ' %' : ' ×'}`;
  if (alone.length > 0)
    return `Within its range, ${alone.join(' or ')} alone brings it within ${NEAR_PERCENT} % of ${target}`;
  const all = meets(together) ? 'all together do' : 'nor do all together';
  return `No constant alone brings it within ${NEAR_PERCENT} % of ${target}, ${all}`;
}

function* findRanges(
  { seed, samples }: PaperOptions,
  figures: readonly PaperFigure[],
  runs: Runs,
): Generator<PaperBatch, WrittenRanges, readonly PaperPart[]> {
  const predicted = figures.filter(({ slide, measure }) => slide.status === 'predicted' && measure !== undefined);
  const all = new Map<string, PaperRun>();
  for (const run of predicted.flatMap((figure) => figure.runs)) all.set(JSON.stringify(run), run);
  const keys = [...all.keys()];
  const questions = predicted.map(
    ({ name, runs: own, measure }): Question => ({
      name,
      runs: own.map((run) => keys.indexOf(JSON.stringify(run))),
      measure: measure!,
    }),
  );
  const factors = factorsOf();
  const random = new RandomStreams(seed).stream('constants');
  const studying = study(factors, questions, { threshold: THRESHOLD, samples, random });
  for (let step = studying.next(); ; ) {
    if (step.done) {
      const { spreads, points } = step.value;
      const thresholdPercent = 100 * THRESHOLD;
      return {
        schema: RANGES_SCHEMA,
        study: { seed, constants: factors.length, samples, thresholdPercent, points },
        figures: spreads,
      };
    }
    const jobs = step.value.map(({ run, constants }: Point) => ({ run: all.get(keys[run]!)!, constants }));
    yield* runs.do(jobs);
    step = studying.next(jobs.map((job) => runs.readings(job)));
  }
}

/** The constants that have a range. */
function factorsOf(): Factor[] {
  return [...constantsOf(PROFILE[PAPER_PROFILE])].flatMap(([name, { value, unit, range }]: [string, Constant]) => {
    if (range === undefined || range[0] === range[1]) return [];
    const isRate = unit !== 'ns' && unit !== 'ns/B' && unit !== 'ns/frame';
    const slowEnd = isRate ? ('low' as const) : ('high' as const);
    return [{ name, value, low: range[0], high: range[1], slowEnd, isWhole: unit !== 'ns/B' && unit !== 'MB/s' }];
  });
}

/** The runs that were done, by their job. */
class Runs {
  readonly #seed: number;
  readonly #parts = new Map<string, PaperPart>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Does those that were not done before. */
  *do(jobs: readonly PaperJob[]): Generator<PaperBatch, void, readonly PaperPart[]> {
    const missing = new Map<string, PaperJob>();
    for (const job of jobs) if (!this.#parts.has(keyOf(job))) missing.set(keyOf(job), job);
    if (missing.size === 0) return;
    const parts = yield { seed: this.#seed, jobs: [...missing.values()] };
    [...missing.keys()].forEach((key, n) => this.#parts.set(key, parts[n]!));
  }

  readings(job: PaperJob): PaperPart['readings'] {
    return this.#parts.get(keyOf(job))!.readings;
  }

  /** Of all runs so far, in the order in which they were asked for. */
  summary(): Pick<PaperResult, 'digest' | 'verified'> & Pick<PaperOutcome, 'mismatches'> {
    const digest = new Digest();
    const verified = { pages: 0, bytes: 0, mismatches: 0 };
    const mismatches: string[] = [];
    for (const [key, part] of this.#parts) {
      digest.addHex(part.digest);
      verified.pages += part.verified.pages;
      verified.bytes += part.verified.bytes;
      verified.mismatches += part.verified.mismatches;
      mismatches.push(...part.mismatches.map((what) => `${key}: ${what}`));
    }
    return { digest: digest.hex, verified, mismatches };
  }
}

const keyOf = ({ run, constants }: PaperJob): string => JSON.stringify([run, constants]);
