import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/index.ts';
import { generatedDisk } from '../../../src/experiment/guest/generated-disk.ts';

const PAGE = 4096;

/** All pages of all files. */
function pagesOf(count: number, bytes: number): Uint8Array[] {
  const { oracle, files } = generatedDisk(count, bytes);
  return files.flatMap(({ ino, size }) =>
    Array.from({ length: Math.ceil(size / PAGE) }, (_, index) => {
      const page = new Uint8Array(PAGE);
      oracle.readPage(ino, index, page, 0);
      return page;
    }),
  );
}

describe('generatedDisk', () => {
  it('generatedDisk has as many files of that size as it is asked for, in the order of their names', () => {
    const { files, all } = generatedDisk(12, 5000);
    expect(files.map(({ path, size }) => [path, size])).toEqual(
      Array.from({ length: 12 }, (_, n) => [`/${`${n + 1}`.padStart(2, '0')}`, 5000]),
    );
    expect(all).toEqual({ files: 12, bytes: 60_000 });
  });

  it('generatedDisk has no two equal pages, and no page of zeros', () => {
    const pages = pagesOf(3, 700 * PAGE).map((bytes) => Buffer.from(bytes).toString('latin1'));
    expect(new Set(pages).size).toBe(2100);
    expect(pages).not.toContain('\0'.repeat(PAGE));
  });

  it('generatedDisk has the same bytes every time, in pieces of any size', () => {
    const whole = Buffer.concat(pagesOf(1, 100_000));
    const { image, oracle, files } = generatedDisk(1, 100_000);
    const pieces = [
      [0, 1],
      [4095, 2],
      [8191, 4099],
      [99_999, 1],
      [4096, 5_000],
    ] as const;
    for (const [at, length] of pieces) {
      const piece = Buffer.alloc(length);
      const start = oracle.blockOf(files[0]!.ino, Math.floor(at / PAGE)) * PAGE;
      image.read(start + (at % PAGE), piece, 0, length);
      expect(piece).toEqual(whole.subarray(at, at + length));
    }
  });

  it.each([
    [0, 1],
    [1, 0],
    [1.5, 1],
    [1, Number.NaN],
  ])('generatedDisk refuses %d files of %d bytes', (count, bytes) => {
    expect(() => generatedDisk(count, bytes)).toThrow(ArgumentError);
  });
});
