import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Plain } from '../../src/report/history.ts';
import { compareStates } from '../../src/report/states.ts';
import { property } from '../support/property.ts';
import { rebuilt, type Row } from './rebuilt.ts';

/** Each change as `path: before → after`. */
function changesOf(...states: Plain[]): string[][] {
  const { places, changes } = compareStates(states);
  return changes.map((each) =>
    each.map(({ place, before, after }) => `${places[place]!.part}${places[place]!.rest}: ${before} → ${after}`),
  );
}

describe('the table of states', () => {
  const plain = fc.letrec<{ value: Plain }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(fc.integer(), fc.string({ maxLength: 12 }), fc.boolean(), fc.constant(null)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        fc.oneof(fc.constantFrom('a', 'b', '0', '__proto__', '', 'a.b', '[0]'), fc.string({ maxLength: 3 })),
        tie('value'),
        { maxKeys: 4 },
      ),
    ),
  })).value;

  property(
    'the table of states and its changes give every state back',
    fc.array(plain, { minLength: 1, maxLength: 5 }),
    (states) => {
      const { places, initial, changes } = compareStates(states);
      const paths = places.map(({ part, rest }) =>
        rest === '' || rest.startsWith('[') ? part + rest : `${part}.${rest}`,
      );
      expect(new Set(paths).size).toBe(paths.length);
      const values = [...initial];
      states.forEach((state, n) => {
        for (const { place, before, after } of n === 0 ? [] : changes[n - 1]!) {
          expect(before).not.toBe(after);
          expect(values[place]).toBe(before);
          values[place] = after;
        }
        const rows = paths.flatMap((path, place): Row[] =>
          values[place] === undefined ? [] : [[path, values[place]]],
        );
        expect(rebuilt(rows)).toEqual(state);
      });
    },
  );

  it('the table of states shows a short list as one value, unless it is long in another state', () => {
    expect(changesOf({ queue: [] }, { queue: ['a'] }, { queue: ['a', 'b'] })).toEqual([
      ['queue: [] → ["a"]'],
      ['queue: ["a"] → ["a", "b"]'],
    ]);
    const long = Array.from({ length: 30 }, (_, n) => n);
    expect(changesOf({ list: long }, { list: [7, 1] })[0]!.slice(0, 2)).toEqual([
      'list[0]: 0 → 7',
      'list[2]: 2 → undefined',
    ]);
  });

  it('the table of states tells a value without parts from one with parts, and text from a number', () => {
    expect(changesOf({ record: null }, { record: { frame: 1 } }, { record: { frame: '1' } }, { record: {} })).toEqual([
      ['record: null → {…}', 'recordframe: undefined → 1'],
      ['recordframe: 1 → "1"'],
      ['record: {…} → {}', 'recordframe: "1" → undefined'],
    ]);
  });

  it('the table of states writes nothing that turns the text around, or breaks its line', () => {
    const { places, initial } = compareStates([{ 'a\u202eb': 'c\nd\u2066', '\n': 1 }]);
    expect(places.map(({ part }) => part)).toEqual(['["a\\u202eb"]', '["\\n"]']);
    expect(initial).toEqual(['"c\\nd\\u2066"', '1']);
  });
});
