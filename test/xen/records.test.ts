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
  boots: 2,
};

describe('root record', () => {
  it('has the bytes of the reference page', () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeRoot(memory, map);
    expect(hex(memory, 0, 0, ROOT_RECORD.size)).toBe(
      '7377726f6f7431000400000080000000000800000100000010000000200000001100000060000000800000001400000063000000f901000077000000780000003801000039010000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000506c7aa',
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
    const memory = new MachineMemory(2 * FRAMES * PAGE_SIZE);
    writeRoot(memory, map);
    expect(parseRoot(memory)).toEqual({ problem: 'another size of memory' });
  });

  it('of a machine that has lost memory since is good as long as the tables are there', () => {
    const larger = planMemory(FRAMES * 2)!;
    for (const [frames, isGood] of [
      [FRAMES, true],
      [larger.firstDomainMfn, false],
    ] as const) {
      const memory = new MachineMemory(frames * PAGE_SIZE);
      writeRoot(memory, larger);
      expect(parseRoot(memory)).toEqual(
        isGood ? { value: { ...larger, frameCount: FRAMES } } : { problem: 'another size of memory' },
      );
    }
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
      '7377646f6d6e3100030000008000000003000000010000000604000006000000c8000000efbeadde000000006772c3b6c39f650000000000000000000000000000000000000000000000000001000000cefaedfe02000000000000000000000000000000000000000000000000000000000000000000000000000000c53faf5e',
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
    // The recovery boxes behind them are so many a domain.
    expect((plan.boxMfn * PAGE_SIZE) / frames).toBeLessThan(41);
  });

  it('is none for a machine too small for it', () => {
    expect(planMemory(1)).toBeUndefined();
    expect(planMemory(64)).toBeUndefined();
    expect(planMemory(1 << 26)).toBeUndefined();
  });
});
