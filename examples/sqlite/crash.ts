/**
 * SQLite, crash-tested: its guest crashes at any event or step of a run, its hypervisor does, or
 * its machine loses power there. The machine is rebooted by a strategy. Then the database is whole,
 * and has every transfer whose commit had returned. 107 lines of code.
 *
 * The workload moves money between accounts and notes each transfer. So a transaction that is there
 * in part shows: the balances do not add up, or a note is missing.
 */

import type { Database, Sqlite3Static } from '@sqlite.org/sqlite-wasm';
// In a project of your own: from 'stillwarm'.
import {
  type Disk,
  files,
  type GuestCrashPoint,
  Machine,
  type MachineOptions,
  type StrategyName,
} from '../../src/index.ts';
import type { Host } from './vfs.ts';

export const JOURNALS = ['delete', 'wal'] as const;
export type JournalName = (typeof JOURNALS)[number];

export interface CrashTest {
  readonly journal: JournalName;
  /** How the machine is rebooted; `warm-cache+metadata` by default. */
  readonly strategy?: StrategyName;
  /** ext3 by default. A VFS for ext2 has to sync directories, too. */
  readonly fs?: 'ext2' | 'ext3';
  /**
   * Share of the drive's cache that is kept when the machine loses power; when it is not given, the
   * guest crashes.
   */
  readonly keep?: number;
  /** Whether the hypervisor crashes with the guest; the guest alone by default. */
  readonly hypervisor?: boolean;
  /** Transfers that are acknowledged before the moment is counted; 0 by default. */
  readonly before?: number;
  /** Transfers from then on; 6 by default. */
  readonly transfers?: number;
  /** Looks at the disk before the next guest does, and returns the disk if it has changed it. */
  readonly inspect?: (disk: Disk) => Uint8Array | undefined;
  /** What SQLite's calls reach in place of the machine. */
  readonly hostOf?: (machine: Machine) => Host;
  /** Boots the machine; `Machine.boot` by default. */
  readonly boot?: (options: MachineOptions) => Machine;
}

/** What was there after the reboot. */
export interface Survival {
  /** Events of the run, up to its crash or its end. */
  readonly events: number;
  /** Steps, if the moment is a step. */
  readonly steps: number;
  /** Transfers whose commit had returned. */
  readonly acknowledged: number;
  /** Transfers that are there. */
  readonly found: number;
  /** What is wrong; empty when nothing is. */
  readonly problems: readonly string[];
}

const ACCOUNTS = 8;
const BALANCE = 100;
const PRAGMAS: Readonly<Record<JournalName, string>> = {
  // To delete the journal is to commit. Only `extra` makes that durable before the commit returns.
  delete: 'PRAGMA journal_mode = delete; PRAGMA synchronous = extra;',
  // The log is copied to the database every 8 pages, so that crashes come in between, too.
  wal: `PRAGMA locking_mode = exclusive; PRAGMA journal_mode = wal; PRAGMA synchronous = full;
    PRAGMA wal_autocheckpoint = 8;`,
};
const TABLES = `BEGIN;
  CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER);
  CREATE TABLE transfers (n INTEGER PRIMARY KEY, note BLOB);
  INSERT INTO accounts VALUES ${Array.from({ length: ACCOUNTS }, (_, id) => `(${id}, ${BALANCE})`).join()};
  COMMIT;`;

/**
 * Runs the workload up to a moment, at which it crashes, or to its end, behind which it does;
 * reboots, and looks.
 * @param use what `installGuestVfs` has returned
 * @throws what the VFS or SQLite throws for another reason than the crash
 */
export function crashSqlite(
  sqlite3: Sqlite3Static,
  use: (machine: Host) => void,
  at: GuestCrashPoint,
  test: CrashTest,
): Survival {
  const { journal, strategy = 'warm-cache+metadata', fs = 'ext3', keep, hypervisor = false } = test;
  const {
    before = 0,
    transfers = 6,
    inspect,
    hostOf = (its: Machine) => its,
    boot = (its: MachineOptions) => Machine.boot(its),
  } = test;
  const disk = files({}, fs === 'ext3' ? { size: 8 << 20, journalBlocks: 1024 } : { size: 4 << 20 });
  // The drive with a volatile cache.
  const machine = boot({ disk, memory: 10 << 20, strategy, drive: 'disk', steps: 'step' in at });
  use(hostOf(machine));
  const db = open(sqlite3, journal);
  db.exec(TABLES);
  let acknowledged = 0;
  for (; acknowledged < before; acknowledged++) transfer(db, acknowledged);
  const [events, steps] = [machine.stats.events, stepsOf(machine)];
  machine.crashAt(at);
  try {
    for (; acknowledged < before + transfers; acknowledged++) transfer(db, acknowledged);
    machine.crash();
  } catch (error) {
    if (machine.state !== 'crashed') throw error;
  }
  const ran = { events: machine.stats.events - events, steps: stepsOf(machine) - steps };
  db.close();
  if (keep !== undefined) machine.losePower({ keep });
  if (hypervisor) inspect?.(machine.disk);
  machine.reboot(hypervisor ? { hypervisor: 'warm-vm' } : inspect && { betweenGuests: inspect });
  use(machine);
  const problems: string[] = [];
  const found = check(open(sqlite3, journal), problems);
  if (found < acknowledged) problems.push(`${acknowledged} transfers were acknowledged, ${found} are there`);
  const { mismatches } = machine.verify();
  if (mismatches > 0) problems.push(`${mismatches} cached pages differ from the disk`);
  return { ...ran, acknowledged, found, problems };
}

function stepsOf({ stats }: Machine): number {
  return Object.values(stats.steps ?? {}).reduce((sum, count) => sum + count, 0);
}

function open(sqlite3: Sqlite3Static, journal: JournalName): Database {
  const db = new sqlite3.oo1.DB('/bank.db', 'c');
  db.exec(PRAGMAS[journal]);
  return db;
}

/** One transaction, acknowledged when this returns. */
function transfer(db: Database, n: number): void {
  db.transaction(() => {
    const move = 'UPDATE accounts SET balance = balance + ? WHERE id = ?';
    db.exec({ sql: move, bind: [-1, n % ACCOUNTS] });
    db.exec({ sql: move, bind: [1, (3 * n + 1) % ACCOUNTS] });
    db.exec({ sql: 'INSERT INTO transfers VALUES (?, zeroblob(3000))', bind: [n] });
  });
}

/** Returns how many transfers are there. */
function check(db: Database, problems: string[]): number {
  try {
    const integrity = db.selectValue('PRAGMA integrity_check') as string;
    if (integrity !== 'ok') problems.push(`integrity_check: ${integrity}`);
    const sum = db.selectValue('SELECT sum(balance) FROM accounts') as number;
    if (sum !== ACCOUNTS * BALANCE) problems.push(`the balances add up to ${sum}`);
    const numbers = db.selectValues('SELECT n FROM transfers ORDER BY n') as number[];
    if (numbers.some((n, i) => n !== i)) problems.push(`there are the transfers ${numbers.join()}`);
    return numbers.length;
  } catch (error) {
    problems.push(String(error));
    return 0;
  } finally {
    db.close();
  }
}
