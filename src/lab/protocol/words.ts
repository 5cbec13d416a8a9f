/**
 * A state as 32-bit words, and back. Equal data have equal words, whatever the order of the keys,
 * and other data have other words.
 *
 * An even word is an integer of 31 bits. An odd word is the number of an atom. An atom is null, a
 * boolean, a text, a greater integer, a list of a length or a record with certain keys. What a list
 * or record holds follows it, in the order of the places or of the sorted keys.
 */

import type { Plain } from './api.ts';

/** Most words of a state. */
export const WORDS_MAX = 1 << 14;
/** Most characters of a text. */
export const TEXT_MAX = 1 << 16;
/** Deepest nesting of a state. */
export const NESTING_MAX = 64;

/** Makes a record of what it is given, in the order of the sorted keys. */
export type Maker = (from: { take(): Plain }) => Plain;

/** Records with the same keys. */
export interface Shape {
  readonly word: number;
  /** Sorted. */
  readonly keys: readonly string[];
  /** By key: what the last record had there. A guess only. */
  readonly hints: (Shape | undefined)[];
  /** A record with these keys, in this order. */
  readonly make: Maker;
}

/** What is known of records that begin with certain keys, in a certain order. */
interface Order {
  readonly next: Map<string, Order>;
  /** Of records with these keys and no other. */
  shape: Shape | undefined;
}

function longer({ next }: Order, key: string): Order {
  const order: Order = { next: new Map(), shape: undefined };
  next.set(key, order);
  return order;
}

type Bag = Readonly<Record<string, unknown>>;

type Atom =
  | { readonly kind: 0; readonly value: null | boolean | string | number }
  | { readonly kind: 1; readonly length: number }
  | { readonly kind: 2; readonly shape: Shape };

/** Thrown where a value is no plain data. `flawOf` says why. */
export class NotPlain extends Error {}
/** Thrown where a value takes more than WORDS_MAX words, or a text more than TEXT_MAX. */
export class TooLong extends Error {}

const SMALL = 1 << 30;

export class Codec {
  /** What was encoded last, in its first `length` words. */
  readonly words = new Int32Array(WORDS_MAX);
  length = 0;
  /** Where decoding goes on. */
  #from: Int32Array = new Int32Array(0);
  #at = 0;
  readonly #atoms: Atom[] = [];
  readonly #values = new Map<unknown, number>();
  readonly #lists: number[] = [];
  readonly #shapes = new Map<string, Shape>();
  /** Shapes by their keys in whatever order. */
  readonly #orders: Order = { next: new Map(), shape: undefined };
  #depth = 0;
  readonly #null = this.#atom({ kind: 0, value: null });
  readonly #true = this.#atom({ kind: 0, value: true });
  readonly #false = this.#atom({ kind: 0, value: false });

  /**
   * Begins anew.
   * @param depth lists and records around it
   * @param hint what the last such value was: a guess only
   * @returns the hint for the next
   */
  encode(value: unknown, depth = 0, hint?: Shape): Shape | undefined {
    this.length = 0;
    this.#depth = depth;
    const next = this.#put(value, hint);
    this.#checkRoom(0);
    return next;
  }

  /** A fresh value from words that `encode` has made. */
  decode(words: Int32Array, at: number): Plain {
    this.#from = words;
    this.#at = at;
    return this.take();
  }

  /** The word of lists of a length. */
  listWord(length: number): number {
    return (this.#lists[length] ??= this.#atom({ kind: 1, length }));
  }

  #atom(atom: Atom): number {
    this.#atoms.push(atom);
    return ((this.#atoms.length - 1) << 1) | 1;
  }

  /**
   * What a list or record holds is written without further checks. What does not fit is dropped,
   * and found in the end.
   */
  #checkRoom(more: number): void {
    if (this.length + more > WORDS_MAX) throw new TooLong();
  }

  /** @returns the shape of a record, as the hint for the next */
  #put(value: unknown, hint: Shape | undefined): Shape | undefined {
    if (typeof value === 'object' && value !== null)
      return Array.isArray(value) ? this.#putList(value, hint) : this.#putRecord(value as Bag, hint);
    this.words[this.length++] = this.#wordOf(value);
    return hint;
  }

  #wordOf(value: unknown): number {
    switch (typeof value) {
      case 'number':
        return (value | 0) === value && value < SMALL && value >= -SMALL ? value << 1 : this.#number(value);
      case 'boolean':
        return value ? this.#true : this.#false;
      case 'string':
        return this.#values.get(value) ?? this.#intern(value);
      default:
        if (value === null) return this.#null;
        throw new NotPlain();
    }
  }

  #number(value: number): number {
    if (!Number.isSafeInteger(value)) throw new NotPlain();
    // -0 is 0.
    return this.#values.get(value) ?? this.#intern(value);
  }

  #intern(value: string | number): number {
    if (typeof value === 'string' && value.length > TEXT_MAX) throw new TooLong();
    const word = this.#atom({ kind: 0, value });
    this.#values.set(value, word);
    return word;
  }

  #putList(list: readonly unknown[], hint: Shape | undefined): Shape | undefined {
    if (++this.#depth > NESTING_MAX) throw new NotPlain();
    const { length } = list;
    this.#checkRoom(length + 1);
    this.words[this.length++] = this.listWord(length);
    let shape = hint;
    for (let i = 0; i < length; i++) shape = this.#put(list[i], shape);
    this.#depth--;
    return shape;
  }

  #putRecord(record: Bag, hint: Shape | undefined): Shape {
    if (Object.getPrototypeOf(record) !== Object.prototype || ++this.#depth > NESTING_MAX) throw new NotPlain();
    const begin = this.length;
    if (hint !== undefined) {
      const { keys, hints } = hint;
      this.#checkRoom(keys.length + 1);
      this.words[this.length++] = hint.word;
      let i = 0;
      for (const key in record) {
        if (key !== keys[i]) {
          i = -1;
          break;
        }
        const value = record[key];
        // Most of a state is numbers: the rest of what #put does is left out for them.
        if (typeof value === 'number' && (value | 0) === value && value < SMALL && value >= -SMALL)
          this.words[this.length++] = value << 1;
        else if (typeof value === 'object') hints[i] = this.#put(value, hints[i]);
        else this.words[this.length++] = this.#wordOf(value);
        i++;
      }
      if (i === keys.length) {
        this.#depth--;
        return hint;
      }
      this.length = begin;
    }
    let order = this.#orders;
    for (const key in record) order = order.next.get(key) ?? longer(order, key);
    const shape = (order.shape ??= this.#shapeOf(Object.keys(record).sort()));
    const { keys } = shape;
    this.#checkRoom(keys.length + 1);
    this.words[this.length++] = shape.word;
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
    const make = makerOf(keys);
    const atom: { kind: 2; shape: Shape } = {
      kind: 2,
      shape: { word: 0, keys, hints: keys.map(() => undefined), make },
    };
    const shape = { ...atom.shape, word: this.#atom(atom) };
    atom.shape = shape;
    this.#shapes.set(name, shape);
    return shape;
  }

  /** What comes next: for the makers of records. */
  take(): Plain {
    const word = this.#from[this.#at++]!;
    if ((word & 1) === 0) return word >> 1;
    const atom = this.#atoms[word >> 1]!;
    if (atom.kind === 0) return atom.value;
    if (atom.kind === 1) {
      const list: Plain[] = [];
      for (let i = atom.length; i > 0; i--) list.push(this.take());
      return list;
    }
    return atom.shape.make(this);
  }
}

/**
 * Makes records with these keys. A literal of the keys makes a state in half the time. Where no
 * code may be made at run time, as in a page with a strict policy, a loop does the same.
 */
export function makerOf(keys: readonly string[]): Maker {
  const parts = keys.map((key) => `${JSON.stringify(key)}: from.take()`);
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- all of its text is here, and keys are quoted
    return new Function('from', `return { ${parts.join(', ')} };`) as Maker;
  } catch {
    return (from) => {
      const record: Record<string, Plain> = {};
      for (const key of keys) record[key] = from.take();
      return record;
    };
  }
}

/** Has a value, and all that it holds, not be changed any more. */
export function frozen(value: Plain): Plain {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
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
  const hidden = hiddenOf(value, place);
  if (hidden !== undefined) return hidden;
  const inside = [...above, value];
  if (Array.isArray(value)) {
    if (Object.getPrototypeOf(value) !== Array.prototype) return `${place} is no plain list`;
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

/** What a list or record holds that no word tells: it would be lost with the next copy. */
function hiddenOf(value: object, place: string): string | undefined {
  const isList = Array.isArray(value);
  for (const key of Reflect.ownKeys(value)) {
    if (isList && key === 'length') continue;
    const { enumerable, get, set } = Reflect.getOwnPropertyDescriptor(value, key)!;
    const name = typeof key === 'symbol' ? String(key) : JSON.stringify(key);
    if (typeof key === 'symbol' || (isList && String(Number(key)) !== key))
      return `${place} has a property ${name}, which no copy of it keeps`;
    if (get !== undefined || set !== undefined) return `${place} has a getter or setter ${name}, and no value there`;
    if (enumerable !== true) return `${place} has a hidden property ${name}, which no copy of it keeps`;
  }
  return undefined;
}

/** What was thrown, in one line: it may throw itself when it is asked. */
export function saidOf(error: unknown): string {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return text.split('\n')[0]!.slice(0, 200);
  } catch {
    return 'what cannot be told';
  }
}
