/** `stillwarm diff`: two results of `--json`, of one command. The comparison is the room diff/. */

import { resolve } from 'node:path';
import { printableJson, UserError } from '../base/index.ts';
import { compareResults, diffResult, readResult, renderComparison } from '../diff/index.ts';
import { checkOutputs } from '../experiment/guest/output-file.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import type { Io } from './kit/io.ts';
import { DIFF } from './options.ts';
import { nameOf, textOf } from './kit/read-text.ts';
import { oneLine } from './kit/values.ts';

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
