/** What a round of writeback may do, and how it went (writeback_control of 2.6.12). */

export interface WritebackControl {
  /** Pages that it may still submit. */
  nrToWrite: number;
  /** pdflush: leaves off where the queue is congested, rather than wait for room in it. */
  readonly isNonblocking: boolean;
  encounteredCongestion: boolean;
}

/** A round that writes everything, or so many pages of it. */
export const everything = (nrToWrite = Infinity): WritebackControl => ({
  nrToWrite,
  isNonblocking: false,
  encounteredCongestion: false,
});
