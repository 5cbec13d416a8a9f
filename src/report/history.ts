/** What a page of steps is drawn from: plain JSON, as a search for a broken law gives it. */

/** Plain data. */
export type Plain = number | string | boolean | null | readonly Plain[] | { readonly [name: string]: Plain };

/** The way from the initial state of a protocol to a state that breaks a law. */
export interface History {
  readonly protocol: string;
  /** Names of the mistakes that the protocol had. */
  readonly faults: readonly string[];
  /** The law that the last state breaks, or `deadlock`. */
  readonly law: string;
  readonly initial: Plain;
  readonly steps: readonly {
    /** Who took the step. For an event it is not used. */
    readonly actor: string;
    readonly step: string;
    readonly isEvent: boolean;
    /** After the step. */
    readonly state: Plain;
  }[];
  /** The command that finds it again. */
  readonly replay: string;
  /** What is said of the last state when it breaks no law: why the protocol is unfit. */
  readonly end?: string;
}
