/** A protocol's model as one list of moves and lists of laws, with its mistakes named. */

import { ArgumentError, checkFunction, checkInteger, checkKeys, checkList, checkObject } from '../../base/index.ts';
import type { Alike, AnyProtocol, Event, Holds, Model, Plain, Step, Touches } from './api.ts';
import { flawOf, frozen, saidOf } from './words.ts';

/** States are of a type that their protocol alone knows. */
export type State = Record<string, Plain>;

/** A step whose function may return something all the same. */
export interface CalledStep extends Omit<Step<State>, 'do'> {
  do(state: State, each: Plain): unknown;
}

/** An event whose function may return something all the same. */
export interface CalledEvent extends Omit<Event<State>, 'then'> {
  then?(state: State): unknown;
}

/** One step of an actor with its value, or an event. */
export interface Move {
  readonly number: number;
  /** Empty for an event. */
  readonly actor: string;
  /** With its value in brackets, where it has one. */
  readonly label: string;
  /** Number of its step or event: steps that differ by their value have one. */
  readonly group: number;
  readonly each: Plain;
  readonly step: CalledStep | undefined;
  readonly event: CalledEvent | undefined;
  /** Where it is counted how often an event happened: a word of the header; 0 for none. */
  readonly counter: number;
  readonly most: number;
  readonly touches: Touches<State> | undefined;
  /** Its two functions. */
  readonly when: Called;
  readonly act: Called;
}

/** A function of the protocol, as problems call it. */
export interface Called {
  /** Counted from 1. */
  readonly id: number;
  readonly name: string;
}

/** A function that says whether something holds. */
export interface Asked extends Called {
  readonly holds: Holds<State>;
}

export interface AfterLaw {
  readonly name: string;
  readonly after: Asked;
  readonly never: Asked;
}

export interface CheckedModel {
  readonly initial: State;
  readonly moves: readonly Move[];
  /** Names of steps and events, by group. */
  readonly groups: readonly string[];
  /** Words before a state: the bits of `neverAfter`, and how often each event happened. */
  readonly header: number;
  readonly always: readonly Asked[];
  readonly sometimes: readonly Asked[];
  readonly neverAfter: readonly AfterLaw[];
  readonly done: Asked | undefined;
  readonly reads: readonly string[] | undefined;
  readonly alike: readonly Alike<State>[];
  /** All functions, by id less 1. */
  readonly functions: readonly string[];
}

const NEVER_AFTER_MAX = 30;
const MOST_MAX = 1000;
const EACH_MAX = 10_000;

const entriesOf = <T>(place: string, value: Readonly<Record<string, T>> | undefined): [string, T][] => {
  if (value === undefined) return [];
  checkObject(place, value);
  for (const name of Object.keys(value)) checkName(place, name);
  return Object.entries(value);
};

/** @throws ArgumentError when tables and histories, which are lines, cannot say a name */
function checkName(place: string, name: unknown): void {
  if (typeof name !== 'string' || name === '' || /\p{Cc}/u.test(name))
    throw new ArgumentError(
      `${place}: expected a text without control characters as a name, got ${JSON.stringify(name)}`,
    );
}

/** @throws ArgumentError unless a member is a function, or undefined where it may be left out */
function checkMember(place: string, of: object, member: string, isOptional = false): void {
  checkFunction(`${place}.${member}`, Reflect.get(of, member), isOptional);
}

/** Reads what may throw when it is read. @throws ArgumentError, and nothing else */
function reading<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw isMistake(error) ? error : new ArgumentError(`${place}: it throws ${saidOf(error)} when it is read`);
  }
}

/** Whether an error names a mistake of the caller. What was thrown may throw itself. */
export function isMistake(error: unknown): error is ArgumentError {
  try {
    return error instanceof ArgumentError;
  } catch {
    return false;
  }
}

/** @throws ArgumentError that names the place in the protocol */
export function checkProtocolObject(it: AnyProtocol): void {
  reading('protocol', () => {
    checkMembers(it);
  });
}

function checkMembers(it: AnyProtocol): void {
  checkObject('protocol', it, 'name', 'what', 'build');
  checkKeys('protocol', it, ['name', 'what', 'faults', 'build']);
  for (const key of ['name', 'what'] as const)
    if (typeof it[key] !== 'string' || it[key] === '') throw new ArgumentError(`protocol.${key}: expected a text`);
  checkName('protocol.name', it.name);
  checkMember('protocol', it, 'build');
  for (const [name, fault] of entriesOf('protocol.faults', it.faults)) {
    const place = `protocol.faults.${name}`;
    checkObject(place, fault, 'what', 'breaks', 'within');
    checkKeys(place, fault, ['what', 'breaks', 'within']);
    if (typeof fault.what !== 'string' || fault.what === '') throw new ArgumentError(`${place}.what: expected a text`);
    checkInteger(`${place}.within`, fault.within, 1);
    if (typeof fault.breaks !== 'string') throw new ArgumentError(`${place}.breaks: expected the name of a law`);
  }
}

/** @throws ArgumentError unless `options.faults` is a list of faults of the protocol */
export function checkFaults({ faults = {} }: AnyProtocol, options: unknown): void {
  checkList('options.faults', options);
  for (const fault of options as readonly unknown[]) checkFault('options.faults: ', faults, fault);
}

/** What `build` is given. @throws ArgumentError when it is asked for an unknown fault */
export const hasOf =
  ({ faults = {} }: AnyProtocol, on: readonly string[]) =>
  (fault: string): boolean => {
    checkFault('protocol.build: has: ', faults, fault);
    return on.includes(fault);
  };

function checkFault(place: string, faults: object, fault: unknown): void {
  if (typeof fault === 'string' && Object.hasOwn(faults, fault)) return;
  const known = Object.keys(faults).join(', ');
  throw new ArgumentError(
    `${place}${typeof fault === 'string' ? fault : typeof fault} is none of ${known === '' ? 'no faults' : known}`,
  );
}

/** @throws ArgumentError when a fault is to break what is no law of the model */
export function checkBreaks({ faults = {} }: AnyProtocol, on: readonly string[], laws: readonly string[]): void {
  for (const fault of on) {
    const { breaks } = faults[fault]!;
    if (!laws.includes(breaks))
      throw new ArgumentError(`protocol.faults.${fault}.breaks: ${breaks} is none of the laws ${laws.join(', ')}`);
  }
}

/** @throws ArgumentError when a fault is called like a law */
export function checkFaultNames({ faults = {} }: AnyProtocol, laws: readonly string[]): void {
  checkNames([
    ...laws.map((name): Place => [name, `the law ${name}`]),
    ...Object.keys(faults).map((name): Place => [name, `the fault ${name}`]),
  ]);
}

/** A name, and what is called so. */
type Place = readonly [string, string];

/** @throws ArgumentError that says both of which are called the same */
function checkNames(places: readonly Place[]): void {
  const known = new Map<string, string>();
  for (const [name, place] of places) {
    const other = known.get(name);
    if (other !== undefined && other !== place)
      throw new ArgumentError(`model: ${other} and ${place} have one name: ${name}`);
    if (other !== undefined) throw new ArgumentError(`model: ${place} is there twice`);
    known.set(name, place);
  }
}

/** What tables and histories call by a name. */
function placesOf(moves: readonly Move[], { always, sometimes, neverAfter }: ReturnType<typeof lawsOf>): Place[] {
  return [
    ...moves.map(({ actor, label }): Place => {
      if (actor === '') return [label, `the event ${label}`];
      return [`${actor}.${label}`, `the step ${label} of ${actor}`];
    }),
    ['deadlock', 'the law deadlock, which each protocol has,'],
    ...always.map(({ name }): Place => [name, `the law ${name} of always`]),
    ...sometimes.map(({ name }): Place => [name, `the law ${name} of sometimes`]),
    ...neverAfter.map(({ name }): Place => [name, `the law ${name} of neverAfter`]),
  ];
}

/** @throws ArgumentError that names the place in the model */
export const checkModel = (model: Model<State>): CheckedModel => reading('model', () => checkedModel(model));

function checkedModel(model: Model<State>): CheckedModel {
  checkObject('model', model, 'initial', 'actors', 'laws');
  checkKeys('model', model, ['initial', 'actors', 'events', 'laws', 'alike']);
  checkObject('model.initial', model.initial);
  if (Array.isArray(model.initial)) throw new ArgumentError('model.initial: expected a record, got a list');
  const moves: Move[] = [];
  const functions: string[] = [];
  const called: Naming = (name) => ({ id: functions.push(name), name });
  const groups: string[] = [];
  for (const [actor, steps] of entriesOf('model.actors', model.actors))
    for (const [name, step] of entriesOf(`model.actors.${actor}`, steps)) {
      const place = `model.actors.${actor}.${name}`;
      checkObject(place, step, 'do');
      checkKeys(place, step, ['each', 'when', 'do', 'touches']);
      checkMember(place, step, 'do');
      checkMember(place, step, 'when', true);
      const touches = touchesOf(place, model.initial, step.touches);
      const group = groups.push(`${actor}.${name}`) - 1;
      for (const [each, label] of valuesOf(place, name, step.each))
        moves.push({
          ...{ number: moves.length, actor, label, group, each, step, event: undefined, counter: 0, most: 0, touches },
          when: called(`${actor}.${label}: when`),
          act: called(`${actor}.${label}`),
        });
    }
  if (moves.length === 0) throw new ArgumentError('model.actors: there is no step');
  let counters = 0;
  for (const [name, event] of entriesOf('model.events', model.events)) {
    const place = `model.events.${name}`;
    checkObject(place, event, 'survives');
    checkKeys(place, event, ['survives', 'most', 'when', 'then']);
    partsOf(`${place}.survives`, model.initial, event.survives);
    checkMember(place, event, 'when', true);
    checkMember(place, event, 'then', true);
    const most = event.most ?? 1;
    if (most !== Infinity) checkInteger(`${place}.most`, most, 1, MOST_MAX);
    const counter = most === Infinity ? 0 : ++counters;
    const group = groups.push(name) - 1;
    moves.push({
      ...{ number: moves.length, actor: '', label: name, group, each: 0, step: undefined, event, counter, most },
      ...{ touches: undefined, when: called(`${name}: when`), act: called(name) },
    });
  }
  const laws = lawsOf(model, called);
  if (laws.reads === undefined && moves.some(({ touches }) => touches !== undefined))
    throw new ArgumentError('model.laws.reads: expected the parts that laws read, as steps say what they touch');
  checkNames(placesOf(moves, laws));
  return {
    initial: model.initial,
    moves,
    groups,
    header: 1 + counters,
    ...laws,
    alike: alikeOf(model),
    functions,
  };
}

type Naming = (name: string) => Called;

function lawsOf({ laws, initial }: Model<State>, called: Naming) {
  checkObject('model.laws', laws);
  checkKeys('model.laws', laws, ['always', 'sometimes', 'neverAfter', 'done', 'reads']);
  const named = (kind: 'always' | 'sometimes'): Asked[] =>
    entriesOf(`model.laws.${kind}`, laws[kind]).map(([name, holds]) => {
      checkFunction(`model.laws.${kind}.${name}`, holds);
      return { ...called(name), holds };
    });
  const neverAfter = entriesOf('model.laws.neverAfter', laws.neverAfter).map(([name, law]) => {
    const place = `model.laws.neverAfter.${name}`;
    checkObject(place, law, 'after', 'never');
    checkMember(place, law, 'after');
    checkMember(place, law, 'never');
    return {
      name,
      after: { ...called(`${name}: after`), holds: law.after },
      never: { ...called(`${name}: never`), holds: law.never },
    };
  });
  if (neverAfter.length > NEVER_AFTER_MAX)
    throw new ArgumentError(
      `model.laws.neverAfter: there are ${neverAfter.length}, and at most ${NEVER_AFTER_MAX} are possible`,
    );
  checkMember('model.laws', laws, 'done', true);
  const reads = laws.reads === undefined ? undefined : partsOf('model.laws.reads', initial, laws.reads);
  const found = { always: named('always'), sometimes: named('sometimes'), neverAfter };
  const done = laws.done && { ...called('done'), holds: laws.done.bind(laws) };
  return { ...found, done, reads };
}

function alikeOf({ alike }: Model<State>): readonly Alike<State>[] {
  if (alike === undefined) return [];
  checkList('model.alike', alike, 'count', 'swap');
  let orders = 1;
  alike.forEach((each, n) => {
    const { count } = each;
    checkInteger(`model.alike[${n}].count`, count, 2, 6);
    checkMember(`model.alike[${n}]`, each, 'swap');
    for (let i = 2; i <= count; i++) orders *= i;
  });
  if (orders > 5040)
    throw new ArgumentError(`model.alike: ${orders} orders of all things, and at most 5040 are possible`);
  return alike;
}

function valuesOf(place: string, name: string, each: Step<State>['each']): [Plain, string][] {
  if (each === undefined) return [[0, name]];
  if (typeof each === 'number') checkInteger(`${place}.each`, each, 1, EACH_MAX);
  else checkList(`${place}.each`, each);
  const values = typeof each === 'number' ? Array.from({ length: each }, (_, n) => n) : each;
  if (values.length === 0 || values.length > EACH_MAX)
    throw new ArgumentError(`${place}.each: expected 1 to ${EACH_MAX} values, got ${values.length}`);
  const labels = new Set<string>();
  return values.map((value, i) => {
    const flaw = flawOf(value, `${place}.each[${i}]`);
    if (flaw !== undefined) throw new ArgumentError(flaw);
    const label = `${name}(${typeof value === 'string' ? value : JSON.stringify(value)})`;
    if (labels.has(label)) throw new ArgumentError(`${place}.each[${i}]: ${label} is the name of another value`);
    labels.add(label);
    // A copy that no step can change: all of its calls are given the same.
    return [frozen(JSON.parse(JSON.stringify(value)) as Plain), label];
  });
}

function partsOf(place: string, initial: State, parts: unknown): readonly string[] {
  checkList(place, parts);
  for (const part of parts as readonly unknown[])
    if (typeof part !== 'string' || !Object.hasOwn(initial, part))
      throw new ArgumentError(
        `${place}: ${String(part)} is no part of initial; there are ${Object.keys(initial).join(', ')}`,
      );
  return parts as readonly string[];
}

function touchesOf(place: string, initial: State, touches: Touches<State> | undefined): Touches<State> | undefined {
  if (touches === undefined) return undefined;
  checkObject(`${place}.touches`, touches, 'reads', 'writes');
  partsOf(`${place}.touches.reads`, initial, touches.reads);
  partsOf(`${place}.touches.writes`, initial, touches.writes);
  return touches;
}
