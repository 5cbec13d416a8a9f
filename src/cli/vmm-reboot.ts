/**
 * `stillwarm vmm-reboot`: options to an experiment (experiment/vmm/experiment.ts), its result to
 * text, JSON and a page.
 *
 * As in reboot.ts, everything that the user could have got wrong is asked before the experiment
 * begins.
 */

import { resolve } from 'node:path';
import { UserError } from '../base/index.ts';
import { checkOutputs, kindOf } from '../experiment/guest/output-file.ts';
import type { VmmExperimentOptions } from '../experiment/vmm/options.ts';
import { renderVmmHtml, renderVmmMismatches, renderVmmText } from '../report/index.ts';
import { parseCommand } from './kit/args.ts';
import { withImage } from './image/with-image.ts';
import { commandHelp } from './kit/help.ts';
import type { ProgramIo } from './io.ts';
import { writeNotices } from './kit/io.ts';
import { VMM_REBOOT } from './options.ts';
import { withProgress } from './kit/progress.ts';
import { profileIn, profileInput } from './kit/read-profile.ts';
import { diskOf } from './reboot.ts';
import { reportIn, writeReport } from './kit/report.ts';
import { checkBackend, checkRoom, checkSet } from './room.ts';

/**
 * @returns the exit status: 1 when a page differs from the disk, else 0
 * @throws UserError
 */
export function vmmReboot(argv: readonly string[], io: ProgramIo): number {
  const { options: given, positionals } = parseCommand(VMM_REBOOT, argv);
  if (given.help) {
    io.stdout.write(commandHelp(VMM_REBOOT));
    return 0;
  }
  const {
    strategy: strategies,
    'domain0-cache': domain0Cache,
    single,
    set: constants,
    'bare-boot': withoutBootFiles,
    partition,
    jobs,
    json,
    report: reportDir,
    help: _help,
    ...rest
  } = given;
  const options: VmmExperimentOptions = {
    ...diskOf(positionals[0], io.cwd),
    ...rest,
    profile: profileIn(given.profile, io),
    ...(constants && { constants }),
    domain0Cache,
    withoutBootFiles,
    strategies,
    series: !single,
  };
  checkSet(options);
  checkBackend(options);
  checkRoom(options);
  const report = reportDir === undefined ? undefined : reportIn(resolve(io.cwd, reportDir));
  if (kindOf(options.path) === 'nothing') throw new UserError(`PATH: ${options.path} does not exist`);
  const inputs = [{ name: 'PATH', path: options.path }, ...profileInput(given.profile, io.cwd)];
  checkOutputs(inputs, report === undefined ? [] : [report], io.hostStreams);

  return withImage(io, options.path, partition, (image) => {
    const ready = { ...options, image };
    const outcome = withProgress(
      io.stderr,
      (onProgress) => io.onThreads?.('vmm-reboot', ready, onProgress, jobs) ?? io.runVmmReboot(ready, onProgress),
    );
    writeNotices(io, outcome.notices);

    if (json) {
      io.stdout.write(`${JSON.stringify(outcome.result)}\n`);
      for (const line of renderVmmMismatches(outcome.mismatches)) io.stderr.write(`${line}\n`);
    } else {
      io.stdout.write(renderVmmText(outcome, io.colour));
    }
    if (report !== undefined) writeReport(report, renderVmmHtml(outcome));
    return outcome.mismatches.length === 0 ? 0 : 1;
  });
}
