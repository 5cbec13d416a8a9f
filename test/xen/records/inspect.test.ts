import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arch, ARCHS, Mfn, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { inspectMemory } from '../../../src/xen/index.ts';
import { setP2mCrc } from '../../../src/xen/records/records.ts';
import { property } from '../../support/property.ts';
import { bootMachine, cacheBlocks, LEAST_PAGES, restartGuest, startGuest } from '../../support/machine.ts';

function twoGuests(arch: Arch) {
  const machine = bootMachine(1, { arch });
  const [a, b] = [startGuest(machine, 'a'), startGuest(machine, 'b', LEAST_PAGES + 5)];
  cacheBlocks(machine, a, [1, 2, 3]);
  a.domain.environment.memory.writeU8(Pfn(100), 0, 1);
  return { machine, a, b };
}

describe('inspection', () => {
  it.each(ARCHS)('inspection reads the machine out of its bytes: %s', (arch) => {
    const { machine, a } = twoGuests(arch);
    const { memory, hypervisor } = machine;
    restartGuest(machine, a);
    const report = inspectMemory(memory);
    expect(report.problems).toEqual([]);
    expect(report.map).toEqual(hypervisor.map);
    expect(report.map!.arch).toBe(arch);
    expect(report.domains).toMatchObject([
      { name: 'a', nrPages: LEAST_PAGES, pages: LEAST_PAGES, p2mIsIntact: true, named: 2, preserved: 2, reusable: 2 },
      { name: 'b', nrPages: LEAST_PAGES + 5, pages: LEAST_PAGES + 5, p2mIsIntact: true, named: 0, preserved: 0 },
    ]);
    const { free, owned, hypervisor: own, total, provenance } = report.frames;
    expect([free, owned, own]).toEqual([
      hypervisor.allocator.freeCount,
      2 * LEAST_PAGES + 5,
      hypervisor.map.firstDomainMfn,
    ]);
    expect(free + owned + own).toBe(total);
    expect(provenance).toEqual({ none: total - 2, reading: 0, clean: 2, writing: 0 });
  });

  it('inspection says what is damaged', () => {
    const { machine, a } = twoGuests('x86_64');
    const { map } = machine.hypervisor;
    const mfn = a.domain.frameOf(Pfn(101));
    machine.memory.writeU8(Mfn(1 + Math.floor(mfn / 128)), (mfn % 128) * 32 + 5, 0xff);
    machine.memory.writeU8(map.p2mMfn, 0, machine.memory.readU8(map.p2mMfn, 0) ^ 1);
    const { problems, frames } = inspectMemory(machine.memory);
    expect(problems).toContain(`frame ${mfn}: check word does not match`);
    expect(problems).toContain('domain 1: P2M list does not match its checksum');
    expect(problems).toContain(`domain 1: page 101: frame ${mfn} is not recorded as that page`);
    expect(frames.damaged).toBe(1);
  });

  it('inspection says which entry of a P2M list has an upper half, whatever its checksum says', () => {
    const { machine, a } = twoGuests('x86_64');
    const { map } = machine.hypervisor;
    const mfn = a.domain.frameOf(Pfn(100));
    machine.memory.writeU32(map.p2mMfn, 8 * 100 + 4, 3);
    const { p2m } = machine.toolstack.list.entryOf(a.domain);
    setP2mCrc(machine.memory, map, a.domain.domid, p2m.crc);
    const { problems } = inspectMemory(machine.memory);
    expect(problems).toEqual([`domain 1: P2M list: no frame ${3 * 2 ** 32 + mfn} on this machine`]);
  });

  it('inspection of a machine without a hypervisor finds no root record', () => {
    const report = inspectMemory(new MachineMemory(PAGE_SIZE));
    expect(report).toMatchObject({ problems: ['root record: bad magic'], map: undefined, domains: [] });
  });

  const machines = { x86_64: twoGuests('x86_64').machine, x86_32: twoGuests('x86_32').machine };
  const damaged = ARCHS.map((arch) => {
    const { memory, hypervisor } = machines[arch];
    const tables = memory.bytes(Mfn(0), hypervisor.map.firstDomainMfn);
    return { memory, tables, intact: tables.slice() };
  });
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const spot = fc.record({ place, bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) });

  property(
    'inspection of damaged tables never throws',
    fc.constantFrom(...damaged),
    fc.array(spot, { maxLength: 20 }),
    fc.boolean(),
    ({ memory, tables, intact }, spots, keepRoot) => {
      tables.set(intact);
      for (const { place, bytes } of spots) {
        const at = Math.floor(place * tables.length);
        tables.set(bytes.subarray(0, tables.length - at), at);
      }
      if (keepRoot) tables.set(intact.subarray(0, 128));
      const report = inspectMemory(memory);
      expect(report.problems.length).toBe(Math.min(report.problemCount, 100));
    },
  );
});
