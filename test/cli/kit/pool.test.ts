// Threads of an experiment that do not do what they should: each is told as what it is, and nothing
// waits for ever. The threads are doubles; the pool and what waits for it are the program's own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { experimentsOf } from '../../../src/cli/experiments.ts';
import { threadsOf } from '../../../src/cli/kit/threads.ts';
import { UserError } from '../../../src/base/index.ts';
import type { RebootOptions } from '../../../src/experiment/guest/options.ts';

// The sources as node runs them: test/support/compiled-sources.ts has compiled them.
const SOURCES = pathToFileURL(join(import.meta.dirname, '../../../.build/src-for-tests/cli')).href;
const OPTIONS: RebootOptions = {
  ...{ path: 'files', memory: 16 << 20, disk: 'instant', profile: 'server-2026', strategies: ['cold', 'warm-cache'] },
  ...{ workload: 'files', seed: 1, crash: false, checksum: false, limit: undefined, dumpMemory: undefined },
};
const DISK = '{ all: { files: 1, bytes: 1 }, notices: [], version: "1" }';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-pool-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Runs an experiment on two threads, each of which does `work`. */
function onThreadsThat(work: string): unknown {
  const entry = join(dir, 'entry.mjs');
  writeFileSync(
    entry,
    // The double needs nothing of the program, which takes longer to load than all the rest.
    `import { parentPort, threadId, workerData } from 'node:worker_threads';
if (workerData.role === 'pool') {
  const { runPool } = await import('${SOURCES}/kit/pool.js');
  const { experimentsOf } = await import('${SOURCES}/experiments.js');
  runPool(workerData, experimentsOf([]));
} else { ${work} }
`,
  );
  return threadsOf(pathToFileURL(entry), experimentsOf([]))('reboot', OPTIONS, () => undefined, 2);
}

it.each<[string, string, new (message: string) => Error, RegExp]>([
  ['ends before its disk is open', 'process.exit(3)', Error, /^a thread has ended, status 3$/],
  [
    'ends in its run',
    `parentPort.on('message', () => process.exit(0)); parentPort.postMessage({ kind: 'open', disk: ${DISK} })`,
    Error,
    /^a thread has ended, status 0$/,
  ],
  ['throws what it does not catch', 'throw new RangeError("too deep")', Error, /^too deep$/],
  [
    'has another disk than its neighbour',
    `parentPort.on('message', () => undefined);
     parentPort.postMessage({ kind: 'open', disk: { ...${DISK}, version: String(threadId) } })`,
    UserError,
    /^files: changed while it was in use/,
  ],
])('an experiment says so when a thread %s', (_, work, kind, message) => {
  let thrown: unknown;
  try {
    onThreadsThat(work);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(kind);
  expect((thrown as Error).message).toMatch(message);
});
