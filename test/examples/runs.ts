// What each example is asked: by test/examples/examples.test.ts in the checkout, and by
// tools/try-package.mjs in the package as others get it. The answers have to be those of ANSWERS.
import sqlite3InitModule, { type Sqlite3Static } from '@sqlite.org/sqlite-wasm';
import { configureSingle, fs, sync } from '@zenfs/core';
import type * as base from '../../examples/base.ts';
import type * as crashTest from '../../examples/crash-test.ts';
import type * as disk from '../../examples/disk.ts';
import type * as durable from '../../examples/durable-program.ts';
import type * as embedding from '../../examples/embedding.ts';
import type * as kernel from '../../examples/kernel.ts';
import type * as machine from '../../examples/machine.ts';
import type * as node from '../../examples/node.ts';
import type * as ownTable from '../../examples/own-table.ts';
import type * as protocol from '../../examples/protocol.ts';
import type * as sim from '../../examples/sim.ts';
import type * as crash from '../../examples/sqlite/crash.ts';
import type * as lookups from '../../examples/sqlite/lookups.ts';
import * as vfs from '../../examples/sqlite/vfs.ts';
import type * as table from '../../examples/table.ts';
import type * as xen from '../../examples/xen.ts';
import type * as xenPublic from '../../examples/xen-public.ts';
import type * as backend from '../../examples/zenfs/backend.ts';
import type * as git from '../../examples/zenfs/git.ts';
import type * as gitCrash from '../../examples/zenfs/git-crash.ts';
import type * as testing from '../../src/doors/testing/index.ts';
import type * as stillwarm from '../../src/index.ts';
import type * as lab from '../../src/lab/protocol/index.ts';
import type * as wire from '../../src/xen/public/index.ts';

/** What a run may use: doors, and a folder of the host that is empty at first. */
export interface Means {
  /** The module behind a door, as `stillwarm/base`. */
  readonly door: <D>(name: string) => Promise<D>;
  readonly folder: string;
}
type Run<E> = (example: E, means: Means) => unknown;
/** A run takes the module of its example. */
const run = <E>(ask: Run<E>): Run<unknown> => ask as Run<unknown>;

/** What a check of a protocol says of it without faults, and with each. */
const checks = run<{ default: lab.AnyProtocol }>(async ({ default: protocol }, { door }) => {
  const { checkProtocol } = await door<typeof lab>('stillwarm/protocol');
  return checkProtocol(protocol, { symmetry: false }).map(({ verdict }) => verdict);
});

/** SQLite, and what chooses its machine. */
async function sqlite(): Promise<[Sqlite3Static, ReturnType<typeof vfs.installGuestVfs>]> {
  const sqlite3 = await sqlite3InitModule();
  // Each statement that fails is a warning otherwise.
  Object.assign(sqlite3.config, { warn: () => undefined });
  return [sqlite3, vfs.installGuestVfs(sqlite3)];
}

export const RUNS: Readonly<Record<string, Run<unknown>>> = {
  'base.ts': run<typeof base>(async ({ blame }, { door }) => {
    const { files, image, Machine } = await door<typeof stillwarm>('stillwarm');
    const { sys } = Machine.boot({ disk: files({}), memory: 16 << 20 });
    const runs = [
      () => undefined,
      () => Machine.boot({ disk: 'a path' as never }),
      () => Machine.boot({ disk: image(new Uint8Array(1 << 20)), memory: 16 << 20 }),
      () => sys.open('/nothing'),
    ];
    return runs.map((run) => blame(run).split(':')[0]);
  }),
  'crash-test.ts': run<typeof crashTest>(({ crashTest }) => [
    ...new Set([...crashTest(25)].map(({ held, wrong }) => `${held.trim()}, ${wrong} wrong`)),
  ]),
  'disk.ts': run<typeof disk>(({ meanRead }) =>
    (['disk', 'nvme'] as const).map((kind) =>
      (['in order', 'at random'] as const).map((order) => Math.round(meanRead(kind, order, 200) / 1000)),
    ),
  ),
  'durable-program.ts': run<typeof durable>(async ({ notesAreDurable }, { door }) => {
    const { checkProperty } = await door<typeof testing>('stillwarm/testing');
    checkProperty('notes are durable', notesAreDurable(1024, false), { numRuns: 3 });
    try {
      checkProperty('notes are durable', notesAreDurable(0, false));
      return 'held';
    } catch (error) {
      return /because: (\w+)/.exec(String(error))?.[1];
    }
  }),
  'embedding.ts': run<typeof embedding>(({ playTrace }) => {
    const trace = Array.from({ length: 200 }, (_, n) => ({ at: 10 * n, file: 1, page: n % 100 }));
    const nothing = (): void => undefined;
    const transfer = (at: number): number => at + 5;
    return playTrace(trace, 100, {
      submitRead: transfer,
      submitWrite: transfer,
      pagesOf: () => 100,
      onInsert: nothing,
      onEvict: nothing,
    });
  }),
  'kernel.ts': run<typeof kernel>(({ rebootOver }) =>
    [false, true].map((damaged) => {
      const { kernel, domain, text } = rebootOver('what the file holds', damaged, true);
      return { reused: kernel.pagesReused, read: kernel.dataPagesRead, refused: domain.refused.checksum, text };
    }),
  ),
  'machine.ts': run<typeof machine>(({ withMemory, cachedReadNs, sources }) => {
    const [slow, fast] = [withMemory(1), withMemory(10)];
    return [cachedReadNs(slow, 4096) - cachedReadNs(fast, 4096), sources(slow).get('measured')];
  }),
  'node.ts': run<typeof node>(({ noteAndSave, namesOf }, { folder }) => {
    const path = `${folder}.img`;
    noteAndSave(folder, 'hello', path);
    return namesOf(path).sort();
  }),
  'own-table.ts': run<typeof ownTable>(async ({ OwnTable, tableIsRight }, { door }) => {
    const { checkProperty } = await door<typeof testing>('stillwarm/testing');
    class Blind extends OwnTable {
      override store(): void {
        // A store is not noted.
      }
    }
    checkProperty('the table is right', tableIsRight(), { numRuns: 50 });
    try {
      checkProperty('the table is right', tableIsRight(Blind));
      return 'held';
    } catch (error) {
      return String(error).includes('counterexample');
    }
  }),
  'protocol.ts': run<typeof protocol>(({ checked }) => checked()),
  'protocols/memfd-handover.ts': checks,
  'protocols/process-cache.ts': checks,
  'protocols/record-versions.ts': checks,
  'protocols/shared-page-cache.ts': checks,
  'protocols/warm-cache.ts': checks,
  'sim.ts': run<typeof sim>(({ meanWait }) => [0.5, 0.9].map((load) => Math.round(meanWait(load, 20_000, 1) / 1e5))),
  'sqlite/crash.ts': run<typeof crash>(async ({ crashSqlite, JOURNALS }) => {
    const parts = await sqlite();
    return JOURNALS.map((journal) => {
      const { acknowledged, found, problems } = crashSqlite(...parts, { event: 300 }, { journal });
      return [acknowledged > 0, found >= acknowledged, ...problems];
    });
  }),
  'sqlite/lookups.ts': run<typeof lookups>(async ({ compareLookups }) => {
    const { before, warm, cold } = compareLookups(...(await sqlite()), { rows: 2000, count: 200 });
    return [warm.virtual > 0.5 * before.virtual, cold.virtual > 0.5 * before.virtual];
  }),
  'sqlite/vfs.ts': run<typeof vfs>(async (_, { door }) => {
    const { files, Machine } = await door<typeof stillwarm>('stillwarm');
    const [sqlite3, use] = await sqlite();
    const machine = Machine.boot({ disk: files({}, { size: 8 << 20, journalBlocks: 1024 }), memory: 16 << 20 });
    use(machine);
    const db = new sqlite3.oo1.DB('/app.db', 'c');
    db.exec('PRAGMA synchronous = extra; CREATE TABLE t (a); INSERT INTO t VALUES (7)').close();
    machine.reboot({ crash: true });
    const after = new sqlite3.oo1.DB('/app.db');
    return [Number(after.selectValue('SELECT a FROM t')), machine.verify().mismatches];
  }),
  'table.ts': run<typeof table>(({ MEMORY_BYTES, ToyHypervisor }) => {
    const [memory, disk] = [new ArrayBuffer(MEMORY_BYTES), new Uint8Array(64 * 4096)];
    for (let index = 0; index < 8; index++) new DataView(disk.buffer).setUint32(4 * (16 + index), 1 + index, true);
    return [1, 2].map(() => {
      const toy = new ToyHypervisor(memory, disk);
      for (let index = 0; index < 8; index++) toy.read(1, index);
      return toy.reads;
    });
  }),
  'xen.ts': run<typeof xen>(({ replaceHypervisor }) => [
    [...replaceHypervisor(['a', 'b'])],
    [...replaceHypervisor(['c'], (memory) => memory.writeU32(0 as never, 0, 0))],
  ]),
  'xen-public.ts': run<typeof xenPublic>(async ({ linesOf }, { door }) => {
    const { CacheMapBatch } = await door<typeof wire>('stillwarm/xen/public');
    const batch = new CacheMapBatch(4);
    batch.insert(7 as never, 12 as never, 1, 3 as never);
    batch.claim(12 as never, 1, 3 as never, 99 as never);
    batch.erase(7 as never);
    return linesOf(batch);
  }),
  'zenfs/backend.ts': run<typeof backend>(async ({ Guest }, { door }) => {
    const { files, Machine } = await door<typeof stillwarm>('stillwarm');
    const machine = Machine.boot({ disk: files({}, { journalBlocks: 1024, inodeBytes: 256 }), memory: 16 << 20 });
    await configureSingle({ backend: Guest, machine });
    fs.writeFileSync('/kept', 'on the disk');
    await sync();
    fs.writeFileSync('/lost', 'in memory');
    machine.reboot({ crash: true });
    return [String(fs.readFileSync('/kept', 'utf8')), fs.existsSync('/lost')];
  }),
  'zenfs/git.ts': run<typeof git>(async ({ commits }) => {
    const found: unknown[] = [];
    for await (const { log, changed, wrong } of commits(['crash', 'power loss', 'reboot']))
      found.push([...log, ...changed, wrong]);
    return found;
  }),
  'zenfs/git-crash.ts': run<typeof gitCrash>(async ({ crashCommit }) => {
    const { steps, ...survival } = await crashCommit({ step: 700 });
    return [steps >= 700, survival];
  }),
};

const asTheyShouldBe = (count: number): string[] => Array.from({ length: count }, () => 'as it should be');

/** What each answers, as JSON. */
export const ANSWERS: Readonly<Record<string, unknown>> = {
  'base.ts': [
    'nobody',
    'the program that called stillwarm',
    'the file or image that was given',
    'the program in the guest (errno 2)',
  ],
  'crash-test.ts': ['balance=0, 0 wrong', 'balance=100, 0 wrong'],
  // Microseconds.
  'disk.ts': [
    [268, 5852],
    [71, 71],
  ],
  // On ext2, where the name of a new file is not safe with it.
  'durable-program.ts': 'ENOENT',
  'embedding.ts': { hits: 199, misses: 1, endsAt: 1990 },
  // Without the flipped byte and with it: that page is refused, and read.
  'kernel.ts': [
    { reused: 5, read: 0, refused: 0, text: 'what the file holds' },
    { reused: 4, read: 1, refused: 1, text: 'what the file holds' },
  ],
  // 4096 bytes at 1 byte a ns instead of 10.
  'machine.ts': [3686, 1],
  'node.ts': ['.', '..', 'lost+found', 'note'],
  'own-table.ts': true,
  'protocol.ts': [
    { fault: '', verdict: 'as it should be', states: 43, steps: [] },
    { fault: 'marked first', verdict: 'as it should be', states: 6, steps: ['begin', 'write left'] },
  ],
  'protocols/memfd-handover.ts': asTheyShouldBe(8),
  'protocols/process-cache.ts': asTheyShouldBe(7),
  'protocols/record-versions.ts': asTheyShouldBe(7),
  'protocols/shared-page-cache.ts': asTheyShouldBe(5),
  'protocols/warm-cache.ts': asTheyShouldBe(13),
  // Tenths of the service time: an M/D/1 queue waits 5 and 45 in the mean.
  'sim.ts': [5, 44],
  'sqlite/crash.ts': [
    [true, true],
    [true, true],
  ],
  'sqlite/lookups.ts': [true, false],
  'sqlite/vfs.ts': [7, 0],
  // The second hypervisor reads nothing.
  'table.ts': [8, 0],
  'xen.ts': [
    [
      ['a', 'the file of a'],
      ['b', 'the file of b'],
    ],
    [['c', 'there is no such domain']],
  ],
  'xen-public.ts': ['insert 12/1/3 in page 7', 'claim 12/1/3 at block 99: ok', 'erase page 7'],
  'zenfs/backend.ts': ['on the disk', false],
  'zenfs/git.ts': [
    ['commit 0', 0],
    ['commit 1', 'commit 0', 0],
    ['commit 2', 'commit 1', 'commit 0', 0],
  ],
  'zenfs/git-crash.ts': [true, { acknowledged: 2, found: 2, problems: [] }],
};
