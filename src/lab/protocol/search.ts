/**
 * The search: all states of a protocol, breadth first, until a law is broken or a bound is reached.
 * The first state that breaks a law lies at the end of a shortest history.
 */

import { checkInteger, checkKeys, checkOneOf } from '../../base/index.ts';
import type { AnyProtocol, Coverage, Outcome, Problem, SearchOptions } from './api.ts';
import { Refusal, type Watch } from './calls.ts';
import { Expander } from './expander.ts';
import { grewOf } from './growth.ts';
import { historyOf, type Named } from './history.ts';
import {
  checkBreaks,
  type CheckedModel,
  checkFaultNames,
  checkFaults,
  checkModel,
  checkProtocolObject,
  hasOf,
  isMistake,
} from './model.ts';
import { Traps } from './traps.ts';
import { saidOf } from './words.ts';

/** States after which no new one is taken up, by default. */
export const DEFAULT_STATES = 5_000_000;
const STATES_MAX = 2 ** 30;

const FLAGS = [true, false, undefined];
const OPTIONS = ['faults', 'states', 'depth', 'symmetry', 'reduction'] as const;

/**
 * Searches all states of a protocol.
 * @throws ArgumentError that names the place in the protocol, or the option
 */
export function search(protocol: AnyProtocol, options: SearchOptions = {}): Outcome {
  return watchedSearch(protocol, options, { cells: new Int32Array(2), onFunctions: () => undefined });
}

/** A search that others may watch. */
export function watchedSearch(protocol: AnyProtocol, options: SearchOptions, watch: Watch): Outcome {
  checkProtocolObject(protocol);
  checkKeys('options', options, OPTIONS);
  const { faults = [], states = DEFAULT_STATES, depth = Infinity } = options;
  checkInteger('options.states', states, 1, STATES_MAX);
  if (depth !== Infinity) checkInteger('options.depth', depth, 0, STATES_MAX);
  for (const flag of ['symmetry', 'reduction'] as const) checkOneOf(`options.${flag}`, options[flag], FLAGS);
  checkFaults(protocol, faults);
  const named: Named = { protocol: protocol.name, faults };
  const traps = new Traps();
  traps.set();
  try {
    const model = built(protocol, faults, traps);
    if (model instanceof Refusal) return refusedAtOnce(model);
    const { symmetry = true, reduction = depth === Infinity } = options;
    checkFaultNames(protocol, lawsOf(model));
    checkBreaks(protocol, faults, lawsOf(model));
    watch.onFunctions(model.functions);
    return searchModel(model, named, traps, watch.cells, { states, depth, symmetry, reduction });
  } finally {
    traps.clear();
  }
}

function built(protocol: AnyProtocol, faults: readonly string[], traps: Traps): CheckedModel | Refusal {
  let model: unknown;
  try {
    model = protocol.build(hasOf(protocol, faults));
  } catch (error) {
    if (isMistake(error)) throw error;
    if (traps.hit === undefined) return new Refusal('throws', 'build', `it throws ${saidOf(error)}`);
  }
  if (traps.hit !== undefined)
    return new Refusal('asks the host', 'build', `it ${traps.hit}: a protocol has no clock and no chance`);
  return checkModel(model as Parameters<typeof checkModel>[0]);
}

const problemOf = ({ kind, where, message }: Refusal): Problem => ({ kind, where, what: message });

function refusedAtOnce(refusal: Refusal): Outcome {
  const coverage = { depth: 0, frontier: 0, grew: [] };
  const nothing = {
    states: 0,
    transitions: 0,
    depth: 0,
    laws: [],
    reached: {},
    unreached: [],
    idle: [],
    unmet: [],
    broken: [],
    isShortest: true,
    isReduced: false,
    coverage,
  };
  return { ...nothing, verdict: 'refused', problem: problemOf(refusal) };
}

const lawsOf = ({ always, sometimes, neverAfter }: CheckedModel): string[] => [
  ...[...always, ...sometimes, ...neverAfter].map(({ name }) => name),
  'deadlock',
];

/** A history in which no step was left out may be shorter: it is searched for again, with all. */
function shortest(
  found: Outcome,
  model: CheckedModel,
  named: Named,
  traps: Traps,
  cells: Int32Array,
  bounds: Bounds,
): Outcome {
  const depth = Math.min(bounds.depth, found.counterexample!.steps.length);
  const again = searchModel(model, named, traps, cells, { ...bounds, depth, reduction: false });
  return again.verdict === 'partial' ? { ...found, isShortest: false } : again;
}

interface Bounds {
  readonly states: number;
  readonly depth: number;
  readonly symmetry: boolean;
  readonly reduction: boolean;
}

function searchModel(model: CheckedModel, named: Named, traps: Traps, cells: Int32Array, bounds: Bounds): Outcome {
  let expander: Expander;
  try {
    expander = new Expander(model, traps, cells, bounds);
    expander.begin();
  } catch (error) {
    if (error instanceof Refusal) return refusedAtOnce(error);
    throw error;
  }
  const { visited } = expander;
  let depth = 0;
  /** The first state of the next depth. */
  let next = 1;
  let state = 0;
  /** The first state whose steps were not all taken; -1 while there is none. */
  let cut = -1;
  let bound: Coverage['bound'];
  let broken: readonly string[] = [];
  let refusal: Refusal | undefined;
  try {
    for (; state < visited.count && broken.length === 0; state++) {
      if (state === next) {
        depth++;
        next = visited.count;
      }
      if (cut < 0 && depth >= bounds.depth) {
        cut = state;
        bound = 'depth';
      }
      cells[0] = state;
      broken = expander.look(state);
      if (broken.length > 0) break;
      if (cut >= 0 || expander.expand(state)) continue;
      cut = state;
      bound = 'states';
    }
    // A function that has turned in the meantime knows more than the state.
    if (broken.length === 0) {
      state = 0;
      historyOf(expander, named, visited.count - 1, '');
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refusal = error;
  }
  const cutAt = cut < 0 ? visited.count : cut;
  const seen = { states: visited.count, transitions: expander.transitions, ...expander.reached(), laws: lawsOf(model) };
  const grew = bound === 'states' ? grewOf(expander, cutAt) : [];
  const coverage = {
    depth: cut < 0 ? depth : expander.depthOf(cut),
    frontier: visited.count - cutAt,
    ...(bound && { bound }),
    grew,
  };
  const common = {
    ...seen,
    depth: expander.depthOf(visited.count - 1),
    isShortest: true,
    isReduced: expander.isReduced,
    coverage,
  };
  if (refusal !== undefined)
    return { ...common, broken: [], verdict: 'refused', problem: explained(refusal, expander, named, state, traps) };
  if (broken.length > 0) {
    try {
      expander.confirm(state, broken);
      const counterexample = historyOf(expander, named, state, broken[0]!);
      const found: Outcome = { ...common, broken, verdict: 'violated', counterexample };
      return expander.isReduced ? shortest(found, model, named, traps, cells, bounds) : found;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return {
        ...common,
        ...{ broken: [], verdict: 'refused', problem: explained(error, expander, named, state, traps) },
      };
    }
  }
  if (bound !== undefined) return { ...common, broken, verdict: 'partial' };
  const never = seen.unmet.filter((name) => model.sometimes.some((law) => law.name === name));
  return { ...common, broken: never, verdict: never.length > 0 ? 'violated' : 'passed' };
}

/** A problem with the history to the state in which it showed. */
function explained(refusal: Refusal, expander: Expander, named: Named, state: number, traps: Traps): Problem {
  // What it asked the host for was asked: the way there may do without.
  traps.hit = undefined;
  try {
    return { ...problemOf(refusal), history: historyOf(expander, named, state, refusal.kind) };
  } catch (error) {
    // The way there is no better.
    if (error instanceof Refusal) return problemOf(refusal);
    throw error;
  }
}
