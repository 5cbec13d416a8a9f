/**
 * A user's program over crashes and losses of power: at one event, at each, or at those that a
 * property draws.
 */

import fc from 'fast-check';
import { checkFunction, checkKeys, checkObject } from '../../base/argument-error.ts';
import {
  crashes,
  type CrashPlan,
  type CrashPoint,
  Machine,
  type MachineReboot,
  powerLosses,
} from '../machine/index.ts';
import { checkPlan } from '../machine/crash-points.ts';
import { checkFault, type Fault, faults, reboots } from './arbitraries.ts';
import { checkOracle } from './oracle.ts';

/** A machine after a fault, with a guest that runs again. */
export interface Survivor {
  /** What has happened to it. */
  readonly fault: Fault;
  /** Valid until the next survivor is asked for. */
  readonly machine: Machine;
}

/** Of `crashProperty` and `everyFault`. */
export interface CrashOptions {
  /** What happens: both by default. */
  readonly kinds?: readonly Fault['kind'][];
  /** How a guest that has crashed is rebooted: by any strategy by default. */
  readonly reboots?: fc.Arbitrary<MachineReboot>;
}

/** Of `everyFault`. */
export interface EveryFaultOptions {
  /** How a guest that has crashed is rebooted; by the machine's strategy by default. */
  readonly reboot?: MachineReboot;
  /** Shares of the drive's cache that survive a loss of power; 0.5 by default. */
  readonly keep?: readonly number[];
}

/**
 * What a program's owner says of the machine afterwards: false, or what it throws, is a failure.
 */
export type SurvivorCheck = (machine: Machine, fault: Fault) => unknown;

/**
 * The machine of a plan after one fault. A crash leaves it `crashed`, for `machine.reboot()`. After
 * a loss of power it was switched on again. An event behind the program's end is its end. `from`
 * and `every` of the plan do not count.
 * @throws what the program throws
 */
export function runFault(plan: CrashPlan, fault: Fault): CrashPoint {
  checkPlan(plan);
  checkFault(fault);
  const at = { ...plan, from: fault.event, every: 1 };
  const points = fault.kind === 'crash' ? crashes(at) : powerLosses(at, fault.keep);
  // Both yield at the program's end at the latest.
  return points.next().value!;
}

/**
 * Events of a plan's program, without those of `prepare`. It runs once.
 * @throws ArgumentError for a plan without machine or program; what the program throws
 */
export function countEvents(plan: CrashPlan): number {
  checkPlan(plan);
  const machine = Machine.boot(plan.machine);
  plan.prepare?.(machine);
  const before = machine.stats.events;
  machine.run(plan.program);
  return machine.stats.events - before;
}

/**
 * Each wanted event of a plan. First the machine after a crash there, rebooted. Then the machine
 * after a loss of power there, for each share of the drive's cache.
 * @throws what the program throws
 */
export function* everyFault(plan: CrashPlan, options: EveryFaultOptions = {}): Generator<Survivor, void, void> {
  checkPlan(plan);
  checkKeys('options', options, ['reboot', 'keep']);
  const { reboot = {}, keep: shares = [0.5] } = options;
  for (const { event, machine } of crashes(plan)) {
    machine.reboot(reboot);
    yield { fault: { kind: 'crash', event }, machine };
  }
  for (const keep of shares)
    for (const { event, machine } of powerLosses(plan, keep)) yield { fault: { kind: 'power', event, keep }, machine };
}

/**
 * A property of a program, at whatever event its guest crashes or its machine loses power. `check`
 * holds of the guest that comes next, and no page of its cache is wrong. The program runs once now,
 * to count its events, and once in each case. What it keeps outside its guest, it empties where
 * `program` is called: a generator runs nothing before its first event.
 * @throws what the program throws when nothing happens to it
 */
export function crashProperty(
  plan: CrashPlan,
  check: SurvivorCheck,
  options: CrashOptions = {},
): fc.IPropertyWithHooks<[Fault, MachineReboot]> {
  checkPlan(plan);
  checkFunction('check', check);
  checkKeys('options', options, ['kinds', 'reboots']);
  const { reboots: ways = reboots(), ...rest } = options;
  checkObject('options.reboots', ways, 'generate');
  const fault = faults({ ...rest, maxEvent: countEvents(plan) });
  return fc.property(fault, ways, (what, reboot) => {
    const { machine } = runFault(plan, what);
    if (what.kind === 'crash') machine.reboot(reboot);
    const answer = check(machine, what);
    checkOracle(machine);
    return answer !== false;
  });
}
