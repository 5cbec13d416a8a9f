/**
 * The recency table: two bytes a machine frame (public/recency.ts), as bytes in machine memory.
 *
 * A domain's entries are believed after its restart if it told them and shut down in order. Its
 * record says so then, and holds their CRC-32C, in the order of the P2M list. Damage, or a crash
 * before that, leaves nothing told. Recency decides what goes first under memory pressure, never
 * what a page holds.
 */

import { crc32c } from '../../base/crc32c.ts';
import type { Mfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { MemoryMap } from '../records/layouts.ts';

export class RecencyTable {
  readonly #entries: Uint16Array;

  constructor(memory: MachineMemory, map: MemoryMap) {
    this.#entries = memory.halves(map.recencyMfn, map.recencyFrames);
    memory.touch(map.recencyMfn, map.recencyFrames);
  }

  get(mfn: Mfn): number {
    return this.#entries[mfn]!;
  }

  set(mfn: Mfn, recency: number): void {
    this.#entries[mfn] = recency;
  }

  /** Forgets what was told of a domain's frames. */
  clear(p2m: Uint32Array): void {
    for (const mfn of p2m) this.#entries[mfn] = 0;
  }

  /** CRC-32C of a domain's entries. */
  crc(p2m: Uint32Array): number {
    const entries = this.#entries;
    const told = new Uint16Array(p2m.length);
    for (let pfn = 0; pfn < p2m.length; pfn++) told[pfn] = entries[p2m[pfn]!]!;
    return crc32c(new Uint8Array(told.buffer));
  }
}
