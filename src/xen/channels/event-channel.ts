/**
 * Event channels: the ports of one domain, what each is bound to, and where an event goes. The
 * contract of every operation is in public/event-channel.ts.
 *
 * Invariants (`checkInvariants` asserts them in this order):
 *   1. Port 0 is never in use.
 *   2. A virq is bound to at most one port of a domain.
 *   3. Two interdomain ports name each other.
 *
 * What a guest passes is checked; nothing it passes throws anything but ModelError.
 *
 * Modelled after Xen 3.0 (common/event_channel.c) with one vcpu a domain and without physical
 * interrupts.
 */

import { assert } from '../../base/assert.ts';
import { ModelError } from '../../base/errno.ts';
import { type DomId, EvtchnPort } from '../../base/units.ts';
import type { StepObserver } from '../../sim/steps.ts';
import {
  type EventChannelOp,
  type EvtchnStatus,
  NR_EVENT_CHANNELS,
  NR_VIRQS,
  type Virq,
} from '../public/event-channel.ts';

/** Where the events of a domain show. */
export interface EventSink {
  /** An event has come for a port; the handler that it notifies runs `delayNs` later. */
  setPending(port: EvtchnPort, delayNs: number): void;
  clearPending(port: EvtchnPort): void;
}

/** The ports of all domains, by domid. */
export type DomainPorts = Map<DomId, EventPorts>;

const FREE: EvtchnStatus = { state: 'free' };

export class EventPorts implements EventChannelOp {
  readonly #domid: DomId;
  readonly #domains: DomainPorts;
  readonly #sink: EventSink;
  readonly #channels: EvtchnStatus[] = [FREE];
  readonly #steps: StepObserver | undefined;

  /**
   * Joins the domains; `destroy` leaves them.
   * @param saved what the ports were when the domain was suspended. An end whose other end is not
   *   there, or is bound to something else by now, waits for it.
   */
  constructor(
    domid: DomId,
    domains: DomainPorts,
    sink: EventSink,
    saved: readonly EvtchnStatus[] = [],
    steps?: StepObserver,
  ) {
    assert(!domains.has(domid), 'a domain has one set of ports');
    this.#domid = domid;
    this.#domains = domains;
    this.#sink = sink;
    this.#steps = steps;
    domains.set(domid, this);
    saved.forEach((status, port) => {
      this.#channels[port] = status.state === 'interdomain' ? this.#rejoin(EvtchnPort(port), status) : status;
    });
  }

  /** All ports up to the last in use. */
  get channels(): readonly EvtchnStatus[] {
    return this.#channels;
  }

  allocUnbound(remote: DomId): EvtchnPort {
    // A domid_t has 16 bits; whether there is such a domain shows when it binds.
    if (!(Number.isInteger(remote) && remote >= 0 && remote <= 0xffff))
      throw new ModelError('EINVAL', `there is no domain ${remote}`);
    return this.#allocate({ state: 'unbound', remote });
  }

  bindInterdomain(remote: DomId, remotePort: EvtchnPort): EvtchnPort {
    const other = this.#domains.get(remote);
    const waiting = other?.status(remotePort);
    if (other === undefined || waiting?.state !== 'unbound' || waiting.remote !== this.#domid)
      throw new ModelError('EINVAL', `port ${remotePort} of domain ${remote} does not wait for domain ${this.#domid}`);
    const port = this.#allocate({ state: 'interdomain', remote, remotePort });
    other.#channels[remotePort] = { state: 'interdomain', remote: this.#domid, remotePort: port };
    this.#sink.setPending(port, 0);
    return port;
  }

  bindVirq(virq: Virq): EvtchnPort {
    if (!(Number.isInteger(virq) && virq >= 0 && virq < NR_VIRQS))
      throw new ModelError('EINVAL', `there is no virq ${virq}`);
    if (this.#portOfVirq(virq) >= 0) throw new ModelError('EEXIST', `virq ${virq} is bound already`);
    return this.#allocate({ state: 'virq', virq });
  }

  bindIpi(): EvtchnPort {
    return this.#allocate({ state: 'ipi' });
  }

  close(port: EvtchnPort): void {
    const channel = this.status(port);
    if (channel.state === 'free') throw new ModelError('EINVAL', `port ${port} is not in use`);
    if (channel.state === 'interdomain')
      this.#domains.get(channel.remote)!.#channels[channel.remotePort] = { state: 'unbound', remote: this.#domid };
    this.#channels[port] = FREE;
    this.#sink.clearPending(port);
  }

  /** The other end is notified `delayNs` from now. */
  send(port: EvtchnPort, delayNs = 0): void {
    this.#steps?.before('event', `send of domain ${this.#domid}`, port, 0);
    const channel = this.status(port);
    switch (channel.state) {
      case 'interdomain':
        this.#domains.get(channel.remote)!.#sink.setPending(channel.remotePort, delayNs);
        return;
      case 'ipi':
        this.#sink.setPending(port, delayNs);
        return;
      case 'unbound':
        return;
      case 'free':
      case 'virq':
        throw new ModelError('EINVAL', `port ${port} cannot be sent to`);
    }
  }

  status(port: EvtchnPort): EvtchnStatus {
    if (!(Number.isInteger(port) && port >= 0 && port < NR_EVENT_CHANNELS))
      throw new ModelError('EINVAL', `there is no port ${port}`);
    return this.#channels[port] ?? FREE;
  }

  /**
   * send_guest_virq: an event for whichever port the virq is bound to. Returns whether there is
   * one.
   */
  raiseVirq(virq: Virq): boolean {
    const port = this.#portOfVirq(virq);
    if (port < 0) return false;
    this.#steps?.before('event', `virq of domain ${this.#domid}`, port, 0);
    this.#sink.setPending(EvtchnPort(port), 0);
    return true;
  }

  /** Closes every port: the domain is gone. */
  destroy(): void {
    this.#channels.forEach(({ state }, port) => {
      if (state !== 'free') this.close(EvtchnPort(port));
    });
    this.#domains.delete(this.#domid);
  }

  /** @throws InvariantViolation */
  checkInvariants(): void {
    assert(this.#channels[0]!.state === 'free', 'invariant 1: port 0 is never in use');
    this.#channels.forEach((channel, port) => {
      if (channel.state === 'virq')
        assert(this.#portOfVirq(channel.virq) === port, 'invariant 2: a virq is bound to one port');
      if (channel.state !== 'interdomain') return;
      const other = this.#domains.get(channel.remote)?.status(channel.remotePort);
      assert(
        other?.state === 'interdomain' && other.remote === this.#domid && other.remotePort === port,
        'invariant 3: two ends of an event channel name each other',
      );
    });
  }

  #rejoin(port: EvtchnPort, saved: EvtchnStatus & { state: 'interdomain' }): EvtchnStatus {
    const { remote, remotePort } = saved;
    const other = this.#domains.get(remote);
    const waiting = other?.status(remotePort);
    if (other === undefined || waiting?.state !== 'unbound' || waiting.remote !== this.#domid)
      return { state: 'unbound', remote };
    other.#channels[remotePort] = { state: 'interdomain', remote: this.#domid, remotePort: port };
    return saved;
  }

  #portOfVirq(virq: Virq): number {
    return this.#channels.findIndex((channel) => channel.state === 'virq' && channel.virq === virq);
  }

  #allocate(channel: EvtchnStatus): EvtchnPort {
    let port = 1;
    while (port < this.#channels.length && this.#channels[port]!.state !== 'free') port++;
    if (port >= NR_EVENT_CHANNELS) throw new ModelError('ENOSPC', `domain ${this.#domid} has no free port`);
    this.#channels[port] = channel;
    return EvtchnPort(port);
  }
}
