// The lists of Linux 6.1 over pages by name, as arrays and maps, from its published rules. Nothing
// of it comes from src/.

interface Page {
  readonly name: string;
  isReferenced: boolean;
  isActive: boolean;
  isOnList: boolean;
}

const PAGEVEC = 14;

export class BalancedReference {
  readonly #capacity: number;
  readonly #batch: number;
  readonly #pages = new Map<string, Page>();
  #pagevec: Page[] = [];
  /** Oldest first. */
  #inactive: Page[] = [];
  #active: Page[] = [];
  /** Ages of the pages that left, youngest last. */
  readonly #shadows = new Map<string, number>();
  readonly #maxPages: number;
  #age = 0;
  #refaults = 0;
  #refaultsSeen = 0;

  constructor(capacity: number, batch: number, maxPages = capacity) {
    this.#capacity = capacity;
    this.#batch = batch;
    this.#maxPages = maxPages;
  }

  get inactive(): string[] {
    return this.#inactive.map(({ name }) => name);
  }

  get active(): string[] {
    return this.#active.map(({ name }) => name);
  }

  has(name: string): boolean {
    return this.#pages.has(name);
  }

  /** An access; returns whether it hit. */
  access(name: string): boolean {
    const found = this.#pages.get(name);
    if (found === undefined) this.#insert(name);
    this.#mark(this.#pages.get(name)!);
    return found !== undefined;
  }

  /** Its file is cut, deleted, or both: then what was known of its pages goes, too. */
  drop(name: string): void {
    const page = this.#pages.get(name);
    const isOther = (other: Page): boolean => other !== page;
    this.#pages.delete(name);
    this.#pagevec = this.#pagevec.filter(isOther);
    this.#inactive = this.#inactive.filter(isOther);
    this.#active = this.#active.filter(isOther);
  }

  /** The file of these names ends. */
  forget(names: readonly string[]): void {
    for (const name of names) this.#shadows.delete(name);
  }

  #mark(page: Page): void {
    if (!page.isReferenced) page.isReferenced = true;
    else if (!page.isActive) {
      if (page.isOnList) {
        this.#inactive = this.#inactive.filter((other) => other !== page);
        this.#active.push(page);
      }
      page.isActive = true;
      page.isReferenced = false;
      this.#age++;
    }
  }

  #insert(name: string): void {
    if (this.#pages.size >= this.#capacity) this.#reclaim();
    const left = this.#shadows.get(name);
    this.#shadows.delete(name);
    const isActive = left !== undefined && this.#age - left <= this.#active.length;
    if (isActive) {
      this.#age++;
      this.#refaults++;
    }
    const page = { name, isReferenced: false, isActive, isOnList: false };
    this.#pages.set(name, page);
    this.#pagevec.push(page);
    if (this.#pagevec.length === PAGEVEC) this.#drain();
  }

  #drain(): void {
    for (const page of this.#pagevec) {
      page.isOnList = true;
      (page.isActive ? this.#active : this.#inactive).push(page);
    }
    this.#pagevec = [];
  }

  #reclaim(): void {
    const wanted = this.#pages.size - this.#capacity + 1;
    const target = Math.max(this.#batch, wanted);
    for (let looks = 3; looks > 0 && this.#pages.size >= this.#capacity; ) {
      let freed = 0;
      const isThrashing = this.#refaults !== this.#refaultsSeen;
      this.#refaultsSeen = this.#refaults;
      for (let priority = 12; priority >= 0 && freed < target; priority--)
        freed += this.#pass(priority, target - freed, isThrashing);
      looks = freed > 0 ? 3 : looks - 1;
    }
  }

  #pass(priority: number, target: number, isThrashing: boolean): number {
    this.#drain();
    const isLow = this.#inactive.length < this.#active.length;
    let toDeactivate = isThrashing || isLow ? Math.floor(this.#active.length / 2 ** priority) : 0;
    let toLookAt = Math.floor(this.#inactive.length / 2 ** priority);
    let freed = 0;
    while ((toDeactivate > 0 || toLookAt > 0) && freed < target) {
      const taken = this.#inactive.splice(0, Math.min(toLookAt, this.#batch));
      toLookAt -= Math.min(toLookAt, this.#batch);
      for (const page of taken) {
        this.#pages.delete(page.name);
        this.#shadows.delete(page.name);
        this.#shadows.set(page.name, this.#age++);
        // As many as there are pages of memory.
        if (this.#shadows.size > this.#maxPages) this.#shadows.delete([...this.#shadows.keys()][0]!);
        freed++;
      }
      const moved = this.#active.splice(0, Math.min(toDeactivate, this.#batch));
      toDeactivate -= Math.min(toDeactivate, this.#batch);
      for (const page of moved) page.isActive = false;
      this.#inactive.push(...moved);
    }
    return freed;
  }
}
