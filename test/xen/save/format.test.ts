import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arch, ARCHS, PAGE_SIZE } from '../../../src/base/index.ts';
import {
  decodeFact,
  decodeSaveHeader,
  encodeFact,
  encodeSaveHeader,
  FRAME_FACT,
  FRAME_FACT_BYTES,
  type FrameFact,
  SAVE_HEADER,
  SAVE_MAGIC,
  SAVE_VERSION,
  type SaveHeader,
} from '../../../src/xen/save/format.ts';
import { seal } from '../../../src/xen/records/records.ts';
import { property } from '../../support/property.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const HEADER: SaveHeader = {
  arch: 'x86_64',
  consumed: false,
  bodyCrc: 0xdeadbeef,
  nrPages: 1030,
  mappedPages: 1027,
  factCount: 5,
  bootPages: 6,
  boots: 2,
  name: 'größe',
  cmdLine: 'cachemap=all',
  store: { identity: 'größe/2', firstBlock: 0x1234_5678, sectorCount: 3 * 2 ** 32 + 7, generation: 5 * 2 ** 32 + 9 },
};

/** Its store: identity, first block, sectors, generation. */
const STORE_BYTES = `${'6772c3b6c39f652f32'.padEnd(64, '0')}78563412` + '0700000003000000' + '0900000005000000';

const u32 = fc.nat(0xffff_ffff);
const fact: fc.Arbitrary<FrameFact> = fc
  .record({
    pfn: u32,
    name: fc.option(fc.record({ ino: u32, generation: u32, index: u32 }), { nil: undefined }),
    preserved: fc.boolean(),
    recency: fc.nat(0xffff),
    block: fc.option(u32, { nil: undefined }),
    dirty: fc.option(fc.record({ block: u32, isOpen: fc.boolean() }), { nil: undefined }),
  })
  .map((value) => ({
    ...value,
    preserved: value.preserved && value.name !== undefined && value.dirty === undefined,
    block: value.dirty === undefined ? value.block : undefined,
  }));

describe('the header of a save file', () => {
  it.each(['\ufeff', '\ufeffcachemap=all', 'a\udc80'])(
    'the header of a save file keeps the name and the command line %j',
    (text) => {
      const header = { ...HEADER, name: text, cmdLine: text };
      expect(decodeSaveHeader(encodeSaveHeader(header), header.arch)).toMatchObject({
        value: { name: text, cmdLine: text },
      });
    },
  );

  it.each([
    [
      'x86_64' as const,
      '737773617665310004000000c00400003e0000000000000009040000efbeadde0604000000000000030400000000000005000000000000000600000000000000020000006772c3b6c39f650000000000000000000000000000000000000000000000000063616368656d61703d616c6c00000000',
      'eb1feb4e',
    ],
    [
      'x86_32' as const,
      '737773617665310004000000c0040000030000000000000008040000efbeadde06040000030400000500000006000000020000006772c3b6c39f650000000000000000000000000000000000000000000000000063616368656d61703d616c6c00000000',
      'f3f51858',
    ],
  ])('the header of a save file has the bytes of the reference page on %s', (arch, golden, checksum) => {
    const header = { ...HEADER, arch };
    const { offset, size } = SAVE_HEADER[arch];
    const block = encodeSaveHeader(header);
    expect(hex(block.subarray(0, offset.cmdLine + 16))).toBe(golden);
    expect(hex(block.subarray(offset.storeIdentity, offset.reserved))).toBe(STORE_BYTES);
    expect(hex(block.subarray(offset.checksum, size))).toBe(checksum);
    expect(decodeSaveHeader(block, arch)).toEqual({ ok: true, value: header });
  });

  property(
    'the header of a save file with any byte of its block changed is a problem',
    fc.constantFrom(...ARCHS),
    fc.nat(PAGE_SIZE - 1),
    fc.integer({ min: 1, max: 255 }),
    (arch, at, flip) => {
      const block = encodeSaveHeader({ ...HEADER, arch });
      block[at]! ^= flip;
      expect(decodeSaveHeader(block, arch)).toHaveProperty('reason');
    },
  );

  it('the header of a save file of the other architecture is a problem', () => {
    expect(decodeSaveHeader(encodeSaveHeader(HEADER), 'x86_32')).toEqual({
      ok: false,
      reason: 'of an x86_64 machine, not x86_32',
    });
    expect(decodeSaveHeader(encodeSaveHeader({ ...HEADER, arch: 'x86_32' }), 'x86_64')).toEqual({
      ok: false,
      reason: 'of an x86_32 machine, not x86_64',
    });
  });

  it('the header of a save file of no architecture that there is, or with a number of more than 32 bits, and a checksum that fits, is a problem', () => {
    const layout = SAVE_HEADER.x86_64;
    const wide = layout.fields.filter(({ width }) => width === 8).map(({ name }) => name);
    expect(wide).toEqual(['nrPages', 'mappedPages', 'factCount', 'bootPages']);
    for (const [at, problem] of [
      [layout.offset.arch, 'unknown architecture'],
      ...wide.map((name) => [layout.offset[name] + 4, `${name} has more than 32 bits`] as const),
    ] as const) {
      const block = encodeSaveHeader(HEADER);
      block[at] = 1;
      seal(layout, block, SAVE_MAGIC, SAVE_VERSION);
      expect(decodeSaveHeader(block, 'x86_64')).toEqual({ ok: false, reason: problem });
    }
  });

  it('the header of a save file with numbers that cannot be is a problem', () => {
    for (const wrong of [
      { mappedPages: 1031 },
      { factCount: 1028 },
      { bootPages: 1028 },
      { nrPages: 0, mappedPages: 0, factCount: 0, bootPages: 0 },
    ])
      expect(decodeSaveHeader(encodeSaveHeader({ ...HEADER, ...wrong }), 'x86_64')).toHaveProperty('reason');
  });
});

describe('a fact of a frame', () => {
  it('a fact of a frame has the bytes of the reference page', () => {
    const value = {
      pfn: 0x01020304,
      name: { ino: 12, generation: 7, index: 9 },
      preserved: true,
      recency: 0x8005,
      block: 77,
      dirty: undefined,
    };
    expect(hex(encodeFact(value, 'x86_64'))).toBe('0403020100000000070005800c00000007000000090000004d00000000000000');
    expect(hex(encodeFact(value, 'x86_32'))).toBe('04030201070005800c00000007000000090000004d0000000000000000000000');
  });

  it('a fact of a frame that is dirty has the block that it is newer than', () => {
    const value = { pfn: 1, name: undefined, preserved: false, recency: 0, block: undefined };
    const arch: Arch = 'x86_32';
    const bytes = encodeFact({ ...value, dirty: { block: 77, isOpen: true } }, arch);
    expect(hex(bytes)).toBe('01000000180000000000000000000000000000004d0000000000000000000000');
    // Equal to a block and newer than it, or preserved, it cannot be.
    for (const flag of [4, 2]) {
      bytes[4]! |= flag;
      expect(decodeFact(bytes, arch)).toBeUndefined();
      bytes[4]! &= ~flag;
    }
  });

  property('a fact of a frame is read back as it was written', fc.constantFrom(...ARCHS), fact, (arch, value) => {
    const read = decodeFact(encodeFact(value, arch), arch);
    expect(read).toEqual(value);
  });

  property(
    'a fact of a frame with a page of more than 32 bits is none',
    fact,
    fc.integer({ min: 1, max: 255 }),
    fc.nat(3),
    (value, byte, at) => {
      const bytes = encodeFact(value, 'x86_64');
      bytes[FRAME_FACT.x86_64.offset.pfn + 4 + at] = byte;
      expect(decodeFact(bytes, 'x86_64')).toBeUndefined();
    },
  );

  property(
    'a fact of a frame of any bytes is itself or none',
    fc.constantFrom(...ARCHS),
    fc.uint8Array({ minLength: FRAME_FACT_BYTES, maxLength: FRAME_FACT_BYTES }),
    fc.boolean(),
    (arch, bytes, isNarrow) => {
      // What must be zero hardly ever is.
      if (isNarrow) bytes.fill(0, arch === 'x86_64' ? 28 : 24);
      if (isNarrow && arch === 'x86_64') bytes.fill(0, 4, 8);
      const read = decodeFact(bytes, arch);
      if (read !== undefined) expect(encodeFact(read, arch)).toEqual(bytes);
    },
  );
});
