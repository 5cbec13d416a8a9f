/**
 * Requests and answers over a network that loses packets. It models the part of TCP that decides
 * how long a client of a suspended or rebooted guest waits.
 *
 * A client opens a connection, then sends one request at a time and waits for its answer. What is
 * not answered is sent again after a timeout that doubles. A connection lives in the memory of both
 * ends: a guest that was suspended goes on with it, and the next retransmission is answered. A
 * guest that was booted does not know it and answers with a reset.
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
 * - a message is one packet, and a connection has one under way: there is no window, no congestion
 *   control and nothing to put in order;
 * - the answer is the only acknowledgement, so a request that is served slowly is sent again, and
 *   ignored;
 * - the timeout is the least one, not derived from round trips;
 * - closing is a reset;
 * - a CRC-32C stands for the checksum.
 *
 * A client never uses a connection number twice, nor a connection that broke.
 */

import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { ETHERNET_HEADER } from '../../base/ethernet.ts';
import { defineLayout, getField, putField, reservedIsZero } from '../../base/layout.ts';
import { Ns, PAGE_SIZE } from '../../base/units.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';

/** TCP_RTO_MIN, TCP_RTO_MAX and TCP_TIMEOUT_INIT of include/net/tcp.h, Linux 2.6.12, ns. */
export const RTO_MIN_NS = 200_000_000;
export const RTO_MAX_NS = 120_000_000_000;
export const SYN_TIMEOUT_NS = 3_000_000_000;
/** Retransmissions before a client gives up: TCP_SYN_RETRIES and TCP_RETR2 of the same file. */
export const SYN_RETRIES = 5;
export const REQUEST_RETRIES = 15;

const KIND = { syn: 1, synAck: 2, request: 3, answer: 4, reset: 5 } as const;
type Kind = (typeof KIND)[keyof typeof KIND];

/** The header of a packet; its payload follows. */
export const SEGMENT_HEADER = defineLayout('segment', 20, [
  { name: 'connection', width: 4, writer: 'guest', meaning: 'number that the client gave the connection' },
  { name: 'sequence', width: 4, writer: 'guest', meaning: 'which request of the connection, from 1; else 0' },
  { name: 'payloadBytes', width: 4, writer: 'guest', meaning: 'bytes that follow the header' },
  { name: 'kind', width: 1, writer: 'guest', meaning: '1 open, 2 opened, 3 request, 4 answer, 5 reset' },
  { name: 'reserved', width: 1, count: 3, meaning: 'for later versions', reserved: true },
  { name: 'checksum', width: 4, writer: 'guest', meaning: 'CRC-32C of the header up to here and of the payload' },
]);

/** Bytes of a request or an answer at most: it lies within a page, with its headers. */
export const MAX_PAYLOAD = PAGE_SIZE - ETHERNET_HEADER.size - SEGMENT_HEADER.size;

interface Segment {
  readonly connection: number;
  readonly sequence: number;
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** Takes a packet for the other end. It may lose it. */
type Send = (packet: Uint8Array) => void;

const EMPTY = new Uint8Array(0);

function checksum(packet: Uint8Array): number {
  const header = crc32c(packet, 0, SEGMENT_HEADER.offset.checksum);
  return crc32c(packet, SEGMENT_HEADER.size, packet.length - SEGMENT_HEADER.size, header);
}

function encode(connection: number, sequence: number, kind: Kind, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(SEGMENT_HEADER.size + payload.length);
  putField(SEGMENT_HEADER, packet, 0, 'connection', connection);
  putField(SEGMENT_HEADER, packet, 0, 'sequence', sequence);
  putField(SEGMENT_HEADER, packet, 0, 'payloadBytes', payload.length);
  putField(SEGMENT_HEADER, packet, 0, 'kind', kind);
  packet.set(payload, SEGMENT_HEADER.size);
  putField(SEGMENT_HEADER, packet, 0, 'checksum', checksum(packet));
  return packet;
}

function decode(packet: Uint8Array): Segment | undefined {
  if (packet.length < SEGMENT_HEADER.size) return undefined;
  if (getField(SEGMENT_HEADER, packet, 0, 'payloadBytes') !== packet.length - SEGMENT_HEADER.size) return undefined;
  if (getField(SEGMENT_HEADER, packet, 0, 'checksum') !== checksum(packet)) return undefined;
  if (!reservedIsZero(SEGMENT_HEADER, packet, 0)) return undefined;
  return {
    connection: getField(SEGMENT_HEADER, packet, 0, 'connection'),
    sequence: getField(SEGMENT_HEADER, packet, 0, 'sequence'),
    kind: getField(SEGMENT_HEADER, packet, 0, 'kind'),
    payload: packet.subarray(SEGMENT_HEADER.size),
  };
}

/**
 * The connection that a packet says it is of; undefined for what is shorter than a header. Whether
 * it is, its receiver looks.
 */
export function connectionOf(packet: Uint8Array): number | undefined {
  return packet.length < SEGMENT_HEADER.size ? undefined : getField(SEGMENT_HEADER, packet, 0, 'connection');
}

/**
 * Whatever lets an action happen later: the simulation, or a guest's timers, which do not run while
 * it is suspended.
 */
export interface Timers {
  after(delay: Ns, action: () => void): void;
}

/** How an exchange ended without an answer: `closed` by this end. */
export type Broken = 'reset' | 'timed out' | 'closed';

/** The client's end of one connection. */
export class Connection {
  readonly id: number;
  readonly #timers: Timers;
  readonly #send: Send;
  readonly #wakeUp = new WaitQueue(() => `an answer on connection ${this.id}`);
  #sequence = 0;
  #awaited: Kind | undefined;
  #outcome: Uint8Array | Broken | undefined;
  #retransmissions = 0;

  constructor(timers: Timers, send: Send, id: number) {
    this.#timers = timers;
    this.#send = send;
    this.id = id;
  }

  /** Packets sent again so far. */
  get retransmissions(): number {
    return this.#retransmissions;
  }

  /** Opens the connection; undefined when it is open. */
  *open(): Process<Broken | undefined> {
    const outcome = yield* this.#exchange(KIND.syn, KIND.synAck, EMPTY, SYN_TIMEOUT_NS, SYN_RETRIES);
    return typeof outcome === 'string' ? outcome : undefined;
  }

  /** Sends a request and waits for its answer. */
  *request(payload: Uint8Array): Process<Uint8Array | Broken> {
    this.#sequence++;
    return yield* this.#exchange(KIND.request, KIND.answer, payload, RTO_MIN_NS, REQUEST_RETRIES);
  }

  /** Tells the other end to forget the connection. What is awaited does not come. */
  close(): void {
    if (this.#awaited !== undefined) this.#end('closed');
    this.#send(encode(this.id, 0, KIND.reset, EMPTY));
  }

  /** A packet from the other end. Those of other connections are ignored. */
  receive(packet: Uint8Array): void {
    const segment = decode(packet);
    if (segment?.connection !== this.id || this.#awaited === undefined) return;
    if (segment.kind === KIND.reset) this.#end('reset');
    else if (segment.kind === this.#awaited && segment.sequence === this.#sequence) this.#end(segment.payload.slice());
  }

  #end(outcome: Uint8Array | Broken): void {
    this.#awaited = undefined;
    this.#outcome = outcome;
    this.#wakeUp.wakeAll();
  }

  *#exchange(
    kind: Kind,
    awaited: Kind,
    payload: Uint8Array,
    firstTimeoutNs: number,
    retries: number,
  ): Process<Uint8Array | Broken> {
    assert(this.#awaited === undefined, 'transport 1: a connection has one request under way');
    assert(typeof this.#outcome !== 'string', 'transport 2: a connection that broke is not used again');
    this.#awaited = awaited;
    this.#outcome = undefined;
    const packet = encode(this.id, this.#sequence, kind, payload);
    let timeoutNs = firstTimeoutNs;
    let sent = 0;
    let isOver = false;
    const transmit = (): void => {
      // The exchange ended before this timer fired.
      if (isOver || this.#awaited === undefined) return;
      if (sent > retries) {
        this.#end('timed out');
        return;
      }
      if (sent++ > 0) this.#retransmissions++;
      this.#timers.after(Ns(timeoutNs), transmit);
      timeoutNs = Math.min(timeoutNs * 2, RTO_MAX_NS);
      this.#send(packet);
    };
    transmit();
    while (this.#outcome === undefined) yield this.#wakeUp;
    isOver = true;
    return this.#outcome;
  }
}

/**
 * What a listener keeps of a connection: the request served last, and its answer once there is one.
 */
interface Accepted {
  sequence: number;
  answer: Uint8Array | undefined;
}

/** Takes a packet for one of the clients. It may lose it. */
type SendTo<Address> = (client: Address, packet: Uint8Array) => void;

/** Told of each request once; calls `answer` when it has one, at once or later. */
type Serve = (request: Uint8Array, answer: (payload: Uint8Array) => void) => void;

/**
 * Connections that a listener has at most: then the one that was silent longest gives way. Assumed.
 */
export const MAX_CONNECTIONS = 1024;

/**
 * The server's end of all its connections. Clients with the same address number their connections
 * differently.
 */
export class Listener<Address extends number> {
  readonly #send: SendTo<Address>;
  readonly #serve: Serve;
  /** By client and number, the one that was silent longest first. */
  readonly #accepted = new Map<string, Accepted>();
  /** Connections that ended last: a late packet does not open one of them again. */
  readonly #ended = new Set<string>();

  constructor(send: SendTo<Address>, serve: Serve) {
    this.#send = send;
    this.#serve = serve;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#accepted.size;
  }

  /** A packet from a client. */
  receive(client: Address, packet: Uint8Array): void {
    const segment = decode(packet);
    if (segment === undefined) return;
    const { connection } = segment;
    const key = `${client} ${connection}`;
    const accepted = this.#accepted.get(key);
    this.#accepted.delete(key);
    if (segment.kind === KIND.reset) this.#end(key);
    else if (segment.kind === KIND.syn && !this.#ended.has(key)) {
      const [oldest] = this.#accepted.keys();
      if (this.#accepted.size === MAX_CONNECTIONS) this.#end(oldest!);
      this.#accepted.set(key, accepted ?? { sequence: 0, answer: undefined });
      this.#send(client, encode(connection, 0, KIND.synAck, EMPTY));
    } else if (accepted !== undefined) this.#accepted.set(key, accepted);
    if (segment.kind !== KIND.request) return;
    if (accepted === undefined) this.#send(client, encode(connection, 0, KIND.reset, EMPTY));
    else this.#request(client, key, accepted, segment);
  }

  #end(key: string): void {
    this.#accepted.delete(key);
    const [oldest] = this.#ended;
    if (this.#ended.size === MAX_CONNECTIONS) this.#ended.delete(oldest!);
    this.#ended.add(key);
  }

  #request(client: Address, key: string, accepted: Accepted, { connection, sequence, payload }: Segment): void {
    if (sequence === accepted.sequence) {
      // Sent again: it is being served, or its answer was lost.
      if (accepted.answer !== undefined) this.#send(client, accepted.answer);
      return;
    }
    if (sequence !== accepted.sequence + 1) return;
    accepted.sequence = sequence;
    accepted.answer = undefined;
    this.#serve(payload.slice(), (bytes) => {
      // The client closed the connection, or did not wait for the answer.
      if (this.#accepted.get(key) !== accepted || accepted.sequence !== sequence) return;
      accepted.answer = encode(connection, sequence, KIND.answer, bytes);
      this.#send(client, accepted.answer);
    });
  }
}

/** What a machine on which nobody listens answers to a packet, if anything. */
export function refusal(packet: Uint8Array): Uint8Array | undefined {
  const segment = decode(packet);
  if (segment === undefined || segment.kind === KIND.reset) return undefined;
  return encode(segment.connection, 0, KIND.reset, EMPTY);
}
