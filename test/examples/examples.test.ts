// Every example runs, and says how long it is. The package is tried with the same runs by
// tools/try-package.mjs.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { doors, examples, forUsers } from '../../tools/examples.mjs';
import { casesOf } from '../support/product.ts';
import { ANSWERS, RUNS } from './runs.ts';

const DOORS = doors();

/** Protocols are searched whole; protocols.test.ts and warm-cache.test.ts search them, too. */
const [others, protocols] = [false, true].map((wanted) =>
  Object.keys(RUNS).filter((name) => name.startsWith('protocols/') === wanted),
);

it.each([...others!, ...casesOf('an example that is a protocol', '', protocols!, { sample: 1 })])(
  'the example %s answers what it should',
  async (name) => {
    const parent = mkdtempSync(join(tmpdir(), 'example-'));
    try {
      const folder = mkdtempSync(join(parent, 'folder-'));
      const path = join(import.meta.dirname, '../../examples', name);
      const module: unknown = await import(path);
      const door = <D>(wanted: string): Promise<D> =>
        import([...DOORS].find(([, known]) => known === wanted)![0]) as Promise<D>;
      const answer: unknown = await RUNS[name]!(module, { door, folder });
      expect(JSON.parse(JSON.stringify(answer))).toEqual(ANSWERS[name]);
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
  },
);

it('every example has a run, and every door an example', () => {
  const names = examples();
  expect(names).toEqual(Object.keys(RUNS).sort());
  expect(Object.keys(ANSWERS)).toEqual(Object.keys(RUNS));
  const imported = names.flatMap((name) => [...forUsers(name).matchAll(/from '(stillwarm[^']*)'/g)]);
  expect([...new Set(imported.map(([, door]) => door))].sort()).toEqual([...DOORS.values()].sort());
});

/** Lines of code: without imports, comments and empty lines. */
function codeOf(text: string): string[] {
  const code = text.replace(/^\/\*\*[^]*?\*\/$/gm, '').replace(/^import [^]*?;$/gm, '');
  return code.split('\n').filter((line) => !/^\s*(\/\/|\/?\*|$)/.test(line));
}

it.each(examples())('the head of the example %s says how many lines of code it has', (name) => {
  const text = readFileSync(join(import.meta.dirname, '../../examples', name), 'utf8');
  const head = /^\/\*\*([^]*?)\*\//.exec(text)![1]!.replace(/\s+\*\s+/g, ' ');
  const [, lines, of] = /\b(\d+) lines of code(?: in `(\w+)`)?/.exec(head) ?? [];
  const counted = of === undefined ? text : new RegExp(`^export (class|function) ${of}\\b[^]*?^}$`, 'm').exec(text)![0];
  expect(Number(lines)).toBe(codeOf(counted).length);
});
