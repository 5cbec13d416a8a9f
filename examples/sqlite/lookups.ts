/**
 * Lookups a second in a table of SQLite: before a reboot, after a warm one, and after a cold one.
 * 52 lines of code.
 *
 * SQLite's own cache is small, so that its reads reach the guest. Virtual time is that of the
 * guest's system calls and its drive: SQLite's own work takes none. Host time is that of the
 * simulation, SQLite's own work included.
 */

import type { Database, Sqlite3Static } from '@sqlite.org/sqlite-wasm';
// In a project of your own: from 'stillwarm'.
import { files, Machine } from '../../src/index.ts';
import type { Host } from './vfs.ts';

/** Lookups a second. */
export interface Rate {
  readonly virtual: number;
  readonly host: number;
}

const PRAGMAS = 'PRAGMA locking_mode = exclusive; PRAGMA journal_mode = wal; PRAGMA cache_size = 8;';
/** A prime number: the keys are looked up in an order that jumps. */
const STRIDE = 7919;

/**
 * The same lookups before a reboot, after a warm one, and after a cold one.
 * @param use what `installGuestVfs` has returned
 */
export function compareLookups(
  sqlite3: Sqlite3Static,
  use: (machine: Host) => void,
  { rows = 20_000, count = 2000 } = {},
): Record<'before' | 'warm' | 'cold', Rate> {
  const machine = Machine.boot({ disk: files({}, { size: 64 << 20, journalBlocks: 1024 }) });
  use(machine);
  const db = openTable(sqlite3, '/words.db');
  fillTable(db, rows);
  // What it has looked up before is in the page cache now.
  lookUp(db, rows, rows);
  db.close();
  const rate = (): Rate => {
    const again = openTable(sqlite3, '/words.db');
    const [now, start] = [machine.now, performance.now()];
    lookUp(again, rows, count);
    const [virtualMs, hostMs] = [(machine.now - now) / 1e6, performance.now() - start];
    again.close();
    return { virtual: (1e3 * count) / virtualMs, host: (1e3 * count) / hostMs };
  };
  const before = rate();
  machine.reboot();
  const warm = rate();
  machine.reboot({ strategy: 'cold' });
  return { before, warm, cold: rate() };
}

/** @param name a path in the guest, or `:memory:` */
export function openTable(sqlite3: Sqlite3Static, name: string): Database {
  const db = new sqlite3.oo1.DB(name, 'c');
  db.exec(PRAGMAS);
  return db;
}

/** A table with so many rows of half a KiB, which begin with their keys. */
export function fillTable(db: Database, rows: number): void {
  db.exec(`CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT);
    WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < ${rows - 1})
    INSERT INTO words SELECT i, printf('%d %500s', i, '') FROM n;`);
}

/** @throws Error for a row that is not what `fillTable` has made */
export function lookUp(db: Database, rows: number, count: number): void {
  const statement = db.prepare('SELECT text FROM words WHERE id = ?');
  for (let i = 0; i < count; i++) {
    const id = (i * STRIDE) % rows;
    statement.bind(id).step();
    const text = statement.getString(0);
    if (Number.parseInt(text ?? '', 10) !== id) throw new Error(`row ${id}: ${String(text)}`);
    statement.reset();
  }
  statement.finalize();
}
