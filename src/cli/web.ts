/**
 * `stillwarm web`: options to an experiment (experiment/web/experiment.ts), its result to text,
 * JSON and a page.
 *
 * As in reboot.ts, everything that the user could have got wrong is asked before the experiment
 * begins.
 */

import { resolve } from 'node:path';
import { UserError } from '../base/index.ts';
import { checkOutputs, kindOf } from '../experiment/guest/output-file.ts';
import { OF_THE_HYPERVISOR, RIO_STRATEGIES, type ReadyImage } from '../experiment/guest/options.ts';
import { nameOf } from '../experiment/web/made-files.ts';
import { STRATEGIES_OF_WEB, STRATEGIES_OF_WEB_CRASHES, type WebOptions } from '../experiment/web/options.ts';
import { renderWebHtml, renderWebMismatches, renderWebText } from '../report/index.ts';
import { parseCommand } from './kit/args.ts';
import { withImage } from './image/with-image.ts';
import { commandHelp } from './kit/help.ts';
import type { ProgramIo } from './io.ts';
import { writeNotices } from './kit/io.ts';
import type { ValuesOf } from './kit/option-kinds.ts';
import { WEB, WEB_LIMIT } from './options.ts';
import { withProgress } from './kit/progress.ts';
import { profileIn, profileInput } from './kit/read-profile.ts';
import { diskOf } from './reboot.ts';
import { reportIn, writeReport } from './kit/report.ts';
import { checkBackend, checkRoom, checkSet } from './room.ts';

/**
 * @returns the exit status: 1 when a page differs from the disk, else 0
 * @throws UserError
 */
export function web(argv: readonly string[], io: ProgramIo): number {
  const { options: given, positionals } = parseCommand(WEB, argv);
  if (given.help) {
    io.stdout.write(commandHelp(WEB));
    return 0;
  }
  const options = optionsOf(given, positionals[0], io);
  checkSet(options, OF_THE_HYPERVISOR);
  checkBackend(options);
  checkRoom(options);
  const report = given.report === undefined ? undefined : reportIn(resolve(io.cwd, given.report));
  const inputs = options.sizes === undefined ? [{ name: 'PATH', path: options.path }] : [];
  for (const { path } of inputs) if (kindOf(path) === 'nothing') throw new UserError(`PATH: ${path} does not exist`);
  checkOutputs(
    [...inputs, ...profileInput(given.profile, io.cwd)],
    report === undefined ? [] : [report],
    io.hostStreams,
  );

  const run = (image?: ReadyImage): number => {
    const ready = { ...options, image };
    const outcome = withProgress(
      io.stderr,
      (onProgress) => io.onThreads?.('web', ready, onProgress, given.jobs) ?? io.runWeb(ready, onProgress),
    );
    writeNotices(io, outcome.notices);

    if (given.json) {
      io.stdout.write(`${JSON.stringify(outcome.result)}\n`);
      for (const line of renderWebMismatches(outcome.mismatches)) io.stderr.write(`${line}\n`);
    } else {
      io.stdout.write(renderWebText(outcome, io.colour));
    }
    if (report !== undefined) writeReport(report, renderWebHtml(outcome));
    const { strategies } = outcome.result;
    const isEqual = outcome.mismatches.length === 0 && strategies.every(({ verified }) => verified.mismatches === 0);
    return isEqual ? 0 : 1;
  };
  return options.sizes === undefined ? withImage(io, options.path, given.partition, run) : run();
}

function optionsOf(given: ValuesOf<typeof WEB.options>, path: string | undefined, io: ProgramIo): WebOptions {
  const { loop, rate, arrivals, think, files: order, alpha, sizes, crash, limit, partition, send: sending } = given;
  const refuse = (option: string, value: unknown, why: string): void => {
    if (value !== undefined) throw new UserError(`--${option}: ${why}`);
  };
  if (loop === 'closed') {
    refuse('rate', rate, 'the closed loop has no rate: add --loop open, or leave it out');
    refuse('arrivals', arrivals, 'the closed loop has no arrivals: add --loop open, or leave it out');
  } else refuse('think', think, 'the clients of the open loop do not wait: add --loop closed');
  if (order === 'once') refuse('alpha', alpha, "--files once does not follow Zipf's law");
  const strategies = given.strategy ?? (crash ? STRATEGIES_OF_WEB_CRASHES : STRATEGIES_OF_WEB);
  const rio = strategies.find((name) => RIO_STRATEGIES.includes(name));
  if (rio !== undefined && !crash) throw new UserError(`--strategy: ${rio} is for a guest that crashes: add --crash`);
  const prefetchRate = given['prefetch-rate'];
  if (!strategies.includes('prefetch')) refuse('prefetch-rate', prefetchRate, 'no strategy is prefetch');
  if (sizes !== undefined) {
    refuse('partition', partition, '--sizes is no image');
    refuse('sizes', path, 'give PATH, or files that are made, not both');
    refuse('limit', limit, '--sizes says how much there is');
  }
  const disk = sizes === undefined ? diskOf(path, io.cwd) : { path: `--sizes ${nameOf(sizes)}` };
  const { memory, disk: drive, arch, policy, seed, connections, timeout, workers, before, after } = given;
  return {
    ...disk,
    ...(given.set && { constants: given.set }),
    backend: given.backend,
    diskLimit: given['disk-limit'],
    domain0Cache: given['domain0-cache'],
    withoutBootFiles: given['bare-boot'],
    profile: profileIn(given.profile, io),
    ...{ memory, disk: drive, arch, policy, seed, connections, timeout, workers, before, after },
    ...{ sizes, strategies, crash, loop, order, sending, prefetchRate },
    limit: sizes === undefined ? (limit ?? WEB_LIMIT) : undefined,
    rate: rate ?? 100,
    arrivals: arrivals ?? 'constant',
    think: think ?? 0,
    alpha: alpha ?? 1,
  };
}
