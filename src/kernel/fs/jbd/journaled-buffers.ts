/**
 * The buffers of a file system with a journal. A buffer is changed under a handle, after
 * `breadForChange` or `getblk`. It becomes dirty when that change is committed (jbd.ts).
 *
 * Invariant:
 *   1. a buffer is joined to the running transaction before it is changed.
 */

import { assert } from '../../../base/assert.ts';
import type { Pfn } from '../../../base/units.ts';
import type { Process } from '../../../sim/index.ts';
import type { PageCache } from '../../mm/page-cache.ts';
import { type BlockDeviceMapping, Buffers } from '../buffer.ts';
import type { FsCore } from '../core.ts';
import type { Journal } from './journal.ts';

export class JournaledBuffers extends Buffers {
  readonly #cache: PageCache;
  readonly #journal: Journal;

  constructor(core: FsCore, device: BlockDeviceMapping, journal: Journal) {
    super(core, device);
    this.#cache = core.mm.cache;
    this.#journal = journal;
  }

  override breadForChange(block: number): Process<Pfn> {
    return this.#journal.access(this.device, block);
  }

  override findForChange(block: number): Pfn | undefined {
    return this.#journal.tryAccess(this.device, block);
  }

  protected override join(block: number, pfn: Pfn): void {
    this.#journal.join(this.device, block, block, pfn);
  }

  override revoke(block: number): void {
    this.#journal.revoke(block);
  }

  override dirty(pfn: Pfn): void {
    assert(
      this.#journal.isJoined(this.#cache.indexOf(pfn)),
      'journaled buffers 1: a buffer is changed outside of the journal',
    );
  }
}
