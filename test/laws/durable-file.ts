// What the tests of fsync share. A file is changed, a call follows after which the change must be
// on the medium, and then a loss of power. The drive has a volatile cache; what lies only there is
// lost, all of it.
import { ModelError, Ns, PAGE_SIZE } from '../../src/base/index.ts';
import type { BlockRequest } from '../../src/disk/drive/block-device.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, sparse, tree } from '../../src/disk/mkfs/tree.ts';
import { MAP, MS, O, PROT, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { GuestDisk } from '../support/guest-disk.ts';

/** A page's worth of bytes without zeros. */
export const pageOf = (salt: number): Uint8Array => new Uint8Array(PAGE_SIZE).map((_, i) => (i * 31 + salt) & 255 || 1);

/** Pages of /f: the other ones are holes. 12 and those behind it lie behind an indirect block. */
const FULL = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20];
const F_PAGES = 21;
/** Pages of /g, which has no indirect block. */
const G_PAGES = 12;

export type FileSystem = 'ext2' | 'ext3';
const images = new Map<FileSystem, MemoryImage>();

/** A small disk with /f and /g. */
export function imageOf(fs: FileSystem): MemoryImage {
  let image = images.get(fs);
  if (image === undefined) {
    const f = sparse(
      F_PAGES * PAGE_SIZE,
      FULL.map((index) => [index * PAGE_SIZE, pageOf(index)]),
    );
    const g = new Uint8Array(G_PAGES * PAGE_SIZE).fill(7);
    const entries = directory([
      ['f', file(f)],
      ['g', file(g)],
      ['h', file(g)],
    ]);
    image = makeExt2(tree(entries), { size: 8 << 20, journalBlocks: fs === 'ext3' ? 1024 : undefined });
    images.set(fs, image);
  }
  return image.clone();
}

/** What must be on the medium. */
export interface Durable {
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly index: number;
  /** Page `index`, up to the end of the file. */
  readonly bytes: Uint8Array;
}

/** A change of a file, after which page `index` is `pageOf(99)`. */
export interface Change {
  readonly path: string;
  readonly index: number;
  /** Pages afterwards. */
  readonly pages: number;
  readonly make: (sys: Syscalls, change: Change) => Process;
}

/** Writes a page at its place, past nothing. */
function* writePage(sys: Syscalls, { path, index }: Change): Process {
  const fd = yield* sys.open(path, O.rdwr);
  yield* sys.pwrite(fd, pageOf(99), 0, PAGE_SIZE, index * PAGE_SIZE);
  yield* sys.close(fd);
}

function* storePage(sys: Syscalls, { path, index }: Change): Process {
  const fd = yield* sys.open(path, O.rdwr);
  const address = sys.mmap(PAGE_SIZE, PROT.read | PROT.write, MAP.shared, fd, index * PAGE_SIZE);
  yield* sys.store(address, pageOf(99), 0, PAGE_SIZE);
  yield* sys.munmap(address, PAGE_SIZE);
  yield* sys.close(fd);
}

function* cut(sys: Syscalls, change: Change): Process {
  yield* writePage(sys, change);
  yield* sys.truncate(change.path, change.pages * PAGE_SIZE);
}

const DOUBLE = G_PAGES + 1024 + 3;

export const CHANGES = {
  'overwrites a page': { path: '/f', index: 1, pages: F_PAGES, make: writePage },
  'fills a hole': { path: '/f', index: 3, pages: F_PAGES, make: writePage },
  'fills a hole behind the indirect block': { path: '/f', index: 14, pages: F_PAGES, make: writePage },
  'appends a page behind the indirect block': { path: '/f', index: F_PAGES, pages: F_PAGES + 1, make: writePage },
  'appends the first indirect block': { path: '/g', index: G_PAGES, pages: G_PAGES + 1, make: writePage },
  'makes two levels of indirect blocks': { path: '/g', index: DOUBLE, pages: DOUBLE + 1, make: writePage },
  'cuts what lies behind a page': { path: '/f', index: 14, pages: 15, make: cut },
  'stores through a mapping': { path: '/f', index: 1, pages: F_PAGES, make: storePage },
  'stores into a hole through a mapping': { path: '/f', index: 15, pages: F_PAGES, make: storePage },
} satisfies Record<string, Change>;
export type ChangeName = keyof typeof CHANGES;

/**
 * A call that names an open file; what is on the medium when it returns has page `index` of this
 * salt.
 */
interface SyncCall {
  readonly salt: number;
  readonly flags: number;
  readonly make: (sys: Syscalls, fd: number, index: number) => Process;
}

export const SYNC_CALLS = {
  fsync: { salt: 99, flags: O.rdonly, make: (sys, fd) => sys.fsync(fd) },
  fdatasync: { salt: 99, flags: O.rdonly, make: (sys, fd) => sys.fdatasync(fd) },
  O_SYNC: {
    salt: 100,
    flags: O.rdwr | O.sync,
    *make(sys, fd, index) {
      yield* sys.pwrite(fd, pageOf(100), 0, PAGE_SIZE, index * PAGE_SIZE);
    },
  },
  'O_SYNC, O_DIRECT': {
    salt: 102,
    flags: O.rdwr | O.sync | O.direct,
    *make(sys, fd, index) {
      yield* sys.pwrite(fd, pageOf(102), 0, PAGE_SIZE, index * PAGE_SIZE);
    },
  },
  msync: {
    salt: 101,
    flags: O.rdwr,
    *make(sys, fd, index) {
      const address = sys.mmap(PAGE_SIZE, PROT.read | PROT.write, MAP.shared, fd, index * PAGE_SIZE);
      yield* sys.store(address, pageOf(101), 0, PAGE_SIZE);
      try {
        yield* sys.msync(address, PAGE_SIZE, MS.sync);
      } finally {
        yield* sys.munmap(address, PAGE_SIZE);
      }
    },
  },
} satisfies Record<string, SyncCall>;
export type SyncName = keyof typeof SYNC_CALLS;

/** ok, or the errno that a call throws. */
export function codeOf(call: () => unknown): string {
  try {
    call();
    return 'ok';
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return error.code;
  }
}

/** A guest on a fresh disk. */
export class DurableFile {
  readonly disk: GuestDisk;
  readonly #medium: MemoryImage;
  readonly #change: Change;

  constructor(fs: FileSystem, change: ChangeName, fails?: (request: BlockRequest) => boolean) {
    this.#change = CHANGES[change];
    this.#medium = imageOf(fs);
    this.disk = new GuestDisk(this.#medium, 1, { hasCache: true, cmdLine: 'cachemap=off', ...(fails && { fails }) });
  }

  get sys(): Syscalls {
    return this.disk.guest.kernel.syscalls;
  }

  /** Whether nothing can be changed any more. */
  get isReadOnly(): boolean {
    return codeOf(() => this.disk.run(this.sys.chmod('/h', 0o644))) === 'EROFS';
  }

  /** Inodes in memory. */
  get inodes(): number {
    return this.disk.guest.kernel.stats.inodes;
  }

  /**
   * Changes the file. Its inode is dirty for 20 s by then, the block device is not: so kupdate
   * writes the one before the other.
   */
  change(): void {
    const { sys } = this;
    const { path, make } = this.#change;
    const change = this.#change;
    this.disk.run(
      (function* (): Process {
        yield* sys.chmod('/h', 0o600);
        yield* sys.sync();
        yield* sys.chmod(path, 0o600);
        yield Ns(20e9);
        yield* make(sys, change);
      })(),
    );
  }

  /** Lets so many events happen, or as many as come in so many seconds; returns how many did. */
  wait(events: number, seconds = Infinity): number {
    const { simulation } = this.disk.testbed;
    const [first, end] = [simulation.eventCount, simulation.now + seconds * 1e9];
    simulation.run(() => simulation.eventCount - first >= events || simulation.now >= end);
    return simulation.eventCount - first;
  }

  /** Begins a call on the file, which is opened for it; `end` is told ok or an errno. */
  begin(name: SyncName, end: (answer: string) => void, path = this.#change.path): void {
    const { sys } = this;
    const { flags, make }: SyncCall = SYNC_CALLS[name];
    const { index } = this.#change;
    this.disk.guest.domain.environment.spawn(
      'call',
      (function* (): Process {
        let fd: number | undefined;
        try {
          fd = yield* sys.open(path, flags);
          yield* make(sys, fd, index);
          end('ok');
        } catch (error) {
          if (!(error instanceof ModelError)) throw error;
          end(error.code);
        }
        if (fd !== undefined) yield* sys.close(fd);
      })(),
    );
  }

  /** The answer of a call. `meanwhile` is called at each event. */
  call(name: SyncName, meanwhile: () => void = () => undefined, path?: string): string {
    let answer: string | undefined;
    this.begin(name, (code) => (answer = code), path);
    this.disk.testbed.simulation.run(() => {
      meanwhile();
      return answer !== undefined;
    });
    if (answer === undefined) throw new Error(`${name} does not end`);
    return answer;
  }

  /** What an `ok` of a call means. */
  promised(name: SyncName): Durable {
    const { path, index, pages } = this.#change;
    return { path, index, size: pages * PAGE_SIZE, bytes: pageOf(SYNC_CALLS[name].salt) };
  }

  /**
   * Whether the promised is there after a loss of power at this moment, as another guest sees it.
   */
  survives({ path, size, index, bytes }: Durable): boolean {
    const reader = new GuestDisk(this.#medium.clone(), 1, { cmdLine: 'cachemap=off', memory: 'reader' });
    const { syscalls: sys } = reader.guest.kernel;
    return reader.run(
      (function* (): Process<boolean> {
        const fd = yield* sys.open(path);
        const page = new Uint8Array(PAGE_SIZE);
        const read = yield* sys.pread(fd, page, 0, PAGE_SIZE, index * PAGE_SIZE);
        return sys.fstat(fd).size === size && read === PAGE_SIZE && Buffer.compare(page, bytes) === 0;
      })(),
    );
  }
}
