/**
 * The server's end of all its connections (transport.ts has the client's, and the invariants).
 *
 * A request waits in the kernel until it is whole. A client that sends more than MAX_REQUEST_BYTES
 * of one is reset, so that clients do not fill the memory. Differs from Linux, where a program
 * takes a request piece by piece, and decides itself when it is too long.
 */

import { assert } from '../../base/assert.ts';
import { WaitQueue } from '../../sim/index.ts';
import type { Timers } from './alarm.ts';
import { ENDLESS, ExchangeEnd, type Room } from './exchange.ts';
import { decode, encodeControl, KIND, type Segment } from './segment.ts';

/**
 * Connections that a listener has at most: then the one that was silent longest gives way. Assumed.
 */
export const MAX_CONNECTIONS = 1024;

/** Bytes of a request at most. Assumed: more than the head that Apache accepts. */
export const MAX_REQUEST_BYTES = 1 << 20;

/** Bytes of an answer that wait for their acknowledgement at most: the largest of tcp_wmem. */
export const SEND_BUFFER_BYTES = 131_072;

/** Takes a burst of packets for one of the clients. It may lose any of them. */
type SendTo<Address> = (client: Address, packets: readonly Uint8Array[]) => void;

/** Called once for each request, which is answered at once or later. */
type Serve = (request: ServedRequest) => void;

/** The exchange of a connection that a request is part of. */
type Exchange = Pick<ExchangeEnd, 'append' | 'finish' | 'room' | 'isFinished'>;

/** A request, and the stream of its answer. */
export class ServedRequest {
  readonly bytes: Uint8Array;
  /** Woken when a third of the send buffer is free again, and when the client is gone. */
  readonly room = new WaitQueue('room in the send buffer of a connection');
  /** Undefined once the client is gone. */
  #exchange: Exchange | undefined;
  #hasBegun = false;

  constructor(bytes: Uint8Array, exchange: Exchange) {
    this.bytes = bytes;
    this.#exchange = exchange;
  }

  /**
   * Whether the client still waits for this answer. It is false once the connection broke, or the
   * next request has come.
   */
  get isOpen(): boolean {
    return this.#exchange !== undefined;
  }

  /** Whether the end of the answer is known. */
  get isFinished(): boolean {
    return this.#exchange?.isFinished ?? false;
  }

  /** Whether some of the answer is known. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get hasRoom(): boolean {
    return this.#exchange === undefined || this.#exchange.room > 0;
  }

  /** Copies as many bytes from `from` on as there is room for, and returns how many. */
  append(bytes: Uint8Array, from: number): number {
    this.#hasBegun = true;
    return this.#exchange?.append(bytes, from) ?? 0;
  }

  /**
   * Ends the answer with bytes for which there is room. Nothing happens once the client is gone.
   */
  finish(bytes: Uint8Array): void {
    assert(this.#exchange === undefined || this.#exchange.room >= bytes.length, 'an answer ends with bytes that fit');
    this.#hasBegun = true;
    this.#exchange?.finish(bytes);
  }

  /** The client is gone. */
  end(): void {
    this.#exchange = undefined;
    this.room.wakeAll();
  }
}

/** What a listener keeps of a connection. */
interface Accepted<Address> {
  readonly client: Address;
  readonly connection: number;
  readonly end: ExchangeEnd;
  /** The request that was served last. */
  request: ServedRequest | undefined;
}

/** Clients with the same address number their connections differently. */
export class Listener<Address extends number> {
  readonly #timers: Timers;
  readonly #send: SendTo<Address>;
  readonly #serve: Serve;
  readonly #mayOpen: () => boolean;
  readonly #room: Room;
  /** By client and number, the one that was silent longest first. */
  readonly #accepted = new Map<string, Accepted<Address>>();
  /** Connections that ended last: a late packet does not open one of them again. */
  readonly #ended = new Set<string>();

  /**
   * @param mayOpen whether connections may be opened now; the opening of others is ignored
   * @param room of the queue before the device; endless by default
   */
  constructor(
    timers: Timers,
    send: SendTo<Address>,
    serve: Serve,
    mayOpen: () => boolean = () => true,
    room: Room = ENDLESS,
  ) {
    this.#timers = timers;
    this.#send = send;
    this.#serve = serve;
    this.#mayOpen = mayOpen;
    this.#room = room;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#accepted.size;
  }

  /** Resets all connections. */
  close(): void {
    for (const [key, { client, connection }] of this.#accepted) {
      this.#end(key);
      this.#send(client, [encodeControl(connection, KIND.reset)]);
    }
  }

  /** A packet from a client. */
  receive(client: Address, packet: Uint8Array): void {
    const segment = decode(packet);
    if (segment === undefined) return;
    const { connection } = segment;
    const key = `${client} ${connection}`;
    if (segment.kind === KIND.reset) {
      this.#end(key);
      return;
    }
    if (segment.kind === KIND.syn) this.#open(key, client, connection);
    const accepted = this.#accepted.get(key);
    if (accepted !== undefined) {
      // Now it is the one that was heard last.
      this.#accepted.delete(key);
      this.#accepted.set(key, accepted);
    }
    if (segment.kind !== KIND.request) return;
    const isTooLong = segment.offset + segment.payload.length > MAX_REQUEST_BYTES;
    if (accepted !== undefined && !isTooLong) {
      this.#receive(accepted, segment);
      return;
    }
    if (accepted !== undefined) this.#end(key);
    this.#send(client, [encodeControl(connection, KIND.reset)]);
  }

  #open(key: string, client: Address, connection: number): void {
    if (!this.#accepted.has(key)) {
      if (this.#ended.has(key) || !this.#mayOpen()) return;
      const [oldest] = this.#accepted.keys();
      if (this.#accepted.size === MAX_CONNECTIONS) this.#end(oldest!);
      this.#accepted.set(key, this.#accept(key, client, connection));
    }
    this.#send(client, [encodeControl(connection, KIND.synAck)]);
  }

  #accept(key: string, client: Address, connection: number): Accepted<Address> {
    const send = (packets: readonly Uint8Array[]): void => {
      this.#send(client, packets);
    };
    const end: ExchangeEnd = new ExchangeEnd(this.#timers, send, this.#room, connection, KIND.answer, {
      received: (bytes) => {
        accepted.request = new ServedRequest(bytes, end);
        this.#serve(accepted.request);
      },
      progressed: () => {
        if (end.room >= SEND_BUFFER_BYTES / 3) accepted.request?.room.wakeAll();
      },
      timedOut: () => {
        this.#end(key);
      },
    });
    const accepted: Accepted<Address> = { client, connection, end, request: undefined };
    return accepted;
  }

  /** A segment of the present exchange, or the first that comes of the next one. */
  #receive(accepted: Accepted<Address>, segment: Segment): void {
    const { end } = accepted;
    if (segment.sequence === end.sequence + 1) {
      // The client has the last answer.
      accepted.request?.end();
      accepted.request = undefined;
      end.begin(SEND_BUFFER_BYTES);
    }
    if (segment.sequence === end.sequence && segment.sequence > 0) end.receive(segment);
  }

  #end(key: string): void {
    const accepted = this.#accepted.get(key);
    this.#accepted.delete(key);
    accepted?.end.close();
    accepted?.request?.end();
    const [oldest] = this.#ended;
    if (this.#ended.size === MAX_CONNECTIONS) this.#ended.delete(oldest!);
    this.#ended.add(key);
  }
}
