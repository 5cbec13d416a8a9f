/**
 * Whether the guests serve, as clients on the network see it. Each guest has a web server, and each
 * server has clients of two kinds.
 *
 * Visitors: a new one arrives every 10 ms, opens a connection, asks for the start of a file and
 * waits a second at most. So the time that a connection takes to notice its server's return is not
 * measured. For how long a guest is down is defined in judge/recovery.ts.
 *
 * A user has logged in and keeps one session over one connection, with a request every 100 ms. When
 * the connection breaks, the user opens another. When the server does not know the session, the
 * user logs in again. Whether the connection and the session outlived the reboot is counted
 * separately.
 */

import { ArgumentError, checkArgument, checkObject } from '../../base/argument-error.ts';
import { xenMac, type MacAddress } from '../../base/ethernet.ts';
import { Ns } from '../../base/units.ts';
import type { Connection } from '../../kernel/index.ts';
import type { Process, Simulation } from '../../sim/index.ts';
import type { WorkloadFile } from '../../workload/file-reader.ts';
import { encodePath } from '../../workload/web-server.ts';
import type { VmmGuest, VmmMachine } from '../host/machine-room.ts';
import { askFor, encodeRequest, WebHost, type HttpAnswer } from '../host/web-host.ts';
import { longestSilence } from '../judge/recovery.ts';

/** Time between two visitors. */
const INTERVAL = Ns(10_000_000);
/** How long a visitor waits: assumed, as with httperf --timeout. */
const TIMEOUT = Ns(1_000_000_000);
/** How long a user thinks between an answer and the next request. */
const THINK = Ns(100_000_000);
/** How long the end waits for clients: the longest time before a connection sends again. */
const PATIENCE_NS = 125e9;
/** Bytes of a request's range. */
const ASKED_BYTES = 1024;
/** Addresses of hosts begin here; those of guests are lower. */
const FIRST_HOST = 0x10_0000;

/** What the clients of a guest saw. */
export interface ClientView {
  /** The longest silence, which may not have ended. */
  readonly silence: { readonly fromNs: number; readonly ns: number };
  /** Requests of visitors with an answer, and without one. */
  readonly answered: number;
  readonly failed: number;
  /** Whether the user's connection, and the user's session, lasted all the time. */
  readonly keptConnection: boolean;
  readonly keptSession: boolean;
}

/** The file that is asked for; `check` receives the bytes of its start that arrived. */
export interface ServedFile extends WorkloadFile {
  readonly check?: (guest: string, bytes: Uint8Array) => void;
}

export class VmmClients {
  readonly #simulation: Simulation;
  readonly #file: ServedFile;
  readonly #host: WebHost;
  #clients: readonly GuestClients[] = [];

  /** @param file a file on the disk of each guest */
  constructor(machine: VmmMachine, file: ServedFile) {
    checkObject('machine', machine, 'simulation', 'connectHost');
    checkObject('file', file, 'path', 'size');
    this.#simulation = machine.simulation;
    this.#file = file;
    this.#host = new WebHost(machine.simulation, machine.connectHost(), xenMac(FIRST_HOST));
  }

  /**
   * Starts the clients of these guests, and returns when they have been answered. Only later
   * requests count.
   */
  *begin(guests: Iterable<VmmGuest>): Process {
    checkArgument(Symbol.iterator in Object(guests), 'guests', 'expected guests');
    this.#clients = [...guests].map((guest, n) => {
      checkObject('guests', guest, 'config');
      const { name, mac } = guest.config;
      if (mac === undefined) throw new ArgumentError('guests: one of them has no network interface');
      return new GuestClients(this.#simulation, this.#host, this.#file, name, mac, n + 1);
    });
    for (const clients of this.#clients) clients.start();
    yield* this.#heard(this.#clients, 'visitor');
    yield* this.#heard(this.#clients, 'user');
    for (const clients of this.#clients) clients.begin();
  }

  /**
   * Waits until the clients of these guests are answered again, but no longer than they would wait;
   * then the clients leave.
   */
  *end(names: Iterable<string>): Process {
    checkArgument(Symbol.iterator in Object(names), 'names', 'expected names');
    const wanted = new Set(names);
    const awaited = this.#clients.filter(({ name }) => wanted.has(name));
    for (const clients of awaited) clients.listen();
    yield* this.#heard(awaited, 'visitor');
    for (const clients of this.#clients) clients.stopVisits();
    yield* this.#heard(awaited, 'user');
    for (const clients of this.#clients) clients.stop();
  }

  viewOf(name: string): ClientView {
    const clients = this.#clients.find((each) => each.name === name);
    if (clients === undefined) throw new ArgumentError('name: no guest of this name has clients');
    return clients.view;
  }

  /** Waits until these clients of all have been answered. */
  *#heard(all: readonly GuestClients[], who: Client): Process {
    const deadline = this.#simulation.now + PATIENCE_NS;
    while (this.#simulation.now < deadline && !all.every(({ heard }) => heard.has(who))) yield INTERVAL;
  }
}

type Client = 'visitor' | 'user';

/** The clients of one guest. */
class GuestClients {
  readonly name: string;
  readonly #simulation: Simulation;
  readonly #host: WebHost;
  readonly #file: ServedFile;
  readonly #server: MacAddress;
  readonly #visitRequest: Uint8Array;
  readonly #userRequest: Uint8Array;
  readonly #login: Uint8Array;
  /** When visits ended; undefined while they go on. */
  #lastVisitNs: number | undefined;
  #isStopped = false;
  /** When visitors were answered. */
  readonly #answers: number[] = [];
  /** From when on silences and requests count. */
  #beginNs: number;
  #answered = 0;
  #failed = 0;
  #keptConnection = true;
  #keptSession = true;
  readonly #heard = new Set<Client>();

  constructor(
    simulation: Simulation,
    host: WebHost,
    file: ServedFile,
    name: string,
    server: MacAddress,
    session: number,
  ) {
    this.#simulation = simulation;
    this.#host = host;
    this.#file = file;
    this.name = name;
    this.#server = server;
    const get = [`GET ${encodePath(file.path)} HTTP/1.0`, `Range: bytes=0-${ASKED_BYTES - 1}`];
    const cookie = `Cookie: session=${session}`;
    this.#visitRequest = encodeRequest(get);
    this.#userRequest = encodeRequest([...get, cookie]);
    this.#login = encodeRequest(['POST /login HTTP/1.0', cookie]);
    this.#beginNs = simulation.now;
  }

  get view(): ClientView {
    const endNs = this.#lastVisitNs ?? this.#simulation.now;
    const { fromNs, toNs } = longestSilence(Float64Array.from(this.#answers), this.#beginNs, this.#beginNs, endNs);
    return {
      silence: { fromNs, ns: (toNs ?? endNs) - fromNs },
      answered: this.#answered,
      failed: this.#failed,
      keptConnection: this.#keptConnection,
      keptSession: this.#keptSession,
    };
  }

  /** Those that have been answered since `listen`. */
  get heard(): ReadonlySet<Client> {
    return this.#heard;
  }

  listen(): void {
    this.#heard.clear();
  }

  start(): void {
    this.#simulation.spawn(`clients of ${this.name}`, this.#visit());
    this.#simulation.spawn(`session of ${this.name}`, this.#stay());
  }

  begin(): void {
    this.#beginNs = this.#simulation.now;
    this.#answered = this.#failed = 0;
    this.#keptConnection = this.#keptSession = true;
  }

  /** No more visitors arrive. */
  stopVisits(): void {
    this.#lastVisitNs ??= this.#simulation.now;
  }

  stop(): void {
    this.stopVisits();
    this.#isStopped = true;
  }

  *#visit(): Process {
    while (this.#lastVisitNs === undefined) {
      this.#simulation.spawn(`client of ${this.name}`, this.#visitOnce());
      yield INTERVAL;
    }
  }

  *#visitOnce(): Process {
    const connection = this.#host.connection(this.#server);
    // A connection is much to keep for as long as that.
    const { id } = connection;
    this.#simulation.after(TIMEOUT, () => {
      this.#host.close({ id });
    });
    const isOpen = (yield* connection.open()) === undefined;
    const answer = isOpen ? yield* askFor(connection, this.#visitRequest) : undefined;
    this.#host.close(connection);
    if (this.#lastVisitNs !== undefined) return;
    if (answer === undefined || !this.#isRight(answer)) this.#failed++;
    else this.#isAnswered();
  }

  #isAnswered(): void {
    this.#answers.push(this.#simulation.now);
    this.#answered++;
    this.#heard.add('visitor');
  }

  /** Whether an answer has the file's bytes. */
  #isRight({ status, body }: HttpAnswer): boolean {
    if (status !== 200 && status !== 206) return false;
    this.#file.check?.(this.name, body);
    return body.length === Math.min(ASKED_BYTES, this.#file.size);
  }

  *#stay(): Process {
    let connection: Connection | undefined;
    while (!this.#isStopped) {
      connection ??= yield* this.#connect();
      const answer = connection && (yield* askFor(connection, this.#userRequest));
      if (answer === undefined) {
        if (connection !== undefined) this.#host.close(connection);
        connection = undefined;
        this.#keptConnection = false;
      } else if (answer.status === 401) {
        this.#keptSession = false;
        yield* askFor(connection!, this.#login);
      } else this.#heard.add('user');
      yield THINK;
    }
    if (connection !== undefined) this.#host.close(connection);
  }

  *#connect(): Process<Connection | undefined> {
    const connection = this.#host.connection(this.#server);
    if ((yield* connection.open()) === undefined) return connection;
    this.#host.close(connection);
    return undefined;
  }
}
