/**
 * Event channels in the guest (drivers/xen/core/evtchn.c of 2.6.12-xen): which handler a port has,
 * and the upcall.
 *
 * A port is masked until it is bound, and while its handler runs. Code that unmasks a port looks at
 * the pending bit itself. The hypervisor gives no upcall for an edge on a masked port
 * (xen/public/event-channel.ts). Handlers run in interrupt context.
 */

import { GuestPanic, ModelError } from '../../base/errno.ts';
import type { DomId, EvtchnPort, Pfn } from '../../base/units.ts';
import { NR_EVENT_CHANNELS, SHARED_INFO, type GuestEnvironment } from '../../xen/public/index.ts';

const { upcallPending, upcallMask, pendingSel, pending, mask } = SHARED_INFO.offset;

export class EventChannels {
  readonly #env: GuestEnvironment;
  readonly #sharedInfo: Pfn;
  readonly #handlers: ((() => void) | undefined)[] = [];

  /** Masks every port, then lets upcalls come. */
  constructor(env: GuestEnvironment, sharedInfo: Pfn) {
    this.#env = env;
    this.#sharedInfo = sharedInfo;
    for (let word = 0; word < NR_EVENT_CHANNELS / 32; word++)
      env.memory.writeU32(sharedInfo, mask + 4 * word, 0xffff_ffff);
    env.hypercalls.setCallback(() => {
      this.#upcall();
    });
    this.enable();
  }

  /** local_irq_disable: no upcalls come. */
  disable(): void {
    this.#env.memory.writeU8(this.#sharedInfo, upcallMask, 1);
  }

  /** local_irq_enable: lets upcalls come, and looks for events that came meanwhile. */
  enable(): void {
    const { memory } = this.#env;
    memory.writeU8(this.#sharedInfo, upcallMask, 0);
    if (memory.readU8(this.#sharedInfo, upcallPending) !== 0) this.#upcall();
  }

  /** Gives a port its handler and unmasks it. */
  bind(port: EvtchnPort, handler: () => void): void {
    // It was closed behind this kernel's back, and given out again.
    if (this.#handlers[port] !== undefined) throw new GuestPanic(`event channel ${port} has a handler already`);
    this.#handlers[port] = handler;
    if (this.#unmask(port)) this.#upcall();
  }

  /** Masks a port and forgets its handler; the port itself is the caller's to close. */
  unbind(port: EvtchnPort): void {
    this.#setBit(mask, port, true);
    this.#handlers[port] = undefined;
  }

  /** The same, and closes the port. */
  release(port: EvtchnPort): void {
    this.unbind(port);
    this.#orPanic(() => {
      this.#env.hypercalls.eventChannels.close(port);
    });
  }

  notify(port: EvtchnPort): void {
    this.#orPanic(() => this.#env.hypercalls.eventChannels.send(port));
  }

  /** A port that waits for a domain. */
  allocUnbound(remote: DomId): EvtchnPort {
    return this.#orPanic(() => this.#env.hypercalls.eventChannels.allocUnbound(remote));
  }

  /**
   * What this kernel asks for is granted, unless something gone wild has closed its ports or taken
   * all. Throws GuestPanic.
   */
  #orPanic<T>(hypercall: () => T): T {
    try {
      return hypercall();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      throw new GuestPanic(error.message);
    }
  }

  /** evtchn_do_upcall. Upcalls are masked meanwhile; what comes in is found by looking again. */
  #upcall(): void {
    const { memory } = this.#env;
    const page = this.#sharedInfo;
    memory.writeU8(page, upcallMask, 1);
    while (memory.readU8(page, upcallPending) !== 0) {
      memory.writeU8(page, upcallPending, 0);
      const words = memory.readU32(page, pendingSel);
      memory.writeU32(page, pendingSel, 0);
      for (let rest = words; rest !== 0; rest &= rest - 1) this.#word(31 - Math.clz32(rest & -rest));
    }
    memory.writeU8(page, upcallMask, 0);
  }

  #word(word: number): void {
    const { memory } = this.#env;
    const at = 4 * word;
    const bits = memory.readU32(this.#sharedInfo, pending + at) & ~memory.readU32(this.#sharedInfo, mask + at);
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      const port = (32 * word + 31 - Math.clz32(rest & -rest)) as EvtchnPort;
      this.#setBit(mask, port, true);
      this.#setBit(pending, port, false);
      this.#handlers[port]?.();
      // A handler may have taken its own port away.
      if (this.#handlers[port] !== undefined) this.#unmask(port);
    }
  }

  /** Returns whether the caller must look for events: one has come while the port was masked. */
  #unmask(port: EvtchnPort): boolean {
    const { memory } = this.#env;
    this.#setBit(mask, port, false);
    const word = port >>> 5;
    if (((memory.readU32(this.#sharedInfo, pending + 4 * word) >>> (port & 31)) & 1) === 0) return false;
    const selector = memory.readU32(this.#sharedInfo, pendingSel);
    memory.writeU32(this.#sharedInfo, pendingSel, selector | (1 << word));
    memory.writeU8(this.#sharedInfo, upcallPending, 1);
    return true;
  }

  #setBit(row: number, port: EvtchnPort, value: boolean): void {
    const { memory } = this.#env;
    const at = row + 4 * (port >>> 5);
    const bit = 1 << (port & 31);
    const word = memory.readU32(this.#sharedInfo, at);
    memory.writeU32(this.#sharedInfo, at, value ? word | bit : word & ~bit);
  }
}
