/**
 * Each check of the reboot experiment's oracle alone. One thing is wrong in one place, and exactly
 * the check that looks there reports it, as often as it looks, with the place. Two checks that
 * overlap cannot hide that one of them is blind.
 *
 * A flawed medium is what shows a wrong read: the guest reads it, and the oracle the true one.
 */

import { describe, expect, it } from 'vitest';
import { counted, grouped, Mfn, PAGE_SIZE } from '../../../src/base/index.ts';
import type { ImageStore } from '../../../src/disk/image/image-store.ts';
import type { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { directory, file, sparse, tree } from '../../../src/disk/mkfs/tree.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { OverlayImage } from '../../../src/disk/image/overlay-image.ts';
import type { DiskSource } from '../../../src/experiment/guest/disk-source.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { WORKLOADS } from '../../../src/experiment/guest/options.ts';
import { type StrategyName } from '../../../src/experiment/host/strategies.ts';
import type { StrategyOutcome } from '../../../src/experiment/guest/strategy.ts';
import type { Testbed } from '../../../src/experiment/host/testbed.ts';
import { casesOf } from '../../support/product.ts';
import { diskOf, pattern, runSmall } from '../../support/small-disk.ts';

/** Places that are wrong, of which `npm test` plays some. */
const someOf = <T>(part: string, all: readonly T[], sample: number): readonly T[] =>
  casesOf('the checks of the oracle', part, all, { sample });
/** Pages of /long: two reads, and an indirect block. */
const LONG_PAGES = 18;
const LONG_BYTES = 17 * PAGE_SIZE + 100;
const READ_BYTES = 65536;
const image = makeExt2(
  tree(
    directory([
      ['short', file(pattern(5000, 1))],
      ['long', file(pattern(LONG_BYTES, 2))],
      // Two pages of the same bytes.
      ['twins', file(new Uint8Array(2 * PAGE_SIZE).fill(7))],
      ['hole', file(sparse(3 * PAGE_SIZE, [[2 * PAGE_SIZE, pattern(PAGE_SIZE, 3)]]))],
    ]),
  ),
);
const truth = new OracleExt2(image);
const inoOf = (path: string, oracle = truth): number => oracle.listFiles().find((each) => each.path === path)!.ino;
/** Where on the medium a byte of a file lies. */
const placeOf = (path: string, position: number, oracle = truth): number =>
  oracle.blockOf(inoOf(path, oracle), Math.floor(position / PAGE_SIZE)) * PAGE_SIZE + (position % PAGE_SIZE);
/** Data pages of all files: 2, 18, 2, and 1 that is not a hole. */
const DATA_PAGES = 2 + LONG_PAGES + 2 + 1;
const DATA_BYTES = 5000 + LONG_BYTES + 2 * PAGE_SIZE + 3 * PAGE_SIZE;

/** The same medium, except for some bytes. */
function flawed(below: ImageStore, flaw: (bytes: OverlayImage) => void): OverlayImage {
  const overlay = new OverlayImage(below);
  flaw(overlay);
  return overlay;
}

function flip(store: ImageStore, at: number): void {
  const byte = new Uint8Array(1);
  store.read(at, byte, 0, 1);
  byte[0]! ^= 1;
  store.write(at, byte, 0, 1);
}

/** Guests read the flawed medium, the oracle the true one. */
const runFlawed = (
  flaw: (bytes: OverlayImage) => void,
  strategy: StrategyName = 'cold',
  over: Parameters<typeof runSmall>[2] = {},
  below: MemoryImage = image,
): StrategyOutcome => {
  const media = { copy: () => flawed(below, flaw), oracleOf: () => new OracleExt2(below) };
  return runSmall({ ...diskOf(below), ...media }, strategy, over);
};

const whatOf = ({ mismatches }: StrategyOutcome): string[] => mismatches.map(({ what }) => what);
const countOf = ({ result }: StrategyOutcome): number => result.verified.mismatches;

/** Changes a byte of the kept page that has this name. */
function flipKept({ hypervisor: { memory, frames } }: Testbed, block: number, at: number): void {
  const found: Mfn[] = [];
  for (let n = 0; n < memory.frameCount; n++)
    if (frames.isPreserved(Mfn(n)) && frames.blockOf(Mfn(n)) === block) found.push(Mfn(n));
  expect(found).toHaveLength(1);
  memory.writeU8(found[0]!, at, memory.readU8(found[0]!, at) ^ 1);
}

describe('without a flaw', () => {
  // Superblock, descriptors, an inode table's block, the root directory, an indirect block.
  it.each([
    ['cold', 0],
    ['warm-cache', DATA_PAGES],
    ['warm-cache+metadata', DATA_PAGES + 5],
  ] as const)('the oracle finds nothing in a run without a flaw under %s, and looks at everything', (name, reused) => {
    const { result, mismatches } = runSmall(diskOf(image), name);
    expect(mismatches).toEqual([]);
    expect(result.verified).toEqual({ pages: reused, bytes: 4 * DATA_BYTES, mismatches: 0 });
    expect(result.pages.reused).toBe(reused);
  });
});

describe('the check of reads', () => {
  const places: [string, number][] = [
    ['/short', 0],
    ['/short', 4095],
    ['/short', 4096],
    ['/short', 4999],
    ...[0, 1, 11, 12, 15, 16, 17].map((page): [string, number] => ['/long', page * PAGE_SIZE + 5]),
    ['/long', READ_BYTES - 1],
    ['/long', LONG_BYTES - 1],
    ['/hole', 3 * PAGE_SIZE - 1],
  ];
  it.each(someOf('bytes of files', places, 4))(
    'the check of reads finds byte %s:%i wrong in each of four runs',
    (path, position) => {
      const outcome = runFlawed((bytes) => {
        flip(bytes, placeOf(path, position));
      });
      expect(countOf(outcome)).toBe(4);
      expect(whatOf(outcome)).toEqual(new Array(3).fill(`${path}: byte ${position} was read wrong`));
      expect(outcome.result.verified.bytes).toBe(4 * DATA_BYTES);
    },
  );

  it('the check of reads reports each read that is wrong once, at its first wrong byte', () => {
    const outcome = runFlawed((bytes) => {
      for (const at of [9, 10, READ_BYTES - 1, READ_BYTES + 7, LONG_BYTES - 1]) flip(bytes, placeOf('/long', at));
    });
    expect(countOf(outcome)).toBe(8);
    expect(whatOf(outcome)).toEqual([9, READ_BYTES + 7, 9].map((at) => `/long: byte ${at} was read wrong`));
  });

  it('the check of reads finds a hole that is not read as zeros', () => {
    const ino = inoOf('/hole');
    const outcome = runFlawed((bytes) => {
      // The first pointer is that of the third page.
      const block = Buffer.alloc(4);
      block.writeUInt32LE(truth.blockOf(ino, 2));
      bytes.write(inodeAt(ino) + 40, block, 0, 4);
    });
    const first = pattern(PAGE_SIZE, 3).findIndex((byte) => byte !== 0);
    expect(countOf(outcome)).toBe(4);
    expect(whatOf(outcome)[0]).toBe(`/hole: byte ${first} was read wrong`);
  });

  const one = makeExt2(tree(directory([['one', file(pattern(PAGE_SIZE, 4))]])));
  it.each(WORKLOADS.filter((name) => name !== 'log'))(
    'the check of reads looks at every byte of workload %s',
    (workload) => {
      for (const at of [0, 2048, PAGE_SIZE - 1]) {
        const place = placeOf('/one', at, new OracleExt2(one));
        const outcome = runFlawed((bytes) => flip(bytes, place), 'cold', { workload }, one);
        expect(countOf(outcome)).toBe(4);
        expect(whatOf(outcome)).toEqual(new Array(3).fill(`/one: byte ${at} was read wrong`));
      }
    },
  );

  const lengths: (readonly [number, string])[] = [
    [-1, `/long: ended at byte ${LONG_BYTES - 1} of ${LONG_BYTES}`],
    [-LONG_BYTES, `/long: ended at byte 0 of ${LONG_BYTES}`],
    [READ_BYTES - LONG_BYTES, `/long: ended at byte ${READ_BYTES} of ${LONG_BYTES}`],
    [1, `/long: read ${counted(LONG_BYTES + 1, 'byte')} of ${grouped(LONG_BYTES)}`],
  ];
  it.each(someOf('lengths', lengths, 2))(
    'the check of reads finds a file that is %i bytes longer to the guest',
    (longer, what) => {
      const outcome = runFlawed((bytes) => {
        const size = Buffer.alloc(4);
        size.writeUInt32LE(LONG_BYTES + longer);
        bytes.write(inodeAt(inoOf('/long')) + 4, size, 0, 4);
      });
      expect(countOf(outcome)).toBe(4);
      expect(whatOf(outcome)).toEqual(new Array(3).fill(what));
      expect(outcome.result.verified.bytes).toBe(4 * (DATA_BYTES + longer));
    },
  );

  it('the check of reads does not take a limit for the end of a file', () => {
    for (const limit of [1, 5000, 5001, 70_000]) {
      const { mismatches, result } = runSmall(diskOf(image), 'cold', { limit });
      expect(mismatches).toEqual([]);
      expect(result.verified).toEqual({ pages: 0, bytes: 4 * limit, mismatches: 0 });
    }
  });
});

describe('the check of reused pages', () => {
  const kept = [
    [0, 0],
    [11, 4095],
    [12, 17],
    [17, 99],
  ] as const;
  it.each(someOf('kept pages', kept, 2))(
    'the check of reused pages finds page %i of a file wrong at byte %i once, and then both reads do',
    (page, at) => {
      const block = truth.blockOf(inoOf('/long'), page);
      const outcome = runSmall(diskOf(image), 'warm-cache', {}, (testbed) => {
        flipKept(testbed, block, at);
      });
      const read = `/long: byte ${page * PAGE_SIZE + at} was read wrong`;
      expect(countOf(outcome)).toBe(3);
      expect(whatOf(outcome)).toEqual([
        expect.stringMatching(
          new RegExp(
            `^page ${page} of inode ${inoOf('/long')} \\(pfn \\d+\\) was reused, but differs from block ${block} at byte ${at}$`,
          ),
        ),
        read,
        read,
      ]);
      expect(outcome.result.verified).toMatchObject({ pages: DATA_PAGES, bytes: 4 * DATA_BYTES });
    },
  );

  it('the check of reused pages finds a byte behind the end of a file, which no read returns', () => {
    const block = truth.blockOf(inoOf('/short'), 1);
    for (const at of [5000 - PAGE_SIZE, PAGE_SIZE - 1]) {
      const outcome = runSmall(diskOf(image), 'warm-cache', {}, (testbed) => {
        flipKept(testbed, block, at);
      });
      expect(countOf(outcome)).toBe(1);
      expect(whatOf(outcome)[0]).toContain(`was reused, but differs from block ${block} at byte ${at}`);
    }
  });

  it('the check of reused pages finds a byte of metadata that nobody reads', () => {
    // The last byte of the bitmap of the only group.
    const bitmap = Buffer.alloc(4);
    image.read(PAGE_SIZE + 8, bitmap, 0, 4);
    const table = bitmap.readUInt32LE(0);
    const outcome = runSmall(diskOf(image), 'warm-cache+metadata', {}, (testbed) => {
      flipKept(testbed, table, PAGE_SIZE - 1);
    });
    expect(countOf(outcome)).toBe(1);
    expect(whatOf(outcome)[0]).toMatch(
      new RegExp(`^page ${table} of inode 0 .* was reused, but differs from block ${table} at byte ${PAGE_SIZE - 1}$`),
    );
  });

  it('the check of reused pages finds each page that lies elsewhere, though its bytes are the same', () => {
    const ino = inoOf('/twins');
    const [a, b] = [truth.blockOf(ino, 0), truth.blockOf(ino, 1)];
    const outcome = runFlawed((bytes) => {
      const pointers = Buffer.alloc(8);
      pointers.writeUInt32LE(b, 0);
      pointers.writeUInt32LE(a, 4);
      bytes.write(inodeAt(ino) + 40, pointers, 0, 8);
    }, 'warm-cache');
    expect(countOf(outcome)).toBe(2);
    expect(whatOf(outcome)).toEqual([
      expect.stringMatching(new RegExp(`^page 0 of inode ${ino} .* was reused for block ${b}, but lies at ${a}$`)),
      expect.stringMatching(new RegExp(`^page 1 of inode ${ino} .* was reused for block ${a}, but lies at ${b}$`)),
    ]);
  });

  it('the check of reused pages counts every page that is wrong, and describes three', () => {
    const ino = inoOf('/long');
    const outcome = runSmall(diskOf(image), 'warm-cache', {}, (testbed) => {
      for (let page = 0; page < LONG_PAGES; page++) flipKept(testbed, truth.blockOf(ino, page), 1);
    });
    // And two reads, twice.
    expect(countOf(outcome)).toBe(LONG_PAGES + 4);
    expect(outcome.mismatches).toHaveLength(3);
  });
});

describe('the check of writes', () => {
  /** Bytes of both runs before the reboot. */
  const line = (path: string, bytes: number): string => `GET ${path} 200 ${bytes}\n`;
  const LOGGED = 2 * truth.listFiles().reduce((sum, { path, size }) => sum + line(path, size).length, 0);

  it.each(someOf('bytes of the log', [0, 1, LOGGED >> 1, LOGGED - 1], 2))(
    'the check of writes counts what follows byte %i of the log as lost when that is wrong',
    (at) => {
      const medium = image.clone();
      const copy = (): ReturnType<DiskSource['copy']> => medium;
      const { result } = runSmall({ ...diskOf(image), copy }, 'cold', { workload: 'log' }, () => {
        flip(medium, placeOf('/stillwarm-before.log', at, new OracleExt2(medium)));
      });
      expect(result.writes).toMatchObject({ bytes: LOGGED, bytesLost: LOGGED - at, pagesLost: 0 });
      expect(result.verified.mismatches).toBe(0);
    },
  );

  it('the check of writes loses nothing otherwise, and all of a log that was only in memory', () => {
    expect(runSmall(diskOf(image), 'cold', { workload: 'log' }).result.writes).toMatchObject({
      bytes: LOGGED,
      bytesLost: 0,
    });
    const { writes } = runSmall(diskOf(image), 'cold', { workload: 'log', crash: true }).result;
    expect(writes).toMatchObject({
      bytes: LOGGED,
      bytesLost: LOGGED,
      pagesWrittenBack: 0,
      pagesLost: writes.dirtyPages,
    });
  });
});

/** Where an inode lies, from the published layout: this image has one group. */
function inodeAt(ino: number): number {
  const words = Buffer.alloc(4);
  image.read(PAGE_SIZE + 8, words, 0, 4);
  const table = words.readUInt32LE(0);
  image.read(1024 + 88, words, 0, 2);
  return table * PAGE_SIZE + (ino - 1) * words.readUInt16LE(0);
}
