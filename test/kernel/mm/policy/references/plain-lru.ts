// Least recently used: one list by last use.
import { takeOut, type PlainPolicy } from './plain-policy.ts';

export class PlainLru implements PlainPolicy {
  readonly #queue: number[] = [];
  willAdd(): void {
    // No ghosts.
  }
  add(page: number): void {
    this.#queue.push(page);
  }
  use(page: number): void {
    takeOut(this.#queue, page);
    this.#queue.push(page);
  }
  beginPass(): void {
    // Nothing depends on it.
  }
  next(): number | undefined {
    return this.#queue.shift();
  }
  stay(page: number): void {
    this.#queue.push(page);
  }
  remove(page: number): void {
    takeOut(this.#queue, page);
  }
  lists(): readonly (readonly number[])[] {
    return [this.#queue, []];
  }
}
