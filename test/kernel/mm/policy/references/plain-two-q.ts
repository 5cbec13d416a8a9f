// 2Q, the full version, with Kin a quarter and Kout a half of the cache.
import { pushBounded, takeOut, type PlainPolicy } from './plain-policy.ts';

export class PlainTwoQ implements PlainPolicy {
  readonly #a1in: number[] = [];
  readonly #a1out: number[] = [];
  readonly #am: number[] = [];
  /** Candidates that came from Am. */
  readonly #fromAm = new Set<number>();
  #size = 0;
  #wasOut = false;
  willAdd(page: number): void {
    this.#wasOut = takeOut(this.#a1out, page);
  }
  add(page: number): void {
    this.#fromAm.delete(page);
    (this.#wasOut ? this.#am : this.#a1in).push(page);
  }
  use(page: number): void {
    if (takeOut(this.#am, page)) this.#am.push(page);
  }
  beginPass(): void {
    this.#size = this.#a1in.length + this.#am.length;
  }
  next(): number | undefined {
    if (this.#a1in.length <= Math.floor(this.#size / 4) && this.#am.length > 0) {
      this.#fromAm.add(this.#am[0]!);
      return this.#am.shift();
    }
    const page = this.#a1in.shift();
    if (page !== undefined) pushBounded(this.#a1out, page, Math.floor(this.#size / 2));
    return page;
  }
  stay(page: number, isUsed: boolean): void {
    const wasIn = !this.#fromAm.delete(page);
    takeOut(this.#a1out, page);
    (wasIn && !isUsed ? this.#a1in : this.#am).push(page);
  }
  remove(page: number): void {
    if (!takeOut(this.#a1in, page)) takeOut(this.#am, page);
  }
  lists(): readonly (readonly number[])[] {
    return [this.#a1in, this.#am];
  }
}
