/**
 * A web server: answers requests for parts of files, and knows which users are logged in
 * (session-table.ts). One process serves one request after the other. It uses nothing but system
 * calls.
 *
 * ```
 * GET /path HTTP/1.0          a file's bytes; `Range: bytes=FIRST-LAST`, `Cookie: session=N`
 * POST /login HTTP/1.0        `Cookie: session=N`: begins session N
 * ```
 *
 * Lines end in CR LF, and an empty line ends the head of a request or an answer. An answer has as
 * many bytes as can be sent without waiting for the client. A request with the cookie of an unknown
 * session is answered with 401. That of a known session is answered with the number of its requests
 * (`X-Requests`). Modelled after Apache 1.3 with one child.
 */

import { ModelError } from '../base/errno.ts';
import { decodeText, encodeText } from '../base/text.ts';
import type { Process } from '../sim/index.ts';
import { type ListeningSocket, MAX_PAYLOAD, type NetworkRequest, type Syscalls } from '../kernel/syscall/syscalls.ts';
import { SessionTable } from './session-table.ts';

/** The most bytes of an answer that its head takes. */
const HEAD_BYTES = 128;

/** What a client asks. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** Bytes of the file, the last one included. */
  readonly first: number;
  readonly last: number;
  readonly session: number | undefined;
}

const REASONS = {
  200: 'OK',
  206: 'Partial Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  500: 'Internal Server Error',
};
/** Status of an answer. */
export type Status = keyof typeof REASONS;

/** The next request; undefined once the socket is closed. */
export function* nextRequest(socket: ListeningSocket): Process<NetworkRequest | undefined> {
  try {
    return yield* socket.accept();
  } catch (error) {
    if (error instanceof ModelError && error.code === 'EBADF') return undefined;
    throw error;
  }
}

export class WebServer {
  readonly #sys: Syscalls;
  readonly #socket: ListeningSocket;
  readonly #sessions: SessionTable;
  readonly #buffer = new Uint8Array(MAX_PAYLOAD - HEAD_BYTES);

  /**
   * Begins to listen. Throws ENETDOWN, EADDRINUSE.
   * @param keepsSessions whether sessions are kept in the recovery box
   */
  constructor(sys: Syscalls, keepsSessions: boolean) {
    this.#sys = sys;
    this.#sessions = new SessionTable(sys, keepsSessions);
    this.#socket = sys.listen();
  }

  /** Serves until it is closed. */
  *run(): Process {
    for (;;) {
      const request = yield* nextRequest(this.#socket);
      if (request === undefined) return;
      this.#socket.answer(request, yield* this.#respond(parseRequest(request.bytes)));
      yield* this.#sys.settle();
    }
  }

  /** Stops listening, which ends `run`. */
  close(): void {
    this.#socket.close();
  }

  *#respond(request: HttpRequest | undefined): Process<Uint8Array> {
    if (request === undefined) return encodeAnswer(400);
    const { method, path, session } = request;
    if (method === 'POST')
      return path === '/login' && session !== undefined
        ? encodeAnswer(this.#sessions.login(session, session) ? 200 : 500)
        : encodeAnswer(400);
    const requests = session === undefined ? undefined : this.#sessions.request(session);
    if (session !== undefined && requests === undefined) return encodeAnswer(401);
    try {
      return yield* this.#file(request, requests);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return encodeAnswer(error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 404 : 500);
    }
  }

  *#file({ path, first, last }: HttpRequest, requests: number | undefined): Process<Uint8Array> {
    const sys = this.#sys;
    const fd = yield* sys.open(path);
    try {
      const { size } = sys.fstat(fd);
      const wanted = Math.max(0, Math.min(last + 1, size) - first);
      const length = yield* sys.pread(fd, this.#buffer, 0, Math.min(wanted, this.#buffer.length), first);
      return encodeAnswer(length === size ? 200 : 206, this.#buffer.subarray(0, length), requests);
    } finally {
      yield* sys.close(fd);
    }
  }
}

const REQUEST_TEXT = new TextDecoder('latin1');

/** Undefined for anything but a request. */
export function parseRequest(bytes: Uint8Array): HttpRequest | undefined {
  const [line, ...fields] = REQUEST_TEXT.decode(bytes).split('\r\n');
  const [, method, path] = /^(GET|POST) (\/\S*) HTTP\/1\.[01]$/.exec(line!) ?? [];
  if (method === undefined || path === undefined || !fields.includes('')) return undefined;
  const field = (pattern: RegExp): RegExpExecArray | null | undefined =>
    fields.map((text) => pattern.exec(text)).find((match) => match !== null);
  const range = field(/^Range: bytes=(\d{1,15})-(\d{1,15})$/);
  const session = field(/^Cookie: session=(\d{1,9})$/)?.[1];
  return {
    method,
    path: decodePath(path),
    first: Number(range?.[1] ?? 0),
    last: Number(range?.[2] ?? Infinity),
    session: session === undefined ? undefined : Number(session),
  };
}

/** A path as in a request: each byte that is no plain character of a URI is %XX. */
export function encodePath(path: string): string {
  // A byte that belongs to no character is a lone surrogate, which encodeURI refuses.
  return path
    .split(/([\udc80-\udcff])/u)
    .map((part, i) => (i % 2 === 0 ? encodeURI(part) : `%${encodeText(part)[0]!.toString(16).toUpperCase()}`))
    .join('');
}

/** @param path its characters are bytes */
function decodePath(path: string): string {
  // Plain characters stand for themselves.
  if (/^[!-$&-~]*$/.test(path)) return path;
  const bytes = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return decodeText(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
}

function encodeAnswer(status: Status, body: Uint8Array = new Uint8Array(0), requests?: number): Uint8Array {
  const head = encodeHead(status, body.length, requests);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/**
 * The head of an answer.
 * @param length bytes of the body
 * @param requests how many the session has made
 */
export function encodeHead(status: Status, length: number, requests?: number): Uint8Array {
  const count = requests === undefined ? '' : `X-Requests: ${requests}\r\n`;
  return encodeText(`HTTP/1.0 ${status} ${REASONS[status]}\r\nContent-Length: ${length}\r\n${count}\r\n`);
}
