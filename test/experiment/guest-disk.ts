// A machine whose guest writes: a small disk, guests that follow each other on it, and what must hold at any moment: every
// frame that the hypervisor calls clean, and every page that a guest takes over, equals its block as the drive has it.
import { ModelError, Ns, PAGE_SIZE, type Mfn } from '../../src/base/index.ts';
import type { BlockDevice, BlockRequest } from '../../src/disk/block-device.ts';
import type { ImageStore } from '../../src/disk/image-store.ts';
import { makeExt2 } from '../../src/disk/mkfs.ts';
import { directory, tree } from '../../src/disk/mkfs-tree.ts';
import { type Guest, Testbed } from '../../src/experiment/testbed.ts';
import { Kernel } from '../../src/kernel/index.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../src/sim/index.ts';
import { type Domain, Provenance, ShutdownReason } from '../../src/xen/index.ts';

const MIB = 1 << 20;
const GUEST_MEMORY = 12 * MIB;
const MACHINE_MEMORY = 40 * MIB;

let memory: MachineMemory | undefined;

const CMD_LINE = 'cachemap=all';

/** The drive, of which some requests fail. */
class FlakyDevice implements BlockDevice {
  failOneIn: number;
  readonly #testbed: Testbed;

  constructor(testbed: Testbed, failOneIn: number) {
    this.#testbed = testbed;
    this.failOneIn = failOneIn;
  }

  get sectorCount(): number {
    return this.#testbed.drive.sectorCount;
  }

  submit(request: BlockRequest): void {
    const { drive, simulation } = this.#testbed;
    const random = simulation.random.stream('flaky');
    if (this.failOneIn === 0 || random.below(this.failOneIn) > 0) drive.submit(request);
    else if (random.below(2) === 0) drive.submit({ ...request, done: () => request.done('EIO') });
    else simulation.after(Ns(1000), () => request.done('EIO'));
  }
}

/** Shuts down. A drive that fails does not keep the guest from stopping. */
function* untilStopped(domain: Domain, shutdown: Process): Process {
  try {
    yield* shutdown;
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    domain.environment.hypercalls.shutdown(ShutdownReason.reboot);
  }
}

/** An empty file system of so many bytes. */
export function emptyImage(sizeBytes: number): ReturnType<typeof makeExt2> {
  return makeExt2(tree(directory([])), { size: sizeBytes });
}

export class GuestDisk {
  readonly testbed: Testbed;
  readonly image: ImageStore;
  guest: Guest;
  /** Pages taken over by guests since the beginning. */
  reused = 0;
  readonly #onDisk = new Uint8Array(PAGE_SIZE);

  /** @param failOneIn one of so many requests fails, before or after it was carried out; 0: none */
  constructor(image: ImageStore, seed: number, failOneIn = 0) {
    memory ??= new MachineMemory(MACHINE_MEMORY);
    this.image = image;
    this.testbed = new Testbed({
      seed,
      profile: SERVER_2026,
      // No volatile cache: what the drive has taken is in the image.
      disk: 'instant',
      image,
      memory,
      guestMemory: GUEST_MEMORY,
    });
    this.#device = new FlakyDevice(this.testbed, failOneIn);
    const { toolstack } = this.testbed;
    const config = { name: 'guest', memoryBytes: GUEST_MEMORY, device: this.#device, cmdLine: CMD_LINE };
    this.guest = this.#boot(this.run(toolstack.createDomain(config)));
  }
  readonly #device: FlakyDevice;

  /** Runs a process of the guest to its end. */
  run<T>(process: Process<T>): T {
    return this.testbed.simulation.runProcess('test', process);
  }

  /** Runs at most so many events of a process of the guest; for a crash in the middle. */
  runSome(process: Process<unknown>, events: number): void {
    const { simulation } = this.testbed;
    let over = false;
    this.guest.domain.environment.spawn(
      'test',
      (function* (): Process {
        yield* process;
        over = true;
      })(),
    );
    const last = simulation.eventCount + events;
    simulation.run(() => over || simulation.eventCount >= last);
  }

  /** The next guest, after an orderly shutdown or a crash of this one. */
  reboot(crash: boolean, preserve = true): void {
    const { kernel, domain } = this.guest;
    if (crash) this.crash();
    else this.run(untilStopped(domain, kernel.shutdown()));
    this.restart(preserve);
  }

  /** The guest dies where it stands. */
  crash(): void {
    this.guest.kernel.crash();
  }

  /** The next guest, after this one has stopped. */
  restart(preserve = true): void {
    const { domain } = this.guest;
    const options = { preserve, cmdLine: CMD_LINE, betweenGuests: () => this.#checkClean() };
    this.guest = this.#boot(this.run(this.testbed.toolstack.restartDomain(domain, options)));
  }

  /** Boots a guest. Meanwhile the device does not fail: a guest that cannot read its root is of no use here. */
  #boot(domain: Domain): Guest {
    const { failOneIn } = this.#device;
    this.#device.failOneIn = 0;
    const kernel = this.run(
      Kernel.boot(domain.environment, this.testbed.guestCosts, (pfn, ino, index, block) => {
        this.reused++;
        this.#mustEqual(domain.frameOf(pfn), block, `page ${index} of inode ${ino} was taken over`);
      }),
    );
    this.#device.failOneIn = failOneIn;
    return { domain, kernel };
  }

  /** Every frame that the hypervisor vouches for equals its block; what it keeps of frames makes sense. */
  check(): void {
    this.#checkClean();
    this.testbed.toolstack.checkInvariants();
  }

  #checkClean(): void {
    const { hypervisor } = this.testbed;
    const { frames } = hypervisor;
    for (let mfn = 0; mfn < hypervisor.map.frameCount; mfn++)
      if (frames.ownerOf(mfn as Mfn) > 1 && frames.provenanceOf(mfn as Mfn) === Provenance.clean)
        this.#mustEqual(mfn as Mfn, frames.blockOf(mfn as Mfn), `frame ${mfn} is clean`);
  }

  #mustEqual(mfn: Mfn, block: number, what: string): void {
    this.image.read(block * PAGE_SIZE, this.#onDisk, 0, PAGE_SIZE);
    if (Buffer.compare(this.#onDisk, memory!.frame(mfn)) !== 0) throw new Error(`${what} and is not block ${block}`);
  }
}
