// The two lists of Linux 2.6.12 over the pages of one file, as arrays: what is cached, in which
// order, and what was counted. Nothing of it comes from src/.

interface Page {
  readonly index: number;
  isReferenced: boolean;
  isActive: boolean;
  isOnList: boolean;
  isReading: boolean;
  isWriting: boolean;
  isDirty: boolean;
}

const PAGEVEC = 14;
const LOOKS = 3;

export class TwoListModel {
  capacity: number;
  readonly pages = new Map<number, Page>();
  /** Oldest first, as are the lists. */
  #pagevec: Page[] = [];
  #inactive: Page[] = [];
  #active: Page[] = [];
  #dueInactive = 0;
  #dueActive = 0;
  readonly counts = {
    hits: 0,
    misses: 0,
    inserted: 0,
    dropped: { reclaimed: 0, shrunk: 0, truncated: 0, invalidated: 0, failed: 0 },
  };
  readonly #batch: number;

  constructor(capacity: number, batch: number) {
    this.capacity = capacity;
    this.#batch = batch;
  }

  get inactive(): number[] {
    return this.#inactive.map(({ index }) => index);
  }

  get active(): number[] {
    return this.#active.map(({ index }) => index);
  }

  get(index: number): void {
    const page = this.pages.get(index);
    if (page === undefined) this.counts.misses++;
    else {
      this.counts.hits++;
      this.access(page);
    }
  }

  access(page: Page): void {
    if (!page.isReferenced) page.isReferenced = true;
    else if (page.isOnList && !page.isActive) {
      this.#inactive = this.#inactive.filter((other) => other !== page);
      this.#active.push(page);
      page.isActive = true;
      page.isReferenced = false;
    }
  }

  /** Whether there was room. */
  begin(index: number): boolean {
    if (this.pages.size >= this.capacity) this.#reclaim(this.capacity - 1, 'reclaimed');
    if (this.pages.size >= this.capacity) return false;
    const none = { isReferenced: false, isActive: false, isOnList: false, isWriting: false, isDirty: false };
    const page = { index, isReading: true, ...none };
    this.pages.set(index, page);
    this.#pagevec.push(page);
    if (this.#pagevec.length === PAGEVEC) this.#drain();
    this.counts.inserted++;
    return true;
  }

  resize(capacity: number): number {
    this.capacity = capacity;
    if (this.pages.size > capacity) this.#reclaim(capacity, 'shrunk');
    return Math.max(0, this.pages.size - capacity);
  }

  drop(page: Page, cause: keyof TwoListModel['counts']['dropped']): void {
    this.pages.delete(page.index);
    const isOther = (other: Page): boolean => other !== page;
    this.#pagevec = this.#pagevec.filter(isOther);
    this.#inactive = this.#inactive.filter(isOther);
    this.#active = this.#active.filter(isOther);
    this.counts.dropped[cause]++;
  }

  #drain(): void {
    for (const page of this.#pagevec) page.isOnList = true;
    this.#inactive.push(...this.#pagevec);
    this.#pagevec = [];
  }

  #reclaim(limit: number, cause: 'reclaimed' | 'shrunk'): void {
    let looks = LOOKS;
    while (looks > 0 && this.pages.size > limit) {
      const target = Math.max(this.#batch, this.pages.size - limit);
      let freed = 0;
      for (let priority = 12; priority >= 0 && freed < target; priority--)
        freed += this.#pass(priority, target - freed, cause);
      looks = freed > 0 ? LOOKS : looks - 1;
    }
  }

  #pass(priority: number, target: number, cause: 'reclaimed' | 'shrunk'): number {
    this.#drain();
    this.#dueActive += (this.#active.length >> priority) + 1;
    this.#dueInactive += (this.#inactive.length >> priority) + 1;
    let active = this.#dueActive >= this.#batch ? this.#dueActive : 0;
    let inactive = this.#dueInactive >= this.#batch ? this.#dueInactive : 0;
    if (active > 0) this.#dueActive = 0;
    if (inactive > 0) this.#dueInactive = 0;
    let freed = 0;
    while (active > 0 || inactive > 0) {
      const deactivated = this.#active.splice(0, Math.min(active, this.#batch));
      for (const page of deactivated) page.isActive = false;
      this.#inactive.push(...deactivated);
      active -= Math.min(active, this.#batch);
      if (inactive === 0) continue;
      const candidates = this.#inactive.splice(0, Math.min(inactive, this.#batch));
      inactive -= Math.min(inactive, this.#batch);
      for (const page of candidates) {
        if (!page.isReading && !page.isWriting) {
          page.isReferenced = false;
          if (!page.isDirty) {
            this.drop(page, cause);
            freed++;
            continue;
          }
        }
        this.#inactive.push(page);
      }
      if (freed >= target) break;
    }
    return freed;
  }
}
