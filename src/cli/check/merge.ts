/** `stillwarm check merge`: the files of all shards of one check as the result of the whole. */

import { resolve } from 'node:path';
import { UserError } from '../../base/index.ts';
import { checkOutputs } from '../../experiment/guest/output-file.ts';
import { parseCommand } from '../kit/args.ts';
import { parseRunFile, wholeOf, type RunFile } from './file.ts';
import { CHECK_MERGE } from './options.ts';
import { tellFindings } from './output.ts';
import { commandHelp } from '../kit/help.ts';
import type { CheckIo } from './io.ts';
import { nameOf, textOf } from '../kit/read-text.ts';
import { oneLine } from '../kit/values.ts';

/** What is the same in all shards of one run. */
const SAME = ['check', 'version', 'options', 'cases', 'least'] as const;

interface Read {
  readonly name: string;
  readonly file: RunFile;
}

/**
 * @returns the exit status, as of a run of the whole
 * @throws UserError, InputError
 */
export function mergeShards(argv: readonly string[], io: CheckIo): number {
  const { options, positionals } = parseCommand(CHECK_MERGE, argv);
  if (options.help) {
    io.stdout.write(commandHelp(CHECK_MERGE));
    return 0;
  }
  const junit = options.junit === undefined ? undefined : { name: '--junit', path: resolve(io.cwd, options.junit) };
  const inputs = positionals
    .filter((path) => path !== '-')
    .map((path) => ({ name: path, path: resolve(io.cwd, path) }));
  checkOutputs(inputs, junit === undefined ? [] : [junit], io.hostStreams);
  const read = positionals.map(
    (path): Read => ({ name: nameOf(path), file: parseRunFile(nameOf(path), textOf(path, io)) }),
  );
  const { file } = checkedShards(read);
  const entry = io.checks.find(({ checkOf }) => checkOf(undefined).name === file.check);
  if (entry === undefined) throw new UserError(`${read[0]!.name}: there is no check ${oneLine(file.check)}`);
  const results = read.flatMap((each) => each.file.results);
  return tellFindings(entry, file, wholeOf(file), results, { json: options.json, junit }, io);
}

/** @returns the first one. @throws UserError unless they are all shards of one run, each once */
function checkedShards(read: readonly Read[]): Read {
  const [first, ...others] = read as [Read, ...Read[]];
  const { of } = first.file.shard;
  const seen = new Map([[first.file.shard.number, first.name]]);
  for (const { name, file } of others) {
    for (const key of SAME) {
      const [one, other] = [JSON.stringify(first.file[key]), JSON.stringify(file[key])];
      if (one !== other)
        throw new UserError(`${name} is of another run than ${first.name}: its ${key} is ${other}, not ${one}`);
    }
    const { shard } = file;
    if (shard.of !== of) throw new UserError(`${name} is one of ${shard.of} shards, ${first.name} one of ${of}`);
    const twin = seen.get(shard.number);
    if (twin !== undefined) throw new UserError(`${twin} and ${name} are both shard ${shard.number}/${of}`);
    seen.set(shard.number, name);
  }
  const missing = Array.from({ length: of }, (_, n) => n + 1).filter((number) => !seen.has(number));
  if (missing.length > 0)
    throw new UserError(`shard${missing.length > 1 ? 's' : ''} ${missing.join(', ')} of ${of} missing`);
  return first;
}
