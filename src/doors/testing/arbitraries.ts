/** Arbitraries of what a machine is made of, and of what happens to it. */

import fc from 'fast-check';
import {
  checkArgument,
  checkInteger,
  checkKeys,
  checkListOf,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import {
  type FileTree,
  type MachineReboot,
  STRATEGIES,
  type StrategyName,
  VMM_STRATEGIES,
  type VmmStrategyName,
} from '../machine/index.ts';
import { contents } from './contents.ts';

/** Of `trees`. */
export interface TreeOptions {
  /** Names in one directory at most; 5 by default. */
  readonly maxNames?: number;
  /** Bytes of one file at most; 20,000 by default. */
  readonly maxBytes?: number;
}

/** Of `reboots`. */
export interface RebootChoice {
  /** Whether guests crash first: in some cases by default. */
  readonly crash?: boolean;
  /** All of STRATEGIES by default. */
  readonly strategies?: readonly StrategyName[];
  /** Ways to reboot the hypervisor as well; all of VMM_STRATEGIES by default, none for []. */
  readonly hypervisors?: readonly VmmStrategyName[];
}

/** What happens to a machine after so many events of a program. */
export type Fault =
  | {
      /** The guest crashes. */
      readonly kind: 'crash';
      /** Events of the program before it. */
      readonly event: number;
    }
  | {
      /** The machine loses power. */
      readonly kind: 'power';
      /** Events of the program before it. */
      readonly event: number;
      /** Share of the sectors in the drive's volatile cache that reach the medium, 0 to 1. */
      readonly keep: number;
    };

/** Of `faults`. */
export interface FaultOptions {
  /** Events before the fault at most; 1000 by default. */
  readonly maxEvent?: number;
  /** What may happen: both by default. */
  readonly kinds?: readonly Fault['kind'][];
}

const FAULT_KINDS = ['crash', 'power'] as const satisfies readonly Fault['kind'][];
const fileName = fc.stringMatching(/^[a-z][a-z0-9._-]{0,11}$/);

/**
 * Trees for `files`: texts and bytes, empty ones and ones of some pages, up to three directories
 * deep.
 * @throws ArgumentError for an option out of range
 */
export function trees(options: TreeOptions = {}): fc.Arbitrary<FileTree> {
  checkKeys('options', options, ['maxNames', 'maxBytes']);
  const { maxNames = 5, maxBytes = 20_000 } = options;
  checkInteger('options.maxNames', maxNames, 1);
  checkInteger('options.maxBytes', maxBytes);
  const bytes = fc.tuple(fc.nat(maxBytes), fc.nat(255)).map(([size, salt]) => contents(size, salt));
  const leaf = fc.oneof(fc.string({ maxLength: Math.min(200, maxBytes >> 2) }), bytes);
  const within = (inside: fc.Arbitrary<string | Uint8Array | FileTree>): fc.Arbitrary<FileTree> =>
    fc.dictionary(fileName, inside, { maxKeys: maxNames, noNullPrototype: true });
  const directory = (depth: number): fc.Arbitrary<FileTree> =>
    within(
      depth === 0 ? leaf : fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 1, arbitrary: directory(depth - 1) }),
    );
  return directory(2);
}

/**
 * Reboots for `machine.reboot`: of the guest by any strategy, in order or after a crash, and with
 * the hypervisor.
 * @throws ArgumentError for an option that is unknown
 */
export function reboots(options: RebootChoice = {}): fc.Arbitrary<MachineReboot> {
  checkKeys('options', options, ['crash', 'strategies', 'hypervisors']);
  const { crash, strategies = STRATEGIES, hypervisors = VMM_STRATEGIES } = options;
  checkOneOf('options.crash', crash, [undefined, false, true]);
  checkListOf('options.strategies', strategies, STRATEGIES);
  checkArgument(strategies.length > 0, 'options.strategies', 'expected one or more');
  checkListOf('options.hypervisors', hypervisors, VMM_STRATEGIES);
  const strategy = fc.constantFrom(...strategies);
  const crashes = crash === undefined ? fc.boolean() : fc.constant(crash);
  const ofGuest = fc.record({ crash: crashes, strategy });
  if (hypervisors.length === 0) return ofGuest;
  const hypervisor = fc.constantFrom(...hypervisors);
  return fc.oneof(
    { weight: 2, arbitrary: ofGuest },
    { weight: 1, arbitrary: fc.record({ crash: crashes, strategy, hypervisor }) },
  );
}

/**
 * Faults: a crash of the guest, or a loss of power with a part of the drive's cache.
 * @throws ArgumentError for an option that is unknown or out of range
 */
export function faults(options: FaultOptions = {}): fc.Arbitrary<Fault> {
  checkKeys('options', options, ['maxEvent', 'kinds']);
  const { maxEvent = 1000, kinds = FAULT_KINDS } = options;
  checkInteger('options.maxEvent', maxEvent);
  checkListOf('options.kinds', kinds, FAULT_KINDS);
  checkArgument(kinds.length > 0, 'options.kinds', 'expected one or more');
  const event = fc.nat(maxEvent);
  const of: Record<Fault['kind'], fc.Arbitrary<Fault>> = {
    crash: fc.record({ kind: fc.constant('crash' as const), event }),
    power: fc.record({ kind: fc.constant('power' as const), event, keep: fc.constantFrom(0, 0.25, 0.5, 0.75, 1) }),
  };
  return fc.oneof(...kinds.map((kind) => of[kind]));
}

/** @internal @throws ArgumentError unless it is a Fault */
export function checkFault(fault: Fault): void {
  checkObject('fault', fault, 'kind', 'event');
  checkOneOf('fault.kind', fault.kind, FAULT_KINDS);
  checkInteger('fault.event', fault.event);
}
