// Large directories. The host's work for a name does not grow with them. Everything else is as if
// each block were searched: what is found, and what the guest pays. The same blocks are read in the
// same order, and the disk ends the same.
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ModelError, PAGE_SIZE } from '../../../../src/base/index.ts';
import { makeExt2 } from '../../../../src/disk/mkfs/mkfs.ts';
import { directory, file, sparse, tree, type TreeNode } from '../../../../src/disk/mkfs/tree.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { DirectoryIndex } from '../../../../src/kernel/fs/ext2/dir-index.ts';
import { O } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { itWithE2fsprogs, mustPassE2fsck, saveImage } from '../../../support/e2fsprogs.ts';
import { property } from '../../../support/property.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Names of all lengths: a block has from 15 to 300 of them. */
const nameOf = (n: number): string => `${n}-${'n'.repeat((n * 37) % 245)}`;

const COUNT = 300;
const BIG = 400 * PAGE_SIZE;
const IMAGES = [undefined, 1024].map((journalBlocks) =>
  makeExt2(
    tree(
      directory([
        ['big', file(sparse(BIG, [[0, new Uint8Array(BIG).fill(1)]]))],
        [
          'dir',
          directory(
            Array.from({ length: COUNT / 2 }, (_, i): [string, TreeNode] => [
              nameOf(2 * i),
              i % 9 === 0 ? directory([]) : file(''),
            ]),
          ),
        ],
      ]),
    ),
    { size: 12 << 20, journalBlocks },
  ),
);

type Step = readonly [what: number, a: number, b: number];
const WHAT = 10;

interface Run {
  readonly answers: string[];
  /** Rounded: what is paid in one sum or in many differs in the last bits. */
  readonly times: number[];
  readonly requests: string[];
  readonly image: Uint8Array;
}

/** Runs a program of steps on a guest with little memory. */
function runSteps(original: MemoryImage, steps: readonly Step[], isLinear: boolean): Run {
  vi.restoreAllMocks();
  if (isLinear) vi.spyOn(DirectoryIndex.prototype, 'next').mockImplementation((from) => from);
  const image = original.clone();
  const machine = new FakeMachine({ image, nrPages: 320 });
  const kernel = machine.run(machine.boot());
  const sys = kernel.syscalls;
  const buffer = new Uint8Array(BIG);
  const create = function* (path: string): Process {
    yield* sys.close(yield* sys.open(path, O.creat | O.excl | O.wronly));
  };
  const step = ([what, a, b]: Step): Process<unknown> => {
    const [path, other] = [`/dir/${nameOf(a % COUNT)}`, `/dir/${nameOf(b % COUNT)}`];
    const steps: (() => Process<unknown>)[] = [
      () => create(path),
      () => create(path),
      () => sys.unlink(path),
      () => sys.rename(path, other),
      () => sys.lstat(path),
      () => sys.mkdir(path),
      () => sys.rmdir(path),
      () => sys.link('/big', path),
      // Pages of the directory leave: all of them, or those that reclaim finds.
      function* () {
        if (b % 3 === 0) sys.dropCaches();
        yield* sys.sync();
      },
      function* () {
        const fd = yield* sys.open('/big');
        yield* sys.pread(fd, buffer, 0, (1 + (a % 400)) * PAGE_SIZE, 0);
        yield* sys.close(fd);
      },
    ];
    return steps[what]!();
  };
  const answers: string[] = [];
  const times: number[] = [];
  const answer = (process: Process<unknown>): void => {
    try {
      answers.push(JSON.stringify(machine.run(process) ?? 'ok'));
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      answers.push(error.message);
    }
    times.push(Math.round(sys.now() * 100));
  };
  for (const one of steps) answer(step(one));
  answer(sys.readdir('/dir'));
  machine.run(kernel.shutdown());
  const bytes = new Uint8Array(image.size);
  image.read(0, bytes, 0, bytes.length);
  const requests = machine.requests.map(({ operation, sector, pages }) => `${operation} ${sector} ${pages.join()}`);
  return { answers, times, requests, image: bytes };
}

function mustBeSame(image: MemoryImage, steps: readonly Step[]): Run {
  const linear = runSteps(image, steps, true);
  const indexed = runSteps(image, steps, false);
  expect(indexed.answers).toEqual(linear.answers);
  expect(indexed.times).toEqual(linear.times);
  expect(indexed.requests).toEqual(linear.requests);
  expect(Buffer.compare(indexed.image, linear.image)).toBe(0);
  return indexed;
}

const steps = fc.array(fc.tuple(fc.nat(WHAT - 1), fc.nat(COUNT - 1), fc.nat(COUNT - 1)), {
  minLength: 80,
  maxLength: 120,
});

describe.each([
  ['ext2', 0],
  ['ext3', 1],
] as const)('%s', (_, at) => {
  property(
    'a search finds, costs and reads what it would if it looked at every block',
    steps,
    (list) => {
      mustBeSame(IMAGES[at]!, list);
    },
    { numRuns: 3, lawRuns: 5 },
  );

  it('a directory looks at as many blocks for the 5000th name as for the 500th, in the same order of names or in another', () => {
    const image = makeExt2(tree(directory([])), { size: 96 << 20, journalBlocks: at === 0 ? undefined : 1024 });
    const machine = new FakeMachine({ image, nrPages: 4096 });
    const sys = machine.run(machine.boot()).syscalls;
    const copyOut = vi.spyOn(machine.memory, 'copyOut');
    /** Whole pages that the kernel copies out of the guest's memory: blocks of directories. */
    const copies = (process: Process<unknown>): number => {
      copyOut.mockClear();
      try {
        machine.run(process);
      } catch (error) {
        if (!(error instanceof ModelError) || error.code !== 'ENOENT') throw error;
      }
      return copyOut.mock.calls.filter(([, , , , length]) => length === PAGE_SIZE).length;
    };
    const create = function* (n: number): Process {
      yield* sys.close(yield* sys.open(`/file-number-${n}`, O.creat | O.wronly));
    };
    const seen: Record<string, number>[] = [];
    for (let n = 0; n < 5000; n++) {
      const made = copies(create(n));
      if (n !== 500 && n !== 4999) continue;
      machine.run(sys.sync());
      sys.dropCaches();
      // Everything that has left memory is read anew, and looked at once.
      const first = copies(sys.stat('/none'));
      // With a journal, some stay until they are at their place.
      if (at === 0) expect(first).toBe(machine.run(sys.stat('/')).size / PAGE_SIZE);
      seen.push({
        made,
        missed: copies(sys.rename('/none-a', '/none-b')),
        found: copies(sys.stat(`/file-number-${n - 3}`)),
        removed: copies(sys.unlink(`/file-number-${n - 2}`)),
        renamed: copies(sys.rename(`/file-number-${n - 1}`, `/file-number-${n - 2}`)),
      });
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[0]).toEqual({ made: 1, missed: 0, found: 1, removed: 2, renamed: 4 });
  });

  itWithE2fsprogs('a directory of 2000 names that come and go is sound', (judge) => {
    const image = makeExt2(tree(directory([])), { size: 48 << 20, journalBlocks: at === 0 ? undefined : 1024 });
    const machine = new FakeMachine({ image, nrPages: 1024 });
    const kernel = machine.run(machine.boot());
    const sys = kernel.syscalls;
    const names = new Set<string>();
    const come = function* (): Process {
      for (let n = 0; n < 4000; n++) {
        const name = nameOf(n);
        yield* sys.close(yield* sys.open(`/${name}`, O.creat | O.excl));
        names.add(`/${name}`);
        const gone = nameOf(Math.floor(n / 2));
        if (n % 2 === 1 || n < 10) continue;
        yield* sys.unlink(`/${gone}`);
        names.delete(`/${gone}`);
      }
    };
    machine.run(come(), 10_000_000);
    machine.run(kernel.shutdown());
    expect(
      new OracleExt2(image)
        .listFiles()
        .map(({ path }) => path)
        .sort(),
    ).toEqual([...names].sort());
    saveImage(image, `${judge.dir}/disk.img`);
    mustPassE2fsck(judge, `${judge.dir}/disk.img`);
  });
});

describe('a damaged directory', () => {
  // Blocks of /dir on the disk of the image without a journal.
  const blocks = (): number[] => {
    const oracle = new OracleExt2(IMAGES[0]!);
    const machine = new FakeMachine({ image: IMAGES[0]!.clone() });
    const { ino, size } = machine.run(machine.run(machine.boot()).syscalls.stat('/dir'));
    return Array.from({ length: size / PAGE_SIZE }, (_, i) => oracle.blockOf(ino, i));
  };
  const places = blocks();
  const damaged = (block: number, change: (page: Uint8Array) => void): MemoryImage => {
    const image = IMAGES[0]!.clone();
    const page = new Uint8Array(PAGE_SIZE);
    image.read(places[block]! * PAGE_SIZE, page, 0, PAGE_SIZE);
    change(page);
    image.write(places[block]! * PAGE_SIZE, page, 0, PAGE_SIZE);
    return image;
  };
  const last = places.length - 1;
  const damages: [string, MemoryImage][] = [
    ['a length of 0 in the last block', damaged(last, (page) => page.fill(0, 4, 6))],
    ['a length of 0 in the first block', damaged(0, (page) => page.fill(0, 16, 18))],
    ['an inode that there is not', damaged(last - 1, (page) => page.fill(0xff, 0, 4))],
    // The first entry of the last block has the name of the first of the block before.
    [
      'a name twice',
      damaged(last, (page) => {
        const before = new Uint8Array(PAGE_SIZE);
        IMAGES[0]!.read(places[last - 1]! * PAGE_SIZE, before, 0, PAGE_SIZE);
        const length = Math.min(before[6]!, page[6]!);
        page[6] = length;
        page.set(before.subarray(8, 8 + length), 8);
        before[6] = length;
      }),
    ],
    ['no entry at all', damaged(1, (page) => page.fill(0, 0, 4))],
  ];

  it.each(damages)('a damaged directory is answered for: %s', (_, image) => {
    const random = (n: number): number => (Math.imul(n, 0x9e37_79b1) >>> 8) % COUNT;
    const program = Array.from({ length: 250 }, (__, i): Step => [i % WHAT, random(i), random(i + 1000)]);
    const { answers } = mustBeSame(image, program.concat(Array.from({ length: COUNT }, (__, i): Step => [4, i, 0])));
    expect(answers.length).toBeGreaterThan(550);
  });
});
