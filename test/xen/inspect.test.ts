import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE, Pfn } from '../../src/base/index.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { inspectMemory } from '../../src/xen/index.ts';
import { property } from '../support/property.ts';
import { bootMachine, cacheBlocks, LEAST_PAGES, restartGuest, startGuest } from './machine.ts';

function twoGuests() {
  const machine = bootMachine();
  const [a, b] = [startGuest(machine, 'a'), startGuest(machine, 'b', LEAST_PAGES + 5)];
  cacheBlocks(machine, a, [1, 2, 3]);
  a.domain.environment.memory.writeU8(Pfn(100), 0, 1);
  return { machine, a, b };
}

describe('inspection', () => {
  it('reads the machine out of its bytes', () => {
    const { machine, a } = twoGuests();
    const { memory, hypervisor } = machine;
    restartGuest(machine, a);
    const report = inspectMemory(memory);
    expect(report.problems).toEqual([]);
    expect(report.map).toEqual(hypervisor.map);
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

  it('says what is damaged', () => {
    const { machine, a } = twoGuests();
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

  it('of a machine without a hypervisor finds no root record', () => {
    const report = inspectMemory(new MachineMemory(PAGE_SIZE));
    expect(report).toMatchObject({ problems: ['root record: bad magic'], map: undefined, domains: [] });
  });

  const { machine } = twoGuests();
  const tables = machine.memory.bytes(Mfn(0), machine.hypervisor.map.firstDomainMfn);
  const intact = tables.slice();
  const spot = fc.record({ at: fc.nat(tables.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) });

  property('of damaged tables never throws', fc.array(spot, { maxLength: 20 }), fc.boolean(), (spots, keepRoot) => {
    tables.set(intact);
    for (const { at, bytes } of spots) tables.set(bytes.subarray(0, tables.length - at), at);
    if (keepRoot) tables.set(intact.subarray(0, 64));
    const report = inspectMemory(machine.memory);
    expect(report.problems.length).toBe(Math.min(report.problemCount, 100));
  });
});
