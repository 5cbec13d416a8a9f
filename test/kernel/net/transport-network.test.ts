/**
 * Connections over a network that does everything a network may do. It loses, damages, repeats,
 * delays, and so reorders packets, for as long as it likes. Still a request is served at most once,
 * and an answer belongs to its request. Nothing of a connection that was closed comes to life
 * again.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns } from '../../../src/base/units.ts';
import { RTO_MIN_NS } from '../../../src/kernel/net/congestion.ts';
import { Listener, MAX_CONNECTIONS } from '../../../src/kernel/net/listener.ts';
import { DATA_RETRIES, RTO_MAX_NS } from '../../../src/kernel/net/sender.ts';
import { type Broken, Connection, SYN_RETRIES, SYN_TIMEOUT_NS } from '../../../src/kernel/net/transport.ts';
import { type Process, Simulation } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';

/**
 * What becomes of a packet: it arrives after each of these times, ns; a negative one is a bit that
 * is damaged on the way.
 */
type Fate = readonly number[];
const ARRIVES: Fate = [0];
const S = 1_000_000_000;

interface Client {
  readonly connection: Connection;
  readonly answers: (number[] | Broken)[];
}

/** Clients and one server; packets take a microsecond and what their fates add. */
class HostileNetwork {
  readonly simulation = new Simulation(1);
  /** Requests as they were served: the connection's number, and the bytes. */
  readonly served: string[] = [];
  readonly listener: Listener<number>;
  readonly clients: Client[] = [];
  readonly #fates: Fate[];
  readonly #slow: readonly number[];

  /** @param slow what the server takes for a request, ns: in turn */
  constructor(fates: readonly Fate[], slow: readonly number[] = [0]) {
    this.#fates = [...fates];
    this.#slow = slow;
    this.listener = new Listener<number>(
      this.simulation,
      (_, packets) => {
        this.#carry(packets, (bytes) => {
          for (const { connection } of this.clients) connection.receive(bytes);
        });
      },
      (request) => {
        this.served.push(request.bytes.join());
        const ns = this.#slow[this.served.length % this.#slow.length]!;
        const bytes = request.bytes.map((byte) => byte ^ 0xff);
        if (ns === 0) request.finish(bytes);
        else this.simulation.after(Ns(ns), () => request.finish(bytes));
      },
    );
  }

  connect(id: number): Client {
    const connection = new Connection(
      this.simulation,
      (packets) => {
        this.#carry(packets, (bytes) => {
          this.listener.receive(9, bytes);
        });
      },
      id,
    );
    const client: Client = { connection, answers: [] };
    this.clients.push(client);
    return client;
  }

  #carry(packets: readonly Uint8Array[], receive: (packet: Uint8Array) => void): void {
    for (const packet of packets)
      for (const delay of this.#fates.shift() ?? ARRIVES) {
        const copy = packet.slice();
        if (delay < 0) copy[-delay % copy.length]! ^= 1 << (-delay & 7);
        this.simulation.after(Ns(1_000 + Math.max(0, delay)), () => {
          receive(copy);
        });
      }
  }
}

/** Opens, asks so many times, closes. */
function* life({ connection, answers }: Client, requests: number): Process {
  const broken = yield* connection.open();
  if (broken === undefined)
    for (let n = 0; n < requests; n++) {
      const answer = yield* connection.request(Uint8Array.of(connection.id, n));
      answers.push(typeof answer === 'string' ? answer : [...answer]);
      if (typeof answer === 'string') break;
    }
  else answers.push(broken);
  connection.close();
}

const delay = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.nat(2 * RTO_MIN_NS) },
  { weight: 2, arbitrary: fc.nat(2 * SYN_TIMEOUT_NS) },
  { weight: 1, arbitrary: fc.nat(60 * S) },
  { weight: 1, arbitrary: fc.integer({ min: -500, max: -1 }) },
);
const fates = fc.array(fc.array(delay, { maxLength: 4 }), { maxLength: 40 });

describe('connections over a network that loses, damages, repeats, delays and reorders', () => {
  property(
    'connections over a bad network serve each request once at most, answer each that is answered with its own, and end',
    fates,
    fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }),
    fc.array(fc.constantFrom(0, 0, RTO_MIN_NS / 2, 3 * RTO_MIN_NS), { minLength: 1, maxLength: 3 }),
    (packets, lives, slow) => {
      const network = new HostileNetwork(packets, slow);
      const tasks = lives.map((requests, n) =>
        network.simulation.spawn(`client ${n}`, life(network.connect(n + 1), requests)),
      );
      network.simulation.run();
      for (const task of tasks) if (!task.isOver) throw new Error('a client waits for ever');
      // Until the last copy has arrived, long after the connections were closed.
      expect(new Set(network.served).size, 'transport 3').toBe(network.served.length);
      network.clients.forEach(({ connection: { id }, answers }, n) => {
        answers.forEach((answer, i) => {
          if (typeof answer === 'string') expect(['timed out', 'reset']).toContain(answer);
          else expect(answer, 'transport 4').toEqual([id ^ 0xff, i ^ 0xff]);
        });
        const isWhole = answers.every((answer) => typeof answer !== 'string');
        if (isWhole) expect(answers).toHaveLength(lives[n]!);
        // What was answered was served, in order.
        const mine = network.served.filter((request) => request.startsWith(`${id},`));
        expect(mine).toEqual(Array.from({ length: mine.length }, (_, i) => `${id},${i}`));
        expect(mine.length).toBeGreaterThanOrEqual(answers.filter((answer) => typeof answer !== 'string').length);
      });
    },
    { numRuns: 120, lawRuns: 300 },
  );

  it('the transport does not let a late copy of its opening bring a closed connection back to life', () => {
    // The opening is repeated ten seconds later, and the request eleven.
    const network = new HostileNetwork([[0, 10 * S], ARRIVES, [0, 11 * S]]);
    network.simulation.runProcess('client', life(network.connect(1), 1));
    network.simulation.run();
    expect(network.served).toEqual(['1,0']);
    expect(network.listener.connections, 'transport 5').toBe(0);
  });

  it('the transport opens no connection for a copy that arrives after one was closed that it never opened', () => {
    // Every packet of the opening is 300 s late; then the client has given up.
    const network = new HostileNetwork(Array.from({ length: SYN_RETRIES + 1 }, () => [300 * S]));
    const client = network.connect(1);
    network.simulation.runProcess('client', life(client, 1));
    expect(client.answers).toEqual(['timed out']);
    network.simulation.run();
    expect(network.listener.connections).toBe(0);
  });

  it('the transport serves no request before the one in front of it', () => {
    const seen: Uint8Array[] = [];
    const send = (_client: number, sent: readonly Uint8Array[]): void => void seen.push(...sent);
    const timers = { now: Ns(0), after: () => undefined };
    const server = new Listener<number>(timers, send, (request) => request.finish(request.bytes));
    const client = new Connection(timers, ([packet]) => server.receive(9, packet!), 1);
    const simulation = new Simulation(1);
    // What the second request of such a connection looks like.
    const packets: Uint8Array[] = [];
    const twin = new Connection(timers, (sent) => packets.push(...sent), 1);
    for (const _ of [1, 2]) {
      simulation.spawn('twin', twin.request(Uint8Array.of(1)));
      simulation.run();
      const answers: Uint8Array[] = [];
      const echo = new Listener<number>(
        timers,
        (_client, sent) => answers.push(...sent),
        (request) => request.finish(request.bytes),
      );
      const opening = new Connection(timers, ([packet]) => echo.receive(9, packet!), 1);
      simulation.spawn('open', opening.open());
      simulation.run();
      for (const packet of packets) echo.receive(9, packet);
      twin.receive(answers.at(-1)!);
      simulation.run();
    }
    simulation.spawn('open', client.open());
    simulation.run();
    const before = seen.length;
    server.receive(9, packets[1]!);
    expect(seen).toHaveLength(before);
    server.receive(9, packets[0]!);
    server.receive(9, packets[1]!);
    expect(seen).toHaveLength(before + 2);
  });

  it('the transport hands a late answer to no later request', () => {
    // The first answer comes twice, the second time while the second request waits, whose answer is
    // lost twice.
    const late = RTO_MIN_NS / 2;
    const network = new HostileNetwork([ARRIVES, ARRIVES, ARRIVES, [0, late], [0], [], [0], []]);
    const client = network.connect(1);
    network.simulation.runProcess('client', life(client, 2));
    expect(client.answers).toEqual([
      [254, 255],
      [254, 254],
    ]);
    expect(network.served).toEqual(['1,0', '1,1']);
  });

  it('the transport sends a request again after 0.2, 0.4 … 120 s, sixteen times in all, and gives up after 924.6 s', () => {
    const network = new HostileNetwork([ARRIVES, ARRIVES, ...Array.from({ length: 50 }, () => [])]);
    const client = network.connect(1);
    const { simulation } = network;
    simulation.runProcess('open', client.connection.open());
    const start = simulation.now;
    expect(simulation.runProcess('request', client.connection.request(Uint8Array.of(1)))).toBe('timed out');
    // 0.2 · (2^10 − 1) = 204.6, then six times 120 s.
    expect(simulation.now - start).toBe(204.6 * S + 6 * RTO_MAX_NS);
    expect(client.connection.retransmissions).toBe(DATA_RETRIES);
    expect(network.served).toEqual([]);
  });
});

describe('a listener with as many connections as it may have', () => {
  /**
   * Packets of so many connections, as a network may bring them at any time: their opening and
   * their closing.
   */
  const timers = { now: Ns(0), after: () => undefined };
  function packetsOf(ids: number): { open: Uint8Array; close: Uint8Array }[] {
    const simulation = new Simulation(1);
    return Array.from({ length: ids }, (_, id) => {
      const sent: Uint8Array[] = [];
      const connection = new Connection(timers, (packets) => sent.push(...packets), id + 1);
      simulation.spawn('open', connection.open());
      simulation.run();
      connection.close();
      return { open: sent[0]!, close: sent[1]! };
    });
  }

  it('a listener with as many connections as it may have has 1024, and one more in place of one that ended', () => {
    const packets = packetsOf(1026);
    const listener = new Listener<number>(
      timers,
      () => undefined,
      () => undefined,
    );
    const counts = packets.slice(0, 1025).map(({ open }) => {
      listener.receive(1, open);
      return listener.connections;
    });
    expect(counts).toEqual(Array.from({ length: 1025 }, (_, n) => Math.min(n + 1, 1024)));
    listener.receive(1, packets[1024]!.close);
    expect(listener.connections).toBe(1023);
    listener.receive(1, packets[1025]!.open);
    expect(listener.connections).toBe(1024);
  });

  it.each([1023, 1024, 1025])(
    'a listener with as many connections as it may have knows a connection that ended, of the last 1024, after %i that ended',
    (ended) => {
      const packets = packetsOf(ended);
      const listener = new Listener<number>(
        timers,
        () => undefined,
        () => undefined,
      );
      for (const { open, close } of packets) {
        listener.receive(1, open);
        listener.receive(1, close);
      }
      expect(listener.connections).toBe(0);
      // A late copy of each opening. Only that of the one that ended before the last 1024 opens
      // anything.
      const opened = [...packets].reverse().map(({ open }) => {
        listener.receive(1, open);
        return listener.connections;
      });
      expect(opened.filter((connections) => connections > 0)).toHaveLength(Math.max(0, ended - 1024));
    },
  );

  const open = (network: HostileNetwork, id: number): Client => {
    const client = network.connect(id);
    network.simulation.runProcess('open', client.connection.open());
    return client;
  };
  /** One client alone hears its answers: a thousand that look at each packet would take long. */
  const only = (network: HostileNetwork, client: Client): void => {
    network.clients.splice(0, network.clients.length, client);
  };

  it('a listener with as many connections as it may have lets the one go that was silent longest, and answers it with a reset from then on', () => {
    const network = new HostileNetwork([]);
    const first = open(network, 1);
    const second = open(network, 2);
    for (let id = 3; id <= MAX_CONNECTIONS; id++) only(network, open(network, id));
    expect(network.listener.connections).toBe(MAX_CONNECTIONS);
    const ask = (client: Client): unknown => {
      only(network, client);
      return network.simulation.runProcess('ask', client.connection.request(Uint8Array.of(client.connection.id & 255)));
    };
    // The first is heard of again: now the second is the one.
    expect(ask(first)).toEqual(Uint8Array.of(254));
    only(network, open(network, MAX_CONNECTIONS + 1));
    expect(network.listener.connections).toBe(MAX_CONNECTIONS);
    expect(ask(second)).toBe('reset');
    expect(network.listener.connections).toBe(MAX_CONNECTIONS);
    expect(ask(first)).toEqual(Uint8Array.of(254));
    expect(network.served).toEqual(['1', '1']);
  });
});
