import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/argument-error.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { property } from '../../support/property.ts';

const CHUNK = 1 << 20;
const SIZE = 3 * CHUNK + 12345;

/** A range that lies in the image, often across the end of a chunk. */
const range = fc
  .tuple(fc.constantFrom(0, CHUNK, 2 * CHUNK, SIZE), fc.integer({ min: -9000, max: 9000 }), fc.nat(9000))
  .map(([near, delta, length]) => {
    const offset = Math.min(Math.max(near + delta, 0), SIZE);
    return { offset, length: Math.min(length, SIZE - offset) };
  });

describe('MemoryImage', () => {
  property(
    'MemoryImage reads what was written last, and zeros elsewhere',
    fc.array(fc.tuple(range, fc.integer({ min: 1, max: 255 })), { maxLength: 12 }),
    range,
    (writes, { offset, length }) => {
      const image = new MemoryImage(SIZE);
      const model = Buffer.alloc(SIZE);
      for (const [where, byte] of writes) {
        // Written from inside a larger buffer, so that a wrong source offset shows.
        const src = Buffer.alloc(where.length + 7, 0xee);
        src.fill(byte, 5, 5 + where.length);
        image.write(where.offset, src, 5, where.length);
        model.fill(byte, where.offset, where.offset + where.length);
      }
      const dst = Buffer.alloc(length + 6, 0xaa);
      image.read(offset, dst, 3, length);
      expect(dst.subarray(3, 3 + length).equals(model.subarray(offset, offset + length))).toBe(true);
      expect([...dst.subarray(0, 3), ...dst.subarray(3 + length)]).toEqual(new Array(6).fill(0xaa));
    },
    { numRuns: 40 },
  );

  it('MemoryImage costs nothing where it was never written', () => {
    const image = new MemoryImage(2 ** 42);
    const byte = Uint8Array.of(7);
    image.read(2 ** 41, byte, 0, 1);
    expect(byte[0]).toBe(0);
    expect(image.allocatedBytes).toBe(0);
    byte[0] = 7;
    image.write(2 ** 41, byte, 0, 1);
    expect(image.allocatedBytes).toBe(CHUNK);
  });

  it('MemoryImage shows its bytes where they lie in one piece: within a chunk of 1 MiB', () => {
    const image = new MemoryImage(SIZE);
    const shown = (offset: number, length: number) => image.view(offset, length)?.length;
    expect(shown(0, 1)).toBeUndefined();
    image.write(CHUNK - 1, Uint8Array.of(5, 6), 0, 2);
    expect([shown(0, CHUNK), shown(CHUNK - 1, 1), shown(CHUNK, CHUNK)]).toEqual([CHUNK, 1, CHUNK]);
    expect([image.view(CHUNK - 1, 1)![0], image.view(CHUNK, 1)![0]]).toEqual([5, 6]);
    expect([shown(0, CHUNK + 1), shown(CHUNK - 1, 2), shown(1, CHUNK)]).toEqual([undefined, undefined, undefined]);
    expect(image.allocatedBytes).toBe(2 * CHUNK);
  });

  it('MemoryImage refuses a range outside the image or the buffer', () => {
    const image = new MemoryImage(100);
    const bytes = new Uint8Array(50);
    expect(() => image.read(60, bytes, 0, 41)).toThrow(ArgumentError);
    expect(() => image.read(-1, bytes, 0, 1)).toThrow(ArgumentError);
    expect(() => image.write(0, bytes, 10, 41)).toThrow(ArgumentError);
    expect(() => new MemoryImage(1.5)).toThrow(ArgumentError);
  });
});
