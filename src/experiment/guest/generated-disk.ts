/**
 * A disk whose files are made up, by number and size: an experiment on it needs no directory of the
 * host. It takes no memory for the files, whatever their size.
 *
 * Contract: the bytes of a file depend on its number and on the place in it, and on nothing else.
 * Each page of 4 KiB differs from the next ones and is not zero, so that a page at a wrong place is
 * found.
 */

import { checkInteger } from '../../base/argument-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { withBootFiles } from '../../disk/mkfs/boot-files.ts';
import { mapExt2 } from '../../disk/mkfs/mkfs.ts';
import { planExt2 } from '../../disk/mkfs/plan.ts';
import { directory, file, tree, type FileContent } from '../../disk/mkfs/tree.ts';
import { RandomStream } from '../../sim/random.ts';
import { diskSourceOf, type DiskSource } from './disk-source.ts';

/** Bytes from which files are cut: two pages of different files rarely begin at one place. */
export const PATTERN_BYTES = 1 << 20;
const PATTERN_SEED = 512;
/** Odd, so that pages begin at all places of the pattern in turn. */
const STRIDE = 4099;

let pattern: Uint8Array | undefined;

/** The pattern, and a page more: a page can be cut from each of its first PATTERN_BYTES places. */
export function patternBytes(): Uint8Array {
  if (pattern === undefined) {
    const random = new RandomStream(PATTERN_SEED);
    // Whole pages can be cut from any place of the first part.
    const words = Uint32Array.from({ length: (PATTERN_BYTES + PAGE_SIZE) / 4 }, () => random.u32());
    pattern = new Uint8Array(words.buffer);
  }
  return pattern;
}

/**
 * A disk of `count` files of `bytes` bytes each, and the files that a boot reads.
 * @throws ArgumentError for numbers that are not whole, or below 1
 */
export function generatedDisk(count: number, bytes: number): DiskSource {
  checkInteger('count', count, 1);
  checkInteger('bytes', bytes, 1);
  const digits = `${count}`.length;
  const files = Array.from(
    { length: count },
    (_, n) => [`${n + 1}`.padStart(digits, '0'), file(contentOf(n, bytes))] as const,
  );
  const image = mapExt2(planExt2(withBootFiles(tree(directory(files)))));
  return diskSourceOf(image, `${count} x ${bytes}`);
}

function contentOf(number: number, sizeBytes: number): FileContent {
  return {
    sizeBytes,
    dataRuns: [0, Math.ceil(sizeBytes / PAGE_SIZE)],
    read: (offset, dst, dstOffset, length) => {
      const bytes = patternBytes();
      for (let done = 0; done < length; ) {
        const page = Math.floor((offset + done) / PAGE_SIZE);
        const within = (offset + done) % PAGE_SIZE;
        const some = Math.min(PAGE_SIZE - within, length - done);
        const start = (((number + 1) * 65_537 + page * STRIDE) % PATTERN_BYTES) + within;
        dst.set(bytes.subarray(start, start + some), dstOffset + done);
        done += some;
      }
    },
  };
}
