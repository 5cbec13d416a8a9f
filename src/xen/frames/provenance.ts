/**
 * Provenance: what the hypervisor knows of a frame's bytes, from having moved them itself.
 *
 * | provenance | meaning |
 * |---|---|
 * | none | nothing |
 * | reading(b) | a read of the whole block b into it is in flight, nothing else is, and it is write-protected |
 * | clean(b) | its bytes equal block b of the device; write-protected |
 * | writing(b) | its bytes are being written to block b, nothing else is in flight, and it is write-protected |
 *
 * One transition function. An edge that is not in the table is a defect of the back-end or of the
 * frame table, unless the record was damaged.
 */

import { assert } from '../../base/assert.ts';

/**
 * What is known of a frame's bytes: nothing, or that they equal a block, or move from or to one.
 */
export const Provenance = {
  /** Nothing is known. */
  none: 0,
  /** A read of a block into it is under way. */
  reading: 1,
  /** Its bytes equal a block. */
  clean: 2,
  /** It is being written to a block. */
  writing: 3,
} as const;
/** A code of `Provenance`. */
export type Provenance = (typeof Provenance)[keyof typeof Provenance];

/** Name of a provenance. */
export type ProvenanceName = keyof typeof Provenance;
/** Names by code. */
export const PROVENANCE_NAMES: readonly ProvenanceName[] = ['none', 'reading', 'clean', 'writing'];

/** What can happen to a frame. */
export const FrameEvent = {
  /**
   * A read of one whole block into the whole frame was taken up; no other I/O on frame, no write on
   * block, in flight.
   */
  readSubmitted: 0,
  /**
   * A write of the whole frame to one whole block was taken up; no other I/O on frame, no other
   * write on block, in flight.
   */
  writeSubmitted: 1,
  /**
   * I/O was taken up that may race with other I/O on the frame or the block: which bytes win is not
   * known.
   */
  overlapped: 2,
  /** The read or write that made it reading or writing ended well. */
  completed: 3,
  /** … or failed. */
  failed: 4,
  /** Bytes were stored: by the guest, by the hypervisor, or by a read of less than a block. */
  stored: 5,
  /** The block was, or may be, written from elsewhere. */
  overwritten: 6,
  /** The frame is taken from its owner; nothing is in flight. */
  freed: 7,
} as const;
export type FrameEvent = (typeof FrameEvent)[keyof typeof FrameEvent];

const X = -1;
const EVENTS = 8;
// Columns in the order of FrameEvent.
const TABLE = Int8Array.from([
  ...[1, 3, 0, X, X, 0, X, 0], // none
  ...[X, X, 0, 2, 0, 0, 0, X], // reading
  ...[1, 3, 0, X, X, 0, 0, 0], // clean
  ...[X, X, 0, 2, 0, 0, 0, X], // writing
]);

/** Whether the edge exists. */
export function isEdge(from: Provenance, event: FrameEvent): boolean {
  return TABLE[from * EVENTS + event] !== X;
}

/** @throws InvariantViolation on an edge that does not exist */
export function nextProvenance(from: Provenance, event: FrameEvent): Provenance {
  const to = TABLE[from * EVENTS + event]!;
  assert(to !== X, 'illegal provenance transition');
  return to as Provenance;
}
