import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { planMemory } from '../../../src/xen/records/layouts.ts';
import { tableLayoutPage } from '../../../tools/pages/table-layout.ts';

const FILE = 'docs/reference/table-layout.md';

it(`the page ${FILE} is what the layouts say; UPDATE_DOCS=1 writes it`, () => {
  if (process.env['UPDATE_DOCS'] === '1') {
    mkdirSync('docs/reference', { recursive: true });
    writeFileSync(FILE, tableLayoutPage());
  }
  expect(readFileSync(FILE, 'utf8')).toBe(tableLayoutPage());
});

it('the drawing in layouts.ts names each part of the memory map, in the order in which they lie', () => {
  const source = readFileSync(new URL('../../../src/xen/records/layouts.ts', import.meta.url), 'utf8');
  const drawn = [...source.matchAll(/^ \* (\w+Mfn) +\| /gm)].map(([, name]) => name);
  const places = Object.entries(planMemory(1 << 16, 'x86_64')!).filter(([name]) => name.endsWith('Mfn'));
  expect(drawn).toEqual(places.sort(([, a], [, b]) => Number(a) - Number(b)).map(([name]) => name));
});
