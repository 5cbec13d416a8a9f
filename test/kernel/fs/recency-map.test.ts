import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecencyMap } from '../../../src/kernel/fs/recency-map.ts';

/** The same by a list, the youngest first. */
class Model {
  readonly entries: [number, number][] = [];

  use(key: number): number | undefined {
    const at = this.entries.findIndex(([other]) => other === key);
    if (at < 0) return undefined;
    const [entry] = this.entries.splice(at, 1);
    this.entries.unshift(entry!);
    return entry![1];
  }

  delete(key: number): void {
    const at = this.entries.findIndex(([other]) => other === key);
    if (at >= 0) this.entries.splice(at, 1);
  }
}

const KEY = fc.nat(6);
const OPERATION = fc.tuple(fc.constantFrom('get', 'peek', 'add', 'delete' as const), KEY);

describe('a map in the order of use', () => {
  it('a map answers as a list does that each use moves to its front', () => {
    fc.assert(
      fc.property(fc.array(OPERATION, { maxLength: 60 }), (operations) => {
        const map = new RecencyMap<number, number>();
        const model = new Model();
        operations.forEach(([what, key], value) => {
          const known = model.entries.find(([other]) => other === key)?.[1];
          expect(map.has(key)).toBe(known !== undefined);
          if (what === 'get') expect(map.get(key)).toBe(model.use(key));
          else if (what === 'peek') expect(map.peek(key)).toBe(known);
          else if (what === 'delete') {
            map.delete(key);
            model.delete(key);
          } else if (known === undefined) {
            map.add(key, value);
            model.entries.unshift([key, value]);
          }
          expect(map.size).toBe(model.entries.length);
          expect(map.oldest).toBe(model.entries.at(-1)?.[0]);
          expect([...map.values()]).toEqual(model.entries.map(([, each]) => each));
        });
      }),
    );
  });

  it('a walk goes on where an entry was deleted on the way', () => {
    const map = new RecencyMap<string, number>();
    for (const [key, value] of Object.entries({ a: 1, b: 2, c: 3 })) map.add(key, value);
    const seen: number[] = [];
    for (const value of map.values()) {
      seen.push(value);
      if (value === 2) map.delete('b');
    }
    expect(seen).toEqual([3, 2, 1]);
    expect([...map.values()]).toEqual([3, 1]);
  });
});
