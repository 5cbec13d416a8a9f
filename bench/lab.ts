/**
 * The correctness lab: what a crash state costs, with the reboot from it and every law. It is a
 * mean over a sample of all kinds, in processor time of this process.
 */

import { crashCheck } from '../src/lab/crash/index.ts';
import { processorNs, type Row, takeTurns } from './harness.ts';
import { scaledTarget } from './reference.ts';

const STATES = 200;
/** 200 a second on two cores. */
const MOST_MS = 10;

export function lab(): Row[] {
  const options = { workload: 'write-fsync', crash: { sample: STATES } };
  const part = { check: 'crash', options, from: 0, to: STATES };
  const round = (): number =>
    processorNs(() => {
      const { done, violations } = crashCheck.play(part, () => true);
      if (done !== STATES || violations.length > 0) throw new Error('a law is broken');
    }) /
    (STATES * 1e6);
  const [figure] = takeTurns(round) as [number];
  const { target, here } = scaledTarget(MOST_MS, 'ms', 'lower');
  return [
    {
      what: 'a crash state, rebooted and verified, of the smallest guest',
      figure,
      unit: 'ms',
      target,
      met: figure <= here,
    },
  ];
}
