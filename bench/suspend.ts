/**
 * Suspending and resuming domains over a reboot of the hypervisor costs host time. The time grows
 * with their P2M lists, not with the contents of their memory. Three cases are measured: one domain
 * of 1 GiB with a file cache, one of 16 GiB that is nearly empty, and 64 of 64 MiB. The time runs
 * from the suspend event until the last guest runs again. It includes the next hypervisor and its
 * pass over the frames of the machine.
 */

import { PAGE_SIZE } from '../src/base/index.ts';
import { type MemoryImage } from '../src/disk/image/memory-image.ts';
import { JoinedImage } from '../src/disk/image/joined-image.ts';
import { makeExt2 } from '../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../src/disk/mkfs/tree.ts';
import { OverlayImage } from '../src/disk/image/overlay-image.ts';
import { machineMemoryFor } from '../src/experiment/host/host.ts';
import { VmmMachine } from '../src/experiment/host/machine-room.ts';
import { MachineMemory } from '../src/machine/memory.ts';
import { SERVER_2026 } from '../src/machine/profiles/server-2026.ts';
import type { Process } from '../src/sim/index.ts';
import { elapsedNs, median, type Row, ROUNDS } from './harness.ts';
import { scaledTarget } from './reference.ts';

const MIB = 1 << 20;
const FILE_BYTES = 512 * MIB;

/** Guests that run; each has read `readBytes` of its file. */
function machineOf(vms: number, memory: number, image: MemoryImage, readBytes: number): VmmMachine {
  const joined = new JoinedImage(Array.from({ length: vms }, () => new OverlayImage(image)));
  const machine = new VmmMachine({
    seed: 1,
    profile: SERVER_2026,
    disk: 'instant',
    image: joined,
    partitions: joined.places,
    memory: new MachineMemory(machineMemoryFor(vms * memory)),
    guestMemory: memory,
    cmdLine: 'cachemap=all',
  });
  const prepare = function* (): Process {
    yield* machine.start();
    for (const { kernel } of machine.guests.values()) {
      const fd = yield* kernel.syscalls.open('/data');
      const buffer = new Uint8Array(MIB);
      for (let at = 0; at < readBytes; at += MIB) yield* kernel.syscalls.pread(fd, buffer, 0, MIB, at);
      yield* kernel.syscalls.close(fd);
    }
  };
  machine.simulation.runProcess('prepare', prepare());
  return machine;
}

/** Median of the milliseconds of a warm-VM reboot; the first round is the compiler's. */
function rebootMs(machine: VmmMachine): number {
  const round = (): number =>
    elapsedNs(() => {
      const { resumed } = machine.simulation.runProcess('reboot', machine.warmVmReboot());
      if (resumed.length !== machine.configs.length) throw new Error('a guest does not go on');
    }) / 1e6;
  round();
  return median(Array.from({ length: ROUNDS }, round));
}

export function suspend(): Row[] {
  const image = makeExt2(tree(directory([['data', file(new Uint8Array(FILE_BYTES))]])));
  const full = rebootMs(machineOf(1, 1024 * MIB, image, FILE_BYTES));
  const empty = rebootMs(machineOf(1, 1024 * MIB, image, 0));
  const large = rebootMs(machineOf(1, 16_384 * MIB, image, 0));
  const many = rebootMs(machineOf(64, 64 * MIB, image, 0));
  const nsPerPage = (ms: number, bytes: number): number => (ms * 1e6) / (bytes / PAGE_SIZE);
  const manyTarget = scaledTarget(1000, 'ms', 'lower');
  return [
    {
      what: 'warm-VM reboot under one domain of 1 GiB, 512 MiB cached',
      figure: full,
      unit: 'ms',
      rival: { name: 'nothing cached', figure: empty },
      ratio: full / empty,
      target: '<= 1.25: not the bytes',
      met: full / empty <= 1.25,
    },
    {
      what: 'the same under one domain of 16 GiB, sparse: a page of its P2M list',
      figure: nsPerPage(large, 16_384 * MIB),
      unit: 'ns',
      rival: { name: '1 GiB', figure: nsPerPage(empty, 1024 * MIB) },
      ratio: large / empty / 16,
      target: '<= 2: frame records miss the caches',
      met: large / empty / 16 <= 2,
    },
    {
      what: 'the same under 64 domains of 64 MiB',
      figure: many,
      unit: 'ms',
      target: manyTarget.target,
      met: many <= manyTarget.here,
    },
  ];
}
