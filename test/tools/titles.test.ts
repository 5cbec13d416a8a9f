// The titles of the tests are sentences that read alone, and a test file lies where its room lies.
// Titles are found by parsing, so that neither a comment nor a string is taken for one.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const MAKERS = ['it', 'property', 'itWithChromium', 'itWithE2fsprogs', 'itWithLoopMount'];
/** Folders of tests that are of no one room. */
const APART = ['laws', 'support', 'tools', 'bench', 'examples'];
/**
 * First words of a title that lacks its subject: it reads only under the title of its `describe`.
 */
const LACKS_SUBJECT =
  /^(is|are|has|have|was|were|does|do|goes|never|without|with|whose|under|by|for|says|tells|finds|takes|gives|keeps|holds|refuses|shows|loses|makes|accepts|knows|ends|survives|prints|cut|EIO)\b/;

interface Title {
  readonly text: string;
  readonly line: number;
  /** With the titles of the blocks around it. */
  readonly full: string;
}

/** The name that a call begins with: `it` of `it(...)` and of `it.each(...)(...)`. */
function makerOf({ expression }: ts.CallExpression): string {
  const isEach =
    ts.isCallExpression(expression) &&
    ts.isPropertyAccessExpression(expression.expression) &&
    expression.expression.name.text === 'each';
  const callee = isEach ? expression.expression.expression : expression;
  return ts.isIdentifier(callee) ? callee.text : '';
}

/** The words of a title; what a template inserts stands as the code that is inserted. */
function titleIn(call: ts.CallExpression): string | undefined {
  const [first, second] = call.arguments;
  if (first === undefined || second === undefined) return undefined;
  if (ts.isStringLiteral(first)) return first.text;
  return ts.isNoSubstitutionTemplateLiteral(first) || ts.isTemplateExpression(first)
    ? first.getText().slice(1, -1)
    : undefined;
}

function titlesOf(path: string, text: string): Title[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const titles: Title[] = [];
  const visit = (node: ts.Node, around: string): void => {
    let inside = around;
    if (ts.isCallExpression(node)) {
      const title = titleIn(node);
      const maker = title === undefined ? '' : makerOf(node);
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      const full = `${around} > ${title}`;
      if (MAKERS.includes(maker)) titles.push({ text: title!, line, full });
      else if (maker === 'describe') inside = full;
    }
    ts.forEachChild(node, (child) => visit(child, inside));
  };
  visit(source, '');
  return titles;
}

/** What is wrong with the titles of a file, a line each. */
function problemsOf(path: string, text: string): string[] {
  const seen = new Set<string>();
  return titlesOf(path, text).flatMap(({ text: title, line, full }) => {
    const problems: string[] = [];
    if (title.split(' ').length < 3) problems.push('has less than three words');
    if (LACKS_SUBJECT.test(title)) problems.push('lacks its subject');
    if (seen.has(full)) problems.push('stands twice');
    seen.add(full);
    return problems.map((problem) => `${path}:${line}: "${title}" ${problem}`);
  });
}

const FILES = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .sort();

describe('the titles of tests', () => {
  it('every title of a test has a subject and three words, and stands once', () => {
    const texts = FILES.map((name) => [`test/${name}`, readFileSync(join(ROOT, 'test', name), 'utf8')] as const);
    expect(texts.flatMap(([path, text]) => titlesOf(path, text)).length).toBeGreaterThan(1000);
    expect(texts.flatMap(([path, text]) => problemsOf(path, text))).toEqual([]);
  });

  it.each([
    ["it('is refused', () => {})", ['has less than three words', 'lacks its subject']],
    ["property('with any byte changed is a problem', any, check)", ['lacks its subject']],
    ["describe('a disk', () => itWithE2fsprogs('has room for all', () => {}))", ['lacks its subject']],
    ["it.each([1])('%i bytes', (n) => {})", ['has less than three words']],
    ["it('a b c', f); it('a b c', f)", ['stands twice']],
    ["describe('x', () => it('a b c', f)); describe('y', () => it('a b c', f))", []],
    ["it('a disk has room', f); it(`a disk of ${'$'}{n} has room`, f)", []],
    ['// it("is refused", f)\nrun("is refused", f)', []],
  ])('the checker of titles finds in %j: %j', (text, problems) => {
    const found = problemsOf('a.test.ts', text);
    expect(found.map((line) => line.replace(/^.*" /, ''))).toEqual(problems);
  });
});

describe('the places of tests', () => {
  const isAstray = (folder: string): boolean =>
    !APART.includes(folder.split('/')[0]!) && !existsSync(join(ROOT, 'src', folder));

  it('every test file lies in the folder of a room, or in one that is of no room', () => {
    const folders = new Set(FILES.map((name) => name.split('/').slice(0, -1).join('/')));
    expect(folders.size).toBeGreaterThan(20);
    expect([...folders].filter(isAstray)).toEqual([]);
  });

  it('a test file in a folder that no room has is found', () => {
    expect(['kernel/ext2', 'xen/frames', 'laws', 'kernel/laws'].filter(isAstray)).toEqual([
      'kernel/ext2',
      'kernel/laws',
    ]);
  });
});
