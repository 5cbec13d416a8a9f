// A machine of several guests, a partition each on one drive, whose hypervisor is replaced.
import { PAGE_SIZE } from '../../../src/base/index.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../src/disk/mkfs/tree.ts';
import { VmmClients } from '../../../src/experiment/vmm/clients.ts';
import { VmmMachine, type VmmMachineOptions } from '../../../src/experiment/host/machine-room.ts';
import { WebServers } from '../../../src/experiment/vmm/web-servers.ts';
import { SERVER_2026 } from '../../../src/machine/profiles/server-2026.ts';
import type { Kernel } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { memoryOf } from '../../support/memories.ts';

export const MIB = 1 << 20;
export const FILE_BYTES = 700_003;
/** Room for the save file of a guest of 12 MiB. */
const SAVE_BYTES = 13 * MIB;

/** Files and file systems of guests, each made once: to be copied, not changed. */
const made = new Map<number, { readonly bytes: Uint8Array; readonly image: MemoryImage }>();

function madeFor(guest: number): { readonly bytes: Uint8Array; readonly image: MemoryImage } {
  let it = made.get(guest);
  if (it === undefined) {
    const bytes = new Uint8Array(FILE_BYTES);
    for (let at = 0; at < FILE_BYTES; at++) bytes[at] = (at * 13 + (at >>> 12) * 5 + 77 * guest) & 255;
    it = { bytes, image: makeExt2(tree(directory([['data', file(bytes)]]))) };
    made.set(guest, it);
  }
  return it;
}

/** The file of a guest: a copy. */
export const contents = (guest: number): Uint8Array => madeFor(guest).bytes.slice();

/** A medium with a partition and room for a save file of each guest. */
export function vmmDisk(
  guests: number,
  saveBytes = SAVE_BYTES,
): Pick<VmmMachineOptions, 'image' | 'partitions' | 'saveAreas'> {
  const images = Array.from({ length: guests }, (_, n) => madeFor(n).image);
  const partitions = images.map(({ size }, n) => {
    const before = images.slice(0, n).reduce((sum, image) => sum + Math.ceil(image.size / PAGE_SIZE) * PAGE_SIZE, 0);
    return { start: before, bytes: size };
  });
  const last = partitions.at(-1)!;
  const end = Math.ceil((last.start + last.bytes) / PAGE_SIZE) * PAGE_SIZE;
  const saveAreas = images.map((_, n) => ({ start: end + n * saveBytes, bytes: saveBytes }));
  const image = new MemoryImage(end + guests * saveBytes);
  images.forEach((source, n) => {
    const bytes = new Uint8Array(source.size);
    source.read(0, bytes, 0, source.size);
    image.write(partitions[n]!.start, bytes, 0, source.size);
  });
  return { image, partitions, saveAreas };
}

export function vmmMachine(guests: number, options: Partial<VmmMachineOptions> = {}): VmmMachine {
  return new VmmMachine({
    seed: 1,
    profile: SERVER_2026,
    disk: 'profile',
    ...vmmDisk(guests),
    memory: memoryOf((20 + 14 * guests) * MIB),
    guestMemory: 12 * MIB,
    cmdLine: 'cachemap=all',
    kernelPages: 16,
    ...options,
  });
}

/** The same, with a web server in every guest. */
export function servingMachine(guests: number, options: Partial<VmmMachineOptions> = {}): VmmMachine {
  return vmmMachine(guests, { services: new WebServers(), ...options });
}

/** Clients of the servers of all guests, who ask for each guest's own file. */
export function vmmClients(
  machine: VmmMachine,
  expected: readonly Uint8Array[] = machine.configs.map((_, n) => contents(n)),
): VmmClients {
  return new VmmClients(machine, {
    path: '/data',
    size: FILE_BYTES,
    check: (guest, bytes) => {
      const n = machine.configs.findIndex(({ name }) => name === guest);
      if (Buffer.compare(bytes, expected[n]!.subarray(0, bytes.length)) !== 0) throw new Error(`${guest}: wrong bytes`);
    },
  });
}

/** Reads a guest's file from end to end; false when a byte is wrong. */
export function* readsItsFile(
  { syscalls }: Kernel,
  guest: number,
  expected: Uint8Array = madeFor(guest).bytes,
): Process<boolean> {
  const fd = yield* syscalls.open('/data');
  const buffer = new Uint8Array(65_536);
  let isRight = true;
  for (let at = 0; at < FILE_BYTES; ) {
    const bytes = yield* syscalls.read(fd, buffer, 0, buffer.length);
    isRight &&= Buffer.compare(buffer.subarray(0, bytes), expected.subarray(at, at + bytes)) === 0;
    at += bytes;
  }
  yield* syscalls.close(fd);
  yield* syscalls.settle();
  return isRight;
}
