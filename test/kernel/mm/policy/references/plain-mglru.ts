// The multi-generational LRU for file pages: generations are arrays by sequence number.
import { takeOut, type PlainPolicy } from './plain-policy.ts';

interface Tier {
  refaulted: number;
  left: number;
  averageRefaulted: number;
  averageLeft: number;
}

const tierOf = (uses: number): number => Math.ceil(Math.log2(Math.max(1, uses)));

export class PlainMglru implements PlainPolicy {
  readonly #generations = new Map<number, number[]>([0, 1, 2, 3].map((sequence) => [sequence, []]));
  readonly #uses = new Map<number, number>();
  /** Evicted pages: the oldest generation then, and the tier. */
  readonly #evicted = new Map<number, { readonly sequence: number; readonly tier: number }>();
  readonly #tiers: Tier[] = [0, 1, 2, 3].map(() => ({ refaulted: 0, left: 0, averageRefaulted: 0, averageLeft: 0 }));
  readonly #memory: number;
  #firstProtected = 1;
  constructor(memory: number) {
    this.#memory = memory;
  }
  get #oldest(): number {
    return Math.min(...this.#generations.keys());
  }
  get #youngest(): number {
    return Math.max(...this.#generations.keys());
  }
  willAdd(page: number): void {
    const ghost = this.#evicted.get(page);
    if (ghost === undefined) return;
    this.#evicted.delete(page);
    if (ghost.sequence === this.#oldest) this.#tiers[ghost.tier]!.refaulted++;
  }
  add(page: number): void {
    this.#uses.set(page, 1);
    this.#generations.get(this.#oldest)!.push(page);
  }
  use(page: number): void {
    this.#uses.set(page, Math.min(5, this.#uses.get(page)! + 1));
  }
  beginPass(): void {
    const refaults = (tier: Tier): number => tier.refaulted + tier.averageRefaulted;
    const pages = (tier: Tier): number => tier.left + tier.averageLeft;
    const [first, ...others] = this.#tiers;
    const bad = others.findIndex(
      (tier) =>
        refaults(tier) >= 64 && refaults(tier) * (pages(first!) + 64) > 2 * (refaults(first!) + 1) * pages(tier),
    );
    this.#firstProtected = bad < 0 ? 4 : bad + 1;
  }
  next(): number | undefined {
    if (this.lists().flat().length === 0) return undefined;
    for (;;) {
      const sequence = this.#oldest;
      const page = this.#generations.get(sequence)!.shift();
      if (page === undefined) {
        this.#generations.delete(sequence);
        if (this.#generations.size < 2) this.#generations.set(this.#youngest + 1, []);
        for (const tier of this.#tiers) {
          tier.averageRefaulted = (tier.averageRefaulted + tier.refaulted) / 2;
          tier.averageLeft = (tier.averageLeft + tier.left) / 2;
          tier.refaulted = tier.left = 0;
        }
        continue;
      }
      const tier = tierOf(this.#uses.get(page)!);
      this.#uses.set(page, 0);
      this.#tiers[tier]!.left++;
      if (tier >= this.#firstProtected) {
        this.#generations.get(sequence + 1)!.push(page);
        continue;
      }
      this.#evicted.set(page, { sequence, tier });
      if (this.#evicted.size > this.#memory) this.#evicted.delete([...this.#evicted.keys()][0]!);
      return page;
    }
  }
  stay(page: number, isUsed: boolean): void {
    this.#evicted.delete(page);
    this.#generations.get(isUsed ? this.#youngest : this.#oldest + 1)!.push(page);
  }
  remove(page: number): void {
    for (const pages of this.#generations.values()) takeOut(pages, page);
  }
  lists(): readonly (readonly number[])[] {
    return [...this.#generations.values()];
  }
}
