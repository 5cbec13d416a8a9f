import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/argument-error.ts';
import { Mfn, PAGE_SIZE, SECTOR_SIZE } from '../../../src/base/index.ts';
import { Medium } from '../../../src/disk/image/backing-store.ts';
import type { BlockOp, BlockRequest } from '../../../src/disk/drive/block-device.ts';
import { Drive } from '../../../src/disk/drive/drive.ts';
import { InstantDisk } from '../../../src/disk/drive/instant.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { Partition } from '../../../src/disk/drive/partition.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { Simulation } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';

const BLOCKS = 32;
const DEVICE = {
  sectorCount: 64,
  store: { identity: 'device', firstBlock: 0, extents: new Medium(64 * SECTOR_SIZE).extents },
  submit: () => undefined,
};

describe('a partition', () => {
  const request = fc.record({
    op: fc.constantFrom<BlockOp>('read', 'write'),
    sector: fc.integer({ min: -9, max: 140 }),
    sectors: fc.integer({ min: 1, max: 8 }),
  });
  property(
    'a partition reaches its own sectors and no other, whatever is asked of it',
    fc.nat(20),
    fc.integer({ min: 1, max: 90 }),
    fc.array(request, { maxLength: 10 }),
    (firstBlock, sectorCount, requests) => {
      const simulation = new Simulation(1);
      const memory = new MachineMemory(8 * PAGE_SIZE);
      const image = new MemoryImage(BLOCKS * PAGE_SIZE);
      const model = Uint8Array.from({ length: image.size }, (_, at) => (at * 7 + (at >> 9)) & 255);
      image.write(0, model, 0, model.length);
      const drive = new Drive(simulation, memory, image, { model: new InstantDisk(), writeCacheBytes: 0 });
      const first = firstBlock * 8;
      const partition = new Partition(drive, first, sectorCount);
      requests.forEach(({ op, sector, sectors }, i) => {
        const mfn = Mfn(1 + (i % 4));
        const bytes = sectors * SECTOR_SIZE;
        memory.copyIn(mfn, 0, new Uint8Array(PAGE_SIZE).fill(200 + i), 0, PAGE_SIZE);
        let outcome: string | undefined = 'nothing';
        const done: BlockRequest['done'] = (error) => (outcome = error);
        partition.submit({ op, sector, segments: [{ mfn, offset: 0, length: bytes }], done });
        simulation.run();
        const inside = sector >= 0 && sector + sectors <= sectorCount;
        expect(outcome).toBe(inside ? undefined : 'EIO');
        const at = (first + sector) * SECTOR_SIZE;
        const found = new Uint8Array(bytes);
        memory.copyOut(mfn, 0, found, 0, bytes);
        if (inside && op === 'write') model.fill(200 + i, at, at + bytes);
        expect(found).toEqual(inside && op === 'read' ? model.slice(at, at + bytes) : found.fill(200 + i));
      });
      const medium = new Uint8Array(image.size);
      image.read(0, medium, 0, medium.length);
      expect(Buffer.compare(medium, model)).toBe(0);
    },
  );

  it('a partition flushes the drive', () => {
    const simulation = new Simulation(1);
    const seen: BlockRequest[] = [];
    const device = { ...DEVICE, submit: (one: BlockRequest) => void seen.push(one) };
    new Partition(device, 8, 8).submit({ op: 'flush', sector: 0, segments: [], done: () => undefined });
    simulation.run();
    expect(seen).toMatchObject([{ op: 'flush', sector: 8 }]);
  });

  it('a partition lies on its device and begins with a block', () => {
    for (const [first, count] of [
      [-8, 8],
      [60, 8],
      [4, 8],
      [8, 0],
      [8, 57],
    ] as const)
      expect(() => new Partition(DEVICE, first, count)).toThrow(ArgumentError);
  });
});
