// What modules of node have of the host is a trap while a protocol is searched, and only then.
import { expect, it } from 'vitest';
import { OF_MODULES, relayHost } from '../../../src/cli/check/host-relays.ts';
import { Traps } from '../../../src/lab/protocol/traps.ts';

const ALL = OF_MODULES.flatMap(([module, name, keys]) => keys.map((key) => ({ module, key, name: `${name}.${key}` })));
const hits = (): (string | undefined)[] =>
  ALL.map(({ module, key }) => {
    const traps = new Traps();
    traps.set();
    try {
      (Reflect.get(module, key) as () => void)();
    } catch {
      // Each trap throws.
    } finally {
      traps.clear();
    }
    return traps.hit;
  });

it('a function of a module of node that asks the host is named while traps are set, and put back', () => {
  const isFunction = ({ module, key }: (typeof ALL)[number]): boolean => typeof Reflect.get(module, key) === 'function';
  const wanted = ALL.map((each) => (isFunction(each) ? `calls ${each.name}` : undefined));
  const before = ALL.map(({ module, key }) => Reflect.get(module, key) as unknown);
  const putBack = relayHost();
  try {
    expect(hits()).toEqual(wanted);
  } finally {
    putBack();
  }
  expect(ALL.map(({ module, key }) => Reflect.get(module, key) as unknown)).toEqual(before);
  expect(wanted.filter((each) => each !== undefined).length).toBeGreaterThan(60);
});
