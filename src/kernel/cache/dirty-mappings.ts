/**
 * The mappings that have dirty pages or a dirty inode, in the order in which they became dirty
 * (s_dirty of 2.6.12).
 */

import type { Ns } from '../../base/units.ts';
import { WaitQueue } from '../../sim/index.ts';
import type { AddressSpace } from '../mm/page-cache.ts';
import type { Mapping } from './mapping.ts';

export interface DirtyMapping {
  readonly mapping: Mapping;
  /** dirtied_when. */
  since: Ns;
}

export class DirtyMappings {
  readonly #mappings = new Map<AddressSpace, DirtyMapping>();
  /** Woken when the first mapping gets on the list. */
  readonly somethingDirty = new WaitQueue('something dirty');

  get size(): number {
    return this.#mappings.size;
  }

  has(space: AddressSpace): boolean {
    return this.#mappings.has(space);
  }

  get(space: AddressSpace): Mapping | undefined {
    return this.#mappings.get(space)?.mapping;
  }

  /** Those that are on the list now, the oldest first. */
  all(): DirtyMapping[] {
    return [...this.#mappings.values()];
  }

  /** A mapping that is not on the list. */
  add(mapping: Mapping, now: Ns): void {
    if (this.#mappings.size === 0) this.somethingDirty.wakeAll();
    this.#mappings.set(mapping.space, { mapping, since: now });
  }

  delete(space: AddressSpace): void {
    this.#mappings.delete(space);
  }

  /** It waits its turn behind the others. */
  requeue(dirty: DirtyMapping, now: Ns): void {
    this.#mappings.delete(dirty.mapping.space);
    dirty.since = now;
    this.#mappings.set(dirty.mapping.space, dirty);
  }
}
