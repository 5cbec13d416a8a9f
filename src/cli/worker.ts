/**
 * A thread that does runs of an experiment, one after the other. It opens the disk, or takes the
 * one that another thread has opened. It does what the pool (kit/pool.ts) orders.
 */

import { parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import type { ProgressListener } from '../experiment/guest/progress.ts';
import type { OpenRuns } from '../experiment/guest/runs.ts';
import type { SharedDisk } from '../experiment/guest/shared-disk.ts';
import type { CheckEntry } from './check/entry.ts';
import { experimentsOf, type ExperimentName, type Experiments } from './experiments.ts';
import { plain } from './kit/plain-error.ts';
import type { Order, WorkerInput, WorkerMessage } from './kit/pool.ts';
import { loadWorkload } from './check/workload.ts';

/** Between two reports of progress, ms. */
const EVERY_MS = 50;

/** @param checks that `stillwarm check` knows */
export function runWorker(input: WorkerInput, checks: readonly CheckEntry[]): void {
  const { name, options } = input;
  const { programFile } = options as { readonly programFile?: string };
  if (programFile === undefined) {
    work(input, experimentsOf(checks));
    return;
  }
  tell({ kind: 'importing' });
  const instances = name === 'check-count' ? [0, 1] : [0];
  Promise.all(instances.map((instance) => loadWorkload(programFile, instance))).then(
    (programs) => work(input, experimentsOf(checks, programs)),
    (error: unknown) => tell({ kind: 'failed', error: plain(error) }),
  );
}

const tell = (message: WorkerMessage): void => parentPort!.postMessage(message);

function work({ name, options }: WorkerInput, experiments: Experiments): void {
  const attempt = (work: () => WorkerMessage): void => {
    try {
      tell(work());
    } catch (error) {
      tell({ kind: 'failed', error: plain(error) });
    }
  };
  let dueMs = 0;
  const tellProgress = (message: WorkerMessage): void => {
    const nowMs = performance.now();
    if (nowMs < dueMs) return;
    dueMs = nowMs + EVERY_MS;
    tell(message);
  };
  let runs: OpenRuns<unknown> | undefined;
  const open = (shared: SharedDisk | undefined): WorkerMessage => {
    const onProgress: ProgressListener = (progress) => tellProgress({ kind: 'opening', progress });
    runs = experiments[name as ExperimentName].open(options as never, onProgress, shared);
    // Who was given the disk does not send it back.
    return { kind: 'open', disk: runs.disk, shared: shared ? undefined : runs.shared };
  };
  parentPort!.on('message', (order: Order) => {
    attempt(() => {
      if (order.kind === 'open') return open(order.shared);
      assert(runs !== undefined, 'the disk is open before a run');
      if (order.kind === 'check') {
        runs.check();
        return { kind: 'checked' };
      }
      const part = runs.run(order.index, (phase, share) => tellProgress({ kind: 'progress', phase, share }));
      return { kind: 'done', part };
    });
  });
}
