// What the documents point at is there: files, sections of documents, and paths of the repository
// in backticks.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

/** Every document of the repository. CHANGELOG.md speaks of what was, so its paths may be gone. */
function documents(): string[] {
  const under = (directory: string): string[] =>
    readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(directory, name));
  return ['README.md', 'CONTRIBUTING.md', ...['docs', 'src', 'bench'].flatMap(under)].sort();
}

const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
/** Without what stands in fences: nothing there is a link. */
const proseOf = (path: string): string => textOf(path).replace(/^```[^]*?^```$/gm, '');

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(path: string): Set<string> {
  const anchors = new Set<string>();
  for (const match of proseOf(path).matchAll(/^#+ (.*)$/gm)) {
    const slug = match[1]!
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  for (const match of proseOf(path).matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(match[1]!);
  return anchors;
}

const DOCUMENTS = documents();

it('the search finds the documents of the repository', () => {
  expect(DOCUMENTS.length).toBeGreaterThan(60);
});

it.each(DOCUMENTS)('links of %s lead to a file and to a section of it', (path) => {
  const broken: string[] = [];
  for (const match of proseOf(path).matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)) {
    const link = match[1] ?? match[2]!;
    if (/^[a-z]+:/.test(link)) continue;
    const [file, anchor] = link.split('#');
    const target = file === '' ? path : relative(ROOT, resolve(ROOT, dirname(path), file!));
    const isThere = existsSync(join(ROOT, target));
    if (!isThere || (anchor !== undefined && !anchorsOf(target).has(anchor))) broken.push(link);
  }
  expect(broken).toEqual([]);
});

// From the root of the repository, from src/, or from where the document lies.
it.each(DOCUMENTS)('paths that %s names exist', (path) => {
  const names = [...proseOf(path).matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|mjs|cjs|md|json|svg|sh))`/g)];
  const missing = names
    .map((match) => match[1]!)
    .filter(
      (name) => ![ROOT, join(ROOT, 'src'), join(ROOT, dirname(path))].some((from) => existsSync(join(from, name))),
    );
  expect(missing).toEqual([]);
});

// Comments of fast code name a technique by its number.
it('techniques of hot-paths.md that the code names are there', () => {
  const page = textOf('docs/explanation/hot-paths.md');
  const missing: string[] = [];
  let found = 0;
  for (const folder of ['src', 'bench', 'test'])
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      for (const match of textOf(join(folder, name)).matchAll(
        /see\s+(?:(?:\*|\/\/)\s+)?hot-paths\s+(?:(?:\*|\/\/)\s+)?(\d+)/g,
      )) {
        found++;
        if (!page.includes(`\n## ${match[1]!}. `)) missing.push(`${name}: ${match[0]}`);
      }
    }
  expect(missing).toEqual([]);
  expect(found).toBeGreaterThan(5);
});

// Explanations name the tests that prove them, as vitest prints their titles.
it.each(DOCUMENTS.filter((path) => path.startsWith('docs/explanation/')))('tests that %s names are there', (path) => {
  const sources = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => textOf(join('test', name)))
    .join('\n');
  const proofs = proseOf(path)
    .split(/\n\s*\n/)
    .filter((paragraph) => /\btests?\b/i.test(paragraph));
  const titles = proofs.flatMap((paragraph) => [...paragraph.matchAll(/`([^`]+)`/g)]);
  const missing = titles
    .map((match) => match[1]!.replace(/\s+/g, ' '))
    .filter(
      (title) => title.split(' ').length > 3 && !/[/=]|^(npm|npx|stillwarm) /.test(title) && !sources.includes(title),
    );
  expect(missing).toEqual([]);
});
