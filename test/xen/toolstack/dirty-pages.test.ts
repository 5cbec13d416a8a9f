// Dirty pages that a guest registers: what the hypervisor keeps of them, and how they are
// protected. When the guest has crashed, domain 0 writes them home.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestPanic, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { noteChange } from '../../../src/disk/image/backing-store.ts';
import type { BlockRequest } from '../../../src/disk/drive/block-device.ts';
import { checkWord, S_DIRTY, W_BLOCK, W_CHECK, W_STATE } from '../../../src/xen/frames/frame-record.ts';
import {
  type Protections,
  Provenance,
  Reason,
  restoreDomain,
  saveDomain,
  ShutdownReason,
} from '../../../src/xen/index.ts';
import { property } from '../../support/property.ts';
import {
  bootMachine,
  cacheBlocks,
  MiniGuest,
  restartGuest,
  startGuest,
  suspends,
  TestDisk,
  type TestMachine,
} from '../../support/machine.ts';

const FIRST = 100;

function start(protections: Partial<Protections> = {}, seed = 1): { machine: TestMachine; guest: MiniGuest } {
  const machine = bootMachine(seed, { protections });
  return { machine, guest: startGuest(machine) };
}

const memoryOf = (guest: MiniGuest) => guest.domain.environment.memory;
const mfnOf = (guest: MiniGuest, pfn: number) => guest.domain.frameOf(Pfn(pfn));

/** Stores to a page as a kernel's file-cache routines do. */
function store(guest: MiniGuest, pfn: number, value: number, at = 0): void {
  const memory = memoryOf(guest);
  memory.open(Pfn(pfn));
  memory.writeU32(Pfn(pfn), at, value);
  memory.close(Pfn(pfn));
}

function crash(guest: MiniGuest): void {
  guest.domain.environment.hypercalls.shutdown(ShutdownReason.crash);
}

function word(machine: TestMachine, block: number, at = 0): number {
  return Buffer.from(machine.disk.block(block)).readUInt32LE(at);
}

/** Makes pages dirty: page FIRST + i is newer than blocks[i] and holds i + 1. */
function dirty(guest: MiniGuest, blocks: readonly number[]): void {
  blocks.forEach((block, i) => {
    store(guest, FIRST + i, i + 1);
    guest.dirty(FIRST + i, block);
  });
}

describe('dirty pages of a guest that crashed', () => {
  it('dirty pages of a guest that crashed are written home upwards, neighbours together, before the next guest; then the drive is flushed', () => {
    const { machine, guest: before } = start();
    dirty(before, [9, 40, 3, 4, 5]);
    crash(before);
    const requests: BlockRequest[] = [];
    const submit = machine.disk.submit.bind(machine.disk);
    machine.disk.submit = (request) => {
      requests.push(request);
      submit(request);
    };
    const guest = restartGuest(machine, before, { writeDirty: true });
    expect(requests.map(({ op, sector, segments }) => [op, sector / 8, segments.length])).toEqual([
      ['write', 3, 3],
      ['write', 9, 1],
      ['write', 40, 1],
      ['flush', 0, 0],
    ]);
    expect([9, 40, 3, 4, 5].map((block) => word(machine, block))).toEqual([1, 2, 3, 4, 5]);
    expect(guest.domain.stats.dirty.written).toBe(5);
    // Nothing had a name: all is scrubbed.
    expect(guest.domain.stats.preserved).toBe(0);
    expect(guest.page(FIRST)).toEqual(new Uint8Array(PAGE_SIZE));
    machine.toolstack.list.checkInvariants();
  });

  it('dirty pages of a guest that crashed are lost unless that is asked for', () => {
    const { machine, guest: before } = start();
    dirty(before, [9]);
    const was = word(machine, 9);
    crash(before);
    const guest = restartGuest(machine, before);
    expect([word(machine, 9), guest.domain.stats.dirty.written]).toEqual([was, 0]);
    machine.toolstack.list.checkInvariants();
  });

  it('dirty pages of a guest that crashed are clean then, and kept under their names', () => {
    const { machine, guest: before } = start();
    cacheBlocks(machine, before, [3, 9], FIRST);
    store(before, FIRST, 7);
    before.dirty(FIRST, 3);
    crash(before);
    const guest = restartGuest(machine, before, { writeDirty: true });
    expect(guest.domain.stats.preserved).toBe(2);
    expect(guest.claim(12, 3, 3)).toEqual({ result: Reason.ok, pfn: FIRST });
    expect(guest.page(FIRST)).toEqual(machine.disk.block(3));
    expect(word(machine, 3)).toBe(7);
  });

  it('dirty pages of a guest that crashed are those that were not written: a write ends it, unless a store came meanwhile', () => {
    const { machine, guest } = start();
    const { frames } = machine.hypervisor;
    dirty(guest, [3, 4]);
    guest.write(FIRST, 3);
    guest.write(FIRST + 1, 4);
    machine.simulation.run(() => frames.provenanceOf(mfnOf(guest, FIRST + 1)) === Provenance.writing);
    expect([0, 1].map((i) => frames.isDirty(mfnOf(guest, FIRST + i)))).toEqual([true, true]);
    store(guest, FIRST + 1, 99);
    machine.simulation.run();
    expect([FIRST, FIRST + 1].map((pfn) => frames.isDirty(mfnOf(guest, pfn)))).toEqual([false, true]);
    expect(frames.provenanceOf(mfnOf(guest, FIRST))).toBe(Provenance.clean);
    crash(guest);
    const next = restartGuest(machine, guest, { writeDirty: true });
    expect([word(machine, 4), next.domain.stats.dirty.written]).toEqual([99, 1]);
  });

  it('dirty pages of a guest that crashed are those whose write failed, and no more a page that was erased or read into', () => {
    const { machine, guest } = start();
    const { frames } = machine.hypervisor;
    dirty(guest, [3, 4, 5]);
    machine.disk.failPercent = 100;
    guest.write(FIRST, 3);
    machine.simulation.run();
    machine.disk.failPercent = 0;
    guest.erase(FIRST + 1);
    guest.read(FIRST + 2, 8);
    machine.simulation.run(() => frames.provenanceOf(mfnOf(guest, FIRST + 2)) === Provenance.reading);
    expect(frames.isDirty(mfnOf(guest, FIRST + 2))).toBe(false);
    machine.simulation.run();
    expect([0, 1, 2].map((i) => frames.isDirty(mfnOf(guest, FIRST + i)))).toEqual([true, false, false]);
    // An erased page may get any use: it is not sealed.
    memoryOf(guest).writeU32(Pfn(FIRST + 1), 0, 1);
    machine.toolstack.list.checkInvariants();
  });

  it('a page that equals a block is clean no more when the guest says that it is dirty', () => {
    const { machine, guest } = start();
    const { frames } = machine.hypervisor;
    cacheBlocks(machine, guest, [3, 9], FIRST);
    guest.dirty(FIRST, 3);
    guest.dirty(FIRST + 1, 10);
    for (const pfn of [FIRST, FIRST + 1]) {
      expect(frames.isDirty(mfnOf(guest, pfn))).toBe(true);
      expect(frames.provenanceOf(mfnOf(guest, pfn))).toBe(Provenance.none);
    }
    machine.toolstack.list.checkInvariants();
  });

  it('a page that is written elsewhere is dirty still', () => {
    const { machine, guest: before } = start();
    dirty(before, [5]);
    before.write(FIRST, 8);
    machine.simulation.run();
    expect(word(machine, 8)).toBe(1);
    crash(before);
    restartGuest(machine, before, { writeDirty: true });
    expect(word(machine, 5)).toBe(1);
  });

  it('a drive that fails loses what it does not take, and no more', () => {
    const { machine, guest: before } = start();
    dirty(before, [3, 4, 5, 9]);
    crash(before);
    const submit = machine.disk.submit.bind(machine.disk);
    // Block 4 is bad.
    machine.disk.submit = (request) => {
      const end = request.sector / 8 + request.segments.length;
      const isBad = request.op === 'write' && request.sector / 8 <= 4 && end > 4;
      if (isBad) machine.simulation.after(10 as never, () => request.done('EIO'));
      else submit(request);
    };
    const guest = restartGuest(machine, before, { writeDirty: true });
    expect(guest.domain.stats.dirty).toMatchObject({ written: 3, lost: { ioError: 1 } });
    expect([3, 5, 9].map((block) => word(machine, block))).toEqual([1, 3, 4]);
    machine.toolstack.list.checkInvariants();
  });

  it('a block that the device has not, or that two pages want, is not written', () => {
    const { machine, guest: before } = start();
    dirty(before, [1 << 20, 5, 5, 6]);
    const was = word(machine, 5);
    crash(before);
    const guest = restartGuest(machine, before, { writeDirty: true });
    expect(guest.domain.stats.dirty).toMatchObject({ written: 1, lost: { ioError: 1, duplicate: 2 } });
    expect(word(machine, 5)).toBe(was);
  });

  it.each([
    ['one of its blocks', 4],
    ['another block', 50],
  ])('a disk of which somebody else has written %s gets none of them', (_, block) => {
    const { machine, guest: before } = start();
    dirty(before, [3, 4, 5, 9]);
    // A write of the guest's own does not count as one from elsewhere.
    before.write(FIRST + 3, 9);
    machine.simulation.run();
    crash(before);
    machine.disk.block(block).fill(7);
    noteChange(machine.disk.store, block);
    const was = machine.disk.bytes.slice();
    const guest = restartGuest(machine, before, { writeDirty: true });
    expect(guest.domain.stats.dirty).toMatchObject({ written: 0, lost: { diskChanged: 3 } });
    expect(Buffer.compare(machine.disk.bytes, was)).toBe(0);
    // The next guest has seen the disk as it is now.
    dirty(guest, [3, 4]);
    crash(guest);
    expect(restartGuest(machine, guest, { writeDirty: true }).domain.stats.dirty.written).toBe(2);
  });

  it('another disk gets none of a guest that was saved', () => {
    const { machine, guest } = start();
    const { simulation, memory, disk } = machine;
    const [file, another] = [new TestDisk(simulation, memory, 1060), new TestDisk(simulation, memory, 64)];
    dirty(guest, [3, 4, 5]);
    suspends(guest);
    const { domain } = guest;
    expect(simulation.runProcess('save', saveDomain(machine, domain, { device: disk }, file))).toHaveProperty(
      'value.bytes',
    );
    const was = another.bytes.slice();
    const restore = (device: TestDisk) =>
      simulation.runProcess('restore', restoreDomain(machine, file, { device, vouch: false }));
    expect(restore(another)).toEqual({ ok: false, reason: { kind: 'failed', why: 'its disk is another one' } });
    expect(Buffer.compare(another.bytes, was)).toBe(0);
    const outcome = restore(disk);
    if (!outcome.ok) throw new Error(outcome.reason.why);
    const next = new MiniGuest(machine, outcome.value.domain);
    crash(next);
    expect(restartGuest(machine, next, { writeDirty: true }).domain.stats.dirty.written).toBe(3);
    expect([3, 4, 5].map((block) => word(machine, block))).toEqual([1, 2, 3]);
  });

  const blocks = fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 20 });

  property(
    'any damage within a word of a record leaves its page unwritten, and every other written',
    blocks,
    fc.nat(7),
    fc.integer({ min: 1, max: 0xffff_ffff }),
    fc.nat(),
    (list, at, damage, which) => {
      const { machine, guest: before } = start();
      dirty(before, list);
      const was = list.map((block) => word(machine, block));
      crash(before);
      const { map, memory } = machine.hypervisor;
      const victim = which % list.length;
      const words = memory.words(map.tableMfn, map.tableFrames);
      words[mfnOf(before, FIRST + victim) * 8 + at]! ^= damage;
      const guest = restartGuest(machine, before, { writeDirty: true });
      expect(guest.domain.stats.dirty).toMatchObject({ written: list.length - 1, lost: { corruptRecord: 1 } });
      list.forEach((block, i) => {
        expect(word(machine, block)).toBe(i === victim ? was[i] : i + 1);
      });
      machine.toolstack.list.checkInvariants();
    },
    { numRuns: 16, lawRuns: 60 },
  );

  it('a damaged record is written to a wrong block without the record check', () => {
    const { machine, guest: before } = start({ recordCheck: false });
    dirty(before, [5]);
    crash(before);
    const { map, memory } = machine.hypervisor;
    memory.words(map.tableMfn, map.tableFrames)[mfnOf(before, FIRST) * 8 + W_BLOCK] = 6;
    restartGuest(machine, before, { writeDirty: true });
    expect(word(machine, 6)).toBe(1);
  });

  property(
    'what is written home is what memory had, and a dirty page is never clean, after any stores, registrations, writes and erasures',
    fc.nat(1000),
    fc.array(
      fc.record({
        what: fc.constantFrom('store', 'store', 'dirty', 'write', 'copy', 'read', 'erase', 'run', 'expose'),
        page: fc.nat(5),
        value: fc.integer({ min: 1, max: 1000 }),
      }),
      { maxLength: 50, size: 'max' },
    ),
    fc.record({ writeProtection: fc.constant(true), dirtyProtection: fc.boolean(), checksum: fc.boolean() }),
    (seed, steps, protections) => {
      const { machine, guest } = start(protections, seed);
      const { frames } = machine.hypervisor;
      const { simulation, disk } = machine;
      machine.disk.failPercent = 20;
      const wasRead = new Set<number>();
      for (const { what, page, value } of steps) {
        const pfn = FIRST + page;
        const block = 10 + page;
        if (['write', 'copy', 'read'].includes(what) && !guest.hasRoom) continue;
        // A guest knows nothing of a page that is being read: with a checksum it would be refused.
        if (what === 'dirty' && wasRead.has(page) && guest.domain.grants.pinnedFrames().has(mfnOf(guest, pfn)))
          continue;
        if (what === 'read') wasRead.add(page);
        if (what === 'store') store(guest, pfn, value);
        else if (what === 'dirty') guest.dirty(pfn, block);
        else if (what === 'write') guest.write(pfn, block);
        else if (what === 'copy') guest.write(pfn, 30 + page);
        else if (what === 'read') guest.read(pfn, block);
        else if (what === 'erase') guest.erase(pfn);
        else if (what === 'run') simulation.run(() => simulation.eventCount % 3 === 0);
        else {
          memoryOf(guest).expose(Pfn(pfn));
          memoryOf(guest).writeU32(Pfn(pfn), 8, value);
        }
        for (let i = 0; i < 6; i++) frames.checkRecord(mfnOf(guest, FIRST + i));
      }
      machine.toolstack.list.checkInvariants();
      crash(guest);
      // What is in flight when the guest dies still arrives.
      simulation.run();
      machine.disk.failPercent = 0;
      const registered = [0, 1, 2, 3, 4, 5].filter((page) => frames.isDirty(mfnOf(guest, FIRST + page)));
      const expected = registered.map((page) => Buffer.from(machine.memory.frame(mfnOf(guest, FIRST + page))));
      const next = restartGuest(machine, guest, { writeDirty: true });
      expect(next.domain.stats.dirty.written).toBe(registered.length);
      registered.forEach((page, i) => {
        expect(Buffer.compare(disk.block(10 + page), expected[i]!)).toBe(0);
      });
    },
    { numRuns: 30, lawRuns: 150 },
  );
});

describe('a sealed page', () => {
  it('a sealed page refuses stores, but for those of the file-cache routines, and those of a program that maps it', () => {
    const { machine, guest } = start();
    dirty(guest, [5]);
    const memory = memoryOf(guest);
    expect(() => memory.writeU32(Pfn(FIRST), 4, 666)).toThrow(GuestPanic);
    store(guest, FIRST, 8);
    expect(() => memory.writeU32(Pfn(FIRST), 4, 666)).toThrow(GuestPanic);
    memory.expose(Pfn(FIRST));
    memory.writeU32(Pfn(FIRST), 8, 9);
    crash(guest);
    restartGuest(machine, guest, { writeDirty: true });
    expect([0, 4, 8].map((at) => word(machine, 5, at))).toEqual([8, 0, 9]);
  });

  it('a sealed page is refused only while another page is open', () => {
    const { guest } = start();
    dirty(guest, [5, 6]);
    const memory = memoryOf(guest);
    memory.open(Pfn(FIRST));
    expect(() => memory.writeU32(Pfn(FIRST + 1), 4, 666)).toThrow(GuestPanic);
    memory.writeU32(Pfn(FIRST), 4, 1);
    memory.close(Pfn(FIRST));
  });

  it('a sealed page costs two hypercalls a store, and nothing without the protection', () => {
    const cost = (protections: Partial<Protections>): number => {
      const { guest } = start(protections);
      dirty(guest, [5]);
      const { hypercalls } = guest.domain.stats;
      const { cpu } = guest.domain.environment;
      const before = cpu.debt;
      store(guest, FIRST, 2);
      const owed = cpu.debt - before;
      expect(guest.domain.stats.hypercalls.ns - hypercalls.ns).toBeCloseTo(owed);
      return owed;
    };
    expect(cost({})).toBe(2 * (300 + 200));
    expect(cost({ dirtyProtection: false })).toBe(0);
    expect(cost({ dirtyProtection: false, checksum: true })).toBeCloseTo(0.01 * PAGE_SIZE);
  });

  it('a wild store is written to the disk without the protection; a checksum finds it', () => {
    for (const checksum of [false, true]) {
      const { machine, guest: before } = start({ dirtyProtection: false, checksum });
      dirty(before, [5, 6]);
      memoryOf(before).writeU32(Pfn(FIRST), 4, 666);
      const was = word(machine, 5, 4);
      crash(before);
      const guest = restartGuest(machine, before, { writeDirty: true });
      expect(word(machine, 5, 4)).toBe(checksum ? was : 666);
      expect(guest.domain.stats.dirty).toMatchObject({
        written: checksum ? 1 : 2,
        lost: { checksum: checksum ? 1 : 0 },
      });
    }
  });

  it('a sealed page whose record claims no checksum is not written, with checksums on', () => {
    const { machine, guest: before } = start({ checksum: true });
    dirty(before, [5]);
    const { map, memory } = machine.hypervisor;
    const words = memory.words(map.tableMfn, map.tableFrames);
    const at = mfnOf(before, FIRST) * 8;
    words[at + W_STATE]! &= ~0x20;
    words[at + W_CHECK] = checkWord(words, at, words[at + W_STATE]!);
    expect(words[at + W_STATE]! & S_DIRTY).toBe(S_DIRTY);
    crash(before);
    expect(restartGuest(machine, before, { writeDirty: true }).domain.stats.dirty).toMatchObject({
      written: 0,
      lost: { checksum: 1 },
    });
  });
});
