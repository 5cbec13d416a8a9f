// S3-FIFO: a small queue of a tenth, a main one, and ghosts of nine tenths. Uses count up to 3, and
// 2 of them lead to the main queue.
import { pushBounded, takeOut, type PlainPolicy } from './plain-policy.ts';

export class PlainS3Fifo implements PlainPolicy {
  readonly #small: number[] = [];
  readonly #main: number[] = [];
  readonly #ghosts: number[] = [];
  readonly #uses = new Map<number, number>();
  /** Candidates that came from the main queue. */
  readonly #fromMain = new Set<number>();
  #size = 0;
  #wasGhost = false;
  willAdd(page: number): void {
    this.#wasGhost = takeOut(this.#ghosts, page);
  }
  add(page: number): void {
    this.#fromMain.delete(page);
    this.#uses.set(page, 0);
    (this.#wasGhost ? this.#main : this.#small).push(page);
  }
  use(page: number): void {
    this.#uses.set(page, Math.min(3, this.#uses.get(page)! + 1));
  }
  beginPass(): void {
    this.#size = this.#small.length + this.#main.length;
  }
  next(): number | undefined {
    const mostMain = this.#size - Math.floor(this.#size * 0.1);
    if (this.#main.length <= mostMain) {
      const page = this.#nextOfSmall();
      if (page !== undefined) return page;
    }
    return this.#nextOfMain() ?? this.#nextOfSmall();
  }
  #nextOfSmall(): number | undefined {
    for (let page = this.#small.shift(); page !== undefined; page = this.#small.shift()) {
      const uses = this.#uses.get(page)!;
      this.#uses.set(page, 0);
      if (uses < 2) {
        pushBounded(this.#ghosts, page, Math.floor(this.#size * 0.9));
        return page;
      }
      this.#main.push(page);
    }
    return undefined;
  }
  #nextOfMain(): number | undefined {
    for (let page = this.#main.shift(); page !== undefined; page = this.#main.shift()) {
      const uses = this.#uses.get(page)!;
      if (uses === 0) {
        this.#fromMain.add(page);
        return page;
      }
      this.#uses.set(page, uses - 1);
      this.#main.push(page);
    }
    return undefined;
  }
  stay(page: number, isUsed: boolean): void {
    const wasSmall = !this.#fromMain.delete(page);
    takeOut(this.#ghosts, page);
    (wasSmall && !isUsed ? this.#small : this.#main).push(page);
  }
  remove(page: number): void {
    if (!takeOut(this.#small, page)) takeOut(this.#main, page);
  }
  lists(): readonly (readonly number[])[] {
    return [this.#small, this.#main];
  }
}
