import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/base/index.ts';
import {
  decodeFact,
  decodeSaveHeader,
  encodeFact,
  encodeSaveHeader,
  FRAME_FACT,
  type FrameFact,
  SAVE_HEADER,
  type SaveHeader,
} from '../../src/xen/save-format.ts';
import { property } from '../support/property.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const HEADER: SaveHeader = {
  consumed: false,
  bodyCrc: 0xdeadbeef,
  nrPages: 1030,
  mappedPages: 1027,
  factCount: 5,
  bootPages: 6,
  boots: 2,
  name: 'größe',
  cmdLine: 'cachemap=all',
};

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
  it('has the bytes of the reference page', () => {
    const block = encodeSaveHeader(HEADER);
    expect(hex(block.subarray(0, SAVE_HEADER.offset.cmdLine + 16))).toBe(
      '737773617665310002000000800400000000000007040000efbeadde06040000030400000500000006000000020000006772c3b6c39f650000000000000000000000000000000000000000000000000063616368656d61703d616c6c00000000',
    );
    expect(hex(block.subarray(SAVE_HEADER.offset.checksum, SAVE_HEADER.size))).toBe('e7925888');
    expect(decodeSaveHeader(block)).toEqual({ value: HEADER });
  });

  property(
    'with any byte of its block changed is a problem',
    fc.nat(PAGE_SIZE - 1),
    fc.integer({ min: 1, max: 255 }),
    (at, flip) => {
      const block = encodeSaveHeader(HEADER);
      block[at]! ^= flip;
      expect(decodeSaveHeader(block)).toHaveProperty('problem');
    },
  );

  it('with numbers that cannot be is a problem', () => {
    for (const wrong of [
      { mappedPages: 1031 },
      { factCount: 1028 },
      { bootPages: 1028 },
      { nrPages: 0, mappedPages: 0, factCount: 0, bootPages: 0 },
    ])
      expect(decodeSaveHeader(encodeSaveHeader({ ...HEADER, ...wrong }))).toHaveProperty('problem');
  });
});

describe('a fact of a frame', () => {
  it('has the bytes of the reference page', () => {
    const value = {
      pfn: 0x01020304,
      name: { ino: 12, generation: 7, index: 9 },
      preserved: true,
      recency: 0x8005,
      block: 77,
      dirty: undefined,
    };
    expect(hex(encodeFact(value))).toBe('04030201070005800c00000007000000090000004d000000');
  });

  it('that is dirty has the block that it is newer than', () => {
    const value = { pfn: 1, name: undefined, preserved: false, recency: 0, block: undefined };
    const bytes = encodeFact({ ...value, dirty: { block: 77, isOpen: true } });
    expect(hex(bytes)).toBe('01000000180000000000000000000000000000004d000000');
    // Equal to a block and newer than it, or preserved, it cannot be.
    for (const flag of [4, 2]) {
      bytes[4]! |= flag;
      expect(decodeFact(bytes)).toBeUndefined();
      bytes[4]! &= ~flag;
    }
  });

  property('is what was written', fact, (value) => {
    const read = decodeFact(encodeFact(value));
    expect(read).toEqual(value);
  });

  property(
    'of any bytes is itself or none',
    fc.uint8Array({ minLength: FRAME_FACT.size, maxLength: FRAME_FACT.size }),
    (bytes) => {
      const read = decodeFact(bytes);
      if (read !== undefined) expect(encodeFact(read)).toEqual(bytes);
    },
  );
});
