/** What `stillwarm check` prints of a result for people. */

import { counted, grouped } from '../../base/index.ts';
import { neverReached, type CheckOptions, type Findings } from '../../lab/check.ts';
import type { Violation } from '../../lab/part.ts';
import type { CheckEntry } from './entry.ts';

/** Violations that are printed in full. `--json` has all of them. */
const SHOWN = 20;

/**
 * The text, ended by a newline. Its last line is the verdict in numbers.
 * @param kept files in which violations were kept
 */
export function renderCheck(
  entry: CheckEntry,
  options: CheckOptions,
  findings: Findings,
  kept: ReadonlyMap<Violation, string>,
): string {
  const { cases, done, counts, reached, violations } = findings;
  const { one, many = `${one}s` } = entry.unit;
  const missed = neverReached(findings);
  const states = counts.find(({ name }) => name === 'states')?.value ?? done;
  const shown = violations.slice(0, SHOWN).flatMap((violation) => {
    const { at, law, what, replay, history } = violation;
    const file = kept.get(violation);
    return [
      `${one} ${at}: ${law}: ${what}`,
      ...history.map((step) => `  ${step}`),
      `replay: ${replay}`,
      ...(file === undefined ? [] : [`kept: ${file}`]),
      '',
    ];
  });
  const covered = entry.coverage?.(findings) ?? `${grouped(done)} of ${counted(cases, one, many)}`;
  return [
    ...(entry.tables?.(options, findings) ?? [
      ...counts.map(({ name, value }) => `${name}: ${grouped(value)}`),
      ...reached.filter(({ value }) => value > 0).map(({ name, value }) => `reached ${name}: ${grouped(value)}`),
      '',
    ]),
    ...shown,
    ...(violations.length > SHOWN ? [`and ${counted(violations.length - SHOWN, 'violation')} more`, ''] : []),
    ...missed.map((name) => `never reached: ${name}`),
    ...(done < cases ? [`partial: ${grouped(done)} of ${counted(cases, one, many)} were played`] : []),
    `${counted(states, 'state')}, ${covered} covered, ${counted(violations.length, 'violation')}`,
    '',
  ].join('\n');
}
