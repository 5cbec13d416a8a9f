/**
 * What every kind of fuzz has in common: a case as data, what it may lead to, and what it must not.
 *
 * A case names a specimen, which the house's own writers made, and edits of it. Its kind gives the
 * result to the reader under test. The reader takes it, or refuses it with a reason. A typed error
 * of the model is a refusal too. Any other error breaks a law, and so does a run that does not end.
 */

import { GuestPanic, ModelError } from '../../base/errno.ts';
import { InputError } from '../../base/input-error.ts';
import type { Simulation, Process, RandomStream } from '../../sim/index.ts';

/** A change of a specimen. Plain JSON: the kind knows what the names mean. */
export type Edit = { readonly op: string } & Readonly<Record<string, number | string>>;

/** A case of a kind. Plain JSON. */
export interface FuzzCase {
  /** Which specimen; a number beyond the last counts on from the first. */
  readonly specimen: number;
  /** Whether checksums are made right after the edits, so that the damage goes deeper. */
  readonly repair: boolean;
  /** In their order. */
  readonly edits: readonly Edit[];
}

/** What a reader made of a case. */
export interface Verdict {
  /** Why it was refused; undefined: it was taken. */
  readonly refused: string | undefined;
  /** Events of simulations. */
  readonly events: number;
}

/** A kind of what is read. */
export interface Kind {
  readonly name: string;
  /** Cases that a run has by default. */
  readonly cases: number;
  /** Refusals that a run of `cases` must meet. */
  readonly reasons: readonly string[];
  /** A case, drawn at random. */
  draw(random: RandomStream): FuzzCase;
  /**
   * Gives a case to the reader. Total over cases of any numbers and texts.
   * @throws LawBroken, or what the reader throws
   */
  play(fuzzCase: FuzzCase): Verdict;
}

/** Makes a thing when it is asked for first. Specimens of a kind cost up to a second. */
export function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

export const TAKEN: Verdict = { refused: undefined, events: 0 };
export const refusedFor = (refused: string, events = 0): Verdict => ({ refused, events });

/** A law that does not hold. */
export class LawBroken extends Error {
  readonly law: string;

  constructor(law: string, what: string) {
    super(what);
    this.name = 'LawBroken';
    this.law = law;
  }
}

/** @throws LawBroken */
export function must(law: string, holds: boolean, what: () => string): void {
  if (!holds) throw new LawBroken(law, what());
}

/** What became of a case: a verdict, or the law that it broke. */
export type Played = Verdict | { readonly law: string; readonly what: string };

/** Numbers tell cases of one reason apart, so they are left out of its name. */
const nameOf = (reason: string): string =>
  reason
    .replaceAll(/(["'`]).*?\1/g, '$1…$1')
    .replaceAll(/\b\d[\d,.]*/g, 'N')
    .slice(0, 120);

/**
 * Plays a case, and judges what comes out of it.
 * @throws nothing that the reader throws
 */
export function playCase(kind: Kind, fuzzCase: FuzzCase): Played {
  try {
    const verdict = kind.play(fuzzCase);
    return verdict.refused === undefined ? verdict : { ...verdict, refused: nameOf(verdict.refused) };
  } catch (error) {
    if (error instanceof LawBroken) return { law: error.law, what: error.message };
    const text = error instanceof Error ? error.message : String(error);
    if (!isTyped(error)) return { law: 'every refusal is typed', what: `${shownName(error)}: ${firstLine(text)}` };
    if (text.includes('\n')) return { law: 'a refusal is one line', what: firstLine(text) };
    return refusedFor(nameOf(error instanceof ModelError ? error.code : `${error.name}: ${text}`));
  }
}

/** An ArgumentError is a mistake of a caller, and what is read is none. */
function isTyped(error: unknown): error is Error {
  return error instanceof InputError || error instanceof ModelError || error instanceof GuestPanic;
}

const shownName = (error: unknown): string => (error instanceof Error ? error.name : typeof error);
const firstLine = (text: string): string => text.split('\n')[0]!.slice(0, 200);

/**
 * Runs a process to its end. A run that takes more events breaks a law, and so does one that waits
 * for what never happens.
 * @throws what the process throws; LawBroken
 */
export function runBounded<T>(simulation: Simulation, process: Process<T>, mostEvents: number): T {
  const last = simulation.eventCount + mostEvents;
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  const watched = function* (): Process {
    try {
      outcome = { value: yield* process };
    } catch (error) {
      outcome = { error };
    }
  };
  simulation.spawn('fuzz', watched());
  simulation.run(() => outcome !== undefined || simulation.eventCount >= last);
  const ended = outcome as { readonly value: T } | { readonly error: unknown } | undefined;
  if (ended === undefined)
    throw new LawBroken('every case ends', `not over after ${mostEvents} events, or waits for what never happens`);
  if ('error' in ended) throw ended.error;
  return ended.value;
}
