// Comments are at most 100 columns wide, and in plain words.
// `node tools/comments.mjs [--fix] [FILE ...]`
//
// Checked are src, test, bench, examples and tools, except fixtures, and the Markdown documents.
// Each sentence of a comment or of prose has at most 25 words. A line may be wider when nothing in
// it can move. That is a table, a drawing, a fence, a directive, or one word such as an address.
// `--fix` fills each paragraph that has a wide line. It keeps list items, blank lines, tags,
// tables, drawings and fences, and touches no code.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const WIDTH = 100;
const FOLDERS = ['src', 'test', 'bench', 'examples', 'tools'];
const DOCUMENTS = ['docs', 'src', 'bench', 'data'];
/** Words of a sentence at most. */
const LONGEST = 30;

/** Turns of phrase that have a plain word (docs: CONTRIBUTING.md, "Plain words"). */
const TURNS = /** @type {[RegExp, string][]} */ ([
  [/\bunless (it is |they are )?told\b/i, 'by default'],
  [/\bthe begin of\b/i, 'the start of'],
  [/\bwho can say\b/i, '(leave it out)'],
  [/\b(one|something|a \w+) that is none\b/i, 'not a valid …'],
  [/\bof whom\b/i, '(a sentence of its own)'],
  [/\bwhoever's\b/i, '(name the owner)'],
  [/\bnobody's\b/i, 'free, or without an owner'],
  [/\bwhat most\b/i, 'most …'],
  [/^what of\b/i, 'everything of …'],
  [/\bas there[.,;:)]/i, 'as in Linux, as in Xen'],
  [/\bhe\b(?! [A-Z])/, 'it, they'],
]);

/** A comment of its own lines: where its lines begin and end, and how they begin. */
/** @typedef {{ first: number, last: number, kind: 'block' | 'line', indent: string }} Comment */

/** Every comment of a source: its range. @param {string} source @param {string} name */
function rangesOf(source, name) {
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true);
  /** @type {Map<number, ts.CommentRange>} */
  const found = new Map();
  /** @param {readonly ts.CommentRange[] | undefined} ranges */
  const note = (ranges) => ranges?.forEach((range) => found.set(range.pos, range));
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (node.kind === ts.SyntaxKind.JSDoc) return;
    const children = node.getChildren(file);
    children.forEach(visit);
    if (children.length > 0) return;
    note(ts.getLeadingCommentRanges(source, node.pos));
    note(ts.getTrailingCommentRanges(source, node.end));
  };
  visit(file);
  return [...found.values()].sort((a, b) => a.pos - b.pos);
}

const DIRECTIVE = /^\s*(\/\s*<reference|eslint|@ts-|biome-|#!|v8 ignore|istanbul|prettier)/;
const ITEM = /^(\s*)((?:[-*+•]|\d+[.)])\s+)/;
const TAG = /^@[a-z]+\b/i;

/** Whether a line stands as it is: a table, a drawing, columns. @param {string} text */
function isFixed(text) {
  return /^\s*\|/.test(text) || /[\u2500-\u257f]|\+--|--\+|-{4,}/.test(text) || /\S {3,}\S/.test(text);
}

/**
 * A text as units that are not to be parted: words, and code in backticks and types in braces,
 * unless they are long. A word that would look like the start of a list, a heading or a tag is one
 * unit with the word before.
 * @param {string} text
 */
function unitsOf(text) {
  const words = text.match(/(?:`[^`]{1,48}`|\{@?[^{}]{1,48}\}|\S)+/g) ?? [];
  /** @type {string[]} */
  const units = [];
  for (const word of words) {
    const looksLikeStart = /^([-*+•#|>@]|\d+[.)]$|```)/.test(word);
    if (looksLikeStart && units.length > 0) units[units.length - 1] += ` ${word}`;
    else units.push(word);
  }
  return units;
}

/**
 * Fills lines of `width` columns.
 * @param {string} text
 * @param {string} first
 * @param {string} rest
 * @param {number} width
 */
function fill(text, first, rest, width) {
  /** @type {string[]} */
  const lines = [];
  let line = first;
  let isEmpty = true;
  for (const unit of unitsOf(text)) {
    if (!isEmpty && line.length + 1 + unit.length > width) {
      lines.push(line);
      line = rest;
      isEmpty = true;
    }
    line += isEmpty ? unit : ` ${unit}`;
    isEmpty = false;
  }
  lines.push(line);
  return lines;
}

/**
 * The paragraphs of a comment's text. `fixed` ones stand as they are.
 * @param {string[]} lines
 * @returns {{ lines: string[], first: string, rest: string, text: string, fixed: boolean }[]}
 */
function paragraphsOf(lines) {
  const paragraphs = [];
  /**
   * @type {{ lines: string[], first: string, rest: string, text: string, fixed: boolean } |
   * undefined}
   */
  let open;
  let inFence = false;
  for (const line of lines) {
    const isFence = /^\s*```/.test(line);
    if (isFence || inFence || line.trim() === '' || isFixed(line) || DIRECTIVE.test(line)) {
      if (isFence) inFence = !inFence;
      open = undefined;
      paragraphs.push({ lines: [line], first: '', rest: '', text: line, fixed: true });
      continue;
    }
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    const item = ITEM.exec(line);
    // Something that is indented and no continuation of an item is a drawing, a formula, a list
    // without marks.
    const isTag = open !== undefined && TAG.test(open.text);
    // The second line of a tag says how far the others are indented.
    if (open?.lines.length === 1 && isTag && item === null) open.rest = indent;
    const fits = open !== undefined && indent === open.rest;
    const isDrawn = item === null && indent.length > 1 && !fits;
    const continues = fits && item === null && !TAG.test(line.trim());
    if (isDrawn) {
      open = undefined;
      paragraphs.push({ lines: [line], first: '', rest: '', text: line, fixed: true });
    } else if (continues && open !== undefined) {
      open.lines.push(line);
      open.text += ` ${line.trim()}`;
    } else {
      const rest = ' '.repeat(item === null ? indent.length : item[0].length);
      open = { lines: [line], first: indent, rest, text: line.trim(), fixed: false };
      paragraphs.push(open);
    }
  }
  return paragraphs;
}

/**
 * Text that is filled where a line of it is too wide.
 * @param {string[]} lines
 * @param {number} width
 */
function refill(lines, width) {
  return paragraphsOf(lines).flatMap((paragraph) => {
    if (paragraph.fixed || paragraph.lines.every((line) => line.length <= width)) return paragraph.lines;
    return fill(paragraph.text, paragraph.first, paragraph.rest, width);
  });
}

/**
 * The comments that have lines to themselves, those of `//` that follow each other as one.
 * @param {string} source
 * @param {string} name
 */
function commentsOf(source, name) {
  const starts = [0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  /** @param {number} pos */
  const lineOf = (pos) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= pos) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  /** @type {Comment[]} */
  const alone = [];
  /** @type {{ line: number, pos: number, end: number }[]} */
  const beside = [];
  for (const { pos, end, kind } of rangesOf(source, name)) {
    const first = lineOf(pos);
    const last = lineOf(end - 1);
    const indent = source.slice(starts[first], pos);
    const behind = source.slice(end, starts[last + 1] ?? source.length);
    if (indent.trim() !== '' || behind.trim() !== '') {
      beside.push({ line: first, pos: pos - (starts[first] ?? 0), end: end - (starts[last] ?? 0) });
      continue;
    }
    const isLine = kind === ts.SyntaxKind.SingleLineCommentTrivia;
    const before = alone.at(-1);
    if (isLine && before?.kind === 'line' && before.last === first - 1 && before.indent === indent) before.last = last;
    else alone.push({ first, last, kind: isLine ? 'line' : 'block', indent });
  }
  return { alone, beside };
}

/**
 * The text of a comment, line by line, without its marks.
 * @param {string[]} lines
 * @param {Comment} comment
 */
function textOf(lines, { first, last, kind }) {
  const own = lines.slice(first, last + 1);
  if (kind === 'line') return own.map((line) => line.trimStart().replace(/^\/\/ ?/, ''));
  return own
    .join('\n')
    .trim()
    .replace(/^\/\*+ ?/, '')
    .replace(/ ?\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
}

/**
 * The lines of a comment when its wide paragraphs are filled.
 * @param {string[]} lines
 * @param {Comment} comment
 */
function filled(lines, comment) {
  const { first, last, kind, indent } = comment;
  const own = lines.slice(first, last + 1);
  if (own.every((line) => line.length <= WIDTH)) return own;
  const text = textOf(lines, comment);
  if (kind === 'line') {
    const width = WIDTH - indent.length - 3;
    return refill(text, width).map((line) => `${indent}// ${line}`.trimEnd());
  }
  const opening = own[0]?.trim().startsWith('/**') === true ? '/**' : '/*';
  const isStarred = own.slice(1).every((line) => /^\s*\*/.test(line));
  if (!isStarred) return own;
  while (text.length > 0 && text[0] === '') text.shift();
  while (text.length > 0 && text.at(-1) === '') text.pop();
  // What stood on one line may have a tag in its middle.
  const parts =
    first === last ? text.flatMap((line) => line.split(/(?<=[^\s(]) (?=@(?:throws|param|returns?)\b)/)) : text;
  const body = refill(parts, WIDTH - indent.length - 3).map((line) => `${indent} * ${line}`.trimEnd());
  return [`${indent}${opening}`, ...body, `${indent} */`];
}

/**
 * A comment behind code that is too wide, and the lines that say the same.
 * @param {string} whole
 * @param {number} pos
 */
function above(whole, pos) {
  const indent = /^\s*/.exec(whole)?.[0] ?? '';
  const text = fill(whole.slice(pos + 2).trim(), `${indent}// `, `${indent}// `, WIDTH);
  return [...text, whole.slice(0, pos).trimEnd()];
}

/**
 * A source with its wide comments filled.
 * @param {string} source
 * @param {string} [name]
 * @returns {string}
 */
export function fillComments(source, name = 'source.ts') {
  const lines = source.split('\n');
  const { alone, beside } = commentsOf(source, name);
  const changes = alone.map((comment) => ({ ...comment, to: filled(lines, comment) }));
  const moved = beside
    .filter(({ line, pos, end }) => end > WIDTH && lines[line]?.startsWith('//', pos) === true)
    .map(({ line, pos }) => ({ first: line, last: line, to: above(lines[line] ?? '', pos) }));
  for (const { first, last, to } of [...changes, ...moved].sort((a, b) => b.first - a.first))
    lines.splice(first, last - first + 1, ...to);
  return lines.join('\n');
}

/**
 * What is wrong with the comments of a source, one line each.
 * @param {string} source
 * @param {string} [name]
 * @returns {string[]}
 */
export function checkComments(source, name = 'source.ts') {
  /** @type {string[]} */
  const problems = [];
  const lines = source.split('\n');
  const { alone, beside } = commentsOf(source, name);
  for (const comment of alone) {
    // What cannot be filled any narrower stands.
    const better = filled(lines, comment);
    const own = lines.slice(comment.first, comment.last + 1);
    if (better.join('\n') !== own.join('\n')) {
      const wide = own.findIndex((line) => line.length > WIDTH);
      problems.push(`${name}:${comment.first + wide + 1}: a comment is wider than ${WIDTH} columns`);
    }
    const text = textOf(lines, comment);
    for (const paragraph of paragraphsOf(text))
      if (!paragraph.fixed)
        for (const problem of tooLong(paragraph.text, true)) problems.push(`${name}:${comment.first + 1}: ${problem}`);
    for (const [turn, plain] of TURNS) {
      const at = text.findIndex((line) => turn.test(line.replace(/`[^`]*`|"[^"]*"/g, '')));
      if (at >= 0)
        problems.push(`${name}:${comment.first + at + 1}: ${String(turn.exec(text[at] ?? '')?.[0])}: write ${plain}`);
    }
  }
  for (const { line, pos, end } of beside)
    if (end > WIDTH && lines[line]?.startsWith('//', pos))
      problems.push(`${name}:${line + 1}: a comment behind code is wider than ${WIDTH} columns`);
  return problems;
}

/**
 * The sentences of a paragraph, or their parts between colons and semicolons. Code counts as one
 * word; a link counts as its text.
 * @param {string} text
 * @param {boolean} inParts
 */
function sentencesOf(text, inParts) {
  const plain = text
    .replace(/`[^`]*`|\{@link [^}]*\}/g, 'X')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]+>/g, ' ');
  const end = inParts ? /(?<=[.!?;:]["')*_]*)\s+/ : /(?<=[.!?]["')*_]*)\s+(?=["'(*]*[A-Z0-9])/;
  return plain.split(end);
}

/** @param {string} sentence */
const wordsOf = (sentence) => (sentence.match(/\S*[A-Za-z0-9]\S*/g) ?? []).length;

/**
 * What is too long in a paragraph.
 * @param {string} text
 * @param {boolean} inParts
 */
function tooLong(text, inParts) {
  return sentencesOf(text, inParts)
    .filter((sentence) => wordsOf(sentence) > LONGEST)
    .map((sentence) => `${wordsOf(sentence)} words in a sentence, ${LONGEST} at most: ${sentence.slice(0, 60)}…`);
}

/** A list of tests is no sentence: titles in backticks, with where they are. */
const PROOFS = /^Tests\b|`[^`]{40,}` \(`test\//;

/**
 * What is wrong with the prose of a Markdown document, one line each. Headings, tables, fences and
 * HTML are no prose.
 * @param {string} page
 * @param {string} [name]
 * @returns {string[]}
 */
export function checkProse(page, name = 'page.md') {
  /** @type {string[]} */
  const problems = [];
  /** @type {{ line: number, text: string } | undefined} */
  let open;
  const close = () => {
    if (open !== undefined && !PROOFS.test(open.text))
      for (const problem of tooLong(open.text, false)) problems.push(`${name}:${open.line}: ${problem}`);
    open = undefined;
  };
  let inFence = false;
  for (const [n, line] of page.split('\n').entries()) {
    const isFence = /^\s*```/.test(line);
    if (isFence) inFence = !inFence;
    const isProse = !isFence && !inFence && !/^\s*(\||#|<|$)/.test(line);
    if (!isProse || ITEM.test(line)) close();
    if (!isProse) continue;
    const text = line.replace(ITEM, '').trim();
    open = open === undefined ? { line: n + 1, text } : { ...open, text: `${open.text} ${text}` };
  }
  close();
  return problems;
}

/** @returns {string[]} */
function allDocuments() {
  const inFolders = DOCUMENTS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  );
  return ['README.md', 'CONTRIBUTING.md', ...inFolders].sort();
}

/** @returns {string[]} */
function allFiles() {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|mjs|cjs)$/.test(name) && !name.includes('fixtures'))
      .map((name) => join(folder, name)),
  ).sort();
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const mayFix = process.argv.includes('--fix');
  const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
  /** @type {string[]} */
  const problems = [];
  const files = named.length > 0 ? named : [...allFiles(), ...allDocuments()];
  for (const name of files) {
    const path = named.length > 0 ? name : join(ROOT, name);
    const source = readFileSync(path, 'utf8');
    if (name.endsWith('.md')) {
      problems.push(...checkProse(source, name));
      continue;
    }
    const better = mayFix ? fillComments(source, name) : source;
    if (better !== source) writeFileSync(path, better);
    problems.push(...checkComments(better, name));
  }
  for (const problem of problems) console.error(problem);
  console.log(`comments: ${files.length} files, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
