/** Counts the frames that have a name: the pages of a guest that a reboot may keep. */

import type { Mfn } from '../../base/units.ts';
import type { FrameHappening, FrameObserver } from '../../xen/index.ts';

export class NamedPages implements FrameObserver {
  /** Frames with a name now. */
  count = 0;
  readonly #isNamed: Uint8Array;

  /** @param frames of the machine */
  constructor(frames: number) {
    this.#isNamed = new Uint8Array(frames);
  }

  onFrame(happening: FrameHappening, mfn: Mfn): void {
    if (happening === 'named') this.#set(mfn, 1);
    else if (happening === 'erased' || happening === 'dropped' || happening === 'freed' || happening === 'assigned')
      this.#set(mfn, 0);
  }

  #set(mfn: Mfn, isNamed: number): void {
    this.count += isNamed - this.#isNamed[mfn]!;
    this.#isNamed[mfn] = isNamed;
  }
}
