// When operations of a trace begin: the rules of load.ts, with programs that only let time pass.
import { describe, expect } from 'vitest';
import fc from 'fast-check';
import { ThreadSource, TraceLoad, type StartThread } from '../../../src/experiment/predict/load.ts';
import { NO_OPERATION, type TraceRecording } from '../../../src/experiment/predict/recording.ts';
import { RandomStream } from '../../../src/sim/random.ts';
import { type Process, Simulation } from '../../../src/sim/index.ts';
import { ALL_FILES, OPERATION } from '../../../src/trace/operations.ts';
import { END, READY } from '../../../src/workload/replay.ts';
import { property } from '../../support/property.ts';
import { mixedLines, record } from './made-traces.ts';

const CHANGES: readonly number[] = [OPERATION.write, OPERATION.truncate, OPERATION.create, OPERATION.unlink];

/**
 * Programs whose operations take some time each. The service is stopped in the middle, for a while.
 */
function played(trace: TraceRecording, speed: number | undefined, seed: number): TraceLoad {
  const simulation = new Simulation(1);
  const random = new RandomStream(seed);
  const load = new TraceLoad(simulation, trace, speed);
  const start: StartThread = (thread) => {
    const source = new ThreadSource(load, thread, () => undefined);
    const program = function* (): Process {
      for (let wait = source.take(simulation.now); wait !== END; wait = source.take(simulation.now))
        if (wait === READY) {
          yield random.u32() % 20_000_000;
          source.ended(simulation.now, random.u32() % 9 === 0);
        } else yield wait;
      load.released(thread);
    };
    return { source, task: simulation.spawn(`thread ${thread}`, program()) };
  };
  simulation.runProcess(
    'load',
    (function* (): Process {
      load.start(start);
      yield* load.until(Math.floor(trace.columns.count / 2));
      yield* load.stop();
      const ended = load.ended;
      yield 300_000_000;
      // Nothing goes on while it is stopped.
      expect(load.ended).toBe(ended);
      load.start(start);
      yield* load.until(trace.columns.count);
    })(),
  );
  return load;
}

describe('the clients of a replay', () => {
  property(
    'an operation of a trace begins after all that it must wait for, and no operation waits for ever',
    fc.record({
      seed: fc.nat(1000),
      count: fc.integer({ min: 2, max: 80 }),
      threads: fc.integer({ min: 1, max: 6 }),
      files: fc.integer({ min: 1, max: 4 }),
      speed: fc.constantFrom(undefined, 1, 7),
    }),
    ({ seed, count, threads, files, speed }) => {
      const trace = record(mixedLines(seed, count, threads, files));
      const { sentNs, endNs, ...load } = played(trace, speed, seed);
      const { kind, file, thread, time, next } = trace.columns;
      expect(load.ended).toBe(count);
      const firsts = new Set(trace.firsts);
      const broken: string[] = [];
      const law = (name: string, holds: boolean, n: number): void => {
        if (!holds) broken.push(`${name}: ${n}`);
      };
      for (let n = 0; n < count; n++) {
        law('ends after it was asked', endNs[n]! >= sentNs[n]!, n);
        law('next of its thread', next[n] === NO_OPERATION || thread[next[n]!] === thread[n], n);
        law('asked when it is due', speed === undefined || sentNs[n] === Math.round(time[n]! / speed), n);
        for (let m = 0; m < n; m++) {
          const isSame = file[m] === file[n] && file[n] !== ALL_FILES;
          const mustFollow =
            thread[m] === thread[n] || (isSame && (CHANGES.includes(kind[m]!) || CHANGES.includes(kind[n]!)));
          // With recorded times it is asked when it is due, and begins later.
          const begun = speed === undefined ? sentNs[n]! : endNs[n]!;
          if (mustFollow) law(`follows ${m}`, endNs[m]! <= begun, n);
          if (firsts.has(n) && speed === undefined) law(`begins after ${m}`, sentNs[m]! <= sentNs[n]!, n);
        }
      }
      expect(broken).toEqual([]);
    },
    { numRuns: 60 },
  );
});
