/**
 * Every moment at which a program's machine can crash or lose power.
 *
 * A crash of the guest leaves the hypervisor and the drive alive, so each is a run of its own from
 * the start: the same seed takes it to the same moment. After a loss of power only the disk is
 * left. So one run stands still before each event, and what the disk would then hold is a layer
 * over its medium.
 */

import { checkArgument, checkFunction, checkInteger, checkObject } from '../../base/argument-error.ts';
import { GuestCrash, Machine, type Program } from './machine.ts';
import type { MachineOptions } from './options.ts';

/** A program, and the moments of it that are wanted. */
export interface CrashPlan {
  /** What each machine is made of. */
  readonly machine: MachineOptions;
  /** Called with each machine before the program begins; its events are not counted. */
  readonly prepare?: (machine: Machine) => void;
  /** What the guest runs, event by event. */
  readonly program: Program;
  /** The first event, 0 by default: before any. */
  readonly from?: number;
  /** Every so many events; 1 by default. */
  readonly every?: number;
}

/** A machine that has crashed or lost power. */
export interface CrashPoint {
  /** Events of the program before it. */
  readonly event: number;
  /** Valid until the next moment is asked for. */
  readonly machine: Machine;
}

/**
 * A machine whose guest has crashed, for each wanted event of a program. The last one has crashed
 * right behind the program's end. Call `machine.reboot()` and look.
 * @throws what the program throws
 */
export function* crashes(plan: CrashPlan): Generator<CrashPoint, void, void> {
  const { from, every } = checkPlan(plan);
  for (let event = from, isOver = false; !isOver; event += every) {
    const machine = Machine.boot(plan.machine);
    plan.prepare?.(machine);
    machine.crashAt({ event });
    try {
      machine.run(plan.program);
      machine.crash();
      isOver = true;
    } catch (error) {
      if (!(error instanceof GuestCrash)) throw error;
    }
    yield { event, machine };
  }
}

/**
 * A machine that was switched on again after a loss of power, for each wanted event of a program
 * and for its end. A machine that is yielded reads the disk of the one that runs the program: it is
 * valid until the next is asked for.
 * @param keep share of the sectors in the drive's volatile cache that reach the medium, 0 to 1
 * @throws what the program throws
 */
export function* powerLosses(plan: CrashPlan, keep = 0.5): Generator<CrashPoint, void, void> {
  const { from, every } = checkPlan(plan);
  checkArgument(keep >= 0 && keep <= 1, 'keep', 'expected 0 to 1');
  const machine = Machine.boot(plan.machine);
  plan.prepare?.(machine);
  const lost = (event: number): CrashPoint => {
    const disk = machine.diskAfterPowerLoss(keep, `power loss ${event}`);
    return { event, machine: Machine.boot({ ...plan.machine, disk }) };
  };
  let events = 0;
  for (const event of machine.eventsOf(plan.program)) {
    events = event + 1;
    if (event >= from && (event - from) % every === 0) yield lost(event);
  }
  yield lost(events);
}

function checkPlan(plan: CrashPlan): { readonly from: number; readonly every: number } {
  checkObject('plan', plan);
  const { machine, prepare, program, from = 0, every = 1 } = plan;
  checkObject('plan.machine', machine, 'disk');
  checkFunction('plan.prepare', prepare, true);
  checkFunction('plan.program', program);
  checkInteger('plan.from', from);
  checkInteger('plan.every', every, 1);
  return { from, every };
}
