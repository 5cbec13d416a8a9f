/**
 * `stillwarm vmm-reboot`: options to an experiment (experiment/vmm/experiment.ts), its result to text, JSON and a page.
 *
 * As in reboot.ts, everything that the user could have got wrong is asked before the experiment begins.
 */

import { resolve } from 'node:path';
import { UserError } from '../base/index.ts';
import { checkOutputs, kindOf } from '../experiment/guest/output-file.ts';
import { DISKS, PROFILES } from '../experiment/guest/options.ts';
import type { VmmExperimentOptions } from '../experiment/vmm/options.ts';
import { VMM_STRATEGIES } from '../experiment/vmm/options.ts';
import { renderVmmHtml, renderVmmMismatches, renderVmmText } from '../report/index.ts';
import {
  commandHelp,
  MEMORY_DEFAULT,
  parseArch,
  parseChoice,
  parseCommand,
  parseList,
  parseMemory,
  parseSeed,
  parseSize,
  parseVms,
  VMM_LIMIT_DEFAULT,
  VMM_REBOOT,
} from './args.ts';
import { writeNotices, type Io } from './io.ts';
import { withProgress } from './progress.ts';
import { diskOf } from './reboot.ts';
import { reportIn, writeReport } from './report.ts';
import { checkRoom } from './room.ts';

/**
 * @returns the exit status: 1 when a page differs from the disk, else 0
 * @throws UserError
 */
export function vmmReboot(argv: readonly string[], io: Io): number {
  const args = parseCommand(VMM_REBOOT, argv);
  if (args.help) {
    io.stdout.write(commandHelp(VMM_REBOOT));
    return 0;
  }
  const { value, flags, positionals } = args;
  const options: VmmExperimentOptions = {
    ...diskOf(positionals[0], io.cwd),
    vms: value('vms', parseVms, 1),
    memory: value('memory', parseMemory, MEMORY_DEFAULT),
    disk: value('disk', (option, text) => parseChoice(option, text, DISKS), DISKS[0]),
    profile: value('profile', (option, text) => parseChoice(option, text, PROFILES), PROFILES[0]),
    arch: value('arch', parseArch, undefined),
    strategies: value('strategy', (option, text) => parseList(option, text, VMM_STRATEGIES), VMM_STRATEGIES),
    seed: value('seed', parseSeed, 1),
    limit: value('limit', parseSize, VMM_LIMIT_DEFAULT),
    series: !flags.has('single'),
  };
  checkRoom(options);
  const report = value('report', (_, text) => reportIn(resolve(io.cwd, text)), undefined);
  if (kindOf(options.path) === 'nothing') throw new UserError(`PATH: ${options.path} does not exist`);
  checkOutputs([{ name: 'PATH', path: options.path }], report === undefined ? [] : [report], io.hostStreams);

  const outcome = withProgress(io.stderr, (onProgress) => io.runVmmReboot(options, onProgress));
  writeNotices(io, outcome.notices);

  if (flags.has('json')) {
    io.stdout.write(`${JSON.stringify(outcome.result)}\n`);
    for (const line of renderVmmMismatches(outcome.mismatches)) io.stderr.write(`${line}\n`);
  } else {
    io.stdout.write(renderVmmText(outcome, io.colour));
  }
  if (report !== undefined) writeReport(report, renderVmmHtml(outcome));
  return outcome.mismatches.length === 0 ? 0 : 1;
}
