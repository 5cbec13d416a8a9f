/**
 * Objects in the order of their last use, the least recently used first to go. An object has its
 * links itself, so that a use costs a few stores and no look-up.
 */

/** Links of an object; undefined at either end, and in no list. */
export interface Used<T> {
  older: T | undefined;
  newer: T | undefined;
}

export class UseOrder<T extends Used<T>> {
  #newest: T | undefined;
  #oldest: T | undefined;

  get oldest(): T | undefined {
    return this.#oldest;
  }

  /** A new one has been used. */
  add(entry: T): void {
    entry.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  remove(entry: T): void {
    const { older, newer } = entry;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    entry.older = undefined;
    entry.newer = undefined;
  }

  /** One of the list has been used. */
  use(entry: T): void {
    if (entry === this.#newest) return;
    this.remove(entry);
    this.add(entry);
  }

  /** All, the last used first. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let entry = this.#newest; entry !== undefined; entry = entry.older) yield entry;
  }
}
