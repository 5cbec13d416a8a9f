/**
 * Sockets: what a server program has of the network. One listens at a time; clients reach it by
 * transport.ts.
 *
 * Requests that no program has accepted yet wait in the kernel, one a connection at most. While no
 * process listens, connections are refused.
 */

import { checkBytes, checkObject } from '../../base/argument-error.ts';
import { ModelError } from '../../base/errno.ts';
import { EtherType, type EthernetFrame, type MacAddress } from '../../base/ethernet.ts';
import { WaitQueue, type Process } from '../../sim/index.ts';
import type { FrameReceiver } from './netfront.ts';
import type { NetTransmitter } from './net-tx.ts';
import { Listener, MAX_PAYLOAD, refusal } from './transport.ts';

/** A client's request, and where its answer goes. */
export interface NetworkRequest {
  /** What it asks. */
  readonly bytes: Uint8Array;
  /** Sends the answer. */
  readonly answer: (bytes: Uint8Array) => void;
}

/** Where requests come in. */
export class ListeningSocket {
  readonly #arrived = new WaitQueue('a request of a client');
  readonly #waiting: NetworkRequest[] = [];
  readonly #close: () => void;
  readonly #enter: () => void;
  #isClosed = false;

  /** @internal */
  constructor(enter: () => void, close: () => void) {
    this.#enter = enter;
    this.#close = close;
  }

  /** Waits for the next request. Throws EBADF when the socket is closed, also while this waits. */
  *accept(): Process<NetworkRequest> {
    this.#enter();
    for (;;) {
      if (this.#isClosed) throw new ModelError('EBADF', 'the socket is closed');
      const request = this.#waiting.shift();
      if (request !== undefined) return request;
      yield this.#arrived;
    }
  }

  /**
   * Sends an answer, and again when the client asks again. Throws EMSGSIZE beyond MAX_PAYLOAD
   * bytes.
   */
  answer(request: NetworkRequest, bytes: Uint8Array): void {
    this.#enter();
    checkObject('request', request, 'answer');
    checkBytes('bytes', bytes);
    if (bytes.length > MAX_PAYLOAD) throw new ModelError('EMSGSIZE', `an answer of ${bytes.length} bytes`);
    request.answer(bytes);
  }

  /**
   * Forgets all connections and refuses new ones; a process that waits in `accept` gets EBADF. A
   * second time it does nothing.
   */
  close(): void {
    this.#enter();
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#close();
    this.#arrived.wakeAll();
  }

  /** @internal */
  arrives(request: NetworkRequest): void {
    this.#waiting.push(request);
    this.#arrived.wakeOne();
  }
}

export class Sockets implements FrameReceiver {
  readonly #transmitter: Pick<NetTransmitter, 'send'> | undefined;
  #listener: Listener<MacAddress> | undefined;
  #isUp = false;

  /** @param transmitter undefined: the guest has no network */
  constructor(transmitter: Pick<NetTransmitter, 'send'> | undefined) {
    this.#transmitter = transmitter;
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
    if (answer !== undefined) this.#transmitter?.send(source, EtherType.transport, answer);
  }

  /**
   * Throws ENETDOWN, EADDRINUSE.
   * @param enter charges a system call
   */
  listen(enter: () => void): ListeningSocket {
    const transmitter = this.#transmitter;
    if (transmitter === undefined) throw new ModelError('ENETDOWN', 'the guest has no network');
    if (this.#listener !== undefined) throw new ModelError('EADDRINUSE', 'a program listens already');
    const socket = new ListeningSocket(enter, () => {
      this.#listener = undefined;
    });
    this.#listener = new Listener(
      (client, packet) => {
        transmitter.send(client, EtherType.transport, packet);
      },
      (bytes, answer) => {
        socket.arrives({ bytes, answer });
      },
    );
    return socket;
  }
}
