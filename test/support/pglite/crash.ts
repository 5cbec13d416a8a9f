// What a worker does with PGlite: makes a cluster in a guest, or crashes one transaction of it.
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { files, image, Machine, type MachineOptions, type StrategyName } from '../../../src/index.ts';
import { GuestFilesystem, START_PARAMETERS } from './guest-fs.ts';

/** A transaction that is crashed. */
export interface CrashCase {
  /** What `make` has posted. */
  readonly cluster: Uint8Array;
  /** Events of the transaction before the crash. */
  readonly event: number;
  readonly strategy: StrategyName;
  /** Share of the drive's cache that a loss of power keeps; undefined: the guest crashes. */
  readonly keep?: number | undefined;
}

/** What was there afterwards. */
export interface CrashResult {
  /** Events of the transaction. */
  readonly events: number;
  /** Whether its commit had returned. */
  readonly isAcknowledged: boolean;
  /** Calls of fsync, and of these in the transaction, that the guest was asked for. */
  readonly syncs: number;
  /** Balances after the reboot, and rows of notes. */
  readonly balances: readonly number[];
  readonly notes: readonly number[];
  /** Pages that the next guest took over, and pages that differ from the disk. */
  readonly reused: number;
  readonly mismatches: number;
  /** The disk that the next guest mounted. */
  readonly disk: Uint8Array;
}

const MACHINE: Omit<MachineOptions, 'disk'> = { memory: 64 << 20, drive: 'disk' };

async function open(fs: GuestFilesystem): Promise<PGlite> {
  return PGlite.create({ fs, startParams: START_PARAMETERS });
}

/** A cluster with two accounts and one acknowledged transfer, shut down in order. */
async function make(): Promise<Uint8Array> {
  const machine = Machine.boot({ ...MACHINE, disk: files({}, { size: 72 << 20, journalBlocks: 1024 }) });
  // PostgreSQL refuses a directory that others may read.
  machine.sys.chmod('/', 0o700);
  const pg = await open(new GuestFilesystem(machine));
  await pg.exec(`CREATE TABLE accounts (id int PRIMARY KEY, balance int); CREATE TABLE notes (n int PRIMARY KEY);
    INSERT INTO accounts VALUES (0, 100), (1, 100)`);
  await transfer(pg, 0);
  await pg.close();
  machine.sys.sync();
  machine.reboot();
  return machine.disk.read();
}

async function transfer(pg: PGlite, n: number): Promise<void> {
  await pg.exec(`BEGIN; UPDATE accounts SET balance = balance - 1 WHERE id = 0;
    UPDATE accounts SET balance = balance + 1 WHERE id = 1; INSERT INTO notes VALUES (${n}); COMMIT`);
}

async function crash({ cluster, event, strategy, keep }: CrashCase): Promise<CrashResult> {
  const machine = Machine.boot({ ...MACHINE, strategy, disk: image(cluster) });
  const fs = new GuestFilesystem(machine);
  const pg = await open(fs);
  const [events, syncs] = [machine.stats.events, fs.syncs];
  let isAcknowledged = false;
  machine.crashAt({ event });
  try {
    await transfer(pg, 1);
    // PGlite may return even so when a call has thrown; its process has ended with the guest.
    isAcknowledged = machine.state === 'running';
    if (isAcknowledged) machine.crash();
  } catch (error) {
    if (machine.state !== 'crashed') throw error;
  }
  const ran = { events: machine.stats.events - events, isAcknowledged, syncs: fs.syncs - syncs };
  if (keep !== undefined) machine.losePower({ keep });
  let disk: Uint8Array | undefined;
  machine.reboot({
    betweenGuests: (its) => {
      disk = its.read();
      return undefined;
    },
  });
  const next = await open(new GuestFilesystem(machine));
  const numbers = async (sql: string): Promise<number[]> =>
    (await next.query<{ n: number }>(sql)).rows.map(({ n }) => n);
  const balances = await numbers('SELECT balance AS n FROM accounts ORDER BY id');
  const notes = await numbers('SELECT n FROM notes ORDER BY n');
  const { reused, mismatches } = machine.verify();
  return { ...ran, balances, notes, reused, mismatches, disk: disk! };
}

const asked = workerData as CrashCase | undefined;
parentPort!.postMessage(asked === undefined ? await make() : await crash(asked));
