import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { journalLayoutPage } from '../../tools/pages/journal-layout.ts';

const FILE = 'docs/reference/journal-layout.md';

it(`the page ${FILE} is what the layouts say; UPDATE_DOCS=1 writes it`, () => {
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(FILE, journalLayoutPage());
  expect(readFileSync(FILE, 'utf8')).toBe(journalLayoutPage());
});
