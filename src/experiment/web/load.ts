/**
 * Clients of a web server, on another host of the network. They open a connection, ask for a file,
 * take the answer and close: HTTP/1.0, one request a connection, as httperf does by default.
 *
 * In a closed loop a number of clients ask, wait for the answer, think, and ask again. In an open
 * loop a request is sent at each arrival, whatever became of those before. Errors are counted as
 * httperf counts them.
 *
 * Contract: every answer is given to `check`, once. A client costs the machine no time of its own.
 */

import { assert } from '../../base/assert.ts';
import type { MacAddress } from '../../base/ethernet.ts';
import { Ns } from '../../base/units.ts';
import type { Broken } from '../../kernel/index.ts';
import { WaitQueue, type Process, type RandomStream, type Simulation } from '../../sim/index.ts';
import { encodePath } from '../../workload/web-server.ts';
import { encodeRequest, parseAnswer, type HttpAnswer, type WebHost } from '../host/web-host.ts';
import type { Exchange } from '../judge/recovery.ts';
import type { Arrivals, ErrorName } from './options.ts';

/** How long a client of a closed loop waits after an error before it asks again, ns: assumed. */
const AFTER_ERROR = Ns(100_000_000);

/** What became of a request. */
export interface WebExchange extends Exchange {
  /** Bytes of the file that arrived. */
  readonly bytes: number;
  /** Undefined when it was answered. */
  readonly error: ErrorName | undefined;
}

export interface LoadOptions {
  readonly simulation: Simulation;
  readonly host: WebHost;
  readonly server: MacAddress;
  /** Paths of the files. */
  readonly paths: readonly string[];
  /** How long a client waits for a connection and its answer, ns. */
  readonly timeoutNs: number;
  /** The whole answer to a request for file number `file`; whether it is right. */
  readonly check: (file: number, answer: HttpAnswer) => boolean;
}

/** The number of the next file that is asked for; undefined: no more. */
export type NextFile = () => number | undefined;

export class WebLoad {
  /** In the order in which they ended. */
  readonly exchanges: WebExchange[] = [];
  readonly #options: LoadOptions;
  /** What is sent for each file. */
  readonly #requests: readonly Uint8Array[];
  readonly #ended = new WaitQueue('the answers to all requests');
  #underWay = 0;
  #isStopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#requests = options.paths.map((path) => encodeRequest([`GET ${encodePath(path)} HTTP/1.0`]));
  }

  /** No request is sent any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Waits until no request is under way. */
  *drain(): Process {
    while (this.#underWay > 0) yield this.#ended;
  }

  /**
   * A closed loop; returns when `next` has no file any more, or after `stop`.
   * @param thinkNs between an answer and the next request of a client
   */
  *closed(clients: number, thinkNs: number, next: NextFile): Process {
    const { simulation } = this.#options;
    const tasks = Array.from({ length: clients }, (_, n) =>
      simulation.spawn(`client ${n}`, this.#client(thinkNs, next)),
    );
    for (const task of tasks) yield* task.join();
  }

  /**
   * An open loop; returns as `closed` does, without waiting for the last answers.
   * @param rate arrivals a second
   * @param random decides when requests arrive, if they do not at equal distances
   */
  *open(rate: number, arrivals: Arrivals, random: RandomStream, next: NextFile): Process {
    const { simulation } = this.#options;
    const start = simulation.now;
    let due = 0;
    for (;;) {
      due += (arrivals === 'constant' ? 1 : -Math.log(1 - random.fraction())) * (1e9 / rate);
      yield Ns(Math.max(0, Math.round(start + due) - simulation.now));
      const file = this.#isStopped ? undefined : next();
      if (file === undefined) return;
      simulation.spawn('client', this.#ask(file));
    }
  }

  *#client(thinkNs: number, next: NextFile): Process {
    for (;;) {
      const file = this.#isStopped ? undefined : next();
      if (file === undefined) return;
      const { error } = yield* this.#ask(file);
      const pause = error === undefined ? Ns(thinkNs) : AFTER_ERROR;
      if (pause > 0) yield pause;
    }
  }

  *#ask(file: number): Process<WebExchange> {
    const { simulation, host, server, timeoutNs, check } = this.#options;
    const sentNs = simulation.now;
    const connection = host.connection(server);
    // A connection is much to keep for as long as the time-out.
    const { id } = connection;
    let isOver = false;
    let isTooLate = false;
    this.#underWay++;
    simulation.after(Ns(timeoutNs), () => {
      if (isOver) return;
      isTooLate = true;
      host.close({ id });
    });
    const refused = yield* connection.open();
    const outcome = refused ?? (yield* connection.request(this.#requests[file]!));
    assert(!isOver, 'a request is answered at most once');
    isOver = true;
    host.close(connection);
    const answer = typeof outcome === 'string' ? undefined : parseAnswer(outcome);
    const isAnswered = answer !== undefined && check(file, answer);
    const exchange: WebExchange = {
      sentNs,
      endNs: simulation.now,
      isAnswered,
      bytes: isAnswered ? answer.body.length : 0,
      error: isAnswered ? undefined : errorOf(refused, outcome, isTooLate),
    };
    this.exchanges.push(exchange);
    if (--this.#underWay === 0) this.#ended.wakeAll();
    return exchange;
  }
}

/** By the names of httperf; `other` is an answer that is not the file. */
function errorOf(refused: Broken | undefined, outcome: Uint8Array | Broken, isTooLate: boolean): ErrorName {
  if (isTooLate) return 'clientTimo';
  if (outcome === 'timed out') return 'socketTimo';
  if (outcome === 'reset') return refused === undefined ? 'connReset' : 'connRefused';
  return 'other';
}
