// Results of `trace curve` and `trace restore`, with something in each list.
import { sampledResult } from '../../src/cli/trace-curve.ts';
import { restoreResult } from '../../src/cli/trace-restore.ts';
import type { CurveResult, RestoreResult } from '../../src/experiment/accesses/result.ts';
import { RESTORE_RUNS, restoreJob } from '../../src/experiment/accesses/restore.ts';
import { StackDistances } from '../../src/experiment/accesses/stack-distances.ts';
import { runInOrder } from '../../src/experiment/guest/runs.ts';
import { madeStream, recorded, tell } from '../experiment/accesses/streams.ts';

const STREAM = madeStream(5, 2000, 300);
const nothing = (): void => undefined;

export function sampleCurveResult(): CurveResult {
  const sample = new StackDistances({ rate: 0.5 });
  tell(sample, STREAM);
  return sampledResult('msr', sample, [50, 100]);
}

export function sampleRestoreResult(): RestoreResult {
  const rate = { pagesPerAccess: 0.5 };
  const job = restoreJob({
    ...{ ...recorded(STREAM), size: 100, rebootAt: 1000, orders: ['recency', 'file'], percents: [10, 50], rate },
  });
  return restoreResult('msr', job, rate, runInOrder(RESTORE_RUNS, job, nothing));
}
