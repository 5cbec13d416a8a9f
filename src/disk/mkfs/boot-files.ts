/**
 * The files that a boot reads: programs, libraries and configuration, as a recorded boot of Debian
 * read them (recorded-boot.ts). They lie in one directory, in the order of their installation. Two
 * lists beside them say what a guest reads when it starts and when it stops.
 *
 * Contract: the recording has numbers, lengths and the order, but neither names nor contents. So a
 * file is named by its number, and its bytes follow from file, page and place. They are made when
 * they are read, and are not kept. Each page differs from every other.
 *
 * Differs from the recorded disk: the files that were not read are missing between them, so seeks
 * are shorter. A file ends with the last page that was read. The recording has no shutdown. The
 * list for it is derived: the files of one page are read again, the last one first. Most of these
 * say how a service is started and stopped.
 */

import { copyBytes } from '../../base/bytes.ts';
import { EXT2_BLOCK_SIZE } from '../../format/ext2.ts';
import { BOOT_READS, FILE_PAGES } from './recorded-boot.ts';
import { directory, file, type FileContent, type Tree, type TreeNode } from './tree.ts';

/** The directory of the root that has them. */
const DIRECTORY = '.stillwarm-boot';
/** What paths of the files that a boot reads begin with. */
export const BOOT_FILES = `/${DIRECTORY}/`;
/** Paths of the lists of what is read when services start and stop (workload/init.ts). */
export const BOOT_LISTS = { start: `${BOOT_FILES}start`, stop: `${BOOT_FILES}stop` } as const;

/** Bytes of which each page has a piece. */
const PATTERN_BYTES = 1 << 16;
/** File and page, at the start of each page. */
const HEAD_BYTES = 8;

interface Read {
  readonly file: number;
  readonly first: number;
  readonly pages: number;
}

const words = (text: string): string[] => text.trim().split(/\s+/);
const nameOf = (file: number): string => String(file).padStart(3, '0');

/**
 * The tree with the files that a boot reads. A tree that has the directory keeps its own: it is the
 * copy of an image that had them.
 */
export function withBootFiles({ root, leftOut }: Tree): Tree {
  const entries = root.entries.map(({ name, node }) => [name, node] as const);
  const own = directory([[DIRECTORY, bootDirectory()]]).entries[0]!;
  const has = entries.some(
    ([name]) => name.length === own.name.length && name.every((byte, i) => byte === own.name[i]),
  );
  return has ? { root, leftOut } : { root: directory([...entries, [own.name, own.node]], root), leftOut };
}

function bootDirectory(): TreeNode {
  const sizes = words(FILE_PAGES).map(Number);
  const reads = words(BOOT_READS).map((word): Read => {
    const [number, first, pages] = word.split('.').map(Number);
    return { file: number!, first: first!, pages: pages! };
  });
  const stops = reads.filter((read) => sizes[read.file] === 1).reverse();
  return directory([
    ...sizes.map((pages, number) => [nameOf(number), file(contentOf(number, pages))] as const),
    ['start', file(listOf(reads))],
    ['stop', file(listOf(stops))],
  ]);
}

/** A line a read: first page, pages, path. */
const listOf = (reads: readonly Read[]): string =>
  reads.map((read) => `${read.first} ${read.pages} ${BOOT_FILES}${nameOf(read.file)}\n`).join('');

function contentOf(number: number, pages: number): FileContent {
  return {
    sizeBytes: pages * EXT2_BLOCK_SIZE,
    dataRuns: [0, pages],
    read: (offset, dst, dstOffset, length) => {
      for (let done = 0; done < length; ) {
        const page = Math.floor((offset + done) / EXT2_BLOCK_SIZE);
        const within = (offset + done) % EXT2_BLOCK_SIZE;
        const bytes = Math.min(EXT2_BLOCK_SIZE - within, length - done);
        putPiece(number, page, within, dst, dstOffset + done, bytes);
        done += bytes;
      }
    },
  };
}

/** Writes `bytes` bytes of a page from `within` on. */
function putPiece(number: number, page: number, within: number, dst: Uint8Array, at: number, bytes: number): void {
  pattern ??= makePattern();
  const start = (Math.imul(number, 0x9e3779b1) ^ Math.imul(page, 0x85ebca6b)) >>> 16;
  copyBytes(pattern, start + within, dst, at, bytes);
  for (let i = within; i < HEAD_BYTES && i < within + bytes; i++)
    dst[at + i - within] = (i < 4 ? number : page) >>> (8 * (i & 3));
}

let pattern: Uint8Array | undefined;

/** Numbers of xorshift32 (Marsaglia), with room for a page behind the last place. */
function makePattern(): Uint8Array {
  const numbers = new Uint32Array((PATTERN_BYTES + EXT2_BLOCK_SIZE) / 4);
  let x = 1;
  for (let i = 0; i < numbers.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    numbers[i] = x;
  }
  return new Uint8Array(numbers.buffer);
}
