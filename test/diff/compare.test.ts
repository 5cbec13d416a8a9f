import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareResults, type Comparison, type CompareOptions, type Part } from '../../src/diff/index.ts';
import { property } from '../support/property.ts';
import { asRead, figuresIn, plain, RESULTS, spotsOf, type Plain, type PlainObject, type Spot } from './results.ts';

const compare = (a: Plain, b: Plain, options: Partial<CompareOptions> = {}): Comparison =>
  compareResults(asRead(a, 'A.json'), asRead(b, 'B.json'), { tolerance: 0, only: '', ...options });

const isScalar = ({ value }: Spot): boolean => value === null || typeof value !== 'object';
const partsOf = ({ inputs, figures }: Comparison): Readonly<Part>[] => [inputs, figures];
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** What a comparison found, sorted, both parts together. */
function found(comparison: Comparison) {
  const parts = partsOf(comparison);
  const lone = (of: 'onlyInA' | 'onlyInB') =>
    parts.flatMap((part) => part[of].map(({ place, figures }) => `${place.path}: ${figures}`)).sort();
  return {
    changed: parts
      .flatMap(({ changed }) => changed.map(({ place, a, b, difference }) => ({ path: place.path, a, b, difference })))
      .sort((one, other) => (one.path < other.path ? -1 : 1)),
    onlyInA: lone('onlyInA'),
    onlyInB: lone('onlyInB'),
  };
}

const NOTHING = { changed: [], onlyInA: [], onlyInB: [] };

/** Something else of the same kind. */
function other(value: Plain, by: number): Plain {
  if (typeof value === 'number') return value + by;
  if (typeof value === 'string') return `${value}!`;
  return typeof value === 'boolean' ? !value : by;
}

describe.each(RESULTS)('the comparison of two results of %s', (name, _definition, result) => {
  const spots = spotsOf(structuredClone(result));

  it(`a result of ${name} differs in nothing from itself, and all of it is compared`, () => {
    const comparison = compare(result, structuredClone(result));
    expect(found(comparison)).toEqual(NOTHING);
    expect(comparison.differs).toBe(false);
    const compared = partsOf(comparison).map((part) => part.compared);
    expect(sum(compared)).toBe(spots.filter(isScalar).length);
    expect(partsOf(comparison).map(({ same }) => same)).toEqual(compared);
  });

  property(
    `every value of a result of ${name} that is changed is listed, and nothing else`,
    fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 8 }),
    fc.integer({ min: 1, max: 1e6 }),
    (which, by) => {
      const b = structuredClone(result);
      const all = spotsOf(b).filter((spot) => isScalar(spot) && !Array.isArray(spot.holder));
      const chosen = [...new Set(which.map((each) => each % all.length))].map((index) => all[index]!);
      for (const { holder, key, value } of chosen) (holder as PlainObject)[key] = other(value, by);
      const comparison = compare(result, b);
      expect(found(comparison)).toEqual({
        ...NOTHING,
        changed: chosen
          .map(({ path, value }) => {
            const now = other(value, by);
            const difference = typeof value === 'number' ? (now as number) - value : null;
            return { path, a: value, b: now, difference };
          })
          .sort((one, two) => (one.path < two.path ? -1 : 1)),
      });
      expect(comparison.differs).toBe(true);
      const { length } = spots.filter(isScalar);
      expect(sum(partsOf(comparison).map(({ same }) => same))).toBe(length - chosen.length);
    },
    { numRuns: 12, lawRuns: 30 },
  );

  property(
    `every field and every thing of a result of ${name} that is taken away is listed once, with the figures in it`,
    fc.nat(),
    (which) => {
      const b = structuredClone(result);
      const all = spotsOf(b);
      const chosen = all[which % all.length]!;
      const figures = figuresIn(chosen);
      if (Array.isArray(chosen.holder)) chosen.holder.splice(Number(chosen.key), 1);
      else Reflect.deleteProperty(chosen.holder, chosen.key);
      const gone = [`${chosen.path}: ${figures}`];
      expect(found(compare(result, b))).toEqual({ ...NOTHING, onlyInA: gone });
      expect(found(compare(b, result))).toEqual({ ...NOTHING, onlyInB: gone });
    },
    { numRuns: 12, lawRuns: 30 },
  );

  it(`a result of ${name} is the same in another order of its fields and of its things`, () => {
    const reversed = (value: Plain, list = ''): Plain => {
      if (Array.isArray(value)) {
        const items = value.map((item) => reversed(item));
        // Samples are in the order of time.
        const isOfSamples = list === 'windows' || (list === 'timeline' && name === 'reboot');
        return isOfSamples ? items : items.reverse();
      }
      if (value === null || typeof value !== 'object') return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, field]) => [key, key === 'off' ? field : reversed(field, key)]),
      );
    };
    expect(found(compare(result, reversed(result)))).toEqual(NOTHING);
  });
});

describe('a comparison', () => {
  const [, , reboot] = RESULTS[0];

  property(
    'a comparison accounts for every value, is mirrored, and finds nothing in a result and itself, whatever is in it',
    fc.constantFrom(...RESULTS.map(([, , { schema }]) => schema!)),
    hostile(),
    hostile(),
    (schema, one, two) => {
      const [a, b] = [
        { ...one, schema },
        { ...two, schema },
      ];
      const [there, back] = [compare(a, b), compare(b, a)];
      expect(found(compare(a, structuredClone(a)))).toEqual(NOTHING);
      const swapped = found(back);
      expect(found(there)).toEqual({
        changed: swapped.changed.map(({ path, a: inA, b: inB, difference }) => ({
          ...{ path, a: inB, b: inA },
          difference: difference === null ? null : -difference,
        })),
        onlyInA: swapped.onlyInB,
        onlyInB: swapped.onlyInA,
      });
      expect(there.differs).toBe(back.differs);
      partsOf(there).forEach((part, n) => {
        const { compared, same, within } = partsOf(back)[n]!;
        expect(part).toMatchObject({ compared, same, within });
        expect(part.compared).toBe(part.same + part.within + part.changed.length);
      });
      const itself = sum(partsOf(compare(a, a)).map(({ compared }) => compared));
      const lone = sum(partsOf(there).flatMap(({ onlyInA }) => onlyInA.map(({ figures }) => figures)));
      expect(sum(partsOf(there).map(({ compared }) => compared)) + lone).toBe(itself);
      for (const of of ['changed', 'onlyInA', 'onlyInB'] as const) {
        const paths = partsOf(there).flatMap((part) => part[of].map(({ place }) => place.path));
        expect(new Set(paths).size).toBe(paths.length);
      }
    },
    { numRuns: 300 },
  );

  property(
    'a comparison lists two figures exactly when they differ by more than the tolerance, in percent of the smaller',
    fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 1e12 })),
    fc.oneof(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -1e12, max: 1e12 })),
    fc.integer({ min: 0, max: 30 }),
    (size, by, tolerance) => {
      const [a, b] = [plain({ ...reboot, extra: size }), plain({ ...reboot, extra: Math.abs(size + by) })];
      const [inA, inB] = [BigInt(size), BigInt(Math.abs(size + by))];
      const [least, most] = inA < inB ? [inA, inB] : [inB, inA];
      const isWithin = most * 100n <= least * BigInt(100 + tolerance);
      const { figures, differs } = compare(a, b, { tolerance });
      expect([figures.changed.length, figures.within, differs]).toEqual(
        isWithin ? [0, inA === inB ? 0 : 1, false] : [1, 0, true],
      );
    },
    {
      examples: [
        [100, 5, 5],
        [100, 6, 5],
        [105, -5, 5],
        [100, -5, 5],
        [0, 1, 30],
        [0, 0, 0],
      ],
    },
  );

  it('a comparison with a tolerance still lists every input, every text and what only one result has', () => {
    const b = { ...reboot, memory: Number(reboot['memory']) + 4096, disk: 'nvme', more: 1, note: 'x' };
    expect(found(compare({ ...reboot, note: 'y' }, b, { tolerance: 1000 }))).toEqual({
      changed: [
        { path: 'disk', a: 'profile', b: 'nvme', difference: null },
        { path: 'memory', a: 2 ** 30, b: 2 ** 30 + 4096, difference: 4096 },
        { path: 'note', a: 'y', b: 'x', difference: null },
      ],
      onlyInA: [],
      onlyInB: ['more: 1'],
    });
  });

  it('a comparison counts digests that differ, except with a tolerance or of a part', () => {
    const b = { ...reboot, digest: 'fedcba9876543210' };
    const { digests, differs, ...rest } = compare(reboot, b);
    expect([digests, differs]).toEqual([{ a: reboot['digest'], b: b.digest }, true]);
    expect(partsOf({ digests, differs, ...rest }).flatMap(({ changed }) => changed)).toEqual([]);
    expect(compare(reboot, b, { tolerance: 1 }).differs).toBe(false);
    expect(compare(reboot, b, { only: 'rebootNs' }).differs).toBe(false);
  });

  it('a comparison of a part compares exactly the figures with the text in their path, and all inputs', () => {
    const wanted = (spot: Spot): boolean => isScalar(spot) && spot.path.includes('[cold].pages.refused');
    const b = structuredClone(reboot);
    b['strategies'] = [];
    const { inputs, figures } = compare(reboot, b, { only: '[cold].pages.refused' });
    expect(inputs).toEqual(compare(reboot, reboot).inputs);
    const { length } = spotsOf(structuredClone(reboot)).filter(wanted);
    expect(length).toBe(18);
    expect(figures.onlyInA.map(({ place, figures: each }) => [place.path, each])).toEqual([
      ['strategies[cold]', length],
    ]);
    expect(compare(reboot, reboot, { only: '[cold].pages.refused' }).figures.compared).toBe(length);
  });

  it('a comparison tells things of one name apart by their order, and things without one by their place', () => {
    const cold = (ns: number) => ({ name: 'cold', rebootNs: ns });
    const a = { schema: reboot['schema']!, strategies: [cold(1), cold(2), { rebootNs: 3 }, 4] };
    const b = { schema: reboot['schema']!, strategies: [cold(1), cold(5), { rebootNs: 6 }, '4'] };
    expect(found(compare(a, b)).changed).toEqual([
      { path: 'strategies[#3].rebootNs', a: 3, b: 6, difference: 3 },
      { path: 'strategies[#4]', a: 4, b: '4', difference: null },
      { path: 'strategies[cold #2].rebootNs', a: 2, b: 5, difference: 3 },
    ]);
  });

  it('a comparison takes no name for another that only looks like it', () => {
    const names = ['cold', 'cold #2', 1, '1', null, 'null', true, 'true', ['a, b'], ['a', 'b'], '(a, b)', ''];
    const things = (list: readonly unknown[]): PlainObject =>
      plain({ schema: reboot['schema'], strategies: list.map((name, n) => ({ name, n })) });
    const forward = compare(things(names), things(names));
    expect(forward.figures).toMatchObject({ compared: names.length, same: names.length });
    for (const gone of names.keys()) {
      const { onlyInA, changed } = found(
        compare(
          things(names),
          plain({ ...things(names), strategies: (things(names)['strategies'] as Plain[]).toSpliced(gone, 1) }),
        ),
      );
      expect([onlyInA.length, changed.length]).toEqual([1, 0]);
    }
  });

  it('a comparison says of a value that has become something else that each is there only once', () => {
    const b = { ...reboot, files: [1, 2], strategies: null };
    const { onlyInA, onlyInB, changed } = found(compare(reboot, b));
    expect(changed).toEqual([]);
    expect(onlyInA).toEqual(['files: 1', expect.stringMatching(/^strategies: \d{3,}$/)]);
    expect(onlyInB).toEqual(['files: 2', 'strategies: 1']);
  });
});

/** Objects with the fields of results in places where they do not belong, and hostile keys. */
function hostile(): fc.Arbitrary<PlainObject> {
  const key = fc.oneof(
    fc.constantFrom('strategies', 'runs', 'timeline', 'machines', 'costs', 'name', 'strategy', 'phase', 'number'),
    fc.constantFrom('off', 'fitted', 'ns', 'bytes', 'seed', '__proto__', 'constructor', 'a.b', 'x[y]', '#1', ''),
  );
  const scalar = fc.oneof(
    fc.constantFrom<Plain[]>(null, true, false, 'NaN', 'cold', 'before', '#1', '1', '\u202e\n'),
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(0.1, -0.5, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 1e-300),
  );
  const { tree } = fc.letrec<{ tree: Plain; object: PlainObject }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'tree' },
      scalar,
      fc.array(tie('tree'), { maxLength: 4, depthIdentifier: 'tree' }),
      tie('object'),
    ),
    object: fc
      .array(fc.tuple(key, tie('tree')), { maxLength: 5, depthIdentifier: 'tree' })
      .map((fields) => Object.fromEntries(fields)),
  }));
  return fc.array(fc.tuple(key, tree), { maxLength: 6 }).map((fields) => Object.fromEntries(fields));
}
