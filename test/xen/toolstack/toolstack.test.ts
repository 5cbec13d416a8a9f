import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type Arch,
  ARCHS,
  crc32c,
  FRAME_NUMBER_BYTES,
  getField,
  Mfn,
  PAGE_SIZE,
  Pfn,
  reservedIsZero,
} from '../../../src/base/index.ts';
import { p2mFrames } from '../../../src/xen/frames/p2m.ts';
import { setP2mCrc } from '../../../src/xen/records/records.ts';
import { DOMAIN_RECORD, DOMAIN_RECORD_BYTES } from '../../../src/xen/records/layouts.ts';
import { domainOf, Provenance, Reason, REASON_NAMES, ShutdownReason } from '../../../src/xen/index.ts';
import { CMD_LINE_BYTES, START_INFO, START_INFO_PFN } from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import {
  BOOT_PAGES,
  bootMachine,
  cacheBlocks,
  LEAST_PAGES,
  type MiniGuest,
  restartGuest,
  startGuest,
} from '../../support/machine.ts';

const BLOCKS = [3, 9, 20, 21, 40];

function startInfo(guest: MiniGuest) {
  const page = guest.page(START_INFO_PFN);
  const field = (name: keyof typeof START_INFO.x86_64.offset) => getField(START_INFO.x86_64, page, 0, name);
  return { page, field };
}

function preservedPfns(guest: MiniGuest): number[] {
  const bitmap = guest.page(startInfo(guest).field('preservedPfn'));
  return Array.from({ length: guest.domain.nrPages }, (_, pfn) => pfn).filter((n) => bitmap[n >> 3]! & (1 << (n & 7)));
}

function total(refused: object): number {
  return (Object.values(refused) as number[]).reduce((sum, n) => sum + n, 0);
}

describe('frames', () => {
  const step = fc.record({
    what: fc.constantFrom('create', 'restart', 'restart', 'destroy', 'cache'),
    who: fc.nat(3),
    pages: fc.constantFrom(LEAST_PAGES, LEAST_PAGES, LEAST_PAGES + 37, LEAST_PAGES + 1030),
    preserve: fc.boolean(),
  });

  property(
    'frames have one owner each, over any creations, restarts and destructions',
    fc.nat(1000),
    fc.array(step, { maxLength: 14, size: 'max' }),
    (seed, steps) => {
      const machine = bootMachine(seed);
      const { simulation, toolstack, hypervisor, disk } = machine;
      const free = hypervisor.allocator.freeCount;
      const guests: MiniGuest[] = [];
      let created = 0;
      for (const { what, who, pages, preserve } of steps) {
        const guest = guests[who];
        const roomFor = pages - (what === 'restart' && guest ? guest.domain.nrPages : 0);
        try {
          if (what === 'create') guests.push(startGuest(machine, `d${created++}`, pages));
          else if (guest === undefined) continue;
          else if (what === 'cache') cacheBlocks(machine, guest, [who, who + 8], 100 + who);
          else if (what === 'restart')
            guests[who] = restartGuest(machine, guest, { preserve, memoryBytes: pages * PAGE_SIZE });
          else {
            simulation.runProcess('destroy', toolstack.destroyDomain(guest.domain));
            guests.splice(who, 1);
          }
        } catch (error) {
          if (!/: ENOMEM: /.test(String(error))) throw error;
          expect(roomFor).toBeGreaterThan(hypervisor.allocator.freeCount);
        }
        toolstack.list.checkInvariants();
        expect(toolstack.list.domains).toHaveLength(guests.length);
        for (const [i, { domain }] of guests.entries())
          for (let pfn = 0; pfn < domain.nrPages; pfn++) {
            const mfn = domain.frameOf(Pfn(pfn));
            if (hypervisor.frames.provenanceOf(mfn) === Provenance.clean && guests[i] !== undefined)
              expect(Buffer.compare(machine.memory.frame(mfn), disk.block(hypervisor.frames.blockOf(mfn)))).toBe(0);
          }
      }
      const held = guests.reduce((sum, { domain }) => sum + domain.nrPages, 0);
      expect(hypervisor.allocator.freeCount + hypervisor.scrubber.frames.length).toBe(free - held);
    },
    { numRuns: 12, lawRuns: 60 },
  );

  it('frames of a restarted domain are the same, under the same P2M', () => {
    const machine = bootMachine();
    const before = startGuest(machine);
    const frames = Array.from({ length: LEAST_PAGES }, (_, pfn) => before.domain.frameOf(Pfn(pfn)));
    const guest = restartGuest(machine, before);
    expect(Array.from({ length: LEAST_PAGES }, (_, pfn) => guest.domain.frameOf(Pfn(pfn)))).toEqual(frames);
  });
});

describe('between two guests', () => {
  // Where a byte may be damaged: everything that a rebuild reads.
  const place = fc.oneof(
    fc.record({ what: fc.constant('root' as const), at: fc.nat(127) }),
    fc.record({ what: fc.constant('domain' as const), at: fc.nat(DOMAIN_RECORD_BYTES - 1) }),
    fc.record({ what: fc.constant('p2m' as const), at: fc.nat(LEAST_PAGES * 8 - 1) }),
    fc.record({ what: fc.constant('frame' as const), at: fc.nat(31), pfn: fc.nat(LEAST_PAGES - 1) }),
    fc.record({ what: fc.constant('cached frame' as const), at: fc.nat(31), pfn: fc.integer({ min: 100, max: 104 }) }),
    fc.record({ what: fc.constant('any record' as const), at: fc.nat(4096 * 32 - 1) }),
  );
  const damage = fc.tuple(place, fc.integer({ min: 1, max: 255 }));

  function restartDamaged(arch: Arch, damages: [typeof place extends fc.Arbitrary<infer T> ? T : never, number][]) {
    const machine = bootMachine(damages.length, { arch });
    const bystander = startGuest(machine, 'bystander');
    const before = startGuest(machine);
    cacheBlocks(machine, bystander, [5, 6]);
    cacheBlocks(machine, before, BLOCKS);
    const { memory, hypervisor } = machine;
    const { map } = hypervisor;
    const recordAt = (mfn: number) => map.tableMfn * PAGE_SIZE + mfn * 32;
    const frames = Array.from({ length: LEAST_PAGES }, (_, pfn) => before.domain.frameOf(Pfn(pfn)));
    // The bystander was created first, so its list is the first one.
    const p2mAt = (map.p2mMfn + p2mFrames(arch, LEAST_PAGES)) * PAGE_SIZE;
    expect(memory.readU32(Mfn(p2mAt / PAGE_SIZE), 0)).toBe(frames[0]);
    const betweenGuests = () => {
      for (const [where, flip] of damages) {
        let at = where.at;
        if (where.what === 'domain') at += map.domainTableMfn * PAGE_SIZE + before.domain.domid * DOMAIN_RECORD_BYTES;
        if (where.what === 'p2m') at = p2mAt + (at % (LEAST_PAGES * FRAME_NUMBER_BYTES[arch]));
        if (where.what === 'frame' || where.what === 'cached frame') at += recordAt(frames[where.pfn]!);
        if (where.what === 'any record') at += map.tableMfn * PAGE_SIZE;
        const mfn = Mfn(Math.floor(at / PAGE_SIZE));
        memory.writeU8(mfn, at % PAGE_SIZE, memory.readU8(mfn, at % PAGE_SIZE) ^ flip);
      }
    };
    const guest = restartGuest(machine, before, { betweenGuests });
    const lost = { ...guest.domain.stats.refused };
    let reused = 0;
    let handedBack = 0;
    BLOCKS.forEach((block) => {
      const { result, pfn } = guest.claim(12, block, block);
      if (result === Reason.ok) {
        reused++;
        expect(Buffer.compare(guest.page(pfn), machine.disk.block(block))).toBe(0);
      } else if (result !== Reason.absent) handedBack++;
    });
    return { machine, bystander, guest, lost, reused, handedBack };
  }

  property(
    'a damaged byte in any table leads to a cold or partly cold start with a counted reason, never to a wrong page',
    fc.constantFrom(...ARCHS),
    damage,
    (arch, one) => {
      const { machine, bystander, guest, lost, reused } = restartDamaged(arch, [one]);
      const coldReason = guest.startInfo('coldReason');
      const where = one[0].what;
      if (where === 'root' || where === 'domain') {
        expect(coldReason).toBe(Reason.badTable);
        expect([reused, lost.badTable]).toEqual([0, BLOCKS.length]);
      } else if (where === 'p2m') {
        expect(coldReason).toBe(Reason.badP2m);
        expect([reused, lost.badP2m]).toEqual([0, BLOCKS.length]);
      } else if (where === 'frame') expect([coldReason, lost.corruptRecord]).toEqual([0, 1]);
      else if (where === 'cached frame')
        expect([coldReason, lost.corruptRecord, reused]).toEqual([0, 1, BLOCKS.length - 1]);
      // A named page is reused or counted: nothing is lost in silence.
      expect(reused + total(lost)).toBeGreaterThanOrEqual(BLOCKS.length);
      expect(guest.domain.stats.preserved).toBe(reused);
      if (where === 'any record') return;
      // The machine is whole again: no other domain has noticed, and the next restart is warm.
      machine.toolstack.list.checkInvariants();
      cacheBlocks(machine, guest, BLOCKS, 200);
      const next = restartGuest(machine, guest);
      for (const block of BLOCKS) expect(next.claim(12, block, block).result).toBe(Reason.ok);
      const other = restartGuest(machine, bystander);
      expect(other.claim(12, 5, 5).result).toBe(Reason.ok);
    },
    { numRuns: 25, lawRuns: 400 },
  );

  property(
    'damage of any kind leads to no wrong page, no exception and no loop',
    fc.constantFrom(...ARCHS),
    fc.array(damage, { minLength: 2, maxLength: 12 }),
    (arch, damages) => {
      const { guest } = restartDamaged(arch, damages);
      expect(guest.domain.state).toBe('running');
    },
    { numRuns: 20, lawRuns: 200 },
  );

  it('an upper half in the P2M list, and a checksum that fits, is a cold start: no frame is so far up', () => {
    const machine = bootMachine(1, { arch: 'x86_64' });
    const { memory, hypervisor, toolstack } = machine;
    const before = startGuest(machine);
    cacheBlocks(machine, before, BLOCKS);
    const { domid } = before.domain;
    const { p2m, p2mMfn } = toolstack.list.entryOf(before.domain);
    const guest = restartGuest(machine, before, {
      betweenGuests: () => {
        memory.writeU32(p2mMfn, 8 * 100 + 4, 1);
        setP2mCrc(memory, hypervisor.map, domid, p2m.crc);
      },
    });
    expect(guest.startInfo('coldReason')).toBe(Reason.badP2m);
    expect(guest.domain.stats.refused.badP2m).toBe(BLOCKS.length);
    toolstack.list.checkInvariants();
  });

  it('a rebuild that found a consumed record starts cold, once', () => {
    const machine = bootMachine();
    const before = startGuest(machine);
    cacheBlocks(machine, before, BLOCKS);
    const { map } = machine.hypervisor;
    const at = before.domain.domid * DOMAIN_RECORD_BYTES + DOMAIN_RECORD.x86_64.offset.consumed;
    const guest = restartGuest(machine, before, {
      betweenGuests: () => machine.memory.writeU32(map.domainTableMfn, at, 1),
    });
    expect(startInfo(guest).field('coldReason')).toBe(Reason.badTable);
    expect(startInfo(restartGuest(machine, guest)).field('coldReason')).toBe(0);
  });

  it('there are no tasks, timers or upcalls of the old guest, and its environment throws', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const { environment } = guest.domain;
    const { memory, hypercalls } = environment;
    let ticks = 0;
    environment.spawn(
      'ticker',
      (function* () {
        for (;;) {
          ticks++;
          yield 10;
        }
      })(),
    );
    environment.after(100_000 as never, () => ticks++);
    guest.read(100, 1);
    let atDeath = -1;
    restartGuest(machine, guest, { betweenGuests: () => (atDeath = ticks) });
    machine.simulation.run();
    expect(ticks).toBe(atDeath);
    expect(guest.responses.size).toBe(0);
    expect(() => environment.now).toThrow('gone');
    expect(() => memory.readU8(Pfn(1), 0)).toThrow('a guest that is gone');
    expect(() => memory.zero(Pfn(1), 0, 4)).toThrow('a guest that is gone');
    expect(() => hypercalls.eventChannels.send(guest.port)).toThrow('gone');
    expect(() => environment.spawn('x', (function* () {})())).toThrow('gone');
  });

  it('between two guests writes in flight reach the disk, and their pages are kept', () => {
    const machine = bootMachine();
    const before = startGuest(machine);
    before.domain.environment.memory.writeU32(Pfn(100), 0, 0xfeed);
    before.insert(100, 12, 3);
    before.write(100, 3);
    const mfn = before.domain.frameOf(Pfn(100));
    machine.simulation.run(() => machine.hypervisor.frames.provenanceOf(mfn) === Provenance.writing);
    const guest = restartGuest(machine, before);
    expect(machine.disk.block(3)[0]).toBe(0xed);
    expect(guest.claim(12, 3, 3)).toEqual({ result: Reason.ok, pfn: 100 });
  });

  it('a page whose block is written by another domain while it is preserved is dropped as dirty', () => {
    const machine = bootMachine();
    const [a, b] = [startGuest(machine, 'a'), startGuest(machine, 'b')];
    cacheBlocks(machine, a, [3]);
    b.write(100, 3);
    const guest = restartGuest(machine, a);
    expect(guest.claim(12, 3, 3).result).not.toBe(Reason.ok);
  });
});

describe('a restart', () => {
  it('a restart counts why each named page was not kept', () => {
    const machine = bootMachine();
    const before = startGuest(machine, 'guest', LEAST_PAGES + 100);
    cacheBlocks(machine, before, [1, 2, 3]);
    before.domain.environment.memory.writeU8(Pfn(101), 0, 1);
    before.read(BOOT_PAGES, 4);
    before.read(LEAST_PAGES + 50, 5);
    before.read(300, 6);
    before.read(301, 6);
    before.read(302, 7);
    machine.simulation.run();
    before.insert(BOOT_PAGES, 12, 4);
    before.insert(LEAST_PAGES + 50, 12, 5);
    before.insert(300, 12, 6);
    before.insert(301, 12, 6);
    const guest = restartGuest(machine, before, {
      memoryBytes: (LEAST_PAGES + 2) * PAGE_SIZE,
      module: new Uint8Array(5000).fill(7),
    }).domain;
    expect(guest.nrPages).toBe(LEAST_PAGES + 2);
    const counted = Object.entries(guest.stats.refused).filter(([, n]) => n > 0);
    expect(Object.fromEntries(counted)).toEqual({ dirty: 1, bootRegion: 1, memoryShrank: 1, duplicate: 1 });
    expect(guest.stats.preserved).toBe(3);
    machine.toolstack.list.checkInvariants();
  });

  it('a restart that is asked to preserve nothing scrubs everything and says so', () => {
    const machine = bootMachine();
    const before = startGuest(machine);
    cacheBlocks(machine, before, BLOCKS);
    const guest = restartGuest(machine, before, { preserve: false });
    expect(guest.domain.stats).toMatchObject({ preserved: 0, refused: { notAsked: BLOCKS.length } });
    expect(startInfo(guest).field('coldReason')).toBe(Reason.notAsked);
    for (let pfn = 50; pfn < guest.ring; pfn++)
      expect(machine.memory.isTouched(guest.domain.frameOf(Pfn(pfn)))).toBe(false);
  });

  it('a restart scrubs all that is not kept, and takes longer for it', () => {
    const machine = bootMachine();
    const before = startGuest(machine);
    cacheBlocks(machine, before, BLOCKS);
    before.domain.environment.memory.writeU32(Pfn(500), 0, 0x5ec4e7);
    const { frames } = machine.hypervisor;
    let kept = 0;
    restartGuest(machine, before, {
      betweenGuests: () => {
        for (let mfn = Mfn(machine.hypervisor.map.firstDomainMfn); mfn < machine.memory.frameCount; mfn++)
          if (machine.memory.isTouched(mfn)) kept += frames.isPreserved(mfn) ? 1 : 1000;
      },
    });
    expect(kept).toBe(BLOCKS.length);
  });

  it('a restart writes start_info, bitmap and module', () => {
    const machine = bootMachine();
    const before = startGuest(machine, 'guest', LEAST_PAGES + 2);
    cacheBlocks(machine, before, BLOCKS);
    const module = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
    const guest = restartGuest(machine, before, { module, cmdLine: 'root=/dev/sda1 größe' });
    const { page, field } = startInfo(guest);
    expect(Buffer.from(page.subarray(0, 8)).toString()).toBe('swstart1');
    expect(field('nrPages')).toBe(LEAST_PAGES + 2);
    expect(field('bootPages')).toBe(BOOT_PAGES + 2);
    expect(field('preservedCount')).toBe(BLOCKS.length);
    expect(field('moduleBytes')).toBe(5000);
    expect(reservedIsZero(START_INFO.x86_64, page, 0)).toBe(true);
    const head = crc32c(page, 0, START_INFO.x86_64.offset.checksum);
    expect(field('checksum')).toBe(crc32c(page, START_INFO.x86_64.offset.cmdLine, CMD_LINE_BYTES, head));
    const line = Buffer.from(page.subarray(START_INFO.x86_64.offset.cmdLine, START_INFO.x86_64.size)).toString();
    expect(line.replace(/\0+$/, '')).toBe('root=/dev/sda1 größe');
    const at = field('modulePfn');
    expect(Buffer.concat([guest.page(at), guest.page(at + 1)]).subarray(0, 5000)).toEqual(Buffer.from(module));
    expect(preservedPfns(guest)).toEqual([100, 101, 102, 103, 104]);
  });

  it('a restart begins new random streams at each boot, the same ones for the same seed', () => {
    const draws = (seed: number) => {
      const machine = bootMachine(seed);
      const before = startGuest(machine);
      const first = before.domain.environment.random('x').u32();
      return [first, restartGuest(machine, before).domain.environment.random('x').u32()];
    };
    expect(draws(4)).toEqual(draws(4));
    expect(new Set([...draws(4), ...draws(5)]).size).toBe(4);
  });

  it('a restart follows a guest that stopped itself', () => {
    const machine = bootMachine();
    const before = startGuest(machine);
    cacheBlocks(machine, before, BLOCKS);
    const watcher = machine.simulation.spawn('watcher', before.domain.stopped());
    before.domain.environment.hypercalls.shutdown(ShutdownReason.reboot);
    machine.simulation.run();
    expect(watcher.isOver).toBe(true);
    expect([before.domain.state, before.domain.shutdownReason]).toEqual(['shutdown', ShutdownReason.reboot]);
    const guest = restartGuest(machine, before);
    expect(before.domain.state).toBe('dead');
    expect(guest.domain.stats.preserved).toBe(BLOCKS.length);
    const again = machine.toolstack.restartDomain(before.domain, { preserve: true });
    expect(machine.simulation.runProcess('again', again)).toEqual({
      ok: false,
      reason: { kind: 'refused', why: 'there is no such domain' },
    });
  });
});

describe('a configuration that cannot be', () => {
  const create = (config: object) => () => {
    const { simulation, toolstack, disk } = bootMachine();
    const whole = { name: 'd', memoryBytes: LEAST_PAGES * PAGE_SIZE, device: disk, ...config };
    simulation.runProcess('create', domainOf(toolstack.createDomain(whole)));
  };

  it('a configuration that cannot be is one line that names the field', () => {
    for (const [config, field] of [
      [{ memoryBytes: 4097 }, 'memoryBytes'],
      [{ memoryBytes: (LEAST_PAGES - 1) * PAGE_SIZE }, 'memoryBytes'],
      [{ memoryBytes: NaN }, 'memoryBytes'],
      [{ name: 'x'.repeat(32) }, 'name'],
      [{ name: 'a\0b' }, 'name'],
      // Another name has the same bytes.
      [{ name: 'a\ud800' }, 'name'],
      [{ cmdLine: 'x'.repeat(CMD_LINE_BYTES) }, 'cmdLine'],
      [{ cmdLine: 'rio=on\0' }, 'cmdLine'],
    ] as const) {
      expect(create(config)).toThrow(ArgumentError);
      expect(create(config)).toThrow(new RegExp(`^${field}: [^\\n]+$`));
    }
  });

  it('a configuration that cannot be is ENOMEM when the machine has too little', () => {
    expect(create({ memoryBytes: 1 << 30 })).toThrow(/: ENOMEM: /);
  });

  it('a configuration that cannot be leaves a domain that cannot grow as it was', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const grow = { preserve: true, memoryBytes: 1 << 30 };
    expect(() => restartGuest(machine, guest, grow)).toThrow(/: ENOMEM: /);
    expect(guest.domain.state).toBe('running');
    machine.toolstack.list.checkInvariants();
    expect(restartGuest(machine, guest, { memoryBytes: 2 * LEAST_PAGES * PAGE_SIZE }).domain.nrPages).toBe(
      2 * LEAST_PAGES,
    );
    machine.toolstack.list.checkInvariants();
  });
});

it('codes of reasons are positions of their names', () => {
  expect(REASON_NAMES.map((name) => Reason[name])).toEqual(REASON_NAMES.map((_, i) => i));
});
