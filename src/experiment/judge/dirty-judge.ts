/**
 * What becomes of each dirty page that a guest had registered when it died: written home, and as the guest had it, or not.
 * Judged from outside, by the bytes in machine memory before anything went wrong and those on the disk afterwards.
 *
 * A page is damaged when its bytes, or its record, are not what they were at that instant; then it is right not to write it. A
 * page whose bytes are on the disk in another place is written wrongly, and so is a block for which no page was registered.
 *
 * Contract: `look` before the fault, `struck` after it, `end` when dirty pages have been written; in between the guest writes
 * nothing to the disk.
 */

import { Buffer } from 'node:buffer';
import { Mfn, PAGE_SIZE } from '../../base/units.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import type { Hypervisor } from '../../xen/index.ts';
import type { PageVerdicts } from './page-judge.ts';

interface DirtyPage {
  readonly mfn: Mfn;
  readonly block: number;
  readonly bytes: Buffer;
  isDamaged: boolean;
}

export class DirtyJudge {
  readonly #hypervisor: Hypervisor;
  readonly #image: ImageStore;
  readonly #pages: DirtyPage[] = [];
  #before: Buffer = Buffer.alloc(0);

  constructor(hypervisor: Hypervisor, image: ImageStore) {
    this.#hypervisor = hypervisor;
    this.#image = image;
  }

  /** Frames of dirty pages. */
  get frames(): Mfn[] {
    return this.#pages.map(({ mfn }) => mfn);
  }

  look(): void {
    const { frames, memory, map } = this.#hypervisor;
    for (let n = map.firstDomainMfn as number; n < map.frameCount; n++) {
      const mfn = Mfn(n);
      if (!frames.isDirty(mfn)) continue;
      this.#pages.push({
        mfn,
        block: frames.blockOf(mfn),
        bytes: Buffer.from(memory.frame(mfn)),
        isDamaged: false,
      });
    }
    this.#before = this.#disk();
  }

  struck(): void {
    const { frames, memory } = this.#hypervisor;
    for (const page of this.#pages)
      page.isDamaged = !frames.isWhole(page.mfn) || Buffer.compare(page.bytes, memory.frame(page.mfn)) !== 0;
  }

  /** Adds what came of them; reused stands for written home. */
  end(verdicts: PageVerdicts): void {
    const after = this.#disk();
    const at = (disk: Buffer, block: number): Buffer => disk.subarray(block * PAGE_SIZE, (block + 1) * PAGE_SIZE);
    const isChanged = (block: number): boolean => !at(this.#before, block).equals(at(after, block));
    const registered = new Set(this.#pages.map(({ block }) => block));
    const strangers = Array.from({ length: after.length / PAGE_SIZE }, (_, block) => block).filter(
      (block) => !registered.has(block) && isChanged(block),
    );
    for (const { block, bytes, isDamaged } of this.#pages) {
      const elsewhere = strangers.findIndex((stranger) => bytes.equals(at(after, stranger)));
      if (bytes.equals(at(after, block))) verdicts.reusedRightly++;
      else if (elsewhere >= 0) {
        strangers.splice(elsewhere, 1);
        verdicts.reusedWrongly++;
      } else if (isChanged(block)) verdicts.reusedWrongly++;
      else if (isDamaged) verdicts.discardedRightly++;
      else verdicts.discardedNeedlessly++;
    }
    verdicts.reusedWrongly += strangers.length;
  }

  #disk(): Buffer {
    const bytes = Buffer.alloc(this.#image.size);
    this.#image.read(0, bytes, 0, bytes.length);
    return bytes;
  }
}
