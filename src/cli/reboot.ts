/**
 * `stillwarm reboot`: options to an experiment, its result to text, JSON and a page.
 *
 * Everything that the user could have got wrong is asked before the experiment begins, because it may last minutes;
 * the result is printed before the report is written, so that a full disk does not lose it.
 */

import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../base/index.ts';
import { checkOutputs, kindOf } from '../experiment/guest/output-file.ts';
import {
  DISKS,
  PROFILES,
  RIO_STRATEGIES,
  STRATEGIES,
  STRATEGIES_OF_CRASHES,
  STRATEGIES_OF_READERS,
  WORKLOADS,
  type RebootOptions,
} from '../experiment/guest/options.ts';
import { renderHtml, renderMismatches, renderText } from '../report/index.ts';
import {
  commandHelp,
  MEMORY_DEFAULT,
  parseArch,
  parseChoice,
  parseCommand,
  parseExpire,
  parseList,
  parseMemory,
  parseSeed,
  parseSize,
  REBOOT,
} from './args.ts';
import { writeNotices, type Io } from './io.ts';
import { withProgress } from './progress.ts';
import { reportIn, writeReport } from './report.ts';
import { checkRoom } from './room.ts';

/**
 * @returns the exit status: 1 when a page differs from the disk, else 0
 * @throws UserError
 */
export function reboot(argv: readonly string[], io: Io): number {
  const args = parseCommand(REBOOT, argv);
  if (args.help) {
    io.stdout.write(commandHelp(REBOOT));
    return 0;
  }
  const { value } = args;
  const toPath = (_: string, text: string): string => resolve(io.cwd, text);
  const crash = args.flags.has('crash');
  const workload = value('workload', (option, text) => parseChoice(option, text, WORKLOADS), WORKLOADS[0]);
  const usual = crash && workload === 'log' ? STRATEGIES_OF_CRASHES : STRATEGIES_OF_READERS;
  const strategies = value('strategy', (option, text) => parseList(option, text, STRATEGIES), usual);
  const rio = strategies.find((name) => RIO_STRATEGIES.includes(name));
  if (rio !== undefined && !crash) throw new UserError(`--strategy: ${rio} is for a guest that crashes: add --crash`);
  const options: RebootOptions = {
    ...diskOf(args.positionals[0], io.cwd),
    memory: value('memory', parseMemory, MEMORY_DEFAULT),
    disk: value('disk', (option, text) => parseChoice(option, text, DISKS), DISKS[0]),
    profile: value('profile', (option, text) => parseChoice(option, text, PROFILES), PROFILES[0]),
    arch: value('arch', parseArch, undefined),
    strategies,
    workload,
    seed: value('seed', parseSeed, 1),
    limit: value('limit', parseSize, undefined),
    crash,
    checksum: args.flags.has('checksum'),
    expire: value('expire', parseExpire, undefined),
    dumpMemory: value('dump-memory', toPath, undefined),
  };
  checkRoom(options);
  const report = value('report', (option, text) => reportIn(toPath(option, text)), undefined);
  if (kindOf(options.path) === 'nothing') throw new UserError(`PATH: ${options.path} does not exist`);
  const dump = options.dumpMemory === undefined ? [] : [{ name: '--dump-memory', path: options.dumpMemory }];
  const outputs = [...dump, ...(report === undefined ? [] : [report])];
  checkOutputs([{ name: 'PATH', path: options.path }], outputs, io.hostStreams);

  const { result, mismatches, notices } = withProgress(io.stderr, (onProgress) => io.runReboot(options, onProgress));
  writeNotices(io, notices);

  if (args.flags.has('json')) {
    io.stdout.write(`${JSON.stringify(result)}\n`);
    for (const line of renderMismatches(mismatches)) io.stderr.write(`${line}\n`);
  } else {
    io.stdout.write(renderText(result, mismatches, io.colour));
  }
  if (report !== undefined) writeReport(report, renderHtml(result, mismatches));
  const isEqual = mismatches.length === 0 && result.strategies.every(({ verified }) => verified.mismatches === 0);
  return isEqual ? 0 : 1;
}

/**
 * PATH, or what stands for it: the modules that this program was installed with. Their directory has caches of other programs,
 * under names that begin with a dot, which change while those run.
 */
export function diskOf(path: string | undefined, cwd: string): Pick<RebootOptions, 'path' | 'withoutHidden'> {
  return path === undefined
    ? { path: installedModules(import.meta.url), withoutHidden: true }
    : { path: resolve(cwd, path) };
}

/**
 * The node_modules that this program was installed with: a directory of many real files that every user has.
 * @param moduleUrl a module of this package
 * @throws UserError when there is none
 */
export function installedModules(moduleUrl: string): string {
  for (let dir = dirname(fileURLToPath(moduleUrl)); dir !== dirname(dir); dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules');
    if (kindOf(candidate) === 'directory') return candidate;
  }
  throw new UserError('PATH: no node_modules found above this program, name a directory');
}
