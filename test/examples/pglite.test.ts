// PostgreSQL as a judge: PGlite's data lie in a guest, which crashes, or loses power, in a
// transaction. Each machine and its PostgreSQL are in a worker, which is terminated afterwards or
// when it takes too long. `npm test` plays one moment, `npm run test:laws` some more.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { build } from 'rolldown';
import { afterAll, beforeAll, expect } from 'vitest';
import { Disk, STRATEGIES } from '../../src/index.ts';
import { itWithE2fsprogs } from '../support/e2fsprogs.ts';
import { CrashedDisks } from '../support/fsck-after-crash.ts';
import type { CrashCase, CrashResult } from '../support/pglite/crash.ts';
import { casesOf } from '../support/product.ts';
import { playsLaws } from '../support/property.ts';

/** After so much of the host's time a worker is terminated: a hundred times what it takes alone. */
const LIMIT_MS = 200_000;
/** Moments of the transaction that the laws play. */
const MOMENTS = 24;
/** Events of the transaction. A run of the laws counts them. */
const EVENTS = 186;

// Each PostgreSQL runs for a second: to optimize its code would take longer.
setFlagsFromString('--liftoff-only');

let dir: string;
let cluster: Uint8Array;

/** What a worker answers. */
async function ask<T>(asked: CrashCase | undefined): Promise<T> {
  const worker = new Worker(join(dir, 'crash.mjs'), { workerData: asked });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS} ms`)), LIMIT_MS);
      worker.once('message', resolve).once('error', reject);
      worker.once('exit', () => reject(new Error('the worker has ended without an answer')));
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

beforeAll(async () => {
  const parent = join(import.meta.dirname, '../../.build');
  mkdirSync(parent, { recursive: true });
  dir = mkdtempSync(join(parent, 'pglite-'));
  await build({
    input: join(import.meta.dirname, '../support/pglite/crash.ts'),
    platform: 'node',
    external: (id) => !id.startsWith('.') && !isAbsolute(id),
    output: { dir, entryFileNames: '[name].mjs' },
    logLevel: 'silent',
  });
  cluster = await ask(undefined);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

itWithE2fsprogs(
  'PostgreSQL has every acknowledged commit and none in part, and e2fsck finds nothing wrong, at whatever event of a transaction its guest crashes or its machine loses power',
  async (judge) => {
    if (playsLaws()) {
      const event = Number.MAX_SAFE_INTEGER;
      const whole = await ask<CrashResult>({ cluster, event, strategy: 'warm-cache+metadata' });
      mustHold(whole);
      expect(whole).toMatchObject({ isAcknowledged: true, notes: [0, 1], events: EVENTS });
      expect(whole.syncs).toBeGreaterThan(0);
      expect(whole.reused).toBeGreaterThan(100);
    }
    const all = Array.from(
      { length: MOMENTS },
      (_, n): Omit<CrashCase, 'cluster'> => ({
        event: Math.floor((n * EVENTS) / MOMENTS),
        strategy: STRATEGIES[n % STRATEGIES.length]!,
        keep: [undefined, 0, undefined, 0.5, 1][n % 5],
      }),
    );
    const disks = new CrashedDisks(judge);
    const cases = casesOf('PostgreSQL, stopped in a transaction', '', all, { sample: 1, whole: MOMENTS });
    for (const one of cases) {
      const result = await ask<CrashResult>({ cluster, ...one });
      mustHold(result);
      expect([result.events, result.isAcknowledged]).toEqual([one.event, false]);
      const contents = Buffer.from(result.disk);
      const disk = new Disk({
        size: contents.length,
        read: (from, dst, at, length) => dst.set(contents.subarray(from, from + length), at),
      });
      if (one.keep === undefined && one.strategy.startsWith('rio')) disks.repairedCopy(disk);
      else disks.replayed(disk);
    }
    // A shard of the laws may have none.
    expect(disks.looked).toBe(cases.length);
  },
);

function mustHold({ isAcknowledged, balances, notes, mismatches }: CrashResult): void {
  expect(mismatches).toBe(0);
  expect(notes).toEqual(isAcknowledged || notes.length > 1 ? [0, 1] : [0]);
  expect(balances).toEqual([100 - notes.length, 100 + notes.length]);
}
