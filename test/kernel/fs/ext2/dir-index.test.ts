// What is known of the blocks of a directory: which of them a search must look at, and what the
// others would have cost.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE, putField, putU16, putU32 } from '../../../../src/base/index.ts';
import { DIRENT, direntLength } from '../../../../src/format/ext2.ts';
import { DirectoryIndex } from '../../../../src/kernel/fs/ext2/dir-index.ts';

const INODES = 100;
const ANY = 'none of them';
/** Bytes of the shortest entry: that of a name of one to four bytes. */
const SHORTEST = 12;

/**
 * A block with these names, of inodes 11 and up; the last entry has the rest. An empty name: a free
 * entry.
 */
function blockOf(...names: string[]): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  let at = 0;
  for (const [i, name] of names.entries()) {
    const bytes = new TextEncoder().encode(name);
    const length = i === names.length - 1 ? PAGE_SIZE - at : Math.max(SHORTEST, direntLength(bytes.length));
    putU32(page, at, name === '' ? 0 : 11 + i);
    putU16(page, at + DIRENT.offset.rec_len, length);
    putField(DIRENT, page, at, 'name_len', bytes.length);
    page.set(bytes, at + DIRENT.size);
    at += length;
  }
  return page;
}

/** An index of three blocks, with 2, 1 and 3 entries, all known. */
function known(): DirectoryIndex {
  const index = new DirectoryIndex();
  for (const [block, page] of [blockOf('a', 'b'), blockOf('c'), blockOf('d', '', 'e')].entries())
    index.learn(block, page, INODES);
  return index;
}

describe('blocks of a directory', () => {
  it('blocks of a directory of which nothing is known are looked at, one after the other', () => {
    const index = new DirectoryIndex();
    expect([0, 1, 7].map((from) => index.next(from, 8, 'a', 0))).toEqual([0, 1, 7]);
    expect(index.next(8, 8, 'a', 0)).toBe(8);
    expect([0, 1].map((block) => index.isKnown(block))).toEqual([false, false]);
  });

  it('blocks of a directory that are known are passed over, unless they have the name', () => {
    const index = known();
    const next = (from: number, name: string): number => index.next(from, 5, name, 0);
    expect(['a', 'b', 'c', 'd', 'e'].map((name) => next(0, name))).toEqual([0, 0, 1, 2, 2]);
    expect([next(0, ANY), next(1, 'a'), next(4, ANY)]).toEqual([3, 3, 4]);
    // A directory that has become shorter ends there.
    expect([index.next(0, 2, ANY, 0), index.next(0, 2, 'e', 0)]).toEqual([2, 2]);
    expect([index.entriesIn(0, 3), index.entriesIn(1, 2), index.entriesIn(2, 3), index.entriesIn(2, 2)]).toEqual([
      6, 1, 3, 0,
    ]);
  });

  it('blocks of a directory between those that are known are looked at', () => {
    const index = new DirectoryIndex();
    index.learn(3, blockOf('d'), INODES);
    expect([0, 1, 2, 3].map((block) => index.isKnown(block))).toEqual([false, false, false, true]);
    expect([0, 2, 3].map((from) => index.next(from, 5, 'd', 0))).toEqual([0, 2, 3]);
    expect(index.next(3, 5, ANY, 0)).toBe(4);
    index.learn(1, blockOf('b'), INODES);
    expect([0, 1, 2].map((from) => index.next(from, 5, ANY, 0))).toEqual([0, 2, 2]);
  });

  it('blocks of a directory with room for an entry are looked at by who needs that, to the byte', () => {
    const index = known();
    const room = PAGE_SIZE - 2 * direntLength(1);
    const next = (from: number, needed: number): number => index.next(from, 3, ANY, needed);
    expect([next(0, room), next(0, room + 1), next(0, PAGE_SIZE - 12), next(0, PAGE_SIZE - 11)]).toEqual([0, 1, 1, 3]);
    // A free entry is room as well.
    const full = new DirectoryIndex();
    full.learn(0, blockOf('', 'x'.repeat(255)), INODES);
    full.learn(1, blockOf('y'), INODES);
    full.learn(0, blockOf('', 'z'), INODES);
    expect(full.next(0, 2, ANY, PAGE_SIZE - 2 * SHORTEST)).toBe(0);
    expect(full.next(0, 2, ANY, PAGE_SIZE - 2 * SHORTEST + 1)).toBe(1);
  });
});

describe('a name of a directory', () => {
  it('a name of a directory that is added or removed is where it was put, and the room and the entries follow', () => {
    const index = known();
    index.added(1, 'new', blockOf('c', 'new'));
    expect([index.next(0, 4, 'new', 0), index.entriesIn(0, 3)]).toEqual([1, 7]);
    const room = PAGE_SIZE - direntLength(1) - direntLength(3);
    expect([index.next(1, 4, ANY, room), index.next(1, 4, ANY, room + 1)]).toEqual([1, 3]);
    index.removed(1, 'c', blockOf('', 'new'));
    expect([index.next(0, 4, 'c', 0), index.next(0, 4, 'new', 0)]).toEqual([3, 1]);
    index.removed(1, 'new', blockOf(''));
    expect([index.next(0, 4, 'new', 0), index.entriesIn(0, 3)]).toEqual([3, 6]);
    expect(index.next(1, 4, ANY, PAGE_SIZE)).toBe(1);
    // Removed once more by a new page of the block: it has no names to forget.
    index.learn(1, blockOf('f'), INODES);
    expect([index.next(0, 4, 'f', 0), index.next(0, 4, 'c', 0)]).toEqual([1, 3]);
  });

  it('a name of a directory is forgotten with its block, when that is learned again', () => {
    const index = known();
    index.learn(0, blockOf('b', 'z'), INODES);
    expect(['a', 'b', 'z'].map((name) => index.next(0, 4, name, 0))).toEqual([3, 0, 0]);
  });

  it('a name of a directory in a block that is not known is not looked for', () => {
    const index = known();
    index.added(4, 'new', blockOf('new'));
    expect([index.isKnown(4), index.next(0, 6, 'new', 0)]).toEqual([false, 3]);
    index.removed(4, 'new', blockOf(''));
    expect(index.next(0, 6, 'a', 0)).toBe(0);
  });
});

describe('a page of a directory that leaves the cache', () => {
  it('a page of a directory that leaves the cache has to be looked at again', () => {
    const index = known();
    index.removedPage(1);
    expect([0, 1, 2].map((block) => index.isKnown(block))).toEqual([true, false, true]);
    expect([index.next(0, 4, ANY, 0), index.next(2, 4, ANY, 0), index.next(0, 4, ANY, PAGE_SIZE)]).toEqual([1, 3, 1]);
    // Nothing is said of what was there.
    index.added(1, 'new', blockOf('new'));
    index.removed(1, 'c', blockOf(''));
    expect(index.isKnown(1)).toBe(false);
    index.learn(1, blockOf('c'), INODES);
    expect([index.isKnown(1), index.next(0, 4, 'c', 0), index.next(0, 4, ANY, 0)]).toEqual([true, 1, 3]);
  });

  it('a page of a directory that leaves the cache changes nothing where nothing was known of it', () => {
    const index = known();
    index.removedPage(6);
    expect([3, 4, 6].map((from) => index.next(from, 8, ANY, 0))).toEqual([3, 4, 6]);
    expect(index.isKnown(6)).toBe(false);
  });
});

describe('a directory that makes no sense', () => {
  const looksAtAll = (index: DirectoryIndex): void => {
    expect([0, 1, 2].map((from) => index.next(from, 4, ANY, 0))).toEqual([0, 1, 2]);
    expect([0, 1, 2].map((block) => index.isKnown(block))).toEqual([false, false, false]);
    // For good.
    index.learn(0, blockOf('a'), INODES);
    index.added(0, 'x', blockOf('a', 'x'));
    index.removed(0, 'a', blockOf('x'));
    expect([index.isKnown(0), index.next(0, 4, 'z', 0)]).toEqual([false, 0]);
  };

  it('a directory that makes no sense, by an entry that leaves its block, is searched block by block', () => {
    const index = known();
    const page = blockOf('x', 'y');
    putU16(page, direntLength(1) + DIRENT.offset.rec_len, PAGE_SIZE);
    index.learn(3, page, INODES);
    looksAtAll(index);
  });

  it('a directory that makes no sense, by an inode beyond the last, is searched block by block', () => {
    const index = known();
    const page = blockOf('x');
    putU32(page, 0, INODES);
    index.learn(3, page, INODES);
    expect(index.isKnown(3)).toBe(true);
    putU32(page, 0, INODES + 1);
    index.learn(3, page, INODES);
    looksAtAll(index);
  });

  it('a directory that makes no sense, by one name in two blocks or twice in one, is searched block by block', () => {
    for (const page of [blockOf('x', 'a'), blockOf('x', 'x')]) {
      const index = known();
      index.learn(3, page, INODES);
      looksAtAll(index);
    }
    const index = known();
    index.added(1, 'a', blockOf('c', 'a'));
    looksAtAll(index);
  });
});
