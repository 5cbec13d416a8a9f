/**
 * A protocol to be checked: its state as plain data, actors with atomic steps, events and what
 * survives them, laws, and faults. And what a search of it has found.
 */

/** Integers, texts, booleans, null, and lists and records of these. */
export type Plain =
  | number
  | string
  | boolean
  | null
  | readonly Plain[]
  | {
      /** A part of a record. */
      readonly [name: string]: Plain;
    };

/** Parts of a state: names of its first level. */
export type Parts<S> = readonly (keyof S & string)[];

/** What a step reads and writes: see `Step.touches`. */
export interface Touches<S> {
  /** Parts that `when` or `do` reads. */
  readonly reads: Parts<S>;
  /** Parts that `do` changes. */
  readonly writes: Parts<S>;
}

/** One atomic step of an actor. */
export interface Step<S> {
  /**
   * So many steps, one for each value: 0, 1, 2 and so on below a number, or the values of a list.
   * Both functions are given the value. By default there is one step, and the value is 0.
   */
  readonly each?: number | readonly Plain[];
  /** Whether the step can be taken. It must not change the state. By default always. */
  when?(state: Readonly<S>, each: Plain): boolean;
  /** Changes the state, which is a copy of its own. It returns nothing. */
  do(state: S, each: Plain): void;
  /**
   * Parts that both functions read and write. Steps that provably do not matter to each other are
   * then searched in one order only. What is declared is compared with what the functions do.
   */
  readonly touches?: Touches<S>;
}

/** What happens to all actors at once: a crash, a kexec, a loss of power, a change of version. */
export interface Event<S> {
  /** Parts of the state that are there afterwards. All others are as in `initial`. */
  readonly survives: Parts<S>;
  /** How often in one history, at most: 1 to 1000, or Infinity. By default once. */
  readonly most?: number;
  /** Whether it can happen. By default always. */
  when?(state: Readonly<S>): boolean;
  /** What happens besides, after the rest was reset. */
  then?(state: S): void;
}

/** Says whether something holds in a state, which it must not change. */
export type Holds<S> = (state: Readonly<S>) => boolean;

/** What must hold. */
export interface Laws<S> {
  /** Each holds in every state. */
  readonly always?: Readonly<Record<string, Holds<S>>>;
  /** Each holds in some state. A search that has met none has shown nothing. */
  readonly sometimes?: Readonly<Record<string, Holds<S>>>;
  /** Once `after` has held, `never` holds neither in that state nor in a later one. At most 30. */
  readonly neverAfter?: Readonly<Record<string, NeverAfter<S>>>;
  /**
   * States without a step of an actor in which the protocol may end. Another one is a deadlock,
   * also where an event is possible. By default none may be the end.
   */
  done?(state: Readonly<S>): boolean;
  /** Parts that all functions of these laws but `done` read. `Step.touches` needs it. */
  readonly reads?: Parts<S>;
}

/** A law of histories. */
export interface NeverAfter<S> {
  /** What must have held. */
  readonly after: Holds<S>;
  /** What does not hold from then on. */
  readonly never: Holds<S>;
}

/** Things that are alike: states that differ in their order only are searched once. */
export interface Alike<S> {
  /** How many things: 2 to 6. */
  readonly count: number;
  /**
   * Exchanges two things in the whole state.
   * @param i number of one, from 0
   * @param j number of the other, from 0
   */
  swap(state: S, i: number, j: number): void;
}

/** A protocol with some of its faults. */
export interface Model<S> {
  /** The first state. */
  readonly initial: S;
  /** By the name of the actor and of the step. */
  readonly actors: Readonly<Record<string, Readonly<Record<string, Step<S>>>>>;
  /** By name. */
  readonly events?: Readonly<Record<string, Event<S>>>;
  /** What must hold. */
  readonly laws: Laws<S>;
  /** Things that are alike. */
  readonly alike?: readonly Alike<S>[];
}

/** A mistake that the protocol may have. */
export interface Fault {
  /** One sentence. */
  readonly what: string;
  /** The law that it breaks, or `deadlock`. */
  readonly breaks: string;
  /** Greatest length of the shortest history that breaks it, in steps: at least 1. */
  readonly within: number;
}

/** What is checked. */
export interface Protocol<S, F extends string = string> {
  /** As tables and histories say it. */
  readonly name: string;
  /** One sentence. */
  readonly what: string;
  /** By name. */
  readonly faults?: Readonly<Record<F, Fault>>;
  /** The protocol with those faults for which `has` is true. It is called once for each search. */
  build(has: (fault: F) => boolean): Model<S>;
}

/** A protocol of whatever state. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a state is known to its protocol alone
export type AnyProtocol = Protocol<any>;

/** How a search is made. */
export interface SearchOptions {
  /** Faults that the protocol has. By default none. */
  readonly faults?: readonly string[];
  /** States after which no new one is taken up. By default 5,000,000. */
  readonly states?: number;
  /** Greatest length of a history, in steps. By default there is no limit. */
  readonly depth?: number;
  /** Whether `alike` is used. By default true. */
  readonly symmetry?: boolean;
  /** Whether `touches` is used. By default true, and false with `depth`. */
  readonly reduction?: boolean;
}

/** One step of a history. */
export interface Taken {
  /** Whose step it is. Empty for an event. */
  readonly actor: string;
  /** The name of the step, with its value in brackets where it has one; or that of the event. */
  readonly step: string;
  /** Whether it is an event, which happens to all actors at once. */
  readonly isEvent: boolean;
  /** The state after it. */
  readonly state: Plain;
}

/** A history, as plain JSON. */
export interface History {
  /** Name of the protocol. */
  readonly protocol: string;
  /** Faults that the protocol had. */
  readonly faults: readonly string[];
  /** The law that the last state breaks, `deadlock`, or what else its end shows. */
  readonly law: string;
  /** The first state. */
  readonly initial: Plain;
  /** In their order. Empty when the first state breaks the law. */
  readonly steps: readonly Taken[];
  /** A command line that finds it again. FILE stands for the file of the protocol. */
  readonly replay: string;
}

/** Kinds of what makes a protocol unfit to be checked. */
export const PROBLEMS = [
  'throws',
  'not plain data',
  'changes the state',
  'differs',
  'asks the host',
  'returns',
  'not a boolean',
  'unbounded',
  'not alike',
  'touches more',
] as const;
/** A kind of what makes a protocol unfit to be checked. */
export type ProblemKind = (typeof PROBLEMS)[number];

/** What makes a protocol unfit to be checked. */
export interface Problem {
  /** What is wrong, as a program asks for it. */
  readonly kind: ProblemKind;
  /** The step, event, law or function that showed it. */
  readonly where: string;
  /** One sentence without the place. */
  readonly what: string;
  /** Leads to the state in which it showed. */
  readonly history?: History;
}

/** How much of the states a search has covered. */
export interface Coverage {
  /** All states that so many steps reach were searched. */
  readonly depth: number;
  /** States that were found, but whose steps were not taken. */
  readonly frontier: number;
  /** The bound that was reached. */
  readonly bound?: 'states' | 'depth';
  /** Parts of the state that still grew when the bound was reached, one line each. */
  readonly grew: readonly string[];
}

/** What a search has found. */
export interface Outcome {
  /** Distinct states. */
  readonly states: number;
  /** Steps that were taken. */
  readonly transitions: number;
  /** Most steps of a shortest history to a state. */
  readonly depth: number;
  /** `partial` when a bound was reached first; `refused` when the protocol is unfit. */
  readonly verdict: 'passed' | 'violated' | 'partial' | 'refused';
  /** All laws that were asked, `deadlock` among them. */
  readonly laws: readonly string[];
  /**
   * By step (`actor.step`), event and `sometimes` law: how often it was taken, or held. Steps of
   * actors that are alike are counted for whichever the search has met in its order.
   */
  readonly reached: Readonly<Record<string, number>>;
  /** Steps and events that were never taken. */
  readonly unreached: readonly string[];
  /** Steps and events that were taken, and have changed nothing in any state. */
  readonly idle: readonly string[];
  /** Laws of `sometimes` that no state has met, and `done` where no state may be the end. */
  readonly unmet: readonly string[];
  /** All laws that the last state of the counterexample breaks, or `sometimes` laws never met. */
  readonly broken: readonly string[];
  /** The shortest history that breaks a law. A `sometimes` law that was never met has none. */
  readonly counterexample?: History;
  /** False when a bound prevented the proof that the counterexample is a shortest one. */
  readonly isShortest: boolean;
  /** Whether orders of steps were left out that do not matter: see `Step.touches`. */
  readonly isReduced: boolean;
  /** How much of the states was searched. */
  readonly coverage: Coverage;
  /** Why the protocol was refused. */
  readonly problem?: Problem;
}

/** Gives the protocol back, with the types of its state and faults: for a default export. */
export function protocol<S, F extends string = never>(it: Protocol<S, F>): Protocol<S, F> {
  return it;
}
