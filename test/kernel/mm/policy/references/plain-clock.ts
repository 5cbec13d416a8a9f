// CLOCK: one list by arrival, and a set of pages that were used again.
import { takeOut, type PlainPolicy } from './plain-policy.ts';

export class PlainClock implements PlainPolicy {
  readonly #queue: number[] = [];
  readonly #used = new Set<number>();
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
    while (this.#queue.length > 0 && this.#used.has(this.#queue[0]!)) {
      const page = this.#queue.shift()!;
      this.#used.delete(page);
      this.#queue.push(page);
    }
    return this.#queue.shift();
  }
  stay(page: number, isUsed: boolean): void {
    if (isUsed) this.#used.add(page);
    this.#queue.push(page);
  }
  remove(page: number): void {
    takeOut(this.#queue, page);
    this.#used.delete(page);
  }
  lists(): readonly (readonly number[])[] {
    return [this.#queue, []];
  }
}
