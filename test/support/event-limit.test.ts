import { describe, expect, it } from 'vitest';
import { type Process, Simulation, WaitQueue } from '../../src/sim/index.ts';
import { limitEvents } from './event-limit.ts';

class Limited extends Simulation {}
limitEvents(Limited.prototype, 1000);

function* ticks(count: number): Process {
  for (let i = 0; i < count; i++) yield 10;
}

describe('a simulation with a limit of events', () => {
  it('a simulation with a limit of events that would not end says who waits for what', () => {
    const simulation = new Limited(1);
    simulation.spawn('timer', ticks(Infinity));
    const stuck = (function* (): Process {
      yield new WaitQueue('page 7');
    })();
    expect(() => simulation.runProcess('reader', stuck)).toThrow(
      [
        'the simulation does not end: 1000 events in one run',
        'timer waits for the end of a sleep',
        'reader waits for page 7',
      ].join('\n  '),
    );
  });

  it('a simulation with a limit of events runs as any other up to that, once more each time', () => {
    const simulation = new Limited(1);
    for (let i = 1; i <= 3; i++) {
      simulation.runProcess('timer', ticks(900));
      expect(simulation.eventCount).toBe(901 * i);
    }
    expect(simulation.run(() => simulation.eventCount === 901 * 3)).toBe(0);
  });

  it('a simulation with a limit of events is what every test has', () => {
    const simulation = new Simulation(1);
    simulation.spawn('timer', ticks(Infinity));
    let seen = 0;
    // Far behind the limit; asked before each event.
    Object.defineProperty(simulation, 'eventCount', { get: () => seen++ * 1_000_000 });
    expect(() => simulation.run()).toThrow('the simulation does not end');
  });
});
