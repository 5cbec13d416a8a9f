/**
 * The store of domain 0: paths, values, watches. Plain synchronous code; who asks from elsewhere pays for the messages.
 *
 * A path has a value or has none; directories are what paths have in common. A watch fires once when it is set and
 * after every change at or below its path, a removal too, each time `latencyNs` later, and never after it was taken
 * away. When domain 0 goes down the store stops: nobody gets an answer any more.
 *
 * Modelled after xenstored of Xen 3.0, without transactions.
 */

import { Ns } from '../base/units.ts';
import type { Power } from '../sim/power.ts';
import { MEMORY_TARGET_NODE, SHUTDOWN_NODE } from './public/xenbus.ts';

interface Watch {
  readonly path: string;
  readonly fire: () => void;
}

const isAtOrBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(`${directory}/`);

/** Where everything of a domain lies. */
export const homeOf = (domid: number): string => `/local/domain/${domid}`;

/** Where a domain is asked to stop. */
export const shutdownNodeOf = (domid: number): string => `${homeOf(domid)}/${SHUTDOWN_NODE}`;

/** Where a domain is told how much memory it is to have. */
export const memoryTargetNodeOf = (domid: number): string => `${homeOf(domid)}/${MEMORY_TARGET_NODE}`;

export class Xenstore {
  readonly #power: Power;
  readonly #latency: Ns;
  readonly #values = new Map<string, string>();
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

  /** Paths below a directory that have a value. */
  count(directory: string): number {
    let count = 0;
    for (const path of this.#values.keys()) if (isAtOrBelow(path, directory)) count++;
    return count;
  }

  write(path: string, value: string): void {
    this.#values.set(path, value);
    this.#changed((watch) => isAtOrBelow(path, watch));
  }

  /** Removes a path and everything below it. */
  remove(path: string): void {
    for (const known of [...this.#values.keys()]) if (isAtOrBelow(known, path)) this.#values.delete(known);
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

  #changed(concerns: (watch: string) => boolean): void {
    for (const watch of this.#watches) if (concerns(watch.path)) this.#fire(watch);
  }

  #fire(watch: Watch): void {
    this.#power.after(this.#latency, () => {
      if (this.#watches.has(watch)) watch.fire();
    });
  }
}
