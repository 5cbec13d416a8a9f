// A machine whose guest writes: a small disk, guests that follow each other on it, and what must
// hold at any moment. Every frame that the hypervisor calls clean, and every page that a guest
// takes over, equals its block as the drive has it.
import { Ns, PAGE_SIZE, type Mfn } from '../../src/base/index.ts';
import type { BackingStore } from '../../src/disk/image/backing-store.ts';
import type { BlockDevice, BlockRequest } from '../../src/disk/drive/block-device.ts';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, tree } from '../../src/disk/mkfs/tree.ts';
import { type Guest, Testbed } from '../../src/experiment/host/testbed.ts';
import { Kernel } from '../../src/kernel/index.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { Process, RandomStream } from '../../src/sim/index.ts';
import { domainOf, type Domain, type Protections, Provenance } from '../../src/xen/index.ts';

const MIB = 1 << 20;
const GUEST_MEMORY = 12 * MIB;
const MACHINE_MEMORY = 40 * MIB;

/** Made once for each use: a Testbed clears it. */
const memories = new Map<string, MachineMemory>();

const CMD_LINE = 'cachemap=all';
/** Guests that register their dirty pages: restarts write these home. */
export const RIO = 'rio=on';
export const RIO_WARM_CACHE = `${CMD_LINE} ${RIO}`;

/** The drive, of which some requests fail. */
class FlakyDevice implements BlockDevice {
  failOneIn: number;
  readonly #testbed: Testbed;
  readonly #random: RandomStream;
  readonly #fails: (request: BlockRequest) => boolean;

  constructor(testbed: Testbed, failOneIn: number, fails: (request: BlockRequest) => boolean = () => false) {
    this.#testbed = testbed;
    this.#random = testbed.simulation.random.stream('flaky');
    this.failOneIn = failOneIn;
    this.#fails = fails;
  }

  get store(): BackingStore {
    return this.#testbed.drive.store;
  }

  get sectorCount(): number {
    return this.#testbed.drive.sectorCount;
  }

  submit(request: BlockRequest): void {
    const { drive, simulation } = this.#testbed;
    const random = this.#random;
    if (this.#fails(request)) simulation.after(Ns(1000), () => request.done('EIO'));
    else if (this.failOneIn === 0 || random.below(this.failOneIn) > 0) drive.submit(request);
    else if (random.below(2) === 0) drive.submit({ ...request, done: () => request.done('EIO') });
    else simulation.after(Ns(1000), () => request.done('EIO'));
  }
}

/** An empty file system of so many bytes; ext3 when it has a journal. */
export function emptyImage(sizeBytes: number, journalBlocks?: number): ReturnType<typeof makeExt2> {
  return makeExt2(tree(directory([])), { size: sizeBytes, journalBlocks });
}

export interface GuestDiskOptions {
  /** One of so many requests fails, before or after it was carried out; 0: none. */
  readonly failOneIn?: number;
  /** Asked of each request of the guests: whether it fails before it is carried out. */
  readonly fails?: (request: BlockRequest) => boolean;
  /**
   * A drive with platters and a volatile write cache: what it has taken need not be in the image.
   */
  readonly hasCache?: boolean;
  /** Of all guests. */
  readonly cmdLine?: string;
  /** Protections to switch from their defaults. */
  readonly protections?: Partial<Protections>;
  /** Machines that live at the same time need memories of different names. */
  readonly memory?: string;
  /** Called with each domain before a guest boots in it. */
  readonly onDomain?: (domain: Domain) => void;
  /** Called with each guest that has booted. */
  readonly onGuest?: (guest: Guest, testbed: Testbed) => void;
}

export class GuestDisk {
  testbed: Testbed;
  /** The medium. */
  readonly image: ImageStore;
  guest: Guest;
  /** Pages taken over by guests since the beginning. */
  reused = 0;
  readonly #onDisk = new Uint8Array(PAGE_SIZE);

  readonly #memory: MachineMemory;
  readonly #options: GuestDiskOptions;
  readonly #seed: number;
  readonly #hasCache: boolean;
  #device: FlakyDevice;

  constructor(image: ImageStore, seed: number, options: GuestDiskOptions = {}) {
    const name = options.memory ?? '';
    const memory = memories.get(name) ?? new MachineMemory(MACHINE_MEMORY);
    memories.set(name, memory);
    this.#memory = memory;
    this.#options = options;
    this.image = image;
    this.#seed = seed;
    this.#hasCache = options.hasCache ?? false;
    this.testbed = this.#powerOn();
    this.#device = new FlakyDevice(this.testbed, options.failOneIn ?? 0, options.fails);
    this.guest = this.#first();
  }

  get #cmdLine(): string {
    return this.#options.cmdLine ?? CMD_LINE;
  }

  #powerOn(): Testbed {
    const { protections } = this.#options;
    return new Testbed({
      seed: this.#seed,
      profile: SERVER_2026,
      disk: this.#hasCache ? 'disk' : 'instant',
      image: this.image,
      memory: this.#memory,
      guestMemory: GUEST_MEMORY,
      ...(protections && { protections }),
    });
  }

  /** The first guest of a machine that was just switched on. */
  #first(): Guest {
    const config = { name: 'guest', memoryBytes: GUEST_MEMORY, device: this.#device, cmdLine: this.#cmdLine };
    return this.#boot(this.run(domainOf(this.testbed.toolstack.createDomain(config))));
  }

  /**
   * Power fails: memory is lost, and of what the drive had only in its cache some sectors, in no
   * order.
   */
  losePower(): void {
    this.testbed.drive.powerLoss();
    this.#memory.clearAll();
  }

  /** The machine is switched on again, and its guest boots. */
  switchOn(): void {
    this.testbed = this.#powerOn();
    this.#device = new FlakyDevice(this.testbed, this.#device.failOneIn, this.#options.fails);
    this.guest = this.#first();
  }

  /** Runs a process of the guest to its end. */
  run<T>(process: Process<T>): T {
    return this.testbed.simulation.runProcess('test', process);
  }

  /** The same, while the device does not fail. */
  reliably<T>(process: Process<T>): T {
    const { failOneIn } = this.#device;
    this.#device.failOneIn = 0;
    try {
      return this.run(process);
    } finally {
      this.#device.failOneIn = failOneIn;
    }
  }

  /**
   * Runs at most so many events of a process of the guest; for a crash in the middle. With
   * `checkEvery`, checks all so many.
   */
  runSome(process: Process<unknown>, events: number, checkEvery = Infinity): void {
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
    for (let next = simulation.eventCount; !over && simulation.eventCount < last; ) {
      next = Math.min(last, next + checkEvery);
      if (simulation.run(() => over || simulation.eventCount >= next) === 0) break;
      if (checkEvery < Infinity) this.check();
    }
  }

  /** The next guest, after an orderly shutdown or a crash of this one. */
  reboot(crash: boolean, preserve = true, betweenGuests?: () => void, cmdLine = this.#cmdLine): void {
    const { kernel } = this.guest;
    if (crash) this.crash();
    else this.run(kernel.shutdown());
    this.restart(preserve, betweenGuests, cmdLine);
  }

  /** The guest dies where it stands. */
  crash(): void {
    this.guest.kernel.crash();
  }

  /** The next guest, after this one has stopped. */
  restart(preserve = true, betweenGuests?: () => void, cmdLine = this.#cmdLine): void {
    const { domain } = this.guest;
    const between = (): void => {
      this.#checkClean();
      betweenGuests?.();
    };
    const options = { preserve, cmdLine, betweenGuests: between, writeDirty: cmdLine.includes(RIO) };
    this.guest = this.#boot(this.run(domainOf(this.testbed.toolstack.restartDomain(domain, options))));
  }

  /**
   * Boots a guest. Meanwhile the device does not fail: a guest that cannot read its root is of no
   * use here.
   */
  #boot(domain: Domain): Guest {
    this.#options.onDomain?.(domain);
    const kernel = this.reliably(
      Kernel.boot(domain.environment, this.testbed.guestCosts, (pfn, ino, index, block) => {
        this.reused++;
        if (this.#hasCache) return;
        this.#mustEqual(domain.frameOf(pfn), block, `page ${index} of inode ${ino} was taken over`);
      }),
    );
    const guest = { domain, kernel };
    this.#options.onGuest?.(guest, this.testbed);
    return guest;
  }

  /**
   * Every frame that the hypervisor vouches for equals its block; what it keeps of frames makes
   * sense.
   */
  check(): void {
    this.#checkClean();
    this.testbed.toolstack.list.checkInvariants();
  }

  #checkClean(): void {
    // What the drive has in its cache cannot be seen from here.
    if (this.#hasCache) return;
    const { hypervisor } = this.testbed;
    const { frames } = hypervisor;
    for (let mfn = 0; mfn < hypervisor.map.frameCount; mfn++)
      if (frames.ownerOf(mfn as Mfn) > 1 && frames.provenanceOf(mfn as Mfn) === Provenance.clean)
        this.#mustEqual(mfn as Mfn, frames.blockOf(mfn as Mfn), `frame ${mfn} is clean`);
  }

  #mustEqual(mfn: Mfn, block: number, what: string): void {
    this.image.read(block * PAGE_SIZE, this.#onDisk, 0, PAGE_SIZE);
    if (Buffer.compare(this.#onDisk, this.#memory.frame(mfn)) !== 0)
      throw new Error(`${what} and is not block ${block}`);
  }
}
