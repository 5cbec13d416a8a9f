// An overlay keeps granules of 4 KiB: what is written of them is its own, the rest shows the image
// below.
import { expect, it } from 'vitest';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { OverlayImage } from '../../../src/disk/image/overlay-image.ts';

const GRANULE = 4096;
const SIZE = 4 * GRANULE + 512;

it.each([1, 512, GRANULE - 1, GRANULE, GRANULE + 1, 2 * GRANULE - 1, 2 * GRANULE])(
  'a write of %i bytes, wherever it lies, changes those and no other',
  (length) => {
    const below = new MemoryImage(SIZE);
    const old = Buffer.from(Array.from({ length: SIZE }, (_, i) => 1 + (i % 100)));
    below.write(0, old, 0, SIZE);
    const borders = [0, GRANULE, 2 * GRANULE, 4 * GRANULE, SIZE];
    const starts = borders.flatMap((at) => [at - length, at - 1, at, at + 1]);
    for (const start of new Set(starts.filter((at) => at >= 0 && at + length <= SIZE))) {
      const overlay = new OverlayImage(below);
      overlay.write(start, Buffer.alloc(length + 2, 200), 1, length);
      const seen = Buffer.alloc(SIZE);
      overlay.read(0, seen, 0, SIZE);
      const expected = Buffer.from(old);
      expected.fill(200, start, start + length);
      expect(Buffer.compare(seen, expected), `from ${start} on`).toBe(0);
      // Read in two pieces that meet within it.
      const within = start + (length >> 1);
      overlay.read(0, seen.fill(0), 0, within);
      overlay.read(within, seen, within, SIZE - within);
      expect(Buffer.compare(seen, expected), `from ${start} on, in two pieces`).toBe(0);
      below.read(0, seen, 0, SIZE);
      expect(Buffer.compare(seen, old)).toBe(0);
    }
  },
);

it('an overlay shows bytes where they lie, where none of them is its own, as far as the image below does', () => {
  const below = new MemoryImage(SIZE);
  below.write(0, new Uint8Array(SIZE).fill(7), 0, SIZE);
  const overlay = new OverlayImage(below);
  expect(overlay.view(100, 2 * GRANULE)).toEqual(new Uint8Array(2 * GRANULE).fill(7));
  overlay.write(GRANULE + 5, Uint8Array.of(9), 0, 1);
  const isShown = (offset: number, length: number): boolean => overlay.view(offset, length) !== undefined;
  expect([isShown(0, GRANULE), isShown(2 * GRANULE, 10), isShown(2 * GRANULE - 1, 2)]).toEqual([true, true, false]);
  expect([isShown(0, GRANULE + 1), isShown(GRANULE, 1)]).toEqual([false, false]);
  expect(new OverlayImage({ size: SIZE, read: below.read.bind(below) }).view(0, 1)).toBeUndefined();
});
