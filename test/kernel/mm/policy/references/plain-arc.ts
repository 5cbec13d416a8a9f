// ARC, by the names of its paper: T1, T2, B1, B2, p and c.
import { pushBounded, takeOut, type PlainPolicy } from './plain-policy.ts';

export class PlainArc implements PlainPolicy {
  readonly #t1: number[] = [];
  readonly #t2: number[] = [];
  readonly #b1: number[] = [];
  readonly #b2: number[] = [];
  readonly #fromT2 = new Set<number>();
  #p = 0;
  #c: number;
  readonly #memory: number;
  /** Where the page that comes in was found. */
  #case: 'b1' | 'b2' | 'nowhere' | 'no page comes' = 'no page comes';
  constructor(memory: number) {
    this.#c = memory;
    this.#memory = memory;
  }
  willAdd(page: number): void {
    const [b1, b2] = [this.#b1.length, this.#b2.length];
    this.#case = takeOut(this.#b1, page) ? 'b1' : takeOut(this.#b2, page) ? 'b2' : 'nowhere';
    if (this.#case === 'b1') this.#p = Math.min(this.#c, this.#p + Math.max(b2 / b1, 1));
    if (this.#case === 'b2') this.#p = Math.max(0, this.#p - Math.max(b1 / b2, 1));
  }
  add(page: number): void {
    this.#fromT2.delete(page);
    (this.#case === 'nowhere' ? this.#t1 : this.#t2).push(page);
    this.#case = 'no page comes';
    const c = Math.max(this.#c, this.#t1.length + this.#t2.length);
    while (this.#b1.length > 0 && this.#t1.length + this.#b1.length > c) this.#b1.shift();
    const names = (): number => this.#t1.length + this.#t2.length + this.#b1.length + this.#b2.length;
    while (this.#b2.length > 0 && names() > 2 * c) this.#b2.shift();
  }
  use(page: number): void {
    if (!takeOut(this.#t1, page)) takeOut(this.#t2, page);
    this.#t2.push(page);
  }
  beginPass(): void {
    this.#c = this.#t1.length + this.#t2.length;
  }
  next(): number | undefined {
    const isGhost = this.#case === 'b1' || this.#case === 'b2';
    if (!isGhost) {
      const [l1, l2] = [this.#t1.length + this.#b1.length, this.#t2.length + this.#b2.length];
      if (l1 >= this.#c) {
        if (this.#b1.length === 0) {
          return this.#t1.shift();
        }
        this.#b1.shift();
      } else if (l1 + l2 >= 2 * this.#c) this.#b2.shift();
    }
    const t1 = this.#t1.length;
    if ((t1 > 0 && (t1 > this.#p || (t1 === this.#p && this.#case === 'b2'))) || this.#t2.length === 0) {
      const page = this.#t1.shift();
      if (page !== undefined) pushBounded(this.#b1, page, this.#memory);
      return page;
    }
    const page = this.#t2.shift()!;
    this.#fromT2.add(page);
    pushBounded(this.#b2, page, 2 * this.#memory);
    return page;
  }
  stay(page: number, isUsed: boolean): void {
    const wasT1 = !this.#fromT2.delete(page);
    if (!takeOut(this.#b1, page)) takeOut(this.#b2, page);
    (wasT1 && !isUsed ? this.#t1 : this.#t2).push(page);
  }
  remove(page: number): void {
    if (!takeOut(this.#t1, page)) takeOut(this.#t2, page);
  }
  lists(): readonly (readonly number[])[] {
    return [this.#t1, this.#t2];
  }
}
