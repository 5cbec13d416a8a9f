// Processes: sleeping, waiting, waking, joining, killing, failing; and that a run is a function of
// its inputs.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, InvariantViolation, Ns } from '../../src/base/index.ts';
import { type Process, Simulation, type Task, WaitQueue } from '../../src/sim/index.ts';
import { Gate } from '../../src/sim/simulation.ts';
import { property } from '../support/property.ts';

function* sleepThen<T>(ns: number, value: T): Process<T> {
  yield ns;
  return value;
}

function* failAfter(ns: number, error: Error): Process {
  yield ns;
  throw error;
}

function* waitOn(queue: WaitQueue, then: () => void): Process {
  yield queue;
  then();
}

property(
  'processes wake in order of (time, order of going to sleep)',
  fc.array(fc.array(fc.nat({ max: 5 }), { maxLength: 6 }), { maxLength: 6 }),
  (programs) => {
    const simulation = new Simulation(1);
    const seen: { time: number; process: number }[] = [];
    for (const [process, sleeps] of programs.entries())
      simulation.spawn(
        'sleeper',
        (function* (): Process {
          for (const ns of sleeps) {
            yield ns;
            seen.push({ time: simulation.now, process });
          }
        })(),
      );
    simulation.run();

    // The model: every sleeper holds (time, sequence); the least runs and takes the next sequence
    // number.
    let sequence = programs.length;
    const pending = programs.map((sleeps, process) => ({ time: 0, sequence: process, process, step: -1, sleeps }));
    const expected: { time: number; process: number }[] = [];
    while (pending.length > 0) {
      pending.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
      const first = pending[0]!;
      if (first.step >= 0) expected.push({ time: first.time, process: first.process });
      first.step++;
      if (first.step < first.sleeps.length) {
        first.time += first.sleeps[first.step]!;
        first.sequence = sequence++;
      } else pending.shift();
    }
    expect(seen).toEqual(expected);
  },
);

property(
  'waiters of a queue are woken in the order in which they came, one or all at a time',
  fc.array(fc.constantFrom('wait', 'one', 'all'), { maxLength: 40 }),
  (operations) => {
    const simulation = new Simulation(1);
    const queue = new WaitQueue('a wake-up');
    const woken: number[] = [];
    const model: number[] = [];
    const expected: number[] = [];
    for (const [number, operation] of operations.entries()) {
      if (operation === 'wait') {
        simulation.spawn(
          'waiter',
          waitOn(queue, () => woken.push(number)),
        );
        model.push(number);
      } else if (operation === 'one') {
        queue.wakeOne();
        expected.push(...model.splice(0, 1));
      } else {
        queue.wakeAll();
        expected.push(...model.splice(0));
      }
      simulation.run();
      expect(queue.length).toBe(model.length);
    }
    expect(woken).toEqual(expected);
  },
);

property(
  'a killed waiter is out of the queue and the others keep their turns',
  fc.uniqueArray(fc.nat({ max: 9 })),
  (killed) => {
    const simulation = new Simulation(1);
    const queue = new WaitQueue('a wake-up');
    const woken: number[] = [];
    const tasks = Array.from({ length: 10 }, (_, i) =>
      simulation.spawn(
        'waiter',
        waitOn(queue, () => woken.push(i)),
      ),
    );
    simulation.run();
    for (const i of killed) tasks[i]!.kill();
    expect(queue.length).toBe(10 - killed.length);
    for (let i = 0; i < 10; i++) queue.wakeOne();
    simulation.run();
    expect(woken).toEqual(tasks.map((_, i) => i).filter((i) => !killed.includes(i)));
    expect(tasks.map(({ state }) => state)).toEqual(tasks.map((_, i) => (killed.includes(i) ? 'killed' : 'done')));
  },
);

describe('a wait queue', () => {
  it('a wait queue wakes at the present instant, after what is scheduled there already', () => {
    const simulation = new Simulation(1);
    const queue = new WaitQueue('a wake-up');
    const order: string[] = [];
    simulation.spawn(
      'waiter',
      waitOn(queue, () => order.push(`woken at ${simulation.now}`)),
    );
    simulation.after(Ns(10), () => {
      queue.wakeAll();
      order.push('waker goes on');
    });
    simulation.after(Ns(10), () => order.push('scheduled before'));
    simulation.run();
    expect(order).toEqual(['waker goes on', 'scheduled before', 'woken at 10']);
  });

  it('a wait queue does not wake twice who waits again in the same instant', () => {
    const simulation = new Simulation(1);
    const queue = new WaitQueue('a wake-up');
    let times = 0;
    simulation.spawn(
      'waiter',
      (function* (): Process {
        for (;;) {
          yield queue;
          times++;
        }
      })(),
    );
    simulation.run();
    queue.wakeAll();
    simulation.run();
    expect(times).toBe(1);
    expect(queue.length).toBe(1);
  });
});

describe('join', () => {
  it('join waits for the result, and gives it to who comes later too', () => {
    const simulation = new Simulation(1);
    const task = simulation.spawn('worker', sleepThen(100, 'result'));
    expect(simulation.runProcess('first', task.join())).toBe('result');
    expect(simulation.now).toBe(100);
    expect(simulation.runProcess('second', task.join())).toBe('result');
    expect(simulation.now).toBe(100);
  });

  it('join receives the error of a process that failed, every joiner the same', () => {
    const simulation = new Simulation(1);
    const error = new Error('disk on fire');
    const task = simulation.spawn('worker', failAfter(100, error));
    const caught: unknown[] = [];
    for (let i = 0; i < 2; i++)
      simulation.spawn(
        'joiner',
        (function* (): Process {
          try {
            yield* task.join();
          } catch (reason) {
            caught.push(reason);
          }
        })(),
      );
    simulation.run();
    expect(caught).toEqual([error, error]);
    expect(task.state).toBe('failed');
  });

  it('join returns undefined for a process that was killed', () => {
    const simulation = new Simulation(1);
    const task = simulation.spawn('worker', sleepThen(100, 'result'));
    simulation.after(Ns(50), () => {
      task.kill();
    });
    expect(simulation.runProcess('joiner', task.join())).toBeUndefined();
    expect(simulation.now).toBe(50);
  });
});

describe('a failure that nobody joined', () => {
  it('a failure that nobody joined leaves run', () => {
    const simulation = new Simulation(1);
    const task = simulation.spawn('worker', failAfter(100, new Error('nobody listens')));
    expect(() => simulation.run()).toThrow('nobody listens');
    expect(task.state).toBe('failed');
  });

  it('a failure that nobody joined leaves runProcess of another process', () => {
    const simulation = new Simulation(1);
    simulation.spawn('worker', failAfter(100, new Error('nobody listens')));
    expect(() => simulation.runProcess('other', sleepThen(200, 0))).toThrow('nobody listens');
  });
});

describe('kill', () => {
  it('kill runs nothing of the process again, not even finally', () => {
    const simulation = new Simulation(1);
    const seen: string[] = [];
    const task = simulation.spawn(
      'victim',
      (function* (): Process {
        try {
          seen.push('begun');
          yield 100;
          seen.push('went on');
        } finally {
          seen.push('finally');
        }
      })(),
    );
    simulation.run(() => simulation.eventCount === 1);
    task.kill();
    task.kill();
    simulation.run();
    expect(seen).toEqual(['begun']);
    expect(task.state).toBe('killed');
  });

  it.each(['at its next wait', 'at its end'])('kill of the running process itself takes effect %s', (where) => {
    const simulation = new Simulation(1);
    let later = false;
    const tasks: Task<string>[] = [];
    const task = simulation.spawn(
      'suicide',
      (function* (): Process<string> {
        tasks[0]!.kill();
        if (where === 'at its next wait') {
          yield 1;
          later = true;
        }
        return 'a result that nobody may see';
      })(),
    );
    tasks.push(task);
    expect(simulation.runProcess('joiner', task.join())).toBeUndefined();
    simulation.run();
    expect(task.state).toBe('killed');
    expect(later).toBe(false);
  });

  it('kill of a woken process that has not run yet wins', () => {
    const simulation = new Simulation(1);
    const queue = new WaitQueue('a wake-up');
    let ran = false;
    const task = simulation.spawn(
      'waiter',
      waitOn(queue, () => (ran = true)),
    );
    simulation.run();
    queue.wakeAll();
    task.kill();
    simulation.run();
    expect(ran).toBe(false);
  });

  property(
    'a kill of a process that was woken alone hands the wake-up on: nobody sleeps while the lock is free',
    fc.array(fc.record({ task: fc.nat(9), at: fc.nat(60) }), { maxLength: 8 }),
    (kills) => {
      const simulation = new Simulation(1);
      const queue = new WaitQueue('a wake-up');
      let holder: number | undefined;
      const tasks = Array.from({ length: 10 }, (_, i) =>
        simulation.spawn(
          `locker${i}`,
          (function* (): Process {
            while (holder !== undefined) yield queue;
            holder = i;
            yield 5;
            holder = undefined;
            queue.wakeOne();
          })(),
        ),
      );
      for (const { task, at } of kills) {
        simulation.run(() => simulation.eventCount >= at);
        // A task that holds the lock would take it along.
        if (holder !== task) tasks[task]!.kill();
      }
      simulation.run();
      expect(tasks.filter(({ isOver }) => !isOver)).toEqual([]);
    },
  );
});

describe('a simulation that begins later', () => {
  it('a simulation begins at the time that it is given, and counts its events from 0', () => {
    const simulation = new Simulation(1, 5000);
    expect([simulation.now, simulation.eventCount]).toEqual([5000, 0]);
    expect(simulation.runProcess('short', sleepThen(100, 7))).toBe(7);
    expect(simulation.now).toBe(5100);
    for (const wrong of [-1, 0.5, NaN]) expect(() => new Simulation(1, wrong)).toThrow(/^now: /);
  });
});

describe('runProcess', () => {
  it('runProcess stops at the end of the process; what is scheduled later stays', () => {
    const simulation = new Simulation(1);
    let later = false;
    simulation.after(Ns(200), () => (later = true));
    expect(simulation.runProcess('short', sleepThen(100, 7))).toBe(7);
    expect([simulation.now, later]).toEqual([100, false]);
    simulation.run();
    expect([simulation.now, later]).toEqual([200, true]);
  });

  it('runProcess throws what the process throws', () => {
    const error = new Error('no');
    expect(() => new Simulation(1).runProcess('fails', failAfter(5, error))).toThrow(error);
  });

  it('runProcess that gets stuck lists every process that is not over and what it waits for', () => {
    const simulation = new Simulation(1);
    let page = 3;
    const queue = new WaitQueue(() => `page ${page}`);
    const gate = new Gate(simulation);
    const wait = function* (): Process {
      yield queue;
    };
    const tasks = ['first', 'second', 'killed'].map((name) => simulation.spawn(name, wait()));
    simulation.spawn('done', sleepThen(5, 0));
    simulation
      .spawn('joined', failAfter(5, new Error('no')))
      .join()
      .next();
    simulation.spawn('held', sleepThen(5, 0), gate);
    gate.close();
    simulation.spawn('joiner', tasks[1]!.join());
    simulation.after(Ns(7), () => {
      tasks[2]!.kill();
      page = 4;
    });
    const stuck = (function* (): Process {
      yield 3;
      yield new WaitQueue('godot');
    })();
    expect(() => simulation.runProcess('stuck', stuck)).toThrow(
      new InvariantViolation(
        [
          'process stuck waits for something that never happens',
          'first waits for page 4',
          'second waits for page 4',
          'held waits for its turn to run',
          'joiner waits for the end of second',
          'stuck waits for godot',
        ].join('\n  '),
      ),
    );
    queue.wakeAll();
    gate.open();
    simulation.step();
    expect(simulation.whoWaits()).toEqual([
      'second waits for its turn to run',
      'held waits for its turn to run',
      'joiner waits for the end of second',
      'stuck waits for godot',
    ]);
    simulation.run();
    expect(simulation.whoWaits()).toEqual(['stuck waits for godot']);
  });
});

it.each([-1, 0.5, NaN, Infinity])('the simulation refuses a delay of %s', (delay) => {
  const simulation = new Simulation(1);
  expect(() => {
    simulation.after(Ns(delay), () => undefined);
  }).toThrow(ArgumentError);
  expect(() => simulation.runProcess('sleeper', sleepThen(delay, 0))).toThrow(ArgumentError);
});

property(
  'one seed gives one digest, and another order of events gives another',
  fc.integer(),
  fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 20 }),
  (seed, delays) => {
    const run = (times: readonly number[]): Simulation => {
      const simulation = new Simulation(seed);
      const random = simulation.random.stream('jitter');
      for (const ns of times) simulation.spawn('sleeper', sleepThen(ns + random.below(1000), 0));
      simulation.run();
      return simulation;
    };
    const first = run(delays);
    expect(run(delays).digest.hex).toBe(first.digest.hex);
    expect(first.eventCount).toBe(2 * delays.length);
    expect(run([...delays, 0]).digest.hex).not.toBe(first.digest.hex);
  },
);

describe('a gate', () => {
  it('a gate holds tasks and actions while it is closed, and lets them run in the order in which they came', () => {
    const simulation = new Simulation(1);
    const gate = new Gate(simulation);
    const log: string[] = [];
    const note = (what: string) => () => void log.push(`${what} at ${simulation.now}`);
    simulation.spawn(
      'gated',
      (function* (): Process {
        note('first')();
        yield 10;
        note('second')();
      })(),
      gate,
    );
    simulation.step();
    gate.close();
    simulation.after(Ns(5), () => gate.pass(note('action')));
    simulation.spawn(
      'free',
      (function* (): Process {
        yield 20;
        note('free')();
      })(),
    );
    simulation.run();
    expect([log, gate.isClosed]).toEqual([['first at 0', 'free at 20'], true]);
    gate.open();
    simulation.run();
    expect(log.slice(2)).toEqual(['action at 20', 'second at 20']);
    gate.pass(note('open'));
    expect(log.at(-1)).toBe('open at 20');
  });

  it('a gate that is closed again by what it lets through holds the rest, and forgets nothing', () => {
    const simulation = new Simulation(1);
    const gate = new Gate(simulation);
    const log: number[] = [];
    gate.close();
    gate.close();
    for (let i = 0; i < 3; i++)
      gate.pass(() => {
        log.push(i);
        if (i === 1) gate.close();
      });
    gate.open();
    simulation.run();
    expect(log).toEqual([0, 1]);
    gate.open();
    simulation.run();
    expect(log).toEqual([0, 1, 2]);
  });

  it('a gate does not revive what was killed behind it', () => {
    const simulation = new Simulation(1);
    const gate = new Gate(simulation);
    let ran = false;
    gate.close();
    const task = simulation.spawn(
      'gated',

      (function* (): Process {
        ran = true;
      })(),
      gate,
    );
    simulation.run();
    task.kill();
    gate.open();
    simulation.run();
    expect([ran, task.state]).toEqual([false, 'killed']);
  });
});

it('runProcess calls back every 65,536 events, while the process goes on', () => {
  const simulation = new Simulation(1);
  let slept = 0;
  const seen: number[] = [];
  const sleeper = function* (): Process {
    for (; slept < 200_000; slept++) yield 1;
  };
  simulation.runProcess('sleeper', sleeper(), () => seen.push(slept));
  expect(seen).toHaveLength(3);
  for (const [i, at] of seen.entries()) expect(Math.abs(at - 65_536 * (i + 1))).toBeLessThan(4);
});
