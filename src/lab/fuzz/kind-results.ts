/** JSON results, damaged, as `stillwarm diff` reads them. Each is compared with a sound one. */

import { compareResults, diffResult, KNOWN, type ReadResult, readResult, renderComparison } from '../../diff/index.ts';
import { type Kind, must, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { drawText, editedText, tokensOfJson } from './text.ts';
import { InputError } from '../../base/input-error.ts';

/** Values that JSON has. */
const VALUES = [
  '0',
  '-0',
  '1',
  '-1',
  '1e308',
  '-1e-999',
  '0.1',
  'null',
  'true',
  'false',
  '""',
  '"name"',
  '[]',
  '{}',
] as const;
/** What stands for a token: edges of JSON, and names that mean something to JavaScript. */
const WORDS = [
  ...VALUES,
  ...VALUES,
  ...['0', '-0', '1', '-1', '1e308', '1e999', '-1e-999', '9007199254740993', '0.1', '01', '+1', '1e', '.5', 'NaN'],
  ...['null', 'true', 'nul', '""', '"__proto__"', '"constructor"', '"toString"', '"schema"', '"digest"', '"name"'],
  ...['"\\ud800"', '"\\u0000"', '"\\x"', '"', '{', '}', '[', ']', '[]', '{}', ':', ',', '[[[[', '{"a":', '//'],
  '['.repeat(70),
  `"${'x'.repeat(5000)}"`,
  '9'.repeat(100),
] as const;

/** A result of each command, with all that its table of the known says, two things a list. */
function sampleOf(schema: string, salt: number): unknown {
  const { inputs, things, samples } = KNOWN[schema]!;
  const thing = (by: readonly string[], n: number): unknown => ({
    ...Object.fromEntries(by.map((field) => [field, `${field} ${n}`])),
    downNs: 1000 * n + salt,
    pages: { preserved: n, bytes: salt },
  });
  return {
    schema,
    ...Object.fromEntries(inputs.map((name, i) => [name, i])),
    digest: `d${salt}`,
    totalNs: 5e9 + salt,
    isCold: salt === 0,
    nothing: null,
    ...Object.fromEntries(Object.entries(things).map(([name, { by }]) => [name, [thing(by, 1), thing(by, 2)]])),
    ...Object.fromEntries(samples.map((name) => [name, [1, 2, 3 + salt]])),
  };
}

/** What reads a result. A test gives one with a mistake in it. */
export type Read = (name: string, text: string) => ReadResult;

/** @param read that of `stillwarm diff` by default */
export function resultsKind(read: Read = readResult): Kind {
  const schemas = Object.keys(KNOWN);
  const texts = schemas.map((schema) => tokensOfJson(JSON.stringify(sampleOf(schema, 0), undefined, 1)));
  const sound = new Map(schemas.map((schema) => [schema, readResult('B.json', JSON.stringify(sampleOf(schema, 1)))]));
  return {
    name: 'results',
    cases: 4000,
    reasons: [
      ...['expected a value', 'expected the end of the text', 'expected a number', 'the object has this key already'],
      ...['a number too large to be compared exactly', 'digest is not a string'],
    ],
    draw: (random) => drawText(random, texts, WORDS),
    play: (fuzzCase) => playResult(read, sound, editedText(fuzzCase, texts)),
  };
}

function playResult(read: Read, sound: ReadonlyMap<string, ReadResult>, text: string): Verdict {
  let result: ReadResult;
  try {
    result = read('A.json', text);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    must('a refusal is one line', !error.message.includes('\n'), () => 'the message has several lines');
    // Without the name of the file and the place.
    return refusedFor(error.message.replace(/^A\.json: (line \d+, column \d+: )?/, '').replace(/".*/, '…'));
  }
  for (const [a, b] of [
    [result, sound.get(result.schema)!],
    [result, result],
  ] as const) {
    const comparison = compareResults(a, b, { tolerance: 0, only: '' });
    const told = JSON.stringify(diffResult(comparison));
    must('a comparison is JSON', typeof told === 'string' && JSON.parse(told) !== null, () => 'it is not');
    must(
      'a comparison ends in a line',
      renderComparison(comparison, ['A.json', 'B.json']).endsWith('\n'),
      () => 'it does not',
    );
    if (a === b) must('a result equals itself', !comparison.differs, () => 'it differs from itself');
  }
  return TAKEN;
}
