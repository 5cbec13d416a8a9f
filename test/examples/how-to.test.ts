/**
 * The programs of README and of the how-tos run. All blocks of a document are one program; those
 * behind the heading of SQLite are another one. They import the doors as a user does. Where a
 * comment behind a call begins with a number or a boolean, the call returns it. The how-to of
 * protocols has a test of its own (protocol-how-to.test.ts).
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LAWS } from '../../src/doors/testing/index.ts';
import { runsFactor, TIMEOUT_MS } from '../support/property.ts';

const DIR = '.build/how-to';
const { exports: doors } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | { default: string }>;
};

const OTHER = 'docs/how-to/check-your-own-protocol.md';
const documents = ['README.md', ...readdirSync('docs/how-to').map((name) => join('docs/how-to', name))].filter(
  (name) => name !== OTHER,
);
/** A chapter that begins anew. */
const SQLITE = /^## SQLite/m;

const withPrograms = documents.filter((name) => /^```ts$/m.test(readFileSync(name, 'utf8')));

/** The source of what a user imports. */
function sourceOf(name: string): string {
  const door = doors[name.replace('stillwarm', '.')];
  if (typeof door !== 'object') throw new Error(`${name} is no door`);
  return resolve(door.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts'));
}

const blocksOf = (text: string): string[] => [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block!);

function programOf(document: string): { readonly source: string; readonly checks: number } {
  const blocks = blocksOf(readFileSync(document, 'utf8').split(SQLITE)[0]!);
  let checks = 0;
  const source = blocks
    .join('')
    .replaceAll("'disk.img'", `'${resolve(DIR, 'disk.img')}'`)
    .replace(/'(stillwarm[^']*)'/g, (_, name: string) => `'${sourceOf(name)}'`)
    .replace(/^(\w\S*\(.*); \/\/ (\d+|true|false)\b.*$/gm, (_, call: string, value: string) => {
      checks++;
      return `expect(${call}).toBe(${value});`;
    });
  return { source: `import { expect } from 'vitest';\n${source}`, checks };
}

afterAll(() => rmSync(DIR, { recursive: true, force: true }));

test('README and four how-tos have programs, and README says what three calls return', () => {
  expect(withPrograms[0]).toBe('README.md');
  expect(withPrograms.length).toBeGreaterThan(4);
  expect(programOf('README.md').checks).toBe(3);
});

test.each(withPrograms)('the program of %s runs', async (document) => {
  mkdirSync(DIR, { recursive: true });
  const file = resolve(DIR, `${basename(document, '.md')}.ts`);
  writeFileSync(file, programOf(document).source);
  await import(file);
});

test('the how-to of properties names every law, and no other', () => {
  const text = readFileSync('docs/how-to/test-with-properties.md', 'utf8');
  const table = text.slice(text.indexOf('| law |'), text.indexOf('`programs` and `reboots` of the input'));
  const named = [...table.matchAll(/^\| ([^|]+) \|/gm)].map(([, name]) => name!).slice(1);
  expect(named).toEqual(Object.keys(LAWS));
});

test.each([
  ['crashes', '', /At (\d+) of them/],
  ['losses of power', 'machine.losePower({ keep: 0.5 });', /the same, at (\d+) of them/],
])(
  'the 30 lines take SQLite through %s: all 1,000 of them with STILLWARM_RUNS=200',
  {
    timeout: TIMEOUT_MS * Math.max(1, runsFactor()),
  },
  async (what, before, told) => {
    const text = readFileSync('docs/how-to/crash-test-your-storage-code.md', 'utf8');
    const [program, ...more] = blocksOf(text.split(SQLITE)[1]!);
    expect(more).toEqual([]);
    expect(program!.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
    const every = Math.max(1, Math.round(200 / runsFactor()));
    const source = program!
      .replace("'stillwarm'", `'${sourceOf('stillwarm')}'`)
      .replace("'./vfs.ts'", `'${resolve('examples/sqlite/vfs.ts')}'`)
      .replace('event < 1000; event++', `event < 1000; event += ${every}`)
      .replace('for (', 'export let [machines, ahead] = [0, 0];\n$&')
      .replace('use(machine);', '$&\n  machines++;')
      .replace('machine.reboot();', `${before}$&`)
      .replace('if (found <', 'if (found > acknowledged) ahead++;\n  $&');
    expect(source).toContain(`event += ${every}`);
    mkdirSync(DIR, { recursive: true });
    const file = resolve(DIR, `sqlite ${what}.ts`);
    writeFileSync(file, source);
    // The program itself says nothing.
    const { machines, ahead } = (await import(file)) as { readonly machines: number; readonly ahead: number };
    expect(machines).toBe(Math.ceil(1000 / every));
    expect(source).toContain('ahead++');
    if (every === 1) expect(ahead).toBe(Number(told.exec(text)![1]));
  },
);
