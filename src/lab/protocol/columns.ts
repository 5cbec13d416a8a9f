/**
 * A state as words: its form behind a header, then a word for each of its parts. What a part holds
 * is kept once, and its word is the number under which it is kept. Equal states have equal words,
 * and others have other words.
 *
 * The first state has form 0. Its short lists are split: a word for the length, and one for each
 * place. A state with other parts, or with a longer list there, has another form.
 */

import type { Plain } from './api.ts';
import type { State } from './model.ts';
import { Visited } from './visited.ts';
import { Codec, makerOf, NotPlain, type Shape, TooLong, WORDS_MAX } from './words.ts';

/** A list of the first state that is longer is not split. */
export const SPLIT_MAX = 8;
/** A list that is shorter has so many places all the same. */
const SPLIT_LEAST = 2;
/** The word of a place behind the end of a list. */
const ABSENT = -1;

/** All values of a part, or of the places of a list. */
class Kept {
  readonly values = new Visited(1 << 8);
  /** Lists and records around a value. */
  readonly depth: number;
  /** So many words of a state are numbers of such values. */
  readonly places: number;
  /** What the last value was. A guess only. */
  hint: Shape | undefined;
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
  readonly kept: Kept;
  /** Places of a list that is split, behind the word of its length; 0 for another part. */
  readonly places: number;
}

/** States with the same parts. */
interface Form {
  readonly number: number;
  /** Sorted by name. */
  readonly parts: readonly Part[];
  /** Words of all parts. */
  readonly length: number;
  readonly make: (from: { take(): Plain }) => Plain;
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
  put({ kept, places }: Part, value: unknown, words: Int32Array, at: number): void {
    if (places === 0) {
      words[at] = this.numberOf(kept, value);
      return;
    }
    const list = value as readonly unknown[];
    const { length } = list;
    this.#codec.listWord(length);
    words[at] = length;
    for (let i = 0; i < places; i++) words[at + 1 + i] = i < length ? this.numberOf(kept, list[i]) : ABSENT;
  }

  /** The number under which a value is kept. @throws NotPlain, TooLong */
  numberOf(kept: Kept, value: unknown): number {
    const codec = this.#codec;
    kept.hint = codec.encode(value, kept.depth, kept.hint);
    const number = kept.values.add(codec.words, codec.length, -1, -1);
    if (number < 0) return -1 - number;
    if (codec.length > kept.longest) {
      this.longest += kept.places * (codec.length - kept.longest);
      kept.longest = codec.length;
    }
    return number;
  }

  /** A fresh value. */
  valueOf({ values }: Kept, number: number): Plain {
    return this.#codec.decode(values.words, values.startOf(number));
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
    const { kept, at, places } = this.#parts[this.#next++]!;
    const [from, start] = [this.#from, this.#at + at];
    if (places === 0) return this.valueOf(kept, from[start]!);
    const list: Plain[] = [];
    for (let i = 1; i <= from[start]!; i++) list.push(this.valueOf(kept, from[start + i]!));
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
        const isLength = part.places > 0 && i === 0;
        return isLength ? this.#codec.listWord(x) < this.#codec.listWord(y) : part.kept.values.isBefore(x, y);
      }
    return false;
  }

  /** Words of a state, if its parts were not kept. */
  #sizeOf(words: Int32Array, at: number): number {
    let size = 1;
    for (const { kept, places, at: from } of this.#forms[words[at]!]!.parts) {
      const start = at + 1 + from;
      if (places > 0) size++;
      const [first, last] = places === 0 ? [start, start] : [start + 1, start + words[start]!];
      for (let i = first; i <= last; i++) size += kept.values.lengthOf(words[i]!);
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
      const places = first === undefined ? placesOf(state[each]) : 0;
      const at = length;
      length += 1 + places;
      return { name: each, at, kept: this.#keptOf(each, places), places };
    });
    const form = { number: this.#forms.length, parts, length, make: makerOf(names) };
    this.#forms.push(form);
    if (first !== undefined) this.#byName.set(name, form);
    return form;
  }

  #keptOf(name: string, places: number): Kept {
    const key = places === 0 ? name : `${name}[]`;
    let kept = this.#kept.get(key);
    if (kept === undefined) {
      kept = new Kept(places === 0 ? 1 : 2, Math.max(places, 1));
      this.#kept.set(key, kept);
    }
    return kept;
  }
}

/** Whether a part of the first form can hold a value. */
export const fits = ({ places }: Part, value: unknown): boolean =>
  places === 0 || (Array.isArray(value) && value.length <= places);

/** How many places a part of the first state is split into. */
function placesOf(value: unknown): number {
  if (!Array.isArray(value) || value.length > SPLIT_MAX) return 0;
  return Math.max(value.length, SPLIT_LEAST);
}
