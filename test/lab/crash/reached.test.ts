// States that a run over all built-in workloads must meet. Otherwise it has not looked there.
import { expect, it } from 'vitest';
import { crashCheck, REACHED, WORKLOADS } from '../../../src/lab/crash/index.ts';

it('a run over all built-in workloads that do not reboot meets every state of the list', () => {
  const reached = new Map<string, number>();
  const play = (options: Record<string, unknown>): void => {
    const to = crashCheck.count(options);
    const { reached: met, violations } = crashCheck.play({ check: 'crash', options, from: 0, to }, () => true);
    expect(violations).toEqual([]);
    expect(Object.keys(met)).toEqual([...REACHED]);
    for (const [name, times] of Object.entries(met)) reached.set(name, (reached.get(name) ?? 0) + times);
  };
  for (const [workload] of Object.entries(WORKLOADS).filter(([, { reboot }]) => reboot === undefined))
    for (const strategy of ['warm-cache+metadata', 'rio+warm-cache'])
      play({ workload, strategy, crash: { sample: 8 } });
  play({ workload: 'reuse', kinds: ['power'], crash: { sample: 30 } });
  play({ workload: 'truncate', depth: 3, crash: { sample: 2 } });
  // Pages are refused for these reasons at few steps.
  const seldom: Record<string, string> = { rewrite: '166', replace: '231', torn: '126' };
  for (const [workload, at] of Object.entries(seldom)) play({ workload, fs: 'ext2', kinds: ['guest'], at });
  play({ workload: 'write-again', kinds: ['power'], at: '103' });
  expect(REACHED.filter((name) => reached.get(name) === 0)).toEqual([]);
});
