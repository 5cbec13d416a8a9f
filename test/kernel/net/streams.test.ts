// Answers of any size that a program of a guest sends to a host outside, over sockets, rings,
// bridge and cables. The guest may stand still meanwhile, or be gone.
import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../src/base/errno.ts';
import { xenMac } from '../../../src/base/ethernet.ts';
import { WebHost } from '../../../src/experiment/host/web-host.ts';
import type { Connection } from '../../../src/kernel/index.ts';
import { BACKLOG, type ListeningSocket, MAX_PAYLOAD, type NetworkRequest } from '../../../src/kernel/net/socket.ts';
import { HypervisorReboot } from '../../../src/experiment/host/hypervisor-reboot.ts';
import type { GuestServices, VmmGuest } from '../../../src/experiment/host/machine-room.ts';
import { PENTIUM4_2006 } from '../../../src/machine/profiles/pentium4-2006.ts';
import type { Process } from '../../../src/sim/index.ts';
import { vmmMachine } from '../../experiment/vmm/disk.ts';
import { message } from './wire.ts';

const MIB = 1 << 20;
const S = 1_000_000_000;
const BYTES = message(MIB);

/** How a server sends its answers. */
type Answer = (socket: ListeningSocket, request: NetworkRequest) => Process;

/** Sends a MiB in parts of 10,000 bytes. */
const aMib: Answer = function* (socket, request) {
  for (let at = 0; at < MIB; at += 10_000) yield* socket.send(request, BYTES.subarray(at, at + 10_000));
  socket.finish(request);
};

/** A guest with so many processes that accept and answer, started after each boot. */
class Servers implements GuestServices {
  readonly errors: unknown[] = [];
  socket: ListeningSocket | undefined;
  readonly #answer: Answer;
  readonly #count: number;

  constructor(answer: Answer, count = 1) {
    this.#answer = answer;
    this.#count = count;
  }

  start({ domain, kernel }: VmmGuest): void {
    this.socket = kernel.syscalls.listen();
    for (let n = 0; n < this.#count; n++) domain.environment.spawn('server', this.#serve(this.socket));
  }

  stop(): void {
    this.socket?.close();
  }

  *#serve(socket: ListeningSocket): Process {
    for (;;) {
      try {
        yield* this.#answer(socket, yield* socket.accept());
      } catch (error) {
        this.errors.push(error);
        if (error instanceof ModelError && error.code === 'EBADF') return;
      }
    }
  }
}

function bed(answer: Answer, count?: number, profile?: typeof PENTIUM4_2006) {
  const services = new Servers(answer, count);
  const machine = vmmMachine(1, { services, ...(profile && { profile }) });
  const { simulation } = machine;
  simulation.runProcess('start', machine.start());
  const host = new WebHost(simulation, machine.connectHost(), xenMac(9));
  const open = (): Connection => {
    const connection = host.connection(xenMac(1));
    expect(simulation.runProcess('open', connection.open())).toBeUndefined();
    return connection;
  };
  /** Asks, and goes on until the first bytes have come. */
  const begin = (connection: Connection) => {
    const task = simulation.spawn('ask', connection.request(message(1)));
    const until = simulation.now + 500_000;
    simulation.run(() => simulation.now > until);
    expect(task.isOver).toBe(false);
    return task;
  };
  return { machine, simulation, services, host, open, begin };
}

const isMib = (answer: unknown): boolean => answer instanceof Uint8Array && Buffer.compare(answer, BYTES) === 0;

describe.each([
  ['copies', undefined],
  ['gives pages', PENTIUM4_2006],
] as const)('answers of a guest whose back-end %s', (_, profile) => {
  it('an answer of 1 MiB arrives whole, at a rate between a third of the line and all of it', () => {
    const { simulation, open } = bed(aMib, 1, profile);
    const connection = open();
    const before = simulation.now;
    expect(isMib(simulation.runProcess('ask', connection.request(message(1))))).toBe(true);
    expect(connection.retransmissions).toBe(0);
    const lineMBps = profile === undefined ? 1250 : 125;
    const rate = (MIB * 1000) / (simulation.now - before);
    expect(rate).toBeGreaterThan(lineMBps / 3);
    expect(rate).toBeLessThan(lineMBps);
  });

  it('answers of 1 MiB to twelve clients at once arrive whole', () => {
    const { simulation, open } = bed(aMib, 12, profile);
    const tasks = Array.from({ length: 12 }, open).map((each) => simulation.spawn('ask', each.request(message(1))));
    const all = function* (): Process<boolean[]> {
      const right: boolean[] = [];
      for (const task of tasks) right.push(isMib(yield* task.join()));
      return right;
    };
    expect(simulation.runProcess('all', all())).toEqual(new Array(12).fill(true));
  });
});

describe('answers of a guest while its machine is rebooted', () => {
  it('an answer of 1 MiB goes on over a warm-VM reboot of the hypervisor, over the same connection', () => {
    const { machine, simulation, open, begin, services } = bed(aMib);
    const task = begin(open());
    simulation.runProcess('reboot', new HypervisorReboot(machine).run('warm-vm'));
    expect(isMib(simulation.runProcess('join', task.join()))).toBe(true);
    expect(services.errors).toEqual([]);
  });

  it('an answer of 1 MiB ends with a reset when the guest is booted anew, and the next one is whole', () => {
    const { machine, simulation, open, begin } = bed(aMib);
    const connection = open();
    const task = begin(connection);
    simulation.runProcess('reboot', new HypervisorReboot(machine).run('shutdown-boot'));
    expect(simulation.runProcess('join', task.join())).toBe('reset');
    expect(isMib(simulation.runProcess('ask', open().request(message(1))))).toBe(true);
  });
});

describe('the answers of a socket', () => {
  it('an answer of a socket fails with EPIPE once its client is gone, also while it waits for room', () => {
    const states: boolean[] = [];
    const { simulation, host, open, begin, services } = bed(function* (socket, request) {
      try {
        yield* aMib(socket, request);
      } finally {
        states.push(request.isOpen);
      }
    });
    const connection = open();
    const task = begin(connection);
    host.close(connection);
    expect(simulation.runProcess('join', task.join())).toBe('closed');
    simulation.run(() => services.errors.length > 0);
    expect(services.errors).toEqual([expect.objectContaining({ code: 'EPIPE' })]);
    expect(states).toEqual([false]);
  });

  it('an answer of a socket has one end: what follows it fails with EPIPE, a second end does nothing', () => {
    const { simulation, open, services } = bed(function* (socket, request) {
      yield* socket.send(request, message(10));
      expect(() => socket.answer(request, message(1))).toThrow('EPIPE');
      socket.finish(request);
      socket.finish(request);
      yield* socket.send(request, message(1));
    });
    expect(simulation.runProcess('ask', open().request(message(1)))).toEqual(message(10));
    simulation.run(() => services.errors.length > 0);
    expect(services.errors).toEqual([expect.objectContaining({ code: 'EPIPE' })]);
  });

  it('an answer of a socket of 64 KiB goes without waiting, and one byte more is too long', () => {
    const { simulation, open, services } = bed(function* (socket, request) {
      yield* [];
      expect(() => socket.answer(request, message(MAX_PAYLOAD + 1))).toThrow('EMSGSIZE');
      socket.answer(request, message(MAX_PAYLOAD));
    });
    expect(simulation.runProcess('ask', open().request(message(1)))).toEqual(message(MAX_PAYLOAD));
    expect(services.errors).toEqual([]);
  });

  it('a socket that is closed resets its clients, and their requests are not open any more', () => {
    const requests: NetworkRequest[] = [];
    const { simulation, open, services, begin } = bed(function* (_, request) {
      yield* [];
      requests.push(request);
    });
    const task = begin(open());
    expect(requests.map(({ isOpen }) => isOpen)).toEqual([true]);
    services.socket!.close();
    expect(requests.map(({ isOpen }) => isOpen)).toEqual([false]);
    expect(simulation.runProcess('join', task.join())).toBe('reset');
  });

  it('a socket lets 511 requests wait, ignores who knocks then, and lets it in when one was accepted', () => {
    let mayServe = false;
    const { simulation, host, open, services } = bed(function* (socket, request) {
      while (!mayServe) yield S;
      socket.answer(request, request.bytes);
    });
    // One is being served, and the others wait.
    const tasks = Array.from({ length: BACKLOG + 1 }, (_, n) =>
      simulation.spawn('ask', open().request(Uint8Array.of(n & 255))),
    );
    const until = simulation.now + 100_000_000;
    simulation.run(() => simulation.now > until);
    expect(services.socket!.waiting).toBe(BACKLOG);
    const late = host.connection(xenMac(1));
    const knock = simulation.spawn('knock', late.open());
    const later = simulation.now + 2 * S;
    simulation.run(() => simulation.now > later);
    expect(knock.isOver).toBe(false);
    mayServe = true;
    const opened = simulation.now;
    expect(simulation.runProcess('join', knock.join())).toBeUndefined();
    expect(simulation.now - opened).toBeLessThan(2 * S);
    expect(late.retransmissions).toBe(1);
    const answers = tasks.map((task) => simulation.runProcess('join', task.join()));
    expect(answers).toEqual(answers.map((_, n) => Uint8Array.of(n & 255)));
  });
});
