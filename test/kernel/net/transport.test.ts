import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns } from '../../../src/base/units.ts';
import { RTO_MIN_NS } from '../../../src/kernel/net/congestion.ts';
import { Listener } from '../../../src/kernel/net/listener.ts';
import { Connection, SYN_RETRIES } from '../../../src/kernel/net/transport.ts';
import { Nic } from '../../../src/machine/nic.ts';
import { values } from '../../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import { Simulation } from '../../../src/sim/index.ts';
import { Gate } from '../../../src/sim/simulation.ts';
import { property } from '../../support/property.ts';

type Fate = 'arrives' | 'is lost' | number;

/**
 * A client and a server on one cable; `fate` says what becomes of each packet that arrives at
 * either end.
 */
function network(fate: () => Fate) {
  const simulation = new Simulation(1);
  const [clientNic, serverNic] = Nic.connect(simulation, values(PENTIUM4_2006.nic.constants));
  const guest = new Gate(simulation);
  const served: number[][] = [];
  const boot = () =>
    new Listener<number>(
      simulation,
      (_, packets) => serverNic.sendFrames(packets),
      (request) => {
        served.push([...request.bytes]);
        request.finish(request.bytes.map((byte) => byte ^ 0xff));
      },
    );
  let server = boot();
  const connection = new Connection(simulation, (packets) => clientNic.sendFrames(packets), 7);
  const arrive = (packet: Uint8Array, receive: (packet: Uint8Array) => void): void => {
    const what = fate();
    if (what === 'is lost') return;
    if (typeof what === 'number') {
      const bit = what % (packet.length * 8);
      packet[bit >> 3]! ^= 1 << (bit & 7);
    }
    receive(packet);
  };
  serverNic.open((packet) => {
    guest.pass(() => {
      arrive(packet, (bytes) => {
        server.receive(1, bytes);
      });
    });
  });
  clientNic.open((packet) => {
    arrive(packet, (bytes) => {
      connection.receive(bytes);
    });
  });
  return { simulation, guest, served, connection, listener: () => server, reboot: () => (server = boot()) };
}

const fates = fc.array(fc.oneof(fc.constant('is lost' as const), fc.constant('arrives' as const), fc.nat(10_000)), {
  maxLength: 12,
});
const REQUESTS = [[1, 2, 3], [], [4]];

describe('requests and answers over a network that loses packets', () => {
  property(
    'each request is served once and has its own answer, whatever is lost or damaged on the way',
    fates,
    (before) => {
      // After the first packets every one arrives; half of them are for the opening, which gives up
      // sooner.
      const left: Fate[] = before.slice();
      const { simulation, served, connection } = network(() => left.shift() ?? 'arrives');
      const outcome = simulation.runProcess(
        'client',
        (function* () {
          const broken = yield* connection.open();
          if (broken !== undefined) return broken;
          for (const request of REQUESTS) {
            const answer = yield* connection.request(Uint8Array.from(request));
            expect(answer).toEqual(Uint8Array.from(request, (byte) => byte ^ 0xff));
          }
          return undefined;
        })(),
      );
      if (outcome === undefined) expect(served, 'transport 6').toEqual(REQUESTS);
      else expect(before.filter((fate) => fate !== 'arrives').length).toBeGreaterThan(SYN_RETRIES);
    },
  );

  it('requests and answers over a network that loses packets sends a request again after 200, 400, 800 ms', () => {
    const left: Fate[] = ['arrives', 'arrives', 'is lost', 'is lost', 'is lost'];
    const { simulation, connection } = network(() => left.shift() ?? 'arrives');
    simulation.runProcess('open', connection.open());
    const start = simulation.now;
    simulation.runProcess('request', connection.request(Uint8Array.of(1)));
    expect(connection.retransmissions).toBe(3);
    const waited = simulation.now - start;
    expect(waited).toBeGreaterThan(7 * RTO_MIN_NS);
    expect(waited).toBeLessThan(7 * RTO_MIN_NS + 1_000_000);
  });

  it('requests and answers over a network that loses packets gives up on a server that never answers', () => {
    const { simulation, connection } = network(() => 'is lost');
    expect(simulation.runProcess('open', connection.open())).toBe('timed out');
    // 3 + 6 + 12 + 24 + 48 + 96 s
    expect(simulation.now).toBe(189_000_000_000);
  });

  it('requests and answers over a network that loses packets goes on with a guest that was suspended, and is reset by one that was booted', () => {
    const { simulation, guest, served, connection, listener, reboot } = network(() => 'arrives');
    simulation.runProcess('open', connection.open());
    guest.close();
    simulation.after(Ns(10_000_000_000), () => {
      guest.open();
    });
    const answer = simulation.runProcess('over suspension', connection.request(Uint8Array.of(1)));
    expect(answer).toEqual(Uint8Array.of(254));
    expect(served).toEqual([[1]]);
    reboot();
    expect(simulation.runProcess('over reboot', connection.request(Uint8Array.of(2)))).toBe('reset');
    expect(served).toEqual([[1]]);
    expect(listener().connections).toBe(0);
  });

  it('requests and answers over a network that loses packets forgets a connection that its client closed', () => {
    const { simulation, connection, listener } = network(() => 'arrives');
    simulation.runProcess('open', connection.open());
    expect(listener().connections).toBe(1);
    connection.close();
    simulation.run();
    expect(listener().connections).toBe(0);
  });

  it('requests and answers over a network that loses packets has the header that is documented', () => {
    const packets: string[] = [];
    const connection = new Connection(
      { now: Ns(0), after: () => undefined },
      (sent) => packets.push(...sent.map((packet) => Buffer.from(packet).toString('hex'))),
      0x01020304,
    );
    connection.close();
    expect(packets).toEqual(['040302010000000000000000000000000000000005000000b2202eeb']);
  });
});
