/**
 * `check scope`: all states of a small machine, and what goes wrong in it without each protection.
 *
 * Its cases are the scopes of scopes.ts, then the ablations. A scope passes when no law is broken
 * in it. An ablation passes when its law is broken, in exactly as many steps as it says, and holds
 * that long in its control run. With one scope or one ablation asked for there is one case, and a
 * law that is broken is a violation.
 */

import { checkInteger, checkOneOf } from '../../base/argument-error.ts';
import type { Part, PartResult, Violation } from '../part.ts';
import { ABLATIONS, type Ablation, ablationOf, scopeOf, withoutOf } from './ablations.ts';
import { DEFAULT_STATES, type ScopeOptions, scopeOptions } from './options.ts';
import { SCOPES } from './scopes.ts';
import { type Found, search, type SearchHooks } from './search.ts';
import type { Without } from './stored-world.ts';

type Options = Part['options'];

/** What a run of the scopes must have met: a page that is taken over, and refusals by reason. */
const MET = ['staleBlock', 'generation', 'dirty', 'diskChanged', 'duplicate'] as const;

/** A search that a case is. */
interface Case {
  /** Of the counts; undefined for one that was asked for. */
  readonly name: string;
  readonly options: ScopeOptions;
  readonly without: Without;
  readonly replay: string;
  /** Given where it must break its law. */
  readonly ablation?: Ablation;
  /** The one law that counts. */
  readonly law?: string;
}

/** A check of the lab: see `../part.ts`. */
export const scopeCheck = {
  name: 'scope',

  /**
   * How many cases there are.
   * @throws ArgumentError for options that it does not take
   */
  count: (options: Options): number => casesOf(options).length,

  /**
   * Plays the cases of a part, from the first on. `progress` is told how many are done, also while
   * one is played; when it returns false, the case that is played is not counted.
   * @throws ArgumentError for options that it does not take
   */
  play(part: Part, progress: (done: number) => boolean): PartResult {
    const cases = casesOf(part.options);
    checkInteger('to', part.to, 0, cases.length);
    checkInteger('from', part.from, 0, part.to);
    const counts: Record<string, number> = {};
    const reached: Record<string, number> = {};
    const violations: Violation[] = [];
    let done = 0;
    for (let at = part.from; at < part.to; at++, done++) {
      const each = cases[at]!;
      let isOver = false;
      const goesOn = (): boolean => {
        isOver ||= !progress(done);
        return !isOver;
      };
      const found = search(each.options, each.without, { progress: goesOn, ...hooksOf(each) });
      add(counts, each, found);
      if (isAll(part.options) && each.ablation === undefined) addReached(reached, found);
      const violation = each.ablation === undefined ? found.violation : problemOf(each.ablation, each, found, goesOn);
      if (violation !== undefined) violations.push({ at, replay: each.replay, ...violation });
      if (isOver) break;
    }
    return { part, done, counts, reached, violations };
  },
} as const;

const hooksOf = ({ law }: Case): SearchHooks => (law === undefined ? {} : { law });

/** Nothing is asked for: all scopes and all ablations. */
function isAll({ scope, without, states: _states, symmetry: _symmetry, ...dimensions }: Options): boolean {
  return scope === undefined && without === undefined && Object.keys(dimensions).length === 0;
}

/** @throws ArgumentError */
function casesOf(options: Options): readonly Case[] {
  const { scope, without, states, symmetry, ...dimensions } = options;
  const bounds = { ...(states !== undefined && { states }), ...(symmetry !== undefined && { symmetry }) };
  if (without !== undefined) {
    checkOneOf(
      'without',
      without,
      ABLATIONS.map(({ name }) => name),
    );
    const ablation = ablationOf(without)!;
    const { ablation: _mustBreak, ...one } = ofAblation(ablation, { ...dimensions, ...bounds });
    return [one];
  }
  if (scope !== undefined) {
    checkOneOf('scope', scope, Object.keys(SCOPES));
    return [ofScope(scope, { ...dimensions, ...bounds })];
  }
  if (!isAll(options)) return [ofScope('wide', { ...dimensions, ...bounds })];
  return [
    ...Object.keys(SCOPES).map((name) => ofScope(name, bounds)),
    ...ABLATIONS.map((ablation, n) => mustBreak(ofAblation(ablation, bounds), Object.keys(SCOPES).length + n)),
  ];
}

function ofScope(name: string, over: Options): Case {
  const options = scopeOptions({ ...SCOPES[name], ...over });
  return { name, options, without: {}, replay: `stillwarm check scope --scope ${name}${boundOf(options)}` };
}

function ofAblation(ablation: Ablation, over: Options): Case {
  const options = scopeOptions({ ...scopeOf(ablation), ...over });
  const { name, law } = ablation;
  const replay = `stillwarm check scope --without ${name}${boundOf(options)}`;
  return { name, options, without: withoutOf(ablation).ablated, replay, ablation, law };
}

/** Alone it would break its law, so it is played again as the case that it is among all. */
function mustBreak(one: Case, at: number): Case {
  return { ...one, replay: `stillwarm check scope${boundOf(one.options)} --case ${at}` };
}

/** A violation that lies behind the default bound is found again with the same one. */
const boundOf = ({ states }: ScopeOptions): string => (states === DEFAULT_STATES ? '' : ` --states ${states}`);

function add(counts: Record<string, number>, { name, ablation }: Case, found: Found): void {
  const all: Record<string, number> = { states: found.states, transitions: found.transitions };
  if (ablation === undefined) {
    all['scopes'] = 1;
    all['complete'] = found.isComplete ? 1 : 0;
    all[`states of ${name}`] = found.states;
    all[`depth of ${name}`] = found.depth;
    all[`complete of ${name}`] = found.isComplete ? 1 : 0;
  } else {
    all['ablations'] = 1;
    all[`steps of ${name}`] = found.violation?.history.length ?? 0;
  }
  for (const [key, value] of Object.entries(all)) counts[key] = (counts[key] ?? 0) + value;
}

function addReached(reached: Record<string, number>, { reused, refused }: Found): void {
  const all = { 'taken over': reused, ...Object.fromEntries(MET.map((name) => [`refused: ${name}`, refused[name]])) };
  for (const [key, value] of Object.entries(all)) reached[key] = (reached[key] ?? 0) + value;
}

/** What is wrong with an ablation: it breaks no law, or another one, or so does its control run. */
function problemOf(
  ablation: Ablation,
  { options }: Case,
  found: Found,
  progress: () => boolean,
): Omit<Violation, 'at' | 'replay'> | undefined {
  const { name, law, steps } = ablation;
  const { violation } = found;
  const wrong = (what: string, history: readonly string[] = []) => ({ law: 'ablation', what, history });
  if (!progress()) return undefined;
  if (violation === undefined) return wrong(`without ${name} the law ${law} is not broken in ${found.states} states`);
  const { history } = violation;
  if (history.length !== steps)
    return wrong(`without ${name} the law ${law} is broken in ${history.length} steps, not in ${steps}`, history);
  const control = search(options, withoutOf(ablation).control, { steps, progress });
  if (control.violation === undefined) return undefined;
  return wrong(`with ${name} the law ${control.violation.law} is broken as well`, control.violation.history);
}
