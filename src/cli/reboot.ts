/**
 * `stillwarm reboot`: options to an experiment, its result to text, JSON and a page.
 *
 * Every possible mistake of the user is looked for before the experiment begins, because it may
 * last minutes. The result is printed before the report is written, so that a full disk does not
 * lose it.
 */

import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askHost, UserError } from '../base/index.ts';
import { checkOutputs, kindOf } from '../experiment/guest/output-file.ts';
import {
  OF_THE_HYPERVISOR,
  RIO_STRATEGIES,
  STRATEGIES_OF_CRASHES,
  STRATEGIES_OF_READERS,
  type RebootOptions,
  type WorkloadName,
} from '../experiment/guest/options.ts';
import { renderHtml, renderMismatches, renderText } from '../report/index.ts';
import { parseFioJobs } from '../workload/fio-job.ts';
import { parseCommand } from './kit/args.ts';
import { withImage } from './image/with-image.ts';
import { commandHelp } from './kit/help.ts';
import type { ProgramIo } from './io.ts';
import { writeNotices } from './kit/io.ts';
import { REBOOT, type FioFileName } from './options.ts';
import { withProgress } from './kit/progress.ts';
import { profileIn, profileInput } from './kit/read-profile.ts';
import { reportIn, writeReport } from './kit/report.ts';
import { checkBackend, checkRoom, checkSet } from './room.ts';

/**
 * @returns the exit status: 1 when a page differs from the disk, else 0
 * @throws UserError
 */
export function reboot(argv: readonly string[], io: ProgramIo): number {
  const { options: given, positionals } = parseCommand(REBOOT, argv);
  if (given.help) {
    io.stdout.write(commandHelp(REBOOT));
    return 0;
  }
  const {
    'dump-memory': dumpMemory,
    'bare-boot': withoutBootFiles,
    set: constants,
    partition,
    jobs,
    json,
    report: reportDir,
    help: _help,
    ...asked
  } = given;
  const { workload, fio } = workloadOf(asked.workload, io.cwd);
  const usual =
    asked.crash && (workload === 'log' || fio !== undefined) ? STRATEGIES_OF_CRASHES : STRATEGIES_OF_READERS;
  const {
    strategy: strategies = usual,
    'domain0-cache': domain0Cache,
    'domain0-curve': domain0Curve,
    'disk-limit': diskLimit,
    ...rest
  } = asked;
  const rio = strategies.find((name) => RIO_STRATEGIES.includes(name));
  if (rio !== undefined && !asked.crash)
    throw new UserError(`--strategy: ${rio} is for a guest that crashes: add --crash`);
  const options: RebootOptions = {
    ...diskOf(positionals[0], io.cwd),
    ...rest,
    profile: profileIn(given.profile, io),
    workload,
    ...(fio && { fio }),
    ...(constants && { constants }),
    withoutBootFiles,
    strategies,
    diskLimit,
    domain0Cache,
    domain0Curve,
    dumpMemory: dumpMemory === undefined ? undefined : resolve(io.cwd, dumpMemory),
  };
  // Its guest has no clients.
  checkSet(options, [...OF_THE_HYPERVISOR, 'nic.']);
  checkBackend(options);
  checkRoom(options);
  const report = reportDir === undefined ? undefined : reportIn(resolve(io.cwd, reportDir));
  if (kindOf(options.path) === 'nothing') throw new UserError(`PATH: ${options.path} does not exist`);
  const dump = options.dumpMemory === undefined ? [] : [{ name: '--dump-memory', path: options.dumpMemory }];
  const outputs = [...dump, ...(report === undefined ? [] : [report])];
  const jobFile =
    typeof asked.workload === 'string' ? [] : [{ name: '--workload', path: resolve(io.cwd, asked.workload.fio) }];
  const inputs = [{ name: 'PATH', path: options.path }, ...jobFile, ...profileInput(given.profile, io.cwd)];
  checkOutputs(inputs, outputs, io.hostStreams);

  return withImage(io, options.path, partition, (image) => {
    const ready = { ...options, image };
    const { result, mismatches, notices } = withProgress(
      io.stderr,
      (onProgress) => io.onThreads?.('reboot', ready, onProgress, jobs) ?? io.runReboot(ready, onProgress),
    );
    writeNotices(io, notices);

    if (json) {
      io.stdout.write(`${JSON.stringify(result)}\n`);
      for (const line of renderMismatches(mismatches)) io.stderr.write(`${line}\n`);
    } else {
      io.stdout.write(renderText(result, mismatches, io.colour));
    }
    if (report !== undefined) writeReport(report, renderHtml(result, mismatches));
    const isEqual = mismatches.length === 0 && result.strategies.every(({ verified }) => verified.mismatches === 0);
    return isEqual ? 0 : 1;
  });
}

/** A workload, and its job file where it has one, which is looked at before anything is run. */
function workloadOf(asked: WorkloadName | FioFileName, cwd: string): Pick<RebootOptions, 'workload' | 'fio'> {
  if (typeof asked === 'string') return { workload: asked };
  const { fio: file } = asked;
  const bytes = askHost(`--workload fio:${file}`, () => readFileSync(resolve(cwd, file)));
  parseFioJobs(bytes, file);
  return { workload: 'fio', fio: { file, bytes } };
}

/**
 * PATH, or what stands for it: the modules that this program was installed with. Their directory
 * has caches of other programs, under names that begin with a dot, which change while those run.
 */
export function diskOf(path: string | undefined, cwd: string): Pick<RebootOptions, 'path' | 'withoutHidden'> {
  return path === undefined
    ? { path: installedModules(import.meta.url), withoutHidden: true }
    : { path: resolve(cwd, path) };
}

/**
 * The node_modules that this program was installed with: a directory of many real files that every
 * user has.
 * @param moduleUrl a module of this package
 * @throws UserError when there is none
 */
export function installedModules(moduleUrl: string): string {
  for (let dir = dirname(fileURLToPath(moduleUrl)); dir !== dirname(dir); dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules');
    if (kindOf(candidate) === 'directory') return candidate;
  }
  throw new UserError('PATH: no node_modules found above this program; name a directory');
}
