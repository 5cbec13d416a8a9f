/**
 * The daemon of domain 0 that keeps domains running: what is done when a guest stops, and how it is
 * asked to.
 *
 * Xen raises a virq when a domain has stopped. The daemon then does what the domain's configuration
 * says for that reason: destroy it, restart it from its configuration, or leave it. A domain that
 * would be restarted within 20 s of its last restart is destroyed, since it would go on forever. So
 * is one for which there is no memory any more. A guest is asked to stop by a word in the store,
 * and destroyed when it has not stopped 30 s later. Suspension is the hypervisor's affair and is
 * left alone. While something else is under way on a domain the daemon waits, and looks again
 * afterwards.
 *
 * Modelled after xend of Xen 3.0 (XendDomainInfo.py).
 */

import { checkFunction, checkObject } from '../../base/argument-error.ts';
import { DOM0, Ns } from '../../base/units.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Domain } from '../domain/domain.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { endOf, type Outcome } from '../domain/lifecycle.ts';
import { ShutdownReason } from '../public/environment.ts';
import { Virq } from '../public/event-channel.ts';
import { checkConfig, type DomainConfig } from './domain-entry.ts';
import { checkDomain, type ShutdownRequest, type Toolstack } from './toolstack.ts';

/** MINIMUM_RESTART_TIME and SHUTDOWN_TIMEOUT of XendDomainInfo.py. */
const MINIMUM_RESTART_NS = 20e9;
const SHUTDOWN_TIMEOUT = Ns(30e9);

/** What becomes of a domain whose guest has stopped. */
export type StopAction = 'destroy' | 'restart' | 'preserve';

/** A domain that the daemon looks after. */
export interface ManagedConfig extends DomainConfig {
  /** on_poweroff: destroy by default. */
  readonly onPoweroff?: StopAction;
  /** on_reboot: restart by default. */
  readonly onReboot?: StopAction;
  /** on_crash: restart by default. */
  readonly onCrash?: StopAction;
  /** Keep the cache over a restart. */
  readonly preserveCache: boolean;
  /** Boots the guest of a domain that was just built. */
  readonly boot: (domain: Domain) => void;
}

interface Managed {
  readonly config: ManagedConfig;
  lastRestart: number | undefined;
  /** It is being destroyed or restarted, or waits for that. */
  isInHand: boolean;
}

/** What the daemon needs of the hypervisor. */
type DaemonHost = Pick<Hypervisor, 'domain0Events' | 'power' | 'simulation'>;

/** The daemon that restarts or destroys domains that have stopped. */
export class Xend {
  readonly #hypervisor: DaemonHost;
  readonly #toolstack: Toolstack;
  /** By name. */
  readonly #managed = new Map<string, Managed>();
  readonly #problems = new Map<string, string>();

  constructor(hypervisor: DaemonHost, toolstack: Toolstack) {
    checkObject('hypervisor', hypervisor, 'map', 'frames');
    checkObject('toolstack', toolstack, 'list');
    this.#hypervisor = hypervisor;
    this.#toolstack = toolstack;
    hypervisor.domain0Events.bindVirq(Virq.domExc, () => {
      this.#look();
    });
  }

  /** The domains that are looked after and are there, by domid. */
  get domains(): Domain[] {
    return this.#toolstack.list.domains.filter(({ name }) => this.#managed.has(name));
  }

  /**
   * Why a domain that was to be restarted was not, the last time, by name; it was destroyed then.
   */
  get problems(): ReadonlyMap<string, string> {
    return this.#problems;
  }

  /** Creates a domain, boots it and looks after it. Ends, and throws, as `createDomain` does. */
  *start(config: ManagedConfig): Process<Outcome<Domain>> {
    checkManaged(config);
    const outcome = yield* this.#toolstack.createDomain(config);
    if (!outcome.ok) return outcome;
    this.#manage(config);
    config.boot(outcome.value);
    return outcome;
  }

  /**
   * Looks after a domain that is there already: resumed under this hypervisor, restored from a
   * file, or come from another machine. The daemon that did so before has ended with its
   * hypervisor, or has released it.
   */
  adopt(config: ManagedConfig): void {
    checkManaged(config);
    this.#manage(config);
    // It may have stopped before the daemon looked.
    this.#look();
  }

  /** Looks after a domain no longer: it was saved to a file, or has gone to another machine. */
  release(domain: Domain): void {
    checkDomain(domain);
    this.#managed.delete(domain.name);
  }

  /** Asks a guest to stop, and sees to it that it does. Refused as `askToStop` is. */
  shutdown(domain: Domain, request: ShutdownRequest): Outcome {
    const outcome = this.#toolstack.askToStop(domain, request);
    if (!outcome.ok) return outcome;
    this.#hypervisor.power.after(SHUTDOWN_TIMEOUT, () => {
      const managed = this.#managed.get(domain.name);
      if (managed !== undefined && domain.isRunning) this.#begin(managed, domain, 'destroy');
    });
    return outcome;
  }

  #manage(config: ManagedConfig): void {
    this.#managed.set(config.name, { config, lastRestart: undefined, isInHand: false });
  }

  /** Some domain has stopped: which, the virq does not tell. */
  #look(): void {
    for (const domain of this.domains) {
      if (domain.state !== 'shutdown') continue;
      const managed = this.#managed.get(domain.name)!;
      const action = actionFor(managed.config, domain.shutdownReason);
      if (action !== undefined && action !== 'preserve') this.#begin(managed, domain, action);
    }
  }

  #begin(managed: Managed, domain: Domain, action: 'destroy' | 'restart'): void {
    if (managed.isInHand) return;
    managed.isInHand = true;
    this.#hypervisor.power.spawn(`xend ${DOM0}/${domain.name}`, this.#act(managed, domain, action, domain.state));
  }

  /**
   * Does what is to be done with a domain, when nothing else is under way on it.
   * @param state in which it was found; in another one there is nothing to be done
   */
  *#act(managed: Managed, domain: Domain, action: 'destroy' | 'restart', state: Domain['state']): Process {
    const life = this.#toolstack.list.lifeOf(domain.name);
    let outcome: Outcome<unknown>;
    do {
      yield* life.idle();
      if (domain.state !== state) break;
      outcome = yield* action === 'restart' ? this.#restart(managed, domain) : this.#destroy(domain);
      // Another operation may have begun first.
    } while (endOf(outcome) === 'refused');
    managed.isInHand = false;
    // What happened meanwhile has been seen by no one.
    this.#look();
  }

  *#destroy(domain: Domain): Process<Outcome> {
    const outcome = yield* this.#toolstack.destroyDomain(domain);
    if (outcome.ok) this.release(domain);
    return outcome;
  }

  *#restart(managed: Managed, domain: Domain): Process<Outcome<unknown>> {
    const { config, lastRestart } = managed;
    const { now } = this.#hypervisor.simulation;
    if (lastRestart !== undefined && now - lastRestart < MINIMUM_RESTART_NS) return yield* this.#destroy(domain);
    const { module, cmdLine } = config;
    const options = {
      preserve: config.preserveCache,
      ...(module && { module }),
      ...(cmdLine !== undefined && { cmdLine }),
    };
    const outcome = yield* this.#toolstack.restartDomain(domain, options);
    if (endOf(outcome) === 'refused') return outcome;
    managed.lastRestart = now;
    if (outcome.ok) {
      config.boot(outcome.value);
      return outcome;
    }
    this.#problems.set(domain.name, outcome.reason.why);
    return yield* this.#destroy(domain);
  }
}

/** @throws ArgumentError */
function checkManaged(config: ManagedConfig): void {
  checkConfig(config);
  checkFunction('config.boot', config.boot);
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
