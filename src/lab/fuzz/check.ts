/**
 * The check `fuzz`: numbered cases of each kind, played in any order and by any process. A case is
 * drawn from the seed, its kind and its number, and depends on no other case.
 */

import {
  ArgumentError,
  checkArgument,
  checkInteger,
  checkKeys,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import { RandomStreams } from '../../sim/index.ts';
import type { Part, PartResult, Violation } from '../part.ts';
import { type CorpusEntry, corpusText } from './corpus.ts';
import { type FuzzCase, type Kind, playCase, type Verdict } from './kind.ts';
import { shrink } from './shrink.ts';

/** What decides which cases there are. Plain JSON. */
export interface FuzzOptions {
  /** Name of a kind, or `all` of them; `all` by default. */
  readonly kind?: string;
  /** Cases of each kind, 1 to 2^32 - 1; by default as many as the kind has in CI. */
  readonly cases?: number;
  /** An integer that decides every case; 1 by default. */
  readonly seed?: number;
}

/** A check of the lab: numbered cases, of which a part can be played. */
export interface FuzzCheck {
  readonly name: 'fuzz';
  /** Names of its kinds, in the order of their cases. */
  readonly kinds: readonly string[];
  /**
   * How many cases there are.
   * @throws ArgumentError for options that are unknown or out of range
   */
  count(options: Part['options']): number;
  /**
   * Plays the cases of a part, in their order.
   * @param progress told how many are done; false ends the part
   * @throws ArgumentError for a part of another check, or of cases that there are not
   */
  play(part: Part, progress: (done: number) => boolean): PartResult;
}

/** Makes a kind. It makes its specimens when they are asked for. */
export type KindMaker = () => Kind;

/** Violations of a part that are shrunk and listed; the others are counted. */
const MOST_VIOLATIONS = 8;
/** Bounds of the events that cases took, for counts that can be added. */
const EVENT_BOUNDS = [0, 100, 1000, 10_000, 100_000, 1_000_000] as const;

/** @param makers by name; each is called once */
export function fuzzOf(makers: Readonly<Record<string, KindMaker>>): FuzzCheck {
  const made = new Map<string, Kind>();
  const kinds = Object.keys(makers);
  const kindOf = (name: string): Kind => {
    const kind = made.get(name) ?? makers[name]!();
    made.set(name, kind);
    return kind;
  };
  /** The kinds of a run, each with the number of its cases. */
  const planOf = (options: Part['options']): readonly (readonly [kind: string, cases: number])[] => {
    const { kind, cases } = checkOptions(options, kinds);
    return (kind === 'all' ? kinds : [kind]).map((name) => [name, cases ?? kindOf(name).cases]);
  };
  const placeOf = (plan: ReturnType<typeof planOf>, at: number): { kind: Kind; n: number } => {
    let n = at;
    for (const [name, cases] of plan) {
      if (n < cases) return { kind: kindOf(name), n };
      n -= cases;
    }
    throw new ArgumentError(`part: there is no case ${at}`);
  };
  const count = (options: Part['options']): number => planOf(options).reduce((sum, [, cases]) => sum + cases, 0);

  const play = (part: Part, progress: (done: number) => boolean): PartResult => {
    checkPart(part, count);
    const plan = planOf(part.options);
    const { seed, cases } = checkOptions(part.options, kinds);
    const tally = new Tally(plan.map(([name]) => kindOf(name)));
    const violations: Violation[] = [];
    let done = 0;
    for (let at = part.from; at < part.to; at++) {
      const { kind, n } = placeOf(plan, at);
      const fuzzCase = caseOf(kind, seed, n);
      const played = playCase(kind, fuzzCase);
      if (!('law' in played)) tally.add(kind, played);
      else {
        tally.broken();
        if (violations.length < MOST_VIOLATIONS)
          violations.push(violationOf(kind, fuzzCase, played, { at, n, seed, cases }));
      }
      done++;
      if (!progress(done)) break;
    }
    return { part, done, counts: tally.counts, reached: tally.reached, violations };
  };
  return { name: 'fuzz', kinds, count, play };
}

/** The n-th case of a kind. */
export function caseOf(kind: Kind, seed: number, n: number): FuzzCase {
  return kind.draw(new RandomStreams(seed).stream(`fuzz ${kind.name} ${n}`));
}

/** A case among all: its number, its number in its kind, and what decides both. */
interface Place {
  readonly at: number;
  readonly n: number;
  readonly seed: number;
  readonly cases: number | undefined;
}

function violationOf(
  kind: Kind,
  found: FuzzCase,
  { law, what }: { readonly law: string; readonly what: string },
  { at, n, seed, cases = kind.cases }: Place,
): Violation {
  const replay = `stillwarm check fuzz --kind ${kind.name} --cases ${cases} --seed ${seed} --case ${n}`;
  const entry: CorpusEntry = { kind: kind.name, law, what, replay, case: shrink(kind, found, law) };
  return { at, law: `${kind.name}: ${law}`, what, replay, history: corpusText(entry).trimEnd().split('\n') };
}

function checkOptions(
  options: Part['options'],
  kinds: readonly string[],
): Required<Pick<FuzzOptions, 'kind' | 'seed'>> & FuzzOptions {
  checkKeys('options', options, ['kind', 'cases', 'seed']);
  const { kind = 'all', cases, seed = 1 } = options as FuzzOptions;
  checkOneOf('kind', kind, ['all', ...kinds]);
  checkInteger('seed', seed, Number.MIN_SAFE_INTEGER);
  if (cases === undefined) return { kind, seed };
  checkInteger('cases', cases, 1, 2 ** 32 - 1);
  return { kind, seed, cases };
}

function checkPart(part: Part, count: FuzzCheck['count']): void {
  checkObject('part', part);
  checkOneOf('part.check', part.check, ['fuzz']);
  const all = count(part.options);
  checkInteger('part.from', part.from, 0, all);
  checkInteger('part.to', part.to, 0, all);
  checkArgument(part.from <= part.to, 'part', 'it ends before it begins');
}

/** What is counted of a part: each count is a sum. */
class Tally {
  readonly counts: Record<string, number> = { cases: 0, accepted: 0, refused: 0, violations: 0, events: 0 };
  readonly reached: Record<string, number> = {};

  constructor(kinds: readonly Kind[]) {
    for (const kind of kinds) for (const reason of kind.reasons) this.reached[`${kind.name}: ${reason}`] = 0;
  }

  add({ name }: Kind, { refused, events }: Verdict): void {
    this.#count('cases');
    this.counts['events']! += events;
    const bound = EVENT_BOUNDS.find((most) => events <= most);
    this.#count(bound === undefined ? 'events: more than 1000000' : `events: at most ${bound}`);
    if (refused === undefined) {
      this.#count('accepted');
      this.#count(`${name}: accepted`);
      return;
    }
    this.#count('refused');
    this.#count(`${name}: ${refused}`);
    if (`${name}: ${refused}` in this.reached) this.reached[`${name}: ${refused}`]!++;
  }

  broken(): void {
    this.#count('cases');
    this.#count('violations');
  }

  #count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}
