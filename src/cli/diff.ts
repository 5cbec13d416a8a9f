/** `stillwarm diff`: two results of `--json`, of one command. The comparison is the room diff/. */

import { Buffer } from 'node:buffer';
import { closeSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { askHost, InputError, printableJson, UserError } from '../base/index.ts';
import { compareResults, diffResult, readResult, renderComparison } from '../diff/index.ts';
import { openRegularFile } from '../disk/image/file-image.ts';
import { checkOutputs } from '../experiment/guest/output-file.ts';
import { parseCommand } from './args.ts';
import { commandHelp } from './help.ts';
import type { Io } from './io.ts';
import { DIFF } from './options.ts';
import { oneLine, sizeText } from './values.ts';

/** Bytes of a file. Results have some thousands, with long time lines a few millions. */
const BYTES_MAX = 64 << 20;
const CHUNK_BYTES = 1 << 20;

/**
 * @returns the exit status: 1 when the results differ by more than the tolerance, else 0
 * @throws UserError, InputError
 */
export function diff(argv: readonly string[], io: Io): number {
  const { options, positionals } = parseCommand(DIFF, argv);
  if (options.help) {
    io.stdout.write(commandHelp(DIFF));
    return 0;
  }
  const [pathA, pathB] = positionals as [string, string];
  if (pathA === '-' && pathB === '-') throw new UserError('A.json and B.json are both -, but standard input is one');
  const named = DIFF.positionals.map(({ name }, n) => ({ name, path: positionals[n]! }));
  const files = named.filter(({ path }) => path !== '-');
  checkOutputs(
    files.map(({ name, path }) => ({ name, path: resolve(io.cwd, path) })),
    [],
    io.hostStreams,
  );
  const [a, b] = [readResult(nameOf(pathA), textOf(pathA, io)), readResult(nameOf(pathB), textOf(pathB, io))];
  if (a.schema !== b.schema)
    throw new UserError(`A.json is ${a.schema}, B.json is ${b.schema}: only results of one command are compared`);
  const { tolerance, only } = options;
  const comparison = compareResults(a, b, { tolerance, only });
  const { compared, onlyInA, onlyInB } = comparison.figures;
  if (only !== '' && compared + onlyInA.length + onlyInB.length === 0)
    throw new UserError(`--only: no figure has ${oneLine(only)} in its path`);
  io.stdout.write(
    options.json
      ? `${printableJson(diffResult(comparison))}\n`
      : renderComparison(comparison, [nameOf(pathA), nameOf(pathB)]),
  );
  return comparison.differs ? 1 : 0;
}

const nameOf = (path: string): string => (path === '-' ? 'standard input' : path);

/** The text of a file, or of standard input. @throws InputError */
function textOf(path: string, io: Io): string {
  const name = nameOf(path);
  const tooLong = (): never => {
    throw new InputError(`${name}: more than ${sizeText(BYTES_MAX)}: not the result of a command`);
  };
  const bytes = path === '-' ? readAll(io.stdin, name, tooLong) : readFile(resolve(io.cwd, path), name, tooLong);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${name}: not text in UTF-8`);
  }
}

function readFile(path: string, name: string, tooLong: () => never): Uint8Array {
  const { fd, size } = openRegularFile(path, `cannot read ${name}`);
  try {
    return size > BYTES_MAX ? tooLong() : readAll(fd, name, tooLong);
  } finally {
    closeSync(fd);
  }
}

/** A file may grow meanwhile, and a pipe has no size. */
function readAll(fd: number, name: string, tooLong: () => never): Uint8Array {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let total = 0; ; ) {
    const length = askHost(`cannot read ${name}`, () => readSync(fd, chunk));
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(Buffer.from(chunk.subarray(0, length)));
    total += length;
    if (total > BYTES_MAX) tooLong();
  }
}
