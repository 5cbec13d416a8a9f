/**
 * Where output may go, and how it is written.
 *
 * `checkOutputs` decides for every command, before any work is done. It compares files by device
 * and inode, never by spelling. It refuses:
 * - an input, and anything in a directory that is read;
 * - a directory, a device, a pipe, a socket, a dangling link;
 * - one file for two outputs;
 * - a place where the host does not allow a file.
 *
 * Standard output and standard error, where they are files, follow the same rules, but both may be
 * one file.
 *
 * `replaceFile` writes a file as a whole or not at all: under another name in the same directory,
 * renamed when it is complete. A reader sees the old file or the new one. A failure removes what
 * was begun. A link stays a link, and the file that it leads to is replaced.
 */

import { Buffer } from 'node:buffer';
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  type BigIntStats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { asInputError, askHost, InputError, UserError } from '../../base/index.ts';

/** A path and the option or argument that named it. */
export interface NamedPath {
  readonly name: string;
  readonly path: string;
}

export interface OutputFile extends NamedPath {
  /** Directories that are missing on the way are made. */
  readonly makesDirectories?: boolean;
}

export type FileKind = 'nothing' | 'file' | 'directory' | 'device' | 'pipe' | 'socket' | 'link to nothing';

/** The file at a path, links followed. @throws UserError when the host does not tell */
export function kindOf(path: string): FileKind {
  const stat = statOf(path);
  if (stat !== undefined) return kindOfStat(stat);
  return ifThere(path, lstatSync) === undefined ? 'nothing' : 'link to nothing';
}

function kindOfStat(stat: BigIntStats): FileKind {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isFIFO()) return 'pipe';
  return stat.isSocket() ? 'socket' : 'device';
}

const statOf = (path: string): BigIntStats | undefined => ifThere(path, () => statSync(path, { bigint: true }));

/** Undefined when nothing is at the path. */
function ifThere<T>(path: string, ask: (path: string) => T): T | undefined {
  try {
    return ask(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw asInputError(error, path);
  }
}

const identityOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

/** A stream of the process, which may lead to a file. */
export interface HostStream {
  readonly name: string;
  readonly fd: number;
}

/** The place of an output, whatever its spelling. */
interface Place {
  readonly output: NamedPath;
  /** The file that is replaced; undefined when there is none. */
  readonly identity: string | undefined;
  /** The directory that exists, and what is below it: equal for equal places. */
  readonly key: string;
  readonly existingDirectory: string;
  /** Its name in the last of them. */
  readonly name: string;
  /** Directories to be made in it, outermost first. */
  readonly missing: readonly string[];
}

/**
 * Checks, before any work is done, that all outputs can be written without harm.
 * @param inputs what is read meanwhile
 * @throws UserError naming the output
 */
export function checkOutputs(
  inputs: readonly NamedPath[],
  outputs: readonly OutputFile[],
  streams: readonly HostStream[] = [],
): void {
  const read = inputs.map((input) => ({ input, stat: statOf(input.path) }));
  const streamFiles = streams.flatMap(({ name, fd }) => {
    const stat = fstatSync(fd, { bigint: true });
    return stat.isFile() ? [{ name, fd, stat, identity: identityOf(stat) }] : [];
  });
  for (const { name, fd, stat, identity } of streamFiles)
    for (const { input, stat: ofInput } of read) {
      if (ofInput === undefined) continue;
      if (identityOf(ofInput) === identity) throw new UserError(`${name} is ${input.name} itself`);
      if (ofInput.isDirectory() && hasNameIn(input.path, fd, stat))
        throw new UserError(`${name} lies in ${input.name}, which is being read`);
    }

  const taken: Place[] = [];
  const take = (place: Place): void => {
    const { output, identity, key } = place;
    const refuse = (why: string): never => {
      throw new UserError(`${output.name}: ${output.path} ${why}`);
    };
    for (const { input, stat } of read)
      if (identity !== undefined && stat !== undefined && identityOf(stat) === identity)
        refuse(`is ${input.name} itself`);
    for (const stream of streamFiles) if (stream.identity === identity) refuse(`is written by ${stream.name}, too`);
    for (const other of taken) {
      const isSame = other.identity !== undefined && other.identity === identity;
      if (isSame || other.key === key) refuse(`is written by ${other.output.name}, too`);
      if (`${key}/`.startsWith(`${other.key}/`) || `${other.key}/`.startsWith(`${key}/`))
        refuse(`and that of ${other.output.name} cannot both be there`);
    }
    taken.push(place);
  };

  const places = outputs.map(placeOf);
  for (const place of places) {
    take(place);
    for (const { input, stat } of read)
      if (stat?.isDirectory() === true && liesIn(place.existingDirectory, identityOf(stat)))
        throw new UserError(`${place.output.name}: ${place.output.path} lies in ${input.name}, which is being read`);
    tryToWrite(place);
  }
}

function placeOf(output: OutputFile): Place {
  const { name, path, makesDirectories = false } = output;
  const kind = kindOf(path);
  if (kind !== 'nothing' && kind !== 'file') throw new UserError(`${name}: ${path} is a ${kind}`);
  const target = kind === 'file' ? askHost(path, () => realpathSync(path)) : path;
  const missing: string[] = [];
  let directory = dirname(target);
  for (let found = kindOf(directory); found !== 'directory'; found = kindOf(directory)) {
    if (found !== 'nothing')
      throw new UserError(`${name}: ${directory} is ${found === 'file' ? 'not a directory' : `a ${found}`}`);
    if (!makesDirectories) throw new UserError(`${name}: ${directory} does not exist`);
    missing.unshift(basename(directory));
    directory = dirname(directory);
  }
  const inDirectory = identityOf(statOf(directory)!);
  return {
    output,
    identity: kind === 'file' ? identityOf(statOf(target)!) : undefined,
    key: [inDirectory, ...missing, basename(target)].join('/'),
    existingDirectory: askHost(directory, () => realpathSync(directory)),
    name: basename(target),
    missing,
  };
}

/** Whether a directory is the one with this identity, or lies in it. */
function liesIn(directory: string, identity: string): boolean {
  for (let at = directory; ; at = dirname(at)) {
    const stat = statOf(at);
    if (stat !== undefined && identityOf(stat) === identity) return true;
    if (dirname(at) === at) return false;
  }
}

/**
 * Whether an open file has a name in the directory. Linux tells one of its names; the others are
 * found by looking at all.
 */
function hasNameIn(directory: string, fd: number, stat: BigIntStats): boolean {
  if (stat.nlink === 0n) return false;
  const path = orUndefined(() => readlinkSync(`/proc/self/fd/${fd}`));
  const isThere =
    path !== undefined &&
    sameFile(
      stat,
      orUndefined(() => statSync(path, { bigint: true })),
    );
  if (isThere && liesIn(dirname(path), identityOf(statOf(directory)!))) return true;
  return (!isThere || stat.nlink > 1n) && hasEntry(directory, stat);
}

const sameFile = (a: BigIntStats, b: BigIntStats | undefined): boolean =>
  b !== undefined && identityOf(a) === identityOf(b);

/** Undefined when the host refuses. */
function orUndefined<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (asInputError(error, '') === error) throw error;
    return undefined;
  }
}

/**
 * Whether the file has a name anywhere in the directory. Places that the host does not show are not
 * read.
 */
function hasEntry(directory: string, file: BigIntStats): boolean {
  const rest = [Buffer.from(directory)];
  for (let at = rest.pop(); at !== undefined; at = rest.pop()) {
    const directoryAt = at;
    for (const name of orUndefined(() => readdirSync(directoryAt, { encoding: 'buffer' })) ?? []) {
      const path = Buffer.concat([directoryAt, Buffer.from('/'), name]);
      const stat = orUndefined(() => lstatSync(path, { bigint: true }));
      if (sameFile(file, stat)) return true;
      if (stat?.isDirectory() === true) rest.push(path);
    }
  }
  return false;
}

/** Only the host knows whether a file can be made, so one is made, and removed, under each name. */
function tryToWrite({ output, identity, existingDirectory, name, missing }: Place): void {
  const made: string[] = [];
  try {
    let directory = existingDirectory;
    for (const step of missing) {
      directory = join(directory, step);
      mkdirSync(directory);
      made.unshift(directory);
    }
    const names = identity === undefined ? [join(directory, name)] : [];
    for (const probe of [...names, unusedName(directory)]) {
      closeSync(openSync(probe, 'wx'));
      rmSync(probe);
    }
  } catch (error) {
    throw asInputError(error, `${output.name}: ${output.path} cannot be written`);
  } finally {
    for (const directory of made) rmdirSync(directory);
  }
}

/**
 * An unused name in the directory; files of a killed run are left to the user. Short, so that it is
 * never too long.
 */
function unusedName(directory: string): string {
  for (let n = 0; ; n++) {
    const candidate = join(directory, `stillwarm-${process.pid}${n === 0 ? '' : `-${n}`}.part`);
    if (ifThere(candidate, lstatSync) === undefined) return candidate;
  }
}

/**
 * Makes the file `path` by calling `write`, which creates and writes the file that it is given.
 * @throws UserError when the host refuses, or something other than a file is there. Other errors of
 * `write` pass through. Nothing is left behind.
 */
export function replaceFile(path: string, write: (partPath: string) => void): void {
  const part = new Part(path);
  try {
    write(part.path);
    part.finish();
  } catch (error) {
    throw part.abandoned(error);
  }
}

/** The same for a `write` that waits. It rejects with what `replaceFile` throws. */
export async function replaceFileLater(path: string, write: (partPath: string) => Promise<void>): Promise<void> {
  const part = new Part(path);
  try {
    await write(part.path);
    part.finish();
  } catch (error) {
    throw part.abandoned(error);
  }
}

/** What becomes the file `wanted` when it is complete. */
class Part {
  readonly path: string;
  readonly #wanted: string;
  readonly #target: string;

  constructor(wanted: string) {
    const kind = kindOf(wanted);
    if (kind !== 'nothing' && kind !== 'file') throw new UserError(`cannot write ${wanted}: it is a ${kind}`);
    this.#wanted = wanted;
    this.#target = kind === 'file' ? askHost(wanted, () => realpathSync(wanted)) : wanted;
    this.path = unusedName(dirname(this.#target));
  }

  finish(): void {
    renameSync(this.path, this.#target);
  }

  /** Removes what was begun. Returns the error for the user, who knows the file by its own name. */
  abandoned(error: unknown): unknown {
    if (ifThere(this.path, lstatSync) !== undefined) rmSync(this.path, { force: true });
    if (error instanceof InputError || error instanceof UserError)
      return new UserError(error.message.replace(this.path, this.#wanted));
    return asInputError(error, `cannot write ${this.#wanted}`);
  }
}
