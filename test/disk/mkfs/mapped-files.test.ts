// Files at their places: read and shown as an image in which they are copied.
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { MappedFiles } from '../../../src/disk/mkfs/mapped-files.ts';
import { property } from '../../support/property.ts';

const BLOCK = 4096;
const BLOCKS = 12;
const SIZE = BLOCKS * BLOCK;

/** Of two files: one in two pieces with a gap and a short end, one that cannot show its bytes. */
function image() {
  const bytes = (size: number, first: number) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + first) % 251);
  const [shown, hidden] = [bytes(3 * BLOCK + 100, 1), bytes(2 * BLOCK, 90)];
  const copied = new Uint8Array(SIZE);
  const files = new MappedFiles(SIZE);
  const place = (
    content: Uint8Array,
    isShown: boolean,
    ...extents: { first: number; end: number; block: number }[]
  ) => {
    files.place(extents, {
      sizeBytes: content.length,
      read: (offset, dst, at, length) => dst.set(content.subarray(offset, offset + length), at),
      ...(isShown && { view: (offset: number, length: number) => content.subarray(offset, offset + length) }),
    });
    for (const { first, end, block } of extents)
      copied.set(content.subarray(first * BLOCK, end * BLOCK), block * BLOCK);
  };
  place(hidden, false, { first: 0, end: 2, block: 9 });
  place(shown, true, { first: 2, end: 4, block: 6 }, { first: 0, end: 1, block: 2 });
  return { files, copied };
}

describe('files at their places in an image', () => {
  const { files, copied } = image();
  property(
    'files at their places are read as if they were copied there, and shown with the same bytes or not at all',
    fc.nat(SIZE - 1),
    fc.nat(5 * BLOCK),
    (offset, wanted) => {
      const length = Math.min(wanted, SIZE - offset);
      const read = new Uint8Array(length + 2).fill(0xee);
      files.read(offset, read, 1, length);
      expect([read[0], read[length + 1]]).toEqual([0xee, 0xee]);
      expect(Buffer.compare(read.subarray(1, length + 1), copied.subarray(offset, offset + length))).toBe(0);
      const shown = files.view(offset, length);
      if (shown !== undefined) expect(Buffer.compare(shown, copied.subarray(offset, offset + length))).toBe(0);
      const [from, to] = [offset, offset + length];
      const isOfOne = [
        [2 * BLOCK, 3 * BLOCK],
        [6 * BLOCK, 7 * BLOCK + 100],
      ].some(([a, b]) => from >= a! && to <= b!);
      if (length > 0) expect(shown !== undefined).toBe(isOfOne);
    },
  );
});
