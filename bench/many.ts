/**
 * How the host's work grows with a number. One is that of the names of a directory, made, looked up
 * and removed one by one on ext2 and on ext3. The other is that of the mappings of a program. A
 * figure, for one name or mapping, is compared with the same for a tenth of them. Work that grows
 * with the number would be ten times as much.
 *
 * Directories take long to make, so each is made once, after a smaller one for which the engine
 * compiles.
 */

import { PAGE_SIZE } from '../src/base/index.ts';
import { makeExt2 } from '../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../src/disk/mkfs/tree.ts';
import { machineMemoryFor } from '../src/experiment/host/host.ts';
import { Testbed } from '../src/experiment/host/testbed.ts';
import { MAP, O, PROT, type Syscalls } from '../src/kernel/index.ts';
import { MachineMemory } from '../src/machine/memory.ts';
import { SERVER_2026 } from '../src/machine/profiles/server-2026.ts';
import { type Process, RandomStreams } from '../src/sim/index.ts';
import { processorNs, type Row, takeTurns } from './harness.ts';

const MEBIBYTE = 1 << 20;
const GUEST_BYTES = 320 * MEBIBYTE;
/** Enough for the inodes of the larger directory. */
const DISK_BYTES = 2048 * MEBIBYTE;
const FEW_NAMES = 10_000;
const MANY_NAMES = 100_000;
const FEW_MAPPINGS = 10_000;
const MANY_MAPPINGS = 100_000;
/** Mappings that are made and ended while the others stay. */
const CYCLES = 20_000;
/** How much more one of many may take: it is less often in the host's caches. */
const MOST_GROWTH = 2;

export function many(): Row[] {
  return [...names('ext2', undefined), ...names('ext3', 4096), mappings()];
}

/** A guest, and what runs a process of it. */
function boot(journalBlocks: number | undefined): { sys: Syscalls; run: (process: Process) => void } {
  const image = makeExt2(tree(directory([['data', file(new Uint8Array(PAGE_SIZE).fill(7))]])), {
    size: DISK_BYTES,
    journalBlocks,
  });
  const testbed = new Testbed({
    seed: 1,
    profile: SERVER_2026,
    disk: 'instant',
    image,
    memory: new MachineMemory(machineMemoryFor(GUEST_BYTES)),
    guestMemory: GUEST_BYTES,
  });
  const { kernel } = testbed.simulation.runProcess('start', testbed.start('cachemap=off'));
  return { sys: kernel.syscalls, run: (process) => testbed.simulation.runProcess('bench', process) };
}

/**
 * Microseconds a name of a directory of so many: to make, to look up after dentries and inodes were
 * dropped, to remove.
 */
function lifeOfNames(count: number, journalBlocks: number | undefined): number[] {
  const { sys, run } = boot(journalBlocks);
  const inOrder = Array.from({ length: count }, (_, i) => `/directory-entry-${i}`);
  const atRandom = [...inOrder];
  new RandomStreams(1).stream('bench/many').shuffle(atRandom);
  const each = (paths: readonly string[], call: (path: string) => Process<unknown>): number =>
    processorNs(() =>
      run(
        (function* () {
          for (const path of paths) {
            yield* call(path);
            yield* sys.settle();
          }
        })(),
      ),
    ) /
    1e3 /
    count;
  const made = each(inOrder, function* (path) {
    yield* sys.close(yield* sys.open(path, O.creat | O.excl | O.wronly));
  });
  run(sys.sync());
  sys.dropCaches();
  return [made, each(atRandom, (path) => sys.stat(path)), each(atRandom, (path) => sys.unlink(path))];
}

function names(type: string, journalBlocks: number | undefined): Row[] {
  lifeOfNames(FEW_NAMES / 10, journalBlocks);
  const few = lifeOfNames(FEW_NAMES, journalBlocks);
  const figures = lifeOfNames(MANY_NAMES, journalBlocks);
  return ['make', 'look up cold, at random', 'remove at random'].map((what, i) =>
    growth(`${what}, one of 100,000 names of a directory, ${type}`, figures[i]!, few[i]!, 'one of 10,000'),
  );
}

/** Of a file that has all of them: the dearest case. */
function mappings(): Row {
  const { sys, run } = boot(undefined);
  const fd = { of: 0 };
  run(
    (function* () {
      fd.of = yield* sys.open('/data');
    })(),
  );
  const buffer = new Uint8Array(1);
  const addresses: number[] = [];
  const map = function* (): Process<number> {
    const address = sys.mmap(PAGE_SIZE, PROT.read, MAP.shared, fd.of, 0);
    yield* sys.load(address, buffer, 0, 1);
    return address;
  };
  const cycle = function* (): Process {
    for (let i = 0; i < CYCLES; i++) {
      const at = (i * 7919) % addresses.length;
      yield* sys.munmap(addresses[at]!, PAGE_SIZE);
      addresses[at] = yield* map();
      if (sys.isDue) yield* sys.settle();
    }
  };
  const timeWith = (count: number): number => {
    run(
      (function* () {
        while (addresses.length > count) yield* sys.munmap(addresses.pop()!, PAGE_SIZE);
        while (addresses.length < count) addresses.push(yield* map());
      })(),
    );
    return processorNs(() => run(cycle())) / 1e3 / CYCLES;
  };
  const [figure, few] = takeTurns(
    () => timeWith(MANY_MAPPINGS),
    () => timeWith(FEW_MAPPINGS),
  ) as [number, number];
  return growth('mmap, load a byte, munmap beside 100,000 mappings', figure, few, 'beside 10,000');
}

function growth(what: string, figure: number, few: number, name: string): Row {
  const ratio = figure / few;
  const target = `at most ${MOST_GROWTH} ×: not the number`;
  return { what, figure, unit: 'µs', rival: { name, figure: few }, ratio, target, met: ratio <= MOST_GROWTH };
}
