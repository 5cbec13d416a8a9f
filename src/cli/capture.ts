/**
 * `stillwarm capture -- COMMAND`: runs a program under strace, where that is installed, and records
 * what it does to files. The program has the streams of this one, and its exit status becomes ours.
 */

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { askHost, printable, UserError } from '../base/index.ts';
import { checkOutputs, kindOf } from '../experiment/guest/output-file.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import { writeNotices, type Io } from './kit/io.ts';
import { oneLine } from './kit/values.ts';
import { CAPTURE } from './trace-options.ts';

/** Calls that touch files and descriptors, as src/trace/strace-calls.ts reads them. */
const TRACED = [
  ...['open', 'openat', 'openat2', 'creat', 'close', 'close_range', 'read', 'readv', 'pread64', 'preadv', 'preadv2'],
  ...['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'sendfile', 'sendfile64', 'copy_file_range', 'splice'],
  ...['lseek', '_llseek', 'dup', 'dup2', 'dup3', 'fcntl', 'fcntl64', 'clone', 'clone3', 'fork', 'vfork', 'execve'],
  ...['chdir', 'fchdir', 'getcwd', 'truncate', 'ftruncate', 'fstat', 'unlink', 'unlinkat', 'rename', 'renameat'],
  ...['renameat2', 'link', 'linkat', 'fsync', 'fdatasync', 'sync', 'syncfs', 'mmap', 'mmap2', 'io_submit'],
  'io_uring_enter',
] as const;

/** What the program is to get that we get. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
const SIGNALLED = 128;

/**
 * @returns the exit status of the program: 128 and the number of the signal that ended it
 * @throws UserError
 */
export function capture(argv: readonly string[], io: Io): number {
  const { options, positionals } = parseCommand(CAPTURE, withLongNames(argv));
  if (options.help) {
    io.stdout.write(commandHelp(CAPTURE));
    return 0;
  }
  const path = resolve(io.cwd, options.output ?? `${basename(positionals[0]!)}.strace`);
  checkOutputs([], [{ name: 'FILE', path }], io.hostStreams);
  if (kindOf(path) === 'file' && !options.force)
    throw new UserError(`FILE: ${path} exists already; --force replaces it, --output names another`);
  checkStrace();
  if (io.onEventLoop === undefined) throw new UserError('capture: this host has no event loop for it');
  return io.onEventLoop(async () => {
    const part = join(dirname(path), `stillwarm-${process.pid}.part`);
    try {
      const status = await record(part, positionals, io);
      // strace itself has said why.
      if (kindOf(part) === 'nothing' || statSync(part).size === 0)
        throw new UserError(`capture: strace could not begin ${oneLine(positionals[0]!)}`);
      askHost(path, () => renameSync(part, path));
      writeNotices(io, [`${printable(path)}: recorded; stillwarm trace stat says what is in it`]);
      return status;
    } finally {
      rmSync(part, { force: true });
    }
  });
}

/** `-o` before the program is `--output`. */
function withLongNames(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  return argv.map((word, n) => (word === '-o' && (end < 0 || n < end) ? '--output' : word));
}

/** @throws UserError where strace cannot be run, that says how it is installed */
function checkStrace(): void {
  const { error, status } = spawnSync('strace', ['--version'], { stdio: 'ignore' });
  if (error === undefined && status === 0) return;
  if (process.platform !== 'linux')
    throw new UserError('capture: strace is a program of Linux: record the program there');
  throw new UserError(
    'capture: strace is not installed: apt-get install strace, dnf install strace, or apk add strace',
  );
}

/** Runs the program. Resolves to its exit status. */
async function record(path: string, command: readonly string[], io: Io): Promise<number> {
  const options = ['-f', '-ttt', '-T', '-y', '-s', '0', '-e', `trace=${TRACED.map((name) => `?${name}`).join(',')}`];
  const child = spawn('strace', [...options, '-o', path, '--', ...command], { cwd: io.cwd, stdio: 'inherit' });
  // A terminal sends its signals to the program as well.
  const isTerminal = process.stdin.isTTY;
  const forward = (signal: NodeJS.Signals): void => {
    if (isTerminal && (signal === 'SIGINT' || signal === 'SIGQUIT')) return;
    // strace holds them back: they go to the program.
    for (const pid of childrenOf(child.pid)) process.kill(pid, signal);
  };
  for (const signal of SIGNALS) process.on(signal, forward);
  try {
    return await new Promise<number>((done, failed) => {
      child.on('error', (error) => {
        failed(new UserError(`capture: strace cannot be run: ${error.message}`));
      });
      child.on('close', (code, signal) => {
        done(code ?? SIGNALLED + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    for (const signal of SIGNALS) process.off(signal, forward);
  }
}

/** The processes that a process has begun; none when the host does not tell. */
function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
