/**
 * `stillwarm worker`: takes parts of checks from a queue and plays them.
 *
 * The process keeps the leases while its threads compute. One that dies keeps none, and its parts
 * go to other workers. The threads begin with the entry of the program, as all do.
 */

import { hostname } from 'node:os';
import { UserError } from '../../base/index.ts';
import { parseCommand } from '../kit/args.ts';
import { commandHelp } from '../kit/help.ts';
import type { CheckIo } from './io.ts';
import { resourceLimitsOf } from '../kit/pool.ts';
import { WORKER } from './queue-options.ts';
import { PLAYER } from './queue-processor.ts';
import { firstLine, reachQueue } from './queue.ts';
import { threadsFor } from '../kit/threads.ts';

/** Workers that may die of one part, before the part is taken to be the cause. */
const DEATHS = 3;

/** @throws UserError */
export function worker(argv: readonly string[], io: CheckIo): number {
  const { options } = parseCommand(WORKER, argv);
  if (options.help) {
    io.stdout.write(commandHelp(WORKER));
    return 0;
  }
  const { queue, jobs, lease } = options;
  if (queue === undefined) throw new UserError('--queue is missing: which Redis has the queue?');
  const { entry, onEventLoop } = io;
  if (entry === undefined || onEventLoop === undefined) throw new UserError('worker: this host has no threads for it');
  const bytes = Math.max(...io.checks.map(({ partBytes }) => partBytes));
  return onEventLoop(() => work({ queue, entry, bytes, jobs: jobs ?? threadsFor(bytes), lease }, io));
}

interface Work {
  readonly queue: string;
  readonly entry: URL;
  /** Most memory that one part touches. */
  readonly bytes: number;
  readonly jobs: number;
  readonly lease: number;
}

async function work({ queue, entry, bytes, jobs, lease }: Work, { stderr }: CheckIo): Promise<number> {
  const { bullmq, address, name, connection } = await reachQueue(queue, entry);
  const tell = (line: string): void => void stderr.write(`stillwarm: ${line}\n`);
  let played = 0;
  let told = '';
  const taker = new bullmq.Worker(name, entry, {
    ...{ connection, name: `${hostname()}:${process.pid}`, concurrency: jobs },
    ...{ lockDuration: lease, stalledInterval: lease / 2, maxStalledCount: DEATHS },
    ...{
      useWorkerThreads: true,
      workerThreadsOptions: { workerData: PLAYER, resourceLimits: resourceLimitsOf(bytes) },
    },
  });
  taker.on('completed', () => played++);
  // A Redis that is gone for a while is told once, and waited for.
  taker.on('error', (error) => {
    const line = firstLine(error);
    if (line !== told) tell(`${address}: ${line}`);
    told = line;
  });
  await taker.waitUntilReady();
  tell(`takes parts from ${address}, ${jobs} at a time; Ctrl-C ends it when they are played`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await taker.close();
  tell(`parts played: ${played}`);
  return 0;
}
