/**
 * Every moment at which a program's machine can crash or lose power.
 *
 * After a loss of power or a crash of the hypervisor only bytes are left (machine-bytes.ts). So one
 * run of the program stands still before each event, and a machine is made from what would be left
 * then. The run goes on undisturbed.
 *
 * A crash of the guest leaves hypervisor and drive alive, with requests in flight and a guest whose
 * programs are generators. Neither can be copied. So each is a run of its own, from the boot on:
 * the same seed takes it to the same moment. A later start would need a guest made from bytes, and
 * a guest that was made from bytes is one that was rebooted.
 */

import { checkArgument, checkFunction, checkInteger, checkKeys, checkObject } from '../../base/argument-error.ts';
import { Machine } from './machine.ts';
import { checkShare, type MachineOptions } from './options.ts';
import { GuestCrash, type Program } from './program-run.ts';

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
  for (let event = from, isOver = false; !isOver; event = Math.min(event + every, Number.MAX_SAFE_INTEGER)) {
    const machine = Machine.boot(plan.machine);
    prepare(plan, machine);
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
 * and for its end. It is what `losePower({ keep })` and `reboot()` make of the machine there. It
 * reads the disk of the machine that runs the program, and is valid until the next is asked for.
 * @param keep share of the sectors in the drive's volatile cache that reach the medium, 0 to 1
 * @throws what the program throws
 */
export function* powerLosses(plan: CrashPlan, keep = 0.5): Generator<CrashPoint, void, void> {
  checkPlan(plan);
  checkShare('keep', keep);
  yield* alongOneRun(plan, (machine) => machine.afterPowerLoss(keep));
}

/**
 * A machine whose hypervisor has crashed, with the guest on it, for each wanted event of a program
 * and for its end. The next hypervisor was made from the memory that was left, and has booted the
 * guest: what `crash()` and `reboot({ hypervisor: 'warm-vm' })` would make of it there. The last
 * report of its `report().reboots` says what could not be resumed. What the drive had cached is
 * there; of writes under way a random part. A machine that is yielded is valid until the next is
 * asked for.
 * @throws what the program throws
 */
export function* hypervisorCrashes(plan: CrashPlan): Generator<CrashPoint, void, void> {
  checkPlan(plan);
  yield* alongOneRun(plan, (machine) => machine.afterHypervisorCrash());
}

/** @param after the machine that another one would be, which stands still */
function* alongOneRun(plan: CrashPlan, after: (machine: Machine) => Machine): Generator<CrashPoint, void, void> {
  const { from, every } = checkPlan(plan);
  const machine = Machine.boot(plan.machine);
  prepare(plan, machine);
  let events = 0;
  let last: Machine | undefined;
  for (const event of machine.eventsOf(plan.program)) {
    last?.retire();
    events = event + 1;
    last = event >= from && (event - from) % every === 0 ? after(machine) : undefined;
    if (last !== undefined) yield { event, machine: last };
  }
  last?.retire();
  yield { event: events, machine: after(machine) };
}

function prepare({ prepare }: CrashPlan, machine: Machine): void {
  const result: unknown = prepare?.(machine);
  const isPromise = typeof result === 'object' && result !== null && 'then' in result;
  checkArgument(!isPromise, 'plan.prepare', 'it returns a promise, and nothing waits for one');
}

/** @internal @throws ArgumentError for what is missing, unknown or out of range */
export function checkPlan(plan: CrashPlan): { readonly from: number; readonly every: number } {
  checkKeys('plan', plan, ['machine', 'prepare', 'program', 'from', 'every']);
  const { machine, prepare, program, from = 0, every = 1 } = plan;
  checkObject('plan.machine', machine, 'disk');
  checkFunction('plan.prepare', prepare, true);
  checkFunction('plan.program', program);
  checkInteger('plan.from', from);
  checkInteger('plan.every', every, 1);
  return { from, every };
}
