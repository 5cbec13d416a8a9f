// States that a run over all built-in workloads must meet. Otherwise it has not looked there.
import { expect, it } from 'vitest';
import { crashCheck, REACHED, WORKLOADS } from '../../../src/lab/crash/index.ts';

it('a run over all built-in workloads that do not reboot meets every state of the list', () => {
  const reached = new Map<string, number>();
  /** So many cases, as many as the options ask for. */
  const play = (options: Record<string, unknown>, to: number): void => {
    const { reached: met, violations, done } = crashCheck.play({ check: 'crash', options, from: 0, to }, () => true);
    expect([violations, done]).toEqual([[], to]);
    expect(Object.keys(met)).toEqual([...REACHED]);
    for (const [name, times] of Object.entries(met)) reached.set(name, (reached.get(name) ?? 0) + times);
  };
  // Pages are refused for these reasons, or dirty again, at few steps.
  const guest = { fs: 'ext2', kinds: ['guest'] };
  const seldom: Record<string, Record<string, unknown>> = {
    rewrite: { ...guest, at: '166' },
    replace: { ...guest, at: '231' },
    torn: { ...guest, at: '126' },
    'write-again': { kinds: ['power'], at: '103' },
    revoke: { kinds: ['power'], at: '1200' },
  };
  for (const [workload, options] of Object.entries(seldom)) play({ workload, ...options }, 1);
  const often = Object.keys(WORKLOADS).filter((name) => WORKLOADS[name]!.reboot === undefined && !(name in seldom));
  // They take turns. A run of the laws plays each with both (crash.test.ts).
  const KINDS = [
    ['ext2', 'warm-cache+metadata'],
    ['ext3', 'rio+warm-cache'],
  ] as const;
  for (const [n, workload] of often.entries()) {
    const [fs, strategy] = KINDS[n % 2]!;
    play({ workload, fs, strategy, crash: { sample: 4 } }, 4);
  }
  play({ workload: 'reuse', kinds: ['power'], crash: { sample: 30 } }, 30);
  play({ workload: 'truncate', depth: 3, crash: { sample: 2 } }, 3 * 2);
  expect(REACHED.filter((name) => reached.get(name) === 0)).toEqual([]);
});
