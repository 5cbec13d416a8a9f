/**
 * Sockets: what a server program has of the network. One listens at a time; clients reach it by
 * transport.ts.
 *
 * Requests that no program has accepted yet wait in the kernel, one a connection at most. While as
 * many wait as the backlog has room for, openings of connections are ignored, and clients try
 * again. While no process listens, connections are refused.
 */

import { ArgumentError, checkBytes } from '../../base/argument-error.ts';
import { ModelError } from '../../base/errno.ts';
import { EtherType, type EthernetFrame, type MacAddress } from '../../base/ethernet.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import type { Timers } from './alarm.ts';
import { WINDOW_BYTES } from './congestion.ts';
import { Listener, ServedRequest } from './listener.ts';
import type { FrameReceiver } from './netfront.ts';
import type { NetTransmitter } from './net-tx.ts';
import { refusal } from './segment.ts';

/** Requests that may wait: ListenBacklog of Apache. */
export const BACKLOG = 511;

/** Bytes of an answer that `answer` takes: what may be under way at once. */
export const MAX_PAYLOAD = WINDOW_BYTES;

/** A client's request. Its answer is a stream of bytes, which the socket that accepted it sends. */
export interface NetworkRequest {
  /** What it asks. */
  readonly bytes: Uint8Array;
  /**
   * Whether the client still waits for the answer: false once the connection is closed or broke.
   */
  readonly isOpen: boolean;
}

/** What a socket uses of the system calls. */
interface Caller {
  /** Charges a system call. */
  readonly enter: () => void;
  /** Pays for what was charged. */
  readonly settle: () => Process;
}

/** Where requests come in. */
export class ListeningSocket {
  readonly #arrived = new WaitQueue('a request of a client');
  readonly #waiting: NetworkRequest[] = [];
  readonly #caller: Caller;
  readonly #close: () => void;
  #isClosed = false;

  /** @internal */
  constructor(caller: Caller, close: () => void) {
    this.#caller = caller;
    this.#close = close;
  }

  /** @internal Requests that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Waits for the next request. Throws EBADF when the socket is closed, also while this waits. */
  *accept(): Process<NetworkRequest> {
    this.#caller.enter();
    for (;;) {
      if (this.#isClosed) throw new ModelError('EBADF', 'the socket is closed');
      const request = this.#waiting.shift();
      if (request !== undefined) return request;
      yield this.#arrived;
    }
  }

  /**
   * Sends a whole answer of at most MAX_PAYLOAD bytes, and does not wait. It is lost when the
   * client is gone. Throws EMSGSIZE for more bytes, EPIPE when the answer has begun already.
   */
  answer(request: NetworkRequest, bytes: Uint8Array): void {
    this.#caller.enter();
    const served = asServed(request);
    checkBytes('bytes', bytes);
    if (bytes.length > MAX_PAYLOAD) throw new ModelError('EMSGSIZE', `an answer of ${bytes.length} bytes`);
    if (served.hasBegun) throw new ModelError('EPIPE', 'the answer has begun');
    served.finish(bytes);
  }

  /**
   * Appends bytes to an answer. They are copied. This waits while more than the send buffer of
   * 128 KiB is not acknowledged by the client. Up to a segment (1,448 bytes) stays in the
   * buffer until more bytes or `finish` follow. Throws EPIPE when the client is gone, and when the
   * answer is finished.
   */
  *send(request: NetworkRequest, bytes: Uint8Array): Process {
    this.#caller.enter();
    const served = asServed(request);
    checkBytes('bytes', bytes);
    for (let at = 0; ; ) {
      if (!served.isOpen) throw new ModelError('EPIPE', 'the client is gone');
      if (served.isFinished) throw new ModelError('EPIPE', 'the answer is finished');
      at += served.append(bytes, at);
      if (at === bytes.length) return;
      yield* this.#caller.settle();
      if (!served.hasRoom) yield served.room;
    }
  }

  /** Ends an answer: the client has it once all has arrived. A second time it does nothing. */
  finish(request: NetworkRequest): void {
    this.#caller.enter();
    asServed(request).finish(new Uint8Array(0));
  }

  /**
   * Resets all connections and refuses new ones; a process that waits in `accept` gets EBADF. A
   * second time it does nothing.
   */
  close(): void {
    this.#caller.enter();
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#close();
    this.#arrived.wakeAll();
  }

  /** @internal */
  arrives(request: NetworkRequest): void {
    this.#waiting.push(request);
    this.#arrived.wakeOne();
  }
}

function asServed(request: NetworkRequest): ServedRequest {
  if (!(request instanceof ServedRequest)) throw new ArgumentError('request: expected one that was accepted');
  return request;
}

/** What sockets use of the guest's world. */
type SocketEnvironment = Pick<GuestEnvironment, 'now' | 'after' | 'cpu'>;

/** What sockets use of the interface. */
type Uplink = Pick<NetTransmitter, 'send' | 'room' | 'dropped'>;

export class Sockets implements FrameReceiver {
  readonly #transmitter: Uplink | undefined;
  readonly #timers: Timers;
  #listener: Listener<MacAddress> | undefined;
  #isUp = false;

  /** @param transmitter undefined: the guest has no network */
  constructor(env: SocketEnvironment, transmitter: Uplink | undefined) {
    this.#transmitter = transmitter;
    this.#timers = {
      get now() {
        return env.now;
      },
      after: (delay, action) => {
        env.after(delay, () => {
          action();
          // Work in interrupt context.
          env.cpu.book();
        });
      },
    };
  }

  /** Frames that found the queue of the interface full, and were lost. */
  get dropped(): number {
    return this.#transmitter?.dropped ?? 0;
  }

  /**
   * ifconfig up: an event of the guest's boot, after the root is mounted. Frames that came before
   * are lost, and are not answered.
   */
  bringUp(): void {
    this.#isUp = true;
  }

  receive({ source, type, payload }: EthernetFrame): void {
    if (!this.#isUp || type !== EtherType.transport) return;
    if (this.#listener !== undefined) {
      this.#listener.receive(source, payload);
      return;
    }
    const answer = refusal(payload);
    if (answer !== undefined) this.#transmitter?.send(source, EtherType.transport, [answer]);
  }

  /** Throws ENETDOWN, EADDRINUSE. */
  listen(caller: Caller): ListeningSocket {
    const transmitter = this.#transmitter;
    if (transmitter === undefined) throw new ModelError('ENETDOWN', 'the guest has no network');
    if (this.#listener !== undefined) throw new ModelError('EADDRINUSE', 'a program listens already');
    const listener = new Listener<MacAddress>(
      this.#timers,
      (client, packets) => {
        transmitter.send(client, EtherType.transport, packets);
      },
      (request) => {
        socket.arrives(request);
      },
      () => socket.waiting < BACKLOG,
      () => transmitter.room,
    );
    const socket = new ListeningSocket(caller, () => {
      listener.close();
      this.#listener = undefined;
    });
    this.#listener = listener;
    return socket;
  }
}
