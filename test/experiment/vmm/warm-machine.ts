// A whole machine for properties of the reboot. It has small trees of files, programs that read
// them, and guests that are shut down or crash after any event. Everything that must hold then is
// checked.
import fc from 'fast-check';
import { expect } from 'vitest';
import {
  ModelError,
  Ns,
  PAGE_SIZE,
  type Ino,
  type Lba,
  type Mfn,
  type PageIndex,
  type Pfn,
} from '../../../src/base/index.ts';
import type { BackingStore } from '../../../src/disk/image/backing-store.ts';
import type { BlockDevice, BlockRequest } from '../../../src/disk/drive/block-device.ts';
import type { DriveKind } from '../../../src/disk/drive/make-service-time.ts';
import type { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, sparse, symlink, tree, type Tree, type TreeNode } from '../../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { Testbed } from '../../../src/experiment/host/testbed.ts';
import { Kernel, PG, type Syscalls } from '../../../src/kernel/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../../src/sim/index.ts';
import { RECORD_WORDS, W_GENERATION, W_INDEX, W_INO } from '../../../src/xen/frames/frame-record.ts';
import { domainOf, type Domain, Provenance, ShutdownReason } from '../../../src/xen/index.ts';

export const MIB = 1 << 20;
const MACHINE_BYTES = 48 * MIB;
/** Far more than any scenario needs: a run that gets here hangs. */
const MOST_EVENTS = 2_000_000;

/** The machine's memory is made once: each Testbed clears it. */
let memory: MachineMemory | undefined;

// Trees.

export interface FilePlan {
  readonly bytes: number;
  /** Only every fourth page is there. */
  readonly sparse: boolean;
}

/** The files of one directory of a tree; the directory's name is its position. */
export type DirectoryPlan = readonly FilePlan[];

export interface Disk {
  readonly image: MemoryImage;
  readonly oracle: OracleExt2;
  readonly files: readonly { readonly path: string; readonly ino: number; readonly size: number }[];
  readonly directories: ReadonlyMap<string, readonly string[]>;
  readonly symlinks: ReadonlyMap<string, string>;
}

function contents(seed: number, plan: FilePlan): TreeNode {
  const bytes = new Uint8Array(plan.bytes);
  // Every word of every file differs from the others, and none is zero.
  const words = new Uint32Array(bytes.buffer, 0, plan.bytes >>> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(seed * 0x100_0000 + i + 1, 0x9e3779b1) | 1;
  if (!plan.sparse) return file(bytes);
  const pieces: [number, Uint8Array][] = [];
  for (let at = 0; at < plan.bytes; at += 4 * PAGE_SIZE) pieces.push([at, bytes.subarray(at, at + PAGE_SIZE)]);
  return file(sparse(plan.bytes, pieces));
}

export function makeDisk(plans: readonly DirectoryPlan[]): Disk {
  const directories = new Map<string, string[]>();
  const symlinks = new Map<string, string>();
  let seed = 1;
  const top: [string, TreeNode][] = plans.map((plan, d) => {
    const entries: [string, TreeNode][] = plan.map((one, f) => [`f${f}`, contents(seed++, one)]);
    const target = `../d${d}/f0`;
    // Long enough that it does not fit into the inode.
    const long = `${'./'.repeat(40)}f0`;
    entries.push(['fast', symlink(target)], ['slow', symlink(long)]);
    symlinks.set(`/d${d}/fast`, target).set(`/d${d}/slow`, long);
    directories.set(`/d${d}`, [...entries.map(([name]) => name), '.', '..'].sort());
    return [`d${d}`, directory(entries)];
  });
  const root: Tree = tree(directory(top));
  directories.set('/', [...top.map(([name]) => name), '.', '..', 'lost+found'].sort());
  const image = makeExt2(root);
  const oracle = new OracleExt2(image);
  return { image, oracle, files: oracle.listFiles(), directories, symlinks };
}

// Programs.

export type Step =
  | { readonly do: 'whole'; readonly file: number; readonly chunk: number }
  | { readonly do: 'pread'; readonly file: number; readonly at: number; readonly length: number }
  | { readonly do: 'readahead' | 'stat' | 'through'; readonly file: number }
  | { readonly do: 'list' | 'readlink' };

export type Program = readonly Step[];

/** What the guests of one run have done, for the test to look at. */
export interface Tally {
  bytesRead: number;
  reused: number;
  failures: number;
}

/**
 * Runs a program; every answer of the kernel is compared with the disk. EIO is an answer when the
 * device may fail.
 */
function* run(sys: Syscalls, disk: Disk, program: Program, tally: Tally, mayFail: boolean): Process {
  for (const step of program) {
    try {
      yield* perform(sys, disk, step, tally, mayFail);
    } catch (error) {
      if (!mayFail || !(error instanceof ModelError) || error.code !== 'EIO') throw error;
      tally.failures++;
    }
    if (sys.isDue) yield* sys.settle();
  }
  yield* sys.settle();
}

function* perform(sys: Syscalls, disk: Disk, step: Step, tally: Tally, mayFail: boolean): Process {
  const { oracle, files } = disk;
  const some = 'file' in step ? files[step.file % files.length] : undefined;
  const read = function* (fd: number, at: number, length: number, pread: boolean): Process<number> {
    const buffer = new Uint8Array(length + 2).fill(0xa5);
    const bytes = yield* pread ? sys.pread(fd, buffer, 1, length, at) : sys.read(fd, buffer, 1, length);
    const { ino, size } = some!;
    const expected = Math.max(0, Math.min(length, size - at));
    // An error after some bytes cuts a read short.
    if (bytes !== expected && !(mayFail && bytes > 0 && bytes < expected))
      throw new Error(`${some!.path}: ${bytes} bytes at ${at}`);
    const wrong = oracle.expect(ino, at, bytes, buffer, 1);
    if (wrong >= 0) throw new Error(`${some!.path}: byte ${at + wrong} was read wrong`);
    // Nothing outside the range asked for was touched.
    if (buffer[0] !== 0xa5 || buffer.subarray(1 + bytes).some((byte) => byte !== 0xa5)) throw new Error('overrun');
    tally.bytesRead += bytes;
    return bytes;
  };
  switch (step.do) {
    case 'whole': {
      if (some === undefined) return;
      const fd = yield* sys.open(some.path);
      try {
        for (let at = 0, bytes = -1; bytes !== 0; at += bytes) bytes = yield* read(fd, at, step.chunk, false);
      } finally {
        yield* sys.close(fd);
      }
      return;
    }
    case 'pread': {
      if (some === undefined) return;
      const fd = yield* sys.open(some.path);
      try {
        yield* read(fd, step.at % (some.size + PAGE_SIZE), step.length, true);
      } finally {
        yield* sys.close(fd);
      }
      return;
    }
    case 'readahead': {
      if (some === undefined) return;
      const fd = yield* sys.open(some.path);
      yield* sys.readahead(fd, 0, some.size);
      yield* sys.close(fd);
      return;
    }
    case 'stat': {
      if (some === undefined) return;
      const { ino, size } = yield* sys.stat(some.path);
      expect({ ino, size }).toEqual({ ino: some.ino, size: some.size });
      return;
    }
    case 'through': {
      // The same file by way of ".." and of both kinds of symbolic link, where its directory has
      // them.
      const name = some?.path.endsWith('/f0') === true ? some.path.slice(0, -'/f0'.length) : undefined;
      if (name === undefined) return;
      for (const path of [`${name}/fast`, `${name}/slow`, `${name}/..${name}/f0`])
        expect((yield* sys.stat(path)).ino).toBe(some!.ino);
      return;
    }
    case 'list':
      for (const [path, names] of disk.directories)
        expect((yield* sys.readdir(path)).map(({ name }) => name).sort()).toEqual(names);
      return;
    case 'readlink':
      for (const [path, target] of disk.symlinks) expect(yield* sys.readlink(path)).toBe(target);
  }
}

// The machine.

/** One guest's life. */
export interface Life {
  readonly programs: readonly Program[];
  /**
   * Crash after so many events of this guest, its boot included; undefined: an orderly shutdown
   * when all is read.
   */
  readonly crashAfter: number | undefined;
  readonly cachemap: 'off' | 'files' | 'all';
  readonly memoryMiB: number;
}

export interface Scenario {
  readonly tree: readonly DirectoryPlan[];
  readonly drive: DriveKind;
  /** One of so many reads fails; 0: none. */
  readonly failOneIn: number;
  readonly lives: readonly Life[];
}

/** The drive, which fails some reads: before or after it moved the bytes is the drive's to say. */
class FlakyDevice implements BlockDevice {
  readonly #testbed: Testbed;
  readonly #oneIn: number;

  constructor(testbed: Testbed, oneIn: number) {
    this.#testbed = testbed;
    this.#oneIn = oneIn;
  }

  get store(): BackingStore {
    return this.#testbed.drive.store;
  }

  get sectorCount(): number {
    return this.#testbed.drive.sectorCount;
  }

  submit(request: BlockRequest): void {
    const { drive, simulation } = this.#testbed;
    const fails = this.#oneIn > 0 && this.#random.below(this.#oneIn) === 0;
    if (!fails) drive.submit(request);
    else if (this.#random.below(2) === 0) drive.submit({ ...request, done: () => request.done('EIO') });
    else simulation.after(Ns(1000), () => request.done('EIO'));
  }

  get #random(): ReturnType<Testbed['simulation']['random']['stream']> {
    return (this.#stream ??= this.#testbed.simulation.random.stream('flaky'));
  }
  #stream: ReturnType<Testbed['simulation']['random']['stream']> | undefined;
}

/** What one guest's life came to. */
export interface LifeResult {
  readonly preserved: number;
  readonly reused: number;
  readonly dataPagesRead: number;
  readonly metadataPagesRead: number;
  /** Pages named and clean when it ended. */
  readonly reusable: number;
  readonly reclaimed: number;
  readonly events: number;
  readonly booted: boolean;
}

export interface Outcome {
  readonly lives: readonly LifeResult[];
  readonly tally: Tally;
  readonly digest: string;
}

/** Plays a scenario; throws at the first thing that does not hold. */
export function play(scenario: Scenario, seed = 1): Outcome {
  const disk = makeDisk(scenario.tree);
  memory ??= new MachineMemory(MACHINE_BYTES);
  const testbed = new Testbed({
    seed,
    profile: SERVER_2026,
    disk: scenario.drive,
    image: disk.image,
    memory,
    guestMemory: scenario.lives[0]!.memoryMiB * MIB,
  });
  const { simulation, toolstack } = testbed;
  const device = new FlakyDevice(testbed, scenario.failOneIn);
  const tally: Tally = { bytesRead: 0, reused: 0, failures: 0 };
  const lives: LifeResult[] = [];
  let domain: Domain | undefined;
  for (const life of scenario.lives) {
    const memoryBytes = life.memoryMiB * MIB;
    const cmdLine = `cachemap=${life.cachemap}`;
    const process: Process<Domain> =
      domain === undefined
        ? domainOf(toolstack.createDomain({ name: 'guest', memoryBytes, device, cmdLine }))
        : domainOf(toolstack.restartDomain(domain, { preserve: true, memoryBytes, cmdLine }));
    domain = simulation.runProcess('build', process);
    toolstack.list.checkInvariants();
    lives.push(live(testbed, domain, life, disk, tally, scenario.failOneIn > 0));
  }
  return { lives, tally, digest: simulation.digest.hex };
}

function live(testbed: Testbed, domain: Domain, life: Life, disk: Disk, tally: Tally, mayFail: boolean): LifeResult {
  const { simulation, toolstack, guestCosts } = testbed;
  const machine = memory!;
  const begin = simulation.eventCount;
  let kernel: Kernel | undefined;
  let failed = false;
  let running = 1;
  const env = domain.environment;
  const onReuse = (pfn: Pfn, ino: Ino, index: PageIndex, block: Lba): void => {
    tally.reused++;
    checkReuse(machine.frame(domain.frameOf(pfn)), disk, ino, index, block);
  };
  const guarded = function* (process: Process): Process {
    yield* process;
    running--;
  };
  const boot = function* (): Process {
    try {
      kernel = yield* Kernel.boot(env, guestCosts, onReuse);
    } catch (error) {
      // The root could not be read.
      if (!mayFail || !(error instanceof ModelError)) throw error;
      failed = true;
      return;
    }
    for (const program of life.programs) {
      running++;
      env.spawn('program', guarded(run(kernel.syscalls, disk, program, tally, mayFail)));
    }
  };
  env.spawn('boot', guarded(boot()));
  const last = begin + (life.crashAfter ?? MOST_EVENTS);
  simulation.run(() => running === 0 || simulation.eventCount >= last);
  if (running > 0 && life.crashAfter === undefined) throw new Error('the guest waits for something that never happens');

  if (kernel !== undefined) checkNames(testbed, domain, kernel);
  toolstack.list.checkInvariants();
  const events = simulation.eventCount - begin;
  const booted = kernel !== undefined;
  const stats = kernel?.stats;
  if (life.crashAfter === undefined && !failed) {
    env.spawn('shutdown', kernel!.shutdown());
    simulation.run(() => domain.state !== 'running');
  } else if (kernel !== undefined) kernel.crash();
  else env.hypercalls.shutdown(ShutdownReason.crash);
  expect(domain.state).toBe('shutdown');
  toolstack.list.checkInvariants();
  return {
    preserved: domain.stats.preserved,
    reused: stats?.pagesReused ?? 0,
    dataPagesRead: stats?.dataPagesRead ?? 0,
    metadataPagesRead: stats?.metadataPagesRead ?? 0,
    reclaimed: stats?.pagesReclaimed ?? 0,
    reusable: countReusable(testbed, domain),
    events,
    booted,
  };
}

/** A reused page equals its block, and its block is where the disk's own map says the page lies. */
function checkReuse(frame: Uint8Array, { oracle, image }: Disk, ino: number, index: number, block: number): void {
  must(oracle.blockOf(ino, index) === block, `page ${index} of inode ${ino} was reused for block ${block}`);
  const onDisk = new Uint8Array(PAGE_SIZE);
  image.read(block * PAGE_SIZE, onDisk, 0, PAGE_SIZE);
  must(Buffer.compare(onDisk, frame) === 0, `page ${index} of inode ${ino} was reused and is not block ${block}`);
}

/** As expect, for what is asked of every page. */
function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

/**
 * The table names only pages that the guest holds, by the names that the guest knows; preserved is
 * what is unclaimed.
 */
function checkNames({ hypervisor }: Testbed, domain: Domain, { mm, stats }: Kernel): void {
  const { frames, map: plan } = hypervisor;
  const words = hypervisor.memory.words(plan.tableMfn, plan.tableFrames);
  let named = 0;
  let preserved = 0;
  let knownNames = 0;
  for (let n = 0; n < domain.nrPages; n++) {
    const pfn = n as Pfn;
    const mfn: Mfn = domain.frameOf(pfn);
    if (mm.map.has(pfn, PG.named)) knownNames++;
    must(frames.isPreserved(mfn) === mm.map.has(pfn, PG.preserved), `page ${n}: preserved on one side only`);
    if (frames.isPreserved(mfn)) preserved++;
    else if (frames.isNamed(mfn)) {
      named++;
      must(mm.map.has(pfn, PG.named), `page ${n}: named, and the guest does not know it`);
      const { ino, generation } = mm.cache.spaceOf(pfn);
      const at = mfn * RECORD_WORDS;
      const name = `${words[at + W_INO]!}/${words[at + W_GENERATION]!}/${words[at + W_INDEX]!}`;
      must(name === `${ino}/${generation}/${mm.map.indexOf(pfn)}`, `page ${n}: has the name ${name}`);
    }
  }
  expect(preserved).toBe(stats.pagesUnclaimed);
  // What the hypervisor was not told yet waits in one batch.
  expect(knownNames - named).toBeLessThan(14);
}

function countReusable({ hypervisor }: Testbed, domain: Domain): number {
  const { frames } = hypervisor;
  let count = 0;
  for (let pfn = 0; pfn < domain.nrPages; pfn++) {
    const mfn = domain.frameOf(pfn as Pfn);
    if (frames.isNamed(mfn) && frames.provenanceOf(mfn) === Provenance.clean) count++;
  }
  return count;
}

// Arbitraries.

const size = fc.oneof(
  { weight: 2, arbitrary: fc.nat(3 * PAGE_SIZE) },
  { weight: 3, arbitrary: fc.integer({ min: 4 * PAGE_SIZE, max: 30 * PAGE_SIZE }) },
  { weight: 3, arbitrary: fc.integer({ min: 100 * PAGE_SIZE, max: 500 * PAGE_SIZE }) },
  // Into the double indirect block.
  { weight: 1, arbitrary: fc.integer({ min: 1036 * PAGE_SIZE, max: 1100 * PAGE_SIZE }) },
);

export const plans: fc.Arbitrary<DirectoryPlan[]> = fc.array(
  fc.array(fc.record({ bytes: size, sparse: fc.nat(9).map((n) => n === 0) }), { minLength: 2, maxLength: 5 }),
  { minLength: 1, maxLength: 4 },
);

const program: fc.Arbitrary<Program> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('whole' as const),
        file: fc.nat(40),
        chunk: fc.constantFrom(1000, 4096, 16384, 65536, 200_000),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('pread' as const),
        file: fc.nat(40),
        at: fc.nat(800 * PAGE_SIZE),
        length: fc.nat(20 * PAGE_SIZE),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('readahead', 'stat', 'through'), file: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('list', 'readlink') }) },
  ),
  { minLength: 3, maxLength: 12 },
);

const life: fc.Arbitrary<Life> = fc.record({
  programs: fc.array(program, { minLength: 1, maxLength: 3 }),
  // A boot is about 30 events, what follows a few hundred.
  crashAfter: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.nat(30) },
    { weight: 3, arbitrary: fc.integer({ min: 31, max: 300 }) },
    { weight: 1, arbitrary: fc.integer({ min: 300, max: 3000 }) },
  ),
  cachemap: fc.constantFrom('all', 'all', 'all', 'all', 'files', 'files', 'off'),
  memoryMiB: fc.constantFrom(9, 9, 12, 16),
});

export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  tree: plans,
  drive: fc.constantFrom('instant', 'nvme'),
  failOneIn: fc.constantFrom(0, 0, 0, 50),
  lives: fc.array(life, { minLength: 2, maxLength: 4 }),
});
