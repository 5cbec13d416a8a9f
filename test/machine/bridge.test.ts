import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BROADCAST, encodeFrame, type MacAddress } from '../../src/base/ethernet.ts';
import { Bridge, type BridgePort } from '../../src/machine/bridge.ts';
import { Nic } from '../../src/machine/nic.ts';
import { values } from '../../src/machine/profile.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import { Simulation } from '../../src/sim/index.ts';
import { property } from '../support/property.ts';

const address = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.constant(BROADCAST as number));
const deed = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('send' as const), port: fc.nat(3), from: address, to: address }),
  },
  fc.record({ do: fc.constant('replug' as const), port: fc.nat(3) }),
);

describe('a bridge', () => {
  property(
    'a bridge hands a frame to where its destination was heard last, or to all others, and never back',
    fc.array(deed, { maxLength: 40 }),
    (deeds) => {
      const bridge = new Bridge();
      const heard: [port: number, frame: Uint8Array][] = [];
      const plug = (n: number): BridgePort =>
        bridge.attach((frames) => heard.push(...frames.map((frame): [number, Uint8Array] => [n, frame])));
      const ports = [0, 1, 2, 3].map(plug);
      const places = new Map<number, number>();
      for (const one of deeds) {
        if (one.do === 'replug') {
          ports[one.port]!.detach();
          ports[one.port] = plug(one.port);
          for (const [mac, place] of places) if (place === one.port) places.delete(mac);
          continue;
        }
        heard.length = 0;
        const [destination, source] = [one.to as MacAddress, one.from as MacAddress];
        const frame = encodeFrame({ destination, source, type: 1, payload: Uint8Array.of(1, 2) });
        ports[one.port]!.input([frame]);
        if (one.from !== BROADCAST) places.set(one.from, one.port);
        const place = places.get(one.to);
        const expected = [0, 1, 2, 3].filter((n) => n !== one.port && (place === undefined || place === n));
        expect(heard.map(([n]) => n).sort()).toEqual(expected);
        for (const [, bytes] of heard) expect(bytes).toEqual(frame);
      }
    },
  );

  it('a bridge ignores what is no frame, and takes nothing from a port that is gone', () => {
    const bridge = new Bridge();
    const heard: Uint8Array[] = [];
    bridge.attach((frames) => heard.push(...frames));
    const port = bridge.attach(() => undefined);
    port.input([new Uint8Array(13)]);
    expect(heard).toEqual([]);
    port.detach();
    expect(() => {
      port.input([new Uint8Array(14)]);
    }).toThrow('detached');
  });

  it('a bridge connects the adapters of machines, each over its cable', () => {
    const simulation = new Simulation(1);
    const bridge = new Bridge();
    const nics = [0, 1, 2].map(() => {
      const [nic, end] = Nic.connect(simulation, values(SERVER_2026.nic.constants));
      bridge.plug(end);
      return nic;
    });
    const heard: number[] = [];
    for (const [n, nic] of nics.entries()) nic.open(() => heard.push(n));
    const frame = (source: number, destination: number): Uint8Array =>
      encodeFrame({
        source: source as MacAddress,
        destination: destination as MacAddress,
        type: 1,
        payload: Uint8Array.of(),
      });
    nics[0]!.send(frame(10, 11));
    simulation.run();
    nics[1]!.send(frame(11, 10));
    simulation.run();
    nics[0]!.send(frame(10, 11));
    simulation.run();
    expect(heard).toEqual([1, 2, 0, 1]);
    expect(simulation.now).toBeGreaterThan(6 * values(SERVER_2026.nic.constants).latencyNs - 1);
  });
});
