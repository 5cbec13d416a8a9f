import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arch, ARCHS, DomId, Mfn, PAGE_SIZE, putField } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import {
  DOMAIN_MAGIC,
  DOMAIN_RECORD,
  DOMAIN_RECORD_BYTES,
  DOMAIN_VERSION,
  FRAME_RECORD,
  planMemory,
  ROOT_MAGIC,
  ROOT_MFN,
  ROOT_RECORD,
  ROOT_VERSION,
} from '../../../src/xen/records/layouts.ts';
import {
  consumeDomainRecord,
  type DomainRecord,
  eraseDomainRecord,
  parseDomainRecord,
  parseRoot,
  seal,
  writeDomainRecord,
  writeRoot,
} from '../../../src/xen/records/records.ts';
import { property } from '../../support/property.ts';

const FRAMES = 2048;
const map = planMemory(FRAMES, 'x86_64')!;
const mapOf = { x86_64: map, x86_32: planMemory(FRAMES, 'x86_32')! };
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
  store: { identity: 'größe/2', firstBlock: 0x1234_5678, sectorCount: 3 * 2 ** 32 + 7, generation: 5 * 2 ** 32 + 9 },
};

describe('root record', () => {
  it.each([
    [
      'x86_64' as const,
      '7377726f6f74310006000000800000003e000000200000006000000000010000000800000000000001000000000000001000000000000000110000000000000017000000000000006500000000000000fe010000000000007c000000000000007d000000000000003d010000000000003e010000000000000000000087fb7f65',
    ],
    [
      'x86_32' as const,
      '7377726f6f743100060000008000000003000000200000006000000000010000000800000100000010000000110000001700000063000000fc0100007a0000007b0000003b0100003c01000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000063556f1a',
    ],
  ])('root record has the bytes of the reference page on %s', (arch, golden) => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeRoot(memory, mapOf[arch]);
    expect(hex(memory, 0, 0, ROOT_RECORD[arch].size)).toBe(golden);
    expect(parseRoot(memory)).toEqual({ ok: true, value: mapOf[arch] });
    expect(parseRoot(memory, arch)).toEqual({ ok: true, value: mapOf[arch] });
  });

  property(
    'a root record with any byte changed is a problem',
    fc.constantFrom(...ARCHS),
    fc.nat(ROOT_RECORD.x86_64.size - 1),
    fc.integer({ min: 1, max: 255 }),
    (arch, at, flip) => {
      const memory = new MachineMemory(FRAMES * PAGE_SIZE);
      writeRoot(memory, mapOf[arch]);
      memory.writeU8(ROOT_MFN, at, memory.readU8(ROOT_MFN, at) ^ flip);
      expect(parseRoot(memory)).toHaveProperty('reason');
    },
  );

  it('root record of the other architecture is a problem to a hypervisor', () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeRoot(memory, mapOf.x86_32);
    expect(parseRoot(memory, 'x86_64')).toEqual({ ok: false, reason: 'of an x86_32 hypervisor, not x86_64' });
    writeRoot(memory, mapOf.x86_64);
    expect(parseRoot(memory, 'x86_32')).toEqual({ ok: false, reason: 'of an x86_64 hypervisor, not x86_32' });
  });

  it('root record of no architecture that there is, and a checksum that fits, is a problem', () => {
    const layout = ROOT_RECORD.x86_64;
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeRoot(memory, map);
    const bytes = memory.frame(ROOT_MFN).slice(0, layout.size);
    putField(layout, bytes, 0, 'arch', 8);
    seal(layout, bytes, ROOT_MAGIC, ROOT_VERSION);
    memory.copyIn(ROOT_MFN, 0, bytes, 0, bytes.length);
    expect(parseRoot(memory)).toEqual({ ok: false, reason: 'unknown architecture' });
  });

  it('root record with a number of more than 32 bits, and a checksum that fits, is a problem', () => {
    const layout = ROOT_RECORD.x86_64;
    const wide = layout.fields.filter(({ width }) => width === 8).map(({ name }) => name);
    expect(wide).toHaveLength(11);
    for (const name of wide) {
      const memory = new MachineMemory(FRAMES * PAGE_SIZE);
      writeRoot(memory, map);
      const bytes = memory.frame(ROOT_MFN).slice(0, layout.size);
      // Beyond what a number of the host's holds exactly.
      bytes.fill(0xff, layout.offset[name] + 4, layout.offset[name] + 8);
      seal(layout, bytes, ROOT_MAGIC, ROOT_VERSION);
      memory.copyIn(ROOT_MFN, 0, bytes, 0, bytes.length);
      expect(parseRoot(memory)).toEqual({ ok: false, reason: `${name} has more than 32 bits` });
    }
  });

  it('root record of a size for which there is no memory map, and a checksum that fits, is a problem', () => {
    const layout = ROOT_RECORD.x86_64;
    for (const frameCount of [FRAMES, 0xffff_ffff]) {
      const memory = new MachineMemory(FRAMES * PAGE_SIZE);
      writeRoot(memory, map);
      const bytes = memory.frame(ROOT_MFN).slice(0, layout.size);
      putField(layout, bytes, 0, 'frameCount', frameCount);
      seal(layout, bytes, ROOT_MAGIC, ROOT_VERSION);
      memory.copyIn(ROOT_MFN, 0, bytes, 0, bytes.length);
      expect(parseRoot(memory)).toEqual(
        frameCount === FRAMES ? { ok: true, value: map } : { ok: false, reason: 'another size of memory' },
      );
    }
  });

  it('root record of another machine is a problem', () => {
    const memory = new MachineMemory(2 * FRAMES * PAGE_SIZE);
    writeRoot(memory, map);
    expect(parseRoot(memory)).toEqual({ ok: false, reason: 'another size of memory' });
  });

  it('root record of a machine that has lost memory since is good as long as the tables are there', () => {
    const larger = planMemory(FRAMES * 2, 'x86_64')!;
    for (const [frames, isGood] of [
      [FRAMES, true],
      [larger.firstDomainMfn, false],
    ] as const) {
      const memory = new MachineMemory(frames * PAGE_SIZE);
      writeRoot(memory, larger);
      expect(parseRoot(memory)).toEqual(
        isGood
          ? { ok: true, value: { ...larger, frameCount: FRAMES } }
          : { ok: false, reason: 'another size of memory' },
      );
    }
  });
});

describe('domain record', () => {
  const written = (arch: Arch = 'x86_64', record = RECORD) => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    writeDomainRecord(memory, mapOf[arch], record);
    return memory;
  };
  const at = 3 * DOMAIN_RECORD_BYTES;

  it.each([
    [
      'x86_64' as const,
      '7377646f6d6e31000500000000010000030000000100000006040000000000000600000000000000c800000000000000efbeadde000000006772c3b6c39f650000000000000000000000000000000000000000000000000001000000cefaedfe020000006772c3b6c39f652f3200000000000000000000000000000000000000000000007856341207000000030000000900000005000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005cddd257',
    ],
    [
      'x86_32' as const,
      '7377646f6d6e3100050000000001000003000000010000000604000006000000c8000000efbeadde000000006772c3b6c39f650000000000000000000000000000000000000000000000000001000000cefaedfe020000006772c3b6c39f652f320000000000000000000000000000000000000000000000785634120700000003000000090000000500000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000a6ebc329',
    ],
  ])('domain record has the bytes of the reference page on %s', (arch, golden) => {
    const memory = written(arch);
    expect(hex(memory, mapOf[arch].domainTableMfn, at, DOMAIN_RECORD_BYTES)).toBe(golden);
    expect(parseDomainRecord(memory, mapOf[arch], DomId(3))).toEqual({ ok: true, value: RECORD });
    expect(parseDomainRecord(memory, mapOf[arch], DomId(4))).toBeUndefined();
  });

  property(
    'a domain record with any byte changed is a problem',
    fc.constantFrom(...ARCHS),
    fc.nat(DOMAIN_RECORD_BYTES - 1),
    fc.integer({ min: 1, max: 255 }),
    (arch, i, flip) => {
      const map = mapOf[arch];
      const memory = written(arch);
      memory.writeU8(map.domainTableMfn, at + i, memory.readU8(map.domainTableMfn, at + i) ^ flip);
      expect(consumeDomainRecord(memory, map, DomId(3))).toHaveProperty('reason');
    },
  );

  it.each(['\ufeff', '\ufeffguest', 'guest\udcff'])('domain record keeps the name %j', (name) => {
    const record = { ...RECORD, name };
    expect(parseDomainRecord(written('x86_64', record), mapOf.x86_64, DomId(3))).toEqual({ ok: true, value: record });
  });

  it('domain record with a number of more than 32 bits, and a checksum that fits, is a problem', () => {
    const layout = DOMAIN_RECORD.x86_64;
    for (const name of ['nrPages', 'bootPages', 'p2mMfn'] as const) {
      const memory = written();
      const bytes = memory.frame(map.domainTableMfn).slice(at, at + layout.size);
      bytes[layout.offset[name] + 7] = 0x80;
      seal(layout, bytes, DOMAIN_MAGIC, DOMAIN_VERSION);
      memory.copyIn(map.domainTableMfn, at, bytes, 0, bytes.length);
      expect(parseDomainRecord(memory, map, DomId(3))).toEqual({ ok: false, reason: `${name} has more than 32 bits` });
    }
  });

  it('domain record is consumed once, and is nothing when erased', () => {
    const memory = written();
    expect(consumeDomainRecord(memory, map, DomId(3))).toEqual({ ok: true, value: RECORD });
    expect(consumeDomainRecord(memory, map, DomId(3))).toHaveProperty('reason');
    eraseDomainRecord(memory, map, DomId(3));
    expect(parseDomainRecord(memory, map, DomId(3))).toBeUndefined();
  });

  it('a domain record in the slot of another domain is a problem', () => {
    const memory = written();
    memory.copyIn(
      map.domainTableMfn,
      0,
      memory.frame(map.domainTableMfn).slice(at, at + DOMAIN_RECORD_BYTES),
      0,
      DOMAIN_RECORD_BYTES,
    );
    expect(parseDomainRecord(memory, map, DomId(0))).toEqual({ ok: false, reason: 'record of another domain' });
  });
});

describe('memory map', () => {
  it.each([
    ['x86_64' as const, 45.5],
    ['x86_32' as const, 41],
  ])('memory map keeps the tables of %s below %d bytes a frame', (arch, most) => {
    const frames = 1 << 19;
    const plan = planMemory(frames, arch)!;
    expect(FRAME_RECORD.size).toBe(32);
    // The recovery boxes behind them are so many a domain.
    expect((plan.boxMfn * PAGE_SIZE) / frames).toBeLessThan(most);
  });

  it('memory map is none for a machine too small or too large for it', () => {
    expect(planMemory(1, 'x86_64')).toBeUndefined();
    expect(planMemory(64, 'x86_64')).toBeUndefined();
    expect(planMemory(1 << 26, 'x86_64')).toBeUndefined();
  });

  it('memory map is none for more than 16 GiB on x86_32', () => {
    expect(planMemory(1 << 22, 'x86_32')).toMatchObject({ arch: 'x86_32', frameCount: 1 << 22 });
    expect(planMemory((1 << 22) + 1, 'x86_32')).toBeUndefined();
    expect(planMemory((1 << 22) + 1, 'x86_64')).toMatchObject({ arch: 'x86_64' });
  });
});
