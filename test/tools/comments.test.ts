// The tool that keeps comments narrow and their words plain: what it fills, what it leaves, what it
// reports.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { checkComments, checkProse, fillComments } from '../../tools/comments.mjs';

const LONG = 'word '.repeat(25).trim();
const AGAIN = `W${LONG.slice(1)}`;
const TOO_LONG = `${LONG} word.`;
const ROOT = resolve(import.meta.dirname, '../..');

/** A source without its comments. */
function codeOf(source: string): string {
  const compilerOptions = { removeComments: true, target: ts.ScriptTarget.ESNext, verbatimModuleSyntax: true };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}

describe('the filling of comments', () => {
  it.each([
    ['a block of one line', `/** ${LONG} */\nexport const x = 1;\n`],
    ['a block of several lines', `/**\n * ${LONG}.\n * ${AGAIN}\n */\nexport const x = 1;\n`],
    ['lines of //', `// ${LONG}.\n// ${AGAIN}\nexport const x = 1;\n`],
    ['a comment that is indented', `export class A {\n  /** ${LONG} */\n  x = 1;\n}\n`],
    ['a comment behind code', `export const x = 1; // ${LONG}\n`],
    ['a comment between the elements of a list', `export const x = [\n  // ${LONG}\n  1,\n];\n`],
  ])('the filling of comments makes %s narrow, once and for all', (_what, source) => {
    expect(checkComments(source)).not.toEqual([]);
    const better = fillComments(source);
    expect(better.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(checkComments(better)).toEqual([]);
    expect(fillComments(better)).toBe(better);
    expect(codeOf(better)).toBe(codeOf(source));
    expect(better.match(/word/g)).toEqual(source.match(/word/g));
  });

  it('the filling of comments keeps blank lines, list items, tags and what is indented', () => {
    const source = [
      '/**',
      ` * ${LONG}`,
      ' *',
      ` * 1. ${LONG}`,
      ' * 2. short',
      ` * - ${LONG}`,
      ' *',
      ' *     a formula = b * c',
      ` * @param x ${LONG}`,
      ' * @throws nothing',
      ' */',
      'export const x = 1;',
    ].join('\n');
    const lines = fillComments(source).split('\n');
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    expect(lines.filter((line) => line === ' *')).toHaveLength(2);
    expect(lines.filter((line) => /^ \*(    word| {3}word)/.test(line)).length).toBeGreaterThan(1);
    expect(lines).toEqual(expect.arrayContaining([' * 2. short', ' *     a formula = b * c', ' * @throws nothing']));
    expect(lines.some((line) => line.startsWith(' * @param x word'))).toBe(true);
  });

  it.each([
    ['a fence', `/**\n * \`\`\`\n * ${LONG}\n * \`\`\`\n */`],
    ['a table', `/**\n * | a | ${LONG} |\n */`],
    ['a drawing', `/**\n * +----------+ ${LONG}\n */`],
    ['columns', `/**\n * one      two ${LONG}\n */`],
    ['an address', `// https://example.org/${'x'.repeat(100)}`],
    ['a directive', `// eslint-disable-next-line no-console -- ${LONG}`],
    ['a string that looks like a comment', `export const x = "// ${LONG}";`],
    ['a template that looks like a comment', `export const x = \`\n// ${LONG}\n\`;`],
    ['a regular expression', `export const x = /[/]* ${LONG} *[/]/;`],
  ])('the filling of comments leaves %s alone', (_what, source) => {
    expect(fillComments(source)).toBe(source);
    expect(checkComments(source)).toEqual([]);
  });

  it('the filling of comments never begins a line with what would be a list item, a heading or a tag', () => {
    const words = `${'word '.repeat(18)}- `.repeat(3);
    for (let pad = 0; pad < 30; pad++) {
      const better = fillComments(`// ${'x'.repeat(pad)} ${words}and 5. @internal #6 | end\n`);
      expect(better.split('\n').filter((line) => /^\/\/ ([-#|@]|\d+\.)/.test(line))).toEqual([]);
      expect(fillComments(better)).toBe(better);
    }
  });

  it('the filling of comments puts a tag in the middle of one long line on a line of its own', () => {
    expect(fillComments(`/** ${LONG} @throws ArgumentError */`).split('\n').at(-2)).toBe(' * @throws ArgumentError');
  });

  it('the filling of comments changes no code of the house, and is done after one go', () => {
    const names = ['src/base', 'src/sim', 'src/kernel/mm', 'src/xen/frames', 'tools', 'test/tools'].flatMap((folder) =>
      readdirSync(join(ROOT, folder))
        .filter((name) => /\.(ts|mjs|cjs)$/.test(name))
        .map((name) => join(ROOT, folder, name)),
    );
    expect(names.length).toBeGreaterThan(40);
    for (const name of names) {
      const source = readFileSync(name, 'utf8');
      const better = fillComments(source, name);
      if (better === source) continue;
      expect(codeOf(better)).toBe(codeOf(source));
      expect(fillComments(better, name)).toBe(better);
    }
  });
});

describe('plain words', () => {
  it.each([
    ['off unless told', 'by default'],
    ['from the begin of the run', 'the start of'],
    ['a code that is none', 'not a valid'],
    ['then he waits', 'it, they'],
    ['held by whoever frees', 'the holder'],
    ['nobody waits', 'no process'],
    ['a page that is somebody else', 'another domain'],
    ['all but for one', 'except'],
    ['done as there', 'as in Linux'],
  ])('plain words are asked for in place of "%s"', (turn, plain) => {
    expect(checkComments(`// Something: ${turn}.\n`)).toEqual([expect.stringContaining(plain)]);
    expect(checkProse(`Something: ${turn}.\n`)).toEqual([expect.stringContaining(plain)]);
    expect(checkProse(`| Something | ${turn} |\n`)).toEqual([]);
  });

  it('plain words are asked for where the turn is broken over two lines', () => {
    expect(checkComments('// First.\n// All of them, but\n// for one.\n')).toEqual([
      'source.ts:2: but for: write except',
    ]);
  });

  it('plain words are not asked for in code, in backticks or in quotation marks', () => {
    expect(checkComments('// The words `unless told`, and "as there".\nexport const he = "unless told";\n')).toEqual(
      [],
    );
  });
});

describe('the length of sentences', () => {
  it.each([
    ['a sentence', `Word. ${AGAIN} word. Word.\n`],
    ['a sentence over several lines', `${LONG}\nword.\n`],
    ['an item of a list', `- short\n- ${TOO_LONG}\n- short\n`],
    ['a sentence behind a fence', `\`\`\`\n${LONG}\n\`\`\`\n\n${TOO_LONG}\n`],
    ['a sentence with a colon', `word: ${LONG}.\n`],
  ])('the length of a sentence is bounded for %s of a document', (_what, page) => {
    expect(checkProse(page)).toEqual([expect.stringMatching(/^page\.md:\d+: 26 words in a sentence, 25 at most/)]);
  });

  it.each([
    ['25 words', `${LONG}.\n`],
    ['two sentences', `${LONG}. Then ${'word '.repeat(23)}.\n`],
    ['a table', `| ${TOO_LONG} |\n|---|\n| ${TOO_LONG} |\n`],
    ['a fence', `\`\`\`\n${TOO_LONG}\n\`\`\`\n`],
    ['a heading', `## ${TOO_LONG}\n`],
    ['code, which is one word', `${'word '.repeat(24)}\`${TOO_LONG}\`.\n`],
    ['the target of a link', `${'word '.repeat(24)}[word](a b c d).\n`],
    ['a list of tests', `Tests: \`${TOO_LONG}\` ${TOO_LONG}\n`],
  ])('the bound of a sentence is not exceeded by %s', (_what, page) => {
    expect(checkProse(page)).toEqual([]);
  });

  it('the length of a sentence is bounded in comments, over colons and semicolons', () => {
    const lines = (text: string): string => fillComments(`/** ${text} */\nexport const x = 1;\n`);
    expect(checkComments(lines(`${LONG}. ${AGAIN}.`))).toEqual([]);
    expect(checkComments(lines(TOO_LONG))).toEqual([expect.stringContaining('26 words')]);
    expect(checkComments(lines(`word; word: ${LONG}.`))).toEqual([expect.stringContaining('27 words')]);
  });
});
