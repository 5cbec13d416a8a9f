import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE, Pfn, SECTOR_SIZE } from '../../../src/base/index.ts';
import { Provenance } from '../../../src/xen/index.ts';
import {
  BlkifOp,
  BlkifStatus,
  RING_HEADER,
  SEGMENTS_PER_REQUEST,
  VBD_FRONTEND,
} from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import { bootMachine, LEAST_PAGES, type MiniGuest, startGuest, type TestMachine } from '../../support/machine.ts';

/** Every frame of these that the hypervisor vouches for equals its block, now. */
function vouchedFramesEqualTheDisk({ hypervisor, disk, memory }: TestMachine, mfns: Iterable<Mfn>): void {
  for (const mfn of mfns)
    if (
      hypervisor.frames.provenanceOf(mfn) === Provenance.clean &&
      Buffer.compare(memory.frame(mfn), disk.block(hypervisor.frames.blockOf(mfn))) !== 0
    )
      throw new Error(`frame ${mfn} is not block ${hypervisor.frames.blockOf(mfn)}`);
}

const PAGES = 5;
const BLOCKS = 4;
const segment = fc
  .tuple(fc.nat(PAGES - 1), fc.boolean(), fc.nat(7), fc.nat(7))
  .map(([page, whole, a, b]) =>
    whole ? { pfn: 100 + page } : { pfn: 100 + page, first: Math.min(a, b), last: Math.max(a, b) },
  );
const request = fc.record({
  kind: fc.constantFrom('read' as const, 'write' as const),
  guest: fc.nat(1),
  sector: fc.oneof(
    fc.nat(BLOCKS - 1).map((block) => block * 8),
    fc.nat(BLOCKS * 8),
  ),
  segments: fc.oneof(
    { weight: 3, arbitrary: fc.nat(PAGES - 1).map((page) => [{ pfn: 100 + page }]) },
    fc.array(segment, { minLength: 1, maxLength: 3 }),
  ),
});
const store = fc.record({
  kind: fc.constant('store' as const),
  guest: fc.nat(1),
  page: fc.nat(PAGES - 1),
  value: fc.nat(255),
});
const steps = fc.record({ kind: fc.constant('step' as const), count: fc.integer({ min: 1, max: 12 }) });
const flush = fc.record({ kind: fc.constant('flush' as const), guest: fc.nat(1) });
const settle = fc.record({ kind: fc.constant('settle' as const) });

describe('provenance', () => {
  property(
    'a frame called clean equals its block, whatever two guests of one disk do and whatever the disk reorders',
    fc.nat(1000),
    fc.constantFrom(0, 0, 30),
    fc.array(fc.oneof({ weight: 4, arbitrary: request }, store, { weight: 2, arbitrary: steps }, flush, settle), {
      maxLength: 40,
      size: 'max',
    }),
    (seed, failPercent, actions) => {
      const machine = bootMachine(seed);
      machine.disk.failPercent = failPercent;
      const guests = [startGuest(machine, 'a'), startGuest(machine, 'b')] as const;
      const mfns = guests.flatMap(({ domain }) =>
        Array.from({ length: PAGES }, (_, page) => domain.frameOf(Pfn(100 + page))),
      );
      const check = () => vouchedFramesEqualTheDisk(machine, mfns);
      for (const action of actions) {
        if (action.kind === 'settle') machine.simulation.run();
        else if (action.kind === 'step') {
          for (let i = 0; i < action.count && machine.simulation.step(); i++) check();
        } else {
          const guest = guests[action.guest]!;
          if (action.kind === 'store')
            guest.domain.environment.memory.writeU8(Pfn(100 + action.page), 16 * action.value, action.value);
          else if (guest.hasRoom) {
            if (action.kind === 'flush') guest.request(BlkifOp.flush, 0, []);
            else guest.request(BlkifOp[action.kind], action.sector, action.segments);
          }
        }
        check();
      }
      while (machine.simulation.step()) check();
      machine.toolstack.list.checkInvariants();
    },
    { numRuns: 40, lawRuns: 400 },
  );

  it('provenance is clean and protected after a read, none after a store, clean after the write', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const { frames } = machine.hypervisor;
    const mfn = guest.domain.frameOf(Pfn(100));
    guest.read(100, 3);
    machine.simulation.run();
    expect([frames.provenanceOf(mfn), frames.blockOf(mfn), frames.isProtected(mfn)]).toEqual([
      Provenance.clean,
      3,
      true,
    ]);
    expect(guest.page(100)).toEqual(machine.disk.block(3));

    const owed = guest.domain.environment.cpu.debt;
    guest.domain.environment.memory.writeU32(Pfn(100), 8, 0x01020304);
    expect(frames.provenanceOf(mfn)).toBe(Provenance.none);
    expect(frames.isProtected(mfn)).toBe(false);
    expect(guest.domain.stats.traps).toBe(1);
    expect(guest.domain.environment.cpu.debt - owed).toBe(1200);

    guest.write(100, 5);
    machine.simulation.run();
    expect([frames.provenanceOf(mfn), frames.blockOf(mfn), frames.isProtected(mfn)]).toEqual([
      Provenance.clean,
      5,
      true,
    ]);
    expect(machine.disk.block(5)).toEqual(guest.page(100));
  });

  it('provenance is lost when another domain writes the block, even a part of it', () => {
    for (const last of [7, 2]) {
      const machine = bootMachine();
      const [a, b] = [startGuest(machine, 'a'), startGuest(machine, 'b')];
      a.read(100, 3);
      machine.simulation.run();
      b.request(BlkifOp.write, 3 * 8, [{ pfn: 100, last }]);
      machine.simulation.run();
      expect(machine.hypervisor.frames.provenanceOf(a.domain.frameOf(Pfn(100)))).toBe(Provenance.none);
    }
  });

  it('provenance is none after reads of less than a page, or across blocks', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    guest.request(BlkifOp.read, 8, [{ pfn: 100, first: 0, last: 3 }]);
    guest.request(BlkifOp.read, 12, [{ pfn: 101 }]);
    machine.simulation.run();
    expect(guest.responses).toEqual(
      new Map([
        [0, BlkifStatus.ok],
        [1, BlkifStatus.ok],
      ]),
    );
    expect(guest.page(101)).toEqual(machine.disk.bytes.slice(12 * SECTOR_SIZE, 20 * SECTOR_SIZE));
    for (const pfn of [100, 101])
      expect(machine.hypervisor.frames.provenanceOf(guest.domain.frameOf(Pfn(pfn)))).toBe(Provenance.none);
  });
});

describe('block back-end', () => {
  const bad: [string, (guest: MiniGuest) => number][] = [
    ['an unknown operation', (guest) => guest.request(9, 0, [{ pfn: 100 }])],
    ['a read of nothing', (guest) => guest.request(BlkifOp.read, 0, [])],
    ['a flush of something', (guest) => guest.request(BlkifOp.flush, 0, [{ pfn: 100 }])],
    ['too many segments', (guest) => guest.request(BlkifOp.read, 0, [{ pfn: 100 }], 12)],
    ['a page that the domain does not have', (guest) => guest.request(BlkifOp.read, 0, [{ pfn: LEAST_PAGES }])],
    ['a page number out of all reason', (guest) => guest.request(BlkifOp.read, 0, [{ pfn: 0xffff_ffff }])],
    ['sectors beyond the page', (guest) => guest.request(BlkifOp.read, 0, [{ pfn: 100, last: 8 }])],
    ['sectors in the wrong order', (guest) => guest.request(BlkifOp.read, 0, [{ pfn: 100, first: 5, last: 2 }])],
    ['sectors beyond the device', (guest) => guest.request(BlkifOp.read, 64 * 8 - 7, [{ pfn: 100 }])],
    ['a sector beyond 2^53', (guest) => guest.request(BlkifOp.write, 2 ** 60, [{ pfn: 100 }])],
    ['another device', (guest) => guest.request(0x10000, 0, [{ pfn: 100 }])],
  ];
  for (const [what, ask] of bad)
    it(`block back-end answers ${what} with an error, and goes on`, () => {
      const machine = bootMachine();
      const guest = startGuest(machine);
      const before = machine.disk.bytes.slice();
      const id = ask(guest);
      const good = guest.read(101, 1);
      machine.simulation.run();
      expect(guest.responses.get(id)).toBe(BlkifStatus.error);
      expect(guest.responses.get(good)).toBe(BlkifStatus.ok);
      expect(Buffer.compare(machine.disk.bytes, before)).toBe(0);
      // The ring alone.
      expect(guest.domain.grants.pinCount).toBe(1);
      machine.toolstack.list.checkInvariants();
    });

  property(
    'the block back-end survives a ring of random bytes',
    fc.uint8Array({ minLength: PAGE_SIZE, maxLength: PAGE_SIZE }),
    (bytes) => {
      const machine = bootMachine();
      const guest = startGuest(machine);
      guest.domain.environment.memory.copyIn(guest.ring, 0, bytes, 0, PAGE_SIZE);
      guest.domain.environment.memory.writeU32(guest.ring, RING_HEADER.offset.reqProd, 1 + (bytes[0]! % 40));
      guest.domain.environment.hypercalls.eventChannels.send(guest.port);
      // Without the guest's own handler, which believes the ring.
      machine.simulation.run(() => guest.responses.size > 0 || machine.simulation.eventCount > 5000);
      machine.toolstack.list.checkInvariants();
      expect(guest.domain.state).toBe('running');
    },
  );

  it('block back-end fills and empties the ring many times over', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    let asked = 0;
    while (asked < 200) {
      while (guest.hasRoom && asked < 200) guest.read(100 + (asked % 50), asked++ % 64);
      machine.simulation.step();
    }
    machine.simulation.run();
    expect(guest.responses.size).toBe(200);
    expect([...guest.responses.values()].every((status) => status === BlkifStatus.ok)).toBe(true);
  });

  it('block back-end takes as many segments as a request may have, and refuses one more', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const segments = Array.from({ length: SEGMENTS_PER_REQUEST }, (_, i) => ({ pfn: 100 + i }));
    const full = guest.request(BlkifOp.read, 0, segments);
    const tooMany = guest.request(BlkifOp.read, 0, segments, SEGMENTS_PER_REQUEST + 1);
    machine.simulation.run();
    expect([guest.responses.get(full), guest.responses.get(tooMany)]).toEqual([BlkifStatus.ok, BlkifStatus.error]);
    segments.forEach(({ pfn }, block) => expect(guest.page(pfn)).toEqual(machine.disk.block(block)));
  });

  it('block back-end has its device in the store as the tools of Xen write it', () => {
    const machine = bootMachine();
    const { environment } = startGuest(machine).domain;
    const read = (name: string): string | undefined =>
      machine.simulation.runProcess('read', environment.xenstore.read(`${VBD_FRONTEND}/${name}`));
    expect(['virtual-device', 'device-type', 'state'].map(read)).toEqual(['769', 'disk', '3']);
    const back = read('backend')!;
    const said = ['type', 'dev', 'mode', 'sectors'].map((name) => machine.hypervisor.xenstore.read(`${back}/${name}`));
    expect(said).toEqual(['phy', 'hda1', 'w', String(machine.disk.sectorCount)]);
  });

  it('block back-end tells failures of the device', () => {
    const machine = bootMachine();
    machine.disk.failPercent = 100;
    const guest = startGuest(machine);
    const id = guest.read(100, 1);
    machine.simulation.run();
    expect(guest.responses.get(id)).toBe(BlkifStatus.error);
    expect(machine.hypervisor.frames.provenanceOf(guest.domain.frameOf(Pfn(100)))).toBe(Provenance.none);
  });

  it('block back-end lets a dead domain have neither response nor upcall, and keeps its frames until the transfer is over', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    for (let i = 0; i < 20; i++) guest.read(100 + i, i);
    machine.simulation.run(
      () => machine.hypervisor.frames.provenanceOf(guest.domain.frameOf(Pfn(100))) === Provenance.reading,
    );
    const heard = guest.responses.size;
    machine.simulation.runProcess('destroy', machine.toolstack.destroyDomain(guest.domain));
    machine.simulation.run();
    expect(guest.responses.size).toBe(heard);
    expect(guest.domain.state).toBe('dead');
    machine.toolstack.list.checkInvariants();
    for (let mfn = machine.hypervisor.map.firstDomainMfn as number; mfn < machine.memory.frameCount; mfn++)
      expect(machine.memory.isTouched(Mfn(mfn))).toBe(false);
  });
});
