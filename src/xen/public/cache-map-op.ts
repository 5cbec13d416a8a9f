/**
 * cache_map_op: the hypercall by which a guest keeps its cache-mapping table, and claims from it
 * after a reboot.
 *
 * One call carries a batch of entries, performed in order. The guest fills an entry with one of the
 * methods below; the hypervisor reads the words, and for a claim writes `PFN` and `RESULT`.
 *
 * | op | in | effect |
 * |---|---|---|
 * | insert | pfn, ino, generation, index | the page is named: it holds page `index` of that inode |
 * | erase | pfn | the name is gone, and the page is not dirty any more; it may be reused for anything afterwards |
 * | claim | ino, generation, index, block | asks for a preserved page; out: RESULT, and PFN unless RESULT is `absent` |
 * | release | pfn | a preserved page that was not claimed is given back: neither named nor preserved any more |
 * | discard | block | the block was freed: a preserved page that equals it is given back; out: RESULT, and PFN unless `absent` |
 * | tell recency | pfn, recency | before an orderly shutdown: how recently the page was used (recency.ts) |
 * | ask recency | pfn | what was told of a preserved page; out: RESULT, and RECENCY unless `absent`: nothing can be believed |
 * | dirty | pfn, block | the page is newer than that block: if it is not written until the guest crashes, domain 0 does that |
 *
 * A claim that is refused gives the page back too: from then on it is an ordinary page, neither
 * named nor preserved.
 *
 * Laws:
 * 1. Erase before reuse: a guest erases a page's name before it frees the page.
 * 2. Insert after up to date: a page is named only when its contents have arrived.
 * 3. Claim once: a page claimed or released is never handed out again.
 * 4. A claim succeeds only if the record is intact, names exactly (ino, generation, index), and its
 *    provenance is clean(b). Here b must be the block that the guest says the file system maps now.
 * 5. A dirty page is erased before its block is freed. It is dirty no more when it has been written
 *    to the block whole and has not been stored to since.
 */

import { checkArgument, checkInteger } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import type { Ino, Lba, PageIndex, Pfn } from '../../base/units.ts';

/** Operations of cache_map_op. */
export const CacheMapOp = {
  /** A page is named. */
  insert: 1,
  /** A name is gone. */
  erase: 2,
  /** A preserved page is asked for. */
  claim: 3,
  /** A preserved page is given back. */
  release: 4,
  /** A block was freed. */
  discard: 5,
  /** How recently a page was used. */
  tellRecency: 6,
  /** What was told of a preserved page. */
  askRecency: 7,
  /** A page is newer than its block. */
  dirty: 8,
} as const;
/** A code of `CacheMapOp`. */
export type CacheMapOp = (typeof CacheMapOp)[keyof typeof CacheMapOp];

/** Words of one entry. */
export const ENTRY_WORDS = 8;
/** Word of an entry: the operation. */
export const ENTRY_OP = 0;
/** Word of an entry: the page of the guest. */
export const ENTRY_PFN = 1;
/** Word of an entry: the inode. */
export const ENTRY_INO = 2;
/** Word of an entry: the generation of the inode. */
export const ENTRY_GENERATION = 3;
/** Word of an entry: the index of the page in the file. */
export const ENTRY_INDEX = 4;
/** Word of an entry: the block. */
export const ENTRY_BLOCK = 5;
/** Word of an entry: the answer, a code of `Reason`. */
export const ENTRY_RESULT = 6;
/** Word of an entry: the recency. */
export const ENTRY_RECENCY = 7;

assert(
  [CacheMapOp.insert, CacheMapOp.erase, CacheMapOp.claim].join() === '1,2,3' &&
    [ENTRY_OP, ENTRY_PFN, ENTRY_INO, ENTRY_GENERATION, ENTRY_INDEX, ENTRY_BLOCK].join() === '0,1,2,3,4,5' &&
    [ENTRY_RESULT, ENTRY_WORDS].join() === '6,8',
  'the literals of insert, erase and claim, here and in the hypervisor, are the places of an entry',
);

/**
 * Inode number under which pages of the block device's own mapping (metadata) are named; their
 * index is the block.
 */
export const BLOCK_DEVICE_INO = 0;

/** A batch of entries in the guest's memory. */
export class CacheMapBatch {
  /** Entries that it can hold. */
  readonly capacity: number;
  /** The entries, ENTRY_WORDS words each. */
  readonly words: Uint32Array;
  #count = 0;

  /**
   * @param capacity entries, 1 to 2^20
   * @throws ArgumentError
   */
  constructor(capacity: number) {
    checkInteger('capacity', capacity, 1, 1 << 20);
    this.capacity = capacity;
    this.words = new Uint32Array(capacity * ENTRY_WORDS);
  }

  /** Entries that it holds. */
  get count(): number {
    return this.#count;
  }

  /** Whether no entry can be added. */
  get isFull(): boolean {
    return this.#count === this.capacity;
  }

  /** Empties it. */
  reset(): void {
    this.#count = 0;
  }

  // Literal places, the ENTRY_ constants above, in the three that every miss takes: see
  // hot-paths 4. `| 0` changes no bit of what is stored: see hot-paths 5.

  /** Adds: the page is named. Throws ArgumentError when the batch is full, as all of these. */
  insert(pfn: Pfn, ino: Ino, generation: number, index: PageIndex): void {
    const { words } = this;
    const at = this.#next(1);
    words[at | 1] = pfn | 0;
    words[at | 2] = ino | 0;
    words[at | 3] = generation | 0;
    words[at | 4] = index | 0;
  }

  /** Adds: the name of the page is gone. */
  erase(pfn: Pfn): void {
    this.words[this.#next(2) | 1] = pfn | 0;
  }

  /** Adds: asks for a page that was preserved. */
  claim(ino: Ino, generation: number, index: PageIndex, block: Lba): void {
    const { words } = this;
    const at = this.#next(3);
    words[at | 2] = ino | 0;
    words[at | 3] = generation | 0;
    words[at | 4] = index | 0;
    words[at | 5] = block | 0;
  }

  /** Adds: a preserved page is given back. */
  release(pfn: Pfn): void {
    this.words[this.#next(CacheMapOp.release) + ENTRY_PFN] = pfn;
  }

  /** Adds: how recently the page was used. */
  tellRecency(pfn: Pfn, recency: number): void {
    const at = this.#next(CacheMapOp.tellRecency);
    this.words[at + ENTRY_PFN] = pfn;
    this.words[at + ENTRY_RECENCY] = recency;
  }

  /** Adds: asks what was told of a preserved page. */
  askRecency(pfn: Pfn): void {
    this.words[this.#next(CacheMapOp.askRecency) + ENTRY_PFN] = pfn;
  }

  /** Adds: the block was freed. */
  discard(block: Lba): void {
    this.words[this.#next(CacheMapOp.discard) + ENTRY_BLOCK] = block;
  }

  /** Adds: the page is newer than its block. */
  dirty(pfn: Pfn, block: Lba): void {
    const at = this.#next(CacheMapOp.dirty);
    this.words[at + ENTRY_PFN] = pfn;
    this.words[at + ENTRY_BLOCK] = block;
  }

  /** Result of entry `i` as the hypervisor wrote it: a code of `Reason`. */
  result(i: number): number {
    return this.words[i * ENTRY_WORDS + ENTRY_RESULT]!;
  }

  /**
   * Page that claim `i` got or gave back, or discard `i` gave back; meaningless when its result is
   * `absent`.
   */
  pfn(i: number): Pfn {
    return this.words[i * ENTRY_WORDS + ENTRY_PFN]! as Pfn;
  }

  /** Answer to askRecency number `i`, from 0. */
  recency(i: number): number {
    return this.words[i * ENTRY_WORDS + ENTRY_RECENCY]!;
  }

  #next(op: CacheMapOp): number {
    checkArgument(this.#count < this.capacity, 'batch', 'cache_map_op batch overflows');
    const at = this.#count++ << 3;
    this.words[at] = op;
    return at;
  }
}
