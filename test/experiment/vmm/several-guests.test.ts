// Several guests with real kernels, a partition each, on one drive and one machine.
import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE, SECTOR_SIZE } from '../../../src/base/index.ts';
import { Drive } from '../../../src/disk/drive/drive.ts';
import { driveOptions } from '../../../src/disk/drive/make-service-time.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { Partition } from '../../../src/disk/drive/partition.ts';
import { Kernel } from '../../../src/kernel/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { values } from '../../../src/machine/profile.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import { type Process, Simulation } from '../../../src/sim/index.ts';
import { domainOf, type Domain, Hypervisor, ShutdownReason, Toolstack, Xend } from '../../../src/xen/index.ts';

const MIB = 1 << 20;
const GUESTS = 3;
const FILE_BYTES = 2 * MIB + 777;
const GUEST_COSTS = values(SERVER_2026.guest);

const contents = (guest: number): Uint8Array =>
  new Uint8Array(FILE_BYTES).map((_, at) => (at * 13 + (at >>> 12) * 5 + 77 * guest) & 255);

interface Machine {
  readonly simulation: Simulation;
  readonly hypervisor: Hypervisor;
  readonly toolstack: Toolstack;
  readonly partitions: readonly Partition[];
}

/** A machine whose one drive has an image with one file in each partition. */
function machineOfSeveral(): Machine {
  const simulation = new Simulation(1);
  const memory = new MachineMemory(64 * MIB);
  const images = Array.from({ length: GUESTS }, (_, n) => makeExt2(tree(directory([['data', file(contents(n))]]))));
  const sizes = images.map(({ size }) => Math.ceil(size / PAGE_SIZE) * PAGE_SIZE);
  const disk = new MemoryImage(sizes.reduce((sum, size) => sum + size, 0));
  const starts = sizes.map((_, n) => sizes.slice(0, n).reduce((sum, size) => sum + size, 0));
  images.forEach((image, n) => {
    const bytes = new Uint8Array(image.size);
    image.read(0, bytes, 0, image.size);
    disk.write(starts[n]!, bytes, 0, image.size);
  });
  const drive = new Drive(simulation, memory, disk, driveOptions(SERVER_2026.disk, 'profile'));
  const hypervisor = Hypervisor.boot(simulation, memory, values(SERVER_2026.hypervisor));
  const partitions = starts.map(
    (start, n) => new Partition(drive, start / SECTOR_SIZE, Math.floor(sizes[n]! / SECTOR_SIZE)),
  );
  return { simulation, hypervisor, toolstack: new Toolstack(hypervisor), partitions };
}

/**
 * Creates the domains where others have been: each gets what lies between frames that were not free
 * when it was built.
 */
function* createScattered({ hypervisor, toolstack, partitions }: Machine): Process<Domain[]> {
  const { allocator } = hypervisor;
  const held = new Uint32Array(allocator.freeCount);
  allocator.allocate(held);
  const domains: Domain[] = [];
  for (const [n, device] of partitions.entries()) {
    for (const mfn of held) if (mfn % GUESTS === n) allocator.free(Mfn(mfn));
    const config = { name: `guest${n}`, memoryBytes: 16 * MIB, device, cmdLine: 'cachemap=all' };
    domains.push(yield* domainOf(toolstack.createDomain(config)));
  }
  return domains;
}

function* readAll({ syscalls }: Kernel, guest: number): Process {
  const expected = contents(guest);
  const fd = yield* syscalls.open('/data');
  const buffer = new Uint8Array(65_536);
  for (let at = 0; at < FILE_BYTES; ) {
    const bytes = yield* syscalls.read(fd, buffer, 0, buffer.length);
    expect(Buffer.compare(buffer.subarray(0, bytes), expected.subarray(at, at + bytes))).toBe(0);
    at += bytes;
  }
  yield* syscalls.close(fd);
  yield* syscalls.settle();
}

describe('several guests on one drive', () => {
  it('several guests on one drive read each its own file at once, and one reboots warm while the others go on', () => {
    const machine = machineOfSeveral();
    const { simulation, hypervisor, toolstack } = machine;
    const all = <T>(what: string, processes: Process<T>[]): T[] =>
      simulation.runProcess(
        what,
        (function* (): Process<T[]> {
          const tasks = processes.map((process, n) => simulation.spawn(`${what} ${n}`, process));
          const results: T[] = [];
          for (const task of tasks) results.push((yield* task.join())!);
          return results;
        })(),
      );
    const domains = simulation.runProcess('create', createScattered(machine));
    expect(domains.map(({ domid }) => domid)).toEqual([1, 2, 3]);
    const kernels = all(
      'boot',
      domains.map((domain) => Kernel.boot(domain.environment, GUEST_COSTS)),
    );
    all(
      'read',
      kernels.map((kernel, n) => readAll(kernel, n)),
    );
    toolstack.list.checkInvariants();
    // Frames of the domains lie among each other.
    const owners: number[] = [];
    for (let mfn = hypervisor.map.firstDomainMfn as number; mfn < hypervisor.map.frameCount; mfn++)
      owners.push(hypervisor.frames.ownerOf(Mfn(mfn)));
    expect(owners.filter((owner, i) => owner !== owners[i - 1]).length).toBeGreaterThan(1000);

    const rebooted = function* (): Process<Kernel> {
      yield* kernels[1]!.shutdown();
      const next = yield* domainOf(toolstack.restartDomain(domains[1]!, { preserve: true, cmdLine: 'cachemap=all' }));
      return yield* Kernel.boot(next.environment, GUEST_COSTS);
    };
    const others = [0, 2].map(function* (n): Process<Kernel> {
      for (let round = 0; round < 5; round++) yield* readAll(kernels[n]!, n);
      return kernels[n]!;
    });
    const [next] = all('reboot', [rebooted(), ...others]);
    simulation.runProcess('read again', readAll(next!, 1));
    expect(next!.stats.dataPagesRead).toBe(0);
    expect(next!.stats.pagesReused).toBeGreaterThanOrEqual(Math.floor(FILE_BYTES / PAGE_SIZE));
    simulation.runProcess('destroy', toolstack.destroyDomain(domains[0]!));
    simulation.runProcess('read last', readAll(kernels[2]!, 2));
    simulation.run(() => hypervisor.scrubber.frames.length === 0);
    toolstack.list.checkInvariants();
  });

  it('several guests on one drive are restarted by the daemon when they reboot, asked for by a word in the store', () => {
    const { simulation, hypervisor, toolstack, partitions } = machineOfSeveral();
    const xend = new Xend(hypervisor, toolstack);
    const booted: Kernel[] = [];
    const boot = (domain: Domain): void => {
      const run = function* (): Process {
        const kernel = yield* Kernel.boot(domain.environment, GUEST_COSTS);
        yield* readAll(kernel, 0);
        booted.push(kernel);
      };
      domain.environment.spawn('boot', run());
    };
    const base = { name: 'guest', memoryBytes: 16 * MIB, device: partitions[0]!, cmdLine: 'cachemap=all' };
    const first = simulation.runProcess('start', domainOf(xend.start({ ...base, preserveCache: true, boot })));
    simulation.run(() => booted.length === 1);
    xend.shutdown(first, 'reboot');
    simulation.run(() => booted.length === 2);
    expect([first.shutdownReason, booted[1]!.stats.dataPagesRead]).toEqual([ShutdownReason.reboot, 0]);
    const second = xend.domains[0]!;
    xend.shutdown(second, 'poweroff');
    simulation.run(() => second.state === 'dead');
    expect([second.shutdownReason, xend.domains]).toEqual([ShutdownReason.poweroff, []]);
  });
});
