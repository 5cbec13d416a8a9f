/**
 * The daemon of domain 0 that keeps domains running: what is done when a guest stops, and how it is asked to.
 *
 * Xen raises a virq when a domain has stopped; the daemon then destroys it, restarts it from its configuration, or
 * leaves it to whoever asks, as its configuration says for that reason. A domain that would be restarted within 20 s of
 * its last restart is destroyed: it would go on forever. A guest is asked to stop by a word in the store, and destroyed
 * when it has not stopped 30 s later. Suspension is nobody's but the hypervisor's and is left alone.
 *
 * Modelled after xend of Xen 3.0 (XendDomainInfo.py).
 */

import { DOM0, type DomId, Ns } from '../base/units.ts';
import type { Process } from '../sim/simulation.ts';
import type { Domain } from './domain.ts';
import type { Hypervisor } from './hypervisor.ts';
import { ShutdownReason } from './public/environment.ts';
import { Virq } from './public/event-channel.ts';
import type { DomainConfig } from './domain-list.ts';
import type { Toolstack } from './toolstack.ts';
import { shutdownNodeOf } from './xenstore.ts';

/** MINIMUM_RESTART_TIME and SHUTDOWN_TIMEOUT of XendDomainInfo.py. */
const MINIMUM_RESTART_NS = 20e9;
const SHUTDOWN_TIMEOUT = Ns(30e9);

export type StopAction = 'destroy' | 'restart' | 'preserve';

/** A domain that the daemon looks after. */
export interface ManagedConfig extends DomainConfig {
  /** on_poweroff: destroy unless told. */
  readonly onPoweroff?: StopAction;
  /** on_reboot: restart unless told. */
  readonly onReboot?: StopAction;
  /** on_crash: restart unless told. */
  readonly onCrash?: StopAction;
  /** Keep the cache over a restart. */
  readonly preserveCache: boolean;
  /** Boots the guest of a domain that was just built. */
  readonly boot: (domain: Domain) => void;
}

/** What a guest can be asked for. */
export type ShutdownRequest = 'poweroff' | 'reboot';

interface Managed {
  readonly config: ManagedConfig;
  domain: Domain;
  lastRestart: number | undefined;
}

export class Xend {
  readonly #hypervisor: Hypervisor;
  readonly #toolstack: Toolstack;
  readonly #managed = new Map<DomId, Managed>();

  constructor(hypervisor: Hypervisor, toolstack: Toolstack) {
    this.#hypervisor = hypervisor;
    this.#toolstack = toolstack;
    hypervisor.domain0Events.bindVirq(Virq.domExc, () => {
      this.#look();
    });
  }

  /** The domains that are looked after and run or are to be run again, by domid. */
  get domains(): Domain[] {
    return [...this.#managed.values()].map(({ domain }) => domain).sort((a, b) => a.domid - b.domid);
  }

  /** Creates a domain, boots it and looks after it. Throws what `createDomain` throws. */
  *start(config: ManagedConfig): Process<Domain> {
    const domain = yield* this.#toolstack.createDomain(config);
    this.#managed.set(domain.domid, { config, domain, lastRestart: undefined });
    config.boot(domain);
    return domain;
  }

  /**
   * Looks after a domain that is there already: resumed under this hypervisor, restored from a file, or come from another machine. The
   * daemon that did so before has ended with its hypervisor, or has released it.
   */
  adopt(config: ManagedConfig, domain: Domain): void {
    this.#managed.set(domain.domid, { config, domain, lastRestart: undefined });
    // It may have stopped before anybody looked.
    this.#look();
  }

  /** Looks after a domain no longer: it was saved to a file, or has gone to another machine. */
  release(domain: Domain): void {
    if (this.#managed.get(domain.domid)?.domain === domain) this.#managed.delete(domain.domid);
  }

  /** Asks a guest to stop, and sees to it that it does. */
  shutdown(domain: Domain, request: ShutdownRequest): void {
    const { xenstore, power } = this.#hypervisor;
    xenstore.write(shutdownNodeOf(domain.domid), request);
    power.after(SHUTDOWN_TIMEOUT, () => {
      const managed = this.#managed.get(domain.domid);
      if (managed?.domain === domain && domain.isRunning) this.#act(managed, 'destroy');
    });
  }

  /** Some domain has stopped: which, the virq does not tell. */
  #look(): void {
    for (const managed of [...this.#managed.values()]) {
      const { domain, config } = managed;
      if (domain.state !== 'shutdown') continue;
      const action = actionFor(config, domain.shutdownReason);
      if (action !== undefined && action !== 'preserve') this.#act(managed, action);
    }
  }

  #act(managed: Managed, action: 'destroy' | 'restart'): void {
    const { simulation, power } = this.#hypervisor;
    const { domain, lastRestart } = managed;
    const tooSoon = lastRestart !== undefined && simulation.now - lastRestart < MINIMUM_RESTART_NS;
    this.#managed.delete(domain.domid);
    const process = action === 'restart' && !tooSoon ? this.#restart(managed) : this.#toolstack.destroyDomain(domain);
    power.spawn(`xend ${DOM0}/${domain.name}`, process);
  }

  *#restart(managed: Managed): Process {
    const { config } = managed;
    managed.lastRestart = this.#hypervisor.simulation.now;
    const { module, cmdLine } = config;
    const options = {
      preserve: config.preserveCache,
      ...(module && { module }),
      ...(cmdLine !== undefined && { cmdLine }),
    };
    managed.domain = yield* this.#toolstack.restartDomain(managed.domain, options);
    this.#managed.set(managed.domain.domid, managed);
    config.boot(managed.domain);
  }
}

function actionFor(config: ManagedConfig, reason: ShutdownReason | undefined): StopAction | undefined {
  switch (reason) {
    case ShutdownReason.poweroff:
      return config.onPoweroff ?? 'destroy';
    case ShutdownReason.reboot:
      return config.onReboot ?? 'restart';
    case ShutdownReason.crash:
      return config.onCrash ?? 'restart';
    case ShutdownReason.suspend:
    case undefined:
      return undefined;
  }
}
