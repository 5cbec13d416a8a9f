/**
 * The search of all states of a protocol (`check protocol`), over the examples. The figure is in
 * distinct states a second of one core. There is no symmetry: a state is one state.
 */

import memfdHandover from '../examples/protocols/memfd-handover.ts';
import processCache from '../examples/protocols/process-cache.ts';
import recordVersions from '../examples/protocols/record-versions.ts';
import sharedPageCache from '../examples/protocols/shared-page-cache.ts';
import warmCache from '../examples/protocols/warm-cache.ts';
import { type AnyProtocol, search } from '../src/lab/protocol/index.ts';
import { processorNs, type Row, takeTurns } from './harness.ts';
import { scaledTarget } from './reference.ts';

const EXAMPLES: readonly AnyProtocol[] = [memfdHandover, processCache, recordVersions, sharedPageCache, warmCache];
/** States of one round at least, so that a round of the smallest is long enough to be measured. */
const STATES = 50_000;
/** Thousands of states a second on the reference machine. */
const TARGET = 200;

export function protocol(): Row[] {
  const rate = (it: AnyProtocol) => (): number => {
    let states = 0;
    const ns = processorNs(() => {
      while (states < STATES) states += search(it, { symmetry: false }).states;
    });
    return (states / ns) * 1e6;
  };
  const figures = takeTurns(...EXAMPLES.map(rate));
  const { target, here } = scaledTarget(TARGET, 'k/s', 'higher');
  return EXAMPLES.map(({ name }, i) => ({
    what: `states of the protocol ${name} searched, without symmetry`,
    figure: figures[i]!,
    unit: 'k/s',
    target,
    met: figures[i]! >= here,
  }));
}
