// What a guest stores and asks must not end the program that models it: it panics or gets an error,
// and all others go on. A guest kernel at work shares a machine with a program gone wild. The
// program stores into the kernel's rings, grant table and shared info, into pages that it gave back
// and into any other. It makes hypercalls with any arguments, and tells the store anything. A
// second guest works beside it and must find its files as it left them. So once more with guests
// that have no kernel and never die.
import fc from 'fast-check';
import { expect } from 'vitest';
import { crc32c, GuestPanic, ModelError, Ns, PAGE_SIZE } from '../../src/base/index.ts';
import { encodeFrame, EtherType, type MacAddress } from '../../src/base/ethernet.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../src/disk/mkfs/tree.ts';
import { Kernel, MAP, MS, O, PROT } from '../../src/kernel/index.ts';
import { Connection } from '../../src/kernel/net/transport.ts';
import { values } from '../../src/machine/profile.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { BridgePort } from '../../src/machine/bridge.ts';
import type { Process, RandomStream } from '../../src/sim/index.ts';
import type { Domain } from '../../src/xen/domain/domain.ts';
import { property } from '../support/property.ts';
import { domainOf } from '../../src/xen/index.ts';
import {
  bootMachine,
  LEAST_PAGES,
  MIB,
  MiniGuest,
  startGuest,
  TestDisk,
  type TestMachine,
} from '../support/machine.ts';
import { Wild, wildly } from './wild-guest.ts';

const GUEST_BYTES = 6 * MIB;
const DISK_BLOCKS = 512;
const MAX_EVENTS = 200_000;
/** Events in which what was done last shows. */
const AFTERMATH = 200;
const COSTS = values(SERVER_2026.guest);

/** Clients that ask guests whether they serve: each packet is an event, and is answered. */
function* ask({ simulation }: Host, port: BridgePort, guests: readonly number[], until: () => boolean): Process {
  for (let id = 1; !until(); id++) {
    const destination = guests[id % guests.length]! as MacAddress;
    const send = (payloads: readonly Uint8Array[]): void => {
      const head = { destination, source: 0x09 as MacAddress, type: EtherType.transport };
      port.input(payloads.map((payload) => encodeFrame({ ...head, payload })));
    };
    simulation.spawn('client', new Connection(simulation, send, id).open());
    yield Ns(20_000);
  }
}

/** Work of a guest kernel: files, a mapping, the network. What fails with an errno has ended. */
function* work(kernel: Kernel, random: RandomStream, rounds: number): Process {
  const sys = kernel.syscalls;
  const bytes = new Uint8Array(30_000).fill(7);
  for (let i = 0; i < rounds; i++) {
    try {
      const fd = yield* sys.open(`/w${random.below(4)}`, O.creat | O.rdwr);
      yield* sys.pwrite(fd, bytes, 0, random.below(bytes.length), random.below(100_000));
      yield* sys.pread(fd, bytes, 0, bytes.length, 0);
      if (random.below(3) === 0) {
        const address = sys.mmap(PAGE_SIZE, PROT.read | PROT.write, MAP.shared, fd, 0);
        yield* sys.store(address, bytes, 0, 8);
        yield* sys.msync(address, PAGE_SIZE, MS.sync);
        yield* sys.munmap(address, PAGE_SIZE);
      }
      if (random.below(4) === 0) sys.dropCaches();
      yield* sys.close(fd);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
    yield Ns(random.below(50_000));
  }
}

const FILE = new Uint8Array(40_000).map((_, i) => (i * 7) & 255);
const IMAGE = makeExt2(tree(directory([['own', file(FILE)]])), { size: DISK_BLOCKS * PAGE_SIZE });

/** A disk of its own with a file system. */
function diskFor({ simulation, memory }: TestMachine): TestDisk {
  const disk = new TestDisk(simulation, memory, DISK_BLOCKS);
  IMAGE.read(0, disk.bytes, 0, disk.bytes.length);
  return disk;
}

/**
 * A guest with a kernel, on a disk of its own. There is none when it does not come up, because of
 * what it finds on its disk.
 */
interface Host {
  readonly machine: TestMachine;
  readonly simulation: TestMachine['simulation'];
}

function boot({ machine, simulation }: Host, domain: Domain): Kernel | undefined {
  try {
    return simulation.runProcess('boot', Kernel.boot(domain.environment, COSTS));
  } catch (error) {
    if (!(error instanceof ModelError) && !(error instanceof GuestPanic)) throw error;
    if (domain.isRunning) simulation.runProcess('destroy', machine.toolstack.destroyDomain(domain));
    return undefined;
  }
}

function create({ machine, simulation }: Host, name: string, mac: number): { domain: Domain; kernel: Kernel } {
  const config = { name, memoryBytes: GUEST_BYTES, device: diskFor(machine), mac: mac as MacAddress };
  const domain = simulation.runProcess('create', domainOf(machine.toolstack.createDomain(config)));
  return { domain, kernel: boot({ machine, simulation }, domain)! };
}

interface Tally {
  acts: number;
  refused: number;
  panics: number;
  lives: number;
}

/** Runs a machine whose one guest does `acts` wild things, in as many lives as that takes. */
function play(seed: number, acts: number): Tally {
  const machine = bootMachine(seed, {}, 32 * MIB);
  const { simulation, toolstack } = machine;
  const host = { machine, simulation };
  const random = simulation.random.stream('wild');
  const victim = create(host, 'victim', 0x02);
  const port = machine.hypervisor.network.bridge.attach(() => undefined);
  const tally: Tally = { acts: 0, refused: 0, panics: 0, lives: 0 };
  let hostile: { domain: Domain; kernel: Kernel } | undefined;
  while (tally.acts < acts) {
    hostile ??= create(host, 'hostile', 0x03);
    const { domain, kernel } = hostile;
    tally.lives++;
    const wild = new Wild(machine, domain, random);
    victim.domain.environment.spawn('work', work(victim.kernel, random, 5));
    domain.environment.spawn('work', work(kernel, random, 40));
    const task = domain.environment.spawn('wild', wildly(wild, Math.min(400, acts - tally.acts)));
    simulation.spawn(
      'ask',
      ask(host, port, [0x02, 0x03], () => task.isOver),
    );
    const last = simulation.eventCount + MAX_EVENTS;
    try {
      simulation.run(() => task.isOver || simulation.eventCount >= last);
      if (!task.isOver) throw new Error(simulation.whoWaits().join('\n  '));
      const end = simulation.eventCount + AFTERMATH;
      simulation.run(() => simulation.eventCount >= end);
      toolstack.list.checkInvariants();
    } catch (error) {
      throw new Error(`life ${tally.lives} after:\n  ${wild.log.join('\n  ')}`, { cause: error });
    }
    tally.acts += wild.acts;
    tally.refused += wild.refused;
    if (domain.panic !== undefined) tally.panics++;
    hostile = undefined;
    // Its next life is on the same disk and pages, when it was restarted, or it is gone for good.
    if (domain.state === 'shutdown' && random.below(2) === 0) {
      const next = simulation.runProcess(
        'restart',
        domainOf(toolstack.restartDomain(domain, { preserve: true, writeDirty: random.below(2) === 0 })),
      );
      const again = boot(host, next);
      if (again !== undefined) hostile = { domain: next, kernel: again };
    } else if (domain.state !== 'dead') simulation.runProcess('destroy', toolstack.destroyDomain(domain));
    toolstack.list.checkInvariants();
    unharmed(host, victim);
  }
  return tally;
}

/** The other guest runs and finds its file as it was, from the disk too. */
function unharmed({ simulation }: Host, { domain, kernel }: { domain: Domain; kernel: Kernel }): void {
  expect([domain.state, domain.panic]).toEqual(['running', undefined]);
  const sys = kernel.syscalls;
  const seen = new Uint8Array(FILE.length);
  const read = function* (): Process<number> {
    sys.dropCaches();
    const fd = yield* sys.open('/own');
    const bytes = yield* sys.pread(fd, seen, 0, seen.length, 0);
    yield* sys.close(fd);
    return bytes;
  };
  expect(simulation.runProcess('read', read())).toBe(FILE.length);
  expect(crc32c(seen)).toBe(crc32c(FILE));
}

/**
 * The same for guests without a kernel, which nothing stops: two do wild things at once, the third
 * is honest.
 */
function playBare(seed: number, acts: number): Tally {
  const machine = bootMachine(seed, {}, 24 * MIB);
  const { simulation, toolstack } = machine;
  const random = simulation.random.stream('wild');
  const honest = new MiniGuest(
    machine,
    simulation.runProcess(
      'create',
      domainOf(
        toolstack.createDomain({
          name: 'honest',
          memoryBytes: LEAST_PAGES * PAGE_SIZE,
          device: new TestDisk(simulation, machine.memory, 64),
        }),
      ),
    ),
  );
  const tally: Tally = { acts: 0, refused: 0, panics: 0, lives: 0 };
  while (tally.acts < acts) {
    const lives = ['a', 'b'].map((name) => {
      const guest = startGuest(machine, name);
      guest.domain.environment.hypercalls.setCallback(() => undefined);
      const wild = new Wild(machine, guest.domain, random);
      wild.request = () => {
        const pages = Array.from({ length: 1 + random.below(3) }, () => ({ pfn: random.below(LEAST_PAGES) }));
        guest.request(random.below(4), random.below(64 * 8), pages);
      };
      return { wild, task: guest.domain.environment.spawn('wild', wildly(wild, 1000)) };
    });
    const block = random.below(64);
    honest.write(100, block);
    const last = simulation.eventCount + MAX_EVENTS;
    try {
      simulation.run(() => lives.every(({ task }) => task.isOver) || simulation.eventCount >= last);
      if (!lives.every(({ task }) => task.isOver)) throw new Error(simulation.whoWaits().join('\n  '));
      toolstack.list.checkInvariants();
      for (const { wild } of lives) {
        tally.acts += wild.acts;
        tally.refused += wild.refused;
        tally.lives++;
        if (wild.domain.panic !== undefined) tally.panics++;
        const { domain } = wild;
        const options = { preserve: true, writeDirty: random.below(2) === 0 };
        const isRestarted = domain.state === 'shutdown' && random.below(2) === 0;
        const restart = domainOf(toolstack.restartDomain(domain, options));
        const last = isRestarted ? simulation.runProcess('restart', restart) : domain;
        simulation.runProcess('destroy', toolstack.destroyDomain(last));
        expect(last.state).toBe('dead');
      }
      toolstack.list.checkInvariants();
    } catch (error) {
      throw new Error(`after:\n  ${lives.flatMap(({ wild }) => [wild.domain.name, ...wild.log]).join('\n  ')}`, {
        cause: error,
      });
    }
    honest.read(101, block);
    const end = simulation.eventCount + AFTERMATH;
    simulation.run(() => simulation.eventCount >= end);
    expect([honest.domain.state, [...honest.responses.values()].every((status) => status === 0)]).toEqual([
      'running',
      true,
    ]);
    expect(Buffer.compare(honest.page(100), honest.page(101))).toBe(0);
  }
  return tally;
}

// 10^5 acts in all: a fifth of them beside a kernel that works, the rest where nothing stops them.
property(
  'what a guest with a kernel stores and asks ends at most that guest',
  fc.nat(),
  (seed) => {
    const { acts, refused, lives } = play(seed, 500);
    expect(acts).toBeGreaterThanOrEqual(500);
    expect(refused).toBeGreaterThan(0);
    expect(lives).toBeGreaterThan(1);
  },
  { numRuns: 4, lawRuns: 40 },
);

property(
  'what two guests without a kernel store and ask ends at most them',
  fc.nat(),
  (seed) => {
    const { acts, refused } = playBare(seed, 5000);
    expect(acts).toBeGreaterThanOrEqual(5000);
    expect(refused).toBeGreaterThan(500);
  },
  { numRuns: 3, lawRuns: 16 },
);
