// A checker that is as simple as can be: states are JSON in a Map. The real one must agree with it.
import type { AnyProtocol, Model, Plain } from '../../../src/lab/protocol/index.ts';

export type State = Record<string, Plain>;

interface Node {
  readonly state: State;
  readonly bits: readonly boolean[];
  readonly happened: Readonly<Record<string, number>>;
}

export interface Naive {
  readonly states: number;
  readonly transitions: number;
  /** The law that is broken first, and after how many steps; undefined: none. */
  readonly broken: { readonly laws: readonly string[]; readonly depth: number } | undefined;
}

const sorted = (value: Plain): Plain => {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Plain[]).map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]: [string, Plain]) => [key, sorted(each)]),
  );
};
const keyOf = ({ state, bits, happened }: Node): string => JSON.stringify([sorted(state), bits, sorted(happened)]);
const copy = (state: State): State => structuredClone(state);

/** All successors. */
function next(model: Model<State>, node: Node): { readonly isEvent: boolean; readonly node: Node }[] {
  const after = (state: State): boolean[] =>
    Object.values(model.laws.neverAfter ?? {}).map((law, i) => node.bits[i] === true || law.after(state));
  const found: { isEvent: boolean; node: Node }[] = [];
  for (const steps of Object.values(model.actors))
    for (const step of Object.values(steps)) {
      const each = typeof step.each === 'number' ? Array.from({ length: step.each }, (_, i) => i) : (step.each ?? [0]);
      for (const value of each) {
        if (step.when !== undefined && !step.when(copy(node.state), value)) continue;
        const state = copy(node.state);
        step.do(state, value);
        found.push({ isEvent: false, node: { state, bits: after(state), happened: node.happened } });
      }
    }
  for (const [name, event] of Object.entries(model.events ?? {})) {
    const times = node.happened[name] ?? 0;
    if (times >= (event.most ?? 1) || (event.when !== undefined && !event.when(copy(node.state)))) continue;
    const state = copy(model.initial);
    for (const part of event.survives) state[part] = copy(node.state)[part]!;
    event.then?.(state);
    found.push({
      isEvent: true,
      node: { state, bits: after(state), happened: { ...node.happened, [name]: times + 1 } },
    });
  }
  return found;
}

export function naive(protocol: AnyProtocol, faults: readonly string[] = []): Naive {
  const model = protocol.build((fault) => faults.includes(fault)) as Model<State>;
  const { always = {}, neverAfter = {}, done = () => false } = model.laws;
  const bits = Object.values(neverAfter).map((law) => law.after(model.initial));
  const first: Node = { state: copy(model.initial), bits, happened: {} };
  const seen = new Map([[keyOf(first), 0]]);
  const queue = [first];
  let transitions = 0;
  for (const node of queue) {
    const depth = seen.get(keyOf(node))!;
    const successors = next(model, node);
    const laws = [
      ...Object.entries(always).flatMap(([name, holds]) => (holds(node.state) ? [] : [name])),
      ...Object.entries(neverAfter).flatMap(([name, law], i) => (node.bits[i]! && law.never(node.state) ? [name] : [])),
      ...(successors.every(({ isEvent }) => isEvent) && !done(node.state) ? ['deadlock'] : []),
    ];
    if (laws.length > 0) return { states: seen.size, transitions, broken: { laws, depth } };
    for (const { node: there } of successors) {
      transitions++;
      if (seen.has(keyOf(there))) continue;
      seen.set(keyOf(there), depth + 1);
      queue.push(there);
    }
  }
  return { states: seen.size, transitions, broken: undefined };
}
