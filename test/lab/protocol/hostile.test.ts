// Protocols that are unfit to be checked: each is named, with the step that showed it.
import { afterEach, describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/base/index.ts';
import {
  checkProtocol,
  type Model,
  type ProblemKind,
  protocol,
  refines,
  search,
} from '../../../src/lab/protocol/index.ts';
import { TRAPPED } from '../../../src/lab/protocol/traps.ts';
import { naive } from './naive.ts';

interface State {
  n: number;
  list: number[];
}
const ALIKE: Model<State>['alike'] = [];
const modelOf = (change: Partial<Model<State>>): Model<State> => ({
  initial: { n: 0, list: [] },
  actors: { a: { up: { when: (s) => s.n < 5, do: (s) => void (s.n += 1) } } },
  laws: { done: () => true },
  alike: ALIKE,
  ...change,
});
const found = (change: Partial<Model<State>>) =>
  search(protocol<State>({ name: 'hostile', what: 'Hostile.', build: () => modelOf(change) }), { states: 100_000 });
/** A step that is well twice, and then does this. */
const then = (act: (s: State) => unknown): Partial<Model<State>> => ({
  actors: {
    a: {
      up: { when: (s) => s.n < 2, do: (s) => void (s.n += 1) },
      late: { when: (s) => s.n === 2, do: act },
    },
  },
});

const no = (): never => {
  throw new Error('no');
};
const throwing = new Proxy({}, { get: no, has: no, ownKeys: no, getPrototypeOf: no, getOwnPropertyDescriptor: no });

let calls = 0;
const shared: number[] = [];
const cases: readonly [string, ProblemKind, string, Partial<Model<State>>, string][] = [
  [
    'a step that throws',
    'throws',
    'a.late',
    then(() => {
      throw new RangeError('no');
    }),
    'RangeError: no',
  ],
  [
    'a guard that throws',
    'throws',
    'a.up: when',
    { actors: { a: { up: { when: (s) => s.list[0]!.toFixed() === '', do: () => undefined } } } },
    'TypeError',
  ],
  [
    'a law that throws',
    'throws',
    'law',
    {
      laws: {
        always: {
          law: (s) => {
            if (s.n === 2) throw new Error('law');
            return true;
          },
        },
        done: () => true,
      },
    },
    'Error: law',
  ],
  [
    'a step that sets undefined',
    'not plain data',
    'a.late',
    then((s) => {
      Reflect.set(s, 'n', undefined);
    }),
    'state.n is undefined',
  ],
  [
    'a step that divides',
    'not plain data',
    'a.late',
    then((s) => {
      s.n /= 4;
    }),
    'state.n is 0.5',
  ],
  [
    'a step that makes a cycle',
    'not plain data',
    'a.late',
    then((s) => {
      Reflect.set(s.list, 0, s);
    }),
    'is a cycle',
  ],
  [
    'a step that gives a list a property',
    'not plain data',
    'a.late',
    then((s) => Object.assign(s.list, { x: 1 }) && undefined),
    'state.list has a property "x"',
  ],
  [
    'a step that sets a symbol',
    'not plain data',
    'a.late',
    then((s) => void Reflect.set(s, Symbol('x'), 1)),
    'state has a property Symbol(x)',
  ],
  [
    'a step that hides a part',
    'not plain data',
    'a.late',
    then((s) => void Object.defineProperty(s, 'h', { value: 1 })),
    'state has a hidden property "h"',
  ],
  [
    'a step that makes a getter',
    'not plain data',
    'a.late',
    then((s) => void Object.defineProperty(s, 'n', { get: () => 1, enumerable: true })),
    'state has a getter or setter "n"',
  ],
  [
    'a step that makes a list of a class',
    'not plain data',
    'a.late',
    then((s) => {
      s.list = new (class More extends Array<number> {})();
    }),
    'state.list is no plain list',
  ],
  [
    'a step that makes a Proxy',
    'not plain data',
    'a.late',
    then((s) => {
      s.list = new Proxy(s.list, {});
    }),
    'the state holds a Proxy',
  ],
  [
    'a first state with a getter',
    'not plain data',
    'initial',
    {
      initial: {
        get n() {
          return 0;
        },
        list: [],
      },
    },
    'state has a getter or setter "n"',
  ],
  [
    'a step whose state throws when it is read',
    'not plain data',
    'a.late',
    then((s) => void Reflect.set(s, 'n', throwing)),
    'the state throws Error: no when it is read',
  ],
  [
    'a step that throws what cannot be read',
    'throws',
    'a.late',
    then(() => {
      throw throwing as Error;
    }),
    'it throws what cannot be told',
  ],
  ['a step that returns what cannot be read', 'returns', 'a.late', then(() => throwing), 'an object'],
  [
    'a step that returns a promise that throws',
    'returns',
    'a.late',
    then(() => Object.defineProperty({}, ['th', 'en'].join(''), { value: no })),
    'a promise',
  ],
  [
    'a guard that changes the state',
    'changes the state',
    'a.up: when',
    {
      actors: {
        a: {
          up: {
            when: (s) => {
              s.list.push(1);
              return s.n < 3;
            },
            do: (s) => void (s.n += 1),
          },
        },
      },
    },
    'may only look',
  ],
  [
    'a law that changes the state',
    'changes the state',
    'law',
    { laws: { always: { law: (s) => s.list.push(1) > 0 }, done: () => true } },
    'may only look',
  ],
  [
    'a step that counts its calls',
    'differs',
    'a.late',
    then((s) => {
      s.n = 10 + calls++;
    }),
    'twice from the same state',
  ],
  [
    'a step that shares a list',
    'differs',
    'a.late',
    then((s) => {
      shared.push(1);
      s.list = [...shared];
      s.n = 9;
    }),
    'twice from the same state',
  ],
  [
    'a law that counts its calls',
    'differs',
    'law',
    { laws: { always: { law: () => calls++ % 2 === 0 }, done: () => true } },
    'the same twice',
  ],
  [
    'a step that asks for the time',
    'asks the host',
    'a.late',
    then((s) => {
      s.n = Date.now();
    }),
    'Date.now',
  ],
  [
    'a step that makes a date',
    'asks the host',
    'a.late',
    then((s) => {
      s.n = new Date().getTime();
    }),
    'Date',
  ],
  [
    'a step that catches what a trap throws',
    'asks the host',
    'a.late',
    then((s) => {
      try {
        s.n = Math.random();
      } catch {
        s.n = 7;
      }
    }),
    'Math.random',
  ],
  [
    'a step that asks a clock',
    'asks the host',
    'a.late',
    then((s) => {
      s.n = performance.now();
    }),
    'performance.now',
  ],
  [
    'a step that waits',
    'asks the host',
    'a.late',
    then(() => {
      setTimeout(() => undefined, 0);
    }),
    'setTimeout',
  ],
  [
    'a step that formats the date of today',
    'asks the host',
    'a.late',
    then((s) => {
      s.n = new Intl.DateTimeFormat().format().length;
    }),
    'Intl.DateTimeFormat',
  ],
  [
    'a step that asks for bytes',
    'asks the host',
    'a.late',
    then((s) => {
      s.n = crypto.getRandomValues(new Uint8Array(1))[0]!;
    }),
    'crypto.getRandomValues',
  ],
  [
    'a step that returns a promise',
    'returns',
    'a.late',
    then(async (s) => {
      await Promise.resolve();
      s.n = 1;
    }),
    'a promise',
  ],
  [
    'a step that is async and throws',
    'returns',
    'a.late',
    then(async () => {
      await Promise.resolve();
      throw new Error('later');
    }),
    'a promise',
  ],
  ['a step that returns a state', 'returns', 'a.late', then((s) => ({ ...s })), 'an object'],
  [
    'a guard that says no boolean',
    'not a boolean',
    'a.up: when',
    { actors: { a: { up: { when: (s) => s.list.length as never, do: () => undefined } } } },
    'a number',
  ],
  [
    'a list that doubles',
    'unbounded',
    'a.up',
    {
      actors: {
        a: {
          up: {
            do: (s) => {
              s.list.push(...s.list, 1);
            },
          },
        },
      },
    },
    'most of them in list',
  ],
];

afterEach(() => {
  calls = 0;
  shared.length = 0;
});

describe('a hostile protocol', () => {
  const before = [Date, Date.now, Math.random, performance.now, setTimeout, crypto.getRandomValues, queueMicrotask];

  it.each(cases)('%s is refused, and named', (_name, kind, where, change, what) => {
    const { verdict, problem } = found(change);
    expect(verdict).toBe('refused');
    expect(problem).toMatchObject({ kind, where });
    expect(problem!.what).toContain(what);
    if (where === 'a.late') expect(problem!.history?.steps.map(({ step }) => step)).toEqual(['up', 'up']);
    expect([Date, Date.now, Math.random, performance.now, setTimeout, crypto.getRandomValues, queueMicrotask]).toEqual(
      before,
    );
  });

  it.each(TRAPPED.map((path) => path.join('.')))('a step that asks for %s is refused, and all is put back', (name) => {
    const path = name.split('.');
    const key = path.at(-1)!;
    const holder = (path.length === 1 ? globalThis : Reflect.get(globalThis, path[0]!)) as object | undefined;
    if (holder === undefined || !(key in holder)) {
      expect(['navigator', 'requestAnimationFrame', 'process.availableMemory']).toContain(name);
      return;
    }
    const was = Reflect.getOwnPropertyDescriptor(holder, key);
    const change = then((s) => {
      const value: unknown = Reflect.get(holder, key);
      if (typeof value === 'function') (value as () => void)();
      s.n = 7;
    });
    const { verdict, problem } = found(change);
    expect([verdict, problem?.kind, problem?.where]).toEqual(['refused', 'asks the host', 'a.late']);
    expect(problem!.what).toMatch(new RegExp(`^it (calls|reads) ${name}: a protocol has no clock and no chance$`));
    expect(problem!.history?.steps.map(({ step }) => step)).toEqual(['up', 'up']);
    expect(Reflect.getOwnPropertyDescriptor(holder, key)).toEqual(was);
  });

  it('a law may sort what is sorted, and two records that are equal are two', () => {
    const pair = (): { at: number[] }[] => [{ at: [1, 2] }, { at: [1, 2] }];
    interface Paired {
      n: number;
      pair: { at: number[] }[];
    }
    const build = (): Model<Paired> => ({
      initial: { n: 0, pair: pair() },
      actors: {
        a: {
          up: {
            when: ({ n }) => n < 40,
            do: (s) => {
              s.n++;
            },
          },
        },
      },
      laws: {
        always: {
          'it is sorted': ({ n, pair: of }) => n >= 0 && of[0]!.at.sort((x, y) => x - y)[0] === 1,
          'it has an equal': ({ n, pair: of }) =>
            n >= 0 && of.every((one) => of.some((other) => other !== one && other.at[1] === one.at[1])),
        },
        done: () => true,
      },
    });
    const { verdict, problem, broken, states } = search({ name: 'x', what: 'X.', build });
    expect([verdict, problem, broken, states]).toEqual(['passed', undefined, [], 41]);
  });

  it('a protocol that asks the host while it is built is refused', () => {
    const build = (): Model<State> => modelOf({ initial: { n: Date.now(), list: [] } });
    expect(search({ name: 'x', what: 'X.', build }).problem).toMatchObject({ kind: 'asks the host', where: 'build' });
  });

  it('a step that behaves until it is reported is caught when its history is taken again', () => {
    // It lies after the visits that are taken twice.
    let times = 0;
    const change = {
      actors: {
        a: { up: { when: (s: Readonly<State>) => s.n < 60, do: (s: State) => void (s.n += ++times < 80 ? 1 : 2) } },
      },
      laws: { always: { few: (s: Readonly<State>) => s.n < 50 }, done: () => true },
    };
    expect(found(change).problem).toMatchObject({ kind: 'differs', where: 'a.up' });
  });

  it('a step that changes its value is refused', () => {
    const up = { each: [{ a: 0 }], do: (_: State, each: unknown) => void ((each as { a: number }).a += 1) };
    expect(found({ actors: { a: { up } } }).problem).toMatchObject({ kind: 'throws', where: 'a.up({"a":0})' });
  });

  const faulty = (breaks: string, asked: string, more: object = {}) => ({
    ...{ name: 'x', what: 'X.', faults: { bad: { what: 'Bad.', breaks, within: 1, ...more } } },
    build: (has: (fault: string) => boolean) => modelOf(has(asked) ? {} : {}),
  });
  it.each([
    ['a fault that is none', faulty('deadlock', 'typo'), {}, 'protocol.build: has: typo is none of bad'],
    ['a law that is none', faulty('typo', 'bad'), {}, 'protocol.faults.bad.breaks: typo is none of the laws deadlock'],
    ['a typing error in a fault', faulty('deadlock', 'bad', { most: 1 }), {}, 'protocol.faults.bad: has no most'],
    ['a text for faults', faulty('deadlock', 'bad'), { faults: 'bad' }, 'options.faults: expected a list'],
    ['null for faults', faulty('deadlock', 'bad'), { faults: null }, 'options.faults: expected a list'],
    ['a text for a flag', faulty('deadlock', 'bad'), { symmetry: 'no' }, 'options.symmetry: "no" is none of'],
  ])('%s is a mistake of the caller', (_name, it, options, message) => {
    const run = () => search(it as never, { faults: ['bad'], ...options } as never);
    expect(run).toThrow(ArgumentError);
    expect(run).toThrow(message);
  });

  it('checkProtocol names an option that is none', () => {
    expect(() => checkProtocol(faulty('deadlock', 'bad'), { faults: ['bad'] } as never)).toThrow(
      'options: has no faults',
    );
    expect(() => checkProtocol(faulty('deadlock', 'bad'), null as never)).toThrow('options: expected an object');
  });

  it('refines names what is wrong with its options', () => {
    const it = faulty('deadlock', 'bad');
    const refined = (runs: unknown, options: object) => () => refines(it as never, runs as never, options);
    const first = { n: 0, list: [] };
    expect(refined([[first]], { faults: 'bad' })).toThrow('options.faults: expected a list');
    expect(refined([[first]], { sees: () => undefined })).toThrow('options.sees: what it returns is undefined');
    expect(refined([[first]], { sees: no })).toThrow('options.sees: it throws no');
    expect(refined('text', {})).toThrow('runs: expected a list of runs');
  });

  it('a protocol or model that throws when it is read is a mistake of the caller', () => {
    expect(() => search(throwing as never)).toThrow(ArgumentError);
    expect(() => search(throwing as never)).toThrow('protocol: it throws Error: no when it is read');
    const build = () => throwing as Model<State>;
    expect(() => search({ name: 'x', what: 'X.', build })).toThrow('model: it throws Error: no when it is read');
  });

  it('a history says how it is found again, with FILE for the file that is not known', () => {
    const { counterexample } = found({ laws: { always: { few: (s) => s.n < 2 } } });
    expect(counterexample!.replay).toBe('stillwarm check protocol FILE');
  });

  it('a text that grows is named', () => {
    const growing = (by: (text: string) => string, states: number) =>
      search(
        {
          ...{ name: 'x', what: 'X.' },
          build: (): Model<{ text: string }> => ({
            initial: { text: 'x' },
            actors: { a: { up: { do: (s) => void (s.text = by(s.text)) } } },
            laws: {},
          }),
        },
        { states },
      );
    expect(growing((text) => text + text, 100).problem).toMatchObject({
      kind: 'unbounded',
      where: 'a.up',
      what: 'a text grows beyond 65536 characters, in text',
    });
    const { verdict, coverage } = growing((text) => `${text}x`, 100);
    expect(verdict).toBe('partial');
    expect(coverage.grew).toEqual(['text: up to 24 characters at first, 100 in the end']);
  });

  it('a law or guard that turns late in a search is caught', () => {
    const turning = (isLaw: boolean, isBack: boolean) => {
      let times = 0;
      const turned = (): boolean => ++times > 300 && (!isBack || times === 301);
      return found({
        actors: { a: { up: { when: (s) => s.n < 500 && !(!isLaw && turned()), do: (s) => void (s.n += 1) } } },
        laws: { always: { law: ({ n }) => n < 0 || !(isLaw && turned()) }, done: ({ n }) => n === 500 || !isBack },
      }).problem;
    };
    expect(turning(true, true)).toMatchObject({ kind: 'differs', where: 'law' });
    expect(turning(false, true)).toMatchObject({ kind: 'differs', where: 'deadlock' });
    expect(turning(false, false)).toMatchObject({ kind: 'differs', where: 'a.up: when' });
  });

  it('a fault and a law of one name, and a fault that needs no step, are refused', () => {
    const fault = (name: string, within: number) =>
      protocol<State, string>({
        ...{ name: 'x', what: 'X.', build: () => modelOf({ laws: { always: { law: () => true } } }) },
        faults: { [name]: { what: 'X.', breaks: 'law', within } },
      });
    expect(() => search(fault('law', 1))).toThrow('model: the law law and the fault law have one name: law');
    expect(() => search(fault('other', 0))).toThrow('protocol.faults.other.within');
  });

  it('a step that never changes the state is named, also where alike things are exchanged', () => {
    const idle = { do: (s: State) => void (s = { ...s }) };
    expect(found({ actors: { a: { up: { when: (s) => s.n < 5, do: (s) => void (s.n += 1) }, idle } } }).idle).toEqual([
      'a.idle',
    ]);
    const swap = (s: State): void => void s.list.reverse();
    const outcome = found({
      ...{ initial: { n: 0, list: [1, 2] }, alike: [{ count: 2, swap }] },
      actors: { a: { turn: { do: swap }, idle } },
    });
    expect([outcome.verdict, outcome.states, outcome.idle]).toEqual(['passed', 1, ['a.idle']]);
  });

  it('a `done` that never held is named, and so are laws that a partial search has not met', () => {
    const up = { do: (s: State) => void (s.n = (s.n + 1) % 9) };
    expect(found({ actors: { a: { up } }, laws: { done: ({ n }) => n === 20 } }).unmet).toEqual(['done']);
    expect(found({ laws: { done: ({ n }) => n === 5 } }).unmet).toEqual([]);
    const laws: Model<State>['laws'] = { sometimes: { far: ({ n }) => n === 8, near: ({ n }) => n === 1 } };
    const it = protocol<State>({ name: 'x', what: 'X.', build: () => modelOf({ actors: { a: { up } }, laws }) });
    expect(search(it, { depth: 3 })).toMatchObject({ verdict: 'partial', unmet: ['far'] });
    expect(search(it)).toMatchObject({ verdict: 'passed', unmet: [] });
  });

  it('a law that remembers something is caught, though it is not asked in each state', () => {
    let times = 0;
    const { problem } = found({
      initial: { n: 0, list: [0] },
      actors: {
        a: { up: { when: (s) => s.n < 3000, do: (s) => void (s.n += 1) } },
        b: { turn: { do: (s) => void (s.list = [1 - s.list[0]!]) } },
      },
      laws: { always: { law: (s) => s.list[0]! < 2 && ++times < 40 } },
    });
    expect(problem).toMatchObject({ kind: 'differs', where: 'law' });
  });

  it.each([
    [
      'a guard that deletes a part that it has not looked at',
      'late: when',
      (s: Partial<State>) => s.n === 2 && delete s.list,
    ],
    ['a guard that adds a part', 'late: when', (s: State) => s.n === 2 && Object.assign(s, { more: 1 }) === s],
    ['a guard that sorts a list', 'late: when', (s: State) => s.n === 2 && s.list.sort((a, b) => a - b).length > 0],
    ['a guard that adds to a list', 'late: when', (s: State) => s.n === 2 && s.list.push(1) > 0],
  ])('%s is named, late in a search', (_, where, when) => {
    const { problem } = found({
      initial: { n: 40, list: [2, 1] },
      actors: {
        a: { down: { when: (s) => s.n > 2, do: (s) => void (s.n -= 1) }, late: { when, do: () => undefined } },
      },
    });
    expect(problem).toMatchObject({ kind: 'changes the state', where: `a.${where}` });
  });

  it.each<[string, (s: State & { more?: number }) => unknown]>([
    ['takes a part away and puts it back', (s) => (s.more === undefined ? (s.more = 1) : delete s.more)],
    ['defines a part anew', (s) => Object.defineProperty(s, 'list', { value: [s.n % 3] })],
    ['makes a list longer than it was at first', (s) => (s.list.length < 12 ? s.list.push(1) : s.list.splice(1))],
    ['sets a part to what it was', (s) => (s.list = [...s.list])],
    ['freezes what it is given', (s) => Object.freeze(Object.freeze(s).list)],
  ])('a step that %s is taken as it is each time', (_, act) => {
    const it = protocol<State>({
      ...{ name: 'x', what: 'X.' },
      build: () =>
        modelOf({
          initial: { n: 0, list: [0] },
          actors: {
            a: {
              up: { do: (s) => void (s.n = (s.n + 1) % 100) },
              act: {
                do: (s) => {
                  act(s);
                },
              },
            },
          },
        }),
    });
    const outcome = search(it);
    expect(outcome.verdict).toBe('passed');
    const { states, transitions } = naive(it);
    expect([states, transitions]).toEqual([outcome.states, outcome.transitions]);
  });

  interface Held {
    n: number;
    one: Record<string, unknown> | readonly number[] | null;
    two: Record<string, unknown>;
  }

  it.each<[string, (s: Held) => unknown]>([
    ['takes a record away and puts it back', (s) => (s.one = s.one === null ? { x: 0, y: [s.n % 2] } : null)],
    ['puts a list in place of a record', (s) => void (s.one = Array.isArray(s.one) ? { x: 1, y: [] } : [s.n % 3])],
    [
      'changes the list that is in place of a record',
      (s) => {
        if (Array.isArray(s.one)) s.one.pop();
        else s.one = [1, 2];
      },
    ],
    ['sets a key of a record', (s) => (s.two['x'] = s.n % 5)],
    ['changes a list in a record', (s) => void ((s.two['y'] as number[])[0] = s.n % 5)],
    ['adds a key to a record', (s) => ('z' in s.two ? delete s.two['z'] : (s.two['z'] = 1))],
    ['takes a key of a record away', (s) => ('x' in s.two ? delete s.two['x'] : (s.two['x'] = 1))],
    ['takes the last key of a record away', (s) => ('y' in s.two ? delete s.two['y'] : (s.two['y'] = [2]))],
    [
      'adds a key to a record, or counts its keys',
      (s) => {
        if (s.n % 2 === 0) s.two['z'] = 1;
        else s.two['x'] = s.n + 100 * Object.keys(s.two).length;
      },
    ],
    ['puts keys in another order', (s) => (s.two = { y: [1], x: s.n % 2 })],
    ['exchanges two records', (s) => ([s.one, s.two] = [s.two, s.one as Record<string, unknown>])],
    [
      'changes a record after it has put it elsewhere',
      (s) => {
        s.one = s.two;
        s.two['x'] = s.n % 4;
      },
    ],
    [
      'changes a record after it has put another in its place',
      (s) => {
        const { two } = s;
        s.two = { x: s.n % 2, y: [] };
        two['x'] = 9;
      },
    ],
    ['defines a key anew', (s) => void Object.defineProperty(s.two, 'x', { value: s.n % 3, enumerable: true })],
    ['freezes a record', (s) => Object.freeze(s.two)],
  ])('a step that %s leads to what it leads to by itself', (_, act) => {
    const it = protocol<Held>({
      ...{ name: 'x', what: 'X.' },
      build: () =>
        ({
          initial: { n: 0, one: { x: 0, y: [0] }, two: { x: 3, y: [2] } },
          actors: {
            a: {
              up: { do: (s: Held) => void (s.n = (s.n + 1) % 40) },
              act: {
                do: (s: Held) => {
                  act(s);
                },
              },
            },
          },
          events: { crash: { survives: ['one'], most: 2 } },
          laws: { always: { law: (s: Held) => s.two['x'] !== 100 } },
        }) as never,
    });
    const outcome = search(it);
    expect(outcome.verdict).toBe('passed');
    const { states, transitions } = naive(it);
    expect([states, transitions]).toEqual([outcome.states, outcome.transitions]);
  });

  it('lists in place of records count towards what a state may hold', () => {
    const { problem } = found({
      initial: { n: 0, one: { x: 0, y: 0 }, two: { x: 0, y: 0 } },
      actors: {
        a: {
          grow: {
            do: (s: { n: number; one: unknown; two: unknown }) => {
              s.n += 100;
              s.one = Array.from({ length: s.n }, () => 0);
              s.two = Array.from({ length: s.n }, () => 0);
            },
          },
        },
      },
    } as never);
    expect(problem).toMatchObject({ kind: 'unbounded', where: 'a.grow', history: { steps: { length: 81 } } });
  });

  it.each<[string, (s: { two: Record<string, unknown> }) => unknown]>([
    ['sets a key of a record', (s) => (s.two['x'] = 7) === 7],
    ['changes a list in a record', (s) => (s.two['y'] as number[]).push(1) > 0],
    ['adds a key to a record', (s) => Object.assign(s.two, { z: 1 }) === s.two],
    ['takes a key of a record away', (s) => delete s.two['x']],
    ['changes the list that has come in place of a record', (s) => (s as { one?: number[] }).one!.push(1) > 0],
  ])('a guard that %s is named, late in a search', (_, when) => {
    const { problem } = found({
      initial: { n: 40, one: { x: 0, y: 0 }, two: { x: 3, y: [2] } },
      actors: {
        a: {
          down: {
            when: (s: { n: number }) => s.n > 2,
            do: (s: { n: number; one: unknown }) => {
              s.n -= 1;
              s.one = [];
            },
          },
          late: { when: (s: { n: number; two: Record<string, unknown> }) => s.n === 2 && when(s), do: () => undefined },
        },
      },
    } as never);
    expect(problem).toMatchObject({ kind: 'changes the state', where: 'a.late: when' });
  });

  it.each<[string, object, string]>([
    ['no step', { actors: {} }, 'model.actors: there is no step'],
    ['a step without do', { actors: { a: { up: {} as never } } }, 'model.actors.a.up: has no do'],
    [
      'a typing error',
      { actors: { a: { up: { do: () => undefined, wen: () => true } as never } } },
      'model.actors.a.up: has no wen',
    ],
    [
      'a part that is none',
      { events: { crash: { survives: ['m' as never] } } },
      'model.events.crash.survives: m is no part of initial; there are n, list',
    ],
    ['a fraction of a crash', { events: { crash: { survives: [], most: 0.5 } } }, 'model.events.crash.most'],
    [
      'one name for two laws',
      { laws: { always: { x: () => true }, sometimes: { x: () => true } } },
      'model: the law x of always and the law x of sometimes have one name: x',
    ],
    [
      'one name for two steps',
      { actors: { a: { 'b.c': { do: () => undefined } }, 'a.b': { c: { do: () => undefined } } } },
      'model: the step b.c of a and the step c of a.b have one name: a.b.c',
    ],
    [
      'one name for a step and one of its actor with a value',
      { actors: { a: { up: { each: 2, do: () => undefined }, 'up(1)': { do: () => undefined } } } },
      'model: the step up(1) of a is there twice',
    ],
    [
      'one name for an event and a step',
      { events: { 'a.up': { survives: [] } } },
      'model: the step up of a and the event a.up have one name: a.up',
    ],
    [
      'one name for an event and a law',
      { events: { x: { survives: [] } }, laws: { always: { x: () => true } } },
      'model: the event x and the law x of always have one name: x',
    ],
    [
      'a law that is called deadlock',
      { laws: { always: { deadlock: () => true } } },
      'model: the law deadlock, which each protocol has, and the law deadlock of always have one name: deadlock',
    ],
    [
      'steps that say what they touch, and laws that do not say what they read',
      { actors: { a: { up: { do: () => undefined, touches: { reads: [], writes: [] } } } } },
      'model.laws.reads: expected the parts that laws read, as steps say what they touch',
    ],
    [
      'a value twice',
      { actors: { a: { up: { each: [1, '1'], do: () => undefined } } } },
      'model.actors.a.up.each[1]: up(1) is the name of another value',
    ],
    [
      'a value that is no plain data',
      { actors: { a: { up: { each: [0.5], do: () => undefined } } } },
      'model.actors.a.up.each[0] is 0.5',
    ],
    ['a step without a name', { actors: { a: { '': { do: () => undefined } } } }, 'model.actors.a: expected a text'],
    ['a law of two lines', { laws: { always: { 'a\nb': () => true } } }, 'model.laws.always: expected a text'],
    [
      'too many orders',
      {
        alike: [
          { count: 6, swap: () => undefined },
          { count: 6, swap: () => undefined },
        ],
      },
      'model.alike: 518400 orders',
    ],
  ])('%s is a mistake that is named', (_name, change, message) => {
    expect(() => found(change as Partial<Model<State>>)).toThrow(ArgumentError);
    expect(() => found(change as Partial<Model<State>>)).toThrow(message);
  });
});
