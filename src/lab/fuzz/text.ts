/**
 * Edits of text that know its tokens: one is replaced, left out, repeated or swapped with another.
 * The text is cut, a character is put in, or the next tokens are nested in brackets.
 */

import type { RandomStream } from '../../sim/index.ts';
import { pick } from './bytes.ts';
import type { Edit, FuzzCase } from './kind.ts';

/** A text of a kind, as tokens that joined are the text. */
export type Tokens = readonly string[];

/** The tokens of JSON: strings, numbers and words, white space, and each other character. */
export const tokensOfJson = (text: string): Tokens => text.match(/"(?:[^"\\]|\\.)*"|[-\w.+]+|\s+|./gs) ?? [];

const MOST_EDITS = 5;
/** Longest text that edits make: what is longer is cut. */
const MOST_TEXT = 1 << 20;

/** Draws a case over these texts. */
export function drawText(random: RandomStream, texts: readonly Tokens[], words: readonly string[]): FuzzCase {
  const specimen = random.below(texts.length);
  const count = random.below(2) === 0 ? 1 : 1 + random.below(MOST_EDITS);
  const edits = Array.from({ length: count }, () => drawEdit(random, texts[specimen]!, texts, words));
  return { specimen, repair: false, edits };
}

function drawEdit(random: RandomStream, tokens: Tokens, texts: readonly Tokens[], words: readonly string[]): Edit {
  const at = placeIn(random, tokens);
  const kind = random.below(14);
  if (kind < 6) return { op: 'replace', at, with: pick(random, words) };
  if (kind === 12) return { op: 'swap', at, from: placeIn(random, tokens) };
  if (kind === 13) return { op: 'drop', at, count: 1 + random.below(3) };
  if (kind === 6) return { op: 'repeat', at, count: random.below(8) === 0 ? 3000 : 1 + random.below(3) };
  if (kind === 7) return { op: 'swap', at, from: placeIn(random, tokens) };
  if (kind === 8) return { op: 'cut', at };
  if (kind === 9) return { op: 'insert', at, with: pick(random, CHARACTERS) };
  if (kind === 10) return { op: 'flip', at, place: random.below(64), bit: random.below(8) };
  return {
    op: 'splice',
    at,
    specimen: random.below(texts.length),
    from: random.u32() % 1000,
    count: 1 + random.below(20),
  };
}

/** A place in a text, most often that of a word, number or string. */
function placeIn(random: RandomStream, tokens: Tokens): number {
  for (let tries = 0; tries < 4; tries++) {
    const at = random.below(Math.max(1, tokens.length));
    if (/\w/.test(tokens[at] ?? '')) return at;
  }
  return random.below(Math.max(1, tokens.length));
}

const CHARACTERS = [
  '\0',
  '\u0001',
  '"',
  '\\',
  '\n',
  '\r',
  ' ',
  '-',
  '=',
  ',',
  '\u2028',
  '\ud800',
  '\uffff',
  'é',
  '𝕏',
] as const;

/** The tokens of a case. */
export function editedTokens({ specimen, edits }: FuzzCase, texts: readonly Tokens[]): string[] {
  const tokens = [...texts[specimen % texts.length]!];
  for (const edit of edits) apply(tokens, edit, texts);
  return tokens;
}

/** The text of a case. */
export function editedText(fuzzCase: FuzzCase, texts: readonly Tokens[]): string {
  return editedTokens(fuzzCase, texts).join('').slice(0, MOST_TEXT);
}

function apply(tokens: string[], edit: Edit, texts: readonly Tokens[]): void {
  const number = (name: string, below: number): number =>
    Math.abs(Math.trunc(Number(edit[name] ?? 0) || 0)) % Math.max(1, below);
  const at = number('at', tokens.length);
  const text = String(edit['with'] ?? '');
  const token = tokens[at] ?? '';
  switch (edit.op) {
    case 'replace':
      tokens[at] = text;
      return;
    case 'drop':
      tokens.splice(at, number('count', 100));
      return;
    case 'repeat':
      tokens.splice(at, 0, token.slice(0, 80).repeat(number('count', 10_000)));
      return;
    case 'swap': {
      const from = number('from', tokens.length);
      tokens[at] = tokens[from] ?? '';
      tokens[from] = token;
      return;
    }
    case 'cut':
      tokens.length = at;
      return;
    case 'insert':
      tokens.splice(at, 0, text);
      return;
    case 'flip': {
      const place = number('place', token.length);
      const flipped = String.fromCharCode(token.charCodeAt(place || 0) ^ (1 << number('bit', 8)) || 0);
      tokens[at] = token.slice(0, place) + flipped + token.slice(place + 1);
      return;
    }
    default: {
      const other = texts[number('specimen', texts.length)]!;
      const from = number('from', other.length);
      tokens.splice(at, 0, ...other.slice(from, from + number('count', 1000)));
    }
  }
}
