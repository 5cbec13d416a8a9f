// The numbers of block devices, and what is known under them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE, SECTORS_PER_PAGE } from '../../../src/base/index.ts';
import { generationOf, Medium, noteChange } from '../../../src/disk/image/backing-store.ts';
import type { BlockDevice } from '../../../src/disk/drive/block-device.ts';
import { Drive } from '../../../src/disk/drive/drive.ts';
import { InstantDisk } from '../../../src/disk/drive/instant.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { Partition } from '../../../src/disk/drive/partition.ts';
import { DEVICE_NUMBERS, DeviceTable, storeRecordOf } from '../../../src/xen/records/devices.ts';
import { domainOf, Provenance, Reason, restoreDomain, saveDomain } from '../../../src/xen/index.ts';
import { DEFAULT_PROTECTIONS } from '../../../src/xen/protections.ts';
import { property } from '../../support/property.ts';
import {
  bootMachine,
  cacheBlocks,
  LEAST_PAGES,
  MiniGuest,
  startGuest,
  suspends,
  TestDisk,
} from '../../support/machine.ts';

let serial = 0;
const SEGMENT = { mfn: Mfn(50), offset: 0, length: PAGE_SIZE };
function deviceOf(blocks: number, identity = `disk ${++serial}`): BlockDevice {
  const store = { identity, firstBlock: 0, extents: new Medium(blocks * PAGE_SIZE).extents };
  return { sectorCount: blocks * SECTORS_PER_PAGE, store, submit: () => undefined };
}
const part = (device: BlockDevice, first: number, blocks: number): Partition =>
  new Partition(device, first * SECTORS_PER_PAGE, blocks * SECTORS_PER_PAGE);
const tableOf = (reserved: readonly number[] = []): DeviceTable => new DeviceTable(DEFAULT_PROTECTIONS, reserved);

describe('a number', () => {
  it('a number is one for each part of a store, whatever object shows it', () => {
    const table = tableOf();
    const disk = deviceOf(32);
    const numbers = [
      part(disk, 0, 16),
      part(disk, 0, 16),
      part(disk, 0, 17),
      part(disk, 1, 16),
      disk,
      part(disk, 0, 32),
    ];
    expect(numbers.map((device) => table.bind(device)!.number)).toEqual([0, 0, 1, 2, 3, 3]);
    const renamed = { ...disk, store: { ...disk.store, identity: 'another' } };
    expect(table.bind(renamed)!.number).toBe(4);
    expect(table.counts).toEqual({ bound: 5, media: 1, reserved: 0 });
  });

  it('a number is another for a drive over the same medium, whose cache is another', () => {
    const table = tableOf();
    const image = new MemoryImage(64 * PAGE_SIZE);
    const { simulation, memory } = bootMachine();
    const options = { identity: 'lv/root', model: new InstantDisk(), writeCacheBytes: 4 * PAGE_SIZE };
    const drives = [0, 1].map(() => new Drive(simulation, memory, image, options));
    const [mine, other] = drives.map((drive) => part(drive, 8, 16)) as [Partition, Partition];
    expect([mine, other, mine].map((device) => table.bind(device)!.number)).toEqual([0, 1, 0]);
    // One change that the record does not know, and as many that only the other drive has destaged.
    for (let destaged = 0; destaged < 6; destaged++) {
      const record = storeRecordOf(mine);
      for (const isChanged of [false, true]) {
        if (isChanged) other.submit({ op: 'write', sector: 0, segments: [SEGMENT], done: () => undefined });
        simulation.run();
        expect([destaged, table.verify(record, other)]).toEqual([destaged, Reason.diskChanged]);
        expect(table.verify(record, mine)).toBe(isChanged ? Reason.diskChanged : Reason.ok);
      }
    }
  });

  it('a number is given back with its last user, and with it the medium', () => {
    const table = tableOf();
    const [one, other] = [deviceOf(8), deviceOf(8)];
    const users = [one, one, other].map((device) => table.bind(device)!);
    expect(users.map((user) => table.release(user))).toEqual([false, true, true]);
    expect(table.counts).toEqual({ bound: 0, media: 0, reserved: 0 });
    expect(() => table.release(users[0]!)).toThrow('a device is let go as often as it was bound');
    expect(table.bind(other)!.number).toBe(0);
  });

  it('a number is another where a single property of the part is another', () => {
    const table = tableOf();
    const disk = deviceOf(32);
    const { store } = disk;
    const extent = store.extents[0]!;
    const account = new Drive(bootMachine().simulation, bootMachine().memory, new MemoryImage(64 * PAGE_SIZE), {
      identity: 'another',
      model: new InstantDisk(),
      writeCacheBytes: PAGE_SIZE,
    }).store.destaged!;
    const parts: BlockDevice[] = [
      disk,
      { ...disk, sectorCount: disk.sectorCount - 1 },
      { ...disk, store: { ...store, identity: 'another' } },
      { ...disk, store: { ...store, firstBlock: 1 } },
      { ...disk, store: { ...store, destaged: account } },
      { ...disk, store: { ...store, extents: [extent, extent] } },
      { ...disk, store: { ...store, extents: [{ ...extent, first: 1 }] } },
      { ...disk, store: { ...store, extents: [{ ...extent, blocks: 31 }] } },
      { ...disk, store: { ...store, extents: [{ ...extent, medium: deviceOf(32).store.extents[0]!.medium }] } },
    ];
    expect(parts.map((device) => table.bind(device)!.number)).toEqual(parts.map((_, at) => at));
    expect(parts.map((device) => table.bind(device)!.number)).toEqual(parts.map((_, at) => at));
  });

  it('a number is not given where a domain was left under it, unless it is wanted', () => {
    const table = tableOf([0, 2, 2]);
    const disks = [deviceOf(8), deviceOf(8), deviceOf(8)];
    expect(disks.slice(0, 2).map((device) => table.bind(device)!.number)).toEqual([1, 3]);
    expect(table.bind(disks[2]!, 2)!.number).toBe(2);
    expect(table.bind(deviceOf(8), 2)).toBeUndefined();
    expect(table.bind(deviceOf(8), DEVICE_NUMBERS)).toBeUndefined();
    table.unreserve(2);
    table.unreserve(0);
    expect([table.bind(deviceOf(8))!.number, table.counts.reserved]).toEqual([0, 1]);
  });

  it('a number is refused as what it is when all are in use: no memory for a domain, no file for a save', () => {
    const machine = bootMachine();
    const { hypervisor, toolstack, simulation } = machine;
    const bound = Array.from({ length: DEVICE_NUMBERS }, () => hypervisor.bindDevice(deviceOf(8))!);
    expect(bound.map(({ number }) => number)).toEqual(bound.map((_, i) => i));
    const free = hypervisor.allocator.freeCount;
    const config = { name: 'one more', memoryBytes: LEAST_PAGES * PAGE_SIZE, device: machine.disk };
    const create = () => simulation.runProcess('create', toolstack.createDomain(config));
    const problem = 'ENOMEM: all 256 numbers of block devices are in use';
    expect(create()).toEqual({ ok: false, reason: { kind: 'failed', why: problem } });
    const restore = restoreDomain(machine, machine.disk, { device: machine.disk, vouch: false });
    expect(simulation.runProcess('restore', restore)).toMatchObject({ reason: { why: 'no memory for domain 0' } });
    expect(hypervisor.allocator.freeCount).toBe(free);
    toolstack.list.checkInvariants();
    hypervisor.releaseDevice(bound[7]!);
    expect(create()).toMatchObject({ value: { disk: { number: 7 } } });
  });

  it('a number that is used again vouches for nothing old', () => {
    const machine = bootMachine();
    const { hypervisor, disk } = machine;
    const guest = startGuest(machine);
    cacheBlocks(machine, guest, [1, 2, 3]);
    const { frames } = hypervisor;
    const mfns = [100, 101, 102].map((pfn) => guest.domain.frameOf(pfn as never));
    // Another user is left: nothing happens until the last one is gone.
    const again = hypervisor.bindDevice(disk)!;
    hypervisor.releaseDevice(again);
    expect(mfns.map((mfn) => frames.provenanceOf(mfn))).toEqual([2, 2, 2]);
    hypervisor.releaseDevice(guest.domain.disk);
    expect(mfns.map((mfn) => frames.provenanceOf(mfn))).toEqual([0, 0, 0]);
    expect(hypervisor.bindDevice(deviceOf(64))!.number).toBe(again.number);
  });

  it('a number has as many users after a change of a block as before, whether it is in use or not', () => {
    const machine = bootMachine();
    const { hypervisor } = machine;
    const before = hypervisor.devices.counts;
    hypervisor.changeBlock(deviceOf(8), 3, () => expect(hypervisor.devices.counts.bound).toBe(before.bound + 1));
    expect(hypervisor.devices.counts).toEqual(before);
    const guest = startGuest(machine);
    cacheBlocks(machine, guest, [1, 2]);
    const [other] = [100, 101].map((pfn) => guest.domain.frameOf(pfn as never));
    hypervisor.changeBlock(machine.disk, 2, () => undefined);
    expect(hypervisor.frames.provenanceOf(other!)).toBe(Provenance.clean);
    hypervisor.releaseDevice(guest.domain.disk);
    expect(hypervisor.frames.provenanceOf(other!)).toBe(Provenance.none);
  });

  it.each([
    ['domains', 1000],
    ['refused restores', 1000],
    ['saves', 20],
  ] as const)('%s, %i of them, leave nothing behind', (what, rounds) => {
    const machine = bootMachine();
    const { hypervisor, toolstack, simulation, memory } = machine;
    const state = () => ({
      devices: hypervisor.devices.counts,
      free: hypervisor.allocator.freeCount,
      scrub: hypervisor.scrubber.frames.length,
      entries: toolstack.list.entries.length,
      lists: hypervisor.p2mLists.allocate(1),
    });
    const guest = what === 'saves' ? startGuest(machine) : undefined;
    let domain = guest?.domain;
    const before = state();
    if (before.lists.ok) hypervisor.p2mLists.release(before.lists.value);
    for (let i = 0; i < rounds; i++) {
      const disk = new TestDisk(simulation, memory, what === 'saves' ? 1060 : 1);
      if (what === 'refused restores')
        simulation.runProcess('restore', restoreDomain(machine, disk, { device: machine.disk, vouch: false }));
      else if (domain === undefined) {
        const config = { name: `d${i}`, memoryBytes: LEAST_PAGES * PAGE_SIZE, device: disk };
        const built = simulation.runProcess('create', domainOf(toolstack.createDomain(config)));
        simulation.runProcess('destroy', toolstack.destroyDomain(built));
      } else {
        suspends(new MiniGuest(machine, domain));
        const saved = saveDomain(machine, domain, { device: machine.disk }, disk);
        expect(simulation.runProcess('save', saved)).toHaveProperty('value.bytes');
        const outcome = simulation.runProcess(
          'restore',
          restoreDomain(machine, disk, { device: machine.disk, vouch: true }),
        );
        if (!outcome.ok) throw new Error(outcome.reason.why);
        domain = outcome.value.domain;
      }
      simulation.run();
    }
    expect(state()).toEqual(before);
  });
});

describe('views of the same sectors', () => {
  const BLOCKS = 24;
  const place = fc.record({ first: fc.nat(BLOCKS - 4), blocks: fc.integer({ min: 4, max: BLOCKS }) });
  property(
    'views of the same sectors have one place for a block, and another one for each other block',
    fc.array(place, { minLength: 2, maxLength: 5 }),
    fc.boolean(),
    (places, isJoined) => {
      const table = tableOf();
      const [a, b] = [new Medium(BLOCKS * PAGE_SIZE), new Medium(BLOCKS * PAGE_SIZE)];
      // Half of one disk, and all of the other between two halves: blocks of one device in three
      // places.
      const pieces = [
        { medium: a, first: 0, blocks: 8 },
        { medium: b, first: 0, blocks: BLOCKS },
        { medium: a, first: 8, blocks: 8 },
      ];
      const whole = {
        ...deviceOf(isJoined ? BLOCKS + 16 : BLOCKS),
        store: { identity: 'whole', firstBlock: 0, extents: isJoined ? pieces : a.extents },
      };
      const known = new Map<string, number>();
      for (const { first, blocks } of places) {
        const size = Math.min(blocks, BLOCKS - first);
        const device = part(whole, first, size);
        const { number } = table.bind(device)!;
        for (let block = 0; block < size; block++) {
          const at = first + block;
          const inB = isJoined && at >= 8 && at < 8 + BLOCKS;
          const name = inB ? `b${at - 8}` : `a${isJoined && at >= 8 ? at - BLOCKS : at}`;
          const found = table.placeOf(number, block);
          expect(known.get(name) ?? found).toBe(found);
          known.set(name, found);
        }
      }
      expect(new Set(known.values()).size).toBe(known.size);
    },
  );

  property(
    'a write through one view takes the pages of all that are its block, and those only, in flight or not',
    fc.nat(40),
    fc.integer({ min: 0, max: 15 }),
    fc.nat(15),
    fc.nat(1500),
    (offset, block, latencyShare, latencyNs) => {
      const machine = bootMachine();
      const { hypervisor, toolstack, simulation, disk } = machine;
      const [first, second] = [part(disk, 8, 16), part(disk, Math.min(offset, 48), 16)];
      const [one, two] = [first, second].map((device, i) => {
        const config = { name: `guest${i}`, memoryBytes: LEAST_PAGES * PAGE_SIZE, device };
        return new MiniGuest(machine, simulation.runProcess('create', domainOf(toolstack.createDomain(config))));
      }) as [MiniGuest, MiniGuest];
      disk.latencyNs = latencyNs;
      for (let b = 0; b < 16; b++) one.read(100 + b, b);
      for (let i = 0; i < latencyShare * 4; i++) simulation.step();
      two.domain.environment.memory.writeU32(150 as never, 0, 0xabcd);
      two.write(150, block);
      simulation.run();
      const { frames } = hypervisor;
      const hit = Math.min(offset, 48) + block - 8;
      for (let b = 0; b < 16; b++) {
        const mfn = one.domain.frameOf((100 + b) as never);
        const isClean = frames.provenanceOf(mfn) === Provenance.clean;
        const isEqual = Buffer.compare(machine.memory.frame(mfn), disk.block(8 + b)) === 0;
        if (b !== hit) expect(isClean).toBe(true);
        if (isClean) expect(isEqual).toBe(true);
      }
      toolstack.list.checkInvariants();
    },
    { numRuns: 5, lawRuns: 25 },
  );
});

describe('a device in use', () => {
  it('a device in use knows the writes of others from those of its hypervisor, and those to it from those elsewhere', () => {
    const [table, another] = [tableOf(), tableOf()];
    const disk = deviceOf(64);
    const [mine, theirs] = [part(disk, 0, 32), part(disk, 16, 32)];
    const [bound, beside] = [table.bind(mine)!, table.bind(theirs)!];
    const foreign = another.bind(theirs)!;
    noteChange(mine.store, 20, 1, table.own);
    expect([bound.isChanged, beside.isChanged, foreign.isChanged]).toEqual([false, false, true]);
    noteChange(disk.store, 40, 1, another.own);
    expect([bound.isChanged, beside.isChanged]).toEqual([false, true]);
    beside.accept();
    foreign.accept();
    expect([beside.isChanged, foreign.isChanged]).toEqual([false, false]);
    noteChange(disk.store);
    expect([bound, beside, foreign].map(({ isChanged }) => isChanged)).toEqual([true, true, true]);
  });

  it('a device in use is verified by identity, place, size and generation', () => {
    const table = tableOf();
    const disk = deviceOf(64, 'lv/one');
    const record = storeRecordOf(part(disk, 8, 16));
    expect(record).toEqual({ identity: 'lv/one', firstBlock: 8, sectorCount: 128, generation: 0 });
    const renamed = { ...disk, store: { ...disk.store, identity: 'lv/two' } };
    const others = [part(disk, 0, 16), part(disk, 8, 17), part(renamed, 8, 16)];
    expect(others.map((device) => table.verify(record, device))).toEqual(others.map(() => Reason.otherDisk));
    noteChange(disk.store, 24);
    expect(table.verify(record, part(disk, 8, 16))).toBe(Reason.ok);
    noteChange(disk.store, 23);
    expect(table.verify(record, part(disk, 8, 16))).toBe(Reason.diskChanged);
    expect(generationOf(part(disk, 8, 16).store)).toBe(1);
  });

  it('a device in use that another hypervisor left may have been written to by this one: it knows which blocks', () => {
    const table = tableOf();
    const disk = deviceOf(64);
    const device = part(disk, 0, 32);
    const record = storeRecordOf(device);
    const beside = table.bind(part(disk, 16, 32))!;
    noteChange(disk.store, 20, 2, table.own);
    expect([table.verify(record, device), table.verifyLeft(record, device)]).toEqual([Reason.diskChanged, Reason.ok]);
    const { number } = table.bind(device)!;
    expect(table.ownWrites(table.bind(part(disk, 32, 8))!.number)).toBeUndefined();
    expect([19, 20, 21, 22].map((block) => table.ownWrites(number)?.(block))).toEqual([false, true, true, false]);
    noteChange(disk.store, 3);
    expect(table.verifyLeft(record, device)).toBe(Reason.diskChanged);
    expect(beside.isChanged).toBe(false);
  });
});
