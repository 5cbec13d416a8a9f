/**
 * The client's end of a connection over a network that loses packets: requests, and their answers.
 * It models the part of TCP that decides how fast an answer comes, and how long a client of a
 * suspended or rebooted guest waits. The server's end is in listener.ts.
 *
 * A client opens a connection, then sends one request at a time and waits for its answer. An answer
 * may have any size, a request what the listener takes: exchange.ts carries them as segments. What
 * is not acknowledged is sent again after a timeout that doubles. A connection lives in the memory
 * of both ends: a guest that was suspended goes on with it, and the next retransmission is
 * answered. A guest that was booted does not know it and answers with a reset.
 *
 * Invariants (the tests of the transport check 3 to 6):
 *   1. a connection has one request under way;
 *   2. a connection that broke is not used again;
 *   3. a request is served at most once by one listener, also when the network repeats and reorders
 *      packets;
 *   4. an answer is handed over only to the request it belongs to;
 *   5. a connection that ended is not opened again by a packet that comes late (of the last
 *      MAX_CONNECTIONS that ended);
 *   6. a packet whose checksum, length or reserved bytes are wrong is ignored, as one that was
 *      lost.
 *
 * Modelled after TCP in Linux 2.6.12 (tcp_timer.c, tcp_ipv4.c). Differs from the original:
 * - a connection carries messages, one in each direction at a time;
 * - closing is a reset;
 * - a CRC-32C stands for the checksum.
 *
 * A client never uses a connection number twice, nor a connection that broke.
 */

import { assert } from '../../base/assert.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import { Alarm, type Timers } from './alarm.ts';
import { ENDLESS, ExchangeEnd, type Room, type Send } from './exchange.ts';
import { decode, encodeControl, KIND, refusal, type Segment } from './segment.ts';
import { RTO_MAX_NS } from './sender.ts';

/** TCP_TIMEOUT_INIT of include/net/tcp.h, Linux 2.6.12, ns. */
export const SYN_TIMEOUT_NS = 3_000_000_000;
/** Retransmissions before a client gives up: TCP_SYN_RETRIES of the same file. */
export const SYN_RETRIES = 5;

/** How an exchange ended without an answer: `closed` by this end. */
export type Broken = 'reset' | 'timed out' | 'closed';

/** The client's end of one connection. */
export class Connection {
  readonly id: number;
  readonly #send: Send;
  readonly #end: ExchangeEnd;
  readonly #opening: Alarm;
  readonly #wakeUp = new WaitQueue(() => `an answer on connection ${this.id}`);
  #synTimeoutNs = SYN_TIMEOUT_NS;
  #synRetries = 0;
  #state: 'new' | 'opening' | 'idle' | 'asking' | Broken = 'new';
  #isTold = false;
  #answer: Uint8Array | undefined;

  /** @param room of the queue before the device; endless by default */
  constructor(timers: Timers, send: Send, id: number, room: Room = ENDLESS) {
    this.#send = send;
    this.id = id;
    this.#end = new ExchangeEnd(timers, send, room, id, KIND.request, {
      received: (bytes) => {
        this.#answer = bytes;
        this.#state = 'idle';
        this.#wakeUp.wakeAll();
      },
      progressed: () => {
        this.#end.awaitMessage();
      },
      timedOut: () => {
        this.#break('timed out');
      },
    });
    this.#opening = new Alarm(timers, () => {
      if (this.#synRetries++ === SYN_RETRIES) this.#break('timed out');
      else this.#sendSyn();
    });
  }

  /** Packets sent again so far. */
  get retransmissions(): number {
    return Math.min(this.#synRetries, SYN_RETRIES) + this.#end.retransmissions;
  }

  /** Opens the connection; undefined when it is open. */
  *open(): Process<Broken | undefined> {
    assert(this.#state === 'new', 'transport 2: a connection is opened once');
    this.#state = 'opening';
    this.#sendSyn();
    while (this.#state === 'opening') yield this.#wakeUp;
    return this.#outcome();
  }

  /**
   * Sends a request, which is copied, and waits for its answer. A connection that was reset in the
   * meantime says so.
   */
  *request(payload: Uint8Array): Process<Uint8Array | Broken> {
    const broken = this.#outcome();
    if (broken !== undefined) return broken;
    assert(
      this.#state !== 'asking' && this.#state !== 'opening',
      'transport 1: a connection has one request under way',
    );
    this.#state = 'asking';
    this.#end.begin(Math.max(1, payload.length));
    this.#end.finish(payload);
    while (this.#state === 'asking') yield this.#wakeUp;
    const answer = this.#answer;
    this.#answer = undefined;
    return answer ?? this.#outcome()!;
  }

  /** Tells the other end to forget the connection. What is awaited does not come. */
  close(): void {
    this.#break('closed');
    this.#send([encodeControl(this.id, KIND.reset)]);
  }

  /** A packet from the other end. Those of other connections are ignored. */
  receive(packet: Uint8Array): void {
    const segment = decode(packet);
    if (segment?.connection !== this.id) return;
    if (this.#isBroken()) {
      const answer = refusal(packet);
      if (answer !== undefined) this.#send([answer]);
    } else if (segment.kind === KIND.reset) this.#break('reset');
    else if (segment.kind === KIND.synAck) this.#opened();
    else if (segment.kind === KIND.answer) this.#receiveAnswer(segment);
  }

  #receiveAnswer(segment: Segment): void {
    if (segment.sequence === this.#end.sequence && segment.sequence > 0) this.#end.receive(segment);
  }

  #sendSyn(): void {
    this.#opening.set(this.#synTimeoutNs);
    this.#synTimeoutNs = Math.min(2 * this.#synTimeoutNs, RTO_MAX_NS);
    this.#send([encodeControl(this.id, KIND.syn)]);
  }

  #opened(): void {
    if (this.#state !== 'opening') return;
    this.#opening.drop();
    this.#state = 'idle';
    this.#wakeUp.wakeAll();
  }

  #isBroken(): boolean {
    return this.#state === 'reset' || this.#state === 'timed out' || this.#state === 'closed';
  }

  #break(how: Broken): void {
    if (this.#isBroken()) return;
    this.#opening.drop();
    this.#end.close();
    this.#state = how;
    this.#wakeUp.wakeAll();
  }

  /** How the connection broke, if it did. That is told once. */
  #outcome(): Broken | undefined {
    const state = this.#state;
    if (state !== 'reset' && state !== 'timed out' && state !== 'closed') return undefined;
    assert(!this.#isTold, 'transport 2: a connection that broke is not used again');
    this.#isTold = true;
    return state;
  }
}
