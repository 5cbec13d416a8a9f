/**
 * Judges each dirty page that a guest had registered when it died: whether it was written home, as
 * the guest had it. It compares the bytes in machine memory before the fault with those on the disk
 * afterwards.
 *
 * A page is damaged when its bytes or its record have changed since then; not writing it is right.
 * A page whose bytes lie at another place of the disk is written wrongly, and so is a block for
 * which no page was registered.
 *
 * Contract: `look` before the fault, `struck` after it, `end` when dirty pages have been written.
 * The guest writes nothing to the disk in between.
 */

import { compareBytes, equalBytes } from '../../base/bytes.ts';
import { Mfn, PAGE_SIZE } from '../../base/units.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import type { Hypervisor } from '../../xen/index.ts';
import type { PageVerdicts } from './page-judge.ts';

interface DirtyPage {
  readonly mfn: Mfn;
  readonly block: number;
  readonly bytes: Uint8Array;
  isDamaged: boolean;
}

/** What is looked at: the frames of domains and what is said of them. */
type JudgedHost = Pick<Hypervisor, 'frames' | 'memory' | 'map'>;

export class DirtyJudge {
  readonly #hypervisor: JudgedHost;
  readonly #image: ImageStore;
  readonly #pages: DirtyPage[] = [];
  #before = new Uint8Array(0);

  constructor(hypervisor: JudgedHost, image: ImageStore) {
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
        bytes: memory.frame(mfn).slice(),
        isDamaged: false,
      });
    }
    this.#before = this.#disk();
  }

  struck(): void {
    const { frames, memory } = this.#hypervisor;
    for (const page of this.#pages)
      page.isDamaged = !frames.isWhole(page.mfn) || compareBytes(page.bytes, memory.frame(page.mfn)) !== 0;
  }

  /** Adds the verdicts; reused stands for written home. */
  end(verdicts: PageVerdicts): void {
    const after = this.#disk();
    const isAt = (bytes: Uint8Array, at: number, block: number): boolean =>
      equalBytes(bytes, at, after, block * PAGE_SIZE, PAGE_SIZE);
    const isChanged = (block: number): boolean => !isAt(this.#before, block * PAGE_SIZE, block);
    const registered = new Set(this.#pages.map(({ block }) => block));
    const strangers = Array.from({ length: after.length / PAGE_SIZE }, (_, block) => block).filter(
      (block) => !registered.has(block) && isChanged(block),
    );
    for (const { block, bytes, isDamaged } of this.#pages) {
      const elsewhere = strangers.findIndex((stranger) => isAt(bytes, 0, stranger));
      if (isAt(bytes, 0, block)) verdicts.reusedRightly++;
      else if (elsewhere >= 0) {
        strangers.splice(elsewhere, 1);
        verdicts.reusedWrongly++;
      } else if (isChanged(block)) verdicts.reusedWrongly++;
      else if (isDamaged) verdicts.discardedRightly++;
      else verdicts.discardedNeedlessly++;
    }
    verdicts.reusedWrongly += strangers.length;
  }

  #disk(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#image.size);
    this.#image.read(0, bytes, 0, bytes.length);
    return bytes;
  }
}
