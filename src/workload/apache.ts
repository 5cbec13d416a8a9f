/**
 * Apache with the prefork module: a pool of workers, each of which serves one connection after the
 * other. It uses nothing but system calls.
 *
 * A worker accepts a connection and reads the request line. It looks at the file (stat), opens it,
 * sends head and bytes, and closes it. Then it appends a line to the access log, and waits for the
 * next connection.
 *
 * Modelled after Apache 1.3 and the prefork module of 2.0. Differs from the original: the pool has
 * its full size from the start and never shrinks, and a connection carries one request (HTTP/1.0).
 */

import { ModelError, type ErrnoName } from '../base/errno.ts';
import { encodeText } from '../base/text.ts';
import type { Process } from '../sim/index.ts';
import { O, type ListeningSocket, type NetworkRequest, type Syscalls } from '../kernel/syscall/syscalls.ts';
import { READ_SIZE } from './file-reader.ts';
import { encodeHead, nextRequest, parseRequest, type Status } from './web-server.ts';

/** Workers at most: MaxClients of httpd.conf-dist in Apache 1.3, and of prefork in 2.0. */
export const MAX_CLIENTS = 150;

/** How the bytes of a file go to a client. */
export const SENDING = ['sendfile', 'read'] as const;
/** `sendfile`: from the page cache. `read`: through a buffer of the worker, 64 KiB at a time. */
export type Sending = (typeof SENDING)[number];

export interface ApacheOptions {
  readonly sending: Sending;
  /** What the program's own instructions take of the processor for a request, ns. */
  readonly requestNs: number;
  /** Path of the access log, which is made when there is none. */
  readonly log: string;
}

/** A server of files. `open` it, and run `worker` as often as there are workers. */
export class Apache {
  readonly #sys: Syscalls;
  readonly #options: ApacheOptions;
  readonly #socket: ListeningSocket;
  readonly #log: number;
  #served = 0;

  private constructor(sys: Syscalls, options: ApacheOptions, socket: ListeningSocket, log: number) {
    this.#sys = sys;
    this.#options = options;
    this.#socket = socket;
    this.#log = log;
  }

  /** Opens the log and begins to listen. Throws ENETDOWN, EADDRINUSE, and as open does. */
  static *open(sys: Syscalls, options: ApacheOptions): Process<Apache> {
    const log = yield* sys.open(options.log, O.wronly | O.creat | O.append);
    return new Apache(sys, options, sys.listen(), log);
  }

  /** Requests that were answered to the last byte. */
  get served(): number {
    return this.#served;
  }

  /** One worker: serves until the server is closed. */
  *worker(): Process {
    const buffer = this.#options.sending === 'read' ? new Uint8Array(READ_SIZE) : undefined;
    for (;;) {
      const request = yield* nextRequest(this.#socket);
      if (request === undefined) return;
      yield* this.#serve(request, buffer);
      yield* this.#sys.settle();
    }
  }

  /** Stops listening, which ends the workers when they have served what they had accepted. */
  close(): void {
    this.#socket.close();
  }

  *#serve(request: NetworkRequest, buffer: Uint8Array | undefined): Process {
    const parsed = parseRequest(request.bytes);
    this.#sys.compute(this.#options.requestNs);
    yield* this.#sys.settle();
    let status: Status = 400;
    let bytes = 0;
    try {
      if (parsed?.method !== 'GET') yield* this.#head(request, status, 0);
      else {
        const fd = yield* this.#find(parsed.path);
        status = typeof fd === 'number' ? 200 : fd.status;
        if (typeof fd !== 'number') yield* this.#head(request, status, 0);
        else bytes = yield* this.#file(request, fd, buffer);
      }
      this.#served++;
    } catch (error) {
      // The client has gone, or the disk does not give the rest: what was sent is all.
      if (!(error instanceof ModelError)) throw error;
    }
    this.#socket.finish(request);
    yield* this.#note(parsed?.path ?? '-', status, bytes);
  }

  /** A descriptor of a file, or with which status to refuse. */
  *#find(path: string): Process<number | { readonly status: Status }> {
    try {
      yield* this.#sys.stat(path);
      return yield* this.#sys.open(path);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return { status: MISSING.includes(error.code) ? 404 : 500 };
    }
  }

  /** Sends a file, and closes it. Returns its bytes that were sent. */
  *#file(request: NetworkRequest, fd: number, buffer: Uint8Array | undefined): Process<number> {
    const sys = this.#sys;
    try {
      const { size } = sys.fstat(fd);
      yield* this.#head(request, 200, size);
      if (buffer === undefined) return yield* sys.sendfileToClient(this.#socket, request, fd, size);
      let sent = 0;
      while (sent < size) {
        const length = yield* sys.read(fd, buffer, 0, Math.min(buffer.length, size - sent));
        if (length === 0) break;
        yield* sys.settle();
        yield* this.#socket.send(request, buffer.subarray(0, length));
        sent += length;
      }
      return sent;
    } finally {
      yield* sys.close(fd);
    }
  }

  *#head(request: NetworkRequest, status: Status, bytes: number): Process {
    yield* this.#socket.send(request, encodeHead(status, bytes));
  }

  /** Appends a line to the log. What cannot be written is left out, as Apache does. */
  *#note(path: string, status: Status, bytes: number): Process {
    const line = encodeText(`GET ${path} ${status} ${bytes}\n`);
    try {
      yield* this.#sys.write(this.#log, line, 0, line.length);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
}

const MISSING: readonly ErrnoName[] = ['ENOENT', 'ENOTDIR'];
