// Each room describes itself: its README.md agrees with the table of walls and with the room's own
// source. UPDATE_DOCS=1 writes the lines that come from the table anew.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PG } from '../../src/kernel/mm/mem-map.ts';
import { MAY_IMPORT, ROOMS } from '../../tools/rooms.cjs';

const fileOf = (room: string): URL => new URL(`../../src/${room}/README.md`, import.meta.url);
const read = (room: string): string => readFileSync(fileOf(room), 'utf8');

function mayImport(room: string): string {
  const names = MAY_IMPORT[room]!.map((entry) => (entry === '*' ? 'anything' : `\`${entry}\``));
  return `May import: ${names.join(', ') || 'nothing of ours'}.`;
}

/** The source of a room, without that of the rooms inside it. */
function sourceOf(room: string): string {
  const files = readdirSync(new URL('./', fileOf(room))).filter((name) => name.endsWith('.ts'));
  return files.map((name) => readFileSync(new URL(name, fileOf(room)), 'utf8')).join('\n');
}

/** The lines of a section, up to the next heading of its level. */
function section(page: string, heading: string): string {
  return page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
}

describe.each(ROOMS)('the README of %s', (room) => {
  it(`the README of ${room} says what lives there, what the room may touch, its laws and an example`, () => {
    const written = read(room).replace(/^May import: .*$/m, mayImport(room));
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(fileOf(room), written);
    const page = read(room);
    expect(page.startsWith(`# ${room}\n\n`)).toBe(true);
    expect(page).toBe(written);
    expect(page).toContain(`\n${mayImport(room)}\n`);
    expect(section(page, 'Laws')).toMatch(/^1\. /m);
    expect(section(page, 'Example').length).toBeGreaterThan(40);
  });
});

describe.each(['kernel/mm', 'xen/frames'])('the matrix of operations of %s', (room) => {
  const text = section(read(room), 'Which operations may meet');
  const cells = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const [head, , ...rows] = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map(cells);
  const operations = head!.slice(1);
  const explained = text
    .split('\n')
    .filter((line) => line.startsWith('- '))
    .flatMap((line) => line.slice(2).split(': ')[0]!.split(', '));
  const plain = (word: string): string => word.replaceAll('*', '');

  it(`the matrix of ${room} has a row and a column for each operation, and every pair once`, () => {
    expect(rows.map((row) => plain(row[0]!))).toEqual(operations);
    rows.forEach((row, i) => {
      expect(row).toHaveLength(operations.length + 1);
      row.slice(1).forEach((cell, j) => {
        expect([i, j, cell !== '']).toEqual([i, j, j >= i]);
      });
    });
  });

  it(`the matrix of ${room} explains every operation and everything that makes a meeting safe, and nothing else`, () => {
    const words = rows
      .flatMap((row) => row.slice(1))
      .flatMap((cell) => cell.split(', '))
      .filter((cell) => cell !== '');
    expect([...new Set([...operations, ...words].map(plain))].sort()).toEqual(explained.map(plain).sort());
  });

  it(`the matrix of ${room} speaks of flags and functions that are there`, () => {
    const source = sourceOf(room) + Object.keys(PG).join('\n');
    const names = [...text.matchAll(/`([A-Za-z]+)`/g)].map((match) => match[1]!);
    expect(names.length).toBeGreaterThan(5);
    // What is not the room's own is a reason, or belongs to the room that waits.
    const others = sourceOf('xen/public') + sourceOf('kernel/cache');
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(source + others))).toEqual([]);
  });
});

it('only the composition roots name the whole hypervisor: all others say what they need of it', () => {
  const roots = ['core/hypervisor.ts', 'host/host.ts'];
  const named = ['xen', 'experiment'].flatMap((part) => {
    const folder = new URL(`../../src/${part}/`, import.meta.url);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    return files.filter((file) => /[:<] ?Hypervisor\b(?! ?,)/.test(readFileSync(new URL(file, folder), 'utf8')));
  });
  expect(named.sort()).toEqual(roots);
});
