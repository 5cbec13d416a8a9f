/**
 * The steps of a workload, from a run in which nothing stops. It says which moments differ.
 *
 * Power and hypervisor may stop before each step. A guest dies between two instructions of its own.
 * So all steps between two of these are one moment for it, and the end of an event is another.
 */

import { ArgumentError } from '../../base/argument-error.ts';
import type { Machine } from '../../doors/machine/index.ts';
import { domainNow } from '../../doors/machine/reboots.ts';
import { losableBlocks } from './lost-blocks.ts';
import { linesOf, type Step } from '../../doors/machine/steps.ts';
import { type StepKind, STEP_KINDS } from '../../sim/index.ts';
import type { Started, Subject } from './subject.ts';

/** Steps after which a workload is said not to end. */
const MOST_STEPS = 1_000_000;

/** Why a workload cannot be checked. */
export class WorkloadError extends ArgumentError {
  /** It throws; it does not end; two runs of it differ. */
  readonly reason: 'throws' | 'endless' | 'differs';
  /** The step at which that shows. */
  readonly step: number;

  /** @param cause what the workload threw */
  constructor(reason: WorkloadError['reason'], step: number, what: string, cause?: unknown) {
    super(`workload: ${what}`, { cause });
    this.reason = reason;
    this.step = step;
  }
}

/** A moment at which a guest may die. */
export interface GuestMoment {
  /** The first step that it stands before. */
  readonly step: number;
  /** Steps that it stands for. */
  readonly covers: number;
  /** The guest's own step before which it dies, counted among these; undefined: at an event. */
  readonly ordinal: number | undefined;
  /** Events of the workload before it, where it dies at an event. */
  readonly event: number;
}

/** What a run of a workload was. */
export interface Trace {
  /** Steps. One moment more is its end. */
  readonly steps: number;
  readonly counts: Readonly<Record<StepKind, number>>;
  /** Of each step, the lines of the CPU cache that it stores: 1 for what is stored at once. */
  readonly lines: Uint8Array;
  /**
   * Of each step and of the end, the blocks that a loss of power may lose. 0 where the next step
   * finds the drive as this one does: what must be left only grows.
   */
  readonly losable: Uint32Array;
  /** Of each step and of the end, 1 where it is of another kind than the step before. */
  readonly isTurn: Uint8Array;
  /** Moments for the guest, in their order. The last one is the end. */
  readonly guest: readonly GuestMoment[];
  /** By step, the place in `guest`. */
  readonly guestOf: Uint32Array;
  /** Of a guest's own step, its number among these; -1 of others. */
  readonly ordinals: Int32Array;
}

/** Domain 0: no guest runs. */
const NO_GUEST = 0;

/** A watch that only looks. */
const QUIET = { torn: (): undefined => undefined };

/**
 * Runs a workload twice, or once where another run has shown that it is the same each time.
 * @throws WorkloadError for one that throws, does not end, or differs
 */
export function traceOf(subject: Subject, isKnown = false): Trace {
  const first = record(subject);
  const second = isKnown ? first : record(subject);
  const at = first.hashes.findIndex((hash, step) => hash !== second.hashes[step]);
  if (at >= 0 || first.hashes.length !== second.hashes.length) {
    const step = at >= 0 ? at : Math.min(first.hashes.length, second.hashes.length);
    throw new WorkloadError('differs', step, `two runs differ from step ${step} on; it must depend on its guest alone`);
  }
  const { steps, counts } = first;
  return {
    steps: steps.length,
    counts,
    lines: Uint8Array.from(steps, (step) => linesOf({ ...step, number: 0 })),
    losable: Uint32Array.from(first.drives, ({ losable, version }, n) =>
      first.drives[n + 1]?.version === version ? 0 : losable,
    ),
    isTurn: Uint8Array.from({ length: steps.length + 1 }, (_, n) => {
      const [before, step] = [steps[n - 1], steps[n]];
      return before?.kind === step?.kind && before?.what === step?.what ? 0 : 1;
    }),
    ...guestMomentsOf(steps),
  };
}

interface Recording {
  readonly hashes: readonly number[];
  readonly steps: readonly (Pick<Step, 'isGuests' | 'kind' | 'what' | 'at' | 'size'> & {
    readonly event: number;
    /** Domain of the guest that runs. */
    readonly domid: number;
  })[];
  readonly counts: Readonly<Record<StepKind, number>>;
  /** The drive before each step, and at the end. */
  readonly drives: readonly DriveState[];
}

/** What a loss of power finds in a drive. */
interface DriveState {
  /** Blocks that it may lose. */
  readonly losable: number;
  /** Equal where these are the same blocks, with the same bytes. */
  readonly version: string;
}

function driveNow({ room: { drive } }: Machine): DriveState {
  const blocks = losableBlocks(drive);
  const { writes, flushes } = drive.counters;
  return { losable: blocks.length, version: `${writes} ${flushes} ${blocks.join()}` };
}

function record(subject: Subject): Recording {
  const hashes: number[] = [];
  const steps: Recording['steps'][number][] = [];
  const drives: DriveState[] = [];
  let isLooking = false;
  let firstEvent = 0;
  const before = (machine: Machine, step: Step): number => {
    if (!isLooking) return 0;
    if (steps.length === MOST_STEPS)
      throw new WorkloadError('endless', steps.length, `no end after ${MOST_STEPS} steps`);
    const event = machine.room.simulation.eventCount - firstEvent;
    const domain = domainNow(machine.room);
    steps.push({ ...step, event, domid: domain?.isRunning === true ? domain.domid : NO_GUEST });
    drives.push(driveNow(machine));
    let hash = Math.imul(STEP_KINDS.indexOf(step.kind) + event, 0x9e3779b1) ^ Math.imul(step.at + 1, 0x85ebca6b);
    hash = Math.imul(hash ^ (step.size | 0), 0xc2b2ae35);
    hashes.push(hash ^ (hash >>> 15));
    return 0;
  };
  const machine = subject.boot(0, { watch: (its) => ({ ...QUIET, before: (step) => before(its, step) }) });
  const counted = { ...machine.stats.steps! };
  firstEvent = machine.stats.events;
  isLooking = true;
  run(machine, subject.start(), () => steps.length);
  drives.push(driveNow(machine));
  const after = machine.stats.steps!;
  const counts = Object.fromEntries(STEP_KINDS.map((kind) => [kind, after[kind] - counted[kind]]));
  return { hashes, steps, counts: counts as Record<StepKind, number>, drives };
}

function run(machine: Machine, { play }: Started, step: () => number): void {
  try {
    play(machine);
  } catch (error) {
    if (error instanceof WorkloadError) throw error;
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    const isEndless = line.includes('(eventLimit)');
    throw new WorkloadError(
      isEndless ? 'endless' : 'throws',
      step(),
      isEndless ? line : `it throws at step ${step()}: ${line}`,
      error,
    );
  }
}

/**
 * Moments at which a guest may die, from the steps of a run.
 * @param steps each with the events before it, and with the guest that runs; one by default
 */
export function guestMomentsOf(
  steps: readonly { readonly isGuests: boolean; readonly event: number; readonly domid?: number }[],
): Pick<Trace, 'guest' | 'guestOf' | 'ordinals'> {
  const guest: GuestMoment[] = [];
  const guestOf = new Uint32Array(steps.length + 1);
  const ordinals = new Int32Array(steps.length).fill(-1);
  let ordinal = 0;
  let first = 0;
  /** The steps since the last moment stand before this one. */
  const close = (end: number, event: number, own: number | undefined): void => {
    guestOf.fill(guest.length, first, end);
    guest.push({ step: first, covers: end - first, ordinal: own, event });
    first = end;
  };
  for (const [number, { isGuests, event, domid }] of steps.entries()) {
    const before = steps[number - 1];
    const isAlive = domid !== NO_GUEST && domid === before?.domid;
    if (before !== undefined && number > first && before.event !== event && isAlive)
      close(number, before.event, undefined);
    if (!isGuests) continue;
    ordinals[number] = ordinal;
    close(number + 1, event, ordinal++);
  }
  close(steps.length + 1, Infinity, undefined);
  return { guest, guestOf, ordinals };
}
