/**
 * Messages of any size: which segments they are sent as and when, and that each arrives whole and
 * once, whatever becomes of single packets.
 */

import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns } from '../../../src/base/units.ts';
import { WINDOW_BYTES, RTO_MIN_NS } from '../../../src/kernel/net/congestion.ts';
import { ACK_DELAY_NS, PROBE_INTERVAL_NS, PROBES } from '../../../src/kernel/net/exchange.ts';
import { MAX_REQUEST_BYTES, SEND_BUFFER_BYTES, type ServedRequest } from '../../../src/kernel/net/listener.ts';
import { property } from '../../support/property.ts';
import { type Fate, message, NIC, Wire } from './wire.ts';

const MIB = 1 << 20;
const S = 1_000_000_000;

/** Appends a message as there is room for it, and ends it. */
function stream(bytes: Uint8Array): (request: ServedRequest, wire: Wire) => void {
  return (request, { simulation }) => {
    simulation.spawn(
      'server',
      (function* () {
        for (let at = 0; at < bytes.length && request.isOpen; ) {
          at += request.append(bytes, at);
          if (at < bytes.length && !request.hasRoom) yield request.room;
        }
        request.finish(new Uint8Array(0));
      })(),
    );
  };
}

/** Opens the connection and asks. */
function ask(wire: Wire, request = message(100)): Uint8Array | string {
  return wire.simulation.runProcess(
    'client',
    (function* () {
      const broken = yield* wire.connection.open();
      return broken ?? (yield* wire.connection.request(request));
    })(),
  );
}

const isSame = (one: unknown, other: Uint8Array): boolean =>
  one instanceof Uint8Array && Buffer.compare(one, other) === 0;

/** How long so many bytes in so many segments are on the line, ns. */
const lineNs = (bytes: number, segments: number): number =>
  Math.ceil(((bytes + segments * NIC.segmentOverheadBytes) * 1000) / NIC.lineMBps);

describe('messages over a cable that loses nothing', () => {
  const sizes = [0, 1, 1447, 1448, 1449, 2895, 2896, 2897, 4096, 45 * 1448, WINDOW_BYTES - 1, WINDOW_BYTES];
  it.each([...sizes, WINDOW_BYTES + 1, 2 * WINDOW_BYTES + 1, 300_000])(
    'a message of %i bytes arrives whole in both directions, and no packet is sent twice',
    (length) => {
      const wire = new Wire(stream(message(length, 1)));
      expect(isSame(ask(wire, message(length, 2)), message(length, 1))).toBe(true);
      expect(wire.served.map(({ bytes }) => isSame(bytes, message(length, 2)))).toEqual([true]);
      wire.simulation.run();
      for (const end of ['client', 'server'] as const)
        expect(wire.segments(end).reduce((sum, n) => sum + n, 0)).toBe(Math.max(1, Math.ceil(length / 1448)));
      expect(wire.connection.retransmissions).toBe(0);
    },
  );

  it('a request of 1 MiB is served; a listener resets the connection of a longer one, and keeps nothing of it', () => {
    const most = message(MAX_REQUEST_BYTES);
    const wire = new Wire(stream(message(10)));
    expect(isSame(ask(wire, most), message(10))).toBe(true);
    expect(wire.served.map(({ bytes }) => isSame(bytes, most))).toEqual([true]);
    const other = new Wire(stream(message(10)));
    expect(ask(other, message(MAX_REQUEST_BYTES + 1))).toBe('reset');
    other.simulation.run();
    expect([other.served.length, other.listener.connections]).toEqual([0, 0]);
  });

  it('messages of 1 MiB are sent as bursts of 3, 6, 12, 24 and 45 segments, one a round trip', () => {
    const wire = new Wire(stream(message(MIB)));
    wire.simulation.runProcess('open', wire.connection.open());
    const begin = wire.simulation.now;
    expect(isSame(wire.simulation.runProcess('ask', wire.connection.request(message(100))), message(MIB))).toBe(true);
    // 724 full segments and one of 224 bytes.
    const bursts = [3, 6, 12, 24, ...new Array<number>(15).fill(45), 5];
    expect(wire.segments('server')).toEqual(bursts);
    let ns = lineNs(100, 1) + NIC.latencyNs;
    bursts.forEach((segments, n) => {
      const isLast = n === bursts.length - 1;
      ns += lineNs(isLast ? 4 * 1448 + 224 : segments * 1448, segments) + NIC.latencyNs;
      // The acknowledgement of a burst lets the next one go.
      if (!isLast) ns += lineNs(0, 1) + NIC.latencyNs;
    });
    expect(wire.simulation.now - begin).toBe(ns);
    expect(wire.acknowledgements('client')).toBe(bursts.length - 1);
  });

  it('a message is sent by a window that has grown before, and by the first one after a pause', () => {
    const wire = new Wire(stream(message(20_000)));
    ask(wire);
    const { simulation, connection } = wire;
    simulation.runProcess('at once', connection.request(message(1)));
    simulation.runProcess(
      'wait',
      (function* () {
        yield RTO_MIN_NS + 1;
      })(),
    );
    simulation.runProcess('later', connection.request(message(1)));
    expect(wire.segments('server')).toEqual([3, 6, 5, 12, 2, 3, 6, 5]);
  });

  it('a message in many small parts goes as whole segments, and its end with the last bytes', () => {
    const wire = new Wire((request, { simulation }) => {
      simulation.spawn(
        'server',
        (function* () {
          for (let at = 0; at < 10_000; at += 100) {
            request.append(message(10_000).subarray(at, at + 100), 0);
            yield 1_000_000;
          }
          request.finish(new Uint8Array(0));
        })(),
      );
    });
    expect(isSame(ask(wire), message(10_000))).toBe(true);
    expect(wire.segments('server').reduce((sum, n) => sum + n, 0)).toBe(7);
    const ends = wire.bursts.flatMap(({ packets }) => packets).filter(({ kind, flags }) => kind === 4 && flags & 1);
    expect(ends.map(({ payload }) => payload.length)).toEqual([10_000 - 6 * 1448]);
  });

  it('a message that is ended long after its bytes is whole only then', () => {
    const wire = new Wire((request, { simulation }) => {
      request.append(message(5000), 0);
      simulation.after(Ns(10 * S), () => {
        request.finish(new Uint8Array(0));
      });
    });
    expect(isSame(ask(wire), message(5000))).toBe(true);
    expect(wire.simulation.now).toBeGreaterThan(10 * S);
    expect(wire.connection.retransmissions).toBe(0);
  });

  it.each([
    [ACK_DELAY_NS - 1_000_000, 0],
    [ACK_DELAY_NS + 1_000_000, 1],
    [10 * S, 1],
  ])(
    'a message that is answered after %i ns is acknowledged by %i packets of their own, and not sent again',
    (ns, acks) => {
      const wire = new Wire((request, { simulation }) => {
        simulation.after(Ns(ns), () => {
          request.finish(message(10));
        });
      });
      expect(isSame(ask(wire), message(10))).toBe(true);
      expect(wire.acknowledgements('server')).toBe(acks);
      expect(wire.connection.retransmissions).toBe(0);
    },
  );

  it('what finds no room in the queue of the device goes with the next acknowledgement, by a window that shrinks', () => {
    const wire = new Wire(stream(message(300_000)));
    wire.room = 2;
    const { simulation } = wire;
    simulation.after(Ns(5_000_000), () => {
      wire.room = Infinity;
    });
    expect(isSame(ask(wire), message(300_000))).toBe(true);
    const segments = wire.segments('server');
    // Two packets are four segments. The window of six is five then, and shrinks to three and two.
    expect(segments.slice(0, 4)).toEqual([3, 4, 3, 2]);
    expect(segments.reduce((sum, n) => sum + n, 0)).toBe(Math.ceil(300_000 / 1448));
    expect(simulation.now).toBeLessThan(RTO_MIN_NS);
  });

  it('a message that finds the queue full goes after a timeout, and again without a longer one while it stays full', () => {
    const wire = new Wire(stream(message(100)));
    const { simulation } = wire;
    simulation.runProcess('open', wire.connection.open());
    wire.room = 0;
    const begin = simulation.now;
    simulation.after(Ns(3.5 * RTO_MIN_NS), () => {
      wire.room = 1;
    });
    expect(isSame(simulation.runProcess('ask', wire.connection.request(message(1))), message(100))).toBe(true);
    const { atNs } = wire.bursts.find(({ from, packets }) => from === 'server' && packets[0]!.payload.length === 100)!;
    const arrivedNs = lineNs(1, 1) + NIC.latencyNs;
    expect(atNs - begin).toBe(arrivedNs + 4 * RTO_MIN_NS);
    expect(wire.segments('server')).toEqual([1]);
  });

  it('a timeout that finds the queue full sends nothing twice, and does not make the next one longer', () => {
    const wire = new Wire(stream(message(10_000)));
    const { simulation } = wire;
    simulation.runProcess('open', wire.connection.open());
    wire.fate = (packet, from) => (from === 'server' ? [] : [packet]);
    const begin = simulation.now;
    simulation.after(Ns(RTO_MIN_NS / 2), () => {
      wire.room = 0;
      wire.fate = (packet) => [packet];
    });
    simulation.after(Ns(2.5 * RTO_MIN_NS), () => {
      wire.room = Infinity;
    });
    expect(isSame(simulation.runProcess('ask', wire.connection.request(message(1))), message(10_000))).toBe(true);
    const arrivedNs = lineNs(1, 1) + NIC.latencyNs;
    const data = wire.bursts.filter(({ from, packets }) => from === 'server' && packets[0]!.payload.length > 0);
    expect(data[1]!.atNs - begin).toBe(arrivedNs + 3 * RTO_MIN_NS);
    expect(wire.segments('server')).toEqual([3, 1, 2, 3, 1]);
  });

  it('a message of the server is acknowledged after 40 ms when no other request follows', () => {
    const wire = new Wire(stream(message(10)));
    ask(wire);
    const answered = wire.simulation.now;
    wire.simulation.run();
    const acks = wire.bursts.filter(({ from, atNs }) => from === 'client' && atNs >= answered);
    expect(acks.map(({ atNs }) => atNs - answered)).toEqual([ACK_DELAY_NS]);
    expect(wire.segments('server')).toEqual([1]);
  });
});

describe('messages over a cable that loses packets', () => {
  it('a burst that is lost is sent again after 200 ms as one segment, then as two, and beyond half of it one more a window', () => {
    // The third burst, of 12 segments, is the server's packets 6 to 11: the opening is 0, and a
    // packet has two segments.
    const wire = new Wire(stream(message(120_000)), (packet, from, n) =>
      from === 'server' && n >= 6 && n < 12 ? [] : [packet],
    );
    expect(isSame(ask(wire), message(120_000))).toBe(true);
    // 83 segments; the first nine have arrived.
    expect(wire.segments('server')).toEqual([3, 6, 12, 1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 4]);
    const [, , lost, again] = wire.bursts.filter(({ packets }) => packets[0]!.kind === 4);
    expect(again!.atNs - lost!.atNs).toBe(RTO_MIN_NS);
    expect(again!.packets.map(({ offset }) => offset)).toEqual([9 * 1448]);
  });

  it('a packet that is lost in the middle of a burst is sent again, and not what came behind it', () => {
    const wire = new Wire(stream(message(120_000)), (packet, from, n) =>
      from === 'server' && n === 7 ? [] : [packet],
    );
    expect(isSame(ask(wire), message(120_000))).toBe(true);
    // Two of the twelve are acknowledged, which lets four more go. Two are missing: once both have
    // come, all that was kept is acknowledged, which lets half of what was under way go, and one
    // more.
    expect(wire.segments('server').slice(0, 7)).toEqual([3, 6, 12, 4, 1, 2, 8]);
    const again = wire.bursts.filter(({ packets: [first] }) => first!.kind === 4).slice(4, 7);
    expect(again.map(({ packets: [first] }) => first!.offset / 1448)).toEqual([11, 12, 25]);
  });

  it.each(['client', 'server'] as const)('a single packet of the %s that is lost, whichever, is made good', (end) => {
    const count = (fate?: Fate): Wire => {
      const wire = new Wire(stream(message(30_000, 1)), fate);
      expect(isSame(ask(wire, message(20_000, 2)), message(30_000, 1))).toBe(true);
      expect(wire.served.map(({ bytes }) => isSame(bytes, message(20_000, 2)))).toEqual([true]);
      return wire;
    };
    const all = count()
      .bursts.filter(({ from }) => from === end)
      .flatMap(({ packets }) => packets).length;
    expect(all).toBeGreaterThan(10);
    for (let lost = 0; lost < all; lost++) count((packet, from, n) => (from === end && n === lost ? [] : [packet]));
  });

  it('a cable that is cut at any packet leaves both ends with a connection that broke', () => {
    let packets = 0;
    expect(isSame(ask(new Wire(stream(message(100_000)), (packet) => (packets++, [packet]))), message(100_000))).toBe(
      true,
    );
    for (let cut = 0; cut < packets; cut += 3) {
      let n = 0;
      const wire = new Wire(stream(message(100_000)), (packet) => (n++ < cut ? [packet] : []));
      expect(ask(wire)).toBe('timed out');
      wire.simulation.run();
      expect([wire.served.map(({ isOpen }) => isOpen), wire.listener.connections]).toEqual(
        wire.served.length === 0 ? [[], expect.any(Number)] : [[false], 0],
      );
    }
  });

  it('a server whose client reads nothing takes 128 KiB and no more, until the client acknowledges a third', () => {
    let isCut = false;
    const taken: number[] = [];
    const wire = new Wire(
      (request) => {
        isCut = true;
        for (const at of [0, SEND_BUFFER_BYTES]) taken.push(request.append(message(MIB), at));
      },
      (packet, from) => (isCut && from === 'server' ? [] : [packet]),
    );
    wire.simulation.spawn('client', wire.connection.open());
    wire.simulation.run();
    wire.simulation.spawn('ask', wire.connection.request(message(1)));
    const until = wire.simulation.now + 10 * S;
    wire.simulation.run(() => wire.simulation.now > until);
    expect(taken).toEqual([SEND_BUFFER_BYTES, 0]);
    const [request] = wire.served;
    expect([request!.hasRoom, request!.isOpen]).toEqual([false, true]);
    isCut = false;
    const later = wire.simulation.now + 60 * S;
    wire.simulation.run(() => wire.simulation.now > later || request!.hasRoom);
    expect([request!.hasRoom, request!.append(message(100), 0) > 0]).toEqual([true, true]);
  });

  it('a client asks after 75 s whether the server knows it still, and is reset by one that does not', () => {
    const wire = new Wire((_, { simulation }) => {
      simulation.after(Ns(S), () => {
        wire.boot();
      });
    });
    expect(ask(wire)).toBe('reset');
    expect(wire.simulation.now).toBeGreaterThan(PROBE_INTERVAL_NS);
    expect(wire.simulation.now).toBeLessThan(PROBE_INTERVAL_NS + S);
  });

  it('a client waits as long as the server says that it knows it, and gives up after nine questions without an answer', () => {
    let isCut = false;
    const wire = new Wire(
      (_, { simulation }) => {
        simulation.after(Ns(3600 * S), () => (isCut = true));
      },
      (packet) => (isCut ? [] : [packet]),
    );
    expect(ask(wire)).toBe('timed out');
    const waited = wire.simulation.now - 3600 * S;
    expect(waited).toBeGreaterThan(PROBES * PROBE_INTERVAL_NS);
    expect(waited).toBeLessThan((PROBES + 1) * PROBE_INTERVAL_NS);
  });

  it('a late packet of a connection that its client closed is answered with a reset, which ends the server’s end', () => {
    const wire = new Wire((request) => {
      request.append(message(3000), 0);
    });
    wire.simulation.runProcess('open', wire.connection.open());
    wire.simulation.spawn('ask', wire.connection.request(message(1)));
    wire.simulation.run(() => wire.served.length > 0);
    // The reset is lost; the answer's first segment is answered with another.
    wire.fate = (packet, from) => (from === 'client' ? [] : [packet]);
    wire.connection.close();
    wire.simulation.run(() => wire.simulation.now > 10 * S);
    expect(wire.served[0]!.isOpen).toBe(true);
    wire.fate = (packet) => [packet];
    wire.simulation.run();
    expect([wire.served[0]!.isOpen, wire.listener.connections]).toEqual([false, 0]);
  });
});

describe('messages over a network that loses, damages, repeats and reorders', () => {
  const deed = fc.oneof(
    { weight: 6, arbitrary: fc.constant('arrives' as const) },
    { weight: 1, arbitrary: fc.constantFrom('lost' as const, 'twice' as const, 'held' as const) },
    { weight: 1, arbitrary: fc.nat(40_000) },
  );
  const size = fc.oneof(fc.nat(5_000), fc.nat(200_000), fc.constantFrom(0, 1448, 2896, WINDOW_BYTES));

  property(
    'messages over a bad network arrive whole, are served once, and are answered with their own answer',
    fc.array(fc.record({ request: size, answer: size, part: fc.integer({ min: 1, max: 70_000 }) }), {
      minLength: 1,
      maxLength: 3,
    }),
    fc.array(deed, { maxLength: 80 }),
    (exchanges, deeds) => {
      const left = [...deeds];
      let held: Uint8Array | undefined;
      const wire = new Wire(
        (request, { simulation, served }) => {
          const { answer, part } = exchanges[served.length - 1]!;
          const bytes = message(answer, served.length);
          simulation.spawn(
            'server',
            (function* () {
              for (let at = 0; at < bytes.length; ) {
                const wanted = bytes.subarray(at, at + part);
                for (let done = 0; done < wanted.length; ) {
                  done += request.append(wanted, done);
                  if (done < wanted.length && !request.hasRoom) yield request.room;
                }
                at += wanted.length;
                yield 1000;
              }
              request.finish(new Uint8Array(0));
            })(),
          );
        },
        (packet) => {
          const what = left.shift() ?? 'arrives';
          const before = held;
          held = undefined;
          const now: Uint8Array[] = [];
          if (what === 'held') held = packet.slice();
          else if (typeof what === 'number') {
            const copy = packet.slice();
            copy[(what >> 3) % copy.length]! ^= 1 << (what & 7);
            now.push(copy);
          } else if (what !== 'lost') now.push(packet, ...(what === 'twice' ? [packet] : []));
          return before === undefined ? now : [...now, before];
        },
      );
      const { simulation, connection } = wire;
      const outcome = simulation.runProcess(
        'client',
        (function* () {
          const broken = yield* connection.open();
          if (broken !== undefined) return broken;
          for (const [n, { request, answer }] of exchanges.entries()) {
            const got = yield* connection.request(message(request, 100 + n));
            expect(isSame(got, message(answer, n + 1))).toBe(true);
          }
          connection.close();
          return undefined;
        })(),
      );
      // Of 80 packets so many may be lost that the opening gives up, but no more.
      if (outcome !== undefined) expect(outcome).toBe('timed out');
      simulation.run();
      expect(wire.served.map(({ bytes }) => bytes.length)).toEqual(
        outcome === undefined ? exchanges.map(({ request }) => request) : [],
      );
      wire.served.forEach(({ bytes, isOpen }, n) => {
        expect([isSame(bytes, message(bytes.length, 100 + n)), isOpen]).toEqual([true, false]);
      });
    },
    { numRuns: 60, lawRuns: 400 },
  );
});
