// Random callers against their disks. Whatever they do, whenever they die, and whatever byte of the
// table is damaged, a claimed page is what is on the disk.
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CacheTable, type TableProtections } from '../../../src/doors/table/index.ts';
import {
  TABLE_FRAMES as FRAMES,
  type TableMaker,
  type TableStep,
  TableWorld,
} from '../../../src/doors/testing/table-world.ts';
import { tableSteps } from '../../../src/doors/testing/tables.ts';
import { property } from '../../support/property.ts';

const BYTES = CacheTable.bytesFor(FRAMES);
const steps = tableSteps();

interface MakerOptions {
  readonly protections?: Partial<TableProtections>;
  readonly hasBytes?: boolean;
  /** What happens to the bytes of the table while nobody is there. */
  readonly onReboot?: (bytes: Uint8Array) => void;
}

/** Makes tables over bytes of its own. */
class CacheTables implements TableMaker {
  readonly bytes = new Uint8Array(BYTES);
  /** Why pages were not kept. */
  readonly refused = new Set<string>();
  readonly #options: MakerOptions;

  constructor(options: MakerOptions = {}) {
    this.#options = options;
  }

  create: TableMaker['create'] = (memory) => CacheTable.create(this.bytes, this.#over(memory));

  recover: TableMaker['recover'] = (memory) => {
    this.#options.onReboot?.(this.bytes);
    const left = CacheTable.recover(this.bytes, this.#over(memory));
    if (!left.ok) return left.reason;
    for (const [reason, count] of Object.entries(left.value.refused)) if (count > 0) this.refused.add(reason);
    return left.value.table;
  };

  #over({ frames, bytesOf }: Parameters<TableMaker['create']>[0]): Parameters<typeof CacheTable.create>[1] {
    const { protections = {}, hasBytes = false } = this.#options;
    return { frames, protections, ...(hasBytes ? { bytesOf } : {}) };
  }
}

describe('claims of random callers', () => {
  const seen = new Set<string>();
  let claims = 0;

  property(
    'whatever a caller does and whenever it dies, a page that it claims was named so and equals its block',
    steps,
    fc.boolean(),
    (program, hasBytes) => {
      const tables = new CacheTables({ hasBytes });
      const world = new TableWorld(tables);
      world.play(program);
      claims += world.claims;
      for (const reason of [...world.reasons, ...tables.refused]) seen.add(reason);
    },
    { numRuns: 400 },
  );

  it('random callers meet every reason for which a page without damage is refused', () => {
    expect(claims).toBeGreaterThan(100);
    expect([...seen].sort()).toEqual(['absent', 'dirty', 'duplicate', 'generation', 'inFlight', 'staleBlock']);
  });

  property(
    'a page that is claimed under checksums equals its block, even when stores are not told',
    steps,
    (program) => {
      new TableWorld(new CacheTables({ hasBytes: true }), { isWild: true }).play(program);
    },
    { numRuns: 200 },
  );

  property(
    'a table of which a byte is changed while nobody is there is cold with a reason, or hands out what is on the disk',
    steps,
    fc.infiniteStream(fc.tuple(fc.nat(BYTES - 1), fc.integer({ min: 1, max: 255 }))),
    (program, changes) => {
      const onReboot = (bytes: Uint8Array): void => {
        const [at, change] = changes.next().value as [number, number];
        bytes[at]! ^= change;
      };
      new TableWorld(new CacheTables({ onReboot })).play(program);
    },
    { numRuns: 300 },
  );

  property(
    'bytes that were never a table, and records that were never records, make neither an exception nor a loop',
    fc.uint8Array({ minLength: BYTES, maxLength: BYTES }),
    fc.boolean(),
    (noise, hasHeader) => {
      const bytes = new Uint8Array(BYTES);
      CacheTable.create(bytes, { frames: FRAMES });
      bytes.set(hasHeader ? noise.subarray(64) : noise, hasHeader ? 64 : 0);
      const left = CacheTable.recover(bytes, { frames: FRAMES });
      expect(left).toMatchObject(
        hasHeader ? { ok: true, value: { preserved: 0, refused: { corruptRecord: FRAMES } } } : { ok: false },
      );
      if (left.ok) left.value.table.checkInvariants();
    },
  );
});

describe('a protection that is switched off', () => {
  const lastChange = (bytes: Uint8Array): void => {
    // Damage that a record's check word would show: the block of each.
    for (let frame = 0; frame < FRAMES; frame++) bytes[64 + 32 * frame + 16]! ^= 1;
  };
  it.each<[keyof TableProtections, MakerOptions]>([
    ['writeProtection', {}],
    ['provenance', {}],
    ['blockCheck', {}],
    ['generation', {}],
    ['recordCheck', { onReboot: lastChange }],
    ['checksum', { hasBytes: true }],
  ])('a wrong page is found without %s', (name, options) => {
    const run = (isOn: boolean): fc.RunDetails<[TableStep[]]> =>
      fc.check(
        fc.property(steps, (program) => {
          const tables = new CacheTables({ ...options, protections: { [name]: isOn } });
          const world = new TableWorld(tables, { isWild: name === 'checksum' });
          for (const one of program) world.do(one);
          world.reboot();
          world.claimAll();
        }),
        { seed: 1, numRuns: 500, endOnFailure: true },
      );
    expect(run(false).failed).toBe(true);
    expect(run(true).failed).toBe(false);
  });
});

/** Thrown in place of the store after the last. */
class Cut extends Error {}

describe('a death at any store', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  /** Words of which only so many stores are made; ranges are stored upwards, word by word. */
  function cutting(words: Uint32Array, budget: { left: number }): Uint32Array {
    const store = (at: number, value: number): void => {
      if (budget.left === 0) throw new Cut();
      budget.left--;
      words[at] = value;
    };
    return new Proxy(words, {
      get: (target, key) => {
        if (key === 'fill')
          return (value: number, start = 0, end = target.length) => {
            for (let at = start; at < end; at++) store(at, value);
          };
        const value = Reflect.get(target, key) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
      set: (_, key, value) => {
        store(Number(key), value as number);
        return true;
      },
    });
  }

  /** From now on the tables over these bytes store as often as `budget` says. */
  function watch(bytes: Uint8Array): { left: number } {
    const budget = { left: Infinity };
    const construct = (target: typeof Uint32Array, args: ConstructorParameters<typeof Uint32Array>): Uint32Array => {
      const words = Reflect.construct(target, args) as Uint32Array;
      return words.buffer === bytes.buffer ? cutting(words, budget) : words;
    };
    vi.stubGlobal('Uint32Array', new Proxy(Uint32Array, { construct }));
    return budget;
  }

  const cuts = { steps: 0, recoveries: 0 };
  property(
    'a caller that dies at any store of a table finds none, with a reason, or one that hands out what is on the disk',
    steps,
    tableSteps({ maxSteps: 1 }),
    fc.nat(20),
    fc.nat(80),
    (program, [last], stores, recoveryStores) => {
      const tables = new CacheTables();
      const world = new TableWorld(tables);
      const budget = watch(tables.bytes);
      world.reboot();
      for (const one of program) world.do(one);
      budget.left = stores;
      try {
        world.do(last!);
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
        cuts.steps++;
      }
      budget.left = recoveryStores;
      try {
        world.reboot();
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
        cuts.recoveries++;
      }
      budget.left = Infinity;
      world.play([]);
      vi.unstubAllGlobals();
    },
    { numRuns: 500 },
  );

  it('the deaths at a store came in the middle of calls, and of recoveries', () => {
    expect(cuts.steps).toBeGreaterThan(50);
    expect(cuts.recoveries).toBeGreaterThan(50);
  });
});
