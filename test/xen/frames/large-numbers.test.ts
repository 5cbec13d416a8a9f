/**
 * Numbers that small test machines never reach. Blocks go beyond 2^8, 2^16, 2^24 and up to the last
 * that a record can name, and rings go round several times. There are more dirty pages than
 * requests may be in flight, and domains in every slot.
 */

import { describe, expect, it } from 'vitest';
import { type Mfn, Ns, PAGE_SIZE, Pfn, SECTOR_SIZE } from '../../../src/base/index.ts';
import { xenMac } from '../../../src/base/ethernet.ts';
import { Medium } from '../../../src/disk/image/backing-store.ts';
import type { BlockDevice, BlockRequest } from '../../../src/disk/drive/block-device.ts';
import type { MachineMemory } from '../../../src/machine/memory.ts';
import type { Simulation } from '../../../src/sim/index.ts';
import { domainOf, Provenance, Reason, ShutdownReason } from '../../../src/xen/index.ts';
import { BlkifOp, BlkifStatus } from '../../../src/xen/public/index.ts';
import { DOMAIN_SLOTS } from '../../../src/xen/records/layouts.ts';
import {
  bootMachine,
  LEAST_PAGES,
  MIB,
  MiniGuest,
  restartGuest,
  startGuest,
  TestDisk,
  type TestMachine,
} from '../../support/machine.ts';
import { startNetGuest } from '../../support/net-guest.ts';

/**
 * A device of as many blocks as a block number can tell apart; what was never written is a pattern
 * of its number.
 */
class VastDisk implements BlockDevice {
  static readonly BLOCKS = 0x1_0000_0000;
  readonly sectorCount = (VastDisk.BLOCKS * PAGE_SIZE) / SECTOR_SIZE;
  readonly store = { identity: 'vast', firstBlock: 0, extents: new Medium(VastDisk.BLOCKS * PAGE_SIZE).extents };
  readonly requests: BlockRequest[] = [];
  readonly #written = new Map<number, Uint8Array>();
  readonly #simulation: Simulation;
  readonly #memory: MachineMemory;

  constructor({ simulation, memory }: TestMachine) {
    this.#simulation = simulation;
    this.#memory = memory;
  }

  block(block: number): Uint8Array {
    const bytes = this.#written.get(block);
    if (bytes !== undefined) return bytes;
    const fresh = Buffer.alloc(PAGE_SIZE);
    for (let at = 0; at < PAGE_SIZE; at += 8) {
      fresh.writeUInt32LE(block, at);
      fresh.writeUInt32LE(at, at + 4);
    }
    return new Uint8Array(fresh);
  }

  submit(request: BlockRequest): void {
    this.requests.push(request);
    this.#simulation.after(Ns(100), () => {
      let block = Math.floor(request.sector / 8);
      for (const { mfn } of request.segments) {
        if (request.op === 'read') this.#memory.copyIn(mfn, 0, this.block(block), 0, PAGE_SIZE);
        else if (request.op === 'write') this.#written.set(block, this.#memory.frame(mfn).slice());
        block++;
      }
      request.done(undefined);
    });
  }
}

/** The last number of each width and the first beyond it; the last block of all. */
const BLOCKS = [
  0, 1, 63, 64, 127, 128, 255, 256, 511, 512, 65_535, 65_536, 0xff_ffff, 0x100_0000, 0x1fff_ffff, 0x2000_0000,
  0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
];
const FIRST = 100;
const INO = 12;

describe('blocks up to the last one', () => {
  function start(): { machine: TestMachine; disk: VastDisk; guest: MiniGuest } {
    const machine = bootMachine();
    const disk = new VastDisk(machine);
    const config = { name: 'guest', memoryBytes: LEAST_PAGES * PAGE_SIZE, device: disk };
    const domain = machine.simulation.runProcess('create', domainOf(machine.toolstack.createDomain(config)));
    return { machine, disk, guest: new MiniGuest(machine, domain) };
  }
  const frameOf = (guest: MiniGuest, i: number): Mfn => guest.domain.frameOf(Pfn(FIRST + i));

  it('blocks up to the last one are read, named, kept and claimed, each for itself', () => {
    const { machine, disk, guest } = start();
    const { frames } = machine.hypervisor;
    BLOCKS.forEach((block, i) => guest.read(FIRST + i, block));
    machine.simulation.run();
    BLOCKS.forEach((block, i) => {
      const mfn = frameOf(guest, i);
      expect([frames.provenanceOf(mfn), frames.blockOf(mfn)]).toEqual([Provenance.clean, block]);
      expect(guest.page(FIRST + i)).toEqual(disk.block(block));
      // The index within the file is as large as the block.
      expect(guest.insert(FIRST + i, INO, block)).toBe(Reason.ok);
    });
    machine.toolstack.list.checkInvariants();
    const next = restartGuest(machine, guest);
    expect(next.domain.stats.preserved).toBe(BLOCKS.length);
    BLOCKS.forEach((block, i) => {
      expect(next.claim(INO, block, block)).toEqual({ result: Reason.ok, pfn: FIRST + i });
      expect(next.page(FIRST + i)).toEqual(disk.block(block));
    });
    machine.toolstack.list.checkInvariants();
  });

  it('blocks up to the last one are not taken for each other: a claim for another block of the same low bits is refused', () => {
    const { machine, guest } = start();
    BLOCKS.forEach((block, i) => guest.read(FIRST + i, block));
    machine.simulation.run();
    BLOCKS.forEach((block, i) => guest.insert(FIRST + i, INO, block));
    const next = restartGuest(machine, guest);
    for (const block of BLOCKS) {
      const other = (block ^ 0x8000_0000) >>> 0;
      const isOther = next.claim(INO, block, other);
      expect(isOther.result).toBe(Reason.staleBlock);
    }
  });

  it('blocks up to the last one take the provenance of exactly those that are overwritten', () => {
    const { machine, disk, guest } = start();
    const { frames } = machine.hypervisor;
    BLOCKS.forEach((block, i) => guest.read(FIRST + i, block));
    machine.simulation.run();
    const source = FIRST + BLOCKS.length;
    BLOCKS.forEach((block, i) => {
      guest.domain.environment.memory.writeU32(Pfn(source), 0, 0xabc0 + i);
      guest.write(source, block);
      machine.simulation.run();
      expect(Buffer.from(disk.block(block)).readUInt32LE(0)).toBe(0xabc0 + i);
      expect(BLOCKS.map((_, k) => frames.provenanceOf(frameOf(guest, k)))).toEqual(
        BLOCKS.map((_, k) => (k <= i ? Provenance.none : Provenance.clean)),
      );
    });
    machine.toolstack.list.checkInvariants();
  });

  it('blocks up to the last one are where dirty pages go home', () => {
    const { machine, disk, guest } = start();
    BLOCKS.forEach((block, i) => {
      guest.domain.environment.memory.writeU32(Pfn(FIRST + i), 8, 7000 + i);
      guest.dirty(FIRST + i, block);
    });
    guest.domain.environment.hypercalls.shutdown(ShutdownReason.crash);
    const next = restartGuest(machine, guest, { writeDirty: true });
    expect(next.domain.stats.dirty.written).toBe(BLOCKS.length);
    BLOCKS.forEach((block, i) => expect(Buffer.from(disk.block(block)).readUInt32LE(8)).toBe(7000 + i));
  });

  it('blocks end at the last one: the sector behind it, and a request that reaches beyond, are errors, and nothing reaches the device', () => {
    const { machine, disk, guest } = start();
    const last = disk.sectorCount - 1;
    const asked: [number, { pfn: number; first?: number; last?: number }[], number][] = [
      [last, [{ pfn: FIRST, first: 7, last: 7 }], BlkifStatus.ok],
      [last + 1, [{ pfn: FIRST, first: 7, last: 7 }], BlkifStatus.error],
      [last, [{ pfn: FIRST, first: 6, last: 7 }], BlkifStatus.error],
      [last - 7, [{ pfn: FIRST }], BlkifStatus.ok],
      [last - 7, [{ pfn: FIRST }, { pfn: FIRST + 1, first: 0, last: 0 }], BlkifStatus.error],
      [last - 6, [{ pfn: FIRST }], BlkifStatus.error],
      [2 ** 53, [{ pfn: FIRST }], BlkifStatus.error],
    ];
    for (const [sector, segments, status] of asked) {
      const before = disk.requests.length;
      const id = guest.request(BlkifOp.read, sector, segments);
      machine.simulation.run();
      expect([sector, guest.responses.get(id)]).toEqual([sector, status]);
      expect(disk.requests.length - before).toBe(status === BlkifStatus.ok ? 1 : 0);
    }
  });
});

describe('blocks of two devices', () => {
  it('blocks of two devices do not meet, whatever their numbers: what is written on one does not disturb reads on the other', () => {
    const machine = bootMachine();
    const guests = ['a', 'b'].map((name) => {
      const device = new VastDisk(machine);
      const config = { name, memoryBytes: LEAST_PAGES * PAGE_SIZE, device };
      const domain = machine.simulation.runProcess('create', domainOf(machine.toolstack.createDomain(config)));
      return new MiniGuest(machine, domain);
    });
    const { frames } = machine.hypervisor;
    for (const [reader, writer] of [guests, guests.toReversed()] as [MiniGuest, MiniGuest][]) {
      const mfnOf = (guest: MiniGuest, i: number) => guest.domain.frameOf(Pfn(FIRST + i));
      BLOCKS.forEach((block, i) => writer.write(FIRST + i, block));
      machine.simulation.run(() => frames.provenanceOf(mfnOf(writer, BLOCKS.length - 1)) === Provenance.writing);
      BLOCKS.forEach((block, i) => reader.read(FIRST + i, block));
      machine.simulation.run();
      for (const guest of [reader, writer])
        expect(BLOCKS.map((_, i) => frames.provenanceOf(mfnOf(guest, i)))).toEqual(BLOCKS.map(() => Provenance.clean));
    }
    machine.toolstack.list.checkInvariants();
  });
});

describe('more dirty pages than requests may be in flight', () => {
  const COUNT = 300;
  function crashed(blockOf: (i: number) => number) {
    const machine = bootMachine();
    const disk = new TestDisk(machine.simulation, machine.memory, 1024);
    const guest = startGuest({ ...machine, disk });
    for (let i = 0; i < COUNT; i++) {
      guest.domain.environment.memory.writeU32(Pfn(FIRST + i), 0, 50_000 + i);
      guest.dirty(FIRST + i, blockOf(i));
    }
    guest.domain.environment.hypercalls.shutdown(ShutdownReason.crash);
    let inFlight = 0;
    const seen = { most: 0, sizes: [] as number[], flushesAt: [] as number[] };
    const submit = disk.submit.bind(disk);
    disk.submit = (request) => {
      inFlight++;
      seen.most = Math.max(seen.most, inFlight);
      if (request.op === 'flush') seen.flushesAt.push(inFlight);
      else seen.sizes.push(request.segments.length);
      submit({
        ...request,
        done: (error) => {
          inFlight--;
          request.done(error);
        },
      });
    };
    return { machine: { ...machine, disk }, disk, guest, seen };
  }
  const firstWord = (disk: TestDisk, block: number): number => Buffer.from(disk.block(block)).readUInt32LE(0);

  it('dirty pages in flight are 128, of blocks that are no neighbours, and all are home before the one flush', () => {
    const { machine, disk, guest, seen } = crashed((i) => 3 * i);
    disk.latencyNs = 1_000_000;
    const next = restartGuest(machine, guest, { writeDirty: true });
    expect(seen).toEqual({ most: 128, sizes: new Array(COUNT).fill(1), flushesAt: [1] });
    expect(next.domain.stats.dirty.written).toBe(COUNT);
    for (let i = 0; i < COUNT; i++) expect(firstWord(disk, 3 * i)).toBe(50_000 + i);
  });

  it('dirty pages that are neighbours go 32 to a request, across 256 and 512', () => {
    const { machine, disk, guest, seen } = crashed((i) => 240 + i);
    restartGuest(machine, guest, { writeDirty: true });
    // 300 = 9 · 32 + 12.
    expect(seen.sizes).toEqual([...new Array<number>(9).fill(32), 12]);
    for (let i = 0; i < COUNT; i++) expect(firstWord(disk, 240 + i)).toBe(50_000 + i);
  });

  it('dirty pages of a request that fails are tried page by page', () => {
    const { machine, disk, guest, seen } = crashed((i) => 240 + i);
    const submit = disk.submit.bind(disk);
    // One sector of one block is bad.
    disk.submit = (request) => {
      const first = request.sector / 8;
      const isBad = request.op === 'write' && first <= 300 && first + request.segments.length > 300;
      if (isBad) seen.sizes.push(-request.segments.length);
      submit(isBad ? { ...request, segments: [], op: 'read', done: () => request.done('EIO') } : request);
    };
    const was = firstWord(disk, 300);
    const next = restartGuest(machine, guest, { writeDirty: true });
    expect(next.domain.stats.dirty).toMatchObject({ written: COUNT - 1, lost: { ioError: 1 } });
    expect(seen.sizes.filter((size) => size === -32 || size === -1)).toEqual([-32, -1]);
    expect(firstWord(disk, 300)).toBe(was);
    for (let i = 0; i < COUNT; i++) if (240 + i !== 300) expect(firstWord(disk, 240 + i)).toBe(50_000 + i);
  });
});

describe('rings that go round several times', () => {
  it('the network rings carry a thousand frames each way, in order, and lose none', () => {
    const machine = bootMachine();
    const [a, b] = [startNetGuest(machine, xenMac(1), 'a'), startNetGuest(machine, xenMac(2), 'b')];
    machine.simulation.run();
    const payload = (n: number): Uint8Array => Uint8Array.of(n & 255, n >> 8, 7);
    for (let n = 0; n < 1000; n++) {
      a.send(xenMac(2), payload(n));
      if (n % 3 === 0) b.send(xenMac(1), payload(n));
      // As many at a time as a guest has buffers.
      if (n % 64 === 63) machine.simulation.run();
    }
    machine.simulation.run();
    expect(b.received.map(({ payload: bytes }) => [...bytes])).toEqual(
      Array.from({ length: 1000 }, (_, n) => [...payload(n)]),
    );
    expect(a.received.map(({ payload: bytes }) => [...bytes])).toEqual(
      Array.from({ length: 334 }, (_, n) => [...payload(3 * n)]),
    );
    for (const { domain } of [a, b]) expect(domain.grants.pinCount).toBe(2);
  });

  it('the block ring answers a thousand requests, each once', () => {
    const machine = bootMachine();
    const disk = new TestDisk(machine.simulation, machine.memory, 600);
    const guest = startGuest({ ...machine, disk });
    const ids: number[] = [];
    for (let n = 0; n < 1000; n++) {
      while (!guest.hasRoom) machine.simulation.run(() => guest.hasRoom);
      ids.push(guest.read(FIRST + (n % 64), n % 600));
      if (n % 64 === 63) machine.simulation.run();
    }
    machine.simulation.run();
    expect(ids).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(ids.map((id) => guest.responses.get(id))).toEqual(ids.map(() => BlkifStatus.ok));
    expect(guest.responses.size).toBe(1000);
    for (let n = 960; n < 1000; n++) expect(guest.page(FIRST + (n % 64))).toEqual(disk.block(n % 600));
    expect(guest.domain.grants.pinCount).toBe(1);
  });
});

describe('every slot for domains', () => {
  it('every slot for domains is used, each domain keeps its own page, and the one more is refused', () => {
    // 95 guests of 1,033 pages.
    const machine = bootMachine(1, {}, (DOMAIN_SLOTS + 2) * 5 * MIB);
    const guests: MiniGuest[] = [];
    for (let n = 1; n < DOMAIN_SLOTS; n++) {
      const guest = startGuest(machine, `guest${n}`);
      expect(guest.domain.domid).toBe(n);
      guest.read(FIRST, n % 64);
      guests.push(guest);
    }
    machine.simulation.run();
    for (const guest of guests) guest.insert(FIRST, guest.domain.domid, 1);
    expect(() => startGuest(machine, 'one more')).toThrow();
    machine.toolstack.list.checkInvariants();
    for (const n of [0, 62, 63, 64, 93, 94]) {
      const next = restartGuest(machine, guests[n]!);
      expect(next.domain.stats.preserved).toBe(1);
      expect(next.claim(n + 1, 1, (n + 1) % 64)).toEqual({ result: Reason.ok, pfn: FIRST });
      expect(next.claim(n + 2, 1, (n + 2) % 64).result).toBe(Reason.absent);
    }
    machine.toolstack.list.checkInvariants();
  });
});
