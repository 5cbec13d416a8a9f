// Whole guests whose disks are exchanged, written to by others, or seen under two names.
import { expect, it } from 'vitest';
import { PAGE_SIZE, SECTOR_SIZE } from '../../src/base/index.ts';
import type { BlockDevice } from '../../src/disk/drive/block-device.ts';
import { Drive } from '../../src/disk/drive/drive.ts';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import { InstantDisk } from '../../src/disk/drive/instant.ts';
import { JoinedImage } from '../../src/disk/image/joined-image.ts';
import { OverlayImage } from '../../src/disk/image/overlay-image.ts';
import { Partition } from '../../src/disk/drive/partition.ts';
import type { VmmGuest, VmmMachine } from '../../src/experiment/host/machine-room.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { O } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { domainOf, handOver, shutdownDomain0 } from '../../src/xen/index.ts';
import { contents, FILE_BYTES, MIB, readsItsFile, vmmDisk, vmmMachine } from '../experiment/vmm/disk.ts';

type Config = VmmMachine['configs'][number];
const run = <T>(machine: VmmMachine, process: Process<T>): T => machine.simulation.runProcess('test', process);

/**
 * All guests read, shut down and boot again on what the next hypervisor finds, with the disks that
 * they have then.
 */
function* warmReboot(machine: VmmMachine, between: () => void, configs: () => readonly Config[]): Process {
  for (const [name, { kernel }] of machine.guests) {
    yield* readsItsFile(kernel, Number(name.slice(-1)));
    yield* kernel.shutdown();
  }
  yield* shutdownDomain0(machine.hypervisor, machine.toolstack);
  for (const { domain } of machine.guests.values()) yield* machine.toolstack.leaveDomain(domain);
  yield* handOver(machine.hypervisor, machine.toolstack);
  machine.reset();
  machine.guests.clear();
  between();
  yield* machine.bootHypervisor();
  yield* machine.start(configs());
}

const refusedOf = ({ domain }: VmmGuest) => domain.stats.refused;

it('guests whose partitions are exchanged read their own files, and reuse no page', () => {
  const machine = vmmMachine(2);
  run(machine, machine.start());
  const [a, b] = machine.configs as [Config, Config];
  run(
    machine,
    warmReboot(
      machine,
      () => undefined,
      () => [
        { ...a, device: b.device },
        { ...b, device: a.device },
      ],
    ),
  );
  for (const [name, guest] of machine.guests) {
    expect(run(machine, readsItsFile(guest.kernel, 1 - Number(name.slice(-1))))).toBe(true);
    expect(guest.kernel.stats.pagesReused).toBe(0);
    expect(refusedOf(guest).otherDisk).toBeGreaterThan(FILE_BYTES / PAGE_SIZE);
  }
});

it('a guest whose disk was written to while no guest ran is cold, and the one beside it is not', () => {
  const disk = vmmDisk(2);
  const machine = vmmMachine(2, disk);
  run(machine, machine.start());
  // The last sector of the first partition.
  const { start, bytes } = disk.partitions[0]!;
  const write = (): void => {
    disk.image.write(start + bytes - SECTOR_SIZE, new Uint8Array(SECTOR_SIZE).fill(77), 0, SECTOR_SIZE);
  };
  run(
    machine,
    warmReboot(machine, write, () => machine.configs),
  );
  const [first, second] = ['guest0', 'guest1'].map((name) => machine.guests.get(name)!) as [VmmGuest, VmmGuest];
  for (const [n, { kernel }] of [first, second].entries()) expect(run(machine, readsItsFile(kernel, n))).toBe(true);
  expect(first.kernel.stats.pagesReused).toBe(0);
  expect(refusedOf(first).diskChanged).toBeGreaterThan(FILE_BYTES / PAGE_SIZE);
  expect(second.kernel.stats.pagesReused).toBeGreaterThan(FILE_BYTES / PAGE_SIZE);
  expect(refusedOf(second)).toMatchObject({ otherDisk: 0, diskChanged: 0 });
});

/**
 * How a second guest sees the disk of the first. Of an overlay it is not known which blocks show
 * through: all its pages go.
 */
const VIEWS: readonly [string, (disk: Disk) => ImageStore, (machine: VmmMachine, disk: Disk) => BlockDevice][] = [
  ['another partition of the same sectors', ({ image }) => image, ({ drive }) => drive],
  ['another drive on the same medium', ({ image }) => image, (machine, { image }) => driveOn(machine, image)],
  [
    'a part of a joined image',
    ({ image }) => new JoinedImage([image]),
    (machine, { image }) => driveOn(machine, image),
  ],
  [
    'the image below its overlay',
    ({ image }) => new OverlayImage(image),
    (machine, { image }) => driveOn(machine, image),
  ],
];
type Disk = ReturnType<typeof vmmDisk>;
const driveOn = ({ simulation, memory }: VmmMachine, image: ImageStore): Drive =>
  new Drive(simulation, memory, image, { model: new InstantDisk(), writeCacheBytes: 0 });

it.each(VIEWS)('a write through %s takes the pages that it overwrites', (name, imageOf, deviceOf) => {
  const disk = vmmDisk(1);
  const machine = vmmMachine(1, { ...disk, image: imageOf(disk), memory: new MachineMemory(60 * MIB) });
  run(machine, machine.start());
  const first = machine.guests.get('guest0')!;
  run(machine, readsItsFile(first.kernel, 0));
  const { sectorCount } = first.config.device;
  const config = { ...first.config, name: 'second', device: new Partition(deviceOf(machine, disk), 0, sectorCount) };
  const second = run(machine, machine.boot(config, run(machine, domainOf(machine.toolstack.createDomain(config)))));
  const expected = contents(0);
  expected.fill(9, PAGE_SIZE, 3 * PAGE_SIZE);
  run(
    machine,
    (function* (): Process {
      const { syscalls } = second.kernel;
      const fd = yield* syscalls.open('/data', O.rdwr);
      yield* syscalls.pwrite(fd, expected, PAGE_SIZE, 2 * PAGE_SIZE, PAGE_SIZE);
      yield* syscalls.fsync(fd);
      yield* second.kernel.shutdown();
    })(),
  );
  first.kernel.crash();
  const options = { preserve: true, cmdLine: 'cachemap=all' };
  const domain = run(machine, domainOf(machine.toolstack.restartDomain(first.domain, options)));
  const next = run(machine, machine.boot(first.config, domain));
  expect(run(machine, readsItsFile(next.kernel, 0, expected))).toBe(true);
  const { pagesReused } = next.kernel.stats;
  if (name === 'the image below its overlay') expect(pagesReused).toBe(0);
  // Except for what was overwritten, and for names that were not told yet when it crashed.
  else expect(pagesReused).toBeGreaterThan(FILE_BYTES / PAGE_SIZE - 2 - 13);
});
