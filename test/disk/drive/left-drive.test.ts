// A drive is looked at as it would be after a loss of power or a reset. Another one is changed by a
// person.
import { expect, it } from 'vitest';
import { Mfn, Ns, PAGE_SIZE, SECTOR_SIZE } from '../../../src/base/units.ts';
import { Drive } from '../../../src/disk/drive/drive.ts';
import type { ServiceTimeModel } from '../../../src/disk/drive/service-time.ts';
import { WriteCache } from '../../../src/disk/drive/write-cache.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { RandomStream } from '../../../src/sim/random.ts';
import { Simulation } from '../../../src/sim/simulation.ts';

const SLOW: ServiceTimeModel = { channels: 1, read: () => Ns(1e6), write: () => Ns(1e6), transfer: () => Ns(10) };

/** A drive whose cache of so many pages is written out after a second without work. */
function bed(cachePages: number) {
  const simulation = new Simulation(1);
  const memory = new MachineMemory(16 * PAGE_SIZE);
  const image = new MemoryImage(32 * PAGE_SIZE);
  const options = { model: SLOW, writeCacheBytes: cachePages * PAGE_SIZE, destageDelayNs: 1e9 };
  const drive = new Drive(simulation, memory, image, options);
  /** Begins to write a page of this byte. Returns whether that has ended. */
  const begin = (page: number, byte: number): (() => boolean) => {
    memory.copyIn(Mfn(page), 0, new Uint8Array(PAGE_SIZE).fill(byte), 0, PAGE_SIZE);
    const segments = [{ mfn: Mfn(page), offset: 0, length: PAGE_SIZE }];
    let isDone = false;
    drive.submit({ op: 'write', sector: 8 * page, segments, done: () => (isDone = true) });
    return () => isDone;
  };
  const write = (page: number, byte: number): void => void simulation.run(begin(page, byte));
  return { simulation, image, drive, begin, write };
}

/** The first byte of each sector of a page. */
function sectorsOf(contents: Pick<MemoryImage, 'read'>, page: number): number[] {
  const bytes = new Uint8Array(PAGE_SIZE);
  contents.read(page * PAGE_SIZE, bytes, 0, PAGE_SIZE);
  return [0, 1, 2, 3, 4, 5, 6, 7].map((sector) => bytes[sector * SECTOR_SIZE]!);
}

it('sectors that a person replaces are the new ones at once and for good, and no others are', () => {
  const { simulation, image, drive, write } = bed(4);
  write(1, 7);
  expect(drive.hasUnflushedWrites).toBe(true);
  drive.overwrite(10, new Uint8Array(3 * SECTOR_SIZE).fill(9));
  const expected = [7, 7, 9, 9, 9, 7, 7, 7];
  expect(sectorsOf(drive.contents, 1)).toEqual(expected);
  simulation.run();
  expect([drive.hasUnflushedWrites, sectorsOf(image, 1)]).toEqual([false, expected]);
});

it('what a reset would leave has a write cache of its own', () => {
  const { drive, write } = bed(2);
  write(1, 7);
  const { image, cache } = drive.afterReset(new RandomStream(1));
  expect([sectorsOf(image, 1)[0], cache.has(1), cache.storedAt(1) > 0]).toEqual([0, true, true]);
  write(1, 8);
  write(2, 8);
  expect(sectorsOf(drive.contents, 1)[0]).toBe(8);
  const page = new Uint8Array(PAGE_SIZE);
  cache.overlay(8, page, 0, PAGE_SIZE);
  expect([page[0], page[PAGE_SIZE - 1], cache.has(2)]).toEqual([7, 7, false]);
});

it('a copy of a write cache holds what it holds, and has room where it has', () => {
  const memory = new MachineMemory(4 * PAGE_SIZE);
  const cache = new WriteCache(3 * PAGE_SIZE);
  cache.store(8, memory, Mfn(0), 0, PAGE_SIZE, Ns(5));
  cache.store(17, memory, Mfn(1), 0, SECTOR_SIZE, Ns(6));
  const copy = cache.clone();
  for (const one of [cache, copy]) {
    expect([one.granules(), one.storedAt(1), one.storedAt(2)]).toEqual([[1, 2], 5, 6]);
    expect([one.holds(8, 8), one.holds(17, 1), one.holds(16, 2)]).toEqual([true, true, false]);
    expect([one.hasRoomFor(24, 8, 0), one.hasRoomFor(24, 9, 0)]).toEqual([true, false]);
  }
});

it('a write that a reset has torn is not torn again by a loss of power, real or only looked at', () => {
  const { image, drive, begin } = bed(0);
  begin(1, 7);
  // Half of the sectors reach the medium: every other one.
  let asked = 0;
  const fraction = (): number => (asked++ === 0 ? 0.5 : [0.9, 0.1][asked % 2 === 0 ? 1 : 0]!);
  drive.reset(Object.assign(new RandomStream(1), { fraction }));
  const torn = sectorsOf(image, 1);
  expect(torn).toEqual([7, 0, 7, 0, 7, 0, 7, 0]);
  expect(
    sectorsOf(
      drive.afterPowerLoss(() => true),
      1,
    ),
  ).toEqual(torn);
  drive.powerLoss(1);
  expect(sectorsOf(image, 1)).toEqual(torn);
});
