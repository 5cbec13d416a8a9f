/**
 * Traps: while a protocol is searched, what asks the host for time, chance or a turn of the event
 * loop throws. So does what asks whether garbage was collected. The first is remembered, and all is
 * put back afterwards.
 */

/** What is trapped: the path from the global object. */
export const TRAPPED: readonly (readonly string[])[] = [
  ['Date'],
  ['Date', 'now'],
  ['Math', 'random'],
  ['performance', 'now'],
  ['performance', 'timeOrigin'],
  ['performance', 'nodeTiming'],
  ['performance', 'mark'],
  ['performance', 'measure'],
  ['performance', 'getEntries'],
  ['performance', 'toJSON'],
  ['performance', 'eventLoopUtilization'],
  ['Intl', 'DateTimeFormat'],
  ['crypto', 'getRandomValues'],
  ['crypto', 'randomUUID'],
  ['process', 'hrtime'],
  ['process', 'uptime'],
  ['process', 'pid'],
  ['process', 'ppid'],
  ['process', 'cpuUsage'],
  ['process', 'resourceUsage'],
  ['process', 'memoryUsage'],
  ['process', 'availableMemory'],
  ['process', 'nextTick'],
  ['Atomics', 'wait'],
  ['Atomics', 'waitAsync'],
  ['WeakRef'],
  ['FinalizationRegistry'],
  ['setTimeout'],
  ['setInterval'],
  ['setImmediate'],
  ['queueMicrotask'],
  ['requestAnimationFrame'],
  ['MessageChannel'],
  ['BroadcastChannel'],
  ['fetch'],
];

/** Thrown by a trap. */
class Trapped extends Error {}

/** The traps that are set; none while no protocol is searched. */
const now: { set?: Traps | undefined } = {};

/**
 * A function that is a trap while traps are set, and the original otherwise. It takes the place of
 * the original before a protocol is imported, which may keep it.
 */
export function relayOf<F extends object>(name: string, original: F): F {
  const spring = (): void => now.set?.spring(name);
  return new Proxy(original, {
    apply: (of, self, words: unknown[]) => {
      spring();
      return Reflect.apply(of as () => unknown, self, words) as unknown;
    },
    construct: (of, words, as) => {
      spring();
      return Reflect.construct(of as new () => object, words, as) as object;
    },
  });
}

interface Saved {
  readonly holder: object;
  readonly key: string;
  /** Undefined when the property was inherited. */
  readonly was: PropertyDescriptor | undefined;
}

/** Traps that are set, until they are put back. */
export class Traps {
  /** What was asked for first, as in "calls Date.now". */
  hit: string | undefined;
  readonly #saved: Saved[] = [];

  /** Sets the traps. */
  set(): void {
    now.set = this;
    // eslint-disable-next-line no-restricted-globals -- it is what a protocol must not ask
    const root: object = globalThis;
    // Holders first: Date itself is among what is replaced.
    const found = TRAPPED.flatMap((path) => {
      const holder = path.length === 1 ? root : (Reflect.get(root, path[0]!) as unknown);
      const isThere = (typeof holder === 'object' || typeof holder === 'function') && holder !== null;
      const key = path.at(-1)!;
      return isThere && key in holder ? [{ holder, key, name: path.join('.') }] : [];
    });
    for (const { holder, key, name } of found) {
      const was = Reflect.getOwnPropertyDescriptor(holder, key);
      if (was?.configurable === false) continue;
      const original: unknown = Reflect.get(holder, key);
      // What is no function is asked for by reading it.
      const made =
        typeof original === 'function'
          ? { value: this.#trap(name, original), writable: true }
          : { get: () => this.spring(name, 'reads'), set: () => this.spring(name, 'changes') };
      const settings = { configurable: true, enumerable: was?.enumerable ?? false };
      if (Reflect.defineProperty(holder, key, { ...made, ...settings })) this.#saved.push({ holder, key, was });
    }
  }

  /** Puts everything back. */
  clear(): void {
    now.set = undefined;
    for (const { holder, key, was } of this.#saved.reverse()) {
      if (was === undefined) Reflect.deleteProperty(holder, key);
      else Reflect.defineProperty(holder, key, was);
    }
    this.#saved.length = 0;
  }

  /** Remembers what was asked for. @throws Trapped */
  spring(which: string, how = 'calls'): never {
    this.hit ??= `${how} ${which}`;
    throw new Trapped(`it ${how} ${which}`);
  }

  /** What takes the place of a function: its own functions are traps, too. */
  #trap(name: string, original: object): object {
    const spring = (which: string): never => this.spring(which);
    // It is called with `new`, too.
    const trap = function (): never {
      return spring(name);
    };
    for (const key of Object.getOwnPropertyNames(original))
      if (typeof Reflect.get(original, key) === 'function') Reflect.set(trap, key, () => spring(`${name}.${key}`));
    trap.prototype = Reflect.get(original, 'prototype') as object;
    return trap;
  }
}
