/**
 * What the kernel tells the cache-mapping table: which page holds what, and which block a dirty
 * page is newer than. It goes in batches, as LRU additions do.
 *
 * Order within the batch is order of effect, so an erase never overtakes the insert it undoes.
 * `flush` is called before an erased page is used again: that is the law erase-before-reuse
 * (xen/public/cache-map-op.ts). Names that still wait in the batch at a crash are lost with it, and
 * their pages are read again: late is safe.
 */

import type { Ino, Lba, PageIndex, Pfn } from '../../base/units.ts';
import { CacheMapBatch, type Hypercalls } from '../../xen/public/index.ts';
import { PAGEVEC_SIZE } from '../mm/policy/policy.ts';
import type { NameTable } from '../mm/page-users.ts';

export class NameBatch implements NameTable {
  readonly #hypercalls: Pick<Hypercalls, 'cacheMapOp'>;
  readonly #names = new CacheMapBatch(PAGEVEC_SIZE);

  constructor(hypercalls: Pick<Hypercalls, 'cacheMapOp'>) {
    this.#hypercalls = hypercalls;
  }

  insert(pfn: Pfn, ino: Ino, generation: number, index: PageIndex): void {
    this.#names.insert(pfn, ino, generation, index);
    if (this.#names.isFull) this.flush();
  }

  /** The page is newer than that block: should this kernel crash, it is to be written there. */
  dirty(pfn: Pfn, block: Lba): void {
    this.#names.dirty(pfn, block);
    if (this.#names.isFull) this.flush();
  }

  erase(pfn: Pfn): void {
    this.#names.erase(pfn);
    if (this.#names.isFull) this.flush();
  }

  /** A page that was kept from before the reboot is given up. */
  release(pfn: Pfn): void {
    this.#names.release(pfn);
    if (this.#names.isFull) this.flush();
  }

  flush(): void {
    if (this.#names.count === 0) return;
    this.#hypercalls.cacheMapOp(this.#names);
    this.#names.reset();
  }
}
