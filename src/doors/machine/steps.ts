/**
 * Counts the steps of a machine (sim/steps.ts), and ends its guest at one of them.
 *
 * A guest dies between two instructions of its own: before a store, or before a hypercall. At a
 * step of the hypervisor or of a device, the guest is doing something else. It then dies at its own
 * next step, or when the event is over, whichever comes first. What outlives it is the same.
 */

import { type StepKind, STEP_KINDS, type StepObserver } from '../../sim/index.ts';

/** Steps that are remembered for a history. */
const REMEMBERED = 12;

/** @internal A step, as it is told. */
export interface Step {
  /** Steps before it. */
  readonly number: number;
  readonly kind: StepKind;
  /** Whether the guest does it, at an instruction before which it may die. */
  readonly isGuests: boolean;
  /** As `StepObserver.before` has them. */
  readonly what: string;
  readonly at: number;
  readonly size: number;
}

/** @internal Looks at a machine that stands still before a step. */
export interface StepWatch {
  /** @returns lines of a copy after which `torn` is called; 0 for none */
  before(step: Step): number;
  /**
   * So many lines of the copy are stored.
   * @returns more lines, after which it is called again; otherwise it is not
   */
  torn(step: Step, lines: number): number | undefined;
}

export class StepCounter implements StepObserver {
  readonly wantsGuestOnly: boolean;
  byGuest = false;
  readonly #watch: StepWatch | undefined;
  readonly #die: () => never;
  readonly #counts = Object.fromEntries(STEP_KINDS.map((kind) => [kind, 0])) as Record<StepKind, number>;
  readonly #last: Step[] = [];
  #total = 0;
  #isCounting = false;
  #target: { readonly step: number; readonly lines: number; left: number } | undefined;
  #isDue = false;
  #tearing: { readonly step: Step; readonly lines: number } | undefined;

  /**
   * @param die ends the guest where it stands, and throws
   * @param wantsGuestOnly whether steps that are not the guest's own are passed over
   */
  constructor(watch: StepWatch | undefined, die: () => never, wantsGuestOnly: boolean) {
    this.wantsGuestOnly = wantsGuestOnly;
    this.#watch = watch;
    this.#die = die;
  }

  /** Steps so far. */
  get total(): number {
    return this.#total;
  }

  /** The same by kind. */
  get counts(): Readonly<Record<StepKind, number>> {
    return { ...this.#counts };
  }

  /** The last steps, the oldest first. */
  get last(): readonly Step[] {
    return this.#last;
  }

  /** Whether the guest is to die before it does anything else. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** The step before which the guest dies, as it was asked for. */
  get target(): number | undefined {
    return this.#target?.step;
  }

  /** From now on steps count. */
  start(): void {
    this.#isCounting = true;
  }

  stop(): void {
    this.#isCounting = false;
  }

  /**
   * The guest dies so many steps from now; at 0, before the next. No longer when it is undefined.
   */
  aim(target: { readonly step: number; readonly lines: number } | undefined): void {
    this.#target = target && { ...target, left: target.step };
    this.#isDue = false;
  }

  before(kind: StepKind, what: string, at: number, size: number): number {
    if (!this.#isCounting) return 0;
    const isGuests = kind === 'hypercall' || (kind === 'store' && this.byGuest);
    if (this.wantsGuestOnly && !isGuests) return 0;
    const step: Step = { number: this.#total++, kind, isGuests, what, at, size };
    this.#counts[kind]++;
    const target = this.#target;
    const isTarget = target !== undefined && target.left-- === 0;
    if (isTarget && target.lines > 0 && isCopy(step)) return this.#tear(step, target.lines);
    if (isTarget) this.#isDue = true;
    if (this.#isDue && isGuests) this.#die();
    const lines = this.#watch?.before(step) ?? 0;
    this.#last.push(step);
    if (this.#last.length > REMEMBERED) this.#last.shift();
    return this.#tear(step, lines);
  }

  torn(): number {
    const { step, lines } = this.#tearing!;
    const next = this.#watch?.torn(step, lines) ?? 0;
    if (this.#target !== undefined && this.#target.left < 0 && !this.#isDue) {
      this.#isDue = true;
      if (step.isGuests) this.#die();
    }
    return next > lines ? this.#tear(step, next) : 0;
  }

  #tear(step: Step, lines: number): number {
    const whole = Math.min(lines, linesOf(step) - 1);
    this.#tearing = { step, lines: whole };
    return whole;
  }
}

/** Whether it can be cut at lines of the CPU cache. */
function isCopy(step: Step): boolean {
  return step.kind === 'store' && linesOf(step) > 1;
}

/** Stores that are made line by line. */
const IN_LINES: readonly string[] = ['copy', 'zero', 'DMA'];

/** Lines of 64 bytes that a store touches; 1 for what is stored at once. */
export function linesOf({ kind, what, at, size }: Step): number {
  if (kind !== 'store' || !IN_LINES.includes(what)) return 1;
  return Math.floor((at + size - 1) / 64) - Math.floor(at / 64) + 1;
}
