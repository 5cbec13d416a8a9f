/** Truncation frees blocks in runs, as ext2_free_data of 2.6.12 does. */

import { NOTHING, type Process } from '../../../sim/index.ts';
import { type Freeing, freeBlocks } from './balloc.ts';
import type { Ext2Super } from './super.ts';

/** Blocks on their way to being free, collected while they follow each other. */
export class FreedRun implements Freeing {
  /** Whether it made sense to free those that are free by now. */
  isSound = true;
  readonly #super: Ext2Super;
  #start = 0;
  #count = 0;

  constructor(superblock: Ext2Super) {
    this.#super = superblock;
  }

  add(block: number): Process {
    if (this.#count > 0 && block === this.#start + this.#count) {
      this.#count++;
      return NOTHING;
    }
    const freed = this.end();
    this.#start = block;
    this.#count = 1;
    return freed;
  }

  end(): Process {
    const count = this.#count;
    this.#count = 0;
    return count > 0 ? freeBlocks(this.#super, this.#start, count, this) : NOTHING;
  }
}
