/**
 * The dentry cache (fs/dcache.c of 2.6.12): what a name of a directory means.
 *
 * A dentry maps (parent inode, name) to an inode number; 0 makes it negative: there is no such
 * name. It lies in a page of its slab cache and goes when memory is short, the least recently used
 * first. One that was used since the last look is passed over once. Differs in that a dentry holds
 * no reference to its inode, so that either may go first.
 */

import type { Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { NO_PAGE } from '../mm/mem-map.ts';
import type { SlabCache } from '../cache/slab.ts';
import type { Shrinker } from '../mm/vmscan.ts';
import { UseOrder, type Used } from './use-order.ts';

interface Dentry extends Used<Dentry> {
  readonly parent: number;
  readonly name: string;
  ino: number;
  /** DCACHE_REFERENCED. */
  isReferenced: boolean;
  readonly object: Pfn;
}

type Names = Map<string, Dentry>;

/** No dentry: the directory must be asked. */
export const UNKNOWN = -1;

export class DentryCache implements Shrinker {
  readonly #slab: SlabCache;
  /** By directory, and by name. No map is empty. */
  readonly #directories = new Map<number, Names>();
  readonly #order = new UseOrder<Dentry>();
  #count = 0;

  constructor(slab: SlabCache) {
    this.#slab = slab;
  }

  get nrObjects(): number {
    return this.#count;
  }

  /** d_lookup: the inode number, 0 when there is no such name, or UNKNOWN. */
  lookup(parent: number, name: string): number {
    const dentry = this.#find(parent, name);
    if (dentry === undefined) return UNKNOWN;
    this.#order.use(dentry);
    dentry.isReferenced = true;
    return dentry.ino;
  }

  /** d_alloc, before the directory is asked: what `add` takes, or `free`. Throws ENOMEM. */
  allocate(): Process<Pfn> {
    return this.#slab.allocate();
  }

  /** The same of a page that has room, or NO_PAGE: then `allocate`. */
  tryAllocate(): Pfn {
    return this.#slab.tryAllocate();
  }

  free(object: Pfn): void {
    this.#slab.free(object);
  }

  /** d_add. */
  add(parent: number, name: string, ino: number, object: Pfn): void {
    this.forget(parent, name);
    const dentry: Dentry = { parent, name, ino, isReferenced: true, object, older: undefined, newer: undefined };
    let names = this.#directories.get(parent);
    if (names === undefined) this.#directories.set(parent, (names = new Map<string, Dentry>()));
    names.set(name, dentry);
    this.#order.add(dentry);
    this.#count++;
  }

  /**
   * What a name means from now on. Fails never: where there is no memory for a dentry, the
   * directory is asked the next time.
   */
  set(parent: number, name: string, ino: number): void {
    const dentry = this.#find(parent, name);
    if (dentry !== undefined) {
      this.#order.use(dentry);
      dentry.ino = ino;
      dentry.isReferenced = true;
      return;
    }
    const object = this.#slab.allocateNow();
    if (object !== NO_PAGE) this.add(parent, name, ino, object);
  }

  forget(parent: number, name: string): void {
    const dentry = this.#find(parent, name);
    if (dentry !== undefined) this.#drop(dentry);
  }

  /** prune_dcache. */
  scan(count: number): void {
    for (let i = 0; i < count; i++) {
      const dentry = this.#order.oldest;
      if (dentry === undefined) return;
      if (dentry.isReferenced) {
        dentry.isReferenced = false;
        this.#order.use(dentry);
      } else this.#drop(dentry);
    }
  }

  #find(parent: number, name: string): Dentry | undefined {
    return this.#directories.get(parent)?.get(name);
  }

  #drop(dentry: Dentry): void {
    const names = this.#directories.get(dentry.parent)!;
    names.delete(dentry.name);
    if (names.size === 0) this.#directories.delete(dentry.parent);
    this.#order.remove(dentry);
    this.#count--;
    this.#slab.free(dentry.object);
  }
}
