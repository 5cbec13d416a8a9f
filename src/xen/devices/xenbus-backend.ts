/**
 * The back-end's half of the connection of a device: the states of public/xenbus.ts. They begin
 * with the directories that the tool stack makes. The hotplug script runs on domain 0's processor
 * then, and afterwards the back-end waits for the front-end. They end when nothing of the guest is
 * mapped any more.
 *
 * What the guest publishes is checked: a ring that is not granted, or a port that does not wait for
 * domain 0, closes the device. `release` is for a domain that is gone. It waits until everything in
 * flight has completed under its grants.
 *
 * Modelled after Xen 3.0 blkback and netback (xenbus.c, interface.c). Differs in that a device that
 * was closed is not connected again.
 */

import { DOM0, type DomId, EvtchnPort, GrantRef, type Mfn } from '../../base/units.ts';
import { ModelError } from '../../base/errno.ts';
import type { Process, Task } from '../../sim/simulation.ts';
import type { GrantTable } from '../channels/grant-table.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { XenbusState } from '../public/xenbus.ts';
import { homeOf, type StoreChange } from '../channels/xenstore.ts';

/** What works on the rings of a device while it is connected. */
export interface Backend {
  /** The front-end has sent its event. */
  run(): void;
  /** The domain is gone: nothing more is taken from the rings or put into them. */
  stop(): void;
  /** Waits until nothing is in flight. */
  drain(): Process;
}

/** The back-end's connection to its guest. */
export interface BackendClient {
  readonly grants: GrantTable;
  /** The pages of the rings, which are mapped, in the order of `rings`. */
  readonly rings: readonly Mfn[];
  /** Sends an event to the guest, when domain 0's processor has come to it. */
  notify(): void;
}

/** A device that a domain may have. */
export interface DeviceKind {
  /** As directories of back-ends call it. */
  readonly type: 'vbd' | 'vif';
  /** Directory of the front-end, below the domain's home. */
  readonly frontend: string;
  /** Names under which the front-end publishes the grants of its rings. */
  readonly rings: readonly string[];
  /** What the tool stack tells the front-end. */
  readonly frontProperties: Readonly<Record<string, string>>;
  /** What it tells the back-end. */
  readonly configuration: Readonly<Record<string, string>>;
  /** What the back-end tells it once connected. */
  readonly backProperties: Readonly<Record<string, string>>;
  connect(client: BackendClient): Backend;
}

/** What is mapped and bound while connected. */
interface Connection {
  readonly backend: Backend;
  readonly ringRefs: readonly GrantRef[];
  readonly port: EvtchnPort;
}

/** Directory in which the back-ends of a domain's devices are. */
export const backendsOf = (domid: DomId, type: DeviceKind['type']): string =>
  `${homeOf(DOM0)}/backend/${type}/${domid}`;

/** Values to be written in a directory. */
const below = (directory: string, values: Readonly<Record<string, string>>): StoreChange[] =>
  Object.keys(values).map((name) => [`${directory}/${name}`, values[name]]);

/** What a connection works with. */
export type XenbusHost = Pick<Hypervisor, 'xenstore' | 'domain0Events' | 'power' | 'domain0Cpu' | 'costs'>;

export class XenbusBackend {
  readonly #hypervisor: XenbusHost;
  readonly #domid: DomId;
  readonly #grants: GrantTable;
  readonly #kind: DeviceKind;
  readonly #home: string;
  readonly #frontend: string;
  readonly #unwatch: () => void;
  /** The hotplug script. */
  readonly #script: Task;
  #state: XenbusState = XenbusState.initialising;
  #connection: Connection | undefined;

  /** Makes both directories and begins to plug the device in. */
  constructor(hypervisor: XenbusHost, domid: DomId, grants: GrantTable, kind: DeviceKind) {
    this.#hypervisor = hypervisor;
    this.#domid = domid;
    this.#grants = grants;
    this.#kind = kind;
    this.#home = `${backendsOf(domid, kind.type)}/0`;
    this.#frontend = `${homeOf(domid)}/${kind.frontend}`;
    const { xenstore } = hypervisor;
    const state = String(XenbusState.initialising);
    xenstore.transact(
      ...below(this.#frontend, { ...kind.frontProperties, 'backend-id': String(DOM0), backend: this.#home, state }),
      ...below(this.#home, { ...kind.configuration, 'frontend-id': String(domid), frontend: this.#frontend, state }),
    );
    this.#script = hypervisor.power.spawn(`hotplug ${kind.type} ${domid}`, this.#plug());
    this.#unwatch = xenstore.watch(`${this.#frontend}/state`, () => {
      this.#frontendChanged();
    });
  }

  get state(): XenbusState {
    return this.#state;
  }

  /** The guest is gone: nothing more is taken from the rings or put into them. */
  stop(): void {
    this.#connection?.backend.stop();
  }

  /**
   * Waits until nothing is in flight, then gives back what is mapped and bound, and removes both
   * directories.
   */
  *release(): Process {
    this.#unwatch();
    this.#script.kill();
    yield* this.#disconnect();
    const { xenstore } = this.#hypervisor;
    xenstore.transact([this.#frontend, undefined]);
    xenstore.transact([this.#home, undefined]);
  }

  *#plug(): Process {
    const { domain0Cpu, costs, xenstore } = this.#hypervisor;
    yield* domain0Cpu.work(costs.hotplugNs);
    xenstore.write(`${this.#home}/hotplug-status`, 'connected');
    this.#switchTo(XenbusState.initWait);
    // The front-end may have come first.
    this.#frontendChanged();
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
        this.#hypervisor.power.spawn(`${this.#kind.type} ${this.#domid} closing`, this.#close());
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
    const { domain0Events, domain0Cpu, costs } = this.#hypervisor;
    const ringRefs: GrantRef[] = [];
    const rings: Mfn[] = [];
    for (const name of this.#kind.rings) {
      const ref = GrantRef(this.#number(name));
      const mfn = this.#grants.map(ref, DOM0, true);
      if (mfn === undefined) break;
      ringRefs.push(ref);
      rings.push(mfn);
    }
    const port = rings.length === this.#kind.rings.length ? this.#bind() : undefined;
    if (port === undefined) {
      this.#unmap(ringRefs);
      this.#switchTo(XenbusState.closing);
      return;
    }
    const backend = this.#kind.connect({
      grants: this.#grants,
      rings,
      notify: () => {
        domain0Cpu.charge(costs.eventSendNs);
        domain0Events.ports.send(port, domain0Cpu.book());
      },
    });
    this.#connection = { backend, ringRefs, port };
    this.#switchTo(XenbusState.connected, this.#kind.backProperties);
  }

  /** Binds the port that the guest has published; undefined when it does not wait for domain 0. */
  #bind(): EvtchnPort | undefined {
    const remote = EvtchnPort(this.#number('event-channel'));
    try {
      return this.#hypervisor.domain0Events.bindInterdomain(this.#domid, remote, () => {
        this.#connection?.backend.run();
      });
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return undefined;
    }
  }

  *#disconnect(): Process {
    const connection = this.#connection;
    if (connection === undefined) return;
    yield* connection.backend.drain();
    // Another process, which waited as well, may have been first.
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#unmap(connection.ringRefs);
    this.#hypervisor.domain0Events.close(connection.port);
  }

  #unmap(ringRefs: readonly GrantRef[]): void {
    for (const ref of ringRefs) this.#grants.unmap(ref, true);
  }

  /** Its state is written last, since the front-end watches it. */
  #switchTo(state: XenbusState, properties: DeviceKind['backProperties'] = {}): void {
    this.#state = state;
    this.#hypervisor.xenstore.transact(...below(this.#home, { ...properties, state: String(state) }));
  }

  /**
   * What the guest has published under a name; -1 for nonsense, which is neither grant nor port.
   */
  #number(name: string): number {
    const value = Number(this.#hypervisor.xenstore.read(`${this.#frontend}/${name}`) ?? NaN);
    return Number.isInteger(value) ? value : -1;
  }
}
