/**
 * The back-end's half of the connection of a block device: the states of public/xenbus.ts, from the directory that the
 * tool stack makes to the moment when nothing of the guest is mapped any more.
 *
 * What the guest publishes is checked: a ring that is not granted, or a port that does not wait for domain 0, closes
 * the device. `release` is for a domain that is gone: whatever is in flight completes under its grants, which it waits
 * for.
 *
 * Modelled after Xen 3.0 blkback (xenbus.c, interface.c). Differs in that a device that was closed is not connected
 * again.
 */

import { DOM0, type DomId, EvtchnPort, GrantRef } from '../base/units.ts';
import { ModelError } from '../base/errno.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import type { Process } from '../sim/simulation.ts';
import { BlockBackend } from './blkback.ts';
import type { GrantTable } from './grant-table.ts';
import type { Hypervisor } from './hypervisor.ts';
import { VBD_FRONTEND, XenbusState } from './public/xenbus.ts';
import { homeOf } from './xenstore.ts';

/** What is mapped and bound while connected. */
interface Connection {
  readonly ring: BlockBackend;
  readonly ringRef: GrantRef;
  readonly port: EvtchnPort;
}

/** Directory of the back-end of a domain's block device. */
export const backendPath = (domid: DomId): string => `${homeOf(DOM0)}/backend/vbd/${domid}/0`;

export class VbdBackend {
  readonly #hypervisor: Hypervisor;
  readonly #domid: DomId;
  readonly #grants: GrantTable;
  readonly #device: BlockDevice;
  readonly #frontend: string;
  readonly #unwatch: () => void;
  #state: XenbusState = XenbusState.initialising;
  #connection: Connection | undefined;

  /** Makes both directories and waits for the front-end. */
  constructor(hypervisor: Hypervisor, domid: DomId, grants: GrantTable, device: BlockDevice) {
    this.#hypervisor = hypervisor;
    this.#domid = domid;
    this.#grants = grants;
    this.#device = device;
    const { xenstore } = hypervisor;
    this.#frontend = `${homeOf(domid)}/${VBD_FRONTEND}`;
    xenstore.write(`${this.#frontend}/backend`, backendPath(domid));
    xenstore.write(`${this.#frontend}/state`, String(XenbusState.initialising));
    xenstore.write(`${backendPath(domid)}/frontend`, this.#frontend);
    this.#switchTo(XenbusState.initWait);
    this.#unwatch = xenstore.watch(`${this.#frontend}/state`, () => {
      this.#frontendChanged();
    });
  }

  get state(): XenbusState {
    return this.#state;
  }

  /** The guest is gone: nothing more is taken from the ring or put into it. */
  stop(): void {
    this.#connection?.ring.stop();
  }

  /** Waits until nothing is in flight, then gives back what is mapped and bound, and removes both directories. */
  *release(): Process {
    this.#unwatch();
    yield* this.#disconnect();
    this.#hypervisor.xenstore.remove(this.#frontend);
    this.#hypervisor.xenstore.remove(backendPath(this.#domid));
  }

  #frontendChanged(): void {
    switch (Number(this.#hypervisor.xenstore.read(`${this.#frontend}/state`))) {
      case XenbusState.initialised:
      case XenbusState.connected:
        if (this.#state === XenbusState.initWait) this.#connect();
        return;
      case XenbusState.closing:
        if (this.#state !== XenbusState.initWait && this.#state !== XenbusState.connected) return;
        this.#state = XenbusState.closing;
        this.#hypervisor.power.spawn(`vbd ${this.#domid} closing`, this.#close());
        return;
      case XenbusState.closed:
        if (this.#connection === undefined) this.#switchTo(XenbusState.closed);
    }
  }

  *#close(): Process {
    this.stop();
    yield* this.#disconnect();
    this.#switchTo(XenbusState.closing);
  }

  #connect(): void {
    const { xenstore, domain0Events } = this.#hypervisor;
    const ringRef = GrantRef(this.#number('ring-ref'));
    const ringMfn = this.#grants.map(ringRef, DOM0, true);
    if (ringMfn === undefined) {
      this.#switchTo(XenbusState.closing);
      return;
    }
    try {
      const port = domain0Events.bindInterdomain(this.#domid, EvtchnPort(this.#number('event-channel')), () => {
        ring.run();
      });
      const ring = new BlockBackend(this.#hypervisor, this.#device, {
        grants: this.#grants,
        deviceNumber: this.#hypervisor.deviceNumber(this.#device),
        ringMfn,
        sendEvent: (delayNs) => {
          domain0Events.ports.sendAfter(port, delayNs);
        },
      });
      this.#connection = { ring, ringRef, port };
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      this.#grants.unmap(ringRef, true);
      this.#switchTo(XenbusState.closing);
      return;
    }
    xenstore.write(`${backendPath(this.#domid)}/sectors`, String(this.#device.sectorCount));
    this.#switchTo(XenbusState.connected);
  }

  *#disconnect(): Process {
    const connection = this.#connection;
    if (connection === undefined) return;
    yield* connection.ring.drain();
    // Somebody else, who waited as well, may have been first.
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#grants.unmap(connection.ringRef, true);
    this.#hypervisor.domain0Events.close(connection.port);
  }

  #switchTo(state: XenbusState): void {
    this.#state = state;
    this.#hypervisor.xenstore.write(`${backendPath(this.#domid)}/state`, String(state));
  }

  /** What the guest has published under a name; -1 for nonsense, which is neither grant nor port. */
  #number(name: string): number {
    const value = Number(this.#hypervisor.xenstore.read(`${this.#frontend}/${name}`) ?? NaN);
    return Number.isInteger(value) ? value : -1;
  }
}
