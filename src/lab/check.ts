/**
 * The frame of every check: its cases as parts, and the results of parts as one report.
 *
 * Contract: how cases are split depends on their number alone. A report depends on the results
 * alone: on neither their order nor the process that took them. Everything here is plain data.
 */

import { checkArgument, checkInteger } from '../base/argument-error.ts';
import type { Part, PartResult, Violation } from './part.ts';

export type CheckOptions = Part['options'];

/** Told how many cases of the part are done. Returns false when the budget has ended. */
export type PartProgress = (done: number) => boolean;

/** A check of the lab. It asks the host nothing, and keeps nothing from one call to the next. */
export interface Check {
  /** As the command line says it. */
  readonly name: string;
  /**
   * How many cases there are.
   * @throws ArgumentError for options that it does not take
   */
  count(options: CheckOptions): number;
  /**
   * Plays the cases of a part, from the first on.
   * @throws ArgumentError for options that it does not take
   */
  play(part: Part, progress: PartProgress): PartResult;
}

/** Most parts of a check: many more than there are cores, and few enough to be written down. */
const MOST_PARTS = 256;

/**
 * All cases in parts of one size, in their order. The last part may be smaller.
 * @param least fewest cases of a part, 1 or more: what a check does once for each part costs time
 */
export function partsOf(check: string, options: CheckOptions, cases: number, least = 1): readonly Part[] {
  checkInteger('cases', cases, 0);
  checkInteger('least', least, 1);
  const size = Math.max(least, Math.ceil(cases / MOST_PARTS));
  return Array.from({ length: Math.ceil(cases / size) }, (_, n) => ({
    check,
    options,
    from: n * size,
    to: Math.min(cases, (n + 1) * size),
  }));
}

/** Which of the parts one process takes: every `of`th, beginning with the `number`th. */
export interface Shard {
  /** 1 to `of`. */
  readonly number: number;
  readonly of: number;
}

/** The parts of a shard. Those of all shards together are all parts, each once. */
export function partsOfShard(parts: readonly Part[], { number, of }: Shard): readonly Part[] {
  checkInteger('of', of, 1);
  checkInteger('number', number, 1, of);
  return parts.filter((_, n) => n % of === number - 1);
}

export const casesOf = ({ from, to }: Part): number => to - from;

/** Whether all cases of the part were played. */
export const isWhole = ({ part, done }: PartResult): boolean => done === casesOf(part);

export const VERDICTS = ['passed', 'violated', 'partial'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** A number by its name. */
export interface Named {
  readonly name: string;
  readonly value: number;
}

/** What a check has found. Plain JSON. */
export interface Findings {
  /** Cases that were to be played, and those that were. */
  readonly cases: number;
  readonly done: number;
  /** Violated as soon as one law did not hold; otherwise partial while cases are left. */
  readonly verdict: Verdict;
  /** Sums, by name, in the order of the names. */
  readonly counts: readonly Named[];
  /** How often each state was met that a run must meet, in the order of the names. */
  readonly reached: readonly Named[];
  /** By case, and in a case by law. */
  readonly violations: readonly Violation[];
}

/**
 * The results of parts as one report.
 * @param parts all parts that are wanted
 * @param results of these parts, in any order; a part without one was not played
 * @throws ArgumentError for a result of no such part, two of one, or more cases than it has
 */
export function merged(parts: readonly Part[], results: readonly PartResult[]): Findings {
  const wanted = new Map(parts.map((part) => [part.from, part]));
  const seen = new Set<number>();
  for (const { part, done } of results) {
    const { from, to } = part;
    checkArgument(wanted.get(from)?.to === to, 'results', `cases ${from} to ${to} are no part of this run`);
    checkArgument(!seen.has(from), 'results', `cases ${from} to ${to} are there twice`);
    checkArgument(done >= 0 && done <= to - from, 'results', `${done} of cases ${from} to ${to} were played`);
    seen.add(from);
  }
  const cases = parts.reduce((sum, part) => sum + casesOf(part), 0);
  const done = results.reduce((sum, result) => sum + result.done, 0);
  const violations = results.flatMap((result) => result.violations).sort(byCase);
  return {
    cases,
    done,
    verdict: violations.length > 0 ? 'violated' : done < cases ? 'partial' : 'passed',
    counts: sums(results.map(({ counts }) => counts)),
    reached: sums(results.map(({ reached }) => reached)),
    violations,
  };
}

/** Names of states that a run must meet, and that this one has not. */
export const neverReached = ({ reached }: Pick<Findings, 'reached'>): readonly string[] =>
  reached.filter(({ value }) => value === 0).map(({ name }) => name);

const order = (a: string, b: string): number => Number(a > b) - Number(a < b);

const byCase = (a: Violation, b: Violation): number =>
  a.at - b.at || order(a.law, b.law) || order(a.what, b.what) || order(a.replay, b.replay);

function sums(all: readonly Readonly<Record<string, number>>[]): readonly Named[] {
  const sum = new Map<string, number>();
  for (const one of all) for (const [name, value] of Object.entries(one)) sum.set(name, (sum.get(name) ?? 0) + value);
  return [...sum].map(([name, value]) => ({ name, value })).sort((a, b) => order(a.name, b.name));
}
