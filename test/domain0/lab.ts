// A drive, domain 0's page cache in front of it, and a device that asks for sectors: without
// hypervisor and guests.
import { Mfn, PAGE_SIZE, SECTOR_SIZE, SECTORS_PER_PAGE } from '../../src/base/index.ts';
import type { BlockOp, BlockRequest } from '../../src/disk/drive/block-device.ts';
import { Drive } from '../../src/disk/drive/drive.ts';
import { InstantDisk } from '../../src/disk/drive/instant.ts';
import { generationOf } from '../../src/disk/image/backing-store.ts';
import { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { Domain0Files } from '../../src/domain0/files.ts';
import type { ImageFile } from '../../src/domain0/image-file.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { CpuClock } from '../../src/sim/cpu-clock.ts';
import { Power } from '../../src/sim/power.ts';
import { Simulation } from '../../src/sim/index.ts';

export const COSTS = {
  pageLookupNs: 100,
  copyNsPerByte: 0.5,
  pageAllocNs: 10,
  bioSubmitNs: 1000,
  interruptNs: 500,
  contextSwitchNs: 2000,
};
const FRAMES = 64;
/** 1 MiB, the smallest cache. */
export const CACHE_PAGES = 256;

export class Lab {
  readonly simulation = new Simulation(1);
  readonly memory = new MachineMemory(FRAMES * PAGE_SIZE);
  readonly image: MemoryImage;
  readonly drive: Drive;
  readonly files: Domain0Files;
  readonly file: ImageFile;
  /** Requests that the drive has begun. */
  readonly seen: { readonly op: BlockOp; readonly block: number; readonly pages: number }[] = [];
  /** Whether a request of the drive fails. */
  fails: (request: BlockRequest) => boolean = () => false;
  #processor: { power: Power; domain0Cpu: CpuClock };

  /** Block n of the medium is full of bytes n + 1. The file is its first sectors, or all. */
  constructor(
    blocks: number,
    { cacheBytes = CACHE_PAGES * PAGE_SIZE, writeCacheBytes = 0, sectors = 8 * blocks } = {},
  ) {
    this.image = new MemoryImage(blocks * PAGE_SIZE);
    for (let n = 0; n < blocks; n++) this.image.write(n * PAGE_SIZE, page(n + 1), 0, PAGE_SIZE);
    this.drive = new Drive(this.simulation, this.memory, this.image, {
      model: new InstantDisk(),
      writeCacheBytes,
      // Without a flush nothing reaches the medium.
      destageDelayNs: 1e15,
      faults: (request) => {
        const { op, sector, segments } = request;
        this.seen.push({ op, block: sector / SECTORS_PER_PAGE, pages: segments.length });
        return this.fails(request) ? 'EIO' : undefined;
      },
    });
    this.#processor = this.#boot();
    this.files = new Domain0Files({
      drive: this.drive,
      memory: this.memory,
      cacheBytes,
      costs: COSTS,
      processor: () => this.#processor,
    });
    this.file = this.files.open(0, sectors);
  }

  #boot(): { power: Power; domain0Cpu: CpuClock } {
    return { power: new Power(this.simulation), domain0Cpu: new CpuClock(this.simulation) };
  }

  get generation(): number {
    return generationOf(this.file.store);
  }

  /** The machine is reset, and domain 0 boots again. */
  reset(): void {
    this.#processor.power.off();
    this.files.lose();
    this.#processor = this.#boot();
  }

  /** Power is lost: nothing reaches the medium that no flush has covered. */
  powerLoss(): void {
    this.#processor.power.off();
    this.files.lose();
    this.drive.powerLoss(0);
    this.#processor = this.#boot();
  }

  /** Begins a request, and returns where its end is told. */
  begin(op: BlockOp, sector: number, lengths: readonly number[], frame = 1): { end: 'ok' | 'EIO' | undefined } {
    const told: { end: 'ok' | 'EIO' | undefined } = { end: undefined };
    const segments = lengths.map((length, n) => ({ mfn: Mfn(frame + n), offset: 0, length }));
    this.file.submit({ op, sector, segments, done: (error) => (told.end = error ?? 'ok') });
    return told;
  }

  /** Does a request, and returns how it ended and how long it took. */
  do(op: BlockOp, sector = 0, lengths: readonly number[] = []): { end: 'ok' | 'EIO' | undefined; ns: number } {
    const start = this.simulation.now;
    const told = this.begin(op, sector, lengths);
    this.simulation.run(() => told.end !== undefined);
    return { end: told.end, ns: this.simulation.now - start };
  }

  /** Reads blocks by one request each; returns the first byte of each. */
  read(first: number, count = 1): (number | 'EIO')[] {
    return Array.from({ length: count }, (_, n) => {
      const { end } = this.do('read', (first + n) * SECTORS_PER_PAGE, [PAGE_SIZE]);
      return end === 'ok' ? this.memory.readU8(Mfn(1), 0) : 'EIO';
    });
  }

  /** Fills a block; returns how that ended. */
  write(block: number, value: number): 'ok' | 'EIO' | undefined {
    this.memory.copyIn(Mfn(1), 0, page(value), 0, PAGE_SIZE);
    return this.do('write', block * SECTORS_PER_PAGE, [PAGE_SIZE]).end;
  }

  /** Lets time pass. */
  wait(ns: number): void {
    const end = this.simulation.now + ns;
    let isOver = false;
    this.simulation.after(ns as never, () => (isOver = true));
    this.simulation.run(() => isOver);
    if (this.simulation.now !== end) throw new Error('time has not passed');
  }

  /** The first byte of a block on the medium, and as the drive would read it. */
  onMedium(block: number): number {
    return byteOf(this.image, block);
  }

  inDrive(block: number): number {
    return byteOf(this.drive.contents, block);
  }

  asGuest(block: number): number {
    return byteOf(this.files.contents, block);
  }

  pagesOf(op: BlockOp): number {
    return this.seen.reduce((sum, one) => sum + (one.op === op ? one.pages : 0), 0);
  }
}

export const page = (value: number): Uint8Array => new Uint8Array(PAGE_SIZE).fill(value & 255);

function byteOf(
  from: { read(offset: number, dst: Uint8Array, at: number, length: number): void },
  block: number,
): number {
  const bytes = new Uint8Array(SECTOR_SIZE);
  from.read(block * PAGE_SIZE, bytes, 0, SECTOR_SIZE);
  return bytes[0]!;
}
