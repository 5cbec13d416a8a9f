/**
 * The oracle of a machine: what its guests take over, and have cached, is held against the disk.
 */

import { Pfn } from '../../base/units.ts';
import type { Drive } from '../../disk/drive/drive.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import type { GuestPlace, VmmGuest } from '../../experiment/host/machine-room.ts';
import { OracleExt2 } from '../../experiment/judge/oracle-ext2.ts';
import { Verifier, VerifierRecord } from '../../experiment/judge/verifier.ts';
import { PG } from '../../kernel/index.ts';
import type { Verification } from './results.ts';

/** Pages that the disk need not have yet. */
const IN_USE = PG.dirty | PG.writeback | PG.locked | PG.pinned | PG.mapped;

export class CacheJudge {
  readonly #drive: Pick<Drive, 'counters'>;
  readonly #record = new VerifierRecord();
  readonly #verifier: Verifier;
  /** Writes of the drive when the oracle last read maps. */
  #writesSeen = -1;

  /** @param contents the guest's disk. Throws UserError when it is no ext2. */
  constructor(drive: Pick<Drive, 'counters'>, contents: Pick<ImageStore, 'size' | 'read'>) {
    this.#drive = drive;
    this.#verifier = new Verifier(new OracleExt2(contents, true), this.#record);
  }

  /** Somebody else than the drive's guests has written to the disk. */
  diskChanged(): void {
    this.#writesSeen = -1;
  }

  /** The guest takes over a page. */
  reused({ domain, machine }: GuestPlace, pfn: Pfn, ino: number, index: number, block: number): void {
    const { writes } = this.#drive.counters;
    if (writes !== this.#writesSeen) this.#verifier.oracle.invalidate();
    this.#writesSeen = writes;
    this.#verifier.reused(ino, index, pfn, block, machine.memory.frame(domain.frameOf(pfn)));
  }

  /** Compares what a guest has cached with the disk; of no guest, only tells what was compared. */
  verify(guest: VmmGuest | undefined): Verification {
    const { pages: reused } = this.#record.verified;
    const now = guest === undefined ? { cached: 0, skipped: 0 } : this.#compare(guest);
    return { reused, ...now, mismatches: this.#record.count, differences: [...this.#record.described] };
  }

  /** Paths of the files of which the guest has pages. */
  cachedFiles({ kernel: { mm } }: VmmGuest): string[] {
    const inos = new Set<number>();
    for (let pfn = Pfn(0); pfn < mm.map.nrPages; pfn = Pfn(pfn + 1))
      if (mm.cache.has(pfn)) inos.add(mm.cache.spaceOf(pfn).ino);
    this.#verifier.oracle.invalidate();
    return this.#verifier.oracle.listFiles().flatMap(({ ino, path }) => (inos.has(ino) ? [path] : []));
  }

  #compare({ kernel, domain, machine }: VmmGuest): { cached: number; skipped: number } {
    this.#verifier.oracle.invalidate();
    const { cache, map } = kernel.mm;
    // The disk's own map of a file may be older than the guest's.
    const isChanged = kernel.stats.pagesDirty > 0;
    let cached = 0;
    let skipped = 0;
    for (let pfn = Pfn(0); pfn < map.nrPages; pfn = Pfn(pfn + 1)) {
      if (!cache.has(pfn)) continue;
      const { ino } = cache.spaceOf(pfn);
      if (!map.has(pfn, PG.uptodate) || map.has(pfn, IN_USE) || (isChanged && ino !== 0)) skipped++;
      else {
        cached++;
        this.#verifier.cached(ino, cache.indexOf(pfn), machine.memory.frame(domain.frameOf(pfn)));
      }
    }
    return { cached, skipped };
  }
}
