/**
 * `stillwarm check`: plays the cases of a check of the lab, or a shard of them, on all cores. What
 * it finds goes to text, JSON, XML of JUnit and a file that another run takes up.
 *
 * The outcome depends on the options of the check alone. Only a budget, which is time of the host,
 * decides how far a run comes.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { askHost, crc32c, UserError } from '../../base/index.ts';
import { checkOutputs, type NamedPath } from '../../experiment/guest/output-file.ts';
import { runInOrder } from '../../experiment/guest/runs.ts';
import type { ProgressListener } from '../../experiment/guest/progress.ts';
import { isWhole } from '../../lab/check.ts';
import type { Part, PartResult } from '../../lab/part.ts';
import { parseCommand } from '../kit/args.ts';
import { parseRunFile, partsOfPlan, writeRunFile, type RunPlan } from './file.ts';
import { mergeShards } from './merge.ts';
import { CHECK, CHECKS, type RUNNING, type workloadOptions } from './options.ts';
import { keptIn, tellFindings } from './output.ts';
import { checkProtocols } from './protocol.ts';
import { playOnQueue } from './queue-client.ts';
import { checkRuns, hostMs, phaseOf, type CheckJob } from './runs.ts';
import type { CheckEntry } from './entry.ts';
import { commandHelp, familyHelp } from '../kit/help.ts';
import type { CheckIo } from './io.ts';
import type { ValuesOf } from '../kit/option-kinds.ts';
import { withProgress } from '../kit/progress.ts';
import { nameOf, textOf } from '../kit/read-text.ts';
import type { ThreadOptions } from '../kit/threads.ts';
import { oneLine } from '../kit/values.ts';
import { version } from '../version.ts';
import { WORKLOAD_NAME } from './workload.ts';

/** Between two times that the file of `--out` is written while the check runs, ms. */
const SAVE_MS = 2000;

/**
 * @returns the exit status: 1 when a law did not hold, 3 when cases were left out, else 0
 * @throws UserError, InputError
 */
export function check(argv: readonly string[], io: CheckIo): number {
  const [name, ...rest] = argv;
  if (name === '--help' || name === '-h') {
    io.stdout.write(familyHelp(CHECK, CHECKS));
    return 0;
  }
  const entry = io.checks.find(({ spec }) => spec.name === `${CHECK.name} ${name}`);
  if (entry !== undefined) return runCheck(entry, rest, io);
  if (name === 'protocol') return checkProtocols(rest, io);
  if (name === 'merge') return mergeShards(rest, io);
  const names = [...io.checks.map(({ spec }) => spec.name), `${CHECK.name} protocol`, `${CHECK.name} merge`].join(', ');
  if (name === undefined) throw new UserError(`check: a command is missing: ${names} (see stillwarm check --help)`);
  throw new UserError(`check: unknown command ${oneLine(name)}; there are ${names} (see stillwarm check --help)`);
}

function runCheck(entry: CheckEntry, argv: readonly string[], io: CheckIo): number {
  const { options: given } = parseCommand(entry.spec, argv);
  if (given.help) {
    io.stdout.write(commandHelp(entry.spec));
    return 0;
  }
  const begunMs = hostMs();
  const program = workloadOf(given, io);
  const { queue } = given;
  if (queue !== undefined) checkQueue(given, program);
  const options = { ...entry.optionsOf(given), ...(program && { workload: program.identity }) };
  const { keep } = given as { readonly keep?: string };
  const files = filesOf(given, keep, io);
  const common = { command: entry.spec.name, options, partBytes: entry.partBytes, programFile: program?.path };
  const lab = entry.checkOf(undefined);
  const cases =
    program === undefined ? lab.count(options) : countWith(program, { ...common, parts: [], endMs: undefined }, io);
  const shard = given.shard ?? { number: 1, of: 1 };
  const plan: RunPlan = { version: version(), check: lab.name, options, cases, least: entry.least, shard };
  const parts = given.case === undefined ? partsOfPlan(plan) : [oneCase(plan, given.case)];
  const earlier = given.resume === undefined ? [] : earlierResults(given.resume, plan, io);
  const results = new Map(earlier.map((result) => [result.part.from, result]));
  const left = parts.filter(({ from }) => !results.has(from));
  const job: CheckJob = {
    ...common,
    parts: left,
    endMs: given.budget === undefined ? undefined : begunMs + given.budget,
  };

  let savedMs = begunMs;
  const save = (): void => {
    if (files.out !== undefined) writeRunFile(files.out.path, plan, [...results.values()]);
    savedMs = hostMs();
  };
  const onResult = (result: PartResult): void => {
    results.set(result.part.from, result);
    if (hostMs() - savedMs >= SAVE_MS) save();
  };
  const finish = (): number => {
    save();
    return tellFindings(entry, plan, parts, [...results.values()], { json: given.json, junit: files.junit, keep }, io);
  };
  if (queue !== undefined && left.length > 0) return onQueue(queue, job, io, onResult, finish);
  play(job, program, given.jobs, io, onResult);
  return finish();
}

/** @throws UserError for options that do not go with `--queue` */
function checkQueue({ jobs }: ValuesOf<typeof RUNNING>, program: WorkloadFile | undefined): void {
  if (jobs !== undefined) throw new UserError('--jobs: with --queue, stillwarm worker has it');
  // Who can write to a queue could have any program run, and what a program imports stays behind.
  if (program !== undefined) throw new UserError('--workload: workers of a queue run no program of a user');
}

function onQueue(
  queue: string,
  job: CheckJob,
  io: CheckIo,
  onResult: (result: PartResult) => void,
  finish: () => number,
): number {
  const { entry, onEventLoop } = io;
  if (entry === undefined || onEventLoop === undefined) throw new UserError('--queue: this host cannot wait for one');
  return onEventLoop(() => playOnQueue(queue, job, { ...io, entry }, onResult).then(finish));
}

/** Plays the parts of a job, on threads where there are any. */
function play(
  job: CheckJob,
  program: WorkloadFile | undefined,
  jobs: number | undefined,
  io: CheckIo,
  onResult: (result: PartResult) => void,
): void {
  const onPart = (_: number, result: unknown): void => {
    if (result !== undefined) onResult(result as PartResult);
  };
  const here = (onProgress: ProgressListener): unknown => {
    const runs = checkRuns(io.checks);
    const telling: typeof runs = {
      ...runs,
      open: (options, listener) => {
        const open = runs.open(options, listener);
        return {
          ...open,
          run: (index, onShare) => {
            const result = open.run(index, onShare);
            onPart(index, result);
            return result;
          },
        };
      },
    };
    return runInOrder(telling, job, onProgress);
  };
  if (job.parts.length === 0) return;
  const patience = program && { ms: program.patienceMs, blamed: program.path, runs: job.parts.map(phaseOf) };
  const more: ThreadOptions = { onPart, ...(patience && { patience, isNeeded: true }) };
  withProgress(io.stderr, (onProgress) => io.onThreads?.('check', job, onProgress, jobs, more) ?? here(onProgress));
}

/** A user's program. */
interface WorkloadFile {
  readonly path: string;
  /** What the cases hang on: its name as it was given, and its bytes. */
  readonly identity: { readonly file: string; readonly crc32c: number };
  readonly patienceMs: number;
}

/** The file of `--workload`; undefined where the check takes none, or a program of its own. */
function workloadOf(given: object, { cwd }: CheckIo): WorkloadFile | undefined {
  const { workload, patience } = given as Partial<ValuesOf<ReturnType<typeof workloadOptions>>>;
  if (workload === undefined || !WORKLOAD_NAME.test(workload)) return undefined;
  const path = resolve(cwd, workload);
  const text = askHost(`cannot read ${workload}`, () => readFileSync(path));
  return { path, identity: { file: workload, crc32c: crc32c(text) }, patienceMs: patience! };
}

/** The number of cases that a check has with it. */
function countWith({ path, patienceMs }: WorkloadFile, job: CheckJob, io: CheckIo): number {
  const patience = { ms: patienceMs, blamed: path, runs: ['counting its cases'] };
  const cases = io.onThreads?.('check-count', job, () => undefined, 1, { patience, isNeeded: true });
  if (cases !== undefined) return cases;
  throw new UserError('--workload: this host has no thread for the program of a user');
}

interface OutputPaths {
  readonly out: NamedPath | undefined;
  readonly junit: NamedPath | undefined;
}

/** Where the outputs go. @throws UserError for options that do not go together */
function filesOf(
  { case: one, shard, out, resume, junit }: ValuesOf<typeof RUNNING>,
  keep: string | undefined,
  io: CheckIo,
): OutputPaths {
  if (one !== undefined && (shard ?? out ?? resume) !== undefined)
    throw new UserError('--case: one case is no shard, and has no file that a run goes on with');
  if (shard !== undefined && (out ?? resume) === undefined)
    throw new UserError('--shard: add --out FILE, for stillwarm check merge to join');
  const named = (name: string, path: string | undefined): NamedPath | undefined =>
    path === undefined ? undefined : { name, path: resolve(io.cwd, path) };
  const paths = { out: named('--out', out) ?? named('--resume', resume), junit: named('--junit', junit) };
  const kept = keep === undefined ? undefined : keptIn(keep, 'one.json', io);
  const outputs = [paths.out, paths.junit, kept].filter((file) => file !== undefined);
  checkOutputs([], outputs, io.hostStreams);
  return paths;
}

function oneCase({ check, options, cases }: RunPlan, from: number): Part {
  if (from >= cases) throw new UserError(`--case: ${from} is not 0 to ${cases - 1}`);
  return { check, options, from, to: from + 1 };
}

/** Whole parts that an earlier run has played. A part that was cut is played again. */
function earlierResults(path: string, plan: RunPlan, io: CheckIo): readonly PartResult[] {
  const { results, ...earlier } = parseRunFile(nameOf(path), textOf(path, io));
  for (const key of ['version', 'check', 'options', 'shard', 'cases', 'least'] as const) {
    const [then, now] = [JSON.stringify(earlier[key]), JSON.stringify(plan[key])];
    if (then !== now) throw new UserError(`--resume: ${path} is of another run: its ${key} is ${then}, here ${now}`);
  }
  return results.filter(isWhole);
}
