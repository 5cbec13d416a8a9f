/**
 * Writes through the system calls of a booted guest:
 * - overwrites of cached 4 KiB pages;
 * - the life of a small file (create, write 4 KiB, close, unlink);
 * - what the upkeep of the cache-mapping table adds to that, in host time and in the guest's time.
 *
 * The rival of the overwrites is the work that the host must do in any case. It copies the same
 * page to the same frames in the same order, by TypedArray.set. Both run in the order of the file
 * and in a random order.
 *
 * Times are processor time of this process, so that other work on the host does not count.
 *
 * Upkeep is a small difference of large times, so it is measured in many short rounds. Three guests
 * take turns: one names its pages, and two do not. Each is first, second and third equally often,
 * and the median of the differences within a round counts. The two equal guests show what the
 * method makes of no difference.
 */

import { assert, Mfn, PAGE_SIZE } from '../src/base/index.ts';
import { makeExt2 } from '../src/disk/mkfs/mkfs.ts';
import { directory, tree } from '../src/disk/mkfs/tree.ts';
import { machineMemoryFor } from '../src/experiment/host/host.ts';
import { type Guest, Testbed } from '../src/experiment/host/testbed.ts';
import { O } from '../src/kernel/index.ts';
import { MachineMemory } from '../src/machine/memory.ts';
import { SERVER_2026 } from '../src/machine/profiles/server-2026.ts';
import { type Process, RandomStreams } from '../src/sim/index.ts';
import { median, processorNs, type Row, takeTurns } from './harness.ts';
import { scaledTarget } from './reference.ts';

const MEBIBYTE = 1 << 20;
/** Below the threshold at which background writeout begins. */
const FILE_BYTES = 8 * MEBIBYTE;
const FILE_PAGES = FILE_BYTES / PAGE_SIZE;
const GUEST_BYTES = 128 * MEBIBYTE;
const PASSES = 512;
const CYCLES = 20_000;
/**
 * Of the measurement of upkeep: rounds, a multiple of the three guests, and small files a round.
 */
const UPKEEP_ROUNDS = 120;
const UPKEEP_CYCLES = 1_000;
/** In the first word of each page of the file, with the page's index in the second. */
const STAMP = 0x57a3_9e11;

/** A booted guest with one cached file, and the machine's memory. */
interface Writer {
  readonly testbed: Testbed;
  readonly guest: Guest;
  readonly memory: MachineMemory;
  readonly fd: number;
}

export function write(): Row[] {
  const named = boot('all');
  const unnamed = boot('off');
  const control = boot('off');
  const source = new Uint8Array(PAGE_SIZE).fill(7);
  const inOrder = Array.from({ length: FILE_PAGES }, (_, index) => index);
  const atRandom = [...inOrder];
  new RandomStreams(1).stream('bench/write').shuffle(atRandom);
  const frames = framesOfFile(named);
  const overwrites = [
    againstCopy(named, source, frames, inOrder, 'in order'),
    againstCopy(named, source, frames, atRandom, 'at random'),
  ];
  const guests = [named, unnamed];
  const before = guests.map(guestTime);
  const [upkeep, nothing] = relativeCost([named, control], unnamed, source) as [number, number];
  const [withTable, without] = guests.map(guestTime).map((after, i) => ({
    hypercalls: after.hypercalls - before[i]!.hypercalls,
    all: after.all - before[i]!.all,
  })) as [GuestTime, GuestTime];
  const [cycles] = takeTurns(() => CYCLES / processorNs(() => smallFiles(named, source, CYCLES)) / 1e-6) as [number];
  const cycleTarget = scaledTarget(100, 'k/s', 'higher');
  return [
    ...overwrites,
    {
      what: 'create, write 4 KiB, close, unlink',
      figure: cycles,
      unit: 'k/s',
      target: cycleTarget.target,
      met: cycles >= cycleTarget.here,
    },
    {
      what: 'table upkeep, host time, small files',
      figure: 100 * upkeep,
      unit: '%',
      rival: { name: 'no upkeep against no upkeep', figure: 100 * nothing },
      target: 'below 10 %',
      met: upkeep < 0.1,
    },
    {
      what: 'table upkeep, of the guest’s virtual time, small files',
      figure: (100 * (withTable.hypercalls - without.hypercalls)) / withTable.all,
      unit: '%',
      rival: { name: 'all hypercalls', figure: (100 * withTable.hypercalls) / withTable.all },
    },
  ];
}

/**
 * Overwrites of whole pages in some order against copies of the same page to the same frames in the
 * same order.
 */
function againstCopy(
  writer: Writer,
  source: Uint8Array,
  frames: Uint32Array,
  order: readonly number[],
  how: string,
): Row {
  const { memory } = writer;
  const machine = memory.bytes(Mfn(0), memory.frameCount);
  const places = order.map((index) => frames[index]! * PAGE_SIZE);
  const perMicrosecond = (ns: number): number => (PASSES * FILE_PAGES * 1e3) / ns;
  const [figure, plain] = takeTurns(
    () => perMicrosecond(processorNs(() => overwrite(writer, source, order))),
    () =>
      perMicrosecond(
        processorNs(() => {
          for (let pass = 0; pass < PASSES; pass++) for (const place of places) machine.set(source, place);
        }),
      ),
  ) as [number, number];
  const { target, here } = scaledTarget(1.5, 'M/s', 'higher');
  return {
    what: `cached overwrites of 4 KiB, ${how}, 8 MiB`,
    figure,
    unit: 'M/s',
    rival: { name: 'TypedArray.set to the same frames', figure: plain },
    ratio: figure / plain,
    target: `ratio 0.5 and ${target}`,
    met: figure >= Math.max(here, plain / 2),
  };
}

/** Virtual time that a guest's processor has spent, in hypercalls and in all, ns. */
interface GuestTime {
  readonly hypercalls: number;
  readonly all: number;
}

function guestTime({ testbed, guest: { domain, kernel } }: Writer): GuestTime {
  // What is owed for calls before, and not paid yet, is not of those that follow.
  testbed.simulation.runProcess('settle', kernel.syscalls.settle());
  return { hypercalls: domain.stats.hypercalls.ns, all: domain.environment.cpu.busy };
}

/** Frames that hold the file's pages, in the file's order. */
function framesOfFile({ memory }: Writer): Uint32Array {
  const frames = new Uint32Array(FILE_PAGES);
  let found = 0;
  for (let mfn = Mfn(0); mfn < memory.frameCount; mfn = Mfn(mfn + 1)) {
    if (memory.readU32(mfn, 0) !== STAMP) continue;
    frames[memory.readU32(mfn, 4)] = mfn;
    found++;
  }
  assert(found === FILE_PAGES, 'every page of the file lies in one frame');
  return frames;
}

/**
 * By how much the small files of each guest cost more than those of `base`, as a fraction of the
 * latter.
 */
function relativeCost(guests: readonly Writer[], base: Writer, source: Uint8Array): number[] {
  const all = [...guests, base];
  const differences = guests.map((): number[] => []);
  for (const guest of all) smallFiles(guest, source, UPKEEP_CYCLES);
  for (let round = 0; round < UPKEEP_ROUNDS; round++) {
    const ns = all.map(() => 0);
    for (let turn = 0; turn < all.length; turn++) {
      const at = (round + turn) % all.length;
      ns[at] = processorNs(() => smallFiles(all[at]!, source, UPKEEP_CYCLES));
    }
    guests.forEach((_, i) => differences[i]!.push(ns[i]! / ns.at(-1)! - 1));
  }
  return differences.map(median);
}

function overwrite({ testbed, guest, fd }: Writer, source: Uint8Array, order: readonly number[]): void {
  const sys = guest.kernel.syscalls;
  for (let pass = 0; pass < PASSES; pass++)
    for (const index of order) {
      const at = index * PAGE_SIZE;
      const done = sys.pwriteNow(fd, source, 0, PAGE_SIZE, at);
      if (done < 0) testbed.simulation.runProcess('write', sys.pwriteRest(fd, source, 0, PAGE_SIZE, at, done));
    }
}

function smallFiles({ testbed, guest }: Writer, source: Uint8Array, count: number): void {
  const sys = guest.kernel.syscalls;
  const cycle = function* (): Process {
    for (let i = 0; i < count; i++) {
      const fd = yield* sys.open('/small', O.wronly | O.creat);
      yield* sys.write(fd, source, 0, PAGE_SIZE);
      yield* sys.close(fd);
      yield* sys.unlink('/small');
      if (sys.isDue) yield* sys.settle();
    }
  };
  testbed.simulation.runProcess('cycle', cycle());
}

function boot(cachemap: string): Writer {
  const image = makeExt2(tree(directory([])), { size: 64 * MEBIBYTE });
  const memory = new MachineMemory(machineMemoryFor(GUEST_BYTES));
  const testbed = new Testbed({
    seed: 1,
    profile: SERVER_2026,
    disk: 'instant',
    image,
    memory,
    guestMemory: GUEST_BYTES,
  });
  const guest = testbed.simulation.runProcess('boot', testbed.start(`cachemap=${cachemap}`));
  const sys = guest.kernel.syscalls;
  const fill = function* (): Process<number> {
    const fd = yield* sys.open('/file', O.rdwr | O.creat);
    const page = new Uint32Array(PAGE_SIZE / 4);
    const bytes = new Uint8Array(page.buffer);
    for (let index = 0; index < FILE_PAGES; index++) {
      page[0] = STAMP;
      page[1] = index;
      yield* sys.pwrite(fd, bytes, 0, PAGE_SIZE, index * PAGE_SIZE);
    }
    yield* sys.sync();
    return fd;
  };
  return { testbed, guest, memory, fd: testbed.simulation.runProcess('fill', fill()) };
}
