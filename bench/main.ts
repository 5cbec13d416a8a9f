/**
 * `npm run bench -- [--json] [--traces DIR] [SUBJECT …]`: prints a table of figures, each next to a rival's of the same
 * run and to its target. A missed target is marked and is no failure: the exit status stays 0.
 */

import { parseArgs } from 'node:util';
import { UserError } from '../src/base/index.ts';
import { bookkeeping } from './bookkeeping.ts';
import { cachedRead } from './cached-read.ts';
import { type Options, type Row, table } from './harness.ts';
import { many } from './many.ts';
import { pageAccess } from './page-access.ts';
import { rebuild } from './rebuild.ts';
import { recency } from './recency.ts';
import { scale } from './scale.ts';
import { suspend } from './suspend.ts';
import { write } from './write.ts';

const SUBJECTS: Readonly<Record<string, (options: Options) => Row[]>> = {
  'cached-read': cachedRead,
  'page-access': pageAccess,
  write,
  rebuild,
  bookkeeping,
  recency,
  scale,
  suspend,
  many,
};

function main(): void {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean', default: false }, traces: { type: 'string' } },
    allowPositionals: true,
  });
  const names = positionals.length > 0 ? positionals : Object.keys(SUBJECTS);
  const rows = names.flatMap((name) => {
    const subject = SUBJECTS[name];
    if (subject === undefined) throw new UserError(`${name}: not one of ${Object.keys(SUBJECTS).join(', ')}`);
    process.stderr.write(`${name} …\n`);
    return subject({ traces: values.traces });
  });
  process.stdout.write(values.json ? `${JSON.stringify(rows)}\n` : `${table(rows)}\n`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 2;
}
