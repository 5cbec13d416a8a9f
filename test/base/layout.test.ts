// Layouts: offsets follow from the fields, numbers round-trip through little-endian bytes and touch
// nothing else.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  defineLayout,
  getField,
  InvariantViolation,
  type Layout,
  layoutTable,
  putField,
  reservedIsZero,
} from '../../src/base/index.ts';
import { property } from '../support/property.ts';

type Width = 1 | 2 | 4 | 8;
const WIDTHS: Width[] = [8, 4, 2, 1];

/** Fields widest first, so that every one is aligned. */
const layoutArbitrary: fc.Arbitrary<Layout> = fc
  .array(fc.record({ width: fc.constantFrom(...WIDTHS), count: fc.integer({ min: 1, max: 4 }) }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => {
    const fields = parts
      .sort((a, b) => b.width - a.width)
      .map(({ width, count }, i) => ({ name: `f${i}`, width, count, meaning: 'test' }));
    const size = fields.reduce((sum, { width, count }) => sum + width * count, 0);
    return defineLayout('test', size, fields);
  });

function largest(width: Width): number {
  return width === 8 ? Number.MAX_SAFE_INTEGER : 256 ** width - 1;
}

/** The definition of a little-endian number, from the platform. */
function littleEndian(width: Width, value: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value), true);
  return [...new Uint8Array(view.buffer, 0, width)];
}

property(
  'a value of a layout comes back, in little-endian bytes, and nothing else is touched',
  layoutArbitrary,
  fc.nat(),
  fc.nat(),
  fc.maxSafeNat(),
  fc.nat({ max: 20 }),
  fc.integer({ min: 0, max: 255 }),
  (layout, whichField, whichElement, number, base, filler) => {
    const field = layout.fields[whichField % layout.fields.length]!;
    const element = whichElement % (field.count ?? 1);
    const value = field.width === 8 ? number : number % 256 ** field.width;
    const bytes = new Uint8Array(base + layout.size + 8).fill(filler);
    const expected = bytes.slice();
    expected.set(littleEndian(field.width, value), base + layout.offset[field.name]! + element * field.width);
    putField(layout, bytes, base, field.name, value, element);
    expect(bytes).toEqual(expected);
    expect(getField(layout, bytes, base, field.name, element)).toBe(value);
  },
);

property(
  'the fields of a layout follow each other without gaps, aligned, and fill the size',
  layoutArbitrary,
  (layout) => {
    let at = 0;
    for (const { name, width, count } of layout.fields) {
      expect(layout.offset[name]).toBe(at);
      expect(at % width).toBe(0);
      at += width * (count ?? 1);
    }
    expect(at).toBe(layout.size);
  },
);

property(
  'a value that does not fit into a layout is refused, and nothing is written',
  layoutArbitrary,
  fc.nat(),
  fc.constantFrom('too large', 'negative', 'a fraction', 'not a number'),
  (layout, whichField, wrong) => {
    const field = layout.fields[whichField % layout.fields.length]!;
    const value = { 'too large': largest(field.width) + 1, negative: -1, 'a fraction': 0.5, 'not a number': NaN }[
      wrong
    ];
    const bytes = new Uint8Array(layout.size);
    expect(() => {
      putField(layout, bytes, 0, field.name, value);
    }).toThrow(InvariantViolation);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  },
);

describe('a definition', () => {
  it('a definition must add up to its size', () => {
    const define = (size: number) => () => defineLayout('sum', size, [{ name: 'a', width: 4, meaning: '' }]);
    expect(define(4)).not.toThrow();
    expect(define(8)).toThrow('layout sum: fields add up to 4, not 8');
  });

  it('a definition must align every field to its width', () => {
    expect(() =>
      defineLayout('odd', 5, [
        { name: 'a', width: 1, meaning: '' },
        { name: 'b', width: 4, meaning: '' },
      ]),
    ).toThrow('layout odd: b at 1 is not aligned to 4');
  });
});

const SAMPLE = defineLayout('sample', 16, [
  { name: 'magic', width: 4, writer: 'hypervisor', meaning: 'tells what it is' },
  { name: 'words', width: 2, count: 2, writer: 'guest', meaning: 'two words' },
  { name: 'reserved', width: 4, count: 2, meaning: 'for later', reserved: true },
]);

property(
  'the reserved bytes of a layout, and only they, must be zero',
  fc.nat({ max: 15 }),
  fc.nat({ max: 9 }),
  (at, base) => {
    const bytes = new Uint8Array(base + 16);
    expect(reservedIsZero(SAMPLE, bytes, base)).toBe(true);
    bytes[base + at] = 1;
    expect(reservedIsZero(SAMPLE, bytes, base)).toBe(at < 8);
  },
);

it('a layout prints itself as the reference page shows it', () => {
  expect(layoutTable(SAMPLE)).toBe(
    [
      '### sample (16 bytes)',
      '',
      '| offset | type | field | written by | meaning |',
      '|---:|---|---|---|---|',
      '| 0 | u32 | `magic` | hypervisor | tells what it is |',
      '| 4 | u16 × 2 | `words` | guest | two words |',
      '| 8 | u32 × 2 | `reserved` | — | for later; must be zero |',
    ].join('\n'),
  );
});
