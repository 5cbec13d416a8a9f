// Tables in documents say what the code says. The drawings in comments are checked beside what they
// draw.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FrameEvent, nextProvenance, Provenance, PROVENANCE_NAMES } from '../../src/xen/frames/provenance.ts';
import { ROOMS } from '../../tools/rooms.cjs';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The rows of the Markdown table whose heading begins with `first`: their cells. */
function table(page: string, first: string): string[][] {
  const lines = page.split('\n');
  const at = lines.findIndex((line) => line.startsWith(first));
  expect(at).toBeGreaterThanOrEqual(0);
  const rows = lines.slice(at + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/explanation/architecture.md', () => {
  const page = read('docs/explanation/architecture.md');

  it('the drawing of the architecture leads to every room', () => {
    const links = [...page.matchAll(/\[([a-z0-9/]+)\]\(\.\.\/\.\.\/src\/\1\/README\.md\)/g)].map((match) => match[1]!);
    expect([...new Set(links)].sort()).toEqual([...ROOMS].sort());
  });

  it('the drawing of provenance shows a frame as it changes', () => {
    const { readSubmitted, writeSubmitted, completed, failed, stored, overwritten } = FrameEvent;
    const EVENTS: readonly (readonly [RegExp, readonly FrameEvent[]])[] = [
      [/a read of a whole block is submitted/, [readSubmitted]],
      [/a write of a whole page/, [writeSubmitted]],
      [/a whole read or write/, [readSubmitted, writeSubmitted]],
      [/completes/, [completed]],
      [/fails/, [failed]],
      [/anything is stored|a store traps/, [stored]],
      [/block( \*b\*)? is written/, [overwritten]],
    ];
    const rows = table(page, '| provenance | meaning | becomes |');
    expect(rows.map((row) => row[0]!.replace('(*b*)', ''))).toEqual(PROVENANCE_NAMES);
    let edges = 0;
    for (const [name, , becomes] of rows) {
      const from = Provenance[name!.replace('(*b*)', '') as keyof typeof Provenance];
      for (const part of becomes!.split('; ')) {
        const [what, to] = part.split(': ');
        const events = EVENTS.flatMap(([pattern, list]) => (pattern.test(what!) ? list : []));
        const results = events.map((event) => PROVENANCE_NAMES[nextProvenance(from, event)]!);
        expect([part, [...new Set(results)].join(', ')]).toEqual([part, to]);
        edges += events.length;
      }
    }
    expect(edges).toBe(14);
  });
});

describe('CONTRIBUTING.md', () => {
  const page = read('CONTRIBUTING.md');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

  it('CONTRIBUTING.md names only scripts that there are, and every one that is run by hand', () => {
    const named = [...page.matchAll(/`npm (?:run )?([a-z-]+(?::[a-z-]+)?)/g)].map((match) => match[1]!);
    const inside = ['prepack', 'prepare', 'build:bench', 'ci'];
    expect([...new Set(named)].filter((name) => !inside.includes(name)).sort()).toEqual(
      Object.keys(scripts)
        .filter((name) => !inside.includes(name))
        .sort(),
    );
  });
});
