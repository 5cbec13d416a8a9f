// The table "Programs that judge it" of docs/explanation/consistency.md: its numbers are those that
// the tests count.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

const PAGE = readFileSync(new URL('../../docs/explanation/consistency.md', import.meta.url), 'utf8');

/** @param transaction what stops in it, in words: `1228 steps` */
export function expectInPage(program: string, transaction: string, cases: number): void {
  const row = PAGE.split('\n').find((line) => line.startsWith(`| ${program} |`));
  expect(row).toBe(`| ${program} | ${transaction} | ${cases} |`);
}
