/**
 * Event channels: the shared_info page, and event_channel_op.
 *
 * Every domain has a shared_info page; start_info says which of its pages that is. The hypervisor
 * sets bits there and the guest clears them. Both do it byte by byte in the same memory.
 *
 * An event for port p goes in three steps:
 * 1. `pending` bit p is set. If it was set already, nothing follows.
 * 2. Unless `mask` bit p is set, bit p / 32 of `pendingSel` is set. If that was set already,
 *    nothing follows.
 * 3. `upcallPending` becomes 1. If it was 0, the guest is notified: its callback runs as soon as
 *    `upcallMask` is 0.
 *
 * So an edge on a masked port yields no upcall. Code that unmasks a port must look at its pending
 * bit and do steps 2 and 3 itself.
 *
 * Modelled after Xen 3.0 (public/event_channel.h, public/xen.h) on one vcpu. Differs in that the
 * page is one of the domain's own, where Xen lends one of its heap. Its words have 32 bits on
 * x86_64 too, where Xen has 64, and so four times the ports.
 */

import type { DomId, EvtchnPort } from '../../base/units.ts';
import { defineLayout } from '../../base/layout.ts';

/** Ports of a domain, 0 … 1023: what two levels of 32-bit words can say. */
export const NR_EVENT_CHANNELS = 1024;
const WORDS = NR_EVENT_CHANNELS / 32;

/** Layout of the shared_info page. */
export const SHARED_INFO = defineLayout('shared_info', 272, [
  { name: 'upcallPending', width: 1, writer: 'hypervisor', meaning: '1: the guest has an event to look for' },
  { name: 'upcallMask', width: 1, writer: 'guest', meaning: '1: no upcalls, as with interrupts disabled' },
  { name: 'reserved', width: 1, count: 2, meaning: 'pads', reserved: true },
  { name: 'pendingSel', width: 4, writer: 'hypervisor', meaning: 'bit w: word w of `pending` is worth a look' },
  { name: 'reserved2', width: 4, count: 2, meaning: 'pads', reserved: true },
  { name: 'pending', width: 4, count: WORDS, writer: 'hypervisor', meaning: 'a bit a port: an event came' },
  { name: 'mask', width: 4, count: WORDS, writer: 'guest', meaning: 'a bit a port: no upcall for it' },
]);

/**
 * Interrupts without a device. `suspend`: the hypervisor is about to be replaced, the guest is to
 * suspend itself.
 */
export const Virq = {
  /** Not sent by this hypervisor. */
  timer: 0,
  /** Not sent by this hypervisor. */
  debug: 1,
  /** Not sent by this hypervisor. */
  console: 2,
  /** To domain 0: a domain has stopped. */
  domExc: 3,
  /** The guest is to suspend itself. */
  suspend: 4,
} as const;
/** A code of `Virq`. */
export type Virq = (typeof Virq)[keyof typeof Virq];
/** Numbers of virtual interrupts. */
export const NR_VIRQS = 8;

/** What a port is bound to. */
export type EvtchnStatus =
  | {
      /** Nothing, or an event of the domain's own. */
      readonly state: 'free' | 'ipi';
    }
  | {
      /** It waits to be bound. */
      readonly state: 'unbound';
      /** By this domain. */
      readonly remote: DomId;
    }
  | {
      /** A port of another domain. */
      readonly state: 'interdomain';
      /** That domain. */
      readonly remote: DomId;
      /** That port. */
      readonly remotePort: EvtchnPort;
    }
  | {
      /** A virtual interrupt. */
      readonly state: 'virq';
      /** That interrupt. */
      readonly virq: Virq;
    };

/** event_channel_op. Failures are thrown as ModelError. */
export interface EventChannelOp {
  /** A new port that `remote` may bind. ENOSPC: no port is free. */
  allocUnbound(remote: DomId): EvtchnPort;
  /**
   * A new port joined to `remotePort`, which waits for this domain. Its pending bit is set: an
   * event may have been sent before the port was bound. ENOSPC; EINVAL: there is no such domain, or
   * its port does not wait for this one.
   */
  bindInterdomain(remote: DomId, remotePort: EvtchnPort): EvtchnPort;
  /** EEXIST: it is bound already. EINVAL: there is no such one. ENOSPC. */
  bindVirq(virq: Virq): EvtchnPort;
  /** A port by which the domain sends to itself. ENOSPC. */
  bindIpi(): EvtchnPort;
  /**
   * Frees a port and its pending bit; the other end, if there is one, is unbound again. EINVAL: it
   * is not in use.
   */
  close(port: EvtchnPort): void;
  /**
   * Sends to the other end. It has no effect when the port is unbound. EINVAL: the port cannot be
   * sent to.
   */
  send(port: EvtchnPort): void;
  /** EINVAL: no such port. */
  status(port: EvtchnPort): EvtchnStatus;
}
