// The laws of the cache-mapping table, one property each: what guests do with files between
// reboots, and what may never come of it. The model is a plain file system in memory. After a crash
// it does not know what must be on the disk. A guest that boots on a copy of it with an empty
// memory says that. Each law is shown able to fail, by a protection that is switched off or by a
// table that loses what it is told.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/base/index.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import type { Guest, Testbed } from '../../src/experiment/host/testbed.ts';
import type { Process } from '../../src/sim/index.ts';
import type { Domain } from '../../src/xen/index.ts';
import { CacheMapOp, ENTRY_OP, ENTRY_WORDS } from '../../src/xen/public/index.ts';
import { ModelFs } from '../../src/doors/testing/model-fs.ts';
import { casesOf } from '../support/product.ts';
import { checkProperty, property, TIMEOUT_MS } from '../support/property.ts';
import type { FileCall } from '../../src/doors/testing/file-calls.ts';
import { compareAll, playCalls, readEverything, tolerant } from '../../src/doors/testing/play-calls.ts';
import { emptyImage, type GuestDiskOptions, GuestDisk } from '../support/guest-disk.ts';

const IMAGE_BYTES = 8 << 20;
/** How often clean frames are compared with their blocks while a guest runs, events. */
const CHECK_EVERY = 40;
/** Cases of a law where a protection is off, and in a run of the laws. */
const RUNS = 14;
/** Cases of a law where one of two protections is off. */
const EITHER = 3;
/** Cases of a law in every run. */
const SAMPLE = 2;

/**
 * How a guest ends: in order; crashing after sync; crashing after so many events of its program, at
 * its end at the latest.
 */
type End = 'shutdown' | 'sync, crash' | number;
interface Life {
  readonly calls: readonly FileCall[];
  readonly end: End;
}

// Calls.

// Most calls meet on one file and on its first pages.
const path = fc.constantFrom('/a', '/a', '/a', '/a', '/b', '/d/a', '/d/b');
const place = fc.oneof(
  { weight: 3, arbitrary: fc.nat(2 * PAGE_SIZE) },
  { weight: 1, arbitrary: fc.nat(16 * PAGE_SIZE) },
);
const length = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 9 * PAGE_SIZE }));
const pages = (most: number): fc.Arbitrary<number> => fc.integer({ min: 1, max: most });
const salt = fc.nat(255);

const create = fc.record({ do: fc.constant('create' as const), path, exclusive: fc.constant(false) });
const write = fc.record({ do: fc.constant('write' as const), path, at: place, length, salt });
const whole = fc.record({
  do: fc.constant('write' as const),
  path,
  at: fc.nat(12).map((n) => n * PAGE_SIZE),
  length: pages(6).map((n) => n * PAGE_SIZE),
  salt,
});
const truncate = fc.record({ do: fc.constant('truncate' as const), path, size: place });
const direct = fc.record({ do: fc.constant('direct' as const), path, page: fc.nat(8), pages: pages(4), salt });
const store = fc.record({ do: fc.constant('store' as const), path, at: place, length, salt, msync: fc.boolean() });
const link = fc.record({ do: fc.constant('link' as const), path, to: path });
const rename = fc.record({ do: fc.constant('rename' as const), path, to: path });
const unlink = fc.record({ do: fc.constant('unlink' as const), path });
const read = fc.record({ do: fc.constant('read' as const), path });
const fsync = fc.record({ do: fc.constant('fsync' as const), path });
const sync = fc.constant<FileCall>({ do: 'sync' });
const dropCaches = fc.constant<FileCall>({ do: 'dropCaches' });

/** Calls of a law: its own, and between them what makes pages clean, named and cached anew. */
function calls(...own: fc.Arbitrary<FileCall>[]): fc.Arbitrary<FileCall[]> {
  const some = fc.oneof(
    ...own.map((arbitrary) => ({ weight: 6, arbitrary })),
    ...[create, read, fsync, sync, dropCaches].map((arbitrary: fc.Arbitrary<FileCall>) => ({ weight: 2, arbitrary })),
  );
  return fc.array(some, { minLength: 1, maxLength: 30, size: 'max' });
}

function lives(program: fc.Arbitrary<FileCall[]>, end: fc.Arbitrary<End>, most = 3): fc.Arbitrary<Life[]> {
  return fc.array(fc.record({ calls: program, end }), { minLength: 1, maxLength: most });
}

const kept = fc.constantFrom<End>('shutdown', 'shutdown', 'sync, crash');
const anywhere = fc.oneof<fc.Arbitrary<End>[]>(
  fc.integer({ min: 1, max: 900 }),
  fc.constantFrom('shutdown', 'sync, crash'),
);
const anything = calls(write, whole, truncate, direct, store, link, rename, unlink);

/**
 * What loses metadata: files are on the disk, and one is truncated or unlinked. Others take its
 * blocks and perhaps its number. Their data goes to the disk, their metadata does not; then a
 * crash.
 */
function metadataLost(lose: (lost: string) => FileCall): fc.Arbitrary<Life[]> {
  const two = fc.constantFrom('/a', '/b');
  // More pages than names wait to be told.
  const fill = fc.tuple(two, fc.constantFrom(14, 20), fc.constantFrom(1, 2)).map(([file, count, mark]): FileCall[] => [
    { do: 'create', path: file, exclusive: false },
    { do: 'write', path: file, at: 0, length: count * PAGE_SIZE, salt: mark },
  ]);
  const fills = (most: number): fc.Arbitrary<FileCall[]> =>
    fc.array(fill, { minLength: 1, maxLength: most }).map((each) => each.flat());
  return fc.tuple(fills(2), two, fills(4)).map(([before, lost, after]) => {
    const written = ['/a', '/b'].map((file): FileCall => ({ do: 'writeOut', path: file }));
    return [{ calls: [...before, { do: 'sync' }, lose(lost), ...after, ...written], end: Infinity }];
  });
}

// Guests.

/**
 * Plays lives on one disk. Until a crash that was not synced, guests answer what the model says.
 * After each reboot the guest that took pages over answers what one on a copy of the disk and with
 * an empty memory answers. Throws at the first difference.
 * @returns pages taken over
 */
function play(all: readonly Life[], options: GuestDiskOptions = {}): number {
  const image = emptyImage(IMAGE_BYTES);
  const disk = new GuestDisk(image, 1, options);
  const model = new ModelFs();
  const files = ['/a', '/b', '/d/a', '/d/b'].map((each): FileCall => ({ do: 'create', path: each, exclusive: false }));
  disk.reliably(playCalls(disk.guest.kernel.syscalls, model, '', [{ do: 'mkdir', path: '/d' }, ...files]));
  disk.reliably(disk.guest.kernel.syscalls.sync());
  // From the first crash or failure on, it is not known what must be there.
  let isKnown = (options.failOneIn ?? 0) === 0;
  for (const { calls: program, end } of all) {
    isKnown &&= typeof end === 'string';
    const sys = disk.guest.kernel.syscalls;
    const known = isKnown;
    const main = function* (): Process {
      yield* known ? playCalls(sys, model, '', program) : tolerant(sys, program);
      if (end === 'sync, crash') yield* known ? sys.sync() : tolerant(sys, [{ do: 'sync' }]);
    };
    disk.runSome(main(), typeof end === 'number' ? end : Infinity, CHECK_EVERY);
    disk.check();
    reboot(disk, image, end !== 'shutdown');
    if (isKnown) disk.run(compareAll(disk.guest.kernel.syscalls, model, ''));
  }
  return disk.reused;
}

/** Reboots, and compares what the next guest reads with what is on the disk. */
function reboot(disk: GuestDisk, image: MemoryImage, crash: boolean): void {
  let onDisk: MemoryImage | undefined;
  disk.reboot(crash, true, () => (onDisk = image.clone()));
  const reads = (from: GuestDisk): string[] => from.reliably(readEverything(from.guest.kernel.syscalls));
  const warm = reads(disk);
  disk.check();
  const cold = reads(new GuestDisk(onDisk!, 1, { memory: 'cold' }));
  const differs = warm.findIndex((line, i) => line !== cold[i]);
  if (differs >= 0) throw new Error(`the guest reads "${warm[differs]!}", the disk says "${cold[differs]!}"`);
  if (warm.length !== cold.length) throw new Error(`the guest finds ${warm.length} files, not ${cold.length}`);
}

/** Throws when a page is freed that has a name. */
function watchFreed({ kernel, domain }: Guest, { hypervisor }: Testbed): void {
  const { allocator } = kernel.mm;
  const free = allocator.free.bind(allocator);
  allocator.free = (pfn) => {
    if (hypervisor.frames.isNamed(domain.frameOf(pfn))) throw new Error(`page ${pfn} is free and has a name`);
    free(pfn);
  };
}

/** A table that loses each erasure. */
function loseErasures({ cacheMap }: Domain): void {
  const perform = cacheMap.perform.bind(cacheMap);
  cacheMap.perform = (batch) => {
    for (let at = 0; at < batch.count * ENTRY_WORDS; at += ENTRY_WORDS)
      if (batch.words[at + ENTRY_OP] === CacheMapOp.erase) batch.words[at + ENTRY_OP] = 0;
    return perform(batch);
  };
}

// The laws.

interface Law {
  readonly name: string;
  readonly lives: fc.Arbitrary<Life[]>;
  readonly options?: GuestDiskOptions;
  readonly numRuns?: number;
  readonly lawRuns?: number;
}

const ERASED_FIRST: Law = {
  name: 'a name is erased before its page can be reused',
  lives: lives(calls(write, truncate, unlink, rename, direct), kept, 2),
  options: { onGuest: watchFreed },
};
const CLEAN: Law = {
  name: 'a page is never clean for the hypervisor while it differs from its block',
  lives: lives(calls(write, whole, store, direct), anywhere, 2),
};
const TRUNCATE_LOST: Law = {
  name: 'a truncation lost in a crash: pages of the new blocks are not taken for the old',
  lives: metadataLost((lost) => ({ do: 'truncate', path: lost, size: 0 })),
};
const UNLINK_LOST: Law = {
  name: 'an unlink lost in a crash: pages of the new file are not taken for the old',
  lives: metadataLost((lost) => ({ do: 'unlink', path: lost })),
};

const LAWS: readonly Law[] = [
  ERASED_FIRST,
  CLEAN,
  TRUNCATE_LOST,
  UNLINK_LOST,
  {
    name: 'no reboot brings back what was cut off by truncate before an extension',
    lives: lives(calls(write, truncate), kept),
  },
  {
    name: 'no reboot brings back a file that was unlinked when a new one has its inode number',
    lives: lives(calls(whole, unlink), kept),
  },
  { name: 'a page goes with its file in a rename, also over what is there', lives: lives(calls(whole, rename), kept) },
  {
    name: 'a file with hard links is one file by all of its names, over reboots',
    lives: lives(calls(write, link, unlink), kept),
  },
  {
    name: 'what is not there in sparse files and last pages is zero after reboots',
    lives: lives(calls(write, truncate, store), kept),
  },
  {
    name: 'no reboot takes over a cached page under which a direct write went',
    lives: lives(calls(direct, write), kept),
  },
  {
    name: 'no reboot takes over what the disk has not after stores into shared mappings',
    lives: lives(calls(store, write, truncate), kept),
  },
  {
    name: 'no reboot takes over what the disk has not when writes are in flight at the crash',
    lives: lives(anything, anywhere),
    numRuns: 6,
    lawRuns: 20,
  },
  {
    name: 'no second or third reboot in a row takes over what the disk has not',
    lives: lives(fc.oneof(fc.constant<FileCall[]>([]), anything), anywhere, 5),
  },
];

describe('table laws', () => {
  for (const law of LAWS)
    property(law.name, law.lives, (all) => void play(all, law.options), {
      numRuns: law.numRuns ?? SAMPLE,
      lawRuns: law.lawRuns ?? RUNS,
    });

  property(
    'no reboot takes over what the disk has not after EIO at any request',
    lives(anything, anywhere),
    fc.integer({ min: 2, max: 40 }),
    (all, failOneIn) => void play(all, { failOneIn }),
    { numRuns: SAMPLE, lawRuns: RUNS },
  );

  it('table laws are not kept by empty hands: pages are taken over', () => {
    const one = (end: End): Life => ({
      calls: [{ do: 'write', path: '/a', at: 0, length: 5 * PAGE_SIZE, salt: 1 }, { do: 'sync' }],
      end,
    });
    expect(play([one('shutdown'), one('sync, crash'), one(1000)])).toBeGreaterThan(3 * 5);
  });
});

describe('switched off, the suite finds the violation and prints the shortest trace', () => {
  const FINDS: readonly {
    readonly without: string;
    readonly law: Law;
    readonly options: GuestDiskOptions;
    readonly most: number;
  }[] = [
    { without: 'writeProtection', law: CLEAN, options: { protections: { writeProtection: false } }, most: 4 },
    { without: 'provenance', law: CLEAN, options: { protections: { provenance: false } }, most: 4 },
    { without: 'blockCheck', law: TRUNCATE_LOST, options: { protections: { blockCheck: false } }, most: 10 },
    {
      without: 'blockCheck and generation',
      law: UNLINK_LOST,
      options: { protections: { blockCheck: false, generation: false } },
      most: 10,
    },
    { without: 'erasures', law: ERASED_FIRST, options: { onDomain: loseErasures }, most: 4 },
  ];

  it.each(casesOf('a violation of the table laws that is found', '', FINDS, { sample: 2, whole: 5 }))(
    'the suite without $without finds the violation and prints the shortest trace',
    { timeout: TIMEOUT_MS },
    ({ law, options, most }) => {
      let trace = '';
      try {
        check(law, options, 60);
      } catch (error) {
        trace = (error as Error).message;
      }
      expect(trace).toMatch(/^counterexample: .*\nbecause: .*\nreplay: STILLWARM_SEED=/m);
      expect(trace.match(/"do":/g)!.length).toBeLessThanOrEqual(most);
    },
  );

  it('either of blockCheck and generation is enough for an unlink that was lost', () => {
    check(UNLINK_LOST, { protections: { generation: false } }, EITHER);
    check(UNLINK_LOST, { protections: { blockCheck: false } }, EITHER);
  });

  function check(law: Law, options: GuestDiskOptions, numRuns: number): void {
    const where = { name: law.name, file: 'test/laws/table-laws.test.ts' };
    checkProperty(where, [law.lives], (all) => void play(all as Life[], { ...law.options, ...options }), { numRuns });
  }
});
