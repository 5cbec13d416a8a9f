/**
 * The miss-ratio curve of an LRU from a sample of the pages, in one pass: SHARDS (Waldspurger,
 * Park, Garthwaite and Ahmad, FAST 2015).
 *
 * A page is in the sample when its hash is below a threshold. The stack distance of an access is
 * the number of other pages accessed since the last access to its page. Among the sampled pages it
 * is smaller by the rate of the sample, and divided by it here. With a limit of pages the threshold
 * sinks whenever the sample is full. Then pages leave the sample, and later accesses weigh more.
 *
 * Accesses that the sample has too many or too few count as hits at any size (SHARDS-adj).
 *
 * The error: pages are in one of GROUPS groups by other bits of their hash. The misses of each
 * group, times GROUPS, estimate the same figure. Their spread tells that of the sum. It knows
 * nothing of distances that are below one sampled page.
 */

import type { OperationBatch, OperationSink } from '../../trace/operations.ts';
import { PageSet } from '../../trace/page-set.ts';
import { eachPage } from './page-accesses.ts';

/** Values of a hash that the threshold compares. */
const HASHES = 2 ** 24;
const GROUPS = 16;
/** Of a full sample, this much stays. */
const KEPT = 7 / 8;
/** Distances below it have a bucket each. Above, there are half as many for each power of two. */
const EXACT = 1024;
const HALF = EXACT / 2;
const LOG_EXACT = 10;
const BUCKETS = EXACT + (32 - LOG_EXACT) * HALF;
const DISTANCE_MAX = 2 ** 32 - 1;
/** In standard errors: about 95 of 100 figures are no further off. */
const ERRORS = 2;

/** A share of all pages, or a number of them. */
export type Sample = { readonly rate: number } | { readonly pages: number };

/** A figure and how far it may be off. */
export interface Estimate {
  readonly misses: number;
  /** Two standard errors of `misses`. */
  readonly error: number;
}

/** Samples the accesses of a trace. */
export class StackDistances implements OperationSink {
  readonly #limit: number;
  /** Hashes below it are sampled. */
  #threshold: number;
  /** Accesses that a sampled one stands for. */
  #weight: number;
  readonly #set = new PageSet();
  /** By the page's number: its hash, and the moment of its last access; 0: not in the sample. */
  #hashes = new Uint32Array(1024);
  #last = new Uint32Array(1024);
  /** Sampled pages by the moment of their last access, as a Fenwick tree. */
  #tree = new Int32Array(1025);
  #now = 1;
  #live = 0;
  #accesses = 0;
  #sampled = 0;
  /** Accesses by group and distance, and those of pages that were new. */
  readonly #histogram = new Float64Array(GROUPS * BUCKETS);
  readonly #cold = new Float64Array(GROUPS);

  /** @param sample a rate of more than 0 to 1, or at least 1 page */
  constructor(sample: Sample) {
    const isRate = 'rate' in sample;
    this.#limit = isRate ? Infinity : sample.pages;
    this.#threshold = isRate ? Math.max(1, Math.round(sample.rate * HASHES)) : HASHES;
    this.#weight = HASHES / this.#threshold;
  }

  /** Accesses in all. */
  get accesses(): number {
    return this.#accesses;
  }

  /** Those of pages that were in the sample. */
  get sampledAccesses(): number {
    return this.#sampled;
  }

  /** Pages in the sample. */
  get sampledPages(): number {
    return this.#live;
  }

  /** Share of the pages that the sample has in the end. */
  get rate(): number {
    return 1 / this.#weight;
  }

  /** Different pages, as far as the sample tells. */
  get distinct(): number {
    return Math.round(this.#live * this.#weight);
  }

  file(): void {
    // Files are told apart by their numbers.
  }

  operations(batch: OperationBatch): void {
    eachPage(batch, (file, page) => {
      this.#accesses++;
      const hash = hashOf(file, page);
      if (hash >>> 8 < this.#threshold) this.#access(file, page, hash);
    });
  }

  /**
   * Misses of a cache of `pages` pages. A size of 1024 or more is taken as up to 0.2 % less than it
   * is.
   */
  estimate(pages: number): Estimate {
    const from = bucketOf(pages);
    const misses = Array.from({ length: GROUPS }, (_, group) => {
      const buckets = this.#histogram.subarray(group * BUCKETS, (group + 1) * BUCKETS);
      return buckets.subarray(from).reduce((sum, weight) => sum + weight, this.#cold[group]!);
    });
    const sum = misses.reduce((total, each) => total + each, 0);
    const spread = misses.reduce((total, each) => total + (each - sum / GROUPS) ** 2, 0);
    // A sample of all pages has no error.
    const deviation = Math.sqrt((spread * GROUPS * (1 - this.rate)) / (GROUPS - 1));
    return { misses: Math.min(this.#accesses, sum), error: Math.min(this.#accesses, ERRORS * deviation) };
  }

  #access(file: number, page: number, hash: number): void {
    this.#sampled++;
    const known = this.#set.count;
    const number = this.#set.number(file, page);
    if (number === known) this.#remember(number, hash);
    if (this.#now === this.#tree.length) this.#renumber();
    const group = hash % GROUPS;
    const last = this.#last[number]!;
    if (last === 0) {
      this.#cold[group]! += this.#weight;
      this.#live++;
    } else {
      const distance = (this.#live - this.#upTo(last)) * this.#weight;
      this.#histogram[group * BUCKETS + bucketOf(distance)]! += this.#weight;
      this.#add(last, -1);
    }
    this.#add(this.#now, 1);
    this.#last[number] = this.#now++;
    if (this.#live > this.#limit) this.#sink();
  }

  #remember(number: number, hash: number): void {
    if (number === this.#hashes.length) {
      const [hashes, last] = [new Uint32Array(2 * number), new Uint32Array(2 * number)];
      hashes.set(this.#hashes);
      last.set(this.#last);
      this.#hashes = hashes;
      this.#last = last;
    }
    this.#hashes[number] = hash;
  }

  /** The pages of the sample, by number. */
  #pages(): number[] {
    return Array.from({ length: this.#set.count }, (_, number) => number).filter((number) => this.#last[number]! > 0);
  }

  /** Lowers the threshold, and drops the pages that are above it now. */
  #sink(): void {
    const pages = this.#pages();
    const hashes = pages.map((number) => this.#hashes[number]! >>> 8).sort((a, b) => a - b);
    this.#threshold = Math.max(1, hashes[Math.floor(this.#limit * KEPT)]!);
    this.#weight = HASHES / this.#threshold;
    for (const number of pages) {
      if (this.#hashes[number]! >>> 8 < this.#threshold) continue;
      this.#add(this.#last[number]!, -1);
      this.#last[number] = 0;
      this.#live--;
    }
  }

  /** Gives the pages new moments, in their order, so that there is room for later ones. */
  #renumber(): void {
    const pages = this.#pages().sort((a, b) => this.#last[a]! - this.#last[b]!);
    this.#tree = new Int32Array(Math.max(1024, 4 * pages.length) + 1);
    this.#now = 1;
    for (const number of pages) {
      this.#add(this.#now, 1);
      this.#last[number] = this.#now++;
    }
  }

  #add(moment: number, change: number): void {
    for (let at = moment; at < this.#tree.length; at += at & -at) this.#tree[at]! += change;
  }

  /** Pages whose last access was at `moment` or before. */
  #upTo(moment: number): number {
    let count = 0;
    for (let at = moment; at > 0; at -= at & -at) count += this.#tree[at]!;
    return count;
  }
}

function bucketOf(distance: number): number {
  if (distance < EXACT) return Math.floor(distance);
  const whole = Math.min(DISTANCE_MAX, Math.floor(distance));
  const log = 31 - Math.clz32(whole);
  const leading = whole >>> (log - LOG_EXACT + 1);
  return EXACT + (log - LOG_EXACT) * HALF + leading - HALF;
}

/** 32 bits in which every bit of a page's name has a part (the finaliser of MurmurHash3, twice). */
function hashOf(file: number, page: number): number {
  const low = page >>> 0;
  const high = Math.floor(page / 2 ** 32);
  return mixed(low ^ mixed(file + Math.imul(high, 0x9e37_79b1) + 1));
}

function mixed(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
