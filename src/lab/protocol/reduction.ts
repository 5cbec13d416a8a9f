/**
 * Partial-order reduction: where the steps of one actor provably do not matter to anybody else, they
 * alone are taken, and the others later. What is proved comes from `touches`, and that is compared
 * with what the functions do.
 *
 * The steps of an actor that can be taken in a state are enough when all of this holds.
 * - No law reads what they write, and no step of another actor reads or writes it. They read nothing
 *   that a step of another actor writes.
 * - No event asks for the state with `when`, and what they write survives none.
 * - The other steps of the actor cannot be taken, and stay so until the actor moves: their guards
 *   have read nothing that another actor writes.
 * - One of them leads to a state that is new, or waits. So no step is put off for ever.
 */

import { Refusal } from './calls.ts';
import type { CheckedModel, Move, State } from './model.ts';
import type { Stepper } from './stepper.ts';

/** So many first calls of each step are watched, and of the others one of STRIDE. */
const FIRST = 256;
const STRIDE = 16;

export class Reduction {
  readonly #model: CheckedModel;
  readonly #stepper: Stepper;
  /** Moves whose steps matter to no other actor, event or law. */
  readonly #isFree: readonly boolean[];
  /** By actor: parts that other actors write. Undefined: any. */
  readonly #foreign = new Map<string, ReadonlySet<string> | undefined>();
  /** By actor: its moves. */
  readonly #own = new Map<string, readonly Move[]>();
  /** By move: how often it was taken. */
  readonly #times: number[];
  /** Whether there is anything to be left out at all. */
  readonly #isUseful: boolean;

  constructor(stepper: Stepper) {
    const { model } = stepper;
    this.#model = model;
    this.#stepper = stepper;
    this.#times = model.moves.map(() => 0);
    const steps = model.moves.filter(({ step }) => step !== undefined);
    for (const actor of new Set(steps.map((move) => move.actor))) {
      const others = steps.filter((move) => move.actor !== actor);
      const isKnown = others.every(({ touches }) => touches !== undefined);
      this.#foreign.set(actor, isKnown ? new Set(others.flatMap(({ touches }) => touches!.writes)) : undefined);
      this.#own.set(
        actor,
        steps.filter((move) => move.actor === actor),
      );
    }
    this.#isFree = model.moves.map((move) => this.#matterToNone(move));
    this.#isUseful = this.#isFree.includes(true);
  }

  /** The steps that are enough in a state, if one of them leads on; undefined: all. */
  enough(enabled: readonly Move[], stateOf: () => State): readonly Move[] | undefined {
    if (!this.#isUseful) return undefined;
    for (const [actor, own] of this.#own) {
      const taken = enabled.filter((move) => move.actor === actor);
      if (taken.length === 0 || taken.length === enabled.length) continue;
      if (taken.every(({ number }) => this.#isFree[number]!) && this.#stayDisabled(actor, own, taken, stateOf))
        return taken;
    }
    return undefined;
  }

  /** Whether a step is one that is to be compared with its `touches`. */
  isWatched({ number, touches }: Move): boolean {
    if (touches === undefined) return false;
    const times = this.#times[number]!++;
    return times < FIRST || times % STRIDE === 0;
  }

  /**
   * Compares what a step reads and writes with what it says.
   * @param stateOf fresh copies of the state before it
   * @throws Refusal that names the step and the part
   */
  watch(move: Move, stateOf: () => State): void {
    const { reads, writes } = move.touches!;
    const known = new Set<string>([...reads, ...writes]);
    const read = new Set<string>();
    const after = stateOf();
    this.#stepper.calls.isEnabled(move, watched(stateOf(), read));
    this.#stepper.calls.take(move, watched(after, read));
    const odd = [...read].find((part) => !known.has(part));
    if (odd !== undefined) throw new Refusal('touches more', move.act.name, `it reads ${odd}, and does not say so`);
    const before = stateOf();
    for (const part of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (writes.includes(part) || isSame(before[part], after[part])) continue;
      throw new Refusal('touches more', move.act.name, `it changes ${part}, and does not say so`);
    }
  }

  /** Compares what the laws read with what they say. @throws Refusal */
  watchLaws(number: number, stateOf: () => State): void {
    const { reads, always, sometimes, neverAfter } = this.#model;
    if (reads === undefined || (number >= FIRST && number % STRIDE !== 0)) return;
    for (const law of [...always, ...sometimes, ...neverAfter.flatMap(({ after, never }) => [after, never])]) {
      const read = new Set<string>();
      this.#stepper.calls.holds(law, watched(stateOf(), read));
      const odd = [...read].find((part) => !reads.includes(part));
      if (odd !== undefined)
        throw new Refusal('touches more', law.name, `it reads ${odd}, which laws.reads does not have`);
    }
  }

  #matterToNone({ actor, step, touches }: Move): boolean {
    const { moves, reads } = this.#model;
    if (step === undefined || touches === undefined || reads === undefined) return false;
    const writes = new Set<string>(touches.writes);
    const all = new Set<string>([...touches.reads, ...touches.writes]);
    if (reads.some((part) => writes.has(part))) return false;
    return moves.every((other) => {
      if (other.event !== undefined)
        return other.event.when === undefined && !other.event.survives.some((part) => writes.has(part));
      if (other.actor === actor) return true;
      if (other.touches === undefined) return false;
      return (
        ![...other.touches.reads, ...other.touches.writes].some((part) => writes.has(part)) &&
        !other.touches.writes.some((part) => all.has(part))
      );
    });
  }

  /** Whether the other steps of an actor cannot be taken until it moves. */
  #stayDisabled(actor: string, own: readonly Move[], taken: readonly Move[], stateOf: () => State): boolean {
    const foreign = this.#foreign.get(actor);
    if (foreign === undefined) return false;
    return own.every((move) => {
      if (taken.includes(move)) return true;
      const read = new Set<string>();
      this.#stepper.calls.isEnabled(move, watched(stateOf(), read));
      return ![...read].some((part) => foreign.has(part));
    });
  }
}

/** A state that remembers which of its parts were looked at. */
function watched(state: State, read: Set<string>): State {
  const look = (part: string | symbol): void =>
    void (typeof part === 'string' && Object.hasOwn(state, part) && read.add(part));
  return new Proxy(state, {
    get: (of, part) => {
      look(part);
      return Reflect.get(of, part) as unknown;
    },
    has: (of, part) => {
      look(part);
      return Reflect.has(of, part);
    },
    getOwnPropertyDescriptor: (of, part) => {
      look(part);
      return Reflect.getOwnPropertyDescriptor(of, part);
    },
    ownKeys: (of) => {
      for (const part of Object.keys(of)) read.add(part);
      return Reflect.ownKeys(of);
    },
  });
}

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame((a as State)[key], (b as State)[key]))
  );
}
