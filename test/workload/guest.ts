// A guest on a small disk, for the workloads: what they do is seen through the calls that a guest
// has.
import { directory, file, tree } from '../../src/disk/mkfs/tree.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { machineMemoryFor } from '../../src/experiment/host/host.ts';
import { type Guest, Testbed } from '../../src/experiment/host/testbed.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { WorkloadFile } from '../../src/workload/file-reader.ts';

/** Enough for the kernel and all files of a test. */
const GUEST_MEMORY = 32 << 20;

export interface WorkloadGuest {
  readonly testbed: Testbed;
  readonly guest: Guest;
  readonly files: readonly WorkloadFile[];
  /** What the files hold. */
  readonly contents: readonly Uint8Array[];
}

/**
 * Boots a guest whose disk has files /0, /1, … of these sizes, each byte different from its
 * neighbours.
 */
export function bootWorkloadGuest(sizes: readonly number[], seed = 1): WorkloadGuest {
  const contents = sizes.map((size, number) =>
    new Uint8Array(size).map((_, at) => (at * 7 + (at >> 12) + number) & 255),
  );
  const image = makeExt2(tree(directory(contents.map((bytes, number) => [String(number), file(bytes)] as const))));
  const testbed = new Testbed({
    seed,
    profile: SERVER_2026,
    disk: 'instant',
    image,
    memory: new MachineMemory(machineMemoryFor(GUEST_MEMORY)),
    guestMemory: GUEST_MEMORY,
  });
  const guest = testbed.simulation.runProcess('boot', testbed.start('cachemap=off'));
  return { testbed, guest, files: sizes.map((size, number) => ({ path: `/${number}`, size })), contents };
}
