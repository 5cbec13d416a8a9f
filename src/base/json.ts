/**
 * JSON text to values, with the place of whatever is wrong in it.
 *
 * Contract:
 * 1. It takes what JSON.parse takes, within the limits below, and gives the same values.
 * 2. An object is a map, so that no key means anything to the program.
 * 3. Anything else is an InputError of one line with the name of the file, the line and the column.
 *
 * Unlike JSON.parse, it refuses a key that an object has twice. It also refuses an integer too
 * large to be exact.
 */

import { grouped } from './counted.ts';
import { InputError } from './input-error.ts';

export type Scalar = null | boolean | number | string;
export type JsonObject = ReadonlyMap<string, Json>;
export type Json = Scalar | readonly Json[] | JsonObject;

/** Objects and lists inside one another; a result has eight. */
const DEPTH_MAX = 64;
/** Values of all kinds; the largest results have some ten thousand. */
const VALUES_MAX = 1 << 21;
/** Characters of a number. */
const NUMBER_MAX = 64;

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const IN_NUMBER = /[-+.\deE]/;
const WORDS: readonly (readonly [text: string, value: Scalar])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
];

/**
 * @param name of the file, for messages
 * @throws InputError
 */
export function parseJson(name: string, text: string): Json {
  return new Parser(name, text).whole();
}

export const isObject = (value: Json): value is JsonObject => value instanceof Map;
export const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
export const isScalar = (value: Json): value is Scalar => value === null || typeof value !== 'object';

class Parser {
  readonly #name: string;
  readonly #text: string;
  #at = 0;
  #values = 0;

  constructor(name: string, text: string) {
    this.#name = name;
    this.#text = text;
  }

  whole(): Json {
    const value = this.#value(0);
    if (this.#peek() !== undefined) this.#fail('expected the end of the text');
    return value;
  }

  #value(depth: number): Json {
    const next = this.#peek();
    if (++this.#values > VALUES_MAX) this.#fail(`more than ${grouped(VALUES_MAX)} values`);
    if (next === '{' || next === '[') {
      if (depth === DEPTH_MAX) this.#fail(`nested more than ${DEPTH_MAX} deep`);
      this.#at++;
      return next === '{' ? this.#object(depth + 1) : this.#list(depth + 1);
    }
    if (next === '"') return this.#string();
    if (next !== undefined && /[-\d]/.test(next)) return this.#number();
    const word = WORDS.find(([each]) => this.#text.startsWith(each, this.#at));
    if (word === undefined) this.#fail('expected a value');
    this.#at += word[0].length;
    return word[1];
  }

  #object(depth: number): JsonObject {
    const fields = new Map<string, Json>();
    if (this.#takes('}')) return fields;
    do {
      if (this.#peek() !== '"') this.#fail('expected a key in quotes');
      const begin = this.#at;
      const key = this.#string();
      if (fields.has(key)) this.#fail('the object has this key already', begin);
      if (!this.#takes(':')) this.#fail("expected ':'");
      fields.set(key, this.#value(depth));
    } while (this.#takes(','));
    if (!this.#takes('}')) this.#fail("expected ',' or '}'");
    return fields;
  }

  #list(depth: number): Json[] {
    const items: Json[] = [];
    if (this.#takes(']')) return items;
    do items.push(this.#value(depth));
    while (this.#takes(','));
    if (!this.#takes(']')) this.#fail("expected ',' or ']'");
    return items;
  }

  #string(): string {
    const begin = this.#at++;
    let isPlain = true;
    for (; this.#text[this.#at] !== '"'; this.#at++) {
      if (this.#at >= this.#text.length) this.#fail('the string does not end', begin);
      if (this.#text.charCodeAt(this.#at) < 0x20) this.#fail('a control character in a string');
      if (this.#text[this.#at] !== '\\') continue;
      isPlain = false;
      this.#at++;
    }
    this.#at++;
    if (isPlain) return this.#text.slice(begin + 1, this.#at - 1);
    try {
      return JSON.parse(this.#text.slice(begin, this.#at)) as string;
    } catch {
      return this.#fail('an escape that JSON does not have', begin);
    }
  }

  #number(): number {
    const begin = this.#at;
    while (this.#at - begin <= NUMBER_MAX && IN_NUMBER.test(this.#text.charAt(this.#at))) this.#at++;
    const text = this.#text.slice(begin, this.#at);
    if (text.length > NUMBER_MAX) this.#fail(`a number of more than ${NUMBER_MAX} characters`, begin);
    if (!NUMBER.test(text)) this.#fail('expected a number', begin);
    const value = Number(text);
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER) this.#fail('a number too large to be compared exactly', begin);
    return value;
  }

  /** The next character that is no space; undefined at the end. */
  #peek(): string | undefined {
    for (; ; this.#at++) {
      const next = this.#text[this.#at];
      if (next !== ' ' && next !== '\n' && next !== '\r' && next !== '\t') return next;
    }
  }

  #takes(wanted: string): boolean {
    if (this.#peek() !== wanted) return false;
    this.#at++;
    return true;
  }

  #fail(what: string, at = this.#at): never {
    const before = this.#text.slice(0, at);
    const line = before.split('\n').length;
    throw new InputError(`${this.#name}: line ${line}, column ${at - before.lastIndexOf('\n')}: ${what}`);
  }
}
