/** `stillwarm check protocol`: protocols of users, or those that come with stillwarm. */

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askHost, InputError, printableJson, shellWord, UserError } from '../../base/index.ts';
import { checkOutputs, replaceFile, type OutputFile } from '../../experiment/guest/output-file.ts';
import type { Row } from '../../lab/protocol/check.ts';
import { protocolPage } from '../../report/protocol-html.ts';
import { parseCommand } from '../kit/args.ts';
import { commandHelp } from '../kit/help.ts';
import type { ValuesOf } from '../kit/option-kinds.ts';
import { plain, revive } from '../kit/plain-error.ts';
import { checkReadable } from '../kit/read-text.ts';
import { threadFor } from '../kit/threads.ts';
import type { CheckIo } from './io.ts';
import { CHECK_PROTOCOL, PROTOCOL_NAME } from './options.ts';
import { renderProtocols } from './protocol-text.ts';
import { protocolResult, type Checked } from './protocol-result-of.ts';
import type { ProtocolInput, ProtocolMessage } from './protocol-thread.ts';

/** Steps of a refusal that are told: the last. */
const STEPS_MAX = 20;
/** What a report never replaces: the protocol may import it. */
const PROGRAM_NAME = /\.([cm]?[jt]s|json)$/i;
/** Between two looks at what a thread does, ms. */
const LOOK_MS = 100;
/** Least time that a thread has to begin, ms. */
const BEGIN_MS = 20_000;

type Given = ValuesOf<typeof CHECK_PROTOCOL.options>;

/**
 * @returns the exit status: 1 when a protocol is not as it should be, 3 when a bound was reached
 * first, else 0
 * @throws UserError, InputError
 */
export function checkProtocols(argv: readonly string[], io: CheckIo): number {
  const { options, positionals } = parseCommand(CHECK_PROTOCOL, argv);
  if (options.help) {
    io.stdout.write(commandHelp(CHECK_PROTOCOL));
    return 0;
  }
  const { entry, onEventLoop } = io;
  if (entry === undefined || onEventLoop === undefined)
    throw new UserError('check protocol: this host has no thread for the program of a user');
  const [file] = positionals;
  if (file === undefined && options.fault !== undefined) throw new UserError('--fault: name the FILE, too');
  if (file !== undefined && !PROTOCOL_NAME.test(file))
    throw new UserError(`FILE: expected .js, .mjs, .mts or .ts, got ${shellWord(file)}`);
  const files = file === undefined ? examples(entry) : [{ file, path: resolve(io.cwd, file) }];
  for (const each of files) checkReadable(each.path, `cannot read ${each.file}`);
  const report: OutputFile | undefined =
    options.report === undefined ? undefined : { name: '--report', path: resolve(io.cwd, options.report) };
  if (report !== undefined && PROGRAM_NAME.test(report.path) && existsSync(report.path))
    throw new UserError(`--report: ${report.path} is there, and may be a part of a program: it is not replaced`);
  checkOutputs(
    files.map(({ path }) => ({ name: 'FILE', path })),
    report === undefined ? [] : [report],
    io.hostStreams,
  );
  return onEventLoop(async () => {
    const checked: Checked[] = [];
    const print = (): void => void io.stdout.write(renderProtocols(checked, options.fault !== undefined));
    try {
      for (const { file: name, path } of files) await checkOne(name, path, options, entry, checked);
    } catch (error) {
      if (!options.json && checked.some(({ rows }) => rows.length > 0)) print();
      throw error;
    }
    if (options.json) io.stdout.write(`${printableJson(protocolResult(checked))}\n`);
    else print();
    if (report !== undefined) {
      const histories = checked.flatMap(({ rows }) => rows.flatMap(({ row }) => row.outcome.counterexample ?? []));
      replaceFile(report.path, (part) => writeFileSync(part, protocolPage(histories), { flag: 'wx' }));
    }
    return statusOf(checked);
  });
}

/** The protocols that come with stillwarm. */
function examples(entry: URL): { readonly file: string; readonly path: string }[] {
  const folder = fileURLToPath(new URL('../examples/protocols', entry));
  const names = askHost('cannot read the protocols of stillwarm', () => readdirSync(folder));
  return names
    .filter((name) => PROTOCOL_NAME.test(name))
    .sort()
    .map((name) => ({ file: join(folder, name), path: join(folder, name) }));
}

function statusOf(checked: readonly Checked[]): number {
  const verdicts = checked.flatMap(({ rows }) => rows.map(({ row }) => row.verdict));
  if (verdicts.includes('wrong')) return 1;
  return verdicts.includes('partial') ? 3 : 0;
}

/**
 * @param checked is given what is found, as soon as it is
 * @throws InputError for a protocol that is unfit, or does not return
 */
async function checkOne(file: string, path: string, options: Given, entry: URL, checked: Checked[]): Promise<void> {
  const { fault, states, depth, patience } = options;
  const cells = new Int32Array(new SharedArrayBuffer(8));
  const input: ProtocolInput = { role: 'protocol', path, file, fault, states, depth, cells };
  const worker = threadFor(entry, input);
  const rows: { row: Row; ms: number }[] = [];
  let functions: readonly string[] = [];
  let [isBegun, isLoaded] = [false, false];
  const where = (): string => {
    if (!isLoaded) return 'its import';
    return functions.length === 0 ? 'build' : (functions[cells[1]! - 1] ?? 'alike: swap');
  };
  try {
    await new Promise<void>((end, fail) => {
      let [last, quiet] = ['', 0];
      const timer = setInterval(() => {
        const now = [isBegun, isLoaded, functions.length, rows.length, ...cells].join(' ');
        quiet = now === last ? quiet + LOOK_MS : 0;
        last = now;
        if (quiet < (isBegun ? patience : Math.max(patience, BEGIN_MS))) return;
        fail(new InputError(`${file}: ${where()}: it does not return (--patience is over)`));
      }, LOOK_MS);
      const stop = (error?: Error): void => {
        clearInterval(timer);
        if (error === undefined) end();
        else fail(error);
      };
      // The user's module can post, too: what is no message of ours is refused.
      worker.on('message', (message: ProtocolMessage | null) => {
        if (message?.kind === 'begun') isBegun = true;
        else if (message?.kind === 'loaded') {
          isLoaded = true;
          checked.push({ file, protocol: message.protocol, what: message.what, rows });
        } else if (message?.kind === 'functions') functions = message.names;
        else if (message?.kind === 'row' && message.row.verdict === 'refused') stop(refusal(message.row, file));
        else if (message?.kind === 'row') rows.push({ row: named(message.row, file), ms: message.ms });
        else if (message?.kind === 'failed') stop(revive(message.error));
        else if (message?.kind === 'done' && rows.length > 0) stop();
        else stop(new InputError(`${file}: it posts a message to the thread of stillwarm`));
      });
      worker.on('error', (error: unknown) =>
        stop(new InputError(`${file}: its thread has ended: ${plain(error).message.split('\n')[0]}`)),
      );
      worker.on('exit', () => stop(new InputError(`${file}: ${where()}: it has ended its thread`)));
    });
  } finally {
    await worker.terminate();
  }
}

/** What is wrong with a protocol, in one line, and the steps that lead there. */
function refusal({ fault, why, outcome: { problem } }: Row, file: string): InputError {
  const steps = (problem?.history?.steps ?? []).map(({ actor, step }) => (actor === '' ? step : `${actor}.${step}`));
  const told = steps.length > STEPS_MAX ? ['…', ...steps.slice(-STEPS_MAX)] : steps;
  const name = fault === '' ? file : `${file} with ${fault}`;
  return new InputError(`${name}: ${why}${steps.length === 0 ? '' : ` (after ${told.join(', ')})`}`);
}

/** The row with a line that finds the history again. */
function named(row: Row, file: string): Row {
  const { counterexample } = row.outcome;
  if (counterexample === undefined) return row;
  const fault = row.fault === '' ? '' : ` --fault ${shellWord(row.fault)}`;
  const replay = `stillwarm check protocol ${shellWord(file)}${fault}`;
  return { ...row, outcome: { ...row.outcome, counterexample: { ...counterexample, replay } } };
}
