/**
 * What is known of the blocks of a directory, so that the host need not go through all of them. For
 * each block that is which names it has, how many entries, and how much room. The guest still pays
 * for each entry that it would have looked at (ext2/dir.ts).
 *
 * It is made from the directory's pages, and says of a block only what its page said. A block of
 * which nothing is known has to be looked at.
 *
 * Contract:
 * - `learn` is given the contents of a page that is in the cache and up to date;
 * - a caller that changes such a page says so (`added`, `removed`);
 * - a page that leaves the cache is forgotten.
 *
 * So a block that is known has its page in the cache.
 *
 * A directory with a bad entry, or with one name twice, is no longer searched by it. What a search
 * finds there depends on the order.
 */

import { decodeText } from '../../../base/text.ts';
import { checkDirent, DIRENT, direntLength, EXT2_BLOCK_SIZE } from '../../../format/ext2.ts';
import type { PageWatcher } from '../../mm/page-users.ts';
import { FirstFit, PrefixSums } from '../../mm/place-trees.ts';

/** Room of a block of which nothing is known: more than any block has. */
const UNKNOWN = 2 * EXT2_BLOCK_SIZE;

export class DirectoryIndex implements PageWatcher {
  /** Names of each block; as long as the last one of which something was known. */
  #names: string[][] = [];
  /** The block of a name. */
  #homes = new Map<string, number>();
  /** Largest room behind an entry of a block, bytes. */
  #room = new FirstFit();
  #entries = new PrefixSums();
  #isUsable = true;

  isKnown(block: number): boolean {
    return block < this.#names.length && this.#room.get(block) !== UNKNOWN;
  }

  /**
   * The first block from `from` on, `end` at most, that may have the name, or room for so many
   * bytes when that is not 0.
   */
  next(from: number, end: number, name: string, needed: number): number {
    if (!this.#isUsable || from >= end) return from;
    const home = this.#homes.get(name) ?? -1;
    const roomy = this.#room.first(from, needed === 0 ? UNKNOWN : needed);
    const next = roomy < 0 ? Math.max(from, this.#names.length) : roomy;
    return Math.min(end, home >= from && home < next ? home : next);
  }

  /** Entries of the blocks from `from` up to and without `to`, all of which are known. */
  entriesIn(from: number, to: number): number {
    return from === to ? 0 : this.#entries.before(to) - this.#entries.before(from);
  }

  /**
   * @param page contents of the block; `inodeCount` of the file system, by which entries are
   * checked
   */
  learn(block: number, page: Uint8Array, inodeCount: number): void {
    if (!this.#isUsable) return;
    for (let at = this.#names.length; at <= block; at++) {
      this.#names.push([]);
      this.#room.set(at, UNKNOWN);
    }
    for (const name of this.#names[block]!) this.#homes.delete(name);
    const names: string[] = [];
    for (let at = 0; at < EXT2_BLOCK_SIZE; at += lengthOf(page, at)) {
      if (!checkDirent(page, at, EXT2_BLOCK_SIZE, inodeCount).ok) {
        this.#giveUp();
        return;
      }
      if (!isInUse(page, at)) continue;
      const start = at + DIRENT.size;
      const name = decodeText(page.subarray(start, start + page[at + DIRENT.offset.name_len]!));
      if (this.#homes.has(name)) {
        this.#giveUp();
        return;
      }
      this.#homes.set(name, block);
      names.push(name);
    }
    this.#names[block] = names;
    this.#measure(block, page);
  }

  /** A name was added to the block, whose contents are these now. */
  added(block: number, name: string, page: Uint8Array): void {
    if (!this.#isUsable || !this.isKnown(block)) return;
    if (this.#homes.has(name)) {
      this.#giveUp();
      return;
    }
    this.#homes.set(name, block);
    this.#names[block]!.push(name);
    this.#measure(block, page);
  }

  /** A name was removed from the block, whose contents are these now. */
  removed(block: number, name: string, page: Uint8Array): void {
    if (!this.#isUsable || !this.isKnown(block)) return;
    this.#homes.delete(name);
    const names = this.#names[block]!;
    names[names.indexOf(name)] = names.at(-1)!;
    names.pop();
    this.#measure(block, page);
  }

  /** The page of a block leaves the cache. */
  removedPage(block: number): void {
    if (this.isKnown(block)) this.#room.set(block, UNKNOWN);
  }

  #measure(block: number, page: Uint8Array): void {
    let entries = 0;
    let room = 0;
    for (let at = 0; at < EXT2_BLOCK_SIZE; ) {
      const length = lengthOf(page, at);
      const used = isInUse(page, at) ? direntLength(page[at + DIRENT.offset.name_len]!) : 0;
      if (length - used > room) room = length - used;
      entries++;
      at += length;
    }
    this.#room.set(block, room);
    this.#entries.set(block, entries);
  }

  #giveUp(): void {
    this.#isUsable = false;
    this.#names = [];
    this.#homes = new Map();
    this.#room = new FirstFit();
    this.#entries = new PrefixSums();
  }
}

function lengthOf(page: Uint8Array, at: number): number {
  return page[at + DIRENT.offset.rec_len]! | (page[at + DIRENT.offset.rec_len + 1]! << 8);
}

function isInUse(page: Uint8Array, at: number): boolean {
  return (page[at]! | page[at + 1]! | page[at + 2]! | page[at + 3]!) !== 0;
}
