import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Allowed } from '../../../src/lab/scope/allowed.ts';
import { SMALL } from '../../../src/lab/scope/ablations.ts';
import { DEFAULT_SCOPE, type Scope, scopeOptions } from '../../../src/lab/scope/options.ts';
import { perform } from '../../../src/lab/scope/perform.ts';
import { search } from '../../../src/lab/scope/search.ts';
import { FRAME_BYTES, StateLayout } from '../../../src/lab/scope/state.ts';
import { StateQueue, Visited } from '../../../src/lab/scope/visited.ts';
import type { Without } from '../../../src/lab/scope/stored-world.ts';
import { World } from '../../../src/lab/scope/world.ts';
import { casesOf } from '../../support/product.ts';
import { property } from '../../support/property.ts';

const TWO_FRAMES: Scope = { ...SMALL, frames: 2 };
const THREE_FRAMES: Scope = { ...SMALL, frames: 3, blocks: 1, events: [] };

function searchIn(scope: Scope, more: { symmetry?: boolean; states?: number } = {}, without: Without = {}) {
  return search(scopeOptions({ ...scope, ...more }), without);
}

/** All orders of the numbers below `count`. */
function orders(count: number): number[][] {
  if (count === 0) return [[]];
  return orders(count - 1).flatMap((order) =>
    Array.from({ length: count }, (_, at) => [...order.slice(0, at), count - 1, ...order.slice(at)]),
  );
}

/**
 * The states of a search, each in the least of the forms that it has over all orders of its frames.
 */
function statesUpToFrames(scope: Scope, symmetry: boolean): Set<string> {
  const layout = new StateLayout(scope);
  const all = orders(layout.ownFrames);
  const found = new Set<string>();
  search(
    scopeOptions({ ...scope, symmetry }),
    {},
    {
      onState: (state) => {
        const forms = all.map((order) => {
          const form = state.slice();
          order.forEach((from, n) => {
            form.set(state.subarray(from * FRAME_BYTES, (from + 1) * FRAME_BYTES), n * FRAME_BYTES);
          });
          layout.normalize(form, false);
          return form.join();
        });
        found.add(forms.sort()[0]!);
      },
    },
  );
  return found;
}

describe('the search of a scope', () => {
  it.each([
    ['one frame and one page', SMALL, 1098, 3392, 14],
    ['three frames that can have one name', THREE_FRAMES, 1754, 7872, 29],
  ])('a search of %s ends, and counts its states, transitions and depth', (_, scope, states, transitions, depth) => {
    expect(searchIn(scope)).toMatchObject({ states, transitions, depth, isComplete: true, violation: undefined });
  });

  const symmetric: [string, Scope, number?][] = [
    ['two frames', TWO_FRAMES, 21_517],
    ['three frames of one name', THREE_FRAMES, 8904],
    ['a kernel’s cache', { ...TWO_FRAMES, guest: 'kernel', events: ['store', 'map'] }],
  ];
  it.each(casesOf('searches with symmetry', '', symmetric, { sample: 2 }))(
    'a search of %s finds with symmetry what it finds without, up to the numbers of frames',
    (_, scope, states) => {
      const whole = statesUpToFrames(scope, false);
      expect([...statesUpToFrames(scope, true)].sort()).toEqual([...whole].sort());
      const plain = searchIn(scope, { symmetry: false });
      if (states !== undefined) expect(plain.states).toBe(states);
      expect(searchIn(scope).states).toBeLessThan(plain.states);
    },
  );

  it('a search with symmetry finds a violation in as many steps as one without', () => {
    for (const protections of [{ writeProtection: false }, { provenance: false }, { blockCheck: false }]) {
      const scope: Scope = { ...TWO_FRAMES, events: ['store', 'map'] };
      const [reduced, plain] = [true, false].map(
        (symmetry) => searchIn(scope, { symmetry }, { protections }).violation,
      );
      expect(reduced?.law).toBe(plain?.law);
      expect(reduced?.history.length).toBe(plain?.history.length);
    }
  });

  it('a search ends at the bound of states, and says that it is not complete', () => {
    const { states, isComplete } = searchIn(TWO_FRAMES, { states: 500 });
    expect(isComplete).toBe(false);
    expect(states).toBeGreaterThanOrEqual(500);
    expect(states).toBeLessThan(600);
  });
});

describe('a record that is damaged at any moment', () => {
  // Each takes over the damaged page where a name makes the check word anew: in nine steps, and in
  // eleven with guest `kernel`.
  const damaged = [
    ['any', ['map']],
    ['kernel', ['map']],
    ['any', ['store', 'reload']],
  ] as const;
  it.each(casesOf('records that are damaged', '', damaged, { sample: 2 }))(
    'a damaged record is never believed again: guest `%s`, and %s',
    (guest, more) => {
      const scope: Scope = { ...SMALL, pages: 2, faults: 1, guest, events: ['early-damage', ...more] };
      const { violation, isComplete } = searchIn(scope);
      expect(violation).toBeUndefined();
      expect(isComplete).toBe(true);
    },
  );
});

describe('a record that is stored in part', () => {
  const guarded: [string, Without][] = [
    ['the order alone', { protections: { recordCheck: false } }],
    ['the check word alone', { rules: { publicationOrder: false } }],
  ];
  it.each(casesOf('records that are stored in part', '', guarded, { sample: 1 }))(
    'a record of which only the first stores were made is never believed, by %s',
    (_, without) => {
      const scope: Scope = { ...SMALL, faults: 1, events: ['cut'] };
      const { violation, isComplete } = searchIn(scope, {}, without);
      expect([violation, isComplete]).toEqual([undefined, true]);
    },
  );
});

describe('a state', () => {
  property(
    'a machine into which a state was put back goes on as the one that was saved',
    fc.constantFrom<Scope>(
      {
        ...DEFAULT_SCOPE,
        events: [...DEFAULT_SCOPE.events.filter((event) => event !== 'reload'), 'flip', 'damage', 'cut'],
      },
      { ...DEFAULT_SCOPE, guest: 'kernel', events: ['store', 'map', 'unlink', 'io-error'] },
    ),
    fc.constantFrom<Without>({}, { protections: { checksum: true } }, { protections: { cpuCacheFlush: false } }),
    fc.array(fc.nat(), { minLength: 10, maxLength: 60, size: 'max' }),
    (scope, without, choices) => {
      const [live, again] = [new World(scope, without), new World(scope, without)];
      const actions = new Allowed(live, false);
      const size = live.layout.size;
      let state = live.initial();
      live.load(state);
      for (const choice of choices) {
        actions.list(state);
        if (actions.count === 0) return;
        const action = actions.codes[choice % actions.count]!;
        const [kept, other] = [new Uint8Array(size), new Uint8Array(size)];
        perform(live, action);
        live.save(kept);
        again.load(state);
        perform(again, action);
        again.save(other);
        expect(other).toEqual(kept);
        expect(again.flaw()).toEqual(live.flaw());
        state = kept;
      }
    },
    { numRuns: 60, lawRuns: 2000 },
  );

  it('a state that another hypervisor made from the bytes goes on in the small machine', () => {
    const scope: Scope = { ...SMALL, start: 'warm', events: ['reload'] };
    const { reused, isComplete } = searchIn(scope);
    expect(isComplete).toBe(true);
    expect(reused).toBeGreaterThan(0);
  });
});

describe('what was seen', () => {
  property(
    'a state is new exactly once, however many there are',
    fc.integer({ min: 1, max: 20_000 }),
    fc.integer({ min: 1, max: 500 }),
    (count, range) => {
      const visited = new Visited();
      const known = new Set<string>();
      const words = new Uint32Array(3);
      for (let i = 0; i < count; i++) {
        words.set([i % range, Math.floor(i / range) & 7, 0]);
        const isNew = !known.has(words.join());
        known.add(words.join());
        if (visited.add(words, i, i + 1) !== isNew) throw new Error(`state ${i}`);
      }
      expect(visited.count).toBe(known.size);
      expect([visited.parentOf(0), visited.actionOf(0)]).toEqual([0, 1]);
    },
    { numRuns: 10 },
  );

  it('a queue of states gives them back in their order', () => {
    const queue = new StateQueue(4);
    const out = new Uint8Array(4);
    const seen: number[] = [];
    for (let i = 0; i < 10_000; i++) {
      queue.push(Uint8Array.of(i, i >>> 8, 0, 0));
      if (i % 3 !== 0) continue;
      queue.shift(out);
      seen.push(out[0]! | (out[1]! << 8));
    }
    while (queue.length > 0) {
      queue.shift(out);
      seen.push(out[0]! | (out[1]! << 8));
    }
    expect(seen).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  });
});
