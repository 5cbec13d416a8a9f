// The programs of a how-to run as they are printed: each block of TypeScript is a program of its
// own, over the source instead of the package.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LAWS } from '../../src/doors/testing/index.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = { 'test-with-properties.md': 4 };
/** Where a name of the package lies here. */
const SOURCES: Readonly<Record<string, string>> = {
  stillwarm: 'src/index.ts',
  'stillwarm/testing': 'src/doors/testing/index.ts',
};

function blocksOf(page: string): string[] {
  const text = readFileSync(join(ROOT, 'docs/how-to', page), 'utf8');
  return [...text.matchAll(/```ts\n([^]*?)```/g)].map(([, block]) => block!);
}

describe.each(Object.entries(PAGES))('the programs of docs/how-to/%s', (page, count) => {
  let dir: string;
  beforeAll(() => {
    mkdirSync(join(ROOT, '.build'), { recursive: true });
    dir = mkdtempSync(join(ROOT, '.build', 'how-to-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it(`the page ${page} has as many programs as are run`, () => {
    expect(blocksOf(page)).toHaveLength(count);
  });

  it.each(Array.from({ length: count }, (_, n) => n))(`the program %i of ${page} runs to its end`, async (n) => {
    const program = blocksOf(page)[n]!.replace(/from '(stillwarm[^']*)'/g, (_, name: string) => {
      expect(SOURCES).toHaveProperty([name]);
      return `from ${JSON.stringify(join(ROOT, SOURCES[name]!))}`;
    });
    const path = join(dir, `program${n}.ts`);
    writeFileSync(path, `${program}\nexport const hasEnded = true;\n`);
    expect(await import(path)).toEqual(expect.objectContaining({ hasEnded: true }));
  });
});

it('the how-to of properties names every law, and no other', () => {
  const text = readFileSync(join(ROOT, 'docs/how-to/test-with-properties.md'), 'utf8');
  const table = text.slice(text.indexOf('| law |'), text.indexOf('`programs` and `reboots` of the input'));
  const named = [...table.matchAll(/^\| ([^|]+) \|/gm)].map(([, name]) => name!).slice(1);
  expect(named).toEqual(Object.keys(LAWS));
});
