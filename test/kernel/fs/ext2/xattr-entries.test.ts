// Extended attributes as bytes: what is laid out where, and what is taken for attributes.
import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  areEqual,
  blockOfAttributes,
  inOrder,
  isNamed,
  layOutEntries,
  parseEntries,
} from '../../../../src/kernel/fs/ext2/xattr-entries.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const attribute = (index: number, name: string, value: string): Attribute => ({
  index,
  name: bytesOf(name),
  value: bytesOf(value),
});
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Bytes of hex digits, among which blanks do not count. */
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

// name_len, name_index, value_offs, value_block, value_size, hash, name.
const ENTRY = '02 01 2400 00000000 03000000 00000000 6162 0000';

describe('attributes that are laid out', () => {
  it('attributes that are laid out have entries from the front and values from the end, padded to words', () => {
    const bytes = new Uint8Array(60);
    const list = [attribute(1, 'ab', 'xyz'), attribute(6, 'c', '')];
    expect(layOutEntries(list, bytes, 4, 4, false)).toBe(true);
    expect(hex(bytes)).toBe(
      hex(
        fromHex(`00000000
          02 01 3400 00000000 03000000 00000000 61620000
          01 06 0000 00000000 00000000 00000000 63000000
          00000000 00000000 00000000 78797a00`),
      ),
    );
    expect(parseEntries(bytes, 4, 4)).toEqual(list);
  });

  it('attributes that are laid out fit to the last byte, with a word of zeros behind the entries', () => {
    const list = [attribute(1, 'ab', 'xyz')];
    const wholly = 20 + 4 + 4;
    expect(layOutEntries(list, new Uint8Array(wholly), 0, 0, false)).toBe(true);
    expect(layOutEntries(list, new Uint8Array(wholly - 1), 0, 0, false)).toBe(false);
    expect(layOutEntries(list, new Uint8Array(wholly + 3), 4, 0, false)).toBe(false);
    expect(layOutEntries([], new Uint8Array(4), 4, 0, false)).toBe(true);
  });

  it('attributes that are laid out lie where the view of the bytes begins', () => {
    const whole = new Uint8Array(64);
    const view = whole.subarray(12, 52);
    expect(layOutEntries([attribute(1, 'ab', 'xyz')], view, 0, 0, false)).toBe(true);
    expect(hex(whole.subarray(0, 12))).toBe('00'.repeat(12));
    expect(hex(view.subarray(0, 20))).toBe(hex(fromHex(ENTRY)));
    expect(parseEntries(view, 0, 0)).toEqual([attribute(1, 'ab', 'xyz')]);
  });

  it('attributes that are laid out in a block have hashes of names and values, bytes of names with a sign', () => {
    const bytes = new Uint8Array(64);
    const hashOf = (one: Attribute): number => {
      bytes.fill(0);
      expect(layOutEntries([one], bytes, 0, 0, true)).toBe(true);
      return new DataView(bytes.buffer).getUint32(12, true);
    };
    // a, then (a << 5) ^ b.
    expect(hashOf(attribute(1, 'ab', ''))).toBe(((0x61 << 5) ^ 0x62) >>> 0);
    // One word of the value: rotated by 16, and the word.
    expect(hashOf(attribute(1, 'a', 'wxyz'))).toBe(((0x61 << 16) ^ 0x7a797877) >>> 0);
    expect(hashOf(attribute(1, 'a', 'wxyzw'))).toBe(
      ((((0x61 << 16) ^ 0x7a797877) << 16) ^ (((0x61 << 16) ^ 0x7a797877) >>> 16) ^ 0x77) >>> 0,
    );
    // 0xc3 and 0xa9 are -61 and -87.
    expect(hashOf(attribute(1, 'é', ''))).toBe(((-61 << 5) ^ (-61 >>> 27) ^ -87) >>> 0);
    expect(layOutEntries([attribute(1, 'ab', '')], bytes.fill(0), 0, 0, false)).toBe(true);
    expect(new DataView(bytes.buffer).getUint32(12, true)).toBe(0);
  });
});

describe('a block of attributes', () => {
  it('a block of attributes has a header with one user, and a hash of all entries', () => {
    const list = [attribute(1, 'ab', ''), attribute(1, 'cd', '')];
    const block = blockOfAttributes(list, 128)!;
    const words = new DataView(block.buffer);
    const word = (at: number): number => words.getUint32(at, true);
    expect([word(0), word(4), word(8)]).toEqual([0xea020000, 1, 1]);
    const [first, second] = [word(32 + 12), word(32 + 20 + 12)] as const;
    expect(first).not.toBe(0);
    expect(word(12)).toBe(((first << 16) ^ (first >>> 16) ^ second) >>> 0);
    expect(parseEntries(block, 32, 0)).toEqual(list);
  });

  it('a block of attributes of which one has the hash 0 has that hash, too, and is shared by none', () => {
    // A word of the value undoes the name.
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, 0x61 << 16, true);
    const zero: Attribute = { index: 1, name: bytesOf('a'), value };
    const block = blockOfAttributes([zero, attribute(1, 'b', 'x')], 128)!;
    expect(new DataView(block.buffer).getUint32(12, true)).toBe(0);
    expect(parseEntries(block, 32, 0)).toHaveLength(2);
  });

  it('a block of attributes is not to be had where they do not fit', () => {
    expect(blockOfAttributes([attribute(1, 'ab', 'xyz')], 32 + 28)).toHaveLength(60);
    expect(blockOfAttributes([attribute(1, 'ab', 'xyz')], 32 + 27)).toBeUndefined();
  });
});

describe('bytes that are read as attributes', () => {
  const parse = (text: string, first = 0, base = 0): Attribute[] | undefined =>
    parseEntries(fromHex(text), first, base);
  const END = '00000000';

  it('bytes that are read as attributes end at a word of zeros, or make no sense', () => {
    expect(parse(END)).toEqual([]);
    expect(parse('000000')).toBeUndefined();
    expect(parse(`ffffffff${END}`, 4)).toEqual([]);
    expect(parse(END, 4)).toBeUndefined();
    // No word behind the last entry.
    expect(parse('01 01 0000 00000000 00000000 00000000 61000000')).toBeUndefined();
    expect(parse(`01 01 0000 00000000 00000000 00000000 61000000 ${END}`)).toEqual([attribute(1, 'a', '')]);
  });

  it('bytes that are read as attributes hold each entry, name and value wholly', () => {
    const whole = `01 04 1c00 00000000 04000000 00000000 61000000 ${END} 00000000 77787980`;
    const cut = fromHex(whole);
    expect(parse(whole)).toEqual([{ index: 4, name: bytesOf('a'), value: Uint8Array.of(0x77, 0x78, 0x79, 0x80) }]);
    // The value begins 4 bytes further on, or is longer than what is left.
    expect(parse(whole, 0, 4)).toBeUndefined();
    expect(parseEntries(cut.subarray(0, 31), 0, 0)).toBeUndefined();
    // An entry of 16 bytes whose name would lie behind the end.
    expect(parse(`0c 01 0000 00000000 00000000 00000000 ${'61'.repeat(11)}`)).toBeUndefined();
    expect(parse('01 01 0000 00000000 00000000 0000')).toBeUndefined();
  });

  it('bytes that are read as attributes have no value in another block, and an empty one anywhere', () => {
    expect(parse(`01 01 0000 01000000 00000000 00000000 61000000 ${END}`)).toBeUndefined();
    expect(parse(`01 01 ffff 00000000 00000000 00000000 61000000 ${END}`)).toEqual([attribute(1, 'a', '')]);
    expect(parse(`01 01 ffff 00000000 01000000 00000000 61000000 ${END}`)).toBeUndefined();
  });

  it('bytes that are read as attributes are copied', () => {
    const bytes = fromHex(`01 01 1800 00000000 01000000 00000000 61000000 ${END} 77000000`);
    const [one] = parseEntries(bytes, 0, 0)!;
    bytes.fill(0xff);
    expect(one).toEqual(attribute(1, 'a', 'w'));
  });
});

describe('attributes in order', () => {
  it('attributes in order go by namespace, then by the length of the name, then by the name', () => {
    const list = [
      attribute(6, 'a', '1'),
      attribute(1, 'bb', '2'),
      attribute(1, 'ab', '3'),
      attribute(1, 'z', '4'),
      attribute(4, 'ccc', '5'),
    ];
    expect(inOrder(list).map(({ value }) => String.fromCharCode(value[0]!))).toEqual(['4', '3', '2', '5', '1']);
    expect(list[0]!.index).toBe(6);
  });

  it('attributes in order are equal where all names and values are', () => {
    const list = [attribute(1, 'a', '1'), attribute(4, 'b', '2')];
    expect(areEqual(list, structuredClone(list))).toBe(true);
    expect(areEqual([], [])).toBe(true);
    for (const other of [
      list.slice(0, 1),
      [...list, attribute(6, 'c', '')],
      [list[0]!, attribute(4, 'b', '3')],
      [list[0]!, attribute(4, 'c', '2')],
      [attribute(4, 'a', '1'), list[1]!],
    ])
      expect([areEqual(list, other), areEqual(other, list)]).toEqual([false, false]);
  });

  it('attributes in order are known by namespace and name together', () => {
    const key = { index: 1, name: bytesOf('a') };
    expect(
      [attribute(1, 'a', 'x'), attribute(4, 'a', 'x'), attribute(1, 'b', 'x')].map((each) => isNamed(each, key)),
    ).toEqual([true, false, false]);
  });
});
