import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOM0, DomId, GrantRef, Pfn } from '../../../src/base/index.ts';
import { GrantTable as GuestGrantTable } from '../../../src/kernel/xen/gnttab.ts';
import { BlkifOp, BlkifStatus, Gtf, NR_GRANT_ENTRIES, NR_RESERVED_ENTRIES } from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import { bootMachine, LEAST_PAGES, type MiniGuest, startGuest } from '../../support/machine.ts';

const REFS = 6;
const OTHER = DomId(5);
const ref = (n: number): GrantRef => GrantRef(100 + n);

const grant = fc.record({
  do: fc.constant('grant' as const),
  ref: fc.nat(REFS - 1),
  pfn: fc.constantFrom(100, 101, LEAST_PAGES + 5, 0xffff_ffff),
  flags: fc.constantFrom(0, Gtf.permitAccess, Gtf.permitAccess, Gtf.permitAccess | Gtf.readonly, 2, 3),
  domid: fc.constantFrom(DOM0, DOM0, OTHER),
});
const map = fc.record({
  do: fc.constant('map' as const),
  ref: fc.nat(REFS - 1),
  mapper: fc.constantFrom(DOM0, DOM0, OTHER),
  writable: fc.boolean(),
});
const unmap = fc.record({ do: fc.constant('unmap' as const), which: fc.nat(20) });
const revoke = fc.record({ do: fc.constant('revoke' as const), ref: fc.nat(REFS - 1) });

describe('grants', () => {
  property(
    'grants allow what the entry says, pin what is mapped, and are revoked only when nothing is',
    fc.array(fc.oneof(grant, { weight: 2, arbitrary: map }, { weight: 2, arbitrary: unmap }, revoke), {
      maxLength: 60,
      size: 'max',
    }),
    (actions) => {
      const machine = bootMachine();
      const guest = startGuest(machine);
      const { grants } = guest.domain;
      const idle = grants.pinCount;
      const entries = Array.from({ length: REFS }, () => ({ flags: 0, domid: 0, pfn: 0 }));
      const maps: { ref: number; mapper: number; writable: boolean; mfn: number }[] = [];
      const of = (n: number) => maps.filter((one) => one.ref === n);
      for (const one of actions) {
        if (one.do === 'grant') {
          // A guest may scribble over an entry in use: it keeps the marks, as a compare-and-swap
          // loop would see them.
          const marks = guest.grantFlags(ref(one.ref)) & (Gtf.reading | Gtf.writing);
          guest.grant(ref(one.ref), one.pfn, one.flags | marks, one.domid);
          entries[one.ref] = { flags: one.flags, domid: one.domid, pfn: one.pfn };
        } else if (one.do === 'map') {
          const { flags, domid, pfn } = entries[one.ref]!;
          const before = of(one.ref);
          const permitted =
            (flags & Gtf.typeMask) === Gtf.permitAccess &&
            domid === one.mapper &&
            !(one.writable && (flags & Gtf.readonly) !== 0);
          const covered = before.length > 0 && (!one.writable || before.some(({ writable }) => writable));
          const allowed =
            before.length > 0
              ? before[0]!.mapper === one.mapper && (covered || permitted)
              : permitted && pfn < LEAST_PAGES;
          const mfn = grants.map(ref(one.ref), one.mapper, one.writable);
          expect(mfn !== undefined).toBe(allowed);
          if (mfn === undefined) continue;
          expect(mfn).toBe(before[0]?.mfn ?? guest.domain.frameOf(Pfn(pfn)));
          maps.push({ ref: one.ref, mapper: one.mapper, writable: one.writable, mfn });
        } else if (one.do === 'unmap') {
          if (maps.length === 0) continue;
          const [gone] = maps.splice(one.which % maps.length, 1);
          grants.unmap(ref(gone!.ref), gone!.writable);
        }
        for (let n = 0; n < REFS; n++) {
          const marks = of(n).length === 0 ? 0 : Gtf.reading | (of(n).some((m) => m.writable) ? Gtf.writing : 0);
          expect(guest.grantFlags(ref(n)) & (Gtf.reading | Gtf.writing)).toBe(marks);
        }
        expect(grants.pinCount).toBe(idle + maps.length);
        for (const pfn of [100, 101]) {
          const mfn = guest.domain.frameOf(Pfn(pfn));
          expect(grants.pinnedFrames().has(mfn)).toBe(maps.some((m) => m.mfn === mfn));
        }
      }
    },
    { numRuns: 40, lawRuns: 200 },
  );

  it('grants are out of reach beyond the table, and after the domain is gone', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    guest.grant(ref(0), 100, Gtf.permitAccess);
    for (const bad of [-1, NR_GRANT_ENTRIES, 0xffff_ffff])
      expect(guest.domain.grants.map(GrantRef(bad), DOM0, false)).toBeUndefined();
    expect(guest.domain.grants.map(ref(0), DOM0, false)).toBe(guest.domain.frameOf(Pfn(100)));
    guest.domain.grants.unmap(ref(0), false);
    expect(() => guest.domain.grants.unmap(ref(0), false)).toThrow('unmapped once');
    guest.domain.environment.hypercalls.shutdown(0);
    expect(guest.domain.grants.map(ref(0), DOM0, false)).toBeUndefined();
  });

  it('grants of a request are in use while it is in flight, and not after', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    guest.read(100, 1);
    const mfn = guest.domain.frameOf(Pfn(100));
    expect(guest.domain.grants.pinnedFrames().has(mfn)).toBe(false);
    machine.simulation.run(() => guest.domain.grants.pinnedFrames().has(mfn));
    expect(guest.grantFlags(1024)).toBe(Gtf.permitAccess | Gtf.reading | Gtf.writing);
    machine.simulation.run();
    expect(guest.grantFlags(1024)).toBe(Gtf.permitAccess);
    expect(guest.domain.grants.pinnedFrames().has(mfn)).toBe(false);
  });

  const wrong: [string, (guest: MiniGuest) => void][] = [
    ['none', (guest) => guest.grant(1024, 100, 0)],
    ['for another domain', (guest) => guest.grant(1024, 100, Gtf.permitAccess, 7)],
    ['read-only', (guest) => guest.grant(1024, 100, Gtf.permitAccess | Gtf.readonly)],
    ['of a page that is not there', (guest) => guest.grant(1024, LEAST_PAGES, Gtf.permitAccess)],
  ];
  for (const [what, spoil] of wrong)
    it(`a read into a grant that is ${what} is an error, and pins nothing`, () => {
      const machine = bootMachine();
      const guest = startGuest(machine);
      const before = machine.memory.frame(guest.domain.frameOf(Pfn(100))).slice();
      const idle = guest.domain.grants.pinCount;
      const id = guest.request(BlkifOp.read, 0, [{ pfn: 100 }, { pfn: 101 }]);
      spoil(guest);
      machine.simulation.run();
      expect(guest.responses.get(id)).toBe(BlkifStatus.error);
      expect(guest.domain.grants.pinCount).toBe(idle);
      expect(machine.memory.frame(guest.domain.frameOf(Pfn(100)))).toEqual(before);
    });

  it('a write from a read-only grant is done', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    guest.domain.environment.memory.writeU8(Pfn(100), 7, 0x5e);
    const id = guest.write(100, 3);
    machine.simulation.run();
    expect([guest.responses.get(id), machine.disk.block(3)[7]]).toEqual([BlkifStatus.ok, 0x5e]);
  });
});

describe('the guest’s table', () => {
  it('the guest’s table hands out every entry but the reserved, and takes back what is not mapped', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const table = new GuestGrantTable(guest.domain.environment, Pfn(guest.startInfo('grantTablePfn')));
    const refs = new Set<GrantRef>();
    for (let one = table.grant(DOM0, Pfn(100), false); one !== undefined; one = table.grant(DOM0, Pfn(101), true))
      refs.add(one);
    expect([refs.size, Math.min(...refs)]).toEqual([NR_GRANT_ENTRIES - NR_RESERVED_ENTRIES, NR_RESERVED_ENTRIES]);
    // The first one is the ring's of the guest that is there already, and mapped.
    const [first, last] = [[...refs][1]!, [...refs].at(-1)!];
    expect(guest.domain.grants.map(first, DOM0, false)).toBe(guest.domain.frameOf(Pfn(101)));
    expect(guest.domain.grants.map(last, DOM0, true)).toBeUndefined();
    expect(guest.domain.grants.map(last, DOM0, false)).toBe(guest.domain.frameOf(Pfn(101)));
    expect([table.end(first), table.end(last), table.freeCount]).toEqual([false, false, 0]);
    guest.domain.grants.unmap(first, false);
    expect([table.end(first), table.end(last), table.freeCount]).toEqual([true, false, 1]);
    expect(guest.domain.grants.map(first, DOM0, false)).toBeUndefined();
    expect(table.grant(DOM0, Pfn(102), false)).toBe(first);
  });
});
