/** What `stillwarm check protocol` prints for people. */

import { counted, grouped } from '../../base/index.ts';
import type { History, Outcome, Plain } from '../../lab/protocol/api.ts';
import { renderTable } from '../kit/table.ts';
import type { Checked } from './protocol-result-of.ts';

/**
 * The text, ended by a newline: a table, then what is wrong and the histories.
 * @param isTold whether histories are told that are as they should be, too
 */
export function renderProtocols(checked: readonly Checked[], isTold: boolean): string {
  const head = ['protocol', 'fault', 'states', 'steps taken', 'depth', 'laws', 'breaks', 'shortest', 'time', 'verdict'];
  const rows = checked.flatMap(({ protocol, rows }) =>
    rows.map(({ row: { fault, outcome, verdict }, ms }, n) => {
      const { states, transitions, depth, laws, broken, counterexample } = outcome;
      const length = counterexample === undefined ? '' : String(counterexample.steps.length);
      const time = `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)} s`;
      return [
        n === 0 ? protocol : '',
        fault,
        states,
        transitions,
        depth,
        laws.length,
        broken.join(', '),
        length,
        time,
        verdict,
      ];
    }),
  );
  const notes = checked.flatMap(({ protocol, rows }) =>
    rows.flatMap(({ row: { fault, outcome, verdict, why } }) => {
      const name = fault === '' ? protocol : `${protocol} with ${fault}`;
      const { broken, counterexample, unreached } = outcome;
      const isShown = counterexample !== undefined && (isTold || verdict === 'wrong');
      return [
        ...(verdict === 'wrong' ? [`${name}: ${why}`] : []),
        ...(outcome.coverage.bound === undefined ? [] : [`${name}: ${coverageOf(outcome)}`]),
        ...((fault === '' ? verdict !== 'wrong' : broken.length === 0 && verdict === 'wrong') && unreached.length > 0
          ? [`${name}: never taken: ${listOf(unreached)}`]
          : []),
        ...(isShown ? ['', ...historyLines(counterexample), ''] : []),
      ];
    }),
  );
  return `${[renderTable(head, rows), ...notes].join('\n').trimEnd()}\n`;
}

/** Names in a list: one that has a comma is quoted. */
const listOf = (names: readonly string[]): string =>
  names.map((name) => (name.includes(',') ? JSON.stringify(name) : name)).join(', ');

/** What a search has covered that has reached a bound. */
function coverageOf({ states, coverage: { depth, frontier, bound, grew } }: Outcome): string {
  const limit = bound === 'states' ? 'the greatest number of states' : 'the greatest depth';
  const covered = `all laws were asked in ${counted(states, 'state')}, of which all that ${counted(depth, 'step')} reach`;
  const left = `the steps of ${grouped(frontier)} were not taken`;
  return [`${limit} was reached: ${covered}; ${left}`, ...grew.map((line) => `  ${line}`)].join('\n');
}

/** A history: each step with what it has changed. */
export function historyLines({ protocol, faults, law, initial, steps, replay }: History): string[] {
  const fault = faults.length === 0 ? '' : `, with ${faults.join(', ')}`;
  const names = steps.map(({ actor, step }) => (actor === '' ? step : `${actor}: ${step}`));
  const width = Math.max(0, ...names.map((name) => name.length));
  return [
    `${protocol}${fault}: ${law === 'deadlock' ? 'a deadlock is reached' : `${law} is broken`} after ${counted(steps.length, 'step')}`,
    `  first ${JSON.stringify(initial)}`,
    ...steps.map(({ state }, n) => {
      const changes = changesOf(n === 0 ? initial : steps[n - 1]!.state, state);
      return `  ${String(n + 1).padStart(5)} ${names[n]!.padEnd(width)}  ${changes.join(', ') || 'nothing changes'}`;
    }),
    `replay: ${replay}`,
  ];
}

type Bag = Readonly<Record<string, Plain>>;

/** What is different after a step, each place with its old and new value. */
export function changesOf(before: Plain, after: Plain, place = ''): string[] {
  const isBag = (value: Plain): value is Bag => typeof value === 'object' && value !== null;
  const isPair = isBag(before) && isBag(after) && Array.isArray(before) === Array.isArray(after);
  if (!isPair) return before === after ? [] : [`${place} ${JSON.stringify(before)} → ${JSON.stringify(after)}`];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => {
    const inside = Array.isArray(before) ? `${place}[${key}]` : place === '' ? key : `${place}.${key}`;
    if (!Object.hasOwn(before, key)) return [`${inside} is now ${JSON.stringify(after[key])}`];
    if (!Object.hasOwn(after, key)) return [`${inside} is gone, was ${JSON.stringify(before[key])}`];
    return changesOf(before[key]!, after[key]!, inside);
  });
}
