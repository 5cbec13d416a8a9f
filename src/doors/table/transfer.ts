/** A transfer between a block of a device and the caller's memory, from its submission on. */

import { checkArgument, checkOneOf } from '../../base/argument-error.ts';

/** A transfer between a frame and a block that is under way. End it once. */
export class Transfer {
  #end: ((ok: boolean) => boolean) | undefined;

  /** @internal Made by the table. */
  constructor(end: (ok: boolean) => boolean) {
    this.#end = end;
  }

  /**
   * The transfer has ended; it ends once.
   * @param ok whether all of the block was transferred
   * @returns whether the frame equals the block now. False when it was stored to, when another
   * transfer of it or a write of the block was in flight, and when it is unknown
   * @throws ArgumentError when it has ended already, or another table stands over the bytes
   */
  end(ok: boolean): boolean {
    checkOneOf('ok', ok, [true, false]);
    const end = this.#end;
    checkArgument(end !== undefined, 'transfer', 'it has ended already');
    const isClean = end(ok);
    this.#end = undefined;
    return isClean;
  }
}
