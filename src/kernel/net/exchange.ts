/**
 * One end of the exchanges of a connection, one after the other. In each, this end sends one
 * message and receives one; the client's is the request, the server's the answer.
 *
 * What it sends at one instant is one burst. The last packet of a burst asks for an acknowledgement
 * at once. A message that is whole is acknowledged by the answer to it, or by the next request.
 * Where neither follows within 40 ms, an acknowledgement goes alone.
 *
 * It asks the device's queue for room before it sends. What finds none goes with the next
 * acknowledgement, or after a timeout where nothing is under way. A timeout that finds the queue
 * full comes again within 500 ms, and is no retransmission.
 *
 * A client whose request has arrived may wait long for its answer. So it asks now and then whether
 * the server still knows the connection.
 *
 * Modelled after tcp_timer.c and tcp_input.c of Linux 2.6.12. Differs in that there is one
 * acknowledgement a burst, in place of one for every second segment.
 */

import { Alarm, type Timers } from './alarm.ts';
import { CongestionWindow } from './congestion.ts';
import { MessageReceiver } from './receiver.ts';
import { encode, FLAG, type Kind, type Segment, SEGMENT_HEADER } from './segment.ts';
import { MessageSender, type Piece } from './sender.ts';

/** TCP_DELACK_MIN, TCP's keepalive_intvl and keepalive_probes, Linux 2.6.12: ns, and a number. */
export const ACK_DELAY_NS = 40_000_000;
export const PROBE_INTERVAL_NS = 75_000_000_000;
export const PROBES = 9;
/** TCP_RESOURCE_PROBE_INTERVAL of include/net/tcp.h, Linux 2.6.12, ns. */
const RESOURCE_PROBE_NS = 500_000_000;

/** Takes a burst of packets for the other end. It may lose any of them. */
export type Send = (packets: readonly Uint8Array[]) => void;

/** How many packets the queue of this end's device takes now. */
export type Room = () => number;

/** The room of a host whose queue never fills. */
export const ENDLESS: Room = () => Infinity;

/** What happens at this end. */
export interface ExchangeEvents {
  /** The other end's message is whole. Once an exchange. */
  readonly received: (bytes: Uint8Array) => void;
  /** Bytes of this end's message were acknowledged. */
  readonly progressed: () => void;
  /** The other end does not answer. */
  readonly timedOut: () => void;
}

export class ExchangeEnd {
  readonly #timers: Timers;
  readonly #send: Send;
  readonly #room: Room;
  readonly #connection: number;
  readonly #kind: Kind;
  readonly #events: ExchangeEvents;
  readonly #window = new CongestionWindow();
  readonly #silence: Alarm;
  readonly #acknowledgement: Alarm;
  #sequence = 0;
  #sender: MessageSender;
  #receiver = new MessageReceiver();
  #probes = 0;
  #retransmissions = 0;

  /** @param kind of the messages that this end sends */
  constructor(timers: Timers, send: Send, room: Room, connection: number, kind: Kind, events: ExchangeEvents) {
    this.#timers = timers;
    this.#send = send;
    this.#room = room;
    this.#connection = connection;
    this.#kind = kind;
    this.#events = events;
    this.#sender = new MessageSender(this.#window, 1);
    this.#silence = new Alarm(timers, () => {
      this.#silent();
    });
    this.#acknowledgement = new Alarm(timers, () => {
      this.#acknowledge(0);
    });
  }

  /** Which exchange it is in, from 1; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Packets sent again so far. */
  get retransmissions(): number {
    return this.#retransmissions + this.#sender.retransmissions;
  }

  /** Bytes that may be appended without waiting. */
  get room(): number {
    return this.#sender.room;
  }

  /** Whether the end of this exchange's message is known. */
  get isFinished(): boolean {
    return this.#sender.isFinished;
  }

  /**
   * The next exchange begins; what was still under way of the last one is not needed any more.
   * @param capacity bytes of this end's message that may wait for their acknowledgement, at least 1
   */
  begin(capacity: number): void {
    this.#silence.clear();
    this.#acknowledgement.clear();
    this.#sequence++;
    this.#retransmissions += this.#sender.retransmissions;
    this.#sender = new MessageSender(this.#window, capacity);
    this.#receiver = new MessageReceiver();
    this.#probes = 0;
  }

  /** Copies as many bytes from `from` on as there is room for, and returns how many. */
  append(bytes: Uint8Array, from: number): number {
    const length = this.#sender.append(bytes, from);
    this.#transmit();
    return length;
  }

  /** Appends what there is room for and ends the message. */
  finish(bytes: Uint8Array): void {
    this.#sender.append(bytes, 0);
    this.#sender.finish();
    this.#transmit();
  }

  /** Waits for the other end's message, and probes for as long. */
  awaitMessage(): void {
    if (!this.#silence.isSet && !this.#receiver.isComplete) this.#silence.set(PROBE_INTERVAL_NS);
  }

  /** The connection has ended: nothing more is sent. */
  close(): void {
    this.#silence.drop();
    this.#acknowledgement.drop();
  }

  /** A segment of the present exchange from the other end. */
  receive(segment: Segment): void {
    this.#probes = 0;
    if (this.#sender.acknowledge(segment.acknowledged)) {
      this.#silence.clear();
      this.#transmit();
      if (this.#sender.isAwaiting && !this.#silence.isSet) this.#silence.set(this.#sender.timeoutNs);
      this.#events.progressed();
    }
    this.#take(segment);
  }

  #take({ offset, payload, flags }: Segment): void {
    const isLast = (flags & FLAG.last) !== 0;
    const wasComplete = this.#receiver.isComplete;
    if (payload.length > 0 || isLast) this.#receiver.take(offset, payload, isLast);
    else if ((flags & FLAG.push) === 0) return;
    if (this.#receiver.isComplete && !wasComplete) {
      this.#acknowledgement.set(ACK_DELAY_NS);
      if (!this.#sender.isAwaiting) this.#silence.clear();
      this.#events.received(this.#receiver.bytes);
    } else if ((flags & FLAG.push) !== 0) this.#acknowledge(0);
    else if (!this.#acknowledgement.isSet) this.#acknowledgement.set(ACK_DELAY_NS);
  }

  #acknowledge(flags: number): void {
    this.#acknowledgement.clear();
    this.#send([this.#encode(new Uint8Array(SEGMENT_HEADER.size), { offset: 0, length: 0, isLast: false }, flags)]);
  }

  /** Sends what may be sent now. */
  #transmit(): void {
    const pieces = this.#sender.send(this.#timers.now, this.#room());
    if (this.#sender.isAwaiting && !this.#silence.isSet) this.#silence.set(this.#sender.timeoutNs);
    if (pieces.length === 0) return;
    this.#acknowledgement.clear();
    const last = pieces.length - 1;
    // One array for all packets (see hot-paths 16).
    const burst = new Uint8Array(pieces.reduce((bytes, { length }) => bytes + SEGMENT_HEADER.size + length, 0));
    let at = 0;
    this.#send(
      pieces.map((piece, n) => {
        const packet = last === 0 ? burst : burst.subarray(at, (at += SEGMENT_HEADER.size + piece.length));
        return this.#encode(packet, piece, (n === last ? FLAG.push : 0) | (piece.isLast ? FLAG.last : 0));
      }),
    );
  }

  #encode(packet: Uint8Array, piece: Piece, flags: number): Uint8Array {
    if (piece.length > 0) this.#sender.copyOut(piece, packet, SEGMENT_HEADER.size);
    return encode(packet, {
      connection: this.#connection,
      sequence: this.#sequence,
      offset: piece.offset,
      acknowledged: this.#receiver.received,
      kind: this.#kind,
      flags,
    });
  }

  /** Nothing has come for as long as the alarm was set. */
  #silent(): void {
    if (this.#sender.isAwaiting) {
      if (this.#room() === 0) this.#silence.set(Math.min(this.#sender.timeoutNs, RESOURCE_PROBE_NS));
      else if (this.#sender.timedOut()) this.#transmit();
      else this.#events.timedOut();
      return;
    }
    if (this.#probes++ === PROBES) {
      this.#events.timedOut();
      return;
    }
    this.#acknowledge(FLAG.push);
    this.#silence.set(PROBE_INTERVAL_NS);
  }
}
