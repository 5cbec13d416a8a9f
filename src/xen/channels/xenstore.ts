/**
 * The store of domain 0: paths, values, watches.
 *
 * A path has a value or has none; directories are what paths have in common. A watch fires once
 * when it is set, and after every change at or below its path, a removal included. It never fires
 * after it was taken away. When domain 0 goes down the store stops: no answer comes any more.
 *
 * Calls are synchronous: values change at once, in the order of the calls. Their time comes after.
 * The store serves one message after the other, `messageNs` each. A request is one, and so is the
 * event of a watch. A transaction is one for each change, one to begin and one to end. An event
 * arrives `latencyNs` after it was sent. Who waits for an answer waits for `backlog`.
 *
 * Modelled after xenstored of Xen 3.0. Differs in that a transaction cannot fail, since nothing
 * comes between its changes.
 */

import { Ns } from '../../base/units.ts';
import { CpuClock } from '../../sim/cpu-clock.ts';
import type { Power } from '../../sim/power.ts';
import type { Process, Simulation } from '../../sim/simulation.ts';
import type { StepObserver } from '../../sim/steps.ts';
import { MEMORY_TARGET_NODE, SHUTDOWN_NODE } from '../public/xenbus.ts';

interface Watch {
  readonly path: string;
  readonly fire: () => void;
}

const isAtOrBelow = (path: string, directory: string): boolean =>
  path.startsWith(directory) && (path.length === directory.length || path[directory.length] === '/');

const HOMES = '/local/domain/';

/** Where everything of a domain lies. */
export const homeOf = (domid: number): string => `${HOMES}${domid}`;

/** The home at the start of a path in it; undefined where there is none. */
function homeIn(path: string): string | undefined {
  if (!path.startsWith(HOMES) || path.length === HOMES.length || path[HOMES.length] === '/') return undefined;
  const end = path.indexOf('/', HOMES.length);
  return end < 0 ? path : path.slice(0, end);
}

/** Where a domain is asked to stop. */
export const shutdownNodeOf = (domid: number): string => `${homeOf(domid)}/${SHUTDOWN_NODE}`;

/** Where a domain is told how much memory it is to have. */
export const memoryTargetNodeOf = (domid: number): string => `${homeOf(domid)}/${MEMORY_TARGET_NODE}`;

/** What becomes of a path: a value, or undefined: it is removed, with everything below it. */
export type StoreChange = readonly [path: string, value: string | undefined];

export class Xenstore {
  readonly #power: Power;
  readonly #latencyNs: number;
  readonly #messageNs: number;
  /** Serves one message after the other. */
  readonly #daemon: CpuClock;
  readonly #values = new Map<string, string>();
  /** Paths with a value in the home of each domain. */
  readonly #entries = new Map<string, number>();
  readonly #watches = new Set<Watch>();
  readonly #steps: StepObserver | undefined;
  #isServing = true;

  constructor(simulation: Simulation, power: Power, latencyNs: number, messageNs: number, steps?: StepObserver) {
    this.#steps = steps;
    this.#daemon = new CpuClock(simulation);
    this.#power = power;
    this.#latencyNs = latencyNs;
    this.#messageNs = messageNs;
  }

  /** False once domain 0 has gone down. */
  get isServing(): boolean {
    return this.#isServing;
  }

  stop(): void {
    this.#isServing = false;
    this.#watches.clear();
  }

  /** How long it takes to serve everything that it was sent until now. */
  get backlog(): Ns {
    return Ns(this.#daemon.localNow - this.#daemon.now);
  }

  /** Waits until everything is served that it was sent until now. */
  *served(): Process {
    const { backlog } = this;
    if (backlog > 0) yield backlog;
  }

  read(path: string): string | undefined {
    this.#serve(1);
    return this.#values.get(path);
  }

  /** Changes paths in one transaction, in their order. */
  transact(...changes: readonly StoreChange[]): void {
    this.#serve(2);
    for (const [path, value] of changes)
      if (value === undefined) this.remove(path);
      else this.write(path, value);
  }

  /** Paths in the home of a domain that have a value. */
  entriesOf(domid: number): number {
    return this.#entries.get(homeOf(domid)) ?? 0;
  }

  write(path: string, value: string): void {
    this.#steps?.before('xenstore', `write ${path}`, 0, value.length);
    this.#serve(1);
    if (!this.#values.has(path)) this.#countEntry(path, 1);
    this.#values.set(path, value);
    this.#changed((watch) => isAtOrBelow(path, watch));
  }

  /** Removes a path and everything below it. */
  remove(path: string): void {
    this.#steps?.before('xenstore', `remove ${path}`, 0, 0);
    this.#serve(1);
    for (const known of this.#values.keys()) {
      if (!isAtOrBelow(known, path)) continue;
      this.#values.delete(known);
      this.#countEntry(known, -1);
    }
    this.#changed((watch) => isAtOrBelow(path, watch) || isAtOrBelow(watch, path));
  }

  /** Returns what takes the watch away. */
  watch(path: string, fire: () => void): () => void {
    this.#serve(1);
    const watch = { path, fire };
    this.#watches.add(watch);
    this.#fire(watch);
    return () => {
      this.#watches.delete(watch);
    };
  }

  #countEntry(path: string, change: number): void {
    const home = homeIn(path);
    if (home === undefined) return;
    const entries = (this.#entries.get(home) ?? 0) + change;
    if (entries > 0) this.#entries.set(home, entries);
    else this.#entries.delete(home);
  }

  #changed(concerns: (watch: string) => boolean): void {
    for (const watch of this.#watches) if (concerns(watch.path)) this.#fire(watch);
  }

  #serve(messages: number): void {
    this.#daemon.charge(messages * this.#messageNs);
    this.#daemon.book();
  }

  #fire(watch: Watch): void {
    this.#serve(1);
    this.#power.after(Ns(Math.round(this.backlog + this.#latencyNs)), () => {
      if (this.#watches.has(watch)) watch.fire();
    });
  }
}
