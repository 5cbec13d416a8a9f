/**
 * The search of all states of a small machine (`check scope`), in the widest scope that is searched
 * by default. The figure is in states a second of host time, on one core.
 */

import { DEFAULT_SCOPE, scopeOptions } from '../src/lab/scope/options.ts';
import { search } from '../src/lab/scope/search.ts';
import { elapsedNs, type Row, takeTurns } from './harness.ts';

const STATES = 200_000;
/** 10^7 states in ten minutes. */
const TARGET = 17;

export function scope(): Row[] {
  const options = scopeOptions({ ...DEFAULT_SCOPE, states: STATES });
  const [figure] = takeTurns(() => {
    let states = 0;
    const ns = elapsedNs(() => {
      ({ states } = search(options));
    });
    return (states / ns) * 1e6;
  });
  return [
    {
      what: 'states of a small machine searched, two files, four frames',
      figure: figure!,
      unit: 'k/s',
      target: `${TARGET} k/s: 10^7 states in ten minutes`,
      met: figure! >= TARGET,
    },
  ];
}
