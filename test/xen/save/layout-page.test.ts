import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { saveLayoutPage } from '../../../tools/pages/save-file.ts';

const FILE = 'docs/reference/save-file.md';

it(`the page ${FILE} is what the layouts say; UPDATE_DOCS=1 writes it`, () => {
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(FILE, saveLayoutPage());
  expect(readFileSync(FILE, 'utf8')).toBe(saveLayoutPage());
});
