/**
 * The hypercalls of a guest: each checks that the guest is in a domain, charges its processor, and
 * does the work there. What a guest passes is checked; the contract of each call is in
 * public/environment.ts.
 */

import { ModelError } from '../../base/errno.ts';
import { type DomId, type EvtchnPort, PAGE_SIZE } from '../../base/units.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { Process } from '../../sim/simulation.ts';
import type { EventPorts } from '../channels/event-channel.ts';
import { type CacheMapBatch, ENTRY_WORDS } from '../public/cache-map-op.ts';
import type { Hypercalls, RecoveryBoxOp, ShutdownReason } from '../public/environment.ts';
import type { EventChannelOp, EvtchnStatus, Virq } from '../public/event-channel.ts';
import type { GuestPlace, Seat } from './seat.ts';

export class DomainHypercalls implements Hypercalls {
  readonly eventChannels: EventChannelOp;
  readonly recoveryBox: RecoveryBoxOp;
  readonly #seat: Seat;
  readonly #cpu: CpuClock;
  #callback: (() => void) | undefined;
  #count = 0;
  #ns = 0;

  constructor(seat: Seat, cpu: CpuClock) {
    this.#seat = seat;
    this.#cpu = cpu;
    this.eventChannels = this.#eventChannelOp();
    this.recoveryBox = this.#recoveryBoxOp();
  }

  /** What runs when an upcall is due, if the guest has said. */
  get callback(): (() => void) | undefined {
    return this.#callback;
  }

  get count(): number {
    return this.#count;
  }

  get ns(): number {
    return this.#ns;
  }

  cacheMapOp(batch: CacheMapBatch): void {
    const place = this.#enter('cache_map_op', 0);
    const { count, words } = batch;
    if (!(Number.isInteger(count) && count >= 0 && count * ENTRY_WORDS <= words.length))
      throw new ModelError('EFAULT', `a batch of ${count} entries`);
    this.#charge(place.cacheMap.perform(batch));
  }

  setCallback(callback: () => void): void {
    this.#enter('set_callbacks', 0);
    if (typeof callback !== 'function') throw new ModelError('EFAULT', 'a callback that is not a function');
    this.#callback = callback;
  }

  decreaseReservation(pfns: ArrayLike<number>): number {
    return this.#enterForPages('decrease_reservation', pfns).reservation.decrease(pfns);
  }

  increaseReservation(pfns: ArrayLike<number>): number {
    return this.#enterForPages('increase_reservation', pfns).reservation.increase(pfns);
  }

  shutdown(reason: ShutdownReason): void {
    this.#enter('shutdown', 0).domain.shutdown(reason);
  }

  *suspend(registers: Uint32Array): Process<Uint32Array> {
    this.#enter('suspend', 0);
    yield* this.#cpu.settle();
    this.#seat.lent.domain.suspend(registers);
    // The processor stands still until the domain is resumed.
    yield 0;
    return this.#seat.lent.domain.registers;
  }

  #eventChannelOp(): EventChannelOp {
    const ports = (): EventPorts => this.#enter('event_channel_op', 0).events;
    return {
      allocUnbound: (remote: DomId): EvtchnPort => ports().allocUnbound(remote),
      bindInterdomain: (remote: DomId, port: EvtchnPort): EvtchnPort => ports().bindInterdomain(remote, port),
      bindVirq: (virq: Virq): EvtchnPort => ports().bindVirq(virq),
      bindIpi: (): EvtchnPort => ports().bindIpi(),
      close: (port: EvtchnPort): void => {
        ports().close(port);
      },
      send: (port: EvtchnPort): void => {
        this.#enter('event_channel_op', this.#seat.lent.hypervisor.costs.eventSendNs).events.send(port);
      },
      status: (port: EvtchnPort): EvtchnStatus => ports().status(port),
    };
  }

  /** Bytes that go in or out are checked, which costs more than to copy them. */
  #recoveryBoxOp(): RecoveryBoxOp {
    const checkNs = (bytes: number): number => this.#seat.lent.hypervisor.costs.crcNsPerByte * bytes;
    const box = (bytes: number): RecoveryBoxOp => this.#enter('recovery_box_op', checkNs(bytes)).recoveryBox;
    return {
      put: (key, bytes) => {
        if (!(bytes instanceof Uint8Array)) throw new ModelError('EFAULT', 'an item that has no bytes');
        return box(bytes.length).put(key, bytes);
      },
      get: (key) => {
        const bytes = box(0).get(key);
        this.#charge(checkNs(bytes?.length ?? 0));
        return bytes;
      },
      remove: (key) => box(0).remove(key),
      keys: () => box(PAGE_SIZE).keys(),
      get damaged() {
        return box(PAGE_SIZE).damaged;
      },
    };
  }

  #enterForPages(call: string, pfns: ArrayLike<number>): GuestPlace {
    const count = pfns?.length;
    if (!(Number.isInteger(count) && count >= 0 && count <= 0xffff_ffff))
      throw new ModelError('EFAULT', `a list of ${count} pages`);
    return this.#enter(call, this.#seat.lent.hypervisor.costs.frameAllocNs * count);
  }

  /** A hypercall that costs so much besides. */
  #enter(call: string, workNs: number): GuestPlace {
    const place = this.#seat.lent;
    place.hypervisor.steps?.before('hypercall', call, 0, 0);
    this.#count++;
    this.#charge(place.hypervisor.costs.hypercallNs + workNs);
    return place;
  }

  #charge(ns: number): void {
    this.#ns += ns;
    this.#cpu.charge(ns);
  }
}
