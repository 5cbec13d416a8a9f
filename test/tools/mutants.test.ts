// What tests the tests must itself be seen to change something, and to refuse.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  disagreements,
  mutantsOf,
  nameOf,
  partOf,
  ROOMS,
  sampleOf,
  withSwitch,
  type Mutant,
} from '../../tools/mutant-sample.mjs';

const SOURCE = `export function least(a, b) {
  if (a < b) return a;
  return b;
}
export const label = () => 'least of ' + least(1, 2) + ' and more';
`;
const FILE = 'src/kernel/mm/least.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillwarm-mutants-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  Reflect.deleteProperty(globalThis, '__stryker__');
});

async function leastOf(name: string, content: string): Promise<number> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const { least } = (await import(pathToFileURL(path).href)) as { least: (a: number, b: number) => number };
  return least(1, 2);
}

describe('mutants', () => {
  it('a mutant does something else once its switch is on, and nothing else before', async () => {
    const mutants = await mutantsOf('kernel/mm', FILE, SOURCE);
    const mutant = mutants.find(({ text }) => text === 'a < b → a >= b')!;
    const { content, id } = await withSwitch(mutant, SOURCE);
    expect(await leastOf('off.mjs', content)).toBe(1);
    Reflect.set(globalThis, '__stryker__', { activeMutant: id });
    expect(await leastOf('on.mjs', content)).toBe(2);
  });

  it('a mutant changes no string, and says its line', async () => {
    const mutants = await mutantsOf('kernel/mm', FILE, SOURCE);
    expect(mutants.map(({ replacement }) => replacement)).not.toContain('""');
    expect(mutants.find(({ text }) => text === 'a < b → a <= b')!.location.start.line).toBe(1);
  });

  it('mutants of the same text in one file have numbers', async () => {
    const twice = `export const f = (a) => a + 1;\nexport const g = (a) => a + 1;\n`;
    const names = (await mutantsOf('kernel/mm', FILE, twice)).map(nameOf);
    expect(names).toContain(`${FILE}: a + 1 → a - 1`);
    expect(names).toContain(`${FILE}: a + 1 → a - 1 (2)`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('each room of the mutants has its sources and its tests', () => {
    for (const [room, tests] of Object.entries(ROOMS)) {
      expect(existsSync(`src/${room}`), room).toBe(true);
      for (const each of tests) expect(existsSync(each), each).toBe(true);
    }
  });
});

describe('the sample', () => {
  const many = (file: string, count: number): Mutant[] =>
    Array.from({ length: count }, (_, at) => ({
      room: 'kernel/mm',
      file,
      text: `${at} → 0`,
      nth: 1,
      replacement: '0',
      location: { start: { line: at, column: 0 }, end: { line: at, column: 1 } },
    }));

  it('a sample keeps its mutants of a file when another file changes, and when lines move', () => {
    const mutants = [...many('a.ts', 100), ...many('b.ts', 100)];
    const moved = mutants.map((each) => ({ ...each, location: { ...each.location, start: { line: 9, column: 9 } } }));
    const names = sampleOf(mutants, 40, 1).map(nameOf);
    expect(sampleOf(moved.reverse(), 40, 1).map(nameOf)).toEqual(names);
    // One mutant more in b.ts displaces one of the sample at most.
    const more = new Set(sampleOf([...mutants, ...many('b.ts', 101).slice(100)], 40, 1).map(nameOf));
    expect(names.filter((name) => !more.has(name)).length).toBeLessThanOrEqual(1);
  });

  it('a larger sample contains the smaller one, and another seed chooses another', () => {
    const mutants = many('a.ts', 200);
    const large = sampleOf(mutants, 80, 1).map(nameOf);
    const small = sampleOf(mutants, 20, 1).map(nameOf);
    expect(small.filter((name) => !large.includes(name))).toEqual([]);
    expect(sampleOf(mutants, 20, 2).map(nameOf)).not.toEqual(small);
  });

  it('the shards of a sample are disjoint, and together they are the sample', () => {
    const list = many('a.ts', 31);
    const shards = Array.from({ length: 7 }, (_, at) => partOf(list, `${at + 1}/7`));
    expect(shards.flat()).toEqual(list);
    expect(Math.max(...shards.map(({ length }) => length))).toBeLessThanOrEqual(5);
    for (const wrong of ['0/7', '8/7', '1', 'x/y']) expect(() => partOf(list, wrong)).toThrow(`--shard ${wrong}`);
  });
});

describe('the explained survivors', () => {
  const [a, b, c] = ['x', 'y', 'z'].map((text) => ({ file: 'a.ts', text, nth: 1 })) as [Named, Named, Named];
  type Named = { file: string; text: string; nth: number };
  const because = (named: Named, why = 'the same either way') => ({ ...named, why });

  it('a survivor that is explained is as it should be, and so is one that did not run', () => {
    const fates = new Map([
      [nameOf(a), 'survived'],
      [nameOf(b), 'killed'],
    ] as const);
    expect(disagreements([a, b, c], fates, [because(a), because(c)])).toEqual([]);
  });

  it('a survivor without an explanation is named', () => {
    expect(disagreements([a, b], new Map([[nameOf(a), 'survived']]), [because(b)])).toEqual(['unexplained: a.ts: x']);
  });

  it('an explanation of a mutant that is killed now, that is gone, or that says nothing is named', () => {
    const wrong = disagreements([a, b], new Map([[nameOf(a), 'timed out']]), [because(a), because(b, ' '), because(c)]);
    expect(wrong).toEqual([
      'explained, but there is none: a.ts: z',
      'explained, but killed now (delete the explanation): a.ts: x',
      'explained by nothing: a.ts: y',
    ]);
  });

  it('each explanation that is kept names a mutant of a room as it is now', async () => {
    const kept = JSON.parse(readFileSync('test/mutants/survivors.json', 'utf8')) as (Named & { why: string })[];
    const all: Mutant[] = [];
    for (const file of new Set(kept.map((each) => each.file)))
      all.push(...(await mutantsOf(dirname(file).slice('src/'.length), file, readFileSync(file, 'utf8'))));
    expect(kept.length).toBeGreaterThan(0);
    expect(disagreements(all, new Map(), kept)).toEqual([]);
    expect(kept.filter(({ file }) => !(dirname(file).slice('src/'.length) in ROOMS))).toEqual([]);
  });
});
