/**
 * The whole history of a page, for a failed run. Runs are deterministic, so a run that succeeds
 * records nothing. After a mismatch the strategy is run twice more. The first run learns which
 * frames ever concerned the page. The second writes down everything that happened to them.
 */

import type { Mfn } from '../../base/units.ts';
import type { FrameHappening, FrameObserver } from '../../xen/index.ts';
import { REASON_NAMES } from '../../xen/public/index.ts';

/** The page in question, by name and by place. */
export interface PageInQuestion {
  readonly ino: number;
  readonly index: number;
  readonly block: number;
}

export class PageHistory implements FrameObserver {
  readonly lines: string[] = [];
  readonly #page: PageInQuestion;
  readonly #frames: Set<Mfn>;
  readonly #now: () => number;

  /**
   * @param frames frames whose history is written; frames that turn out to be involved are added
   * @param now virtual time, ns
   */
  constructor(page: PageInQuestion, frames: Set<Mfn>, now: () => number) {
    this.#page = page;
    this.#frames = frames;
    this.#now = now;
  }

  onFrame(happening: FrameHappening, mfn: Mfn, a: number, b: number, c: number): void {
    const { ino, index, block } = this.#page;
    if (happening === 'named' && a === ino && c === index) this.#frames.add(mfn);
    else if (
      (happening === 'reading' || happening === 'writing' || happening === 'clean' || happening === 'dirty') &&
      a === block
    )
      this.#frames.add(mfn);
    if (this.#frames.has(mfn)) this.lines.push(`${this.#now()} ns  frame ${mfn}  ${describe(happening, a, b, c)}`);
  }
}

function describe(happening: FrameHappening, a: number, b: number, c: number): string {
  switch (happening) {
    case 'named':
      return `named: inode ${a}, generation ${b}, page ${c}`;
    case 'reading':
    case 'writing':
    case 'clean':
    case 'dirty':
      return `${happening}: block ${a}`;
    case 'assigned':
      return `assigned to domain ${a} as pfn ${b}`;
    case 'dropped':
      return `dropped: ${REASON_NAMES[a] ?? a}`;
    default:
      return happening;
  }
}
