/**
 * SQLite, crash-tested: its guest crashes at any event of a run, or its machine loses power there.
 * The machine is rebooted by a strategy. Then the database is whole, and has every transfer whose
 * commit had returned. 89 lines of code.
 *
 * The workload moves money between accounts and notes each transfer. So a transaction that is there
 * in part shows: the balances do not add up, or a note is missing.
 */

import type { Database, Sqlite3Static } from '@sqlite.org/sqlite-wasm';
// In a project of your own: from 'stillwarm'.
import { files, Machine, type StrategyName } from '../../src/index.ts';
import type { Host } from './vfs.ts';

export const JOURNALS = ['delete', 'wal'] as const;
export type JournalName = (typeof JOURNALS)[number];

export interface CrashTest {
  readonly journal: JournalName;
  /** How the machine is rebooted; `warm-cache+metadata` by default. */
  readonly strategy?: StrategyName;
  /**
   * Share of the drive's cache that is kept when the machine loses power; when it is not given, the
   * guest crashes.
   */
  readonly keep?: number;
  /** What SQLite's calls reach in place of the machine. */
  readonly hostOf?: (machine: Machine) => Host;
}

/** What was there after the reboot. */
export interface Survival {
  /** Events of the run, up to its crash or its end. */
  readonly events: number;
  /** Transfers whose commit had returned. */
  readonly acknowledged: number;
  /** Transfers that are there. */
  readonly found: number;
  /** What is wrong; empty when nothing is. */
  readonly problems: readonly string[];
}

const TRANSFERS = 6;
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
 * Runs the workload up to an event, at which it crashes, or to its end, behind which it does;
 * reboots, and looks.
 * @param use what `installGuestVfs` has returned
 * @throws what the VFS or SQLite throws for another reason than the crash
 */
export function crashSqlite(
  sqlite3: Sqlite3Static,
  use: (machine: Host) => void,
  event: number,
  test: CrashTest,
): Survival {
  const { journal, strategy = 'warm-cache+metadata', keep, hostOf = (machine: Machine) => machine } = test;
  const disk = files({}, { size: 8 << 20, journalBlocks: 1024 });
  const machine = Machine.boot({ disk, memory: 16 << 20, strategy });
  use(hostOf(machine));
  const db = open(sqlite3, journal);
  db.exec(TABLES);
  machine.crashAt({ event });
  const before = machine.stats.events;
  let acknowledged = 0;
  try {
    for (; acknowledged < TRANSFERS; acknowledged++) transfer(db, acknowledged);
    machine.crash();
  } catch (error) {
    if (machine.state !== 'crashed') throw error;
  }
  const events = machine.stats.events - before;
  db.close();
  if (keep !== undefined) machine.losePower({ keep });
  machine.reboot();
  use(machine);
  const problems: string[] = [];
  const found = check(open(sqlite3, journal), problems);
  if (found < acknowledged) problems.push(`${acknowledged} transfers were acknowledged, ${found} are there`);
  const { mismatches } = machine.verify();
  if (mismatches > 0) problems.push(`${mismatches} cached pages differ from the disk`);
  return { events, acknowledged, found, problems };
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
