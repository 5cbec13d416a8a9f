/**
 * A state as words: its form behind a header, then a word for each of its parts. What a part holds
 * is kept once, and its word is the number under which it is kept. Equal states have equal words,
 * and others have other words.
 *
 * The first state has form 0. Its short lists are split: a word for the length, and one for each
 * place. So are its small records: a word that says so, and one for each key. Where something else
 * is in place of the record, that word says what. A state with other parts, or with a longer list
 * there, has another form.
 */

import type { Plain } from './api.ts';
import type { State } from './model.ts';
import { Visited } from './visited.ts';
import { Codec, type Maker, makerOf, NotPlain, type Shape, TooLong, WORDS_MAX } from './words.ts';

/** A list or record of the first state that is longer is not split. */
export const SPLIT_MAX = 8;
/** A shorter list has so many places all the same. A shorter record is not split. */
const SPLIT_LEAST = 2;
/** The word of a place behind the end of a list, or of a record that is not there. */
const ABSENT = -1;
/** The word before the places of a record that is there. */
export const IS_SPLIT = -1;

/** All values of a part, or of the places of a list. */
class Kept {
  readonly values = new Visited(1 << 8);
  /** Lists and records around a value. */
  readonly depth: number;
  /** So many words of a state are numbers of such values. */
  readonly places: number;
  /** What the last value was. A guess only. */
  hint: Shape | undefined;
  /** Numbers of values that are neither lists nor records: so they are found without words. */
  readonly atoms = new Map<unknown, number>();
  /** By number: such a value; undefined for a list or record. */
  readonly plain: (Plain | undefined)[] = [];
  /** Most words of a value. */
  longest = 0;

  constructor(depth: number, places: number) {
    this.depth = depth;
    this.places = places;
  }
}

/** A part of a form. */
export interface Part {
  readonly name: string;
  /** Its first word behind the form. */
  readonly at: number;
  /** Its values, or those of the places. */
  readonly kept: readonly Kept[];
  /** Places of what is split, behind a word of its own; 0 for another part. */
  readonly places: number;
  /** By place, sorted: keys of a record that is split. */
  readonly keys: readonly string[] | undefined;
  /** Makes such a record. */
  readonly make: Maker | undefined;
}

/** States with the same parts. */
interface Form {
  readonly number: number;
  /** Sorted by name. */
  readonly parts: readonly Part[];
  /** Words of all parts. */
  readonly length: number;
  readonly make: Maker;
}

export class Columns {
  /** What was encoded last, in its first `length` words. */
  words = new Int32Array(64);
  length = 0;
  /** Most words of all parts together, if they were not split and not kept. */
  longest = 0;
  readonly #codec = new Codec();
  readonly #kept = new Map<string, Kept>();
  readonly #forms: Form[] = [];
  readonly #byName = new Map<string, Form>();
  /** Where decoding goes on. */
  #from: Int32Array = this.words;
  #at = 0;
  #parts: readonly Part[] = [];
  #next = 0;
  /** The same within a record that is split. */
  #kepts: readonly Kept[] = [];
  #place = 0;
  #nth = 0;
  readonly #places = {
    take: (): Plain => this.valueOf(this.#kepts[++this.#nth]!, this.#from[this.#place + this.#nth]!),
  };

  /** @param header words before it, which are the caller's. @throws NotPlain, TooLong */
  encode(state: State, header: number): void {
    const { number, parts, length } = this.#formOf(state);
    const all = header + 1 + length;
    if (all > WORDS_MAX) throw new TooLong();
    if (all > this.words.length) this.words = new Int32Array(2 * all);
    const { words } = this;
    words[header] = number;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!;
      this.put(part, state[part.name], words, header + 1 + part.at);
    }
    this.length = all;
    if (this.isLong(words, header)) throw new TooLong();
  }

  /** Puts the words of a part. @throws NotPlain, TooLong */
  put({ kept, places, keys }: Part, value: unknown, words: Int32Array, at: number): void {
    if (places === 0) {
      words[at] = this.numberOf(kept[0]!, value);
      return;
    }
    if (keys !== undefined) {
      const isSplit = hasKeys(value, keys);
      words[at] = isSplit ? IS_SPLIT : this.numberOf(kept[0]!, value);
      for (let i = 1; i <= places; i++) words[at + i] = isSplit ? this.numberOf(kept[i]!, value[keys[i - 1]!]) : ABSENT;
      return;
    }
    const list = value as readonly unknown[];
    const { length } = list;
    this.#codec.listWord(length);
    words[at] = length;
    for (let i = 0; i < places; i++) words[at + 1 + i] = i < length ? this.numberOf(kept[1 + i]!, list[i]) : ABSENT;
  }

  /** The number under which a value is kept. @throws NotPlain, TooLong */
  numberOf(kept: Kept, value: unknown): number {
    if (typeof value !== 'object' || value === null) return kept.atoms.get(value) ?? this.#newAtom(kept, value);
    return this.#numberOf(kept, value);
  }

  #newAtom(kept: Kept, value: unknown): number {
    const number = this.#numberOf(kept, value);
    kept.atoms.set(value, number);
    kept.plain[number] = this.#codec.decode(kept.values.words, kept.values.startOf(number));
    return number;
  }

  #numberOf(kept: Kept, value: unknown): number {
    const codec = this.#codec;
    kept.hint = codec.encode(value, kept.depth, kept.hint);
    const number = kept.values.add(codec.words, codec.length, -1, -1);
    if (number < 0) return -1 - number;
    kept.plain.push(undefined);
    if (codec.length > kept.longest) {
      this.longest += kept.places * (codec.length - kept.longest);
      kept.longest = codec.length;
    }
    return number;
  }

  /** A fresh value. */
  valueOf({ plain, values }: Kept, number: number): Plain {
    const atom = plain[number];
    return atom === undefined ? this.#codec.decode(values.words, values.startOf(number)) : atom;
  }

  /** A fresh state from words that `encode` has made. @param at where its header ends */
  decode(words: Int32Array, at: number): State {
    const form = this.#forms[words[at]!]!;
    this.#from = words;
    this.#at = at + 1;
    this.#next = 0;
    this.#parts = form.parts;
    return form.make(this) as State;
  }

  /** What comes next: for the makers of records. */
  take(): Plain {
    const { kept, at, places, make } = this.#parts[this.#next++]!;
    const [from, start] = [this.#from, this.#at + at];
    const first = from[start]!;
    if (places === 0 || (make !== undefined && first !== IS_SPLIT)) return this.valueOf(kept[0]!, first);
    if (make !== undefined) {
      this.#kepts = kept;
      this.#place = start;
      this.#nth = 0;
      return make(this.#places);
    }
    const list: Plain[] = [];
    for (let i = 1; i <= first; i++) list.push(this.valueOf(kept[i]!, from[start + i]!));
    return list;
  }

  /** The parts of a form. */
  partsOf(form: number): readonly Part[] {
    return this.#forms[form]!.parts;
  }

  /** Whether a state has more than WORDS_MAX words. @param at where its header ends */
  isLong(words: Int32Array, at: number): boolean {
    return at + 1 + 2 * this.longest + this.#parts.length > WORDS_MAX && at + this.#sizeOf(words, at) > WORDS_MAX;
  }

  /** Whether a state comes before another, by what they hold. @param at where the headers end */
  isBefore(one: Int32Array, other: Int32Array, at: number): boolean {
    if (one[at] !== other[at]) return one[at]! < other[at]!;
    const longer = this.#sizeOf(one, at) - this.#sizeOf(other, at);
    if (longer !== 0) return longer < 0;
    for (const part of this.#forms[one[at]!]!.parts)
      for (let i = 0; i <= part.places; i++) {
        const [x, y] = [one[at + 1 + part.at + i]!, other[at + 1 + part.at + i]!];
        if (x === y) continue;
        if (i > 0 || part.places === 0) return part.kept[i]!.values.isBefore(x, y);
        if (part.keys === undefined) return this.#codec.listWord(x) < this.#codec.listWord(y);
        return x === IS_SPLIT || (y !== IS_SPLIT && part.kept[0]!.values.isBefore(x, y));
      }
    return false;
  }

  /** Words of a state, if its parts were not kept. */
  #sizeOf(words: Int32Array, at: number): number {
    let size = 1;
    for (const { kept, places, keys, at: from } of this.#forms[words[at]!]!.parts) {
      const start = at + 1 + from;
      const first = words[start]!;
      const isSplit = places > 0 && (keys === undefined || first === IS_SPLIT);
      size += isSplit ? 1 : kept[0]!.values.lengthOf(first);
      const last = !isSplit ? 0 : keys === undefined ? first : places;
      for (let i = 1; i <= last; i++) size += kept[i]!.values.lengthOf(words[start + i]!);
    }
    return size;
  }

  #formOf(state: State): Form {
    if (Object.getPrototypeOf(state) !== Object.prototype) throw new NotPlain();
    const first = this.#forms[0];
    if (first !== undefined) {
      const { parts } = first;
      let i = 0;
      for (const name in state) {
        const part = parts[i++];
        if (part?.name !== name || !fits(part, state[name])) return this.#otherForm(state);
      }
      if (i === parts.length) return first;
    }
    return this.#otherForm(state);
  }

  /** The same where there is another form, or where the parts are in another order. */
  #otherForm(state: State): Form {
    const names = Object.keys(state).sort();
    const first = this.#forms[0];
    if (first !== undefined && names.length === first.parts.length) {
      const { parts } = first;
      if (names.every((name, i) => parts[i]!.name === name && fits(parts[i]!, state[name]))) return first;
    }
    const name = JSON.stringify(names);
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    // A key that is no key: it would set the prototype of what is decoded.
    if (names.includes('__proto__')) throw new NotPlain();
    let length = 0;
    const parts = names.map((each): Part => {
      const part = this.#partOf(each, length, first === undefined ? state[each] : undefined);
      length += 1 + part.places;
      return part;
    });
    const form = { number: this.#forms.length, parts, length, make: makerOf(names) };
    this.#forms.push(form);
    if (first !== undefined) this.#byName.set(name, form);
    return form;
  }

  /** @param value of the first state; undefined where it is not split */
  #partOf(name: string, at: number, value: unknown): Part {
    const whole = this.#keptOf(name, 1, 1);
    if (Array.isArray(value) && value.length <= SPLIT_MAX) {
      const places = Math.max(value.length, SPLIT_LEAST);
      const each = this.#keptOf(`${name}[]`, 2, places);
      return {
        name,
        at,
        kept: [whole, ...Array.from({ length: places }, () => each)],
        places,
        keys: undefined,
        make: undefined,
      };
    }
    const keys = keysOf(value);
    const kept = [whole, ...keys.map((key) => this.#keptOf(`${name}.${key}`, 2, 1))];
    const split = keys.length > 0 ? { keys, make: makerOf(keys) } : { keys: undefined, make: undefined };
    return { name, at, kept, places: keys.length, ...split };
  }

  /** @param place as JavaScript says it: two of one name share what they hold, and no more */
  #keptOf(place: string, depth: number, places: number): Kept {
    let kept = this.#kept.get(place);
    if (kept === undefined) {
      kept = new Kept(depth, places);
      this.#kept.set(place, kept);
    }
    return kept;
  }
}

/** Whether a part of the first form can hold a value. */
export const fits = ({ places, keys }: Part, value: unknown): boolean =>
  places === 0 || keys !== undefined || (Array.isArray(value) && value.length <= places);

/** Whether a value is a record with these keys, and no other. */
function hasKeys(value: unknown, keys: readonly string[]): value is Readonly<Record<string, unknown>> {
  if (!isRecord(value)) return false;
  let i = 0;
  for (const key in value) if (key !== keys[i++]) return isSame(Object.keys(value).sort(), keys);
  return i === keys.length;
}

const isSame = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((key, i) => key === others[i]);

const isRecord = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** Keys by which a record of the first state is split: none for another value. */
function keysOf(value: unknown): readonly string[] {
  const keys = isRecord(value) ? Object.keys(value).sort() : [];
  return keys.length < SPLIT_LEAST || keys.length > SPLIT_MAX || keys.includes('__proto__') ? [] : keys;
}
