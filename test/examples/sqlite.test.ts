// SQLite, which others have written, in a guest: examples/sqlite.
import sqlite3InitModule from '@sqlite.org/sqlite-wasm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crashSqlite, type CrashTest, JOURNALS, type Survival } from '../../examples/sqlite/crash.ts';
import { compareLookups } from '../../examples/sqlite/lookups.ts';
import { type Host, installGuestVfs } from '../../examples/sqlite/vfs.ts';
import * as stillwarm from '../../src/index.ts';
import { property } from '../support/property.ts';

const { files, Machine, STRATEGIES } = stillwarm;
const sqlite3 = await sqlite3InitModule();
// Each statement that fails is a warning otherwise.
Object.assign(sqlite3.config, { warn: () => undefined });
const use = installGuestVfs(sqlite3);

const crash = (event: number, test: CrashTest): Survival => crashSqlite(sqlite3, use, { event }, test);
/** Events of a run without a crash. */
const lengthOf = (test: CrashTest): number => crash(Number.MAX_SAFE_INTEGER, test).events;

/** The planted mistake: nothing is made durable. */
const withoutSync = (machine: stillwarm.Machine): Host => ({
  get sys() {
    const nothing = { value: (): void => undefined };
    return Object.create(machine.sys, { fsync: nothing, fdatasync: nothing }) as Host['sys'];
  },
  get now() {
    return machine.now;
  },
  get state() {
    return machine.state;
  },
});

describe.each(JOURNALS)('SQLite with the journal %s in a guest', (journal) => {
  const whole = lengthOf({ journal });

  property(
    `SQLite with the journal ${journal} is whole and has every acknowledged commit, at whatever event its guest crashes and however it is rebooted`,
    fc.nat(whole + 1),
    fc.constantFrom(...STRATEGIES),
    (event, strategy) => {
      const { problems, found, acknowledged } = crash(event, { journal, strategy });
      expect(problems).toEqual([]);
      expect(found - acknowledged).toBeLessThanOrEqual(1);
    },
    {
      numRuns: STRATEGIES.length + 1,
      lawRuns: 30,
      // Each strategy at least once.
      examples: STRATEGIES.map((strategy, i): [number, stillwarm.StrategyName] => [
        Math.floor(((i + 1) * whole) / (STRATEGIES.length + 1)),
        strategy,
      ]),
    },
  );

  property(
    `SQLite with the journal ${journal} is whole and has every acknowledged commit, at whatever event its machine loses power and whatever share of the drive’s cache is kept`,
    fc.nat(whole + 1),
    fc.double({ min: 0, max: 1, noNaN: true }),
    (event, keep) => {
      expect(crash(event, { journal, keep }).problems).toEqual([]);
    },
    { numRuns: 4, lawRuns: 30 },
  );

  it(`a VFS whose xSync does nothing loses commits of the journal ${journal}, and the crash test says so`, () => {
    const plan: CrashTest = { journal, strategy: 'cold', hostOf: withoutSync };
    const length = lengthOf(plan);
    const events = Array.from({ length: 4 }, (_, i) => Math.floor((i * length) / 3));
    for (const ways of [{}, { keep: 0.5 }]) {
      const problems = events.flatMap((event) => crash(event, { ...plan, ...ways }).problems);
      expect(problems.length).toBeGreaterThan(0);
    }
  });

  it(`a VFS whose xSync does nothing keeps every commit of the journal ${journal} in a crash of a guest with Rio`, () => {
    const plan: CrashTest = { journal, strategy: 'rio', hostOf: withoutSync };
    const length = lengthOf(plan);
    for (let i = 0; i <= 4; i++) expect(crash(Math.floor((i * length) / 3), plan).problems).toEqual([]);
  });
});

describe('the VFS of the example', () => {
  it('one seed gives one run and one disk, and the statements decide what is on it', () => {
    const run = (text: string): stillwarm.Machine => {
      const machine = Machine.boot({ disk: files({}, { size: 8 << 20, journalBlocks: 1024 }), memory: 16 << 20 });
      use(machine);
      const db = new sqlite3.oo1.DB('/a.db', 'c');
      db.exec('PRAGMA locking_mode = exclusive; PRAGMA journal_mode = wal; CREATE TABLE t (a, b DEFAULT (random()))');
      db.exec({ sql: "INSERT INTO t (a) VALUES (?), (strftime('%f'))", bind: [text] });
      db.close();
      machine.sys.sync();
      return machine;
    };
    const [first, second, other] = [run('a'), run('a'), run('b')];
    expect(second.digest).toBe(first.digest);
    expect(Buffer.compare(first.disk.read(), second.disk.read())).toBe(0);
    expect(Buffer.compare(first.disk.read(), other.disk.read())).not.toBe(0);
  });

  it('SQLite reports a full disk as such, and keeps what it had', () => {
    const machine = Machine.boot({ disk: files({}, { size: 6 << 20, journalBlocks: 1024 }), memory: 16 << 20 });
    use(machine);
    const db = new sqlite3.oo1.DB('/a.db', 'c');
    db.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1)');
    expect(() => db.exec('INSERT INTO t VALUES (zeroblob(8000000))')).toThrow(/SQLITE_FULL/);
    expect(db.selectValue('PRAGMA integrity_check')).toBe('ok');
    expect(db.selectValue('SELECT count(*) FROM t')).toBe(1);
    db.close();
    expect(machine.sys.readdir('/').map(({ name }) => name)).not.toContain('a.db-journal');
  });

  it('a crash of the guest is an I/O error for SQLite, and so is every call after it', () => {
    const machine = Machine.boot({ disk: files({}, { journalBlocks: 1024 }), memory: 16 << 20 });
    use(machine);
    const db = new sqlite3.oo1.DB('/a.db', 'c');
    machine.crashAt({ event: 20 });
    for (let i = 0; i < 2; i++) expect(() => db.exec('CREATE TABLE t (a)')).toThrow(/SQLITE_IOERR/);
    db.close();
    expect(machine.state).toBe('crashed');
  });

  it('temporary files of SQLite have no name in the guest', () => {
    const machine = Machine.boot({ disk: files({}, { size: 16 << 20, journalBlocks: 1024 }), memory: 16 << 20 });
    use(machine);
    const db = new sqlite3.oo1.DB('/a.db', 'c');
    db.exec(
      'PRAGMA temp_store = file; PRAGMA cache_size = 1; CREATE TEMP TABLE t (a); INSERT INTO t VALUES (zeroblob(2000000))',
    );
    expect(machine.sys.readdir('/').map(({ name }) => name)).not.toContain('.sqlite-temporary');
    expect(machine.sys.statfs('/').blocks - machine.sys.statfs('/').blocksFree).toBeGreaterThan(400);
    db.close();
  });
});

describe('the lookups of the example', () => {
  it('lookups after a warm reboot are as fast as before in virtual time, and after a cold one slower', () => {
    const { before, warm, cold } = compareLookups(sqlite3, use, { rows: 4000, count: 500 });
    expect(warm.virtual).toBeGreaterThan(0.7 * before.virtual);
    expect(cold.virtual).toBeLessThan(0.5 * before.virtual);
    expect(before.host).toBeGreaterThan(0);
  });
});
