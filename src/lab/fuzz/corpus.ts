/**
 * The corpus: cases that once broke a law, shrunk, one a file. A file says what was wrong, and the
 * line that found it. A case is data over the house's own specimens, so that a file is small.
 */

import { checkArgument, checkObject, checkText } from '../../base/argument-error.ts';
import type { Edit, FuzzCase } from './kind.ts';

/** A counterexample. */
export interface CorpusEntry {
  readonly kind: string;
  /** The law that it broke. */
  readonly law: string;
  /** What was found, in one line. */
  readonly what: string;
  /** The line that found it. */
  readonly replay: string;
  readonly case: FuzzCase;
}

/** The text of a file of the corpus. */
export function corpusText({ case: { edits, ...rest }, ...entry }: CorpusEntry): string {
  const lines = edits.map((edit) => `    ${JSON.stringify(edit)}`);
  const head = Object.entries(entry).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)},`);
  const body = Object.entries(rest).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}, `);
  const list = lines.length === 0 ? '[]' : `[\n${lines.join(',\n')}\n  ]`;
  return `{\n${head.join('\n')}\n  "case": { ${body.join('')}"edits": ${list} }\n}\n`;
}

/**
 * The counterexample in such a text.
 * @throws ArgumentError for any other text
 */
export function parseCorpus(text: string): CorpusEntry {
  const entry = parseJson(text) as CorpusEntry;
  checkObject('entry', entry);
  for (const name of ['kind', 'law', 'what', 'replay'] as const) checkText(`entry.${name}`, entry[name]);
  checkObject('entry.case', entry.case);
  const { specimen, repair, edits } = entry.case;
  checkArgument(Number.isSafeInteger(specimen) && specimen >= 0, 'entry.case.specimen', 'expected a number');
  checkArgument(typeof repair === 'boolean', 'entry.case.repair', 'expected true or false');
  checkArgument(Array.isArray(edits) && edits.every(isEdit), 'entry.case.edits', 'expected a list of edits');
  return entry;
}

function parseJson(text: string): unknown {
  checkText('text', text);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isEdit(edit: unknown): edit is Edit {
  if (typeof edit !== 'object' || edit === null || !('op' in edit) || typeof edit.op !== 'string') return false;
  return Object.values(edit).every((value) => typeof value === 'string' || Number.isFinite(value));
}
