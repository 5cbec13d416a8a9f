import { expect, it } from 'vitest';
import { counted, grouped } from '../../src/base/index.ts';

it.each([
  [0, '0 files', '0 files are too many'],
  [1, '1 file', '1 file is too many'],
  [2, '2 files', '2 files are too many'],
  [11, '11 files', '11 files are too many'],
  [101, '101 files', '101 files are too many'],
  [1001, '1,001 files', '1,001 files are too many'],
  [8_500_000, '8,500,000 files', '8,500,000 files are too many'],
])('the number %d counts as English counts', (count, noun, sentence) => {
  expect(counted(count, 'file')).toBe(noun);
  expect(`${counted(count, 'file is', 'files are')} too many`).toBe(sentence);
  expect(counted(count, 'file').startsWith(`${grouped(count)} `)).toBe(true);
});
