import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns } from '../../src/base/units.ts';
import { Nic } from '../../src/machine/nic.ts';
import { values } from '../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../src/machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import { Simulation } from '../../src/sim/index.ts';
import { property } from '../support/property.ts';

const SMALL = { lineMBps: 125, segmentBytes: 100, segmentOverheadBytes: 20, latencyNs: 5_000, queueBytes: 1_000 };

const packets = fc.array(fc.uint8Array({ minLength: 1, maxLength: SMALL.queueBytes }), { maxLength: 30 });

/** Payload rate of a long transfer in MB/s, without the latency of its end. */
function payloadRate(profile: typeof PENTIUM4_2006): number {
  const simulation = new Simulation(1);
  const nic = values(profile.nic.constants);
  const [from, to] = Nic.connect(simulation, nic);
  const count = 2_000;
  to.open(() => undefined);
  simulation.runProcess(
    'sender',
    (function* () {
      const chunk = new Uint8Array(nic.segmentBytes * 8);
      for (let i = 0; i < count; i++) yield* from.transmit(chunk);
    })(),
  );
  simulation.run();
  return (to.counters.receivedBytes * 1_000) / (simulation.now - nic.latencyNs);
}

describe('a cable between two machines', () => {
  property(
    'a cable between two machines delivers every packet once, in order, with the bytes it was taken with',
    packets,
    (sent) => {
      const simulation = new Simulation(1);
      const [from, to] = Nic.connect(simulation, SMALL);
      const received: Uint8Array[] = [];
      to.open((packet) => {
        received.push(packet);
      });
      simulation.runProcess(
        'sender',
        (function* () {
          for (const packet of sent) {
            const bytes = packet.slice();
            yield* from.transmit(bytes);
            expect(from.queuedBytes).toBeLessThanOrEqual(SMALL.queueBytes);
            bytes.fill(0xa5);
          }
        })(),
      );
      simulation.run();
      expect(received).toEqual(sent);
      expect(from.queuedBytes).toBe(0);
      // The line is never idle while packets wait: the last one arrives when all bytes have passed,
      // and the latency.
      const onTheLine = sent.reduce((sum, { length }) => sum + length + Math.ceil(length / 100) * 20, 0);
      expect(simulation.now).toBe(sent.length === 0 ? 0 : onTheLine * 8 + SMALL.latencyNs);
    },
  );

  property(
    'a cable between two machines loses what power loss of either end catches, and counts it; what arrives is in order',
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 30 }),
    fc.nat(60_000),
    fc.boolean(),
    (sent, at, isSender) => {
      const simulation = new Simulation(1);
      const [from, to] = Nic.connect(simulation, SMALL);
      const received: number[] = [];
      const byFirst = sent.map((packet, index) => Uint8Array.from([index, ...packet]));
      to.open((packet) => {
        expect(packet).toEqual(byFirst[packet[0]!]);
        received.push(packet[0]!);
      });
      simulation.after(Ns(at), () => {
        (isSender ? from : to).powerLoss();
      });
      simulation.runProcess(
        'sender',
        (function* () {
          for (const packet of byFirst) yield* from.transmit(packet);
        })(),
      );
      simulation.run();
      expect(received).toEqual([...new Set(received)].sort((a, b) => a - b));
      expect(to.counters.received).toBe(received.length);
      expect(from.counters.taken).toBe(sent.length);
      expect(from.counters.lost + received.length).toBe(sent.length);
      expect(from.queuedBytes).toBe(0);
    },
  );

  it('a cable between two machines takes nothing that finds no room', () => {
    const [from] = Nic.connect(new Simulation(1), SMALL);
    expect(from.send(new Uint8Array(600))).toBe(true);
    expect(from.send(new Uint8Array(401))).toBe(false);
    expect(from.send(new Uint8Array(400))).toBe(true);
    expect([from.queuedBytes, from.counters.taken]).toEqual([1_000, 2]);
  });

  it('a cable between two machines is full duplex: neither direction slows the other', () => {
    const simulation = new Simulation(1);
    const ends = Nic.connect(simulation, SMALL);
    const arrivals: number[] = [];
    for (const end of ends) {
      end.open(() => {
        arrivals.push(simulation.now);
      });
      end.send(new Uint8Array(100));
    }
    simulation.run();
    expect(arrivals).toEqual([120 * 8 + 5_000, 120 * 8 + 5_000]);
  });

  it('a cable between two machines forgets its queue when power is lost, but not what has left it', () => {
    const simulation = new Simulation(1);
    const [from, to] = Nic.connect(simulation, SMALL);
    let received = 0;
    to.open(() => received++);
    for (let i = 0; i < 3; i++) from.send(new Uint8Array(100));
    simulation.after(Ns(120 * 8 + 1), () => {
      from.powerLoss();
    });
    simulation.run();
    expect([received, from.counters.lost]).toEqual([1, 2]);
  });

  it('a cable between two machines carries the payload that the profiles promise', () => {
    // A packet keeps the line busy for whole nanoseconds: eight segments at 25 Gbit/s take 3,938
    // instead of 3,937.28.
    expect(payloadRate(PENTIUM4_2006)).toBeCloseTo((125 * 1448) / 1538, 6);
    expect(payloadRate(SERVER_2026)).toBeCloseTo((8 * 1448 * 1000) / 3938, 6);
  });
});

describe('a burst of frames', () => {
  /** Frames with a header of 42 bytes and so much payload each. */
  const frames = (...payloads: number[]): Uint8Array[] =>
    payloads.map((bytes, n) => new Uint8Array(42 + bytes).fill(n));

  it('a burst of frames is received together after its last bit, each segment with its headers', () => {
    const simulation = new Simulation(1);
    const [from, to] = Nic.connect(simulation, SMALL);
    const got: [at: number, overNs: number, lengths: number[]][] = [];
    to.openBursts((burst, overNs) => got.push([simulation.now, overNs, burst.map(({ length }) => length)]));
    expect(from.sendFrames(frames(200, 101, 0))).toBe(3);
    simulation.run();
    // Two, two and one segments of 20 bytes of headers, at 8 ns a byte.
    const lineNs = (301 + 5 * 20) * 8;
    expect(got).toEqual([[lineNs + SMALL.latencyNs, lineNs, [242, 143, 42]]]);
    expect(to.counters.received).toBe(3);
  });

  it('a burst of frames is taken as far as there is room', () => {
    const simulation = new Simulation(1);
    const [from, to] = Nic.connect(simulation, SMALL);
    const got: Uint8Array[] = [];
    to.open((frame) => got.push(frame));
    const sent = frames(458, 457, 300, 0);
    expect(from.sendFrames(sent)).toBe(2);
    expect(from.queuedBytes).toBe(999);
    expect(from.sendFrames(sent.slice(2))).toBe(0);
    simulation.run();
    expect(got).toEqual(sent.slice(0, 2));
    expect(from.sendFrames(sent.slice(2))).toBe(2);
    expect(() => from.sendFrames(frames(1_000))).toThrow('length');
  });

  it.each([
    [0, 0],
    [2_000, 1_500],
    // It came more slowly than the line is: only its last frame has yet to go.
    [40_000, 3_840 - 960],
  ])('a burst of four frames that came over %i ns has begun to leave, and leaves %i ns sooner', (overNs, sooner) => {
    const simulation = new Simulation(1, 1_000_000);
    const [from, to] = Nic.connect(simulation, SMALL);
    let at = 0;
    to.open(() => (at = simulation.now));
    from.sendFrames(frames(100, 100, 100, 100), overNs);
    simulation.run();
    expect(at - 1_000_000).toBe(4 * 960 + SMALL.latencyNs - sooner);
  });

  it('a burst of frames that finds no receiver is lost, and counted', () => {
    const simulation = new Simulation(1);
    const [from] = Nic.connect(simulation, SMALL);
    from.sendFrames(frames(1, 2, 3));
    simulation.run();
    expect(from.counters).toMatchObject({ taken: 3, received: 0, lost: 3 });
  });
});
