/** What `stillwarm check protocol` prints for people. */

import { counted, grouped } from '../../base/index.ts';
import type { History, Outcome, Plain } from '../../lab/protocol/api.ts';
import { renderTable } from '../kit/table.ts';
import type { Checked } from './protocol-result-of.ts';

/** Most characters of a line of the column of laws. */
const BREAKS_WIDTH = 22;
/** Most characters of a line about a bound. */
const WIDTH = 100;

/**
 * The text, ended by a newline: a table, then what is wrong and the histories.
 * @param isTold whether histories are told that are as they should be, too
 */
export function renderProtocols(checked: readonly Checked[], isTold: boolean): string {
  const head = ['protocol, fault', 'states', 'laws', 'breaks', 'shortest', 'time', 'verdict'];
  const rows = checked.flatMap(({ protocol, rows }) =>
    rows.flatMap(({ row: { fault, outcome, verdict }, ms }) => {
      const { states, laws, broken, counterexample } = outcome;
      const length = counterexample === undefined ? '' : String(counterexample.steps.length);
      const time = `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)} s`;
      const [breaks, ...more] = wrapped(broken.join(', '), BREAKS_WIDTH);
      const name = fault === '' ? protocol : `  ${fault}`;
      const told = verdict === 'as it should be' ? 'right' : verdict;
      return [
        [name, states, laws.length, breaks!, length, time, told],
        ...more.map((line) => ['', '', '', line, '', '', '']),
      ];
    }),
  );
  const notes = checked.flatMap(({ protocol, rows }) =>
    rows.flatMap(({ row: { fault, outcome, verdict, why } }) => {
      const name = fault === '' ? protocol : `${protocol} with ${fault}`;
      const { broken, counterexample } = outcome;
      const isShown = counterexample !== undefined && (isTold || verdict === 'wrong');
      const isAsked = fault === '' ? verdict !== 'wrong' : broken.length === 0 && verdict === 'wrong';
      return [
        ...(verdict === 'wrong' ? [`${name}: ${why}`] : []),
        ...(outcome.coverage.bound === undefined ? [] : coverageOf(name, outcome)),
        ...(isAsked ? missingOf(outcome).map((line) => `${name}: ${line}`) : []),
        ...(isShown ? ['', ...historyLines(counterexample), ''] : []),
      ];
    }),
  );
  return `${[renderTable(head, rows), ...notes].join('\n').trimEnd()}\n`;
}

/** What a search has not met, by which a protocol may be another than it seems. */
function missingOf({ unreached, idle, unmet }: Outcome): string[] {
  const laws = unmet.filter((name) => name !== 'done');
  return [
    ...(unreached.length > 0 ? [`never taken: ${listOf(unreached)}`] : []),
    ...(idle.length > 0 ? [`taken, and never changes anything: ${listOf(idle)}`] : []),
    ...(laws.length > 0 ? [`never met: ${listOf(laws)}`] : []),
    ...(unmet.includes('done') ? ['done never held: no state without a step may be the end'] : []),
  ];
}

/** Lines of so many characters at most, broken between words. */
function wrapped(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line === '' || line.length + 1 + word.length <= width)
      lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Names in a list: one that has a comma is quoted. */
const listOf = (names: readonly string[]): string =>
  names.map((name) => (name.includes(',') ? JSON.stringify(name) : name)).join(', ');

/** What a search has covered that has reached a bound. */
function coverageOf(name: string, { states, coverage: { depth, frontier, bound, grew } }: Outcome): string[] {
  const limit = bound === 'states' ? 'the greatest number of states' : 'the greatest depth';
  const covered = `all laws were asked in ${counted(states, 'state')}, of which all that ${counted(depth, 'step')} reach`;
  const left = `the steps of ${grouped(frontier)} were not taken`;
  const [first, ...more] = wrapped(`${name}: ${limit} was reached: ${covered}; ${left}`, WIDTH);
  return [first!, ...[...more, ...grew].map((line) => `  ${line}`)];
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
