/**
 * The program: finds the command, runs it, and turns a user's mistake and a refusal of the host
 * into one line and exit status 2. Any other failure is a defect of stillwarm and goes through,
 * with its stack.
 */

import { ArgumentError, asInputError, InputError, printable, UserError } from '../base/index.ts';

import { calibrate } from './calibrate/calibrate.ts';
import { capture } from './capture.ts';
import { check } from './check/check.ts';
import { diff } from './diff.ts';
import { programHelp } from './kit/help.ts';
import { inspect } from './inspect.ts';
import type { ProgramIo } from './io.ts';
import { mkfs } from './mkfs.ts';
import { COMMANDS } from './options.ts';
import { paper } from './paper.ts';
import { predict } from './predict.ts';
import { profile } from './profile.ts';
import { worker } from './check/queue-worker.ts';
import { reboot } from './reboot.ts';
import { trace } from './trace.ts';
import { oneLine } from './kit/values.ts';
import { version } from './version.ts';
import { vmmReboot } from './vmm-reboot.ts';
import { web } from './web.ts';

const RUN: Readonly<Record<string, (argv: readonly string[], io: ProgramIo) => number>> = {
  reboot,
  'vmm-reboot': vmmReboot,
  web,
  predict,
  paper,
  profile,
  calibrate,
  mkfs,
  inspect,
  check,
  campaign: () => {
    throw new UserError('campaign is now check faults: stillwarm check faults, with the same options');
  },
  worker,
  diff,
  trace,
  capture,
};

/**
 * @param argv what follows the name of the program
 * @returns the exit status: 0 done and equal, 1 something differs, 2 a user's mistake, 3 the
 * budget of a check ended first
 */
export function main(argv: readonly string[], io: ProgramIo): number {
  try {
    return dispatch(argv, io);
  } catch (error) {
    return statusOf(error, io.stderr);
  }
}

/** Tells a user's mistake, or a refusal of the host. @throws any other error */
export function statusOf(error: unknown, stderr: ProgramIo['stderr']): number {
  const mistake = asInputError(error, 'the host refuses');
  const isTheirs = mistake instanceof UserError || mistake instanceof InputError || mistake instanceof ArgumentError;
  if (!isTheirs) throw error;
  stderr.write(`stillwarm: ${printable(mistake.message)}\n`);
  return 2;
}

function dispatch([command, ...rest]: readonly string[], io: ProgramIo): number {
  if (command === '--help' || command === '-h' || command === '--version') {
    io.stdout.write(command === '--version' ? `${version()}\n` : programHelp(COMMANDS));
    return 0;
  }
  const names = [...new Set(COMMANDS.map(({ name }) => name.split(' ')[0]!))].join(', ');
  if (command === undefined) throw new UserError(`a command is missing: ${names} (see stillwarm --help)`);
  if (command.startsWith('-'))
    throw new UserError(`the command comes first, before ${oneLine(command)}: ${names} (see stillwarm --help)`);
  if (!Object.hasOwn(RUN, command))
    throw new UserError(`unknown command ${oneLine(command)}; there are ${names} (see stillwarm --help)`);
  return RUN[command]!(rest, io);
}
