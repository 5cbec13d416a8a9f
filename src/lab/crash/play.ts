/**
 * Plays cases: one machine stops, another one is made from what is left, and every law is asked.
 *
 * A crash of the hypervisor or a loss of power is looked at along one run of the workload, which
 * goes on undisturbed (ADR 12). A crash of the guest is a run of its own, on memory that is used
 * again. In it nothing counts but the guest's own steps.
 *
 * A case with several crashes has the later ones in the recovery from the one before. A recovery is
 * played once to count its steps, and again up to the step that is chosen among them. After a crash
 * of the guest, the later ones are of the hypervisor; after any other they are of its kind.
 */

import { ArgumentError } from '../../base/argument-error.ts';
import { GuestCrash, type Machine, STRATEGY } from '../../doors/machine/index.ts';
import type { MachineParts } from '../../doors/machine/machine.ts';
import { chanceOf } from '../../doors/machine/machine-bytes.ts';
import { domainNow } from '../../doors/machine/reboots.ts';
import { linesOf, type Step } from '../../doors/machine/steps.ts';
import { byChance, type Survival } from '../../disk/drive/write-cache.ts';
import { type RandomStream, RandomStreams } from '../../sim/index.ts';
import type { Violation } from '../part.ts';
import type { Point } from './cases.ts';
import type { Course } from './course.ts';
import { inWords } from './history.ts';
import { type Broken, type Expected, judge, LAWS, lineOf, type Nameless } from './laws.ts';
import { survivalOf } from './lost-blocks.ts';
import { type CrashKind, type CrashOptions, type Moment, replayLine, shownMoments } from './options.ts';
import { DirtyAgain, hasHole, hasRevoke, Meetings } from './reached.ts';
import type { Subject } from './subject.ts';
import type { Trace } from './trace.ts';

/** A case: its number, its first crash, and how many follow in the recovery. */
export interface Case {
  readonly number: number;
  readonly point: Point;
  readonly more: number;
}

/** Leaves a run that is of no use any more. */
class Enough extends Error {}

/** Looks at a machine before the steps of its recovery. Returns lines as `StepWatch` does. */
type Look = (machine: Machine, step: Step, torn: number) => number;
/** Plays a recovery to its end, under a look if there is one. */
type Recover = (look: Look | undefined) => Machine;

/** A case as it is played: what must be left, and the crashes so far. */
interface Playing {
  readonly of: Case;
  readonly expected: Expected;
  readonly history: readonly string[];
  readonly moments: readonly Moment[];
}

export class Player {
  readonly meetings = new Meetings();
  readonly violations: Violation[] = [];
  readonly counts = {
    states: 0,
    'steps covered': 0,
    'cuts covered': 0,
    'subsets covered': 0,
    'pages taken over': 0,
    'pages compared': 0,
    'crashes in recoveries': 0,
  };
  readonly #options: CrashOptions;
  readonly #subject: Subject;
  readonly #trace: Trace;
  readonly #random: RandomStreams;
  /** Where there is a journal. */
  readonly #nameless: Nameless | undefined;

  constructor(options: CrashOptions, subject: Subject, trace: Trace) {
    this.#options = options;
    this.#subject = subject;
    this.#trace = trace;
    this.#random = new RandomStreams(options.seed);
    this.#nameless = subject.hasJournal ? subject.namelessAtFirst() : undefined;
  }

  /**
   * Plays cases of one kind, in their order.
   * @param goesOn told after each case how many are done; false ends it
   * @returns how many were played
   */
  play(cases: readonly Case[], goesOn: (done: number) => boolean): number {
    if (cases[0]?.point.kind !== 'guest') return this.#along(cases, goesOn);
    let done = 0;
    for (const one of cases) {
      this.#guest(one);
      if (!goesOn(++done)) break;
    }
    return done;
  }

  /** Power or hypervisor: one run of the workload. */
  #along(cases: readonly Case[], goesOn: (done: number) => boolean): number {
    const { play, course } = this.#subject.start();
    let done = 0;
    let isLooking = false;
    let first = 0;
    const dirtyAgain = new DirtyAgain();
    const visit = (machine: Machine, step: number, lines: number): void => {
      for (let one = cases[done]; one?.point.step === step && one.point.lines === lines; one = cases[done]) {
        const { kind, kept } = one.point;
        const expected = this.#expected(kind, course);
        const moments = [{ step, lines, ...(kept !== undefined && { kept }) }];
        const playing = { of: one, expected, history: historyOf(machine), moments };
        this.#crashed(machine, kind);
        this.meetings.met('a page is dirty again while its write is in flight', dirtyAgain.isNow(machine));
        this.#recover(playing, kind, (look) => this.#after(machine, kind, playing.moments, look));
        if (!goesOn(++done)) throw new Enough();
      }
      if (done === cases.length) throw new Enough();
    };
    const watch = (machine: Machine): ReturnType<NonNullable<MachineParts['watch']>> => ({
      before: (step) => {
        if (!isLooking) return 0;
        const { number } = step;
        visit(machine, number - first, 0);
        dirtyAgain.before(machine, step);
        const next = cases[done]?.point;
        return next?.step === number - first ? next.lines : 0;
      },
      torn: ({ number }, lines) => {
        visit(machine, number - first, lines);
        const next = cases[done]?.point;
        return next?.step === number - first ? next.lines : 0;
      },
    });
    const machine = this.#subject.boot(0, { watch });
    first = machine.steps!.total;
    isLooking = true;
    try {
      play(machine);
      visit(machine, this.#trace.steps, 0);
    } catch (error) {
      if (!(error instanceof Enough)) throw error;
    }
    if (done < cases.length && goesOn(done)) throw new ArgumentError(`at: the workload has ${this.#trace.steps} steps`);
    return done;
  }

  /** A crash of the guest: a run of its own, and one more for each that follows. */
  #guest(one: Case): void {
    const { step, lines } = one.point;
    let playing: Playing | undefined;
    this.#recover(
      () => playing!,
      'hypervisor',
      (look) => {
        const { play, course } = this.#subject.start();
        let isLooking = false;
        const looks = (its: Machine): boolean => (isLooking ||= its.isCut);
        const machine = this.#subject.boot(0, {
          ...(look === undefined
            ? { guestStepsOnly: true }
            : {
                countsReboots: true,
                watch: (its: Machine) => ({
                  before: (at: Step) => (looks(its) ? look(its, at, 0) : 0),
                  torn: (at: Step, torn: number) => (looks(its) ? look(its, at, torn) : 0),
                }),
              }),
        });
        this.#aim(machine, one.point, look === undefined);
        try {
          play(machine);
          machine.crash();
        } catch (error) {
          if (!(error instanceof GuestCrash)) throw error;
        }
        // A hypervisor that goes down without the guest leaves what a crash of it leaves.
        const isRebooted = machine.state === 'running';
        const expected = this.#expected(isRebooted ? 'hypervisor' : 'guest', course);
        playing ??= { of: one, expected, history: historyOf(machine), moments: [{ step, lines }] };
        if (look === undefined) this.#crashed(machine, 'guest');
        isLooking = true;
        // The tool stack that reboots the hypervisor goes on without the guest, and boots another.
        if (!isRebooted) machine.reboot();
        return machine;
      },
    );
  }

  #aim(machine: Machine, { step, lines }: Moment, guestOnly: boolean): void {
    const { ordinals, guest, guestOf, steps } = this.#trace;
    if (step > steps) throw new ArgumentError(`at: the workload has ${steps} steps`);
    if (!guestOnly) machine.crashAt({ step, lines });
    else if (lines > 0) machine.crashAt({ step: ordinals[step]!, lines });
    else {
      const { ordinal, event } = guest[guestOf[step]!]!;
      if (ordinal !== undefined) machine.crashAt({ step: ordinal });
      else if (event !== Infinity) machine.crashAt({ event });
    }
  }

  /** What is left of a machine that stands still, come up again. */
  #after(machine: Machine, kind: CrashKind, moments: readonly Moment[], look: Look | undefined): Machine {
    const memory = this.#subject.memory(moments.length);
    const moment = ` at ${shownMoments(moments)}`;
    const parts: MachineParts = {
      countsReboots: look !== undefined,
      watch:
        look && ((its) => ({ before: (step) => look(its, step, 0), torn: (step, lines) => look(its, step, lines) })),
    };
    if (kind !== 'power') return machine.afterHypervisorCrash({ memory, moment }, parts);
    const { drive } = machine.room;
    const kept = moments.at(-1)?.kept;
    const survival = (): Survival => {
      if (kept !== undefined) return survivalOf(drive, kept);
      const share = shareOf(this.#random.stream(`share${moment}`));
      return byChance(chanceOf(machine.room, 'power loss', moment), share);
    };
    const isCut =
      look === undefined && hasHole(drive.unflushedBlocks, drive.contents, drive.afterPowerLoss(survival()));
    this.meetings.met('a sector in the drive’s cache survives a loss of power, and one before it does not', isCut);
    return machine.afterPowerLoss(0, { memory, survives: survival() }, parts);
  }

  /** Plays the recoveries of a case, and asks the laws of the last. */
  #recover(of: Playing | (() => Playing), kind: CrashKind, recover: Recover): void {
    const playing = (): Playing => (typeof of === 'function' ? of() : of);
    let machine: Machine | undefined;
    try {
      if (typeof of === 'function') machine = recover(undefined);
      const { of: one, moments } = playing();
      if (moments.length <= one.more) {
        this.#again(playing(), kind, recover);
        return;
      }
      machine ??= recover(undefined);
    } catch (error) {
      if (error instanceof Enough || error instanceof ArgumentError) throw error;
      this.#broken(playing(), [{ law: LAWS.boots, what: lineOf(error) }]);
      return;
    }
    this.#judge(playing(), machine);
  }

  /** One more crash, in a recovery. */
  #again(playing: Playing, kind: CrashKind, recover: Recover): void {
    const { moments, expected } = playing;
    const random = this.#random.stream(`crash in the recovery from ${shownMoments(moments)}`);
    let steps = 0;
    recover(() => {
      steps++;
      return 0;
    });
    const given = this.#options.at?.[moments.length];
    const target = given?.step ?? random.below(Math.max(1, steps));
    let number = 0;
    let isStopped = false;
    const stop = (machine: Machine, moment: Moment): never => {
      isStopped = true;
      this.counts['crashes in recoveries']++;
      this.meetings.met(moments.length === 1 ? 'a crash inside a recovery' : 'a crash inside the recovery from that');
      const isLost = moments.length === 1 && expected.done !== undefined && !isHome(machine);
      const left = isLost ? { ...expected, done: undefined, halfDone: undefined } : expected;
      const next = { ...playing, expected: left, moments: [...moments, moment] };
      this.#recover(next, kind, (look) => this.#after(machine, kind, next.moments, look));
      throw new Enough();
    };
    try {
      recover((machine, step, torn) => {
        if (torn > 0) stop(machine, { step: target, lines: torn });
        if (number++ !== target) return 0;
        const most = linesOf(step);
        const lines = given?.lines ?? (most > 1 && kind !== 'power' ? random.below(most) : 0);
        return lines === 0 ? stop(machine, { step: target, lines: 0 }) : lines;
      });
    } catch (error) {
      // A machine that is left in the middle of its recovery may say something of its own.
      if (isStopped && !(error instanceof ArgumentError)) return;
      throw error;
    }
    throw new ArgumentError(`at: the recovery has ${steps} steps`);
  }

  #judge(playing: Playing, machine: Machine): void {
    const { of: one, expected } = playing;
    const { broken, reused, compared } = judge(machine, expected);
    const preserved = hasBegunTwice(playing) ? (machine.report().reboots[0]?.preserved ?? 0) : 0;
    if (preserved > 0) broken.push({ law: LAWS.once, what: `${preserved} pages are preserved again` });
    this.counts.states++;
    if (one.more === 0) {
      this.counts['steps covered'] += one.point.covers;
      if (one.point.lines > 0) this.counts['cuts covered']++;
      if (one.point.kept !== undefined) this.counts['subsets covered']++;
    }
    this.counts['pages taken over'] += reused;
    this.counts['pages compared'] += compared;
    const { meetings } = this;
    meetings.met('a page is taken over', reused > 0);
    meetings.met(
      'a torn copy is met',
      playing.moments.some(({ lines }) => lines > 0),
    );
    meetings.met(
      'a saved file is compared',
      expected.sure?.some((entry) => entry.kind === 'file' && entry.bytes !== undefined) === true,
    );
    if (machine.state === 'running') meetings.recovered(machine);
    this.#broken(playing, broken);
  }

  /** What such a crash must leave. */
  #expected(kind: CrashKind, course: Course | undefined): Expected {
    const { sure, done, open, held = new Map() } = course?.known() ?? {};
    const isWrittenHome = kind === 'guest' && STRATEGY[this.#options.strategy].writeDirty;
    if (isWrittenHome) return { sure, done, halfDone: open, journaled: undefined };
    if (this.#nameless === undefined) return { sure, done: undefined, halfDone: undefined, journaled: undefined };
    return { sure, done: undefined, halfDone: [], journaled: { held, nameless: this.#nameless } };
  }

  #broken({ of: one, moments, history }: Playing, broken: readonly Broken[]): void {
    const replay = replayLine(this.#options, one.point.kind, moments);
    for (const { law, what } of broken) this.violations.push({ at: one.number, law, what, replay, history });
  }

  /** What is under way where something stops. */
  #crashed(machine: Machine, kind: CrashKind): void {
    const { drive } = machine.room;
    this.meetings.met('requests are in flight at a crash', !drive.isIdle);
    if (kind === 'power')
      this.meetings.met('writes are in the drive’s cache at a loss of power', drive.hasUnflushedWrites);
    if (kind !== 'guest' && this.#subject.hasJournal)
      this.meetings.met('a revoke is in the log that is replayed', hasRevoke(machine));
  }
}

/**
 * Whether a recovery from a crash of the hypervisor was cut. It begins with what was left: that is
 * its first store.
 */
function hasBegunTwice({ of: { point }, moments }: Playing): boolean {
  return moments.slice(point.kind === 'guest' ? 2 : 1).some(({ step }) => step > 0);
}

/** Whether the next guest's domain is there: what was dirty has been written home before. */
function isHome({ room }: Machine): boolean {
  return domainNow(room)?.isRunning === true;
}

/** Of the sectors in the drive's cache: none survive, all, or a random share. */
function shareOf(random: RandomStream): number {
  const how = random.below(4);
  return how === 0 ? 0 : how === 1 ? 1 : random.fraction();
}

function historyOf({ steps }: Machine): readonly string[] {
  return steps!.last.map(inWords);
}
