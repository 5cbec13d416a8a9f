import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/argument-error.ts';
import { JoinedImage } from '../../../src/disk/image/joined-image.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { OverlayImage } from '../../../src/disk/image/overlay-image.ts';
import { property } from '../../support/property.ts';

const BYTES = 20_000;
const step = fc.record({ offset: fc.nat(BYTES), length: fc.nat(9000), byte: fc.nat(255) });

describe('JoinedImage', () => {
  property(
    'JoinedImage is its parts one after the other, each at a page; overlays of one image do not see each other',
    fc.array(step, { maxLength: 20 }),
    (steps) => {
      const base = new MemoryImage(5000);
      base.write(0, new Uint8Array(5000).fill(7), 0, 5000);
      const joined = new JoinedImage([new OverlayImage(base), new OverlayImage(base), new MemoryImage(100)]);
      expect(joined.places).toEqual([
        { start: 0, bytes: 5000 },
        { start: 8192, bytes: 5000 },
        { start: 16_384, bytes: 100 },
      ]);
      expect(joined.size).toBe(20_480);
      const isPlace = (at: number): boolean =>
        joined.places.some(({ start, bytes }) => at >= start && at < start + bytes);
      const model = Buffer.alloc(joined.size).map((_, at) => (isPlace(at) && at < 16_384 ? 7 : 0));
      for (const { offset, length: wanted, byte } of steps) {
        const length = Math.min(wanted, joined.size - offset);
        joined.write(offset, new Uint8Array(length + 1).fill(byte), 1, length);
        for (let at = offset; at < offset + length; at++) if (isPlace(at)) model[at] = byte;
        const seen = new Uint8Array(length + 3).fill(99);
        joined.read(offset, seen, 2, length);
        expect(Buffer.compare(seen.subarray(2, -1), model.subarray(offset, offset + length))).toBe(0);
        expect([seen[0], seen[1], seen[length + 2]]).toEqual([99, 99, 99]);
      }
      const all = new Uint8Array(joined.size);
      joined.read(0, all, 0, all.length);
      expect(Buffer.compare(all, model)).toBe(0);
    },
  );

  it('JoinedImage has an end', () => {
    const image = new JoinedImage([new MemoryImage(10)]);
    expect(() => image.read(4090, new Uint8Array(9), 0, 9)).toThrow(ArgumentError);
  });
});
