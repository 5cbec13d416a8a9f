/**
 * The store of domain 0: paths, values, watches. Plain synchronous code; who asks from elsewhere
 * pays for the messages.
 *
 * A path has a value or has none; directories are what paths have in common. A watch fires once
 * when it is set, and after every change at or below its path, a removal included. It fires
 * `latencyNs` later, and never after it was taken away. When domain 0 goes down the store stops: no
 * answer comes any more.
 *
 * Modelled after xenstored of Xen 3.0, without transactions.
 */

import { Ns } from '../../base/units.ts';
import type { Power } from '../../sim/power.ts';
import { MEMORY_TARGET_NODE, SHUTDOWN_NODE } from '../public/xenbus.ts';

interface Watch {
  readonly path: string;
  readonly fire: () => void;
}

const isAtOrBelow = (path: string, directory: string): boolean =>
  path.startsWith(directory) && (path.length === directory.length || path[directory.length] === '/');

/** Where everything of a domain lies. */
export const homeOf = (domid: number): string => `/local/domain/${domid}`;

/** The home at the start of a path in it. */
const HOME = /^\/local\/domain\/[^/]+/;

/** Where a domain is asked to stop. */
export const shutdownNodeOf = (domid: number): string => `${homeOf(domid)}/${SHUTDOWN_NODE}`;

/** Where a domain is told how much memory it is to have. */
export const memoryTargetNodeOf = (domid: number): string => `${homeOf(domid)}/${MEMORY_TARGET_NODE}`;

export class Xenstore {
  readonly #power: Power;
  readonly #latency: Ns;
  readonly #values = new Map<string, string>();
  /** Paths with a value in the home of each domain. */
  readonly #entries = new Map<string, number>();
  readonly #watches = new Set<Watch>();
  #isServing = true;

  constructor(power: Power, latencyNs: number) {
    this.#power = power;
    this.#latency = Ns(Math.round(latencyNs));
  }

  /** False once domain 0 has gone down. */
  get isServing(): boolean {
    return this.#isServing;
  }

  stop(): void {
    this.#isServing = false;
    this.#watches.clear();
  }

  read(path: string): string | undefined {
    return this.#values.get(path);
  }

  /** Paths in the home of a domain that have a value. */
  entriesOf(domid: number): number {
    return this.#entries.get(homeOf(domid)) ?? 0;
  }

  write(path: string, value: string): void {
    if (!this.#values.has(path)) this.#countEntry(path, 1);
    this.#values.set(path, value);
    this.#changed((watch) => isAtOrBelow(path, watch));
  }

  /** Removes a path and everything below it. */
  remove(path: string): void {
    for (const known of [...this.#values.keys()]) {
      if (!isAtOrBelow(known, path)) continue;
      this.#values.delete(known);
      this.#countEntry(known, -1);
    }
    this.#changed((watch) => isAtOrBelow(path, watch) || isAtOrBelow(watch, path));
  }

  /** Returns what takes the watch away. */
  watch(path: string, fire: () => void): () => void {
    const watch = { path, fire };
    this.#watches.add(watch);
    this.#fire(watch);
    return () => {
      this.#watches.delete(watch);
    };
  }

  #countEntry(path: string, change: number): void {
    const home = HOME.exec(path)?.[0];
    if (home === undefined) return;
    const entries = (this.#entries.get(home) ?? 0) + change;
    if (entries > 0) this.#entries.set(home, entries);
    else this.#entries.delete(home);
  }

  #changed(concerns: (watch: string) => boolean): void {
    for (const watch of this.#watches) if (concerns(watch.path)) this.#fire(watch);
  }

  #fire(watch: Watch): void {
    this.#power.after(this.#latency, () => {
      if (this.#watches.has(watch)) watch.fire();
    });
  }
}
