/**
 * How large a scope is, and what may happen in it. Plain JSON, so that a part can be played by any
 * process.
 */

import { ArgumentError, checkInteger, checkObject, checkOneOf } from '../../base/argument-error.ts';

/** Who names pages: a guest that says whatever it likes, or one that keeps a page cache. */
export const SCOPE_GUESTS = ['any', 'kernel'] as const;
export type ScopeGuest = (typeof SCOPE_GUESTS)[number];

/** What may happen besides what guests, back-end, drive and tool stack do. */
export const SCOPE_EVENTS = [
  'store',
  'map',
  'grow',
  'unlink',
  'hand-over',
  'io-error',
  'reload',
  'elsewhere',
  'flip',
  'damage',
  'early-damage',
  'cut',
] as const;
export type ScopeEvent = (typeof SCOPE_EVENTS)[number];

/**
 * How a search begins: with blank memory, or with a guest that has two pages in its cache. The
 * second is a state of the first that is eight steps deep.
 */
export const SCOPE_STARTS = ['blank', 'warm'] as const;
export type ScopeStart = (typeof SCOPE_STARTS)[number];

/** A small machine and its bounds. */
export interface Scope {
  /** Files, 1 to 3. */
  readonly files: number;
  /** Pages of a file, 1 to 3. */
  readonly pages: number;
  /** Frames of the guest that reboots and of the other writer together, 1 to 5. */
  readonly frames: number;
  /** Blocks of the disk, 1 to 4. */
  readonly blocks: number;
  /** Guests that write to the disk, 1 or 2. The second has one frame of its own and no reboot. */
  readonly writers: number;
  /** Transfers in flight at a time, at most, 1 to 3. */
  readonly transfers: number;
  /**
   * Reboots, 0 to 3. Each begins with a crash of the guest, or with a restart of the hypervisor.
   */
  readonly reboots: number;
  /** Faults (`elsewhere`, `flip`, `damage`, `early-damage`, `cut`, `io-error`), 0 to 2. */
  readonly faults: number;
  readonly start: ScopeStart;
  readonly guest: ScopeGuest;
  readonly events: readonly ScopeEvent[];
}

/** A search over a scope. */
export interface ScopeOptions extends Scope {
  /** An ablation by name (ablations.ts): what is off, in the scope that shows it. */
  readonly without: string | undefined;
  /** States after which the search ends, 1 to 2^26. */
  readonly states: number;
  /** Whether states that differ by the numbers of frames alone are one. */
  readonly symmetry: boolean;
}

/**
 * The scope of the law: two files of two pages, three frames of the guest and one of another
 * writer, two reboots.
 */
export const DEFAULT_SCOPE: Scope = {
  files: 2,
  pages: 2,
  frames: 4,
  blocks: 3,
  writers: 2,
  transfers: 2,
  reboots: 2,
  faults: 1,
  start: 'warm',
  guest: 'any',
  events: ['store', 'map', 'unlink', 'hand-over', 'io-error', 'reload', 'elsewhere'],
};

/** States of a search by default: about two minutes on one core. */
export const DEFAULT_STATES = 10_000_000;

const BOUNDS = {
  files: [1, 3],
  pages: [1, 3],
  frames: [1, 5],
  blocks: [1, 4],
  writers: [1, 2],
  transfers: [1, 3],
  reboots: [0, 3],
  faults: [0, 2],
} as const;

/**
 * Options from JSON, with defaults for what is left out.
 * @throws ArgumentError that names the option
 */
export function scopeOptions(given: Readonly<Record<string, unknown>>): ScopeOptions {
  checkObject('options', given);
  const { without, states = DEFAULT_STATES, symmetry = true, ...rest } = given;
  for (const name of Object.keys(rest))
    if (!Object.hasOwn(DEFAULT_SCOPE, name)) throw new ArgumentError(`${name}: no option of a scope`);
  const scope: Scope = { ...DEFAULT_SCOPE, ...rest };
  for (const [name, [least, most]] of Object.entries(BOUNDS))
    checkInteger(name, scope[name as keyof typeof BOUNDS], least, most);
  checkOneOf('start', scope.start, SCOPE_STARTS);
  checkOneOf('guest', scope.guest, SCOPE_GUESTS);
  if (!Array.isArray(scope.events)) throw new ArgumentError('events: not a list of names');
  for (const event of scope.events as readonly unknown[]) checkOneOf('events', event as ScopeEvent, SCOPE_EVENTS);
  if (scope.frames <= scope.writers - 1) throw new ArgumentError('frames: the guest that reboots has none');
  if (without !== undefined && typeof without !== 'string')
    throw new ArgumentError('without: not the name of a protection');
  checkStates(states);
  if (typeof symmetry !== 'boolean') throw new ArgumentError('symmetry: neither true nor false');
  return { ...scope, without, states, symmetry };
}

function checkStates(states: unknown): asserts states is number {
  checkInteger('states', states, 1, 2 ** 26);
}
