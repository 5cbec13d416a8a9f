/**
 * The dentry cache (fs/dcache.c of 2.6.12): what a name of a directory means.
 *
 * A dentry maps (parent inode, name) to an inode number; 0 makes it negative: there is no such
 * name. It lies in a page of its slab cache and goes when memory is short, the least recently used
 * first. One that was used since the last look is passed over once. Differs in that a dentry holds
 * no reference to its inode, so that either may go first.
 */

import { LRUCache } from 'lru-cache';
import type { Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { NO_PAGE } from '../mm/mem-map.ts';
import type { SlabCache } from '../cache/slab.ts';
import { UNBOUNDED, type Shrinker } from '../mm/vmscan.ts';

interface Dentry {
  ino: number;
  /** DCACHE_REFERENCED. */
  isReferenced: boolean;
  readonly object: Pfn;
}

/** No dentry: the directory must be asked. */
export const UNKNOWN = -1;

export class DentryCache implements Shrinker {
  readonly #slab: SlabCache;
  readonly #dentries = new LRUCache<string, Dentry>({ maxSize: UNBOUNDED, sizeCalculation: () => 1 });
  /** The key that was made last: one operation asks for a name several times. */
  readonly #last = { parent: 0, name: '', key: '0/' };

  constructor(slab: SlabCache) {
    this.#slab = slab;
  }

  get nrObjects(): number {
    return this.#dentries.size;
  }

  /** d_lookup: the inode number, 0 when there is no such name, or UNKNOWN. */
  lookup(parent: number, name: string): number {
    const dentry = this.#dentries.get(this.#keyOf(parent, name));
    if (dentry === undefined) return UNKNOWN;
    dentry.isReferenced = true;
    return dentry.ino;
  }

  /** d_alloc, before the directory is asked: what `add` takes, or `free`. Throws ENOMEM. */
  allocate(): Process<Pfn> {
    return this.#slab.allocate();
  }

  free(object: Pfn): void {
    this.#slab.free(object);
  }

  /** d_add. */
  add(parent: number, name: string, ino: number, object: Pfn): void {
    this.forget(parent, name);
    this.#dentries.set(this.#keyOf(parent, name), { ino, isReferenced: true, object });
  }

  /**
   * What a name means from now on. Fails never: where there is no memory for a dentry, the
   * directory is asked the next time.
   */
  set(parent: number, name: string, ino: number): void {
    const dentry = this.#dentries.get(this.#keyOf(parent, name));
    if (dentry !== undefined) {
      dentry.ino = ino;
      dentry.isReferenced = true;
      return;
    }
    const object = this.#slab.allocateNow();
    if (object !== NO_PAGE) this.add(parent, name, ino, object);
  }

  forget(parent: number, name: string): void {
    const key = this.#keyOf(parent, name);
    const dentry = this.#dentries.peek(key);
    if (dentry === undefined) return;
    this.#dentries.delete(key);
    this.#slab.free(dentry.object);
  }

  /** prune_dcache. */
  scan(count: number): void {
    for (let i = 0; i < count; i++) {
      const [key] = this.#dentries.rkeys();
      if (key === undefined) return;
      // Makes it the youngest.
      const dentry = this.#dentries.get(key)!;
      if (dentry.isReferenced) dentry.isReferenced = false;
      else {
        this.#dentries.delete(key);
        this.#slab.free(dentry.object);
      }
    }
  }

  #keyOf(parent: number, name: string): string {
    const last = this.#last;
    if (last.parent !== parent || last.name !== name) {
      last.parent = parent;
      last.name = name;
      last.key = `${parent}/${name}`;
    }
    return last.key;
  }
}
