/**
 * States of plain data as the places of a table, and what changes from one to the next.
 *
 * 1. A place is the way to a value that has no parts. A list of such values is a place, too, if it
 *    is short in all states. A queue that moves up is easier to read as a whole.
 * 2. The table has each place that any of the states has, once. Within a record, names have the
 *    order in which the states show them first.
 * 3. A place that a state does not have has no value there. Values are JSON, so a text is never
 *    mistaken for a number. What has parts in one state and none in another is a place in both.
 */

import { printable, printableJson } from '../base/printable.ts';
import type { Plain } from './history.ts';

export interface Place {
  /** The part of the state, a name of its first level; empty when the state has no names. */
  readonly part: string;
  /** The way from there; empty when the part has no parts. */
  readonly rest: string;
}

/** What a step does to a place. Undefined: the place is missing. */
export interface Change {
  /** Its number in the table. */
  readonly place: number;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

export interface States {
  readonly places: readonly Place[];
  /** The value of each place in the first state. */
  readonly initial: readonly (string | undefined)[];
  /** Of each further state, against the one before it. In ascending order of places. */
  readonly changes: readonly (readonly Change[])[];
}

/** The places of all states, and what changes from state to state. */
export function compareStates(states: readonly Plain[]): States {
  const root = nodeAt({ part: '', rest: '' });
  for (const state of states) survey(root, state, 0);
  const values = states.map((state) => {
    const valueOf = new Map<Node, string>();
    read(root, state, valueOf);
    return valueOf;
  });
  const nodes = placesOf(root, values);
  const changes = values.slice(1).map((valueOf, n) =>
    nodes.flatMap((node, place) => {
      const [before, after] = [values[n]!.get(node), valueOf.get(node)];
      return before === after ? [] : { place, before, after };
    }),
  );
  return {
    places: nodes.map(({ place }) => place),
    initial: nodes.map((node) => values[0]?.get(node)),
    changes,
  };
}

/** A place, or the way to some. */
interface Node {
  readonly place: Place;
  /** Whether some state has a value without parts here. */
  isPlace: boolean;
  /** Whether some state has a list here that is too long for one value. */
  isSplit: boolean;
  /** The parts, in all states. */
  readonly inner: Map<string, Node>;
}

const nodeAt = (place: Place): Node => ({ place, isPlace: false, isSplit: false, inner: new Map() });

/** Parts with the keys of their nodes. A list's first part and a record's part `0` differ. */
const partsOf = (value: Plain): [key: string, part: Plain][] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value as Record<string, Plain>).map(([name, part]) => [
        Array.isArray(value) ? `[${name}]` : WORD.test(name) ? name : `[${printableJson(name)}]`,
        part,
      ]);

/** Letters of a list that is one value, at most. */
const SHORT = 40;

const isShort = (value: Plain): boolean =>
  Array.isArray(value) &&
  value.every((part) => typeof part !== 'object' || part === null) &&
  printableJson(value).length <= SHORT;

/** Makes the nodes of a state, and learns how they are shown. */
function survey(node: Node, value: Plain, depth: number): void {
  const parts = partsOf(value);
  if (parts.length === 0) node.isPlace = true;
  else if (!isShort(value)) node.isSplit ||= Array.isArray(value);
  for (const [key, part] of parts) {
    let inner = node.inner.get(key);
    if (inner === undefined) {
      inner = nodeAt(placeIn(node.place, key, depth));
      node.inner.set(key, inner);
    }
    survey(inner, part, depth + 1);
  }
}

/** The values of a state. */
function read(node: Node, value: Plain, valueOf: Map<Node, string>): void {
  const parts = partsOf(value);
  if (parts.length === 0 || (!node.isSplit && isShort(value))) {
    valueOf.set(node, parts.length === 0 ? printableJson(value) : listed(parts));
    return;
  }
  if (node.isPlace) valueOf.set(node, Array.isArray(value) ? '[…]' : '{…}');
  for (const [key, part] of parts) read(node.inner.get(key)!, part, valueOf);
}

/** A list on one line, which a narrow column may break. */
const listed = (parts: readonly [string, Plain][]): string =>
  `[${parts.map(([, part]) => printableJson(part)).join(', ')}]`;

/** A name that stands for itself behind a point. */
const WORD = /^[\p{L}_$][\p{L}\p{N}_$]*$/u;

function placeIn({ part, rest }: Place, key: string, depth: number): Place {
  if (depth === 0) return { part: printable(key), rest: '' };
  return { part, rest: rest === '' || key.startsWith('[') ? `${rest}${key}` : `${rest}.${key}` };
}

/** Those that have a value in some state. */
function placesOf(root: Node, values: readonly ReadonlyMap<Node, string>[]): Node[] {
  const nodes: Node[] = [];
  const visit = (node: Node): void => {
    if (values.some((valueOf) => valueOf.has(node))) nodes.push(node);
    for (const inner of node.inner.values()) visit(inner);
  };
  visit(root);
  return nodes;
}
