// The web server of a guest, asked over the network, and what its clients notice.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { xenMac } from '../../../src/base/ethernet.ts';
import { Ns } from '../../../src/base/index.ts';
import { values } from '../../../src/machine/profile.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import { rebootHypervisor } from '../../../src/experiment/vmm/reboot.ts';
import { ask, WebHost, type HttpAnswer } from '../../../src/experiment/host/web-host.ts';
import type { Connection } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { encodePath, WebServer } from '../../../src/workload/web-server.ts';
import { property } from '../../support/property.ts';
import type { VmmGuest } from '../../../src/experiment/host/machine-room.ts';
import { contents, FILE_BYTES, servingMachine, vmmClients, vmmMachine } from './disk.ts';

/** A guest with a server, and a host outside. */
function bed() {
  const machine = vmmMachine(1);
  const { simulation } = machine;
  const serve = ({ domain, kernel }: VmmGuest) => {
    const server = new WebServer(kernel.syscalls, true);
    return { server, task: domain.environment.spawn('httpd', server.run()) };
  };
  simulation.runProcess('start', machine.start());
  const guest = machine.guests.get('guest0')!;
  const { server, task } = serve(guest);
  const host = new WebHost(simulation, machine.connectHost(), xenMac(9));
  const run = <T>(process: Process<T>): T => simulation.runProcess('client', process);
  const open = (): Connection => {
    const connection = host.connection(xenMac(1));
    expect(run(connection.open())).toBeUndefined();
    return connection;
  };
  const tell = (connection: Connection, ...lines: string[]): HttpAnswer => run(ask(connection, lines))!;
  return { machine, guest, host, server, task, serve, run, open, tell };
}

const FILE = contents(0);
const place = fc.oneof(fc.nat(5000), fc.nat(FILE_BYTES + 100), fc.nat(2 ** 40));

describe('a web server', () => {
  it('a web server answers with the bytes of the file that are asked for, as many as fit, whatever the range', () => {
    const { open, tell } = bed();
    const connection = open();
    fc.assert(
      fc.property(place, place, (first, last) => {
        const answer = tell(connection, 'GET /data HTTP/1.0', `Range: bytes=${first}-${last}`);
        expect(answer.status).toBe(206);
        const { body } = answer;
        const wanted = Math.max(0, Math.min(last + 1, FILE_BYTES) - first);
        expect(body.length === wanted || (body.length > 3800 && body.length < wanted)).toBe(true);
        expect(Buffer.compare(body, FILE.subarray(first, first + body.length))).toBe(0);
        expect(answer.fields.get('Content-Length')).toBe(String(body.length));
      }),
      { seed: 1 },
    );
  });

  it('a web server answers anything that is no request with 400, and what is not there with 404', () => {
    const { open, tell, run } = bed();
    const connection = open();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const answer = run(connection.request(bytes));
        expect(Buffer.from(answer as Uint8Array).toString()).toBe(
          'HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n',
        );
      }),
      { seed: 1 },
    );
    const status = (...lines: string[]): number => tell(connection, ...lines).status;
    expect(status('GET /none HTTP/1.0')).toBe(404);
    expect(status('GET /data/none HTTP/1.0')).toBe(404);
    expect(status('GET / HTTP/1.0')).toBe(500);
    expect(status('GET /%ff HTTP/1.0')).toBe(404);
    expect(status('PUT /data HTTP/1.0')).toBe(400);
    expect(status('POST /login HTTP/1.0')).toBe(400);
    expect(status('POST /data HTTP/1.0', 'Cookie: session=1')).toBe(400);
    expect(status('GET /data HTTP/1.0')).toBe(206);
  });

  it('a web server has files of any name', () => {
    const { guest, open, tell, run } = bed();
    const { syscalls } = guest.kernel;
    const connection = open();
    for (const name of ['a b', '100%', '%41', 'größe', '\ufeff', '\udcff', 'a\udc80\u{1f600}\udcc3']) {
      run(
        (function* (): Process {
          yield* syscalls.link('/data', `/${name}`);
        })(),
      );
      const path = encodePath(`/${name}`);
      expect(path).toMatch(/^\/[!-~]*$/);
      expect([name, tell(connection, `GET ${path} HTTP/1.0`, 'Range: bytes=0-9').status]).toEqual([name, 206]);
    }
  });

  it('a web server knows who has logged in, and how often he came; the next program does too', () => {
    const { guest, open, tell, server, task, serve, run, host } = bed();
    const connection = open();
    const come = (of: Connection): unknown[] => {
      const { status, fields } = tell(of, 'GET /data HTTP/1.0', 'Cookie: session=5');
      return [status, fields.get('X-Requests')];
    };
    expect(come(connection)).toEqual([401, undefined]);
    expect(tell(connection, 'POST /login HTTP/1.0', 'Cookie: session=5').status).toBe(200);
    expect(come(connection)).toEqual([206, '1']);
    expect(come(connection)).toEqual([206, '2']);
    // Services restart: connections are gone, sessions are in the recovery box.
    task.kill();
    server.close();
    expect(run(connection.request(new Uint8Array(1)))).toBe('reset');
    expect(run(host.connection(xenMac(1)).open())).toBe('reset');
    serve(guest);
    expect(come(open())).toEqual([206, '3']);
    expect(() => serve(guest)).toThrow('EADDRINUSE');
  });

  it('a web server ends when its socket is closed, also while it waits for a request', () => {
    const { server, task, machine, guest } = bed();
    const waits = (): string[] =>
      machine.simulation.whoWaits().filter((line) => line.includes('a request of a client'));
    machine.simulation.run(() => waits().length === 1);
    expect([task.state, waits().length]).toEqual(['waiting', 1]);
    server.close();
    server.close();
    machine.simulation.run(() => task.isOver);
    expect([task.state, waits()]).toEqual(['done', []]);
    const socket = guest.kernel.syscalls.listen();
    socket.close();
    expect(() => machine.simulation.runProcess('accept', socket.accept())).toThrow('EBADF');
  });

  it('a web server answers many clients at once, each with what it asked for', () => {
    const { host, run, machine } = bed();
    const answers: boolean[] = [];
    const client = function* (n: number): Process {
      const connection = host.connection(xenMac(1));
      expect(yield* connection.open()).toBeUndefined();
      for (let i = 0; i < 5; i++) {
        const first = (n * 7919 + i * 104_729) % (FILE_BYTES - 100);
        const answer = yield* ask(connection, ['GET /data HTTP/1.0', `Range: bytes=${first}-${first + 99}`]);
        answers.push(Buffer.compare(answer!.body, FILE.subarray(first, first + 100)) === 0);
      }
      host.close(connection);
    };
    const all = function* (): Process {
      const tasks = Array.from({ length: 40 }, (_, n) => machine.simulation.spawn('client', client(n)));
      for (const task of tasks) yield* task.join();
    };
    run(all());
    expect(answers).toEqual(new Array(200).fill(true));
  });
});

describe('a guest that boots', () => {
  it('a guest that boots answers nobody until its root is mounted; then it refuses who comes too early', () => {
    const machine = vmmMachine(1);
    const { simulation } = machine;
    const host = new WebHost(simulation, machine.connectHost(), xenMac(9));
    const refused: number[] = [];
    const knock = function* (): Process {
      expect(yield* host.connection(xenMac(1)).open()).toBe('reset');
      refused.push(simulation.now);
    };
    const visitors = function* (): Process {
      for (;;) {
        simulation.spawn('visitor', knock());
        yield 10_000_000;
      }
    };
    simulation.spawn('visitors', visitors());
    simulation.runProcess('start', machine.start());
    const { bootKernelNs, bootServicesNs } = values(SERVER_2026.guest);
    const servicesFrom = simulation.now - bootServicesNs;
    // The network is connected before the kernel boots the rest of itself.
    expect(bootKernelNs).toBeGreaterThan(500_000_000);
    expect(refused[0]! - servicesFrom).toBeGreaterThan(-50_000_000);
    expect(refused[0]! - servicesFrom).toBeLessThan(50_000_000);
  });
});

describe('a user over whatever becomes of the machine', () => {
  property(
    'a user has each request served once and in order, over the same connection, at whatever instant the guest stands still',
    fc.constantFrom('warm-vm' as const, 'live-migration' as const, 'save-restore' as const),
    fc.nat(300_000),
    fc.integer({ min: 15, max: 80 }),
    (strategy, us, thinkMs) => {
      const machine = servingMachine(1);
      const clients = vmmClients(machine);
      const { simulation } = machine;
      simulation.runProcess('start', machine.start());
      const host = new WebHost(simulation, machine.connectHost(), xenMac(9));
      let isOver = false;
      const user = function* (): Process<number> {
        const connection = host.connection(xenMac(1));
        expect(yield* connection.open()).toBeUndefined();
        expect((yield* ask(connection, ['POST /login HTTP/1.0', 'Cookie: session=5']))?.status).toBe(200);
        for (let count = 1, after = 0; ; count++) {
          const first = (count * 7919) % (FILE_BYTES - 100);
          const range = `Range: bytes=${first}-${first + 99}`;
          const answer = yield* ask(connection, ['GET /data HTTP/1.0', range, 'Cookie: session=5']);
          expect(answer?.fields.get('X-Requests')).toBe(String(count));
          expect(Buffer.compare(answer!.body, FILE.subarray(first, first + 100))).toBe(0);
          if (isOver && ++after === 5) return count;
          yield Ns(thinkMs * 1e6);
        }
      };
      const task = simulation.spawn('user', user());
      const reboot = function* (): Process {
        yield Ns(us * 1000);
        const { guests } = yield* rebootHypervisor(machine, clients, strategy);
        expect(guests.map(({ outcome }) => outcome)).toEqual(['continued']);
        isOver = true;
        expect(yield* task.join()).toBeGreaterThan(5);
      };
      simulation.runProcess('reboot', reboot());
    },
    { numRuns: 2, lawRuns: 9 },
  );
});

describe('the clients of a guest', () => {
  property(
    'the clients of a guest see it down for as long as it stands still, whenever and for how long that is',
    fc.integer({ min: 100, max: 20_000 }),
    fc.nat(50),
    (ms, after) => {
      const machine = servingMachine(2);
      const clients = vmmClients(machine);
      const { simulation, guests } = machine;
      simulation.runProcess('start', machine.start());
      const stand = function* (): Process {
        yield* clients.begin(guests.values());
        yield Ns(after * 1e6);
        guests.get('guest0')!.domain.pause();
        yield Ns(ms * 1e6);
        guests.get('guest0')!.domain.unpause();
        yield* clients.end(guests.keys());
      };
      simulation.runProcess('stand', stand());
      const down = clients.viewOf('guest0');
      expect(down.silence.ns / 1e6).toBeGreaterThan(ms - 11);
      expect(down.silence.ns / 1e6).toBeLessThan(ms + 31);
      // A visitor of the last second was answered in the end, if there was an empty page for its
      // request.
      expect(down.failed).toBeGreaterThan(ms / 10 - 103);
      expect(down.failed).toBeLessThan(Math.max(1, ms / 10 - 61));
      expect([down.keptConnection, down.keptSession]).toEqual([true, true]);
      const up = clients.viewOf('guest1');
      expect(up.failed).toBe(0);
      expect(up.silence.ns / 1e6).toBeLessThan(11);
    },
    { numRuns: 2, lawRuns: 12 },
  );

  it('the clients of a guest see a server that stops as down at once, and again when another has begun', () => {
    const machine = servingMachine(1);
    const clients = vmmClients(machine);
    const { simulation, guests } = machine;
    simulation.runProcess('start', machine.start());
    const restart = function* (): Process {
      yield* clients.begin(guests.values());
      machine.services!.stop('guest0');
      yield Ns(500e6);
      machine.services!.start(guests.get('guest0')!);
      yield* clients.end(guests.keys());
    };
    simulation.runProcess('restart', restart());
    const { silence, failed, keptConnection, keptSession } = clients.viewOf('guest0');
    expect(silence.ns / 1e6).toBeGreaterThan(490);
    expect(silence.ns / 1e6).toBeLessThan(520);
    expect(failed).toBeGreaterThan(48);
    expect([keptConnection, keptSession]).toEqual([false, true]);
  });
});
