// Each counterexample ever found breaks no law any more.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type CorpusEntry,
  corpusText,
  fuzzCheckWith,
  KINDS,
  parseCorpus,
  playCase,
} from '../../../src/lab/fuzz/index.ts';
import { optionsKind } from '../../../src/lab/fuzz/kind-options.ts';
import { COMMAND_LINES } from '../../../src/cli/command-lines.ts';

const FOLDER = new URL('../../../data/corpus/', import.meta.url);
/** Bytes of all files together. */
const MOST_BYTES = 200 << 10;

const kinds = Object.fromEntries(
  fuzzCheckWith(COMMAND_LINES).kinds.map((name) => [
    name,
    name === 'options' ? optionsKind(COMMAND_LINES) : KINDS[name as keyof typeof KINDS](),
  ]),
);
/** Those of crashes are played by test/lab/crash/ablations.test.ts. */
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json') && !name.startsWith('crash-'));
const textOf = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8');

describe('the corpus', () => {
  it.each(files)('the counterexample %s breaks no law any more', (name) => {
    const { kind, case: fuzzCase } = parseCorpus(textOf(name));
    expect(Object.keys(kinds)).toContain(kind);
    expect(playCase(kinds[kind]!, fuzzCase)).not.toHaveProperty('law');
  });

  it('the corpus is small, and each of its files is written as the fuzz writes it', () => {
    expect(files.length).toBeGreaterThan(0);
    expect(files.reduce((sum, name) => sum + textOf(name).length, 0)).toBeLessThan(MOST_BYTES);
    for (const name of files) expect(corpusText(parseCorpus(textOf(name)))).toBe(textOf(name));
  });

  it('a text that is no counterexample is an ArgumentError', () => {
    const entry = parseCorpus(textOf(files[0]!));
    const wrong: unknown[] = [
      {},
      { ...entry, kind: 1 },
      { ...entry, case: { ...entry.case, specimen: -1 } },
      { ...entry, case: { ...entry.case, repair: 1 } },
      { ...entry, case: { ...entry.case, edits: [{ at: 1 }] } },
      { ...entry, case: { ...entry.case, edits: [{ op: 'set', at: null }] } },
    ] satisfies (Partial<Record<keyof CorpusEntry, unknown>> | object)[];
    for (const text of ['', '{', 'null', ...wrong.map((each) => JSON.stringify(each))])
      expect(() => parseCorpus(text)).toThrow(expect.objectContaining({ name: 'ArgumentError' }));
  });
});
