/**
 * Traps, set while a protocol is searched. Whatever asks the host throws, and is remembered. It may
 * ask for time, chance, a turn of the event loop, or what else differs from run to run. All
 * is put back afterwards.
 *
 * `process.nextTick` and `process.env` are no traps: what a protocol prints needs them. Nor is what
 * depends on the locale alone.
 */

/** What is trapped: the path from the global object. */
export const TRAPPED: readonly (readonly string[])[] = [
  // Time.
  ['Date'],
  ['Date', 'now'],
  ['Intl', 'DateTimeFormat'],
  ...['now', 'timeOrigin', 'mark', 'measure', 'toJSON', 'nodeTiming', 'eventLoopUtilization'].map((key) => [
    'performance',
    key,
  ]),
  ['Event'],
  ['File'],
  // Chance.
  ['Math', 'random'],
  ['crypto', 'getRandomValues'],
  ['crypto', 'randomUUID'],
  ['crypto', 'subtle'],
  ['URL', 'createObjectURL'],
  // The process and its host.
  ...['hrtime', 'uptime', 'cpuUsage', 'memoryUsage', 'resourceUsage', 'constrainedMemory', 'availableMemory'].map(
    (key) => ['process', key],
  ),
  ...['pid', 'ppid', 'cwd', 'argv', 'getActiveResourcesInfo'].map((key) => ['process', key]),
  ['navigator'],
  // Turns of the event loop, other threads, and the garbage collector.
  ['setTimeout'],
  ['setInterval'],
  ['setImmediate'],
  ['queueMicrotask'],
  ['requestAnimationFrame'],
  ['AbortSignal', 'timeout'],
  ['MessageChannel'],
  ['BroadcastChannel'],
  ['Atomics', 'wait'],
  ['WeakRef'],
  ['FinalizationRegistry'],
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
  const spring = (): void => now.set?.spring(`calls ${name}`);
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
  /** What was asked for first: `calls Date.now`, `reads process.pid`. */
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
      const value =
        typeof original === 'function'
          ? { value: this.#trap(name, original), writable: true }
          : { get: () => this.spring(`reads ${name}`) };
      const made = { ...value, configurable: true, enumerable: was?.enumerable ?? false };
      if (Reflect.defineProperty(holder, key, made)) this.#saved.push({ holder, key, was });
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

  /** Remembers what a protocol did. @throws Trapped */
  spring(what: string): never {
    this.hit ??= what;
    throw new Trapped(`it ${what}`);
  }

  /** What takes the place of a function: its own functions are traps, too. */
  #trap(name: string, original: object): object {
    const spring = (which: string): never => this.spring(`calls ${which}`);
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
