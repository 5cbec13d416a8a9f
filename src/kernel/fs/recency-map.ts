/**
 * A map that knows in which order its entries were used: the list of the inode cache and of the
 * dentry cache. An entry is a link of one list, the youngest first.
 */

interface Entry<K, V> {
  readonly key: K;
  value: V;
  younger: Entry<K, V> | undefined;
  older: Entry<K, V> | undefined;
}

export class RecencyMap<K, V> {
  readonly #entries = new Map<K, Entry<K, V>>();
  #youngest: Entry<K, V> | undefined;
  #oldest: Entry<K, V> | undefined;

  get size(): number {
    return this.#entries.size;
  }

  /** The key of the entry that was not used for longest. */
  get oldest(): K | undefined {
    return this.#oldest?.key;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  /** A look that is no use. */
  peek(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  /** The entry becomes the youngest. */
  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry !== this.#youngest) {
      this.#unlink(entry);
      this.#link(entry);
    }
    return entry.value;
  }

  /** A new entry, the youngest. The map has none of that key. */
  add(key: K, value: V): void {
    const entry: Entry<K, V> = { key, value, younger: undefined, older: undefined };
    this.#entries.set(key, entry);
    this.#link(entry);
  }

  delete(key: K): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#unlink(entry);
  }

  /** From the youngest on. Entries may be used, added and deleted meanwhile. */
  *values(): IterableIterator<V> {
    for (let entry = this.#youngest; entry !== undefined; entry = entry.older) yield entry.value;
  }

  #link(entry: Entry<K, V>): void {
    entry.younger = undefined;
    entry.older = this.#youngest;
    if (this.#youngest === undefined) this.#oldest = entry;
    else this.#youngest.younger = entry;
    this.#youngest = entry;
  }

  #unlink({ younger, older }: Entry<K, V>): void {
    if (younger === undefined) this.#youngest = older;
    else younger.older = older;
    if (older === undefined) this.#oldest = younger;
    else older.younger = younger;
  }
}
