// The search against a checker that is as simple as can be, over random small protocols.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkProtocol, type Model, type Plain, protocol, search } from '../../../src/lab/protocol/index.ts';
import { TWO_SLOTS } from '../../../examples/protocol.ts';
import { property } from '../../support/property.ts';
import { naive, type State } from './naive.ts';

/** A step as data: where part `reads` is `is`, part `writes` becomes `plus` more, by 4. */
interface Rule {
  readonly reads: string;
  readonly is: number;
  readonly writes: string;
  readonly plus: number;
  readonly index: number;
}
const PARTS = ['a', 'b', 'c'];
const small = fc.integer({ min: 0, max: 3 });
const part = fc.constantFrom(...PARTS);
const rule: fc.Arbitrary<Rule> = fc.record({
  reads: part,
  is: small,
  writes: part,
  plus: fc.integer({ min: 1, max: 3 }),
  index: fc.integer({ min: 0, max: 1 }),
});

const listOf = (state: Readonly<State>, name: string): number[] => state[name] as number[];
const at = (state: Readonly<State>, { reads, is, index }: Rule): boolean => listOf(state, reads)[index] === is;
const add = (state: State, { writes, plus, index }: Rule): void => {
  const list = listOf(state, writes);
  list[index] = (list[index]! + plus) % 4;
};

interface Made {
  readonly rules: readonly Rule[];
  readonly shared: readonly Rule[];
  readonly crash: { readonly survives: readonly string[]; readonly most: number };
  readonly bad: Rule;
  readonly after: Rule;
  readonly ends: boolean;
}
const made: fc.Arbitrary<Made> = fc.record({
  rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
  shared: fc.array(rule, { maxLength: 2 }),
  crash: fc.record({ survives: fc.subarray(PARTS), most: fc.integer({ min: 1, max: 2 }) }),
  bad: rule,
  after: rule,
  ends: fc.boolean(),
});

const modelOf = ({ rules, shared, crash, bad, after, ends }: Made): Model<State> => ({
  initial: { a: [0, 0], b: [0, 0], c: [0, 0] },
  actors: {
    one: Object.fromEntries(rules.map((each, i) => [`${i}`, { when: (s) => at(s, each), do: (s) => add(s, each) }])),
    two: Object.fromEntries(
      shared.map((each, i) => [
        `${i}`,
        {
          each: 2,
          when: (s: Readonly<State>, index: number) => at(s, { ...each, index }),
          do: (s: State, index: number) => add(s, { ...each, index }),
        },
      ]),
    ),
  },
  events: { crash: { ...crash, then: (s) => add(s, after) } },
  laws: {
    always: { good: (s) => !(at(s, bad) && at(s, { ...after, is: 3 })) },
    neverAfter: { once: { after: (s) => at(s, after), never: (s) => at(s, { ...bad, is: 3, index: 1 }) } },
    done: () => ends,
  },
});
const protocolOf = (given: Made) => protocol<State>({ name: 'random', what: 'Random.', build: () => modelOf(given) });

describe('a search', () => {
  property('a search finds the states, the steps and the shortest history that a simple one finds', made, (given) => {
    const it = protocolOf(given);
    const simple = naive(it);
    const found = search(it);
    expect(found.verdict).toBe(simple.broken === undefined ? 'passed' : 'violated');
    expect(found.states).toBe(simple.states);
    expect(found.transitions).toBe(simple.transitions);
    expect(found.broken).toEqual(simple.broken?.laws ?? []);
    expect(found.counterexample?.steps.length).toBe(simple.broken?.depth);
    expect(search(it)).toEqual(found);
  });

  property('each step of a history is one that can be taken, and its end breaks the law', made, (given) => {
    const model = modelOf(given);
    const { counterexample, broken } = search(protocolOf(given));
    if (counterexample === undefined) return;
    let state = structuredClone(counterexample.initial) as State;
    for (const { actor, step, isEvent, state: there } of counterexample.steps) {
      const before = state;
      if (isEvent) {
        state = structuredClone(model.initial);
        for (const each of model.events![step]!.survives) state[each] = before[each]!;
        model.events![step]!.then?.(state);
      } else {
        const [, name, value] = /^(\d+)(?:\((\d)\))?$/.exec(step)!;
        const taken = model.actors[actor]![name!]!;
        expect(taken.when!(state, Number(value ?? 0))).toBe(true);
        taken.do(state, Number(value ?? 0));
      }
      expect(there).toEqual(state);
      state = structuredClone(there) as State;
    }
    if (broken.includes('good')) expect(model.laws.always!['good']!(state)).toBe(false);
  });

  property(
    'a bound ends a search with what was covered, and never with a law that holds',
    made,
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 0, max: 5 }),
    (given, states, depth) => {
      const it = protocolOf(given);
      const whole = search(it);
      for (const bound of [{ states }, { depth }]) {
        const part = search(it, bound);
        expect(part.states).toBeLessThanOrEqual('states' in bound ? states : whole.states);
        expect(['partial', whole.verdict]).toContain(part.verdict);
        if (part.verdict === 'partial') expect(part.coverage.frontier).toBeGreaterThan(0);
        if (part.verdict === 'violated')
          expect(part.counterexample!.steps.length).toBe(whole.counterexample!.steps.length);
        if ('depth' in bound && whole.counterexample !== undefined)
          expect(part.verdict === 'violated').toBe(whole.counterexample.steps.length <= depth);
      }
    },
  );

  it('a search names what was never taken, what never held, and what it has counted', () => {
    const it = protocol({
      name: 'three',
      what: 'Three.',
      build: () => ({
        initial: { n: 0 },
        actors: {
          a: {
            up: { when: (s) => s.n < 3, do: (s) => void s.n++ },
            down: { when: (s) => s.n > 3, do: (s) => void s.n-- },
          },
        },
        laws: { sometimes: { two: (s) => s.n === 2, five: (s) => s.n === 5 }, done: (s) => s.n === 3 },
      }),
    });
    const found = search(it);
    expect(found).toMatchObject({ verdict: 'violated', states: 4, transitions: 3, depth: 3, broken: ['five'] });
    expect(found.counterexample).toBeUndefined();
    expect(found.unreached).toEqual(['a.down']);
    expect(found.reached).toEqual({ 'a.up': 3, 'a.down': 0, two: 1, five: 0 });
  });

  it('a deadlock is the end of a shortest history, though an event is possible', () => {
    const it = protocol({
      name: 'stuck',
      what: 'Stuck.',
      build: () => ({
        initial: { n: 0 },
        actors: { a: { up: { when: (s) => s.n < 2, do: (s) => void s.n++ } } },
        events: { crash: { survives: [] } },
        laws: {},
      }),
    });
    const { broken, counterexample } = search(it);
    expect(broken).toEqual(['deadlock']);
    expect(counterexample?.steps.map(({ step }) => step)).toEqual(['up', 'up']);
  });

  it('a state that grows without end is told at the bound, with the part that grows', () => {
    const it = protocol({
      name: 'log',
      what: 'A log.',
      build: () => ({
        initial: { log: [] as number[], at: 0, fixed: 7 },
        actors: { a: { write: { do: (s: { log: number[]; at: number }) => void s.log.push((s.at += 5)) } } },
        laws: {},
      }),
    });
    const { verdict, coverage, states } = search(it, { states: 100 });
    expect({ verdict, states }).toEqual({ verdict: 'partial', states: 100 });
    expect(coverage).toMatchObject({ bound: 'states', depth: 99, frontier: 1 });
    expect(coverage.grew.map((line) => line.split(':')[0])).toEqual(['at', 'log']);
  });
});

/** Three processes that are alike, each between 0 and 3. One of them may hold a token. */
const alike = (law: (list: readonly number[]) => boolean, swaps = true) =>
  protocol({
    name: 'alike',
    what: 'Alike.',
    build: () => ({
      initial: { at: [0, 0, 0], token: null as number | null },
      actors: {
        process: {
          go: {
            each: 3,
            when: (s, i: number) => s.at[i]! < 3 && (s.at[i] !== 1 || s.token === null),
            do: (s, i: number) => {
              if (s.at[i] === 1) s.token = i;
              if (s.at[i] === 2) s.token = null;
              s.at[i]!++;
            },
          },
          back: { each: 3, when: (s, i: number) => s.at[i] === 3, do: (s, i: number) => void (s.at[i] = 0) },
        },
      },
      laws: { always: { law: (s) => law(s.at) } },
      alike: [
        {
          count: 3,
          swap: (s, i, j) => {
            [s.at[i], s.at[j]] = [s.at[j]!, s.at[i]!];
            if (swaps) s.token = s.token === i ? j : s.token === j ? i : s.token;
          },
        },
      ],
    }),
  });

describe('symmetry', () => {
  it.each([
    ['holds', (list: readonly number[]) => list.filter((n) => n === 2).length < 2],
    ['is broken', (list: readonly number[]) => list.filter((n) => n === 3).length < 2],
  ])('a law that %s without symmetry does so with it, in as many steps, and in fewer states', (_name, law) => {
    const [with_, without] = [search(alike(law)), search(alike(law), { symmetry: false })];
    expect(with_.verdict).toBe(without.verdict);
    expect(with_.counterexample?.steps.length).toBe(without.counterexample?.steps.length);
    expect(without.states).toBe(naive(alike(law)).states);
    expect(with_.states).toBeLessThan(without.states / 2);
  });

  it('a history under symmetry is told in the order of the first state', () => {
    const { counterexample } = search(alike((list) => list.filter((n) => n === 3).length < 2));
    let at = [0, 0, 0];
    for (const { step, state } of counterexample!.steps) {
      const [, i] = /^go\((\d)\)$/.exec(step)!;
      at = at.with(Number(i), at[Number(i)]! + 1);
      expect((state as { readonly at: Plain }).at).toEqual(at);
    }
  });

  it('things that are said to be alike, and are not, are refused with the law or step that tells them apart', () => {
    expect(search(alike((list) => list[0]! < 2)).problem).toMatchObject({ kind: 'not alike', where: 'law' });
    expect(search(alike(() => true, false)).problem).toMatchObject({ kind: 'not alike', where: 'process.go' });
  });
});

describe('a protocol with faults', () => {
  it('a protocol is searched without faults and with each, and each row is judged', () => {
    const rows = checkProtocol(TWO_SLOTS);
    expect(rows.map(({ fault, verdict }) => [fault, verdict])).toEqual([
      ['', 'as it should be'],
      ['marked first', 'as it should be'],
    ]);
    const judged = (change: object) => {
      const faults = { 'marked first': { ...TWO_SLOTS.faults!['marked first'], ...change } };
      return checkProtocol({ ...TWO_SLOTS, faults })[1];
    };
    expect(judged({ within: 1 })).toMatchObject({
      verdict: 'wrong',
      why: 'its shortest history has 2 steps, and should have 1 at most',
    });
    expect(judged({ breaks: 'deadlock' })).toMatchObject({
      verdict: 'wrong',
      why: 'it breaks a record is whole, and should break deadlock',
    });
    expect(checkProtocol(TWO_SLOTS, { states: 3 }).map(({ verdict }) => verdict)).toEqual(['partial', 'partial']);
  });
});

/** Workers that do work of their own before they take a lock; with what they say of their steps. */
const workers = (mistake: 'none' | 'early' | 'reads' | 'writes' | 'law' = 'none', declares = true) =>
  protocol({
    name: 'workers',
    what: 'Workers.',
    build: () => {
      const names = ['x', 'y', 'z'] as const;
      const initial = { x: 0, y: 0, z: 0, lock: '', inside: 0 };
      type All = typeof initial;
      const touches = (reads: (keyof All)[], writes: (keyof All)[]) => (declares ? { touches: { reads, writes } } : {});
      return {
        initial,
        actors: Object.fromEntries(
          names.map((name) => [
            name,
            {
              work: {
                when: (s: Readonly<All>) => s[name] < 3,
                do: (s: All) => {
                  if (mistake === 'reads' && s.lock === 'x') s[name] += 0;
                  if (mistake === 'writes' && s[name] === 2) s.inside += 0 * (s.lock = '').length;
                  s[name]++;
                },
                ...touches([name], [name]),
              },
              take: {
                when: (s: Readonly<All>) => s[name] === 3 && (s.lock === '' || mistake === 'early'),
                do: (s: All) => {
                  s.lock = name;
                  s.inside++;
                  s[name]++;
                },
                ...touches([name, 'lock', 'inside'], [name, 'lock', 'inside']),
              },
              give: {
                when: (s: Readonly<All>) => s[name] === 4,
                do: (s: All) => {
                  s.lock = '';
                  s.inside--;
                  s[name]++;
                },
                ...touches([name, 'lock', 'inside'], [name, 'lock', 'inside']),
              },
            },
          ]),
        ),
        events: { crash: { survives: [] } },
        laws: {
          always: { alone: (s) => s.inside < 2 && (mistake !== 'law' || s.x < 9) },
          sometimes: { taken: (s) => s.lock === 'y' },
          done: (s) => names.every((name) => s[name] === 5),
          ...(declares && { reads: ['inside', 'lock'] as const }),
        },
      };
    },
  });

describe('reduction', () => {
  it('a law that holds does so when steps are left out that matter to nobody, in fewer states', () => {
    const [some, all] = [search(workers()), search(workers(), { reduction: false })];
    expect([some.verdict, all.verdict]).toEqual(['passed', 'passed']);
    expect(some.unreached).toEqual(all.unreached);
    expect([some.isReduced, all.isReduced]).toEqual([true, false]);
    expect(all.states).toBe(naive(workers()).states);
    expect(some.states).toBeLessThan(all.states / 2);
    expect(search(workers('none', false))).toMatchObject({ states: all.states, isReduced: false });
  });

  it('a law that is broken is so in as many steps', () => {
    const [some, all] = [search(workers('early')), search(workers('early'), { reduction: false })];
    expect(some.broken).toEqual(['alone']);
    expect(some.counterexample).toEqual(all.counterexample);
    expect(some.isShortest).toBe(true);
  });

  it.each([
    ['reads', 'x.work', 'it reads lock, and does not say so'],
    ['writes', 'x.work', 'it reads lock, and does not say so'],
    ['law', 'alone', 'it reads x, which laws.reads does not have'],
  ] as const)('a protocol that touches more than it says (%s) is refused', (mistake, where, what) => {
    const { problem } = search(workers(mistake));
    if (mistake === 'writes') expect(problem).toMatchObject({ kind: 'touches more', where });
    else expect(problem).toMatchObject({ kind: 'touches more', where, what });
  });

  property(
    'random protocols that say what they touch break the same laws with and without reduction',
    made,
    fc.boolean(),
    (given, crashes) => {
      const touching = protocol<State>({
        name: 'random',
        what: 'Random.',
        build: () => {
          const model = modelOf({ ...given, crash: { ...given.crash, survives: [] } });
          const one = Object.fromEntries(
            given.rules.map((each, i) => [
              `${i}`,
              {
                ...model.actors['one']![`${i}`]!,
                touches: { reads: [each.reads, each.writes], writes: [each.writes] },
              },
            ]),
          );
          const two = Object.fromEntries(
            given.shared.map((each, i) => [
              `${i}`,
              {
                ...model.actors['two']![`${i}`]!,
                touches: { reads: [each.reads, each.writes], writes: [each.writes] },
              },
            ]),
          );
          const reads = [given.bad.reads, given.after.reads];
          const { events: _, ...rest } = model;
          return {
            ...rest,
            actors: { one, two },
            // What happens in a crash besides would read what did not survive.
            ...(crashes && { events: { crash: { survives: [] } } }),
            laws: { ...model.laws, reads: [...new Set(reads)] },
          };
        },
      });
      const [some, all] = [search(touching), search(touching, { reduction: false })];
      expect(some.verdict).toBe(all.verdict);
      expect(some.counterexample?.steps.length).toBe(all.counterexample?.steps.length);
      expect(some.states).toBeLessThanOrEqual(all.states);
      if (all.verdict === 'passed') expect(some.unreached).toEqual(all.unreached);
    },
    { numRuns: 200 },
  );
});
