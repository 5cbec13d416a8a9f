/**
 * The congestion window of one direction of a connection, in segments. It lasts from message to
 * message.
 *
 * It begins with three segments and grows with each segment acknowledged: by one below the
 * threshold, and by one a window beyond. A timeout halves the threshold and begins with one segment
 * again. What was sent while the window was not used up does not let it grow. After a pause of a
 * timeout it begins as at first.
 *
 * A full queue of the own device is congestion, too. Then the threshold is half the window, and the
 * window is what is under way and one segment more. It shrinks by one for every two segments
 * acknowledged, until something is that was sent later. That is once a window.
 *
 * Modelled after tcp_input.c and tcp_output.c of Linux 2.6.12, RFC 2581, 2861 and 3390. Differs in
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
  /** Segments to be acknowledged until it has shrunk; 0 while it does not shrink. */
  #shrinking = 0;
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

  /** Whether it shrinks after congestion: then it is told of every acknowledgement. */
  get isShrinking(): boolean {
    return this.#shrinking > 0;
  }

  /** The device's queue is full, while so many segments are under way: tcp_enter_cwr. */
  congested(segments: number): void {
    if (this.isShrinking) return;
    this.#threshold = Math.max(2, Math.floor(this.#segments / 2));
    this.#segments = Math.min(this.#segments, segments + 1);
    this.#counted = 0;
    this.#shrinking = segments + 1;
  }

  /** So many segments of a window that was used up, or that shrinks, have been acknowledged. */
  acknowledged(segments: number): void {
    if (this.isShrinking) {
      this.#shrink(segments);
      return;
    }
    const slow = Math.max(0, Math.min(segments, this.#threshold - this.#segments));
    this.#segments += slow;
    this.#counted += segments - slow;
    while (this.#counted >= this.#segments) {
      this.#counted -= this.#segments;
      if (this.#segments < WINDOW_SEGMENTS) this.#segments++;
    }
  }

  #shrink(segments: number): void {
    this.#counted += segments;
    const least = Math.min(this.#segments, Math.floor(this.#threshold / 2));
    this.#segments = Math.max(1, least, this.#segments - Math.floor(this.#counted / 2));
    this.#counted %= 2;
    this.#shrinking = Math.max(0, this.#shrinking - segments);
    if (this.isShrinking) return;
    this.#segments = Math.min(this.#segments, this.#threshold);
    this.#counted = 0;
  }

  /** What was under way, so many segments, has not been acknowledged in time. */
  timedOut(segments: number): void {
    this.#threshold = Math.max(2, Math.floor(segments / 2));
    this.#segments = 1;
    this.#counted = 0;
    this.#shrinking = 0;
  }
}
