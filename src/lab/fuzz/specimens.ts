/** Trees and images of which specimens are made: small, with everything that a reader meets. */

import { MemoryImage } from '../../disk/image/memory-image.ts';
import { makeExt2 } from '../../disk/mkfs/mkfs.ts';
import { directory, file, sparse, symlink, type Tree, tree, type TreeNode } from '../../disk/mkfs/tree.ts';

/** `size` bytes that differ from file to file and from page to page. */
export function pattern(size: number, salt: number): Uint8Array {
  return new Uint8Array(size).map((_, at) => (at * 31 + (at >>> 12) * 7 + salt) & 255);
}

/**
 * Files of all sorts: empty, of odd sizes, with direct and indirect blocks, with holes,
 * hard-linked, behind symbolic links.
 */
export function smallTree(): Tree {
  const shared = file(pattern(5000, 1));
  const entries: [string, TreeNode][] = [
    ['empty', file('')],
    ['one', file('x')],
    ['shared', shared],
    ['again', shared],
    ['link', symlink('deep/er/thirteen')],
    ['far', symlink('/'.repeat(70) + 'one')],
    ['holes', file(sparse(300_000, [[100_000, pattern(20_000, 5)]]))],
    ['deep', directory([['er', directory([['thirteen', file(pattern(13 * 4096, 2))]])]])],
    [
      'many',
      directory(Array.from({ length: 150 }, (_, i) => [`name-${i}`, file(pattern(i * 37, i))] as [string, TreeNode])),
    ],
    ['big', file(pattern(1_300_000, 3))],
  ];
  return tree(directory(entries));
}

/** @param journalBlocks blocks of a journal; none when not given */
export const smallImage = (journalBlocks?: number): MemoryImage => makeExt2(smallTree(), { journalBlocks });

/** All bytes of an image. */
export function bytesOf(image: MemoryImage): Uint8Array {
  const bytes = new Uint8Array(image.size);
  image.read(0, bytes, 0, image.size);
  return bytes;
}

/** An image of these bytes. */
export function imageOf(bytes: Uint8Array): MemoryImage {
  const image = new MemoryImage(bytes.length);
  image.write(0, bytes, 0, bytes.length);
  return image;
}
