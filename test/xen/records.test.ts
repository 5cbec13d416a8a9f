import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DomId, Mfn, PAGE_SIZE } from '../../src/base/index.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { DOMAIN_RECORD, FRAME_RECORD, planMemory, ROOT_MFN, ROOT_RECORD } from '../../src/xen/layouts.ts';
import {
  consumeDomainRecord,
  type DomainRecord,
  eraseDomainRecord,
  parseDomainRecord,
  parseRoot,
  writeDomainRecord,
  writeRoot,
} from '../../src/xen/records.ts';
import { property } from '../support/property.ts';

const FRAMES = 2048;
const map = planMemory(FRAMES)!;
const hex = (memory: MachineMemory, mfn: number, offset: number, length: number) =>
  Buffer.from(memory.frame(Mfn(mfn)).subarray(offset, offset + length)).toString('hex');
const RECORD: DomainRecord = {
  domid: DomId(3),
  device: 1,
  nrPages: 1030,
  bootPages: 6,
  p2mMfn: Mfn(200),
  p2mCrc: 0xdeadbeef,
  consumed: false,
  name: 'größe',
  recencyCrc: 0xfeedface,
};

describe('root record', () => {
  it('has the bytes of the reference page', () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeRoot(memory, map);
    expect(hex(memory, 0, 0, ROOT_RECORD.size)).toBe(
      '7377726f6f743100020000004000000000080000010000001000000020000000110000004000000080000000130000004300000057000000560000006b74601b',
    );
    expect(parseRoot(memory)).toEqual({ value: map });
  });

  property(
    'with any byte changed is a problem',
    fc.nat(ROOT_RECORD.size - 1),
    fc.integer({ min: 1, max: 255 }),
    (at, flip) => {
      const memory = new MachineMemory(FRAMES * PAGE_SIZE);
      writeRoot(memory, map);
      memory.writeU8(ROOT_MFN, at, memory.readU8(ROOT_MFN, at) ^ flip);
      expect(parseRoot(memory)).toHaveProperty('problem');
    },
  );

  it('of another machine is a problem', () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeRoot(memory, planMemory(FRAMES * 2)!);
    expect(parseRoot(memory)).toEqual({ problem: 'another size of memory' });
  });
});

describe('domain record', () => {
  const written = () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeDomainRecord(memory, map, RECORD);
    return memory;
  };
  const at = 3 * DOMAIN_RECORD.size;

  it('has the bytes of the reference page', () => {
    expect(hex(written(), map.domainTableMfn, at, DOMAIN_RECORD.size)).toBe(
      '7377646f6d6e3100020000008000000003000000010000000604000006000000c8000000efbeadde000000006772c3b6c39f650000000000000000000000000000000000000000000000000001000000cefaedfe00000000000000000000000000000000000000000000000000000000000000000000000000000000d41157f6',
    );
    expect(parseDomainRecord(written(), map, DomId(3))).toEqual({ value: RECORD });
    expect(parseDomainRecord(written(), map, DomId(4))).toBeUndefined();
  });

  property(
    'with any byte changed is a problem',
    fc.nat(DOMAIN_RECORD.size - 1),
    fc.integer({ min: 1, max: 255 }),
    (i, flip) => {
      const memory = written();
      memory.writeU8(map.domainTableMfn, at + i, memory.readU8(map.domainTableMfn, at + i) ^ flip);
      expect(consumeDomainRecord(memory, map, DomId(3))).toHaveProperty('problem');
    },
  );

  it('is consumed once, and is nothing when erased', () => {
    const memory = written();
    expect(consumeDomainRecord(memory, map, DomId(3))).toEqual({ value: RECORD });
    expect(consumeDomainRecord(memory, map, DomId(3))).toHaveProperty('problem');
    eraseDomainRecord(memory, map, DomId(3));
    expect(parseDomainRecord(memory, map, DomId(3))).toBeUndefined();
  });

  it('in the slot of another domain is a problem', () => {
    const memory = written();
    memory.copyIn(map.domainTableMfn, 0, memory.frame(map.domainTableMfn).slice(at, at + DOMAIN_RECORD.size), 0, 128);
    expect(parseDomainRecord(memory, map, DomId(0))).toEqual({ problem: 'record of another domain' });
  });
});

describe('memory map', () => {
  it('keeps the tables below 59 bytes a frame, with what is derived from them', () => {
    const frames = 1 << 19;
    const plan = planMemory(frames)!;
    expect(FRAME_RECORD.size).toBe(32);
    expect((plan.firstDomainMfn * PAGE_SIZE) / frames).toBeLessThan(40);
  });

  it('is none for a machine too small for it', () => {
    expect(planMemory(1)).toBeUndefined();
    expect(planMemory(64)).toBeUndefined();
    expect(planMemory(1 << 26)).toBeUndefined();
  });
});
