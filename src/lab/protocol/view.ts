/** A state whose parts are made when they are looked at, and that knows which of them were. */

import type { Plain } from './api.ts';
import { type Columns, fits, IS_SPLIT, type Part, SPLIT_MAX } from './columns.ts';
import type { State } from './model.ts';
import { frozen } from './words.ts';

/** What was done with a word of a state. */
const [UNTOUCHED, READ, WRITTEN] = [0, 1, 2];

export class View {
  /** What a function of the protocol is given. */
  #state: State;
  readonly #columns: Columns;
  readonly #parts: readonly Part[];
  /** By word: its part, what was done with it, and what it is now. */
  readonly #partAt: readonly Part[];
  readonly #marks: Uint8Array;
  readonly #values: unknown[];
  /** By word and number: what it is, where it cannot be changed. */
  readonly #frozen: unknown[][];
  /** By part: the list or record that was handed out; and lists of each length, to be so. */
  readonly #handed: unknown[];
  readonly #lists: (unknown[] | undefined)[][];
  /** By part: a record to be handed out. */
  readonly #records: (object | undefined)[];
  /** By part: whether it was set as a whole, and to what. */
  readonly #isSet: boolean[];
  readonly #set: unknown[];
  /** Words that were looked at before they were set, in their order. */
  looked: number[] = [];
  /** Whether anything was set. What is fixed has no other changes. */
  isTouched = false;
  #words: Int32Array = new Int32Array(0);
  #at = 0;
  readonly #made = new Int32Array(1 + SPLIT_MAX);
  #pings = 0;
  #isPinged = false;

  readonly #isFixed: boolean;

  /**
   * @param parts of the first form
   * @param isFixed whether its parts are there to stay, and no other can be added; what they hold
   * cannot be changed
   */
  constructor(columns: Columns, parts: readonly Part[], isFixed: boolean) {
    this.#isFixed = isFixed;
    this.#columns = columns;
    this.#parts = parts;
    this.#partAt = parts.flatMap((part) => Array.from({ length: 1 + part.places }, () => part));
    this.#marks = new Uint8Array(this.#partAt.length);
    this.#values = this.#partAt.map(() => null);
    this.#frozen = this.#partAt.map(() => []);
    this.#handed = parts.map(() => undefined);
    this.#lists = parts.map(() => []);
    this.#records = parts.map(() => undefined);
    this.#isSet = parts.map(() => false);
    this.#set = parts.map(() => null);
    this.#state = this.#newState();
  }

  /** Shows a state of the first form from now on. @param at where its parts begin */
  show(words: Int32Array, at: number): State {
    this.#words = words;
    this.#at = at;
    this.looked.length = 0;
    this.isTouched = false;
    this.#marks.fill(UNTOUCHED);
    this.#handed.fill(undefined);
    this.#isSet.fill(false);
    return this.#state;
  }

  /**
   * Words that were set or changed, each with its new number behind it.
   * @returns undefined when the state is of another form now
   * @throws NotPlain, TooLong, or what a value throws when it is read
   */
  changes(): number[] | undefined {
    if (!this.#isFixed && !this.#isWhole()) return undefined;
    const changes: number[] = [];
    for (let n = 0; n < this.#parts.length; n++) {
      const part = this.#parts[n]!;
      const { at, kept, places } = part;
      if (!this.#isFixed && this.#isSet[n] !== true) this.#findOther(n);
      if (this.#isSet[n]) {
        const value = this.#set[n];
        if (!fits(part, value)) return undefined;
        this.#columns.put(part, value, this.#made, 0);
        for (let i = 0; i <= places; i++) changes.push(at + i, this.#made[i]!);
        continue;
      }
      for (let i = at; i <= at + places; i++) {
        // The word before the places of what is intact has not changed.
        if (this.#marks[i] === UNTOUCHED || (i === at && places > 0)) continue;
        // What was only looked at, and has no inside, is as it was.
        if (this.#marks[i] === READ && (this.#isFixed || !isBag(this.#values[i]))) continue;
        const number = this.#columns.numberOf(kept[i - at]!, this.#values[i]);
        // What was set to what it was may have been something else in another state.
        if (this.#marks[i] === WRITTEN || number !== this.#words[this.#at + i]) changes.push(i, number);
      }
    }
    return changes;
  }

  /** Whether changes leave the state as it is. */
  isUnchangedBy(changes: readonly number[]): boolean {
    for (let i = 0; i < changes.length; i += 2)
      if (changes[i + 1] !== this.#words[this.#at + changes[i]!]) return false;
    return true;
  }

  #look(word: number): number {
    if (this.#marks[word] === UNTOUCHED) {
      this.#marks[word] = READ;
      this.looked.push(word);
    }
    return this.#words[this.#at + word]!;
  }

  #get(word: number): unknown {
    if (this.#isPinged) return this.#pings++;
    if (this.#marks[word] === UNTOUCHED) {
      this.#values[word] = this.#valueOf(word, this.#look(word));
    }
    return this.#values[word];
  }

  #valueOf(word: number, number: number): unknown {
    const { kept, at } = this.#partAt[word]!;
    if (!this.#isFixed) return this.#columns.valueOf(kept[word - at]!, number);
    // No two places share one: a function may ask whether two are the same.
    return (this.#frozen[word]![number] ??= frozen(this.#columns.valueOf(kept[word - at]!, number)));
  }

  #put(word: number, value: unknown): void {
    this.isTouched = true;
    this.#marks[word] = WRITTEN;
    this.#values[word] = value;
  }

  #read(n: number): unknown {
    if (this.#isPinged) return this.#pings++;
    if (this.#isSet[n]) return this.#set[n];
    const { at, keys } = this.#parts[n]!;
    if (this.#marks[at] !== UNTOUCHED) return this.#handed[n];
    const first = this.#look(at);
    const handed =
      keys === undefined
        ? this.#listOf(n, first)
        : first === IS_SPLIT
          ? this.#recordOf(n, keys)
          : this.#valueOf(at, first);
    return (this.#handed[n] = handed);
  }

  #write(n: number, value: unknown): void {
    this.isTouched = true;
    this.#isSet[n] = true;
    this.#set[n] = value;
  }

  #listOf(n: number, length: number): unknown[] {
    const known = this.#lists[n]![length];
    if (known !== undefined) return known;
    const list: unknown[] = new Array<unknown>(length);
    const first = this.#parts[n]!.at + 1;
    for (let i = 0; i < length; i++) this.#define(list, i, first + i);
    this.#lists[n]![length] = list;
    if (this.#isFixed) Object.seal(list);
    return list;
  }

  #recordOf(n: number, keys: readonly string[]): object {
    const known = this.#records[n];
    if (known !== undefined) return known;
    const record = {};
    const first = this.#parts[n]!.at + 1;
    for (let i = 0; i < keys.length; i++) this.#define(record, keys[i]!, first + i);
    this.#records[n] = record;
    if (this.#isFixed) Object.seal(record);
    return record;
  }

  #newState(): State {
    const state: State = {};
    this.#parts.forEach(({ name, at, places }, n) => {
      if (places === 0) this.#define(state, name, at);
      else
        Object.defineProperty(state, name, {
          get: () => this.#read(n) as Plain,
          set: (value: unknown) => this.#write(n, value),
          enumerable: true,
          configurable: true,
        });
    });
    if (this.#isFixed) Object.seal(state);
    return state;
  }

  #define(on: object, key: string | number, word: number): void {
    Object.defineProperty(on, key, {
      get: () => this.#get(word),
      set: (value: unknown) => this.#put(word, value),
      enumerable: true,
      configurable: true,
    });
  }

  /** Whether the state has its parts still, and no other. What was done to it is undone. */
  #isWhole(): boolean {
    const isWhole = this.#pinged(this.#state) === this.#parts.length;
    if (!isWhole) this.#state = this.#newState();
    return isWhole;
  }

  /** Whatever was handed out and is no longer what is in the words is set as another. */
  #findOther(n: number): void {
    const handed = this.#handed[n];
    if (handed === undefined) return;
    const { at, keys, places } = this.#parts[n]!;
    const first = this.#words[this.#at + at]!;
    if (keys !== undefined && first !== IS_SPLIT) {
      // What is no record of these keys was handed out as it is.
      if (isBag(handed)) this.#write(n, handed);
    } else if (!this.#isIntact(handed as object, keys === undefined ? first : places)) {
      this.#lists[n]!.length = 0;
      this.#records[n] = undefined;
      this.#write(n, Array.isArray(handed) ? Array.from(handed) : handed);
    }
  }

  /** Whether a list or record has all of its places still, and no other. */
  #isIntact(handed: object, places: number): boolean {
    return (!Array.isArray(handed) || handed.length === places) && this.#pinged(handed) === places;
  }

  /** How many own properties are as they were made; -1 when there is another one. */
  #pinged(of: object): number {
    let count = 0;
    this.#isPinged = true;
    this.#pings = 0;
    // Each that is as it was counts itself.
    for (const name in of) if ((of as Record<string, unknown>)[name] === count) count++;
    this.#isPinged = false;
    return count === this.#pings && Object.isExtensible(of) && Object.keys(of).length === count ? count : -1;
  }
}

const isBag = (value: unknown): boolean => typeof value === 'object' && value !== null;
