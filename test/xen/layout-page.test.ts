import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { tableLayoutPage } from '../../src/xen/index.ts';

const FILE = 'docs/reference/table-layout.md';

it(`${FILE} is what the layouts say; UPDATE_DOCS=1 writes it`, () => {
  if (process.env['UPDATE_DOCS'] === '1') {
    mkdirSync('docs/reference', { recursive: true });
    writeFileSync(FILE, tableLayoutPage());
  }
  expect(readFileSync(FILE, 'utf8')).toBe(tableLayoutPage());
});
