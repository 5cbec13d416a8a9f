/**
 * The correctness lab: crash states a second, each rebooted and asked every law. They are a sample
 * of all kinds. One figure is by processor time of this process. Another is by the clock, of two
 * threads, on which other work of the host falls.
 */

import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { crashCheck } from '../src/lab/crash/index.ts';
import { processorNs, type Row, takeTurns } from './harness.ts';
import { scaledTarget } from './reference.ts';

const STATES = 200;
const THREADS = 2;
/** 200 a second on two cores. */
const LEAST = 100;
/** What a thread of this file is started with. */
const THREAD = 'bench/lab.ts';

export async function lab(): Promise<Row[]> {
  const [figure] = takeTurns(() => STATES / (processorNs(playStates) / 1e9)) as [number];
  const { target, here } = scaledTarget(LEAST, 'states/s', 'higher');
  const what = 'crash states of the smallest guest, rebooted and verified';
  return [
    { what: `${what}, by a second of a processor`, figure, unit: 'states/s', target, met: figure >= here },
    { what: `${what}, by the clock, ${THREADS} threads`, figure: await byThreads(), unit: 'states/s' },
  ];
}

function playStates(): void {
  const options = { workload: 'write-fsync', crash: { sample: STATES } };
  const { done, violations } = crashCheck.play({ check: 'crash', options, from: 0, to: STATES }, () => true);
  if (done !== STATES || violations.length > 0) throw new Error('a law is broken');
}

/** States a second of threads that have all played a sample before. */
async function byThreads(): Promise<number> {
  const threads = Array.from({ length: THREADS }, () => new Worker(new URL(import.meta.url), { workerData: THREAD }));
  const all = (): Promise<unknown> => Promise.all(threads.map((thread) => once(thread, 'message')));
  await all();
  const begin = performance.now();
  const done = all();
  for (const thread of threads) thread.postMessage('again');
  await done;
  const seconds = (performance.now() - begin) / 1e3;
  await Promise.all(threads.map((thread) => thread.terminate()));
  return (THREADS * STATES) / seconds;
}

if (!isMainThread && workerData === THREAD) {
  const play = (): void => {
    playStates();
    parentPort!.postMessage('done');
  };
  parentPort!.on('message', play);
  play();
}
