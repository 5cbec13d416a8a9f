/**
 * Judges what becomes of each page that had a name when its guest ended. It compares the bytes in
 * machine memory with those on the disk, which neither the hypervisor nor a guest may do.
 *
 * A page is right when the disk has its name now and its frame equals the page's block. The disk
 * has the name when it has an inode of this generation, with a block for the page. The page is
 * judged at the instant of its fate. It is reused when the guest takes it over. It is discarded
 * when its record is dropped, erased or blanked, which is before the frame is scrubbed. Only the
 * frames of a domain that starts cold are scrubbed first: for those, what `look` saw between the
 * guests counts.
 *
 * Invariant: each page counts once. Names are those that the guest told, however damaged the
 * records are.
 */

import { equalBytes } from '../../base/bytes.ts';
import { PAGE_SIZE, type Mfn } from '../../base/units.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { FrameHappening, FrameObserver } from '../../xen/index.ts';
import { OracleExt2 } from './oracle-ext2.ts';

/** Pages by their fate. */
export interface PageVerdicts {
  reusedRightly: number;
  /** Handed to a guest with other bytes than the disk has: must be 0. */
  reusedWrongly: number;
  discardedRightly: number;
  /** Discarded although they equalled the disk. */
  discardedNeedlessly: number;
  /** Kept, and never asked for. */
  notAskedFor: number;
}

interface Name {
  readonly ino: number;
  readonly generation: number;
  readonly index: number;
  /** What was seen last. */
  isRight: boolean;
}

export class PageJudge implements FrameObserver {
  readonly verdicts: PageVerdicts = {
    reusedRightly: 0,
    reusedWrongly: 0,
    discardedRightly: 0,
    discardedNeedlessly: 0,
    notAskedFor: 0,
  };
  readonly #memory: MachineMemory;
  readonly #image: ImageStore;
  readonly #onDisk = new Uint8Array(PAGE_SIZE);
  readonly #names = new Map<Mfn, Name>();
  /** Set at the first fate, when the guest is gone and the disk does not change any more. */
  #oracle: OracleExt2 | undefined;
  #guestEnded = false;

  constructor(memory: MachineMemory, image: ImageStore) {
    this.#memory = memory;
    this.#image = image;
  }

  /** Named frames that are not judged yet, ascending. */
  get named(): Mfn[] {
    return [...this.#names.keys()].sort((a, b) => a - b);
  }

  /** The disk as the next guest finds it. */
  get oracle(): OracleExt2 {
    return (this.#oracle ??= new OracleExt2(this.#image));
  }

  /** The guest is about to end: pages that have a name from now on are judged. */
  guestEnds(): void {
    this.#guestEnded = true;
  }

  /** Looks at all pages whose fate is open. */
  look(): void {
    for (const [mfn, name] of this.#names) name.isRight = this.#equals(mfn, name.ino, name.index, name.generation);
  }

  /** The next guest has taken over a page. */
  reused(mfn: Mfn, ino: number, index: number, block: number): void {
    if (this.oracle.checkPage(ino, index, block, this.#memory.frame(mfn)).ok) this.verdicts.reusedRightly++;
    else this.verdicts.reusedWrongly++;
  }

  /** The end: the pages that are left were not asked for. */
  end(): void {
    this.verdicts.notAskedFor += this.#names.size;
    this.#names.clear();
  }

  onFrame(happening: FrameHappening, mfn: Mfn, a: number, b: number, c: number): void {
    switch (happening) {
      case 'named':
        if (this.#guestEnded) this.#discard(mfn, true);
        else this.#names.set(mfn, { ino: a, generation: b, index: c, isRight: false });
        return;
      case 'claimed':
        // `reused` counts it.
        this.#names.delete(mfn);
        return;
      case 'erased':
      case 'dropped':
      case 'assigned':
        this.#discard(mfn, true);
        return;
      case 'freed':
        this.#discard(mfn, false);
        return;
      default:
    }
  }

  #discard(mfn: Mfn, hasBytes: boolean): void {
    const name = this.#names.get(mfn);
    if (name === undefined) return;
    this.#names.delete(mfn);
    if (!this.#guestEnded) return;
    const isRight = hasBytes ? this.#equals(mfn, name.ino, name.index, name.generation) : name.isRight;
    if (isRight) this.verdicts.discardedNeedlessly++;
    else this.verdicts.discardedRightly++;
  }

  #equals(mfn: Mfn, ino: number, index: number, generation: number): boolean {
    const block = this.oracle.blockOf(ino, index);
    if (block === 0 && ino !== 0) return false;
    if (this.oracle.generation(ino) !== generation) return false;
    this.#image.read(block * PAGE_SIZE, this.#onDisk, 0, PAGE_SIZE);
    return equalBytes(this.#onDisk, 0, this.#memory.frame(mfn), 0, PAGE_SIZE);
  }
}
