import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/base/index.ts';
import { isList, isObject, parseJson, type Json } from '../../src/base/json.ts';
import { property } from '../support/property.ts';

/** As JSON.parse would give it. */
function plain(value: Json): unknown {
  if (isList(value)) return value.map(plain);
  if (!isObject(value)) return value;
  // Not assigned: a key may be __proto__.
  return Object.fromEntries([...value].map(([key, field]) => [key, plain(field)]));
}

/** The message of the InputError, without the name of the file. */
function refusal(text: string): string {
  try {
    parseJson('f.json', text);
  } catch (error) {
    if (!(error instanceof InputError) || error.message.includes('\n')) throw error;
    expect(error.message).toMatch(/^f\.json: line \d+, column \d+: /);
    return error.message.slice('f.json: '.length);
  }
  throw new Error(`accepted: ${text}`);
}

/** Whether there is no number in it beyond what is compared exactly. */
const isExact = (value: unknown): boolean =>
  JSON.stringify(value, (_, field: unknown) =>
    typeof field === 'number' && Math.abs(field) > Number.MAX_SAFE_INTEGER ? 'large' : field,
  ) === JSON.stringify(value);

const SPACES = fc.stringMatching(/^[ \n\r\t]{0,3}$/);

describe('the parser of JSON', () => {
  property('the parser of JSON gives the values that JSON.parse gives', fc.jsonValue(), SPACES, (value, space) => {
    fc.pre(isExact(value));
    for (const indent of [0, 1, '\t']) {
      const text = `${space}${JSON.stringify(value, null, indent)}${space}`;
      expect(plain(parseJson('f.json', text))).toEqual(JSON.parse(text));
    }
  });

  property(
    'the parser of JSON refuses what JSON.parse refuses, when a character is changed, and nothing else',
    fc.jsonValue({ maxDepth: 3 }),
    fc.nat(),
    fc.constantFrom(...Array.from('{}[],:"\\-+.eE0123456789tnu/ \n\u0000')),
    fc.constantFrom('replace', 'insert', 'remove'),
    (value, where, character, how) => {
      fc.pre(isExact(value));
      const text = JSON.stringify(value);
      const at = where % text.length;
      const changed = `${text.slice(0, at)}${how === 'remove' ? '' : character}${text.slice(how === 'insert' ? at : at + 1)}`;
      let expected: unknown;
      try {
        expected = JSON.parse(changed);
      } catch {
        refusal(changed);
        return;
      }
      // What is refused besides: a key that is there twice, and numbers that are too large.
      try {
        expect(plain(parseJson('f.json', changed))).toEqual(expected);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        expect(error.message).toMatch(/: (the object has this key already|a number [^:]*)$/);
      }
    },
    { numRuns: 500 },
  );

  it.each([
    ['', 'line 1, column 1: expected a value'],
    ['NaN', 'line 1, column 1: expected a value'],
    ['{"a": Infinity}', 'line 1, column 7: expected a value'],
    ['[1,\n 2,\n  x]', 'line 3, column 3: expected a value'],
    ['[1 2]', "line 1, column 4: expected ',' or ']'"],
    ['{"a":1 "b":2}', "line 1, column 8: expected ',' or '}'"],
    ['{a:1}', 'line 1, column 2: expected a key in quotes'],
    ['{"a" 1}', "line 1, column 6: expected ':'"],
    ['{} {}', 'line 1, column 4: expected the end of the text'],
    ['"abc', 'line 1, column 1: the string does not end'],
    ['"ab\\', 'line 1, column 1: the string does not end'],
    ['["a\nb"]', 'line 1, column 4: a control character in a string'],
    ['["\\x"]', 'line 1, column 2: an escape that JSON does not have'],
    ['[01]', 'line 1, column 2: expected a number'],
    ['[1e999]', 'line 1, column 2: a number too large to be compared exactly'],
    ['[-9007199254740992]', 'line 1, column 2: a number too large to be compared exactly'],
    [`[${'1'.repeat(65)}]`, 'line 1, column 2: a number of more than 64 characters'],
    ['{"a":1,\n"b":2,"a":3}', 'line 2, column 7: the object has this key already'],
    ['{"__proto__":1,"__proto__":1}', 'line 1, column 16: the object has this key already'],
    ['['.repeat(65), 'line 1, column 65: nested more than 64 deep'],
    ['{"a":'.repeat(1e6), 'line 1, column 321: nested more than 64 deep'],
    [`[${'0,'.repeat(2 ** 21)}0]`, `line 1, column ${2 * (2 ** 21 - 1) + 2}: more than 2,097,152 values`],
  ])('the parser of JSON says what is wrong, and where: case %#', (text, message) => {
    expect(refusal(text)).toBe(message);
  });

  it('the parser of JSON takes what lies just within its limits', () => {
    expect(isList(parseJson('f.json', `${'['.repeat(64)}${']'.repeat(64)}`))).toBe(true);
    expect(parseJson('f.json', `[9007199254740991,-9007199254740991,${'1'.repeat(2)}e-400]`)).toEqual([
      Number.MAX_SAFE_INTEGER,
      -Number.MAX_SAFE_INTEGER,
      0,
    ]);
  });

  it('the parser of JSON gives no meaning to any key', () => {
    const value = parseJson('f.json', '{"__proto__":{"a":1},"constructor":2}');
    expect(isObject(value) && [...value.keys()]).toEqual(['__proto__', 'constructor']);
    expect(isObject(value) && value.get('a')).toBeUndefined();
  });
});
