/**
 * A state as 32-bit words, and back. Equal data have equal words, whatever the order of the keys,
 * and other data have other words.
 *
 * An even word is an integer of 31 bits. An odd word is the number of an atom: null, a boolean, a
 * text, a greater integer, a list of a length or a record with certain keys. What a list or record
 * holds follows it, in the order of the places or of the sorted keys.
 */

import type { Plain } from './api.ts';

/** Most words of a state. */
export const WORDS_MAX = 1 << 14;
/** Deepest nesting of a state. */
export const NESTING_MAX = 64;

/** Records with the same keys. */
interface Shape {
  readonly word: number;
  /** Sorted. */
  readonly keys: readonly string[];
  /** By key: what the last record had there. A guess only. */
  readonly hints: (Shape | undefined)[];
  /** A record with these keys, in this order. */
  readonly template: Readonly<Record<string, Plain>>;
}

type Atom =
  | { readonly kind: 0; readonly value: null | boolean | string | number }
  | { readonly kind: 1; readonly length: number }
  | { readonly kind: 2; readonly shape: Shape };

/** Thrown where a value is no plain data. `flawOf` says why. */
export class NotPlain extends Error {}
/** Thrown where a value takes more than WORDS_MAX words. */
export class TooLong extends Error {}

const SMALL = 1 << 30;

export class Codec {
  /** What was encoded last. */
  words = new Int32Array(256);
  length = 0;
  /** Where decoding goes on. */
  #from: Int32Array = new Int32Array(0);
  #at = 0;
  readonly #atoms: Atom[] = [];
  readonly #values = new Map<unknown, number>();
  readonly #lists: number[] = [];
  readonly #shapes = new Map<string, Shape>();
  #hint: Shape | undefined;
  #depth = 0;
  readonly #null = this.#atom({ kind: 0, value: null });
  readonly #true = this.#atom({ kind: 0, value: true });
  readonly #false = this.#atom({ kind: 0, value: false });

  /** Begins anew, behind `header` words that are the caller's. */
  encode(value: unknown, header = 0): void {
    this.length = header;
    this.#depth = 0;
    this.#hint = this.#put(value, this.#hint);
  }

  /** A fresh value from words that `encode` has made. */
  decode(words: Int32Array, at: number): Plain {
    this.#from = words;
    this.#at = at;
    return this.#take();
  }

  #atom(atom: Atom): number {
    this.#atoms.push(atom);
    return ((this.#atoms.length - 1) << 1) | 1;
  }

  #push(word: number): void {
    if (this.length === this.words.length) {
      if (this.length >= WORDS_MAX) throw new TooLong();
      const more = new Int32Array(2 * this.length);
      more.set(this.words);
      this.words = more;
    }
    this.words[this.length++] = word;
  }

  /** @returns the shape of a record, as the hint for the next */
  #put(value: unknown, hint: Shape | undefined): Shape | undefined {
    switch (typeof value) {
      case 'number':
        if ((value | 0) === value && value < SMALL && value >= -SMALL) this.#push(value << 1);
        else this.#push(this.#number(value));
        return hint;
      case 'boolean':
        this.#push(value ? this.#true : this.#false);
        return hint;
      case 'string':
        this.#push(this.#values.get(value) ?? this.#intern(value));
        return hint;
      case 'object':
        if (value === null) this.#push(this.#null);
        else if (Array.isArray(value)) return this.#putList(value, hint);
        else return this.#putRecord(value as Readonly<Record<string, unknown>>, hint);
        return hint;
      default:
        throw new NotPlain();
    }
  }

  #number(value: number): number {
    if (!Number.isSafeInteger(value)) throw new NotPlain();
    // -0 is 0.
    return this.#values.get(value) ?? this.#intern(value);
  }

  #intern(value: string | number): number {
    const word = this.#atom({ kind: 0, value });
    this.#values.set(value, word);
    return word;
  }

  #putList(list: readonly unknown[], hint: Shape | undefined): Shape | undefined {
    if (++this.#depth > NESTING_MAX) throw new NotPlain();
    const { length } = list;
    if (length > WORDS_MAX) throw new TooLong();
    this.#push((this.#lists[length] ??= this.#atom({ kind: 1, length })));
    let shape = hint;
    for (let i = 0; i < length; i++) shape = this.#put(list[i], shape);
    this.#depth--;
    return shape;
  }

  #putRecord(record: Readonly<Record<string, unknown>>, hint: Shape | undefined): Shape {
    if (Object.getPrototypeOf(record) !== Object.prototype || ++this.#depth > NESTING_MAX) throw new NotPlain();
    const begin = this.length;
    if (hint !== undefined) {
      const { keys, hints } = hint;
      this.#push(hint.word);
      let i = 0;
      for (const key in record) {
        if (key !== keys[i]) {
          i = -1;
          break;
        }
        hints[i] = this.#put(record[key], hints[i]);
        i++;
      }
      if (i === keys.length) {
        this.#depth--;
        return hint;
      }
      this.length = begin;
    }
    const keys = Object.keys(record).sort();
    const shape = this.#shapeOf(keys);
    this.#push(shape.word);
    for (let i = 0; i < keys.length; i++) shape.hints[i] = this.#put(record[keys[i]!], shape.hints[i]);
    this.#depth--;
    return shape;
  }

  #shapeOf(keys: readonly string[]): Shape {
    const name = JSON.stringify(keys);
    const known = this.#shapes.get(name);
    if (known !== undefined) return known;
    // A key that is no key: it would set the prototype of what is decoded.
    if (keys.includes('__proto__')) throw new NotPlain();
    const template = Object.fromEntries(keys.map((key) => [key, 0]));
    const atom: { kind: 2; shape: Shape } = {
      kind: 2,
      shape: { word: 0, keys, hints: keys.map(() => undefined), template },
    };
    const shape = { ...atom.shape, word: this.#atom(atom) };
    atom.shape = shape;
    this.#shapes.set(name, shape);
    return shape;
  }

  #take(): Plain {
    const word = this.#from[this.#at++]!;
    if ((word & 1) === 0) return word >> 1;
    const atom = this.#atoms[word >> 1]!;
    if (atom.kind === 0) return atom.value;
    if (atom.kind === 1) {
      const list: Plain[] = [];
      for (let i = atom.length; i > 0; i--) list.push(this.#take());
      return list;
    }
    const { keys, template } = atom.shape;
    const record: Record<string, Plain> = { ...template };
    for (let i = 0; i < keys.length; i++) record[keys[i]!] = this.#take();
    return record;
  }
}

/** Why a value is no plain data, with the place in it; undefined when it is. */
export function flawOf(value: unknown, place: string, above: readonly unknown[] = []): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return undefined;
    return `${place} is ${value}, which is no integer below 2^53`;
  }
  if (typeof value !== 'object')
    return `${place} is ${typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`}`;
  if (above.includes(value)) return `${place} is a cycle: it holds itself`;
  if (above.length >= NESTING_MAX) return `${place} is nested deeper than ${NESTING_MAX}`;
  const inside = [...above, value];
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const flaw = flawOf(value[i], `${place}[${i}]`, inside);
      if (flaw !== undefined) return flaw;
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value) as { readonly constructor?: { readonly name?: string } } | null;
  if (prototype !== Object.prototype)
    return `${place} is a ${prototype?.constructor?.name ?? 'record without a prototype'}, and no plain record`;
  for (const key of Object.keys(value).sort()) {
    if (key === '__proto__') return `${place} has a part of the name __proto__`;
    const flaw = flawOf((value as Record<string, unknown>)[key], `${place}.${key}`, inside);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}
