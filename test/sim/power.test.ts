import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns } from '../../src/base/index.ts';
import { Power, type Process, Simulation, WaitQueue } from '../../src/sim/index.ts';
import { property } from '../support/property.ts';

describe('power', () => {
  it('power that goes off ends timers, processes and what was held by a pause', () => {
    const simulation = new Simulation(1);
    const power = new Power(simulation);
    const ran: string[] = [];
    const queue = new WaitQueue('a wake-up');
    const process = function* (name: string): Process {
      yield Ns(10);
      ran.push(name);
      yield queue;
      ran.push(`${name} again`);
    };
    const task = power.spawn('a', process('a'));
    power.after(Ns(5), () => ran.push('timer'));
    simulation.run();
    expect(ran).toEqual(['timer', 'a']);
    power.after(Ns(5), () => ran.push('late timer'));
    power.pause();
    power.run(() => ran.push('held'));
    power.off();
    power.resume();
    queue.wakeAll();
    simulation.run();
    expect([ran, task.state, power.isOn]).toEqual([['timer', 'a'], 'killed', false]);
    expect(() => power.spawn('b', process('b'))).toThrow('without power');
  });

  // Tasks that are over are forgotten at the 65th, and whenever there are twice as many as were
  // left then.
  it.each([63, 64, 65, 66, 127, 128, 129, 130, 300])(
    'power that goes off ends each of %i tasks that goes on',
    (count) => {
      for (const isOver of [() => false, (n: number) => n % 2 === 0, (n: number) => n < 64, (n: number) => n >= 64]) {
        const simulation = new Simulation(1);
        const power = new Power(simulation);
        const never = new WaitQueue('never');
        const tasks = Array.from({ length: count }, (_, n) => {
          const task = power.spawn(
            `${n}`,
            (function* (): Process {
              if (!isOver(n)) yield never;
            })(),
          );
          simulation.run();
          return task;
        });
        power.off();
        expect(tasks.map(({ state }) => state === 'killed')).toEqual(tasks.map((_, n) => !isOver(n)));
      }
    },
  );

  property(
    'power that is paused loses nothing and keeps the order, whenever and how often it is',
    fc.array(fc.nat(50), { maxLength: 20 }),
    fc.array(fc.nat(60), { maxLength: 6 }),
    (delays, switches) => {
      const run = (pauses: readonly number[]): number[] => {
        const simulation = new Simulation(1);
        const power = new Power(simulation);
        const ran: number[] = [];
        delays.forEach((delay, n) => {
          power.after(Ns(delay), () => {
            expect(power.isPaused).toBe(false);
            ran.push(n);
          });
        });
        let isPaused = false;
        for (const at of [...pauses].sort((a, b) => a - b))
          simulation.after(Ns(at), () => {
            isPaused = !isPaused;
            if (isPaused) power.pause();
            else power.resume();
          });
        simulation.run();
        power.resume();
        simulation.run();
        return ran;
      };
      expect(run(switches)).toEqual(run([]));
    },
  );
});

describe('frozen programs', () => {
  it('frozen programs are thawed once, by their token and by no other', () => {
    const { frozen } = new Simulation(1);
    const programs = [{}, {}];
    const tokens = programs.map((program) => frozen.freeze(program));
    expect(frozen.thaw([0, 0])).toBeUndefined();
    expect(frozen.thaw([tokens[0]![0], tokens[1]![1]])).toBeUndefined();
    expect(tokens.map((token) => frozen.thaw([...token]) === programs[tokens.indexOf(token)])).toEqual([true, true]);
    expect(frozen.thaw(tokens[0]!)).toBeUndefined();
  });
});
