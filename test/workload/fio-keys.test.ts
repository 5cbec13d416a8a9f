// The table of keys in the documentation is that of the program; UPDATE_DOCS=1 writes it anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FIO_KEYS, type FioKey } from '../../src/workload/fio-keys.ts';

const PAGE = new URL('../../docs/how-to/run-fio-jobs.md', import.meta.url);
const PLACE = /(<!-- The keys: [^>]*-->\n)[^]*(<!-- End of the keys. -->)/;

const rowOf = ({ names, kind, otherwise, help }: FioKey<unknown>): string => {
  const text = kind.print(otherwise);
  return `| ${names.map((name) => `\`${name}\``).join(', ')} | ${kind.words} | ${text === '' ? '' : `\`${text}\``} | ${help} |`;
};

it('the page about jobs of fio has each key, with its values and its default', () => {
  const document = readFileSync(PAGE, 'utf8');
  const rows = Object.values(FIO_KEYS).map((key) => rowOf(key as FioKey<unknown>));
  const table = ['| key | values | default | |', '|---|---|---|---|', ...rows].join('\n');
  const written = document.replace(PLACE, (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
  expect(written).toContain('`random_distribution`');
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, written);
  expect(readFileSync(PAGE, 'utf8')).toBe(written);
});
