// What a store says of itself: who it is, where its blocks lie, and how often they were changed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/argument-error.ts';
import { Mfn, PAGE_SIZE, SECTOR_SIZE, SECTORS_PER_PAGE } from '../../../src/base/index.ts';
import {
  type BackingStore,
  ChangeCounts,
  checkIdentity,
  generationOf,
  IDENTITY_BYTES,
  noteChange,
  WriteAccount,
} from '../../../src/disk/image/backing-store.ts';
import type { BlockDevice, BlockOp } from '../../../src/disk/drive/block-device.ts';
import { Drive } from '../../../src/disk/drive/drive.ts';
import { FileImage } from '../../../src/disk/image/file-image.ts';
import type { ImageStore } from '../../../src/disk/image/image-store.ts';
import { InstantDisk } from '../../../src/disk/drive/instant.ts';
import { JoinedImage } from '../../../src/disk/image/joined-image.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { OverlayImage } from '../../../src/disk/image/overlay-image.ts';
import { Partition } from '../../../src/disk/drive/partition.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { Simulation } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

property(
  'the changes of a range are those that were counted in it, over the border of every chunk',
  fc.array(
    fc.oneof(
      { weight: 9, arbitrary: fc.tuple(fc.nat(1100), fc.integer({ min: 1, max: 600 })) },
      { weight: 1, arbitrary: fc.constant(undefined) },
    ),
    { maxLength: 20 },
  ),
  fc.nat(1800),
  fc.nat(1800),
  (changes, first, blocks) => {
    const counts = new ChangeCounts();
    const model = new Array<number>(4000).fill(0);
    let whole = 0;
    for (const change of changes) {
      const before = counts.total;
      if (change === undefined) {
        counts.addWhole();
        whole++;
      } else {
        counts.add(...change);
        for (let i = 0; i < change[1]; i++) model[change[0] + i]!++;
      }
      expect(counts.total).toBeGreaterThan(before);
    }
    expect(counts.in(first, blocks)).toBe(whole + model.slice(first, first + blocks).reduce((a, b) => a + b, 0));
  },
);

it('a backing store notes changes of every range that begins or ends at the border of a chunk of 256, or beside it', () => {
  const counts = new ChangeCounts();
  const END = 1100;
  // Each block as often as no other near it: 1 to 7 times.
  const timesOf = (block: number): number => 1 + (block % 7);
  for (let block = 0; block < END; block++) for (let n = 0; n < timesOf(block); n++) counts.add(block, 1);
  // What is counted at once is counted in each chunk.
  for (const border of [256, 512, 768]) counts.add(border - 1, 2);
  const sum = (from: number, to: number): number => {
    let all = 0;
    for (let block = from; block < Math.min(to, END); block++)
      all += timesOf(block) + ([0, 255].includes(block % 256) && block > 200 && block < 1000 ? 1 : 0);
    return all;
  };
  const places = [0, 256, 512, 768, 1024].flatMap((border) => [border - 1, border, border + 1]).filter((at) => at >= 0);
  const wrong = places.flatMap((from) =>
    places.filter((to) => to > from && counts.in(from, to - from) !== sum(from, to)).map((to) => [from, to]),
  );
  expect(wrong).toEqual([]);
});

describe('views of the same bytes', () => {
  const BLOCKS = 6;
  /** Media, and images over them; each with the media and blocks that its blocks are. */
  function views() {
    const [a, b] = [new MemoryImage(BLOCKS * PAGE_SIZE), new MemoryImage(BLOCKS * PAGE_SIZE - 700)];
    const overlay = new OverlayImage(a);
    const images = { a, b, joined: new JoinedImage([b, a]), overlay, over: new JoinedImage([overlay, b]) };
    /**
     * Places that show a change of one of them; what shows a block of `a` is not changed by the
     * overlay over it.
     */
    const runOf = (name: string, from = 0) => Array.from({ length: BLOCKS }, (_, i) => `${name}${from + i}`);
    const shows: Record<keyof typeof images, string[][]> = {
      a: runOf('a').map((place) => [place]),
      b: runOf('b').map((place) => [place]),
      joined: [...runOf('b'), ...runOf('a')].map((place) => [place]),
      overlay: runOf('a').map((place, i) => [place, `o${i}`]),
      over: [...runOf('a').map((place, i) => [place, `o${i}`]), ...runOf('b').map((place) => [place])],
    };
    const writes = (name: keyof typeof images, block: number): string => shows[name][block]!.at(-1)!;
    return { images, shows, writes };
  }
  const NAMES = ['a', 'b', 'joined', 'overlay', 'over'] as const;

  property(
    'views of the same bytes advance their generation by a write to one of them exactly where they show the block',
    fc.array(fc.record({ to: fc.constantFrom(...NAMES), at: fc.nat(11), count: fc.integer({ min: 1, max: 3 }) }), {
      minLength: 1,
      maxLength: 8,
    }),
    (changes) => {
      const { images, shows, writes } = views();
      const blockOf = (image: ImageStore, block: number): BackingStore => {
        const device = {
          sectorCount: Math.floor(image.size / 512),
          store: { identity: 'x', firstBlock: 0, extents: image.extents },
        };
        const sectors = Math.min(SECTORS_PER_PAGE, device.sectorCount - block * SECTORS_PER_PAGE);
        return new Partition({ ...device, submit: () => undefined }, block * SECTORS_PER_PAGE, sectors).store;
      };
      for (const { to, at, count } of changes) {
        const image = images[to];
        const blocks = shows[to].length;
        const first = at % blocks;
        const last = Math.min(first + count, blocks) - 1;
        const before = NAMES.map((name) => shows[name].map((_, i) => generationOf(blockOf(images[name], i))));
        const offset = first * PAGE_SIZE + 512;
        const length = Math.min((last + 1) * PAGE_SIZE, image.size) - offset;
        image.write(offset, new Uint8Array(length).fill(at + 1), 0, length);
        const changed = new Set(Array.from({ length: last - first + 1 }, (_, i) => writes(to, first + i)));
        const advances = NAMES.map((name, n) =>
          shows[name].map((_, i) => generationOf(blockOf(images[name], i)) - before[n]![i]!),
        );
        const expected = NAMES.map((name) =>
          shows[name].map((places) => places.filter((place) => changed.has(place)).length),
        );
        expect(advances).toEqual(expected);
      }
    },
    { numRuns: 60 },
  );

  it('views of the same bytes have their changes told when nobody could see them: all, or some blocks', () => {
    const { images } = views();
    noteChange(images.a, 2, 2);
    expect(images.joined.extents.map(({ medium }) => medium.total)).toEqual([0, 2]);
    const before = [generationOf(images.joined), generationOf(images.over), generationOf(images.b)];
    noteChange(images.overlay);
    expect([generationOf(images.joined), generationOf(images.over), generationOf(images.b)]).toEqual([
      before[0],
      before[1]! + 1,
      before[2],
    ]);
  });

  it('views of the same bytes are not those of a clone', () => {
    const { a } = views().images;
    const clone = a.clone();
    clone.write(0, new Uint8Array(512), 0, 512);
    expect([generationOf(a), generationOf(clone)]).toEqual([0, 1]);
  });

  it('views of the same bytes have generations through each further drive that begin 2^40 behind those of the one before', () => {
    const simulation = new Simulation(1);
    const memory = new MachineMemory(PAGE_SIZE);
    const image = new MemoryImage(BLOCKS * PAGE_SIZE);
    const options = { model: new InstantDisk(), writeCacheBytes: 0 };
    const drives = Array.from({ length: 8192 }, () => new Drive(simulation, memory, image, options));
    const generations = [0, 1, 2, 8191].map((n) => generationOf(drives[n]!.store));
    expect(generations).toEqual([0, 2 ** 40, 2 ** 41, 8191 * 2 ** 40]);
    expect(Number.isSafeInteger(8191 * 2 ** 40 + 2 ** 40 - 1)).toBe(true);
    image.write(0, new Uint8Array(512), 0, 512);
    expect(generationOf(drives[8191]!.store)).toBe(8191 * 2 ** 40 + 1);
  });

  it('a file of the host counts what is written to it, and to the overlay over it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillwarm-'));
    try {
      const path = join(folder, 'disk');
      writeFileSync(path, new Uint8Array(3 * PAGE_SIZE));
      for (const writeThrough of [true, false]) {
        const image = FileImage.open(path, { writeThrough });
        image.write(PAGE_SIZE - 1, new Uint8Array(2), 0, 2);
        expect(generationOf(image)).toBe(2);
        image.close();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a drive', () => {
  function room(
    writeCacheBytes: number,
    image: ImageStore = new MemoryImage(64 * PAGE_SIZE),
    simulation = new Simulation(1),
  ) {
    const memory = new MachineMemory(64 * PAGE_SIZE);
    const drive = new Drive(simulation, memory, image, { model: new InstantDisk(), writeCacheBytes });
    const account = new WriteAccount();
    const request = (device: BlockDevice, op: BlockOp, block: number, count: number): void => {
      const segments = Array.from({ length: op === 'flush' ? 0 : count }, (_, i) => ({
        mfn: Mfn(i),
        offset: 0,
        length: PAGE_SIZE,
      }));
      device.submit({ op, sector: block * SECTORS_PER_PAGE, segments, by: account, done: () => undefined });
    };
    return { simulation, memory, image, drive, account, request };
  }
  const counts = (device: Pick<BlockDevice, 'store'>): number => generationOf(device.store);

  it.each([0, 8 * PAGE_SIZE])(
    'a drive with a cache of %i bytes counts a write when it is taken up and when it moves',
    (cache) => {
      const { simulation, drive, account, request } = room(cache);
      const [mine, other] = [new Partition(drive, 0, 64), new Partition(drive, 64, 64)];
      request(mine, 'read', 0, 3);
      simulation.run();
      expect(counts(drive)).toBe(0);
      request(mine, 'write', 0, 3);
      expect([counts(drive), counts(mine), counts(other)]).toEqual([3, 3, 0]);
      simulation.run();
      expect([counts(drive), counts(mine), counts(other)]).toEqual([6, 6, 0]);
      request(mine, 'flush', 0, 0);
      simulation.run();
      expect([counts(drive), account.in(drive.store.extents)]).toEqual([6, 6]);
      expect(drive.hasUnflushedWrites).toBe(false);
    },
  );

  it.each([0, 8 * PAGE_SIZE])(
    'a drive with a cache of %i bytes counts every block of which a write has a sector',
    (cache) => {
      for (const [sector, sectors, blocks] of [
        [4, 8, [1, 1, 0]],
        [7, 1, [1, 0, 0]],
        [8, 1, [0, 1, 0]],
        [15, 2, [0, 1, 1]],
        [7, 10, [1, 1, 1]],
      ] as const) {
        const { simulation, drive } = room(cache);
        const segments = Array.from({ length: sectors }, (_, i) => ({ mfn: Mfn(i), offset: 0, length: SECTOR_SIZE }));
        const each = [0, 1, 2].map((block) => new Partition(drive, block * SECTORS_PER_PAGE, SECTORS_PER_PAGE));
        drive.submit({ op: 'write', sector, segments, done: () => undefined });
        expect([sector, each.map(counts)]).toEqual([sector, blocks]);
        simulation.run();
        expect(each.map((block) => counts(block) > 0)).toEqual(blocks.map((count) => count > 0));
      }
    },
  );

  it('a drive counts nothing of a request that leaves it, or the partition', () => {
    const { simulation, drive, request } = room(0);
    request(drive, 'write', 63, 2);
    request(new Partition(drive, 0, 64), 'write', 7, 2);
    simulation.run();
    expect(counts(drive)).toBe(0);
  });

  it('a drive is the same store at each port, and a partition of a partition at its place', () => {
    const { drive, memory } = room(0);
    const inner = new Partition(new Partition(drive.port(memory), 64, 160), 32, 24);
    const { identity, firstBlock, extents } = inner.store;
    expect([identity, firstBlock]).toEqual([drive.store.identity, 12]);
    expect(extents).toEqual([{ medium: drive.store.extents[0]!.medium, first: 12, blocks: 3 }]);
  });

  it('a drive has an identity that no other drive of the simulation has, unless it is given one', () => {
    const { simulation, drive, memory, image } = room(0);
    const options = { model: new InstantDisk(), writeCacheBytes: 0 };
    const another = new Drive(simulation, memory, image, options);
    expect(another.store.identity).not.toBe(drive.store.identity);
    expect(new Drive(simulation, memory, image, { ...options, identity: 'lv/root' }).store.identity).toBe('lv/root');
    expect(() => new Drive(simulation, memory, image, { ...options, identity: '' })).toThrow(ArgumentError);
  });

  it('a drive counts its cache when power is lost, and what it empties from its cache for others only', () => {
    const { simulation, drive, image, request } = room(8 * PAGE_SIZE);
    const second = room(0, image, simulation).drive;
    const since = counts(second);
    request(drive, 'write', 0, 2);
    simulation.run(() => drive.hasUnflushedWrites);
    expect([counts(drive), counts(second) - since]).toEqual([4, 4]);
    simulation.run();
    expect([counts(drive), counts(second) - since]).toEqual([4, 6]);
    request(drive, 'write', 4, 2);
    simulation.run(() => drive.hasUnflushedWrites);
    const before = counts(drive);
    drive.powerLoss();
    expect(counts(drive)).toBeGreaterThanOrEqual(before + 2);
    expect(counts(new Partition(drive, 0, 32))).toBe(4);
  });

  it('a drive never has a generation of another drive over the same medium, whatever either has destaged', () => {
    const { simulation, drive, image, request } = room(8 * PAGE_SIZE);
    const second = room(8 * PAGE_SIZE, image, simulation).drive;
    const third = room(0, new JoinedImage([new MemoryImage(PAGE_SIZE), image]), simulation).drive;
    const drives = [drive, second, third];
    const seen = drives.map((one) => new Set([counts(one)]));
    for (let n = 0; n < 60; n++) {
      request(drives[n % 7 < 4 ? 0 : n % 3]!, 'write', 1 + (n % 5), 1);
      simulation.run();
      for (const [i, one] of drives.entries()) seen[i]!.add(counts(one));
    }
    const all = seen.flatMap((generations) => [...generations]);
    expect(all.length).toBeGreaterThan(150);
    expect(new Set(all).size).toBe(all.length);
    expect(all.every(Number.isSafeInteger)).toBe(true);
  });

  it('a drive counts each block of its cache when power is lost, also where nothing of it has reached the medium', () => {
    let lost = 0;
    for (let seed = 0; seed < 80; seed++) {
      const { simulation, memory, drive, image, request } = room(8 * PAGE_SIZE, undefined, new Simulation(seed));
      for (let i = 0; i < 4; i++) memory.zero(Mfn(i), 0, PAGE_SIZE);
      for (let i = 0; i < 4; i++) for (let at = 0; at < PAGE_SIZE; at += SECTOR_SIZE) memory.writeU32(Mfn(i), at, 7);
      request(drive, 'write', 0, 4);
      simulation.run(() => drive.hasUnflushedWrites);
      const each = [0, 1, 2, 3].map((block) => new Partition(drive, block * SECTORS_PER_PAGE, SECTORS_PER_PAGE));
      const before = each.map(counts);
      drive.powerLoss();
      expect([seed, each.map((block, i) => counts(block) > before[i]!)]).toEqual([seed, [true, true, true, true]]);
      const bytes = new Uint8Array(PAGE_SIZE);
      for (let block = 0; block < 4; block++) {
        image.read(block * PAGE_SIZE, bytes, 0, PAGE_SIZE);
        lost += bytes.every((byte) => byte === 0) ? 1 : 0;
      }
    }
    expect(lost).toBeGreaterThan(0);
  });

  it('a drive counts what a reset has torn', () => {
    let torn = 0;
    for (let seed = 0; seed < 8; seed++) {
      const { simulation, memory, drive, image, request } = room(0, undefined, new Simulation(seed));
      for (let i = 0; i < 4; i++) memory.zero(Mfn(i), 0, 1);
      memory.writeU32(Mfn(0), 0, 7);
      request(drive, 'write', 0, 1);
      const before = counts(drive);
      drive.reset();
      const bytes = new Uint8Array(4);
      image.read(0, bytes, 0, 4);
      const isTorn = bytes[0] === 7;
      if (isTorn) expect(counts(drive)).toBeGreaterThan(before);
      torn += isTorn ? 1 : 0;
      simulation.run();
    }
    expect(torn).toBeGreaterThan(0);
  });
});

it('an identity has 1 to 31 bytes', () => {
  expect(checkIdentity('ü'.repeat(15))).toBe('ü'.repeat(15));
  expect(IDENTITY_BYTES).toBe(31);
  for (const bad of ['', 'x'.repeat(32), 'ü'.repeat(16), 'a\0b'])
    expect(() => checkIdentity(bad)).toThrow(ArgumentError);
});
