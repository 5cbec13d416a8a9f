/**
 * The sending half of a message: which bytes may go now, and which go again.
 *
 * A message is a stream of bytes and its end, which counts as one more byte. What may be under way
 * is bounded by the congestion window and by the fixed window. Its last bytes, a segment at most,
 * wait until there are more or the end is known. So the end seldom takes a packet of its own.
 * What is not acknowledged in time is sent again from the first such byte on. What the device's
 * queue has no room for has not been sent.
 *
 * Modelled after tcp_output.c and tcp_timer.c of Linux 2.6.12 with TCP_CORK. Differs from the
 * original:
 * - the timeout is the least one, not derived from round trips;
 * - there are neither selective acknowledgements nor fast retransmissions;
 * - a cork has no time limit.
 */

import { SEGMENT_BYTES } from '../../base/ethernet.ts';
import { type CongestionWindow, RTO_MIN_NS, WINDOW_BYTES } from './congestion.ts';
import { PACKET_BYTES } from './segment.ts';
import { SendBuffer } from './send-buffer.ts';

/** TCP_RTO_MAX of include/net/tcp.h, Linux 2.6.12, ns. */
export const RTO_MAX_NS = 120_000_000_000;
/** Retransmissions before an end gives up: TCP_RETR2 of the same file. */
export const DATA_RETRIES = 15;

/** Bytes of the message for one packet. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
  /** The message ends behind them. */
  readonly isLast: boolean;
}

export class MessageSender {
  readonly #window: CongestionWindow;
  readonly #buffer: SendBuffer;
  #isFinished = false;
  #isEndAcknowledged = false;
  /** What goes next; one more than the length when the end has gone. */
  #next = 0;
  /** The most that has been sent. */
  #sent = 0;
  /** Whether the congestion window was used up by what is under way. */
  #isLimited = false;
  /** Whether the device's queue had no room for what could have gone. */
  #isHeld = false;
  #timeoutNs = RTO_MIN_NS;
  #retries = 0;
  #retransmissions = 0;

  /** @param capacity bytes that may wait for their acknowledgement, at least 1 */
  constructor(window: CongestionWindow, capacity: number) {
    this.#window = window;
    this.#buffer = new SendBuffer(capacity);
  }

  /** Whether the end of the message is known. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Whether an acknowledgement is awaited, or room in the device's queue. */
  get isAwaiting(): boolean {
    return this.#isUnderWay || this.#isHeld;
  }

  get #isUnderWay(): boolean {
    return this.#next > this.#buffer.start && !this.#isEndAcknowledged;
  }

  /** How long to wait for an acknowledgement, ns. */
  get timeoutNs(): number {
    return this.#timeoutNs;
  }

  /** Packets sent again so far. */
  get retransmissions(): number {
    return this.#retransmissions;
  }

  /** Bytes that may be appended without waiting. */
  get room(): number {
    return this.#buffer.room;
  }

  /** Copies as many bytes from `from` on as there is room for, and returns how many. */
  append(bytes: Uint8Array, from: number): number {
    return this.#buffer.append(bytes, from);
  }

  /** The message ends here. */
  finish(): void {
    this.#isFinished = true;
  }

  copyOut(piece: Piece, into: Uint8Array, at: number): void {
    this.#buffer.copyOut(piece.offset, piece.length, into, at);
  }

  /**
   * What may be sent at this instant; it counts as sent.
   * @param room packets that the device's queue takes
   */
  send(nowNs: number, room: number): Piece[] {
    if (!this.#isUnderWay) this.#window.resumes(nowNs);
    const pieces: Piece[] = [];
    this.#isHeld = false;
    for (let piece = this.#nextPiece(); piece !== undefined; piece = this.#nextPiece()) {
      if (pieces.length === room) {
        this.#isHeld = true;
        break;
      }
      if (piece.offset < this.#sent) this.#retransmissions++;
      this.#next = piece.offset + piece.length + (piece.isLast ? 1 : 0);
      this.#sent = Math.max(this.#sent, this.#next);
      pieces.push(piece);
    }
    if (this.#isHeld) this.#window.congested(this.#segmentsUnderWay());
    if (pieces.length === 0) return pieces;
    this.#window.sent(nowNs);
    this.#isLimited = this.#segmentsUnderWay() >= this.#window.segments;
    return pieces;
  }

  #nextPiece(): Piece | undefined {
    const { start, end } = this.#buffer;
    const offset = this.#next;
    const rest = end - offset;
    if (this.#isFinished ? rest < 0 : rest <= SEGMENT_BYTES) return undefined;
    const allowed = Math.min(this.#window.segments * SEGMENT_BYTES, WINDOW_BYTES) - (offset - start);
    let length = Math.min(rest, allowed, PACKET_BYTES);
    const isLast = this.#isFinished && length === rest;
    // Whole segments, except at the end; and one that may be the last waits for more.
    if (!isLast) length -= length % SEGMENT_BYTES;
    if (!this.#isFinished && length === rest) length -= SEGMENT_BYTES;
    return length > 0 || isLast ? { offset, length, isLast } : undefined;
  }

  #segmentsUnderWay(): number {
    return Math.ceil((this.#next - this.#buffer.start) / SEGMENT_BYTES);
  }

  /**
   * The other end has so much of the message, without a gap. Returns whether that was news. What
   * was never sent is ignored.
   */
  acknowledge(received: number): boolean {
    const { start, end } = this.#buffer;
    if (received > this.#sent || received <= start || this.#isEndAcknowledged) return false;
    this.#isEndAcknowledged = received > end;
    const upTo = Math.min(received, end);
    if (this.#isLimited || this.#window.isShrinking)
      this.#window.acknowledged(Math.ceil((upTo - start) / SEGMENT_BYTES));
    this.#buffer.release(upTo);
    this.#next = Math.max(this.#next, received);
    this.#timeoutNs = RTO_MIN_NS;
    this.#retries = 0;
    return true;
  }

  /**
   * Nothing was acknowledged in time: what is under way goes again, and the next timeout is twice
   * as long. Returns false when it has gone often enough. With nothing under way it is true.
   */
  timedOut(): boolean {
    if (!this.#isUnderWay) return true;
    if (this.#retries === DATA_RETRIES) return false;
    this.#retries++;
    this.#timeoutNs = Math.min(2 * this.#timeoutNs, RTO_MAX_NS);
    this.#window.timedOut(this.#segmentsUnderWay());
    this.#next = this.#buffer.start;
    return true;
  }
}
