/**
 * The registry of dirty pages (Rio). The hypervisor learns which block each dirty page is newer
 * than. When this kernel has crashed, it can write the page home (xen/toolstack/dirty-pages.ts).
 * The registry exists only where dirty pages are to survive.
 *
 * A page is registered when it becomes dirty, and again when a write of it may have ended
 * meanwhile. The hypervisor itself sees when the page has been written. What could not be
 * registered at once is registered by `publish`, at the end of each operation. There is nothing
 * like it in the original.
 */

import { ModelError } from '../../base/errno.ts';
import { Lba, type Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import type { NameBatch } from './name-batch.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import { HOLE, lookUpBlock, type Mapping } from './mapping.ts';

export class DirtyRegistry {
  readonly #mm: MemoryManagement;
  readonly #names: Pick<NameBatch, 'dirty' | 'flush'>;
  /** Pages to be registered whose block could not be looked up at once. */
  readonly #unplaced: { readonly mapping: Mapping; readonly index: number }[] = [];
  #standIn: { readonly pfn: Pfn; readonly block: number } | undefined;

  constructor(mm: MemoryManagement, names: Pick<NameBatch, 'dirty' | 'flush'>) {
    this.#mm = mm;
    this.#names = names;
  }

  /** The page that is registered in place of the one that the cache has of its block. */
  get standIn(): { readonly pfn: Pfn; readonly block: number } | undefined {
    return this.#standIn;
  }

  /**
   * From now on `pfn` is registered in place of the page that the cache has of `block`. After a
   * crash, `pfn` is written there. This happens when a journal is mounted, long after boot began.
   */
  replace(block: number, pfn: Pfn): void {
    this.#standIn = { pfn, block };
  }

  /**
   * A page of a hole has no place to be written to. It is registered when it is given one, unless
   * it is written then.
   */
  register(mapping: Mapping, pfn: Pfn): void {
    const index = this.#mm.cache.indexOf(pfn);
    const block = mapping.blockNow(index);
    if (block >= 0) this.registerAt(pfn, block);
    else if (block !== HOLE) this.#unplaced.push({ mapping, index });
  }

  /**
   * The page is newer than this block: also one that the journal keeps from being dirty for anybody
   * else.
   */
  registerAt(pfn: Pfn, block: number): void {
    const registered = block === this.#standIn?.block ? this.#standIn.pfn : pfn;
    this.#mm.map.set(registered, PG.registered);
    this.#names.dirty(registered, Lba(block));
  }

  /** What was registered so far takes effect. */
  flush(): void {
    this.#names.flush();
  }

  /**
   * At the end of an operation: whatever is dirty and has a block is registered when this returns.
   */
  *publish(): Process {
    const { cache, map } = this.#mm;
    for (let each = this.#unplaced.pop(); each !== undefined; each = this.#unplaced.pop()) {
      const { mapping, index } = each;
      try {
        yield* lookUpBlock(mapping, index);
        const pfn = cache.find(mapping.space, index);
        if (pfn !== NO_PAGE && map.has(pfn, PG.dirty)) this.register(mapping, pfn);
      } catch (error) {
        // What cannot be written home has no place there.
        if (!(error instanceof ModelError)) throw error;
      }
    }
    this.flush();
  }
}
