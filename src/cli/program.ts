/**
 * The program: hands the process to the command line, and each of its threads to the work that it
 * is for. All threads begin with one module, the entry.
 */

import { fstatSync, writeSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { askHost, asInputError } from '../base/index.ts';
import { runReboot } from '../experiment/guest/reboot.ts';
import { PAPER_RUNS } from '../experiment/paper/runs.ts';
import { runInOrder } from '../experiment/guest/runs.ts';
import { runVmmReboot } from '../experiment/vmm/experiment.ts';
import { runPredict } from '../experiment/predict/experiment.ts';
import { runWeb } from '../experiment/web/experiment.ts';
import type { CheckEntry } from './check/entry.ts';
import { runProtocol, type ProtocolInput } from './check/protocol-thread.ts';
import { main, statusOf } from './commands.ts';
import { experimentsOf } from './experiments.ts';
import type { Output } from './kit/io.ts';
import { runPool, type PoolInput, type WorkerInput } from './kit/pool.ts';
import type { PLAYER } from './check/queue-processor.ts';
import { threadsOf } from './kit/threads.ts';
import { runWorker } from './worker.ts';

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;

/**
 * @param entry the module that calls this
 * @param checks that `stillwarm check` knows
 */
export function start(entry: URL, checks: readonly CheckEntry[]): void {
  if (isMainThread) {
    runProgram(entry, checks);
    return;
  }
  const input = workerData as PoolInput | WorkerInput | ProtocolInput | typeof PLAYER;
  if (input.role === 'pool') runPool(input, experimentsOf(checks));
  else if (input.role === 'worker') runWorker(input, checks);
  else if (input.role === 'protocol') runProtocol(input, (message) => parentPort!.postMessage(message));
}

function runProgram(entry: URL, checks: readonly CheckEntry[]): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that went away (`stillwarm … | head`) is no failure of ours.
    if (error.code === 'EPIPE') return;
    const refusal = asInputError(error, 'cannot write standard output');
    process.stderr.write(`stillwarm: ${refusal instanceof Error ? refusal.message : error.message}\n`);
    process.exitCode = 2;
  });
  // There is no reader left.
  process.stderr.on('error', () => undefined);

  // Not process.exit: what was written to a pipe may not have left yet.
  process.exitCode = main(process.argv.slice(2), {
    stdout: standardOutput(),
    stderr: process.stderr,
    stdin: STDIN,
    hostStreams: [
      { name: 'standard output', fd: STDOUT },
      { name: 'standard error', fd: STDERR },
    ],
    colour: process.stdout.isTTY && !process.env['NO_COLOR'],
    // Asked when it is needed: it may be gone.
    get cwd() {
      return askHost('the working directory', () => process.cwd());
    },
    runReboot,
    runVmmReboot,
    runWeb,
    runPredict,
    runPaperBatch: (batch, onProgress) => runInOrder(PAPER_RUNS, batch, onProgress),
    checks,
    onThreads: threadsOf(entry, experimentsOf(checks)),
    entry,
    onEventLoop: (work) => {
      const end = (status: number): void => void (process.exitCode = status);
      work().then(end, (error: unknown) => end(statusOf(error, process.stderr)));
      return 0;
    },
  });
}

/** A file is written here: node's own stream drops what a disk that is nearly full did not take. */
function standardOutput(): Output {
  const isPiped = process.stdout.isTTY || fstatSync(STDOUT).isFIFO() || fstatSync(STDOUT).isSocket();
  if (isPiped) return process.stdout;
  return {
    write: (text) => {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length; )
        done += askHost('cannot write standard output', () => writeSync(STDOUT, bytes, done));
    },
  };
}
