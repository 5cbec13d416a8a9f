// What a kernel whose dirty pages survive sees of its virtual machine: the same, with a window for
// each store.
import { describe, expect, it } from 'vitest';
import { Ns, Pfn } from '../../../src/base/index.ts';
import { CpuClock, Simulation } from '../../../src/sim/index.ts';
import { FileCacheEnvironment } from '../../../src/kernel/cache/file-cache-memory.ts';
import type { GuestEnvironment, GuestMemory } from '../../../src/xen/public/index.ts';

/** An object that answers each call with its name, and writes all calls down. */
function recorder<T extends object>(calls: string[], values: Partial<T>): T {
  return new Proxy(values, {
    get: (target, name) =>
      Reflect.get(target, name) ??
      ((...given: unknown[]) => {
        calls.push(
          [String(name), ...given.filter((each) => typeof each !== 'object' && typeof each !== 'function')].join(' '),
        );
        return String(name);
      }),
  }) as T;
}

const calls: string[] = [];
const machine = recorder<GuestEnvironment>(calls, {
  memory: recorder<GuestMemory>(calls, { nrPages: 77 }),
  now: Ns(5),
  cpu: new CpuClock(new Simulation(1)),
  hypercalls: {} as GuestEnvironment['hypercalls'],
  xenstore: {} as GuestEnvironment['xenstore'],
});
const env = new FileCacheEnvironment(machine);
const pfn = Pfn(9);
const bytes = new Uint8Array(8);
function called(call: () => unknown): string[] {
  calls.length = 0;
  call();
  return [...calls];
}

describe('the memory of the file-cache routines', () => {
  it('a store of the file-cache routines has its page open, and closed behind it', () => {
    const { memory } = env;
    const stores: [string, () => void][] = [
      ['copyIn 9 1 2 3', () => memory.copyIn(pfn, 1, bytes, 2, 3)],
      ['zero 9 1 2', () => memory.zero(pfn, 1, 2)],
      ['writeU8 9 1 2', () => memory.writeU8(pfn, 1, 2)],
      ['writeU16 9 1 2', () => memory.writeU16(pfn, 1, 2)],
      ['writeU32 9 1 2', () => memory.writeU32(pfn, 1, 2)],
    ];
    for (const [name, store] of stores) expect(called(store)).toEqual(['open 9', name, 'close 9']);
  });

  it('a load of the file-cache routines opens nothing', () => {
    const { memory } = env;
    expect(memory.nrPages).toBe(77);
    const loads: [string, () => unknown][] = [
      ['readU8 9 1', () => memory.readU8(pfn, 1)],
      ['readU16 9 1', () => memory.readU16(pfn, 1)],
      ['readU32 9 1', () => memory.readU32(pfn, 1)],
      ['skipWords 9 1 2 3', () => memory.skipWords(pfn, 1, 2, 3)],
    ];
    for (const [name, load] of loads) {
      expect(called(load)).toEqual([name]);
      expect(load()).toBe(name.split(' ')[0]);
    }
    expect(called(() => memory.copyOut(pfn, 1, bytes, 2, 3))).toEqual(['copyOut 9 1 2 3']);
    for (const name of ['open', 'close', 'expose'] as const)
      expect(called(() => memory[name](pfn))).toEqual([`${name} 9`]);
  });
});

describe('the environment of the file-cache routines', () => {
  it('the environment of the file-cache routines is that of the guest but for its memory', () => {
    const { now, cpu, hypercalls, xenstore } = env;
    expect(now).toBe(5);
    expect([cpu, hypercalls, xenstore]).toEqual([machine.cpu, machine.hypercalls, machine.xenstore]);
    expect(called(() => env.after(Ns(7), () => undefined))).toEqual(['after 7']);
    expect(env.compute(Ns(7))).toBe('compute');
    expect(env.spawn('name', [][Symbol.iterator]() as never)).toBe('spawn');
    expect(env.random('name')).toBe('random');
    expect(calls).toEqual(['after 7', 'compute 7', 'spawn name', 'random name']);
  });
});
