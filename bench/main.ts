/**
 * `npm run bench -- [--json] [--traces DIR] [--against COMMIT] [SUBJECT …]`: prints a table of
 * figures, each next to its target and to a rival's figure of the same run. A missed target is
 * marked, and the exit status stays 0. With `--against` the rival is another commit. A row that is
 * slower than there is a failure, with exit status 1.
 */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { InputError, UserError } from '../src/base/index.ts';
import { against, comparisonTable } from './against.ts';
import { bookkeeping } from './bookkeeping.ts';
import { cachedRead } from './cached-read.ts';
import { commands } from './commands.ts';
import { doors } from './doors.ts';
import { drives } from './drives.ts';
import { embedded } from './embedded.ts';
import { type Options, type Row, table } from './harness.ts';
import { lab } from './lab.ts';
import { many } from './many.ts';
import { pageAccess } from './page-access.ts';
import { policies } from './policies.ts';
import { protocol } from './protocol.ts';
import { rebuild } from './rebuild.ts';
import { recency } from './recency.ts';
import { scale } from './scale.ts';
import { scope } from './scope.ts';
import { sqlite } from './sqlite.ts';
import { suspend } from './suspend.ts';
import { predict } from './predict.ts';
import { trace } from './trace.ts';
import { web } from './web.ts';
import { write } from './write.ts';

const SUBJECTS: Readonly<Record<string, (options: Options) => Row[] | Promise<Row[]>>> = {
  'cached-read': cachedRead,
  'page-access': pageAccess,
  policies,
  write,
  rebuild,
  bookkeeping,
  recency,
  scale,
  suspend,
  web,
  drives,
  doors,
  embedded,
  lab,
  many,
  sqlite,
  scope,
  protocol,
  trace,
  predict,
  commands,
};
/** Takes a minute and a half for one round: only when it is named. */
const WHEN_NAMED = 'commands';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      traces: { type: 'string' },
      against: { type: 'string' },
    },
    allowPositionals: true,
  });
  const names = positionals.length > 0 ? positionals : Object.keys(SUBJECTS).filter((name) => name !== WHEN_NAMED);
  const subjects = names.map((name) => {
    const subject = SUBJECTS[name];
    if (subject === undefined) throw new UserError(`${name}: not one of ${Object.keys(SUBJECTS).join(', ')}`);
    return { name, subject };
  });
  if (values.against !== undefined) {
    const traces = values.traces === undefined ? [] : ['--traces', resolve(values.traces)];
    const comparisons = against(values.against, [...traces, ...positionals]);
    process.stdout.write(values.json ? `${JSON.stringify(comparisons)}\n` : `${comparisonTable(comparisons)}\n`);
    if (comparisons.some(({ fails }) => fails)) process.exitCode = 1;
    return;
  }
  const rows: Row[] = [];
  for (const { name, subject } of subjects) {
    process.stderr.write(`${name} …\n`);
    rows.push(...(await subject({ traces: values.traces })));
  }
  process.stdout.write(values.json ? `${JSON.stringify(rows)}\n` : `${table(rows)}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UserError || error instanceof InputError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 2;
}
