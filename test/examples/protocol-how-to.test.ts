/**
 * The how-to of protocols, followed as it says: its file is written, its changes are made, and its
 * commands are run. It prints what they print; UPDATE_DOCS=1 writes it anew.
 *
 * A block of code that begins with `import` is the whole file. Any other takes the place of what
 * begins with the same name in the same column; or it is put before what the how-to names.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PROBLEMS } from '../../src/lab/protocol/index.ts';
import { BuiltCli, writeBundle } from '../support/built-cli.ts';
import { TIMEOUT_MS } from '../support/property.ts';

const PAGE = 'docs/how-to/check-your-own-protocol.md';
/** Where something new is put: before this line. */
const BEFORE: Readonly<Record<string, string>> = { '    events': '    laws: {', '  faults': '  build: ' };

let cli: BuiltCli;
let dir = '';
beforeAll(() => {
  cli = new BuiltCli();
  // The package in which the user's file finds itself, and its door.
  writeBundle(join(cli.dir, 'dist/lab/protocol/index.js'), 'src/lab/protocol/index.ts');
  dir = join(cli.dir, 'user');
  mkdirSync(dir);
});
afterAll(() => cli.remove());

/** The file with a block of the how-to in it. */
function changed(file: readonly string[], block: readonly string[]): string[] {
  const [first] = block;
  if (first!.startsWith('import')) return [...block];
  const name = /^ *[^:(<]+/.exec(first!)![0];
  const at = file.findIndex((line) => line.startsWith(name) && !/\w/.test(line[name.length]!));
  if (at < 0) {
    const before = file.findIndex((line) => line.startsWith(BEFORE[name]!));
    expect(before).toBeGreaterThan(0);
    return [...file.slice(0, before), ...block, ...file.slice(before)];
  }
  const indent = /^ */.exec(first!)![0];
  const end = block.length === 1 ? at : file.findIndex((line, n) => n > at && line.startsWith(`${indent}}`));
  return [...file.slice(0, at), ...block, ...file.slice(end + 1)];
}

it('the how-to of protocols prints what its commands print, and finds what it says', { timeout: TIMEOUT_MS }, () => {
  const document = readFileSync(PAGE, 'utf8');
  let file: string[] = [];
  let printed = '';
  const statuses: (number | null)[] = [];
  const written = document.replace(/^```(\w*)\n([^]*?)^```\n/gm, (whole: string, language: string, block: string) => {
    if (language === 'ts') file = changed(file, block.trimEnd().split('\n'));
    if (language === '') return `\`\`\`\n${printed}\`\`\`\n`;
    if (language !== 'sh' || !block.startsWith('stillwarm ')) return whole;
    writeFileSync(join(dir, 'hand-over.ts'), `${file.join('\n')}\n`);
    const { status, out, err } = cli.bash(dir, block);
    statuses.push(status);
    expect(err === '').toBe(status !== 2);
    // The host's time is never the same twice.
    printed = (out + err).replaceAll(/\d\.\d\d s/g, '0.01 s');
    return whole;
  });
  expect(statuses).toEqual([1, 0, 1, 0, 0, 0, 3, 2]);
  expect(readFileSync(join(dir, 'hand-over.html'), 'utf8')).toContain('next server, attach');
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, written);
  expect(readFileSync(PAGE, 'utf8')).toBe(written);
});

it('the how-to of protocols explains every kind of problem, and no other, by what its message says', () => {
  const table = readFileSync(PAGE, 'utf8').split('| kind | the message | what to do |')[1]!;
  const rows = [...table.matchAll(/^\| ([^|]+) \| ([^|]+) \|/gm)];
  expect(rows.map(([, kind]) => kind)).toEqual(PROBLEMS);
  const sources = readdirSync('src/lab/protocol').map((name) => readFileSync(join('src/lab/protocol', name), 'utf8'));
  for (const [, , messages] of rows)
    for (const [, message] of messages!.matchAll(/`([^`]+)`/g)) expect(sources.join('')).toContain(message);
});
