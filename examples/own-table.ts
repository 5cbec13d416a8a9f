/**
 * A property of a cache-mapping table of one's own, and one line that tests it. The table is as a
 * user might write it, over six words a frame: 47 lines of code in `OwnTable`.
 *
 * The table says which frames of a memory survive with which page of which file. `tableProperty`
 * plays its caller: it reads, writes, stores, dies, comes back and claims pages. It fails when a
 * claim hands out a frame that is not what is on the disk. Transfers do not overlap here: this
 * table is for a caller that waits for each.
 */

import type fc from 'fast-check';
// In a project of your own: from 'stillwarm/table' and 'stillwarm/testing'.
import type { PageName } from '../src/doors/table/index.ts';
import {
  type ClaimUnderTest,
  type TableMaker,
  tableProperty,
  type TableUnderTest,
  type TransferUnderTest,
} from '../src/doors/testing/index.ts';

/**
 * Words of a frame: block + 1, its device, name + 1 (inode and index), generation, its device,
 * left.
 */
const [BLOCK, DEVICE, NAME, LEFT, WORDS] = [0, 1, 2, 5, 6];
const numberOf = ({ inode, index }: PageName): number => 1 + inode * 1000 + index;

export class OwnTable implements TableUnderTest {
  readonly words: Uint32Array;

  /** @param isLeft whether a former table has left these words: every page waits to be claimed */
  constructor(words: Uint32Array, isLeft: boolean) {
    this.words = words;
    this.#forEach((at) => (words[at + LEFT] = isLeft ? 1 : 0));
  }

  beginRead(frame: number, device: number, block: number): TransferUnderTest {
    this.erase(frame);
    this.store(frame);
    return { end: (ok) => ok && this.#set(frame, device, block) };
  }

  beginWrite(frame: number, device: number, block: number): TransferUnderTest {
    this.beginOtherWrite(device, block);
    return { end: (ok) => (ok ? this.#set(frame, device, block) : this.store(frame)) };
  }

  beginOtherWrite(device: number, block: number): TransferUnderTest {
    this.#forEach((at) => {
      if (this.words[at + BLOCK] === block + 1 && this.words[at + DEVICE] === device) this.words[at + BLOCK] = 0;
    });
    return { end: () => undefined };
  }

  store(frame: number): void {
    this.words[frame * WORDS + BLOCK] = 0;
  }

  name(frame: number, name: PageName): void {
    const { generation, device } = name;
    this.words.set([numberOf(name), generation, device, 0], frame * WORDS + NAME);
  }

  erase(frame: number): void {
    this.words[frame * WORDS + NAME] = 0;
  }

  claim(name: PageName, block: number): ClaimUnderTest {
    const wanted = [block + 1, name.device, numberOf(name), name.generation, name.device, 1];
    for (let at = 0; at < this.words.length; at += WORDS) {
      if (wanted.some((word, i) => this.words[at + i] !== word)) continue;
      this.words[at + LEFT] = 0;
      return { ok: true, value: at / WORDS };
    }
    return { ok: false, reason: { reason: 'absent' } };
  }

  #set(frame: number, device: number, block: number): void {
    this.words.set([block + 1, device], frame * WORDS);
  }

  #forEach(visit: (at: number) => void): void {
    for (let at = 0; at < this.words.length; at += WORDS) visit(at);
  }
}

/** @param Table the table, or one with a mistake in it */
export function tableIsRight(Table: typeof OwnTable = OwnTable): fc.IProperty<unknown> {
  return tableProperty(
    (): TableMaker => {
      const bytes = new Uint32Array(6 * WORDS);
      return { create: () => new Table(bytes.fill(0), false), recover: () => new Table(bytes, true) };
    },
    { overlapping: false },
  );
}
