/**
 * SQLite over the files of a guest (`examples/sqlite`). Transactions write one row in WAL, each on
 * the drive's medium before the next begins. Lookups read what the guest's cache has. The rival is
 * the same in a database in memory: SQLite's own part of the work.
 *
 * Times are processor time of this process.
 */

import sqlite3InitModule, { type Database, type Sqlite3Static } from '@sqlite.org/sqlite-wasm';
import { fillTable, lookUp, openTable } from '../examples/sqlite/lookups.ts';
import { installGuestVfs } from '../examples/sqlite/vfs.ts';
import { files, Machine } from '../src/index.ts';
import { processorNs, type Row, takeTurns } from './harness.ts';
import { scaledTarget } from './reference.ts';

const TRANSACTIONS = 2000;
const ROWS = 20_000;
const LOOKUPS = 20_000;

export async function sqlite(): Promise<Row[]> {
  const sqlite3 = await sqlite3InitModule();
  installGuestVfs(sqlite3)(Machine.boot({ disk: files({}, { size: 512 << 20, journalBlocks: 1024 }) }));
  return [
    // Each transaction is one of the file system's, too.
    transactions(sqlite3, 'the log grows', 'PRAGMA wal_autocheckpoint = 0;'),
    transactions(sqlite3, 'the log is used again', ''),
    lookups(sqlite3),
  ];
}

function transactions(sqlite3: Sqlite3Static, how: string, pragma: string): Row {
  const [figure, rival] = takeTurns(
    ...[`/${how}.db`, ':memory:'].map((name) => {
      const db = openTable(sqlite3, name);
      db.exec(`${pragma} PRAGMA synchronous = full; CREATE TABLE log (n INTEGER PRIMARY KEY, text TEXT)`);
      return () => TRANSACTIONS / (processorNs(() => insert(db)) / 1e9);
    }),
  ) as [number, number];
  const { target, here } = scaledTarget(4000, '/s', 'higher');
  return {
    what: `SQLite in WAL, transactions of one row, ${how}`,
    figure,
    unit: '/s',
    rival: { name: 'in memory', figure: rival },
    target,
    met: figure >= here,
  };
}

function insert(db: Database): void {
  const statement = db.prepare('INSERT INTO log (text) VALUES (?)');
  for (let i = 0; i < TRANSACTIONS; i++)
    statement.bind(`transaction ${i} of the benchmark, in a row of its own`).stepReset();
  statement.finalize();
}

function lookups(sqlite3: Sqlite3Static): Row {
  const [figure, rival] = takeTurns(
    ...['/words.db', ':memory:'].map((name) => {
      const db = openTable(sqlite3, name);
      fillTable(db, ROWS);
      return () => LOOKUPS / (processorNs(() => lookUp(db, ROWS, LOOKUPS)) / 1e9);
    }),
  ) as [number, number];
  return {
    what: `SQLite, lookups of a row of ${ROWS.toLocaleString('en')}, cached by the guest`,
    figure,
    unit: '/s',
    rival: { name: 'in memory', figure: rival },
    ratio: figure / rival,
  };
}
