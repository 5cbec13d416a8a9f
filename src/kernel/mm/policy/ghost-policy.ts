/**
 * What the policies with ghosts have in common. A ghost is the name of a page that has left. It is
 * looked up once for a page that comes in: before room is made for it, where the cache says so in
 * time (`willAdd`).
 *
 * A candidate becomes a ghost when it is named. One that stays in the cache is none any more; the
 * ghost that it has driven out does not come back.
 *
 * Pages that no file has claimed (PG.preserved) have no name, and become no ghosts.
 */

import type { Pfn } from '../../../base/units.ts';
import { PG } from '../mem-map.ts';
import type { GhostQueue } from './ghost-queue.ts';
import { QueuePolicy } from './queue-policy.ts';

const ACTIVE = PG.active;

/** Two queues, and ghosts. */
export abstract class GhostPolicy extends QueuePolicy {
  /** The page that is to come in, and whether a ghost of it was found. */
  #space = -1;
  #index = 0;
  #wasGhost = false;

  /** Looks for a ghost of a page that was missed, and forgets it. Returns whether there was one. */
  protected abstract meetGhost(space: number, index: number): boolean;

  /** Forgets the ghost of a page that is in the cache after all. */
  protected abstract forget(space: number, index: number): void;

  /** Whether the page that is to come in was a ghost. */
  protected get isGhostComing(): boolean {
    return this.#space >= 0 && this.#wasGhost;
  }

  override willAdd(space: number, index: number): void {
    this.#space = space;
    this.#index = index | 0;
    this.#wasGhost = this.meetGhost(space, index);
  }

  override add(pfn: Pfn): void {
    const space = this.words[(pfn << 2) | 1]!;
    const index = this.words[(pfn << 2) | 2]!;
    if (space !== this.#space || index !== this.#index) this.willAdd(space, index);
    this.#space = -1;
    // Its ghost is gone: nothing is left to forget.
    if (this.#wasGhost) this.words[pfn << 2]! |= ACTIVE;
    super.putBack(pfn);
  }

  override putBack(pfn: Pfn): void {
    const space = this.words[(pfn << 2) | 1]!;
    if (space >= 0) this.forget(space, this.words[(pfn << 2) | 2]!);
    super.putBack(pfn);
  }

  /** Remembers a page that leaves, and what was remembered for longest no more, beyond `most`. */
  protected remember(ghosts: GhostQueue, pfn: Pfn, most?: number): void {
    const space = this.words[(pfn << 2) | 1]!;
    if (space >= 0) ghosts.push(space, this.words[(pfn << 2) | 2]!, most);
  }
}
