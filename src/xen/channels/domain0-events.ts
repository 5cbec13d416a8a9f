/**
 * Domain 0's end of event channels: a handler a port. Domain 0 has no memory of its own here, so
 * the contents of its shared_info in Xen are a set of ports. No port of it is ever masked.
 *
 * A handler runs `domainSwitchNs` after the first of the events that it has not heard of.
 */

import { DOM0, type DomId, type EvtchnPort, Ns } from '../../base/units.ts';
import type { Power } from '../../sim/power.ts';
import type { StepObserver } from '../../sim/steps.ts';
import { type DomainPorts, EventPorts, type EventSink } from './event-channel.ts';
import type { Virq } from '../public/event-channel.ts';

export class Domain0Events implements EventSink {
  readonly ports: EventPorts;
  readonly #power: Power;
  readonly #switchNs: number;
  readonly #handlers = new Map<EvtchnPort, () => void>();
  readonly #pending = new Set<EvtchnPort>();

  constructor(power: Power, domains: DomainPorts, switchNs: number, steps?: StepObserver) {
    this.#power = power;
    this.#switchNs = switchNs;
    this.ports = new EventPorts(DOM0, domains, this, [], steps);
  }

  /** bind_interdomain_evtchn_to_irqhandler. Throws what `bindInterdomain` throws. */
  bindInterdomain(remote: DomId, remotePort: EvtchnPort, handler: () => void): EvtchnPort {
    const port = this.ports.bindInterdomain(remote, remotePort);
    this.#handlers.set(port, handler);
    return port;
  }

  bindVirq(virq: Virq, handler: () => void): EvtchnPort {
    const port = this.ports.bindVirq(virq);
    this.#handlers.set(port, handler);
    return port;
  }

  close(port: EvtchnPort): void {
    this.#handlers.delete(port);
    this.ports.close(port);
  }

  setPending(port: EvtchnPort, delayNs: number): void {
    if (this.#pending.has(port)) return;
    this.#pending.add(port);
    this.#power.after(Ns(Math.round(delayNs + this.#switchNs)), () => {
      if (this.#pending.delete(port)) this.#handlers.get(port)?.();
    });
  }

  clearPending(port: EvtchnPort): void {
    this.#pending.delete(port);
  }
}
