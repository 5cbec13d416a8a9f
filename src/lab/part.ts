/**
 * What every check of the lab has in common. Its cases are numbered. A part is a run of cases as
 * plain data, which any process can take. The results of parts join to one, whatever the order.
 */

/** A run of numbered cases of one check, as JSON. */
export interface Part {
  /** The name of the check, as the command line says it. */
  readonly check: string;
  /** All that decides what a case is. JSON, and checked by the check that takes it. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The first case of the part, counted from 0. */
  readonly from: number;
  /** The case after the last. */
  readonly to: number;
}

/** A law that did not hold, and the line that shows it again. */
export interface Violation {
  /** The number of the case. */
  readonly at: number;
  /** The law, as its check names it. */
  readonly law: string;
  /** What was found, in one line. */
  readonly what: string;
  /** A command line that plays this case alone. */
  readonly replay: string;
  /** The steps that lead to it, one line a step. Empty where the replay line says it all. */
  readonly history: readonly string[];
}

/** What became of a part. Plain JSON. */
export interface PartResult {
  readonly part: Part;
  /** Cases that were played, from the first on: fewer than the part has when a budget ended. */
  readonly done: number;
  /** Sums by name, for example states and steps. */
  readonly counts: Readonly<Record<string, number>>;
  /** How often each state was met that a run must meet, by name. A name never met stands with 0. */
  readonly reached: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
}
