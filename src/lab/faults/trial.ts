/**
 * One run of a fault: a guest reads and writes files and dies. The fault strikes it, or what it
 * left in memory, and the next guest reads all files. The result is what became of each page that
 * had a name. Some faults strike dirty pages, which the tool stack writes home after the crash.
 * Then the numbers count those pages, and reused means written.
 *
 * All protections are on that are not said to be off, the checksum too. Every run has a disk, a
 * machine and a stream of its own, made from the seed, the fault and the number of the run. The
 * same run is made with the guards on and off.
 */

import type { Arch } from '../../base/arch.ts';
import { GuestPanic, ModelError } from '../../base/errno.ts';
import { Ns, PAGE_SIZE, type Mfn } from '../../base/units.ts';
import type { MemoryImage } from '../../disk/image/memory-image.ts';
import { makeExt2 } from '../../disk/mkfs/mkfs.ts';
import { directory, file, tree, type TreeNode } from '../../disk/mkfs/tree.ts';
import { O, type Syscalls } from '../../kernel/index.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import { RandomStreams, type Process, type RandomStream } from '../../sim/index.ts';
import { domainOf } from '../../xen/index.ts';
import { DirtyJudge } from '../../experiment/judge/dirty-judge.ts';
import { FAULT, type Fault, type FaultName } from './faults.ts';
import { PROTECTIONS, type FaultsOptions, type ProtectionName } from './options.ts';
import type { ProtectionCost, StruckRun } from './table.ts';
import { PageJudge, type PageVerdicts } from '../../experiment/judge/page-judge.ts';
import { machineMemoryFor } from '../../experiment/host/host.ts';
import { Testbed, type Guest } from '../../experiment/host/testbed.ts';

const GUEST_MEMORY = 12 << 20;
const FILES = 40;
/** The most pages of a file: more than the twelve that an inode maps itself. */
const FILE_PAGES = 24;
/** Changes that reach the disk before the guest dies, and that do not. */
const WRITES_SYNCED = 24;
const WRITES_LOST = 16;
/**
 * Half of the guests die within this time after they began to write everything out, which takes
 * about as long.
 */
const LAST_NS = 40_000;
const CMD_LINE = 'cachemap=all';
const RIO_CMD_LINE = `${CMD_LINE} rio=on`;

/** What runs one after the other take turns in. */
export interface TestRoom {
  readonly memory: MachineMemory;
  /** Each run has a copy. */
  readonly disk: MemoryImage;
}

export const testRoom = (): TestRoom => ({
  memory: new MachineMemory(machineMemoryFor(GUEST_MEMORY)),
  disk: madeDisk(),
});

/** @param number the number of the run */
export function strikeOnce(room: TestRoom, fault: FaultName, number: number, options: FaultsOptions): StruckRun {
  const { without } = options;
  const { guards } = FAULT[fault];
  const trialOf = (off: readonly ProtectionName[]) => new Trial(fault, `${fault}/${number}`, off, room, options);
  const trial = trialOf(without);
  const verdicts = trial.run();
  const unguarded = guards.length > 0 ? trialOf([...without, ...guards]).run() : null;
  return { injected: trial.injected, protected: verdicts, unguarded };
}

/** @param off protections that are off besides those that are off in any case */
export function timeWithout(room: TestRoom, off: readonly ProtectionName[], options: FaultsOptions): ProtectionCost {
  const trial = new Trial('crash', 'cost', [...options.without, ...off], room, options);
  trial.run();
  return { off, workNs: trial.workNs, rereadNs: trial.rereadNs };
}

function noVerdicts(): PageVerdicts {
  return { reusedRightly: 0, reusedWrongly: 0, discardedRightly: 0, discardedNeedlessly: 0, notAskedFor: 0 };
}

const pathOf = (number: number): string => `/f${number}`;

/** No two of its pages are equal, so a page in another's place is a wrong page. */
function madeDisk(): MemoryImage {
  const files = Array.from({ length: FILES }, (_, f): [string, TreeNode] => {
    const words = new Uint32Array(((1 + (f % FILE_PAGES)) * PAGE_SIZE) / 4);
    for (let i = 0; i < words.length; i++) words[i] = Math.imul(f * 0x1_0000 + i + 1, 0x9e3779b1);
    return [pathOf(f).slice(1), file(new Uint8Array(words.buffer))];
  });
  return makeExt2(tree(directory(files)), { size: 8 << 20 });
}

/** One guest, its end, and the next guest. */
class Trial {
  injected = 0;
  workNs = 0;
  rereadNs = 0;
  readonly #fault: FaultName;
  readonly #testbed: Testbed;
  readonly #judge: PageJudge;
  readonly #dirtyJudge: DirtyJudge;
  readonly #random: RandomStream;

  constructor(
    fault: FaultName,
    name: string,
    off: readonly ProtectionName[],
    { memory, disk }: TestRoom,
    { seed, arch }: { readonly seed: number; readonly arch?: Arch | undefined },
  ) {
    const image = disk.clone();
    this.#fault = fault;
    this.#judge = new PageJudge(memory, image);
    this.#random = new RandomStreams(seed).stream(name);
    const protections = Object.fromEntries(PROTECTIONS.map((each) => [each, !off.includes(each)]));
    this.#testbed = new Testbed({
      seed: this.#random.u32(),
      profile: SERVER_2026,
      arch,
      // No volatile cache: what the drive has taken is what the judge sees.
      disk: 'instant',
      image,
      memory,
      guestMemory: GUEST_MEMORY,
      protections,
      observer: this.#judge,
      onReuse: (domain, pfn, ino, index, block) => {
        this.#judge.reused(domain.frameOf(pfn), ino, index, block);
      },
    });
    this.#dirtyJudge = new DirtyJudge(this.#testbed.hypervisor, image);
  }

  run(): PageVerdicts {
    const { simulation } = this.#testbed;
    if (FAULT[this.#fault].isOfDirtyPages === true) {
      const verdicts = noVerdicts();
      simulation.runProcess('faults', this.#rio(verdicts));
      return verdicts;
    }
    simulation.runProcess('faults', this.#main());
    this.#judge.end();
    return this.#judge.verdicts;
  }

  /** A guest whose dirty pages survive is struck and dies, and its pages are written home. */
  *#rio(verdicts: PageVerdicts): Process {
    const judge = this.#dirtyJudge;
    const guest = yield* this.#testbed.start(RIO_CMD_LINE);
    const sys = guest.kernel.syscalls;
    yield* this.#write(sys, WRITES_SYNCED);
    yield* sys.sync();
    yield* this.#write(sys, WRITES_LOST);
    judge.look();
    this.#inject(guest, judge.frames, FAULT[this.#fault].atDeath);
    judge.struck();
    guest.kernel.crash();
    yield* domainOf(
      this.#testbed.toolstack.restartDomain(guest.domain, {
        preserve: true,
        writeDirty: true,
        betweenGuests: () => judge.end(verdicts),
      }),
    );
  }

  *#main(): Process {
    const judge = this.#judge;
    const { atDeath, betweenGuests } = FAULT[this.#fault];
    const guest = yield* this.#testbed.start(CMD_LINE);
    yield* this.#live(guest);
    this.#inject(guest, judge.named, atDeath);
    judge.guestEnds();
    guest.kernel.crash();
    const { frames } = this.#testbed.hypervisor;
    try {
      const next = yield* this.#testbed.restart(guest.domain, {
        preserve: true,
        cmdLine: CMD_LINE,
        betweenGuests: () => {
          const preserved = judge.named.filter((mfn) => frames.isPreserved(mfn));
          this.#inject(guest, preserved, betweenGuests);
          judge.look();
        },
      });
      const files = judge.oracle.listFiles();
      const start = this.#testbed.simulation.now;
      yield* readAll(next.kernel.syscalls, files);
      this.rereadNs = this.#testbed.simulation.now - start;
    } catch (error) {
      // A guest that received wrong metadata may fail.
      if (!(error instanceof ModelError) && !(error instanceof GuestPanic)) throw error;
    }
  }

  #inject(guest: Guest, frames: readonly Mfn[], fault: Fault['atDeath']): void {
    this.injected += fault?.({ testbed: this.#testbed, guest, frames, random: this.#random }) ?? 0;
  }

  /**
   * The guest reads all files and changes some; some of that is on the disk when this returns, and
   * some on its way.
   */
  *#live({ kernel, domain }: Guest): Process {
    const sys = kernel.syscalls;
    const files = Array.from({ length: FILES }, (_, i) => ({ path: pathOf(i) }));
    const start = this.#testbed.simulation.now;
    yield* readAll(sys, files);
    yield* this.#write(sys, WRITES_SYNCED);
    yield* sys.sync();
    yield* readAll(sys, files);
    this.workNs = this.#testbed.simulation.now - start;
    yield* this.#write(sys, this.#random.below(WRITES_LOST + 1));
    if (this.#random.below(2) === 0) return;
    domain.environment.spawn('sync', sys.sync());
    yield Ns(this.#random.below(LAST_NS));
  }

  /** Writes of up to three pages at random places of random files. */
  *#write(sys: Syscalls, times: number): Process {
    const random = this.#random;
    for (let i = 0; i < times; i++) {
      const words = new Uint32Array((3 * PAGE_SIZE) / 4);
      const first = random.u32();
      for (let word = 0; word < words.length; word++) words[word] = Math.imul(first + word, 0x9e3779b1);
      const bytes = new Uint8Array(words.buffer, 0, 1 + random.below(3 * PAGE_SIZE));
      const fd = yield* sys.open(pathOf(random.below(FILES)), O.rdwr);
      yield* sys.pwrite(fd, bytes, 0, bytes.length, random.below(sys.fstat(fd).size));
      yield* sys.close(fd);
    }
  }
}

function* readAll(sys: Syscalls, files: readonly { readonly path: string }[]): Process {
  const buffer = new Uint8Array(FILE_PAGES * PAGE_SIZE);
  for (const { path } of files) {
    try {
      const fd = yield* sys.open(path);
      while ((yield* sys.read(fd, buffer, 0, buffer.length)) > 0);
      yield* sys.close(fd);
      yield* sys.settle();
    } catch (error) {
      // A file behind a wrong page of metadata cannot be read.
      if (!(error instanceof ModelError)) throw error;
    }
  }
}
