/**
 * A host on the network with clients of web servers: browsers that open a connection, ask, and
 * wait. It is not a guest, so its work costs no time.
 */

import { EtherType, decodeFrame, encodeFrame, type EthernetFrame, type MacAddress } from '../../base/ethernet.ts';
import { encodeText } from '../../base/text.ts';
import { Connection, connectionOf, refusal } from '../../kernel/index.ts';
import type { Nic } from '../../machine/nic.ts';
import type { Process, Simulation } from '../../sim/index.ts';

/** What a server answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export class WebHost {
  readonly #simulation: Simulation;
  readonly #nic: Nic;
  readonly #mac: MacAddress;
  readonly #connections = new Map<number, Connection>();
  #nextId = 1;

  constructor(simulation: Simulation, nic: Nic, mac: MacAddress) {
    this.#simulation = simulation;
    this.#nic = nic;
    this.#mac = mac;
    nic.open((bytes) => {
      const frame = decodeFrame(bytes);
      if (frame?.destination !== mac || frame.type !== EtherType.transport) return;
      const connection = this.#connections.get(connectionOf(frame.payload) ?? 0);
      if (connection !== undefined) connection.receive(frame.payload);
      else this.#refuse(frame);
    });
  }

  /** A connection to a server, not yet open. */
  connection(server: MacAddress): Connection {
    const source = this.#mac;
    const send = (payloads: readonly Uint8Array[]): void => {
      this.#nic.sendFrames(
        payloads.map((payload) => encodeFrame({ destination: server, source, type: EtherType.transport, payload })),
      );
    };
    const connection = new Connection(this.#simulation, send, this.#nextId++);
    this.#connections.set(connection.id, connection);
    return connection;
  }

  /** A packet of a connection that is closed. */
  #refuse({ source, payload }: EthernetFrame): void {
    const answer = refusal(payload);
    if (answer === undefined) return;
    const frame = { destination: source, source: this.#mac, type: EtherType.transport, payload: answer };
    this.#nic.sendFrames([encodeFrame(frame)]);
  }

  /** Forgets a connection, and tells the other end to do so. Nothing happens the second time. */
  close({ id }: Pick<Connection, 'id'>): void {
    const connection = this.#connections.get(id);
    this.#connections.delete(id);
    connection?.close();
  }
}

/** Sends a request on an open connection; undefined when it broke, or the answer is invalid. */
export function* askFor(connection: Connection, request: Uint8Array): Process<HttpAnswer | undefined> {
  const answer = yield* connection.request(request);
  return typeof answer === 'string' ? undefined : parseAnswer(answer);
}

/** The same, with a request of these lines. */
export function ask(connection: Connection, lines: readonly string[]): Process<HttpAnswer | undefined> {
  return askFor(connection, encodeRequest(lines));
}

/** A request of these lines. */
export const encodeRequest = (lines: readonly string[]): Uint8Array => encodeText([...lines, '', ''].join('\r\n'));

/** Undefined when it is no answer of HTTP/1.0. */
export function parseAnswer(bytes: Uint8Array): HttpAnswer | undefined {
  const end = endOfHead(bytes);
  if (end === undefined) return undefined;
  const [line, ...fields] = HEAD_TEXT.decode(bytes.subarray(0, end)).split('\r\n');
  const status = /^HTTP\/1\.0 (\d{3}) /.exec(line!)?.[1];
  if (status === undefined) return undefined;
  const pairs = fields.map((field): [string, string] => {
    const colon = field.indexOf(': ');
    return [field.slice(0, colon), field.slice(colon + 2)];
  });
  return { status: Number(status), fields: new Map(pairs), body: bytes.subarray(end + 4) };
}

/** Where the empty line begins that ends a head: CR LF CR LF. */
function endOfHead(bytes: Uint8Array): number | undefined {
  for (let at = bytes.indexOf(CR); at >= 0; at = bytes.indexOf(CR, at + 1))
    if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at;
  return undefined;
}

const [CR, LF] = [13, 10];
const HEAD_TEXT = new TextDecoder('latin1');
