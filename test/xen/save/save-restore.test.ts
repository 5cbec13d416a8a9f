// Save and restore of a domain, with a guest that is nothing but what the test makes of it.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/base/crc32c.ts';
import { putField } from '../../../src/base/layout.ts';
import { type Arch, ARCHS, DOM0, FRAME_NUMBER_BYTES, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { noteChange } from '../../../src/disk/image/backing-store.ts';
import type { Process } from '../../../src/sim/index.ts';
import {
  domainOf,
  Provenance,
  Reason,
  restoreDomain,
  type RestoreOutcome,
  saveDomain,
} from '../../../src/xen/index.ts';
import { Virq } from '../../../src/xen/public/index.ts';
import { BATCH_PAGES, decodeFact, SAVE_HEADER, SAVE_MAGIC, SAVE_VERSION } from '../../../src/xen/save/format.ts';
import { decodeDomainState } from '../../../src/xen/records/domain-state.ts';
import { seal } from '../../../src/xen/records/records.ts';
import { mustBeSameBytes } from '../../support/bytes.ts';
import { property } from '../../support/property.ts';
import {
  restartGuest,
  BOOT_PAGES,
  bootMachine,
  cacheBlocks,
  LEAST_PAGES,
  type MiniGuest,
  REGISTERS,
  startGuest,
  stateOf,
  suspends,
  TestDisk,
  type TestMachine,
} from '../../support/machine.ts';

const FILE_BLOCKS = 1060;
const fileFor = ({ simulation, memory }: TestMachine): TestDisk => new TestDisk(simulation, memory, FILE_BLOCKS);

function save(machine: TestMachine, guest: MiniGuest, file: TestDisk) {
  let before: ReturnType<typeof stateOf> | undefined;
  // The first write is when it stands still.
  file.onFrame = () => {
    before ??= stateOf(machine, guest.domain);
  };
  const outcome = machine.simulation.runProcess(
    'save',
    saveDomain(machine, guest.domain, { device: machine.disk, cmdLine: 'cachemap=all' }, file),
  );
  return { outcome, before };
}

const restore = (machine: TestMachine, file: TestDisk, vouch = false) =>
  machine.simulation.runProcess('restore', restoreDomain(machine, file, { device: machine.disk, vouch }));

describe('a domain that is saved and restored', () => {
  property(
    'a domain that is saved and restored has every byte, register and event channel that it had, and its programs go on',
    fc.array(fc.tuple(fc.integer({ min: BOOT_PAGES, max: LEAST_PAGES - 2 }), fc.nat(255)), { maxLength: 30 }),
    fc.uniqueArray(fc.integer({ min: 700, max: 1000 }), { maxLength: 40 }),
    fc.array(fc.constantFrom('unbound', 'virq', 'ipi'), { maxLength: 6 }),
    fc.uniqueArray(fc.nat(63), { maxLength: 8 }),
    fc.nat(3000),
    fc.constantFrom(...ARCHS),
    fc.array(fc.tuple(fc.nat(5), fc.uint8Array({ maxLength: 900 })), { maxLength: 12 }),
    (stores, given, ports, blocks, latencyNs, arch, puts) => {
      const machine = bootMachine(1, { arch });
      const { hypervisor, toolstack, disk, simulation } = machine;
      const guest = startGuest(machine);
      const file = fileFor(machine);
      const { memory, hypercalls } = guest.domain.environment;
      for (const [pfn, value] of stores) memory.zero(Pfn(pfn), value, 10);
      for (const [pfn, value] of stores) memory.writeU32(Pfn(pfn), 4 * value, value);
      hypercalls.decreaseReservation(given);
      for (const [key, bytes] of puts) hypercalls.recoveryBox.put(key, bytes);
      for (const port of new Set(ports)) {
        if (port === 'unbound') hypercalls.eventChannels.allocUnbound(DOM0);
        if (port === 'virq') hypercalls.eventChannels.bindVirq(Virq.suspend);
        if (port === 'ipi') hypercalls.eventChannels.bindIpi();
      }
      // In flight when it suspends itself: the bytes arrive, or do not; then they are as they are.
      disk.latencyNs = latencyNs;
      blocks.forEach((block, i) => guest.read(100 + i, block));
      const seen = suspends(guest);
      const old = guest.domain;
      const { outcome, before } = save(machine, guest, file);
      expect(outcome).toHaveProperty('value.bytes');
      const restored = restore(machine, file);
      if (!restored.ok) throw new Error(restored.reason.why);
      expect(stateOf(machine, restored.value.domain)).toEqual(before);
      if (puts.length > 0) expect(before!.box.size).toBeGreaterThan(0);
      expect(restored.value.domain.registers).toEqual(REGISTERS);
      expect(old.state).toBe('dead');
      simulation.run();
      toolstack.list.checkInvariants();
      restored.value.domain.events.checkInvariants();
      expect(seen.registers).toEqual(REGISTERS);
      // Its frames, and those of domain 0, are free; it can give pages back and get them again.
      expect(hypervisor.scrubber.frames.length).toBe(0);
      expect(hypercalls.increaseReservation(given)).toBe(given.length);
      expect(restored.value.domain.pageCount).toBe(LEAST_PAGES);
    },
    { numRuns: 6, lawRuns: 25 },
  );
});

/** A machine with a saved guest, and the file's bytes. */
function savedGuest(arch: Arch): { machine: TestMachine; bytes: Uint8Array } {
  const machine = bootMachine(1, { arch });
  const guest = startGuest(machine);
  cacheBlocks(machine, guest, [3, 4, 9]);
  guest.domain.environment.hypercalls.decreaseReservation([800, 802]);
  // The last block of the file is of the box: it is not zero.
  guest.domain.environment.hypercalls.recoveryBox.put(1, new Uint8Array(4000).fill(7));
  suspends(guest);
  const file = fileFor(machine);
  const { outcome } = save(machine, guest, file);
  if (!outcome.ok) throw new Error(outcome.reason.why);
  machine.simulation.run();
  return { machine, bytes: file.bytes.slice(0, outcome.value.bytes) };
}

/** A file of its own with these bytes. */
function fileOf({ simulation, memory }: TestMachine, bytes: Uint8Array): TestDisk {
  const file = new TestDisk(simulation, memory, Math.floor(bytes.length / PAGE_SIZE));
  file.bytes.set(bytes.subarray(0, file.bytes.length));
  return file;
}

/**
 * The parts of the body that are no pages, in words. Batches of 1024 and of 7, and the end of
 * batches with two unmapped pages, come first. Then come the domain state, its first ports, three
 * facts, and the head of the recovery box. The number of a page has `each` words.
 */
function placesOf(arch: Arch) {
  const each = FRAME_NUMBER_BYTES[arch] / 4;
  const secondBatch = 1 + 1024 * each + 1024 * 1024;
  const endOfBatches = secondBatch + 1 + 7 * each + 7 * 1024;
  const state = endOfBatches + 1 + 2 * each;
  const facts = state + 2048;
  const all = [
    [0, 1 + 1024 * each],
    [secondBatch, 1 + 7 * each],
    [endOfBatches, 1 + 2 * each],
    [state, 32],
    [state + 1024, 8],
    [facts, 24],
    [facts + 24, 8],
  ] as const;
  return { each, secondBatch, unmapped: endOfBatches + 1, state, facts, all };
}

describe('a save file', () => {
  const saved = Object.fromEntries(
    ARCHS.map((arch) => {
      const { machine, bytes } = savedGuest(arch);
      return [arch, { machine, bytes, free: machine.hypervisor.allocator.freeCount, places: placesOf(arch) }];
    }),
  ) as Record<Arch, ReturnType<typeof savedGuest> & { free: number; places: ReturnType<typeof placesOf> }>;
  const isRefused = (arch: Arch, file: TestDisk, problem: unknown = expect.any(String)): void => {
    const { machine, free } = saved[arch];
    expect(restore(machine, file)).toEqual({ ok: false, reason: { kind: 'failed', why: problem } });
    machine.simulation.run();
    expect(machine.toolstack.list.entries).toEqual([]);
    expect(machine.hypervisor.allocator.freeCount).toBe(free);
  };
  const { machine, bytes, free } = saved.x86_64;

  it('a save file has the parts that the head of format.ts draws, in that order', () => {
    const { places, bytes } = saved.x86_64;
    const words = new DataView(bytes.buffer, bytes.byteOffset);
    const word = (at: number): number => words.getUint32(PAGE_SIZE + 4 * at, true);
    const part = (at: number, length: number): Uint8Array => bytes.subarray(PAGE_SIZE + 4 * at).subarray(0, length);
    const box = places.facts + 24;
    const order: readonly (readonly [string, number, boolean])[] = [
      ['batches of pages', 0, word(0) === BATCH_PAGES && word(places.unmapped - 1) === 0],
      ['unmapped pages', places.unmapped, word(places.unmapped) === 800 && word(places.unmapped + 2) === 802],
      ['domain state and event channels', places.state, decodeDomainState(part(places.state, 8192), 'x86_64').ok],
      ['facts of frames', places.facts, decodeFact(part(places.facts, 32), 'x86_64') !== undefined],
      ['recovery box', box, part(box, 4096).includes(7)],
    ];
    for (const [what, , isThere] of order) expect([what, isThere]).toEqual([what, true]);
    expect(order.map(([, at]) => at)).toEqual(order.map(([, at]) => at).sort((a, b) => a - b));
    const source = readFileSync(new URL('../../../src/xen/save/format.ts', import.meta.url), 'utf8');
    const drawn = [...source.matchAll(/^ \* \| (?:header|      ) \| ([a-z ]+[a-z])[,:]/gm)].map((match) => match[1]);
    expect(drawn).toEqual(order.map(([what]) => what));
    expect(bytes.subarray(0, 8)).toEqual(Uint8Array.from(SAVE_MAGIC));
  });

  property(
    'a save file with any byte changed is refused, and nothing of it stays',
    fc.constantFrom<Arch>(...ARCHS),
    fc.oneof(
      fc.nat(bytes.length - 1),
      fc.nat(SAVE_HEADER.x86_64.size - 1),
      fc.integer({ min: 4229000, max: bytes.length - 1 }),
    ),
    fc.integer({ min: 1, max: 255 }),
    (arch, at, flip) => {
      const { machine, bytes } = saved[arch];
      const damaged = bytes.slice();
      damaged[at % damaged.length]! ^= flip;
      isRefused(arch, fileOf(machine, damaged));
    },
    { numRuns: 25, lawRuns: 60, examples: [[ARCHS[0] as Arch, bytes.length - 1, 1]] },
  );

  property(
    'a save file that is cut anywhere is refused',
    fc.nat(bytes.length / PAGE_SIZE - 1),
    (blocks) => {
      // Both a file that ends there, and one of which the rest was never written.
      isRefused('x86_64', fileOf(machine, bytes.slice(0, blocks * PAGE_SIZE)));
      const rest = bytes.slice();
      rest.fill(0, blocks * PAGE_SIZE);
      isRefused('x86_64', fileOf(machine, rest));
    },
    { numRuns: 10, lawRuns: 20, examples: [[0], [bytes.length / PAGE_SIZE - 1]] },
  );

  it('a save file of the other architecture is refused', () => {
    const file = fileOf(saved.x86_64.machine, saved.x86_32.bytes);
    isRefused('x86_64', file, 'save header: of an x86_32 machine, not x86_64');
    mustBeSameBytes(file.bytes.subarray(0, saved.x86_32.bytes.length), saved.x86_32.bytes, 'the file');
  });

  it('a save file on a device that fails is refused', () => {
    const file = fileOf(machine, bytes);
    file.failPercent = 40;
    isRefused('x86_64', file, 'the device fails');
  });

  it('a save file is refused when there is no memory for the domain', () => {
    const { allocator } = machine.hypervisor;
    const others = new Uint32Array(allocator.freeCount - 1000);
    allocator.allocate(others);
    expect(restore(machine, fileOf(machine, bytes))).toHaveProperty(
      'reason.why',
      'ENOMEM: 1,031 machine frames wanted, 744 are free',
    );
    machine.simulation.run();
    for (const mfn of others) allocator.free(mfn as never);
    expect(allocator.freeCount).toBe(free);
  });

  type HeaderField = 'nrPages' | 'mappedPages' | 'factCount' | 'bootPages' | 'consumed';
  /**
   * The file with other words in its body and other numbers in its header, and with every checksum
   * right.
   */
  const forge = (
    arch: Arch,
    words: readonly (readonly [at: number, value: number])[],
    fields: readonly (readonly [HeaderField, number])[] = [],
  ): TestDisk => {
    const { machine, bytes } = saved[arch];
    const layout = SAVE_HEADER[arch];
    const forged = bytes.slice();
    const body = new Uint32Array(forged.buffer, PAGE_SIZE);
    for (const [at, value] of words) body[at] = value;
    const header = forged.subarray(0, layout.size);
    for (const [name, value] of fields) putField(layout, header, 0, name, value);
    putField(layout, header, 0, 'bodyCrc', crc32c(forged, PAGE_SIZE));
    seal(layout, header, SAVE_MAGIC, SAVE_VERSION);
    return fileOf(machine, forged);
  };

  it.each(ARCHS)('a save file of %s that tells nonsense, with every checksum right, is refused for it', (arch) => {
    const pages = 'its pages are not those of a domain';
    const missing = 'its pages are not all there';
    const none = 'its unmapped pages are none of its own';
    const bad = 'its facts are not those of its frames';
    const { each, secondBatch, unmapped, state, facts } = saved[arch].places;
    const isFound = (words: Parameters<typeof forge>[1], problem: string): void =>
      isRefused(arch, forge(arch, words), problem);
    isFound([[0, 1025]], pages);
    isFound([[0, 0]], missing);
    isFound([[1, 17]], missing);
    isFound([[1, 0x1000_0000]], pages);
    isFound([[1, LEAST_PAGES]], pages);
    // What follows is read one page too early, and there the words are others.
    isFound([[secondBatch, 6]], arch === 'x86_64' ? none : missing);
    isFound([[unmapped, 17]], missing);
    isFound([[unmapped, 802]], none);
    isFound([[state + 5, 99]], 'domain state: bad checksum');
    isFound([[facts, 800]], bad);
    isFound([[facts, 102]], bad);
    isFound([[facts + each, 8]], bad);
    isFound([[facts + 7, 1]], bad);
    isFound([[facts + 24 + 1024, 1]], 'it does not end where it should');
    if (arch === 'x86_64') {
      // Upper halves: a page beyond 32 bits, and a type.
      isFound([[2, 1]], pages);
      isFound([[2, 0x1000_0000]], pages);
      isFound([[unmapped + 1, 1]], none);
      isFound([[facts + 1, 1]], bad);
    }
    isRefused(arch, forge(arch, [], [['mappedPages', 1030]]), 'save header: its length is not that of its pages');
    isRefused(arch, forge(arch, [], [['consumed', 1]]), 'save header: consumed already');
  });

  property(
    'a save file that somebody forged, with every checksum right, is restored or refused',
    fc
      .constantFrom(...ARCHS)
      .chain((arch) =>
        fc.tuple(
          fc.constant(arch),
          fc.array(
            fc.tuple(
              fc.oneof(...saved[arch].places.all.map(([min, words]) => fc.integer({ min, max: min + words - 1 }))),
              fc.oneof(fc.nat(1100), fc.nat(0xffff_ffff)),
            ),
            { minLength: 1, maxLength: 3 },
          ),
        ),
      ),
    fc.array(
      fc.tuple(
        fc.constantFrom<HeaderField>('nrPages', 'mappedPages', 'factCount', 'bootPages', 'consumed'),
        fc.oneof(fc.nat(1100), fc.nat(0xffff_ffff)),
      ),
      { maxLength: 2 },
    ),
    ([arch, words], fields) => {
      const { machine, free } = saved[arch];
      const outcome = restore(machine, forge(arch, words, fields));
      if (outcome.ok) machine.simulation.runProcess('destroy', machine.toolstack.destroyDomain(outcome.value.domain));
      machine.simulation.run();
      machine.toolstack.list.checkInvariants();
      expect(machine.hypervisor.allocator.freeCount).toBe(free);
    },
    { numRuns: 14, lawRuns: 60 },
  );
});

describe('saving', () => {
  const stuck = (failPercent: number, suspendable = true) => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const seen = suspendable ? suspends(guest) : undefined;
    const file = fileFor(machine);
    file.failPercent = failPercent;
    return { machine, guest, seen, file };
  };

  it('a save to a device that fails goes on with the guest where it is', () => {
    const { machine, guest, seen, file } = stuck(50);
    const { outcome, before } = save(machine, guest, file);
    if (outcome.ok || outcome.reason.domain === undefined) throw new Error('it was saved');
    expect(outcome.reason.why).toBe('the device fails');
    expect(stateOf(machine, outcome.reason.domain)).toEqual(before);
    machine.simulation.run();
    machine.toolstack.list.checkInvariants();
    expect(seen!.registers).toEqual(REGISTERS);
    expect(outcome.reason.domain.isRunning).toBe(true);
    // What was written of it is no file.
    file.failPercent = 0;
    expect(restore(machine, file)).toHaveProperty('reason.why');
  });

  it('a save to a device that fails goes on only with a disk that nobody has written to meanwhile', () => {
    const { machine, guest, file } = stuck(0);
    const submit = file.submit.bind(file);
    file.submit = (request) => {
      if (guest.domain.state !== 'suspended') {
        submit(request);
        return;
      }
      noteChange(machine.disk.store, 5);
      submit({ ...request, done: () => request.done('EIO') });
    };
    const { outcome } = save(machine, guest, file);
    expect(outcome).toEqual({ ok: false, reason: { kind: 'failed', why: 'the device fails', domain: undefined } });
    expect(guest.domain.state).toBe('suspended');
    machine.toolstack.list.checkInvariants();
  });

  it('saving flushes the guest’s disk, takes the old header away, and writes the new one when all else is on the medium', () => {
    const { machine, guest, file } = stuck(0);
    const log: string[] = [];
    for (const [name, device] of Object.entries({ disk: machine.disk, file })) {
      const submit = device.submit.bind(device);
      device.submit = (request) => {
        log.push(`${name}: ${request.op} ${request.sector}`);
        submit({
          ...request,
          done: (error) => {
            log.push(`${name}: done ${request.sector}`);
            request.done(error);
          },
        });
      };
    }
    save(machine, guest, file);
    const header = ['file: write 0', 'file: done 0'];
    const flush = (name: string): string[] => [`${name}: flush 0`, `${name}: done 0`];
    expect(log.slice(0, 4)).toEqual([...flush('disk'), ...header]);
    expect(log.slice(-6)).toEqual([...flush('file'), ...header, ...flush('file')]);
    expect(log.slice(4, -6).some((line) => line.endsWith(' 0'))).toBe(false);
  });

  it('saving of a guest that does not suspend itself is given up', () => {
    const { machine, guest, file } = stuck(0, false);
    const { outcome } = save(machine, guest, file);
    expect(outcome).toEqual({
      ok: false,
      reason: { kind: 'failed', why: 'it does not suspend itself', domain: guest.domain },
    });
    machine.simulation.run();
    machine.toolstack.list.checkInvariants();
    expect(guest.domain.isRunning).toBe(true);
  });

  it('a save to a file that is too small is refused before the guest is asked', () => {
    const { machine, guest } = stuck(0);
    const file = new TestDisk(machine.simulation, machine.memory, LEAST_PAGES);
    const { outcome } = save(machine, guest, file);
    expect(outcome).toEqual({
      ok: false,
      reason: { kind: 'failed', why: 'the file is too small', domain: guest.domain },
    });
    expect(guest.domain.isRunning).toBe(true);
  });

  it('saving is for one state of the disk: a write to that at any event of the restore ends it, and the file is as it was', () => {
    /** Restores, with a write to the disk after so many events. */
    const writtenAfter = (at: number) => {
      const { machine, guest, file } = stuck(0);
      save(machine, guest, file);
      const { hypervisor, disk, toolstack, simulation } = machine;
      simulation.run();
      const [free, bytes] = [hypervisor.allocator.freeCount, file.bytes.slice()];
      let outcome: RestoreOutcome | undefined;
      const process = function* (): Process {
        outcome = yield* restoreDomain(machine, file, { device: disk, vouch: false });
      };
      hypervisor.power.spawn('restore', process());
      let [events, consumedAt] = [0, Infinity];
      file.onFrame = (_, __, { op }) => {
        if (op === 'write') consumedAt = Math.min(consumedAt, events);
      };
      while (outcome === undefined && events < at && simulation.step()) events++;
      if (events === at) noteChange(disk.store, 5);
      simulation.run();
      toolstack.list.checkInvariants();
      const isSame = Buffer.compare(file.bytes, bytes) === 0;
      const left = [toolstack.list.entries.length, hypervisor.allocator.freeCount - free];
      return { outcome, events, consumedAt, isSame, left };
    };
    const { outcome, events, consumedAt, isSame } = writtenAfter(Infinity);
    expect([outcome?.ok, isSame]).toEqual([true, false]);
    // Everything from the event at which the file is about to be consumed until the guest goes on,
    // and some before.
    expect(events - consumedAt).toBeGreaterThan(5);
    const last = Array.from({ length: events - consumedAt + 1 }, (_, i) => consumedAt - 1 + i);
    for (const at of [1, Math.floor(consumedAt / 2), ...last]) {
      const ended = writtenAfter(at);
      const problem = 'its disk was written to while it was away';
      expect([at, ended.outcome]).toEqual([at, { ok: false, reason: { kind: 'failed', why: problem } }]);
      expect([at, ended.isSame, ended.left]).toEqual([at, true, [0, 0]]);
    }
  });

  it.each(['write', 'flush'] as const)(
    'a save whose file cannot be marked for a %s that fails, may be tried again',
    (which) => {
      const { machine, guest, file } = stuck(0);
      save(machine, guest, file);
      const submit = file.submit.bind(file);
      let isBad = true;
      file.submit = (request) => {
        const fails = isBad && request.op === which;
        if (fails) isBad = false;
        submit(fails ? { ...request, done: () => request.done('EIO') } : request);
      };
      expect(restore(machine, file)).toEqual({ ok: false, reason: { kind: 'failed', why: 'the device fails' } });
      expect(isBad).toBe(false);
      expect(restore(machine, file)).toHaveProperty('value.domain');
    },
  );

  it('saving happens once: the file is consumed on the disk when the guest goes on', () => {
    const { machine, guest, file } = stuck(0);
    save(machine, guest, file);
    expect(restore(machine, file)).toHaveProperty('value.domain');
    expect(restore(machine, file)).toEqual({
      ok: false,
      reason: { kind: 'failed', why: 'save header: consumed already' },
    });
  });
});

describe('the cache-mapping table of a domain that was away', () => {
  const BLOCKS = [3, 4, 5, 9, 11];

  property(
    'the cache-mapping table of a domain that was away vouches for a page if and only if its block is what it was',
    fc.uniqueArray(fc.constantFrom(...BLOCKS)),
    fc.boolean(),
    fc.boolean(),
    (written, preserved, vouch) => {
      const machine = bootMachine();
      const { simulation, disk, hypervisor, toolstack } = machine;
      const first = startGuest(machine);
      cacheBlocks(machine, first, BLOCKS);
      const guest = preserved ? restartGuest(machine, first) : first;
      // Its own store, before it is saved: named, and equal to nothing.
      if (!preserved) guest.domain.environment.memory.writeU8(Pfn(102), 7, 1);
      suspends(guest);
      const file = fileFor(machine);
      save(machine, guest, file);
      for (const block of written) disk.block(block)[99]! ^= 1;
      const restored = restore(machine, file, vouch);
      if (!restored.ok) throw new Error(restored.reason.why);
      simulation.run();
      toolstack.list.checkInvariants();
      const { domain } = restored.value;
      for (const [i, block] of BLOCKS.entries()) {
        const mfn = domain.frameOf(Pfn(100 + i));
        const { frames } = hypervisor;
        const isClean = vouch && !written.includes(block) && (preserved || i !== 2);
        expect(frames.provenanceOf(mfn)).toBe(isClean ? Provenance.clean : Provenance.none);
        expect(frames.nameOf(mfn)).toEqual({ ino: 12, generation: 1, index: block });
        expect(frames.isPreserved(mfn)).toBe(preserved);
      }
      for (const block of preserved ? BLOCKS : []) {
        const { result, pfn } = guest.claim(12, block, block);
        expect(result).toBe(vouch && !written.includes(block) ? Reason.ok : Reason.dirty);
        expect(pfn).toBe(100 + BLOCKS.indexOf(block));
      }
    },
    { numRuns: 10, lawRuns: 20 },
  );
});

describe('dirty pages that are registered', () => {
  it('dirty pages that are registered are registered after a restore as they were: a crash then writes them home', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    cacheBlocks(machine, guest, [3]);
    const { memory } = guest.domain.environment;
    for (const [pfn, block] of [
      [100, 3],
      [200, 9],
      [201, 40],
    ] as const) {
      memory.writeU32(Pfn(pfn), 0, 1000 + block);
      expect(guest.dirty(pfn, block)).toBe(Reason.ok);
    }
    // A program may store to this one as it likes.
    memory.expose(Pfn(201));
    suspends(guest);
    const file = fileFor(machine);
    save(machine, guest, file);
    const restored = restore(machine, file);
    if (!restored.ok) throw new Error(restored.reason.why);
    machine.simulation.run();
    machine.toolstack.list.checkInvariants();
    const { frames } = machine.hypervisor;
    const state = [100, 200, 201].map((pfn) => {
      const mfn = restored.value.domain.frameOf(Pfn(pfn));
      return [frames.isDirty(mfn), frames.blockOf(mfn), frames.isOpen(mfn)];
    });
    expect(state).toEqual([
      [true, 3, false],
      [true, 9, false],
      [true, 40, true],
    ]);
    memory.writeU32(Pfn(201), 0, 2040);
    expect(() => memory.writeU32(Pfn(200), 0, 1)).toThrow();
    const { simulation, toolstack, disk } = machine;
    const restart = domainOf(toolstack.restartDomain(restored.value.domain, { preserve: true, writeDirty: true }));
    const next = simulation.runProcess('restart', restart);
    expect(next.stats.dirty.written).toBe(3);
    const words = [3, 9, 40].map((block) => new DataView(disk.bytes.buffer).getUint32(block * PAGE_SIZE, true));
    expect(words).toEqual([1003, 1009, 2040]);
  });
});
