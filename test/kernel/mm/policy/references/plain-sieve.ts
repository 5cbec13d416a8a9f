// SIEVE: one list by arrival, a hand on a page of it, and a set of pages that were used again.
import type { PlainPolicy } from './plain-policy.ts';

export class PlainSieve implements PlainPolicy {
  #queue: number[] = [];
  readonly #used = new Set<number>();
  /** The page under the hand; undefined: it begins at the oldest. */
  #hand: number | undefined;
  willAdd(): void {
    // No ghosts.
  }
  add(page: number): void {
    this.#queue.push(page);
  }
  use(page: number): void {
    this.#used.add(page);
  }
  beginPass(): void {
    // Nothing depends on it.
  }
  next(): number | undefined {
    if (this.#queue.length === 0) return undefined;
    let page = this.#hand ?? this.#queue[0]!;
    while (this.#used.has(page)) {
      this.#used.delete(page);
      page = this.#after(page) ?? this.#queue[0]!;
    }
    this.#hand = page;
    this.remove(page);
    return page;
  }
  stay(page: number, isUsed: boolean): void {
    if (isUsed) this.#used.add(page);
    this.#queue.push(page);
  }
  remove(page: number): void {
    if (this.#hand === page) this.#hand = this.#after(page);
    this.#queue = this.#queue.filter((other) => other !== page);
    this.#used.delete(page);
  }
  lists(): readonly (readonly number[])[] {
    return [this.#queue, []];
  }
  #after(page: number): number | undefined {
    return this.#queue[this.#queue.indexOf(page) + 1];
  }
}
