// The operations of the file-system exerciser against a byte array. They are writes, reads, also
// through mappings, truncations up and down, at unaligned places and of all sizes. There are also
// fsync, close and reopen, dropped caches, memory pressure, and reboots. After each operation that
// reads, and at the end, the file is the array. There are two such files, in turns. Another process
// reads both all the time, so that pages are locked, or under I/O, when something else wants them.
import { ModelError, Ns, PAGE_SIZE } from '../../src/base/index.ts';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import { MAP, MS, O, PROT, type Syscalls } from '../../src/kernel/index.ts';
import type { Process, RandomStream } from '../../src/sim/index.ts';
import { GuestDisk, emptyImage } from '../support/guest-disk.ts';

export const MAX_LENGTH = 256 << 10;
const MOST_BYTES = 24 << 10; // at least six pages
const PATHS = ['/fsx', '/fsx2'];
/** The other process sleeps so long between two reads at most, ns of virtual time. */
const READER_NAP_NS = 5_000_000;
/** Operations that are shown when one finds a difference. */
const SHOWN = 20;

export interface FsxResult {
  readonly operations: number;
  readonly reboots: number;
  /** Pages taken over from before a reboot. */
  readonly reused: number;
  readonly bytesRead: number;
  readonly digest: string;
}

/**
 * Runs `operations` operations under a seed; throws at the first difference, with the operations
 * before it.
 * @param onImage called at the end, after an orderly shutdown, with what is on the disk
 */
export function fsx(seed: number, operations: number, onImage?: (image: ImageStore) => void): FsxResult {
  return fsxOn(emptyImage(8 << 20), seed, operations, onImage);
}

/** The same on an image that is there. */
export function fsxOn(
  empty: ImageStore,
  seed: number,
  operations: number,
  onImage?: (image: ImageStore) => void,
): FsxResult {
  const disk = new GuestDisk(empty, seed);
  const random = disk.testbed.simulation.random.stream('fsx');
  const forReader = disk.testbed.simulation.random.stream('fsx reader');
  let reboots = 0;
  const files: Run[] = PATHS.map((path) => new Run(disk, random, path, reboot));
  /** An orderly reboot, or a crash right after sync: both keep the files. */
  function reboot(crash: boolean): void {
    reboots++;
    for (const file of files) file.beforeReboot(crash);
    if (crash) disk.run(disk.guest.kernel.syscalls.sync());
    disk.check();
    disk.reboot(crash);
    for (const file of files) file.afterReboot();
    spawnReader(disk, forReader);
  }
  spawnReader(disk, forReader);
  for (let i = 0; i < operations; i++) files[random.below(files.length)]!.step(i);
  for (const file of files) file.finish();
  disk.reboot(false, false);
  onImage?.(disk.image);
  return {
    operations,
    reboots,
    reused: disk.reused,
    bytesRead: files.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
    digest: disk.testbed.simulation.digest.hex,
  };
}

/** A process that reads the files here and there, until the guest ends. */
function spawnReader(disk: GuestDisk, random: RandomStream): void {
  const sys = disk.guest.kernel.syscalls;
  const fds = PATHS.map((path) => disk.run(sys.open(path)));
  const reader = function* (): Process {
    const buffer = new Uint8Array(MOST_BYTES);
    try {
      for (;;) {
        yield* sys.pread(fds[random.below(fds.length)]!, buffer, 0, random.below(MOST_BYTES), random.below(MAX_LENGTH));
        yield Ns(random.below(READER_NAP_NS));
      }
    } catch (error) {
      // The guest shuts down: what was open is closed.
      if (!(error instanceof ModelError) || error.code !== 'EBADF') throw error;
    }
  };
  disk.guest.domain.environment.spawn('reader', reader());
}

class Run {
  bytesRead = 0;
  readonly #disk: GuestDisk;
  readonly #random: RandomStream;
  readonly #model = new Uint8Array(MAX_LENGTH);
  #size = 0;
  #fd: number;
  /**
   * Address of a shared mapping of the whole range that lives on from one operation to others; 0:
   * none.
   */
  #mapping = 0;
  readonly #buffer = new Uint8Array(MOST_BYTES);
  readonly #data = new Uint8Array(MAX_LENGTH + MOST_BYTES);
  readonly #log: string[] = [];
  readonly #path: string;
  readonly #rebootAll: (crash: boolean) => void;

  constructor(disk: GuestDisk, random: RandomStream, path: string, rebootAll: (crash: boolean) => void) {
    this.#disk = disk;
    this.#path = path;
    this.#rebootAll = rebootAll;
    this.#random = random;
    for (let i = 0; i < this.#data.length; i++) this.#data[i] = (i * 31 + (i >>> 8) * 7 + 1) & 255;
    this.#fd = disk.run(disk.guest.kernel.syscalls.open(path, O.rdwr | O.creat));
  }

  step(number: number): void {
    try {
      this.#perform();
    } catch (error) {
      throw new Error(`operation ${number}, after\n  ${this.#log.slice(-SHOWN).join('\n  ')}`, { cause: error });
    }
  }

  /** Compares the whole file. */
  finish(): void {
    for (let at = 0; at < this.#size; at += MOST_BYTES) this.#read(at, MOST_BYTES, true);
  }

  get #sys(): Syscalls {
    return this.#disk.guest.kernel.syscalls;
  }

  #perform(): void {
    const random = this.#random;
    const what = random.below(1000);
    const at = random.below(MAX_LENGTH);
    const length = random.below(4) === 0 ? random.below(MOST_BYTES) : random.below(PAGE_SIZE + 100);
    if (what < 100) this.#mappedRead(this.#size === 0 ? 0 : at % this.#size, length);
    else if (what < 200) this.#mappedWrite(at, Math.min(length, MAX_LENGTH - at), what < 180);
    else if (what < 480) this.#read(this.#size === 0 ? 0 : at % this.#size, length, what < 400);
    else if (what < 860) this.#write(at, Math.min(length, MAX_LENGTH - at), what < 700);
    else if (what < 910) this.#truncate(random.below(2) === 0 ? at : Math.min(at, this.#size));
    else if (what < 930) this.#sync(what);
    else if (what < 950) this.#reopen(random.below(3));
    else if (what < 970) this.#dropCaches();
    else if (what < 985) this.#pressure(random.below(1500));
    else if (what < 986) this.#rebootAll(at % 2 === 0);
    else if (what < 994) this.#direct(Math.floor(at / PAGE_SIZE), 1 + random.below(6), what % 2 === 0);
    else this.#stat();
  }

  #read(at: number, length: number, positioned: boolean): void {
    this.#note(`${positioned ? 'pread' : 'read'} ${length} at ${at}`);
    const sys = this.#sys;
    const buffer = this.#buffer;
    let bytes: number;
    if (positioned) {
      bytes = sys.preadNow(this.#fd, buffer, 0, length, at);
      if (bytes < 0) bytes = this.#disk.run(sys.preadRest(this.#fd, buffer, 0, length, at, bytes));
    } else {
      sys.lseek(this.#fd, at);
      bytes = sys.readNow(this.#fd, buffer, 0, length);
      if (bytes < 0) bytes = this.#disk.run(sys.readRest(this.#fd, buffer, 0, length, bytes));
    }
    const expected = Math.max(0, Math.min(length, this.#size - at));
    if (bytes !== expected) throw new Error(`${bytes} bytes read, not ${expected}`);
    this.#compare(at, bytes);
  }

  /** What is in the buffer must be the file's, from `at` on. */
  #compare(at: number, bytes: number): void {
    const buffer = this.#buffer;
    if (Buffer.compare(buffer.subarray(0, bytes), this.#model.subarray(at, at + bytes)) !== 0) {
      const wrong = buffer.findIndex((byte, i) => byte !== this.#model[at + i]);
      throw new Error(`byte ${at + wrong} is ${buffer[wrong]!}, not ${this.#model[at + wrong]!}`);
    }
    this.bytesRead += bytes;
  }

  #mappedRead(at: number, length: number): void {
    const bytes = Math.max(0, Math.min(length, this.#size - at));
    if (bytes === 0) return;
    this.#note(`mapped read ${bytes} at ${at}`);
    const sys = this.#sys;
    const start = at - (at % PAGE_SIZE);
    const isPrivate = at % 2 === 0;
    const address = isPrivate
      ? sys.mmap(at + bytes - start, PROT.read, MAP.private, this.#fd, start) + at - start
      : this.#mapped() + at;
    const done = sys.loadNow(address, this.#buffer, 0, bytes);
    if (done < 0) this.#disk.run(sys.load(address, this.#buffer, 0, bytes));
    if (isPrivate) this.#disk.run(sys.munmap(address - (at - start), at + bytes - start));
    this.#compare(at, bytes);
  }

  /** As the original: beyond the end of the file, truncation comes first. */
  #mappedWrite(at: number, length: number, shared: boolean): void {
    if (length === 0) return;
    const sys = this.#sys;
    const from = this.#random.below(MAX_LENGTH);
    if (at + length > this.#size) this.#truncate(at + length);
    this.#note(`${shared ? '' : 'private '}mapped write ${length} at ${at}`);
    const start = at - (at % PAGE_SIZE);
    const lives = shared && at % 2 === 0;
    const kind = shared ? MAP.shared : MAP.private;
    const address = lives
      ? this.#mapped() + at
      : sys.mmap(at + length - start, PROT.read | PROT.write, kind, this.#fd, start) + at - start;
    this.#disk.run(sys.store(address, this.#data, from, length));
    if (shared) this.#model.set(this.#data.subarray(from, from + length), at);
    else {
      this.#disk.run(sys.load(address, this.#buffer, 0, length));
      if (Buffer.compare(this.#buffer.subarray(0, length), this.#data.subarray(from, from + length)) !== 0)
        throw new Error('a private copy is not what was stored');
    }
    if (lives) {
      // What is stored behind the end of the file is gone when it grows.
      const room = PAGE_SIZE - (this.#size % PAGE_SIZE);
      if (room < PAGE_SIZE && this.#size + room <= MAX_LENGTH && at % 8 === 0)
        this.#disk.run(sys.store(this.#mapped() + this.#size, this.#data, from, room));
      if (at % 4 === 0)
        this.#disk.run(sys.msync(address - (address % PAGE_SIZE), length, at % 32 === 0 ? MS.sync : MS.async));
    } else this.#disk.run(sys.munmap(address - (at - start), at + length - start));
  }

  #mapped(): number {
    if (this.#mapping === 0)
      this.#mapping = this.#sys.mmap(MAX_LENGTH, PROT.read | PROT.write, MAP.shared, this.#fd, 0);
    return this.#mapping;
  }

  #msync(): void {
    if (this.#mapping > 0) this.#disk.run(this.#sys.msync(this.#mapping, MAX_LENGTH, MS.async));
  }

  #unmap(): void {
    if (this.#mapping === 0) return;
    // In two parts, so that a range is cut.
    this.#disk.run(this.#sys.munmap(this.#mapping + MAX_LENGTH / 4, MAX_LENGTH / 2));
    this.#disk.run(this.#sys.munmap(this.#mapping, MAX_LENGTH));
    this.#mapping = 0;
  }

  #write(at: number, length: number, positioned: boolean): void {
    this.#note(`${positioned ? 'pwrite' : 'write'} ${length} at ${at}`);
    const sys = this.#sys;
    const from = this.#random.below(MAX_LENGTH);
    let bytes: number;
    if (positioned) bytes = this.#disk.run(sys.pwrite(this.#fd, this.#data, from, length, at));
    else {
      sys.lseek(this.#fd, at);
      bytes = sys.writeNow(this.#fd, this.#data, from, length);
      if (bytes < 0) bytes = this.#disk.run(sys.writeRest(this.#fd, this.#data, from, length, bytes));
    }
    if (bytes !== length) throw new Error(`${bytes} bytes written`);
    if (length === 0) return;
    this.#model.set(this.#data.subarray(from, from + length), at);
    this.#size = Math.max(this.#size, at + length);
  }

  #truncate(size: number): void {
    this.#note(`truncate to ${size}`);
    this.#disk.run(this.#sys.ftruncate(this.#fd, size));
    if (size < this.#size) this.#model.fill(0, size);
    this.#size = size;
  }

  #sync(what: number): void {
    this.#note('sync');
    const sys = this.#sys;
    this.#disk.run(what % 3 === 0 ? sys.fsync(this.#fd) : what % 3 === 1 ? sys.fdatasync(this.#fd) : sys.sync());
  }

  /** Closes the file, and opens it again in one of three ways. */
  #reopen(how: number): void {
    this.#note('close and open');
    this.#disk.run(this.#sys.close(this.#fd));
    if (how === 2) this.#unmap();
    if (how === 0) this.#disk.run(this.#sys.rename(this.#path, '/other'));
    if (how === 0) this.#disk.run(this.#sys.rename('/other', this.#path));
    this.#fd = this.#disk.run(this.#sys.open(this.#path, how === 1 ? O.rdwr | O.creat : O.rdwr));
  }

  #dropCaches(): void {
    this.#note('drop caches');
    this.#sys.dropCaches();
  }

  /** Another file takes memory: it is written, and what was cached is reclaimed. */
  #pressure(pages: number): void {
    this.#note(`write ${pages} pages elsewhere`);
    // Everything that can be freed without waiting goes, mapped pages too.
    if (pages % 3 === 0) this.#disk.guest.kernel.mm.reclaim.tryToFreePages(Infinity);
    const sys = this.#sys;
    const data = this.#data;
    this.#disk.run(
      (function* () {
        const fd = yield* sys.open('/elsewhere', O.wronly | O.creat | O.trunc);
        for (let i = 0; i < pages; i += 16) yield* sys.write(fd, data, i, 16 * PAGE_SIZE);
        yield* sys.close(fd);
        if (pages % 2 === 0) yield* sys.unlink('/elsewhere');
      })(),
    );
  }

  /**
   * Past the cache, by a descriptor of its own: whole blocks within the file, or the whole of it
   * from there.
   */
  #direct(first: number, count: number, isWrite: boolean): void {
    this.#note(`direct ${isWrite ? 'write' : 'read'} of ${count} pages from page ${first}`);
    const sys = this.#sys;
    const at = first * PAGE_SIZE;
    const length = Math.min(count * PAGE_SIZE, MAX_LENGTH - at);
    const from = this.#random.below(MAX_LENGTH);
    const fd = this.#disk.run(sys.open(this.#path, O.rdwr | O.direct));
    if (isWrite) {
      const bytes = this.#disk.run(sys.pwrite(fd, this.#data, from, length, at));
      if (bytes !== length) throw new Error(`${bytes} bytes written`);
      this.#model.set(this.#data.subarray(from, from + length), at);
      this.#size = Math.max(this.#size, at + length);
    } else {
      const expected = Math.max(0, Math.min(length, this.#size - at));
      const bytes = this.#disk.run(sys.pread(fd, this.#buffer, 0, length, at));
      if (bytes !== expected) throw new Error(`${bytes} bytes read, not ${expected}`);
      if (Buffer.compare(this.#buffer.subarray(0, bytes), this.#model.subarray(at, at + bytes)) !== 0)
        throw new Error('read past the cache: not what was written');
    }
    this.#disk.run(sys.close(fd));
  }

  /** What was stored through the mapping is known before a crash. */
  beforeReboot(crash: boolean): void {
    this.#note(crash ? 'sync, crash' : 'reboot');
    if (crash) this.#msync();
  }

  afterReboot(): void {
    this.#mapping = 0;
    this.#fd = this.#disk.run(this.#sys.open(this.#path, O.rdwr));
  }

  #stat(): void {
    this.#note('stat');
    const { size } = this.#sys.fstat(this.#fd);
    if (size !== this.#size) throw new Error(`size is ${size}, not ${this.#size}`);
  }

  #note(text: string): void {
    this.#log.push(text);
    if (this.#log.length > 2 * SHOWN) this.#log.splice(0, SHOWN);
  }
}
