/**
 * The congestion window of one direction of a connection, in segments. It lasts from message to
 * message.
 *
 * It begins with three segments and grows with each segment acknowledged: by one below the
 * threshold, and by one a window beyond. A timeout halves the threshold and begins with one segment
 * again. What was sent while the window was not used up does not let it grow. After a pause of a
 * timeout it begins as at first.
 *
 * Modelled after tcp_cong.c and tcp_output.c of Linux 2.6.12, RFC 2581, 2861 and 3390. Differs in
 * that an acknowledgement counts for all segments that it covers, and that a pause does not take
 * the window back by halves.
 */

import { SEGMENT_BYTES } from '../../base/ethernet.ts';

/** The fixed window, bytes: what a receiver takes without window scaling. */
export const WINDOW_BYTES = 65_536;
/** RFC 3390 for segments of 1448 bytes. */
export const INITIAL_SEGMENTS = 3;
/** Full segments of the fixed window. */
const WINDOW_SEGMENTS = Math.floor(WINDOW_BYTES / SEGMENT_BYTES);
/** TCP_RTO_MIN of include/net/tcp.h, Linux 2.6.12, ns. */
export const RTO_MIN_NS = 200_000_000;

export class CongestionWindow {
  #segments = INITIAL_SEGMENTS;
  #threshold = WINDOW_SEGMENTS;
  /** Segments acknowledged beyond the threshold since it grew last. */
  #counted = 0;
  #lastSentNs = 0;

  /** Segments that may be under way. */
  get segments(): number {
    return this.#segments;
  }

  /** Something is to be sent at this instant, while nothing is under way. */
  resumes(nowNs: number): void {
    if (nowNs - this.#lastSentNs > RTO_MIN_NS) this.#segments = Math.min(this.#segments, INITIAL_SEGMENTS);
  }

  /** Something has been sent at this instant. */
  sent(nowNs: number): void {
    this.#lastSentNs = nowNs;
  }

  /** So many segments of a window that was used up have been acknowledged. */
  acknowledged(segments: number): void {
    const slow = Math.max(0, Math.min(segments, this.#threshold - this.#segments));
    this.#segments += slow;
    this.#counted += segments - slow;
    while (this.#counted >= this.#segments) {
      this.#counted -= this.#segments;
      if (this.#segments < WINDOW_SEGMENTS) this.#segments++;
    }
  }

  /** What was under way, so many segments, has not been acknowledged in time. */
  timedOut(segments: number): void {
    this.#threshold = Math.max(2, Math.floor(segments / 2));
    this.#segments = 1;
    this.#counted = 0;
  }
}
