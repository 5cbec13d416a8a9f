/**
 * Commands of fast-check over a machine: calls on files, reboots and faults, each with its model.
 */

import fc from 'fast-check';
import { checkInteger, checkKeys, checkObject } from '../../base/argument-error.ts';
import { GuestCrash, type Machine, type MachineReboot } from '../machine/index.ts';
import { type Fault, faults, reboots } from './arbitraries.ts';
import { replayOf } from './check.ts';
import type { FileCall } from './file-calls.ts';
import { type GuestModel, HOME } from './guest-model.ts';
import { answerOf, inModel, playCalls, tolerant } from './play-calls.ts';
import { checkOracle } from './oracle.ts';

/** A command of `guestCommands`. */
export type GuestCommand = fc.Command<GuestModel, Machine>;

/** Of `guestCommands`. */
export interface CommandOptions {
  /** Calls on files; by default such as matter to a crash, on four paths. */
  readonly calls?: fc.Arbitrary<FileCall>;
  /** Reboots; any by default. */
  readonly reboots?: fc.Arbitrary<MachineReboot>;
  /** Faults in the middle of a call, with at most so many events before them; any by default. */
  readonly faults?: fc.Arbitrary<Fault>;
  /** How many commands at most; 30 by default. */
  readonly maxCommands?: number;
  /** Text of a `replay:` line (`checkProperty`). */
  readonly replay?: string | undefined;
}

const path = fc.constantFrom('/a', '/b', '/d', '/d/a');
const size = fc.oneof(fc.nat(5000), fc.nat(60_000));
const on = <const D extends 'read' | 'mkdir' | 'rmdir' | 'unlink' | 'list' | 'stat' | 'fsync'>(
  ...names: readonly D[]
): fc.Arbitrary<FileCall> => fc.record({ do: fc.constantFrom(...names), path });

/** Calls of which most change something, or promise it. */
const crucialCall: fc.Arbitrary<FileCall> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('create' as const), path, exclusive: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('write' as const), path, at: size, length: size, salt: fc.nat(255) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), path, size }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('link' as const, 'rename' as const), path, to: path }) },
  { weight: 4, arbitrary: on('fsync') },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('fsyncDirectory' as const), path: fc.constantFrom('/', '/d') }),
  },
  { weight: 6, arbitrary: on('mkdir', 'mkdir', 'rmdir', 'unlink', 'unlink', 'read', 'list', 'stat') },
  { weight: 1, arbitrary: fc.constantFrom({ do: 'sync' } as const, { do: 'dropCaches' } as const) },
);

/** Calls that change nothing, and promise. */
const PROMISES: readonly FileCall['do'][] = ['fsync', 'fsyncDirectory', 'sync'];

class CallCommand implements GuestCommand {
  readonly #call: FileCall;
  constructor(call: FileCall) {
    this.#call = call;
  }
  check = ({ isOver }: GuestModel): boolean => !isOver;
  run(model: GuestModel, machine: Machine): void {
    machine.run((sys) => playCalls(sys, model.fs, HOME, [this.#call], model));
  }
  toString = (): string => JSON.stringify(this.#call);
}

class RebootCommand implements GuestCommand {
  readonly #reboot: MachineReboot;
  constructor(reboot: MachineReboot) {
    this.#reboot = reboot;
  }
  check = ({ isOver }: GuestModel): boolean => !isOver;
  run(model: GuestModel, machine: Machine): void {
    model.rebooted(machine, this.#reboot, machine.reboot(this.#reboot));
    checkOracle(machine);
  }
  toString = (): string => `reboot(${JSON.stringify(this.#reboot)})`;
}

/** A fault in the middle of a call, or behind it. */
class FaultCommand implements GuestCommand {
  readonly #call: FileCall;
  readonly #fault: Fault;
  readonly #reboot: MachineReboot;
  constructor(call: FileCall, fault: Fault, reboot: MachineReboot) {
    this.#call = call;
    this.#fault = fault;
    this.#reboot = reboot;
  }
  check = ({ isOver }: GuestModel): boolean => !isOver;
  run(model: GuestModel, machine: Machine): void {
    const call = this.#call;
    const isOver = runUntil(machine, call, this.#fault.event);
    // A promise holds when the call has returned; what a call changes may be changed before.
    if (isOver || !PROMISES.includes(call.do)) answerOf(() => inModel(model.fs, call, model));
    if (this.#fault.kind === 'power') machine.losePower({ keep: this.#fault.keep });
    else if (machine.state === 'running') machine.crash();
    machine.reboot(this.#reboot);
    model.crashed(machine);
    checkOracle(machine);
  }
  toString = (): string =>
    `${JSON.stringify(this.#call)} with ${JSON.stringify(this.#fault)}, reboot(${JSON.stringify(this.#reboot)})`;
}

/**
 * Runs a call; the guest crashes before event `event` of it. Returns whether it has come to its
 * end.
 */
function runUntil(machine: Machine, call: FileCall, event: number): boolean {
  machine.crashAt({ event });
  try {
    machine.run((sys) => tolerant(sys, [call], HOME));
    return true;
  } catch (error) {
    if (!(error instanceof GuestCrash)) throw error;
    return false;
  }
}

/**
 * Sequences of calls on files, reboots and faults, for `fc.modelRun(() => startGuest(options),
 * commands)`. After each call the guest answers what the model answers. After each reboot and fault
 * it has what must be there, and no page of its cache is wrong.
 * @throws ArgumentError for options that are no arbitraries or out of range
 */
export function guestCommands(options: CommandOptions = {}): fc.Arbitrary<Iterable<GuestCommand>> {
  checkKeys('options', options, ['calls', 'reboots', 'faults', 'maxCommands', 'replay']);
  const { calls = crucialCall, reboots: ways = reboots(), faults: all = faults({ maxEvent: 200 }) } = options;
  const { maxCommands = 30, replay } = options;
  for (const [name, arbitrary] of Object.entries({ calls, reboots: ways, faults: all }))
    checkObject(`options.${name}`, arbitrary, 'generate');
  checkInteger('options.maxCommands', maxCommands, 1);
  const call = calls.map((one): GuestCommand => new CallCommand(one));
  const fault = fc.tuple(calls, all, ways).map(([one, what, way]): GuestCommand => new FaultCommand(one, what, way));
  // As often as its place: fc.commands takes each with the same chance.
  return fc.commands(
    [call, call, call, call, call, call, ways.map((way): GuestCommand => new RebootCommand(way)), fault],
    {
      maxCommands,
      size: 'max',
      ...(replay === undefined ? {} : { replayPath: replayOf(replay).commands ?? '' }),
    },
  );
}
