/**
 * Steps: the moments between which a machine can stop. What outlives a guest passes a few doors,
 * and each passage is a step. A machine that is made with an observer tells it of each step, right
 * before it. One that is made without does not know of steps.
 */

/**
 * | kind | step |
 * |---|---|
 * | store | a store to machine memory, or a copy into one frame |
 * | word | a store through a view of words: frame records, P2M lists, recency |
 * | hypercall | a call of the hypervisor by a guest |
 * | request | a request to the drive |
 * | completion | the end of such a request, before its bytes move |
 * | event | a notification of the other end of an event channel |
 * | xenstore | a change of a path of the store |
 */
export const STEP_KINDS = ['store', 'word', 'hypercall', 'request', 'completion', 'event', 'xenstore'] as const;
/** What a step is. */
export type StepKind = (typeof STEP_KINDS)[number];

/** Is told of the steps of a machine. */
export interface StepObserver {
  /** Whether it wants to be told of the guest's own steps alone. */
  readonly wantsGuestOnly: boolean;
  /** Whether what is stored now is stored by the guest itself, by an instruction of its own. */
  byGuest: boolean;
  /**
   * A step comes next.
   * @param what is done, in a word or two
   * @param at byte of machine memory, sector, port: by kind
   * @param size bytes, sectors, or the word that is stored: by kind
   * @returns of a copy, the lines of 64 bytes after which `torn` is to be called; 0 for none
   */
  before(kind: StepKind, what: string, at: number, size: number): number;
  /**
   * That many lines of the copy are stored. The rest comes next.
   * @returns lines of 64 bytes, more than these, after which it is called again; 0 for none
   */
  torn(): number;
}
