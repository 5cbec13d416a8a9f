/**
 * A booted guest that replays a trace with its times. It has reads of 4 KiB that are nearly all
 * cached, and each is compared with what the file holds. The figure is that of the reads alone: the
 * same run with fewer of them is subtracted.
 */

import { runPredict } from '../src/experiment/predict/experiment.ts';
import { Recorder, type TraceRecording } from '../src/experiment/predict/recording.ts';
import { RandomStream } from '../src/sim/random.ts';
import { OPERATION, OperationBatch } from '../src/trace/operations.ts';
import { processorNs, type Row, takeTurns } from './harness.ts';
import { scaledTarget } from './reference.ts';

const PAGES = 20_000;
const [FEW, MANY] = [100_000, 400_000];
const NS_APART = 50_000;
const TARGET = 300_000;

export function predict(): Row[] {
  const traces = [readsOf(FEW), readsOf(MANY)] as const;
  const [figure] = takeTurns(() => {
    const [few, many] = traces.map((trace) => processorNs(() => replay(trace)));
    return ((MANY - FEW) / (many! - few!)) * 1e9;
  });
  const { target, here } = scaledTarget(TARGET, 'a second', 'higher');
  return [
    {
      what: 'a trace with times in a booted guest, cached reads of 4 KiB',
      figure: figure!,
      unit: 'a second',
      target: `at least ${target}`,
      met: figure! >= here,
    },
  ];
}

function readsOf(count: number): TraceRecording {
  const random = new RandomStream(7);
  const recorder = new Recorder();
  recorder.file({ name: 'file', size: PAGES * 4096, isDevice: false });
  const batch = new OperationBatch();
  for (let n = 0; n < count; n++) {
    const page = Math.floor(PAGES * random.fraction() ** 2);
    batch.add(n * NS_APART, n % 2, OPERATION.read, 0, page * 4096, 4096);
    if (!batch.isFull && n < count - 1) continue;
    recorder.operations(batch);
    batch.count = 0;
  }
  return recorder.end();
}

function replay(trace: TraceRecording): void {
  const { result } = runPredict({
    ...{ path: 'made', format: 'made', trace, withoutBootFiles: true, memory: 128 << 20, disk: 'nvme' },
    ...{ profile: 'server-2026', seed: 1, strategies: ['warm-cache'], pace: 'recorded', speed: 1 },
    ...{ rebootAt: { fraction: 0.5 }, prefetchRate: undefined },
  });
  if (result.strategies[0]!.verified.mismatches > 0) throw new Error('a read was wrong');
}
