// The sleeping lock, taken with and without a process.
import { describe, expect, it } from 'vitest';
import { Mutex } from '../../../src/kernel/fs/mutex.ts';
import { NOTHING, type Process, Simulation } from '../../../src/sim/index.ts';

describe('a mutex', () => {
  it('a mutex is taken at once by the first, waited for by the others, in the order in which they came', () => {
    const simulation = new Simulation(1);
    const mutex = new Mutex('a lock', { ino: 7 });
    const order: string[] = [];
    const hold = function* (name: string): Process {
      const atOnce = mutex.tryAcquire();
      if (!atOnce) yield* mutex.acquire();
      order.push(`${name}${atOnce ? ' at once' : ''}`);
      yield 10;
      mutex.release();
    };
    for (const name of ['a', 'b', 'c']) simulation.spawn(name, hold(name));
    simulation.step();
    simulation.step();
    expect(simulation.whoWaits()).toEqual([
      'a waits for the end of a sleep',
      'b waits for a lock of inode 7',
      'c waits for its turn to run',
    ]);
    simulation.run();
    expect(order).toEqual(['a at once', 'b', 'c']);
    expect(mutex.isHeld).toBe(false);
  });

  it('a mutex is held while a process runs under it, and free when that has failed', () => {
    const simulation = new Simulation(1);
    const mutex = new Mutex('a lock');
    const fail = function* (): Process {
      expect(mutex.isHeld).toBe(true);
      yield 10;
      throw new Error('it fails');
    };
    expect(() => simulation.runProcess('run', mutex.run(fail()))).toThrow('it fails');
    expect(mutex.isHeld).toBe(false);
  });
});

describe('a process that is over', () => {
  it('a process that is over can be waited for any number of times and takes no time', () => {
    const simulation = new Simulation(1);
    const wait = function* (): Process<number> {
      for (let i = 0; i < 3; i++) yield* NOTHING;
      return simulation.eventCount;
    };
    expect(simulation.runProcess('wait', wait())).toBe(1);
    expect(simulation.now).toBe(0);
  });
});
