// SQLite as a judge: its machine stops before every step of one transaction, and e2fsck looks at
// the disk before the next guest does. `npm run test:laws` plays every step, `npm test` a sample.
import sqlite3InitModule from '@sqlite.org/sqlite-wasm';
import { describe, expect } from 'vitest';
import { crashSqlite, type CrashTest, JOURNALS } from '../../examples/sqlite/crash.ts';
import { type Host, installGuestVfs } from '../../examples/sqlite/vfs.ts';
import { Machine, O, STRATEGIES, type StrategyName } from '../../src/index.ts';
import { guestMomentsOf } from '../../src/lab/crash/trace.ts';
import { itWithE2fsprogs } from '../support/e2fsprogs.ts';
import { CrashedDisks } from '../support/fsck-after-crash.ts';
import { casesOf } from '../support/product.ts';
import { expectInPage } from './judged-programs.ts';

const sqlite3 = await sqlite3InitModule();
// Each statement that fails is a warning otherwise.
Object.assign(sqlite3.config, { warn: () => undefined });
const use = installGuestVfs(sqlite3);

/** The third transfer: in WAL its commit copies the log to the database. */
const ONE: Pick<CrashTest, 'before' | 'transfers'> = { before: 2, transfers: 1 };
/** More than there are. */
const NEVER = Number.MAX_SAFE_INTEGER;
/** Shares of the drive's cache that a loss of power keeps. */
const KEEPS = [0, 0.5, 1] as const;

/** Cases of a journal that `npm test` plays. */
const SAMPLES = { ext3: { sample: 3 }, ext2: { sample: 2 } };

type FileSystem = 'ext2' | 'ext3';

/** Where and how a machine stops. */
interface Case {
  readonly step: number;
  readonly strategy: StrategyName;
  readonly end: Pick<CrashTest, 'keep' | 'hypervisor'>;
}

/** On ext2, fsync of a new file does not make its name durable. */
const withDirectorySync = (machine: Machine): Host => ({
  get sys() {
    const { sys } = machine;
    const value = (fd: number): void => {
      sys.fdatasync(fd);
      sys.withOpen('/', O.directory, (directory) => sys.fsync(directory));
    };
    return Object.create(sys, { fdatasync: { value } }) as Host['sys'];
  },
  get now() {
    return machine.now;
  },
  get state() {
    return machine.state;
  },
});

/** Whether a crash leaves a sound file system behind the log. */
const isWhole = (fs: FileSystem, { end, strategy }: Case): boolean =>
  fs === 'ext3' && (Object.keys(end).length > 0 || !strategy.startsWith('rio'));

/** The steps of the transaction, and those before which a guest can die. */
function momentsOf(test: CrashTest): { readonly steps: number; readonly ofGuest: readonly number[] } {
  const steps: { readonly isGuests: boolean; readonly event: number }[] = [];
  const boot: CrashTest['boot'] = (options) =>
    Machine.bootWith(options, {
      watch: (machine) => ({
        before({ isGuests }) {
          steps.push({ isGuests, event: machine.stats.events });
          return 0;
        },
        torn: () => undefined,
      }),
    });
  const whole = crashSqlite(sqlite3, use, { step: NEVER }, { ...test, boot });
  const { guest } = guestMomentsOf(steps.slice(-whole.steps));
  return { steps: whole.steps, ofGuest: guest.map(({ step }) => step) };
}

function casesOfJournal(fs: FileSystem, test: CrashTest): Case[] {
  const { steps, ofGuest } = momentsOf(test);
  const all = Array.from({ length: steps + 1 }, (_, step) => step);
  const strategyOf = (n: number): StrategyName => STRATEGIES[n % STRATEGIES.length]!;
  const guest = ofGuest.flatMap((step, n) => {
    // On ext2 the strategies take turns.
    const strategies = fs === 'ext3' ? STRATEGIES : [strategyOf(n)];
    return strategies.map((strategy): Case => ({ step, strategy, end: {} }));
  });
  const power = all.map(
    (step): Case => ({ step, strategy: strategyOf(step), end: { keep: KEEPS[step % KEEPS.length]! } }),
  );
  // Nothing can be repaired between two hypervisors.
  const hypervisor =
    fs === 'ext3' ? all.map((step): Case => ({ step, strategy: strategyOf(step), end: { hypervisor: true } })) : [];
  const cases = [...guest, ...power, ...hypervisor];
  const journal = test.journal === 'wal' ? 'WAL with a checkpoint' : 'rollback journal';
  const moments = `${ofGuest.length} moments${fs === 'ext3' ? ' of the guest' : ''}`;
  expectInPage(`SQLite, ${journal}, ${fs}`, `${steps} steps, ${moments}`, cases.length);
  return cases;
}

for (const journal of JOURNALS)
  for (const fs of ['ext3', 'ext2'] as const)
    describe(`SQLite with the journal ${journal} on ${fs}`, () => {
      itWithE2fsprogs(
        `SQLite with the journal ${journal} on ${fs} is whole and has every acknowledged commit, and so says e2fsck, whatever stops before any step of a transaction`,
        (judge) => {
          const disks = new CrashedDisks(judge);
          const test: CrashTest = { ...ONE, journal, fs, ...(fs === 'ext2' && { hostOf: withDirectorySync }) };
          const all = casesOfJournal(fs, test);
          const cases = casesOf('SQLite, stopped at every step', `${journal} on ${fs}`, all, SAMPLES[fs]);
          for (const [n, one] of cases.entries()) {
            const { step, strategy, end } = one;
            const inspect: CrashTest['inspect'] = (disk) => {
              if (!isWhole(fs, one)) return disks.repairedCopy(disk);
              const replayed = disks.replayed(disk);
              // Every other disk is the next guest's to replay.
              return n % 2 === 0 ? replayed : undefined;
            };
            const { problems, found, acknowledged } = crashSqlite(
              sqlite3,
              use,
              { step },
              { ...test, ...end, strategy, inspect },
            );
            expect({ ...one, problems }).toEqual({ ...one, problems: [] });
            expect(found - acknowledged).toBeLessThanOrEqual(1);
          }
          expect(disks.looked).toBe(cases.length);
        },
      );
    });
