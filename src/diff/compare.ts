/**
 * Two results of one command, figure by figure.
 *
 * Contract:
 * 1. Things of a list are matched by the fields that tell them apart (results.ts), and strings and
 *    numbers of a list by themselves. Everything else is matched by its place.
 * 2. Each scalar of either result is compared, or lies in what only one of them has. The fields by
 *    which things were matched are not counted: they are equal.
 * 3. The order is that of A; what only B has comes after it, list by list and object by object.
 * 4. B with A gives the same paths, with A and B exchanged.
 */

import { isList, isObject, isScalar, type Json, type JsonObject, type Scalar } from '../base/json.ts';
import { KNOWN, unitOf, type Known, type ReadResult, type Unit } from './results.ts';

export interface CompareOptions {
  /** Percent of the smaller of two figures. A difference of at most this is not listed. */
  readonly tolerance: number;
  /** Compare only figures whose path contains this text; '': all. Inputs are compared always. */
  readonly only: string;
}

/** Where something lies in a result. */
export interface Place {
  /** Fields and names of things, from the root on: `strategies[cold].runs[after, 1].ns`. */
  readonly path: string;
  /** The part of the path up to the thing that has a table of its own; '' for the root. */
  readonly section: string;
  /** The rest of the path. */
  readonly label: string;
  /** The path of the list of samples in which it lies. */
  readonly samples: string | undefined;
}

/** A scalar that differs. */
export interface Change {
  readonly place: Place;
  /** Null when the two are not both numbers. */
  readonly unit: Unit | null;
  readonly a: Scalar;
  readonly b: Scalar;
  /** B - A; null when the two are not both numbers. */
  readonly difference: number | null;
  /** The difference in percent of A; null when there is none. */
  readonly percent: number | null;
}

/** Something that only one result has. */
export interface Lone {
  readonly place: Place;
  readonly unit: Unit;
  readonly value: Json;
  /** Scalars in it. */
  readonly figures: number;
}

/** The inputs, or the figures. */
export interface Part {
  /** Scalars that both have: `same`, `within` and `changed` together. */
  compared: number;
  same: number;
  /** They differ by no more than the tolerance. */
  within: number;
  readonly changed: Change[];
  readonly onlyInA: Lone[];
  readonly onlyInB: Lone[];
}

export interface Comparison extends CompareOptions {
  /** Schema of both. */
  readonly schema: string;
  readonly inputs: Readonly<Part>;
  readonly figures: Readonly<Part>;
  /** Null where a result has none. */
  readonly digests: { readonly a: string | null; readonly b: string | null };
  /** Whether something differs by more than the tolerance. */
  readonly differs: boolean;
}

/** @param b a result of the same schema as `a` */
export function compareResults(a: ReadResult, b: ReadResult, options: CompareOptions): Comparison {
  const known = KNOWN[a.schema]!;
  const inputs = new Comparer(known, { ...options, tolerance: 0, only: '' });
  const figures = new Comparer(known, options);
  for (const name of keysOf(a.root, b.root)) {
    if (name === 'schema' || name === 'digest') continue;
    (known.inputs.includes(name) ? inputs : figures).field(ROOT, name, 'number', a.root, b.root);
  }
  const digests = { a: digestOf(a), b: digestOf(b) };
  // A digest is of everything: it says nothing of a part, nor how much differs.
  const countsDigests = options.tolerance === 0 && options.only === '';
  return {
    ...options,
    schema: a.schema,
    inputs: inputs.part,
    figures: figures.part,
    digests,
    differs: hasFindings(inputs.part) || hasFindings(figures.part) || (countsDigests && digests.a !== digests.b),
  };
}

const digestOf = ({ root }: ReadResult): string | null => (root.get('digest') as string | undefined) ?? null;
const hasFindings = ({ changed, onlyInA, onlyInB }: Part): boolean =>
  changed.length + onlyInA.length + onlyInB.length > 0;

const ROOT: Place = { path: '', section: '', label: '', samples: undefined };

class Comparer {
  readonly part: Part = { compared: 0, same: 0, within: 0, changed: [], onlyInA: [], onlyInB: [] };
  readonly #known: Known;
  readonly #options: CompareOptions;

  constructor(known: Known, options: CompareOptions) {
    this.#known = known;
    this.#options = options;
  }

  /** Compares one field of two objects, at least one of which has it. */
  field(around: Place, name: string, inherited: Unit, a: JsonObject, b: JsonObject): void {
    this.#either(this.#inField(around, name), name, unitOf(name, inherited), a.get(name), b.get(name));
  }

  /** @param list name of the field that it is, or in which it lies */
  #either(
    place: Place,
    list: string,
    unit: Unit,
    a: Json | undefined,
    b: Json | undefined,
    without: readonly string[] = [],
  ): void {
    if (a !== undefined && b !== undefined) this.#both(place, list, unit, a, b);
    else if (a !== undefined) this.#lone(this.part.onlyInA, place, list, unit, a, without);
    else if (b !== undefined) this.#lone(this.part.onlyInB, place, list, unit, b, without);
  }

  #both(place: Place, list: string, unit: Unit, a: Json, b: Json): void {
    if (isScalar(a) && isScalar(b)) this.#scalars(place, unit, a, b);
    else if (isObject(a) && isObject(b)) this.#objects(place, [], unit, a, b);
    else if (isList(a) && isList(b)) this.#lists(place, list, unit, a, b);
    else {
      this.#lone(this.part.onlyInA, place, list, unit, a);
      this.#lone(this.part.onlyInB, place, list, unit, b);
    }
  }

  #objects(place: Place, without: readonly string[], unit: Unit, a: JsonObject, b: JsonObject): void {
    for (const name of keysOf(a, b)) if (!without.includes(name)) this.field(place, name, unit, a, b);
  }

  #lists(place: Place, list: string, unit: Unit, a: readonly Json[], b: readonly Json[]): void {
    const byThemselves = [...a, ...b].every(isScalar);
    const inA = this.#items(list, a, byThemselves);
    const inB = this.#items(list, b, byThemselves);
    for (const key of keysOf(inA, inB)) {
      const [inOne, inOther] = [inA.get(key), inB.get(key)];
      const at = this.#inList(place, list, key);
      if (inOne !== undefined && inOther !== undefined && isObject(inOne) && isObject(inOther))
        this.#objects(at, this.#namesIn(list, key), unit, inOne, inOther);
      else this.#either(at, list, unit, inOne, inOther, this.#namesIn(list, key));
    }
  }

  /**
   * The items of a list by what tells them apart. The second of two equal ones is `name #2`, and
   * one that nothing tells apart is known by its place: `#3`.
   */
  #items(list: string, items: readonly Json[], byThemselves: boolean): ReadonlyMap<string, Json> {
    const by = this.#fieldsOf(list);
    const times = new Map<string, number>();
    return new Map(
      items.map((item, index) => {
        const key = byThemselves ? nameOf(item) : nameOfThing(item, by);
        if (key === undefined) return [`#${index + 1}`, item];
        const nth = (times.get(key) ?? 0) + 1;
        times.set(key, nth);
        return [nth === 1 ? key : `${key} #${nth}`, item];
      }),
    );
  }

  #scalars(place: Place, unit: Unit, a: Scalar, b: Scalar): void {
    const { tolerance } = this.#options;
    if (!this.#isWanted(place)) return;
    this.part.compared++;
    if (a === b) this.part.same++;
    else if (typeof a !== 'number' || typeof b !== 'number')
      this.part.changed.push({ place, unit: null, a, b, difference: null, percent: null });
    else if (Math.abs(b - a) * 100 <= tolerance * Math.min(Math.abs(a), Math.abs(b))) this.part.within++;
    else {
      const percent = ((b - a) / Math.abs(a)) * 100;
      this.part.changed.push({
        ...{ place, unit, a, b },
        difference: b - a,
        percent: Number.isFinite(percent) ? percent : null,
      });
    }
  }

  /** @param without fields that name the value, when it is a thing of a list */
  #lone(found: Lone[], place: Place, list: string, unit: Unit, value: Json, without: readonly string[] = []): void {
    const figures = this.#count(place, list, value, without);
    if (figures > 0 || this.#isWanted(place)) found.push({ place, unit, value, figures });
  }

  /** The scalars in a value that are to be compared, without the fields that name it. */
  #count(place: Place, list: string, value: Json, without: readonly string[] = []): number {
    if (isScalar(value)) return this.#isWanted(place) ? 1 : 0;
    let sum = 0;
    if (isObject(value)) {
      for (const [name, field] of value)
        if (!without.includes(name)) sum += this.#count(this.#inField(place, name), name, field);
    } else
      for (const [key, item] of this.#items(list, value, value.every(isScalar)))
        sum += this.#count(this.#inList(place, list, key), list, item, this.#namesIn(list, key));
    return sum;
  }

  #isWanted({ path }: Place): boolean {
    return path.includes(this.#options.only);
  }

  #fieldsOf(list: string): readonly string[] {
    return this.#known.things[list]?.by ?? [];
  }

  /** The fields by which a thing of a list got its name. */
  #namesIn(list: string, key: string): readonly string[] {
    return key.startsWith('#') ? [] : this.#fieldsOf(list);
  }

  #inField(around: Place, name: string): Place {
    const shown = /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
    const behind = (text: string): string => (text === '' ? shown : `${text}.${shown}`);
    return { ...around, path: behind(around.path), label: behind(around.label) };
  }

  #inList(around: Place, list: string, key: string): Place {
    const path = `${around.path}[${key}]`;
    const samples = around.samples ?? (this.#known.samples.includes(list) ? around.path : undefined);
    const isSection = this.#known.things[list]?.isSection === true && !key.startsWith('#');
    return isSection
      ? { path, section: path, label: '', samples }
      : { ...around, path, label: `${around.label}[${key}]`, samples };
  }
}

const MIB = 1 << 20;

/** The keys of both, in the order of the first. */
const keysOf = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): Set<string> =>
  new Set([...a.keys(), ...b.keys()]);

/** What tells a thing apart; undefined when it lacks one of the fields, or there are none. */
function nameOfThing(item: Json, by: readonly string[]): string | undefined {
  if (!isObject(item) || by.length === 0) return undefined;
  const names = by.map((field) => {
    const value = item.get(field);
    const isSize = typeof value === 'number' && value % MIB === 0 && unitOf(field, 'number') === 'bytes';
    if (isSize) return `${value / MIB}MiB`;
    return value === undefined ? undefined : nameOf(value);
  });
  return names.includes(undefined) ? undefined : names.join(', ');
}

/** Equal for equal values only; a name that needs no quotes has none. */
function nameOf(value: Json): string | undefined {
  if (isObject(value)) return undefined;
  if (isList(value)) return value.every(isScalar) ? `(${value.map(nameOf).join(', ')})` : undefined;
  const isWord = typeof value === 'string' && /^[A-Za-z][\w.+:-]*( [\w.+:-]+)*$/.test(value);
  return isWord && !['null', 'true', 'false'].includes(value) ? value : JSON.stringify(value);
}
