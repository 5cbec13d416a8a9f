/** The check `crash`: a workload stops at every step, and every law is asked afterwards. */

import { checkArgument, checkInteger, checkObject } from '../../base/argument-error.ts';
import type { Part, PartResult } from '../part.ts';
import { cutsOf, type Point, pointsOf, subsetsCounted } from './cases.ts';
import { type CrashOptions, crashOptions } from './options.ts';
import { type Case, Player } from './play.ts';
import { Subject, type UserWorkloads } from './subject.ts';
import { type Trace, traceOf } from './trace.ts';

/** What is fixed for all parts of a run. */
interface Plan {
  readonly options: CrashOptions;
  readonly subject: Subject;
  readonly trace: Trace;
  readonly points: readonly Point[];
  /** Cases of each point: with one crash, with two, … */
  readonly each: number;
}

function planOf(given: Part['options'], workloads: UserWorkloads | undefined): Plan {
  const options = crashOptions(given);
  const subject = new Subject(options, workloads);
  const trace = traceOf(subject, options.at !== undefined);
  return { options, subject, trace, points: pointsOf(options, trace), each: options.at ? 1 : options.depth };
}

/** A crash of guest, hypervisor or power before each step of a workload. */
export const crashCheck = {
  name: 'crash',

  /**
   * Cases: each moment at which each kind may stop, with one crash, and with two and three.
   * @param workloads the caller's, by name
   * @throws ArgumentError for options that it does not take; WorkloadError for a workload that
   * throws, does not end, or differs from run to run
   */
  count(options: Part['options'], workloads?: UserWorkloads): number {
    const { points, each } = planOf(options, workloads);
    return points.length * each;
  },

  /**
   * Plays the cases of a part.
   * @param progress told how many are done; false ends the part
   * @throws as `count`
   */
  play(part: Part, progress: (done: number) => boolean, workloads?: UserWorkloads): PartResult {
    checkObject('part', part, 'options', 'from', 'to');
    const plan = planOf(part.options, workloads);
    const { options, subject, trace, points, each } = plan;
    const all = points.length * each;
    checkInteger('part.from', part.from, 0, all);
    checkInteger('part.to', part.to, part.from, all);
    checkArgument(part.check === crashCheck.name, 'part.check', `expected ${crashCheck.name}`);
    const player = new Player(options, subject, trace);
    let done = 0;
    let goesOn = true;
    for (const kind of options.kinds) {
      const cases: Case[] = [];
      for (let number = part.from + done; number < part.to; number++) {
        const point = points[Math.floor(number / each)]!;
        if (point.kind !== kind) break;
        cases.push({ number, point, more: options.at ? options.at.length - 1 : number % each });
      }
      if (cases.length === 0) continue;
      const before = done;
      done += player.play(cases, (played) => (goesOn = progress(before + played)));
      if (!goesOn) break;
    }
    // Of the whole, so that parts add up to it.
    const isFirst = part.from === 0;
    const counted = {
      'steps counted': isFirst ? options.kinds.length * (trace.steps + 1) : 0,
      'cuts counted': isFirst ? cutsOf(options, trace) : 0,
      'subsets counted': isFirst ? subsetsCounted(options, trace) : 0,
    };
    return {
      part,
      done,
      counts: { ...player.counts, ...counted },
      reached: player.meetings.counts,
      violations: player.violations,
    };
  },
};
