/**
 * The hypervisor's side of a domain's shared_info page: sets the bits of an event in memory and
 * notifies, by the steps in public/event-channel.ts.
 *
 * The guest may have written anything there: the bits decide only whether the guest itself is
 * notified.
 */

import { type EvtchnPort, Mfn } from '../../base/units.ts';
import type { MachineMemory } from '../../machine/memory.ts';
import type { EventSink } from './event-channel.ts';
import type { FrameTable } from '../frames/frame-table.ts';
import { SHARED_INFO } from '../public/event-channel.ts';

const { upcallPending, upcallMask, pendingSel, pending, mask } = SHARED_INFO.offset;
const WORDS = (SHARED_INFO.size - mask) / 4;

/** Fills a new domain's page: nothing pending, every port and all upcalls masked. */
export function initSharedInfo(memory: MachineMemory, mfn: Mfn): void {
  memory.zero(mfn);
  memory.writeU8(mfn, upcallMask, 1);
  for (let word = 0; word < WORDS; word++) memory.writeU32(mfn, mask + 4 * word, 0xffff_ffff);
}

/**
 * Runs the guest's callback when its processor is switched to, `delayNs` from now at the earliest,
 * if `isDue` says then that an upcall is due.
 */
export type UpcallAfter = (delayNs: number, isDue: () => boolean) => void;

export class SharedInfo implements EventSink {
  readonly #memory: MachineMemory;
  readonly #frames: Pick<FrameTable, 'stored'>;
  readonly #mfn: Mfn;
  readonly #upcallAfter: UpcallAfter;
  #isUpcallOnItsWay = false;
  #isRevoked = false;

  constructor(memory: MachineMemory, frames: Pick<FrameTable, 'stored'>, mfn: number, upcallAfter: UpcallAfter) {
    this.#memory = memory;
    this.#frames = frames;
    this.#mfn = Mfn(mfn);
    this.#upcallAfter = upcallAfter;
  }

  /** The guest is gone: no notification comes any more. */
  revoke(): void {
    this.#isRevoked = true;
  }

  /** Whether the guest is to be called. */
  get #isUpcallDue(): boolean {
    if (this.#isRevoked) return false;
    return this.#memory.readU8(this.#mfn, upcallPending) !== 0 && this.#memory.readU8(this.#mfn, upcallMask) === 0;
  }

  setPending(port: EvtchnPort, delayNs: number): void {
    const word = port >>> 5;
    if (!this.#setBit(pending + 4 * word, port & 31)) return;
    if (((this.#memory.readU32(this.#mfn, mask + 4 * word) >>> (port & 31)) & 1) !== 0) return;
    if (!this.#setBit(pendingSel, word)) return;
    if (this.#memory.readU8(this.#mfn, upcallPending) !== 0) return;
    this.#memory.writeU8(this.#mfn, upcallPending, 1);
    if (this.#isUpcallOnItsWay) return;
    this.#isUpcallOnItsWay = true;
    this.#upcallAfter(delayNs, () => {
      this.#isUpcallOnItsWay = false;
      return this.#isUpcallDue;
    });
  }

  clearPending(port: EvtchnPort): void {
    const at = pending + 4 * (port >>> 5);
    this.#store(at, this.#memory.readU32(this.#mfn, at) & ~(1 << (port & 31)));
  }

  /** Returns whether the bit was clear. */
  #setBit(at: number, bit: number): boolean {
    const word = this.#memory.readU32(this.#mfn, at);
    if (((word >>> bit) & 1) !== 0) return false;
    this.#store(at, word | (1 << bit));
    return true;
  }

  /**
   * A store of the hypervisor into the guest's page: it does not trap, so the frame table learns of
   * it here.
   */
  #store(at: number, word: number): void {
    this.#frames.stored(this.#mfn);
    this.#memory.writeU32(this.#mfn, at, word);
  }
}
