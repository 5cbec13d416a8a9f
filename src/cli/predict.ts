/**
 * `stillwarm predict`: a trace to an experiment (experiment/predict/experiment.ts), its result to
 * text, JSON and a page.
 *
 * The trace is read once, whatever the number of strategies. Reading needs the event loop; the
 * experiment does not. As in reboot.ts, everything that the user could have got wrong is asked
 * before the experiment begins.
 */

import { resolve } from 'node:path';
import { counted, grouped, InputError, printable, UserError } from '../base/index.ts';
import type { TraceFileSummary } from '../experiment/host/trace-file.ts';
import { checkOutputs, kindOf } from '../experiment/guest/output-file.ts';
import { OF_THE_HYPERVISOR, RIO_STRATEGIES } from '../experiment/guest/options.ts';
import { knownFiles } from '../experiment/predict/file-sizes.ts';
import type { ProfileChoice } from '../experiment/host/profiles.ts';
import { bytesOfRun } from '../experiment/predict/experiment.ts';
import { rebootOperation, STRATEGIES_OF_TRACES, type PredictOptions } from '../experiment/predict/options.ts';
import { Recorder, type TraceRecording } from '../experiment/predict/recording.ts';
import { renderPredictHtml, renderPredictMismatches, renderPredictText } from '../report/index.ts';
import { MAPPINGS, SHOWN } from '../trace/index.ts';
import type { ProgramIo } from './io.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import { writeNotices } from './kit/io.ts';
import type { ValuesOf } from './kit/option-kinds.ts';
import { withProgress } from './kit/progress.ts';
import { profileIn, profileInput } from './kit/read-profile.ts';
import { freeMemory } from './kit/threads.ts';
import { sizeText } from './kit/values.ts';
import { reportIn, writeReport } from './kit/report.ts';
import { PREDICT } from './options.ts';
import { checkBackend, checkRoom, checkSet } from './room.ts';
import { later, readFrom } from './trace-reading.ts';

type Given = ValuesOf<typeof PREDICT.options>;
/** What was given, with the profile that was read. */
type Asked = Omit<Given, 'profile'> & { readonly profile: ProfileChoice };
type Report = ReturnType<typeof reportIn>;

/**
 * @returns the exit status: 1 when a page differs from what it must be, else 0
 * @throws UserError
 */
export function predict(argv: readonly string[], io: ProgramIo): number {
  const { options: given, positionals } = parseCommand(PREDICT, argv);
  if (given.help) {
    io.stdout.write(commandHelp(PREDICT));
    return 0;
  }
  const { disk, arch, memory } = given;
  const profile = profileIn(given.profile, io);
  checkSet({ profile, disk, ...(given.set && { constants: given.set }) }, OF_THE_HYPERVISOR);
  checkBackend({ backend: given.backend, domain0Cache: given['domain0-cache'] });
  checkRoom({ profile, arch, memory });
  const strategies = given.strategy ?? STRATEGIES_OF_TRACES;
  const rio = strategies.find((name) => RIO_STRATEGIES.includes(name));
  if (rio !== undefined) throw new UserError(`--strategy: ${rio} is for a guest that crashes: see reboot and web`);
  if (given['prefetch-rate'] !== undefined && !strategies.includes('prefetch'))
    throw new UserError('--prefetch-rate: no strategy is prefetch');
  const path = resolve(io.cwd, positionals[0]!);
  if (kindOf(path) === 'nothing') throw new UserError(`TRACE: ${path} does not exist`);
  const report = given.report === undefined ? undefined : reportIn(resolve(io.cwd, given.report));
  const inputs = [{ name: 'TRACE', path }, ...profileInput(given.profile, io.cwd)];
  checkOutputs(inputs, report === undefined ? [] : [report], io.hostStreams);
  return later(io, async () => {
    const { trace, format } = await recorded(path, given, io);
    return run(io, given, report, optionsOf({ ...given, profile }, path, trace, format));
  });
}

async function recorded(
  path: string,
  given: Given,
  io: ProgramIo,
): Promise<{ readonly trace: TraceRecording; readonly format: string }> {
  const { files } = given;
  const known = files === undefined ? undefined : knownFiles(resolve(io.cwd, files));
  const restoreRate = given['restore-rate'];
  const recorder = new Recorder({
    sizeOf: known?.sizeOf,
    withTimes: restoreRate !== undefined && 'bytesPerSecond' in restoreRate,
    depth: given.depth ?? (given.rate?.pace === 'asfast' ? 1 : undefined),
  });
  const { format, device } = given;
  const reading = { format, device, 'partition-offset': given['partition-offset'], listed: known?.listed };
  const summary = await readFrom(path, reading, io, recorder);
  writeNotices(io, noticesOf(summary));
  try {
    return { trace: recorder.end(), format: summary.title };
  } catch (error) {
    if (error instanceof InputError) throw new UserError(`${path}: ${error.message}`);
    throw error;
  }
}

/** What a reader of the prediction must know of the trace, a line each. */
function noticesOf({ shows, unit, lines, problemCount, problems, leftOut }: TraceFileSummary): string[] {
  const mappings = leftOut.get(MAPPINGS);
  return [
    ...(shows === 'calls' ? [] : [`the trace has ${SHOWN[shows]}`]),
    ...(mappings === undefined ? [] : [`${MAPPINGS}: ${grouped(mappings)}: nothing is taken to be read through them`]),
    ...(problemCount === 0 ? [] : [`not understood: ${grouped(problemCount)} of ${counted(lines, unit)}`]),
    ...problems.map(({ line, why, text }) => `    ${unit} ${grouped(line)}: ${why}: ${printable(text)}`),
  ];
}

function run(io: ProgramIo, given: Given, report: Report | undefined, options: PredictOptions): number {
  const outcome = withProgress(
    io.stderr,
    (onProgress) => io.onThreads?.('predict', options, onProgress, given.jobs) ?? io.runPredict(options, onProgress),
  );
  writeNotices(io, outcome.notices);
  if (given.json) {
    io.stdout.write(`${JSON.stringify(outcome.result)}\n`);
    for (const line of renderPredictMismatches(outcome.mismatches)) io.stderr.write(`${line}\n`);
  } else {
    io.stdout.write(renderPredictText(outcome, io.colour));
  }
  if (report !== undefined) writeReport(report, renderPredictHtml(outcome));
  const { strategies } = outcome.result;
  const isEqual = outcome.mismatches.length === 0 && strategies.every(({ verified }) => verified.mismatches === 0);
  return isEqual ? 0 : 1;
}

function optionsOf(given: Asked, path: string, trace: TraceRecording, format: string): PredictOptions {
  const { memory, disk, profile, arch, policy, seed, backend, rate } = given;
  if (rate?.pace === 'recorded' && !trace.hasTimes)
    throw new UserError('--rate: the trace tells no times: only asfast is possible');
  const restoreRate = given['restore-rate'];
  if (restoreRate !== undefined && 'bytesPerSecond' in restoreRate && !trace.hasTimes)
    throw new UserError('--restore-rate: the trace tells no times: only pages an access are possible');
  const rebootAt = given['reboot-at'];
  try {
    rebootOperation(trace, rebootAt);
  } catch (error) {
    throw new UserError(`--reboot-at: ${(error as Error).message.replace(/^\w+: /, '')}`);
  }
  const [bytes, free] = [bytesOfRun({ memory, trace }), freeMemory()];
  if (bytes > free)
    throw new UserError(
      `--memory ${sizeText(memory)}: the guest would fill ${counted(bytes, 'byte')} of this machine's memory, of which ${grouped(free)} are free: ask for less`,
    );
  return {
    ...{ path, trace, format, memory, disk, profile, arch, policy, seed, backend, rebootAt },
    ...(given.set && { constants: given.set }),
    diskLimit: given['disk-limit'],
    domain0Cache: given['domain0-cache'],
    withoutBootFiles: given['bare-boot'],
    strategies: given.strategy ?? STRATEGIES_OF_TRACES,
    pace: rate?.pace ?? (trace.hasTimes ? 'recorded' : 'asfast'),
    speed: rate?.speed ?? 1,
    prefetchRate: given['prefetch-rate'],
    restoreRate,
  };
}
