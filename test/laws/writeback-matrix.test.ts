/**
 * Each way by which a dirty page goes home, with each rare state that a page can be in. Compared is
 * what the disk has afterwards, exactly, as the oracle reads it from the medium.
 *
 * | | tail behind the end | hole | unlinked | registered, not named | mapped, not told |
 * |---|---|---|---|---|---|
 * | reclaim, kupdate, fsync, msync, truncate, unmount, Rio | … | … | … | … | … |
 *
 * A mapped store may be one that msync has not made known. Then fsync and kupdate know nothing of
 * it, as in 2.6.12. A page in a hole has no block where Rio could write it.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ns, PAGE_SIZE, type Pfn } from '../../src/base/index.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { MAP, MS, O, PG, PROT, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { findE2fsprogs, mustPassE2fsck, saveImage } from '../support/e2fsprogs.ts';
import { emptyImage, GuestDisk, RIO, RIO_WARM_CACHE } from '../support/guest-disk.ts';
import { casesOf } from '../support/product.ts';

const RW = PROT.read | PROT.write;
/** Bytes of the file's last page that are in it. */
const TAIL = 1000;
const SIZE = 2 * PAGE_SIZE + TAIL;
/** Where the file is cut, in its page 1 and, where its tail is looked at, in page 2. */
const CUT = 150;

const old = (index: number): Uint8Array => new Uint8Array(PAGE_SIZE).map((_, at) => 1 + ((at * 7 + index * 31) % 200));
const NEW = new Uint8Array(100).fill(0xee);
/** Where in its page the new bytes are. */
const AT = 100;

const STATES = ['tail behind the end', 'hole', 'unlinked', 'registered, not named', 'mapped, not told'] as const;
type State = (typeof STATES)[number];
const PATHS = ['reclaim', 'kupdate', 'fsync', 'msync', 'truncate', 'unmount', 'Rio'] as const;
type Path = (typeof PATHS)[number];
const MATRIX = STATES.flatMap((state) => PATHS.map((path) => [state, path] as const));

/** What page the state is about. */
const pageOf = (state: State): number => (state === 'tail behind the end' ? 2 : 1);

/**
 * What a page of the file has on the disk: the old bytes, the new ones in their place, zeros from
 * `end` on.
 */
function page(index: number, from: 'old' | 'new' | 'zeros', end = PAGE_SIZE, at = AT): Uint8Array {
  const bytes = from === 'zeros' ? new Uint8Array(PAGE_SIZE) : old(index);
  if (from === 'new') bytes.set(NEW, at);
  bytes.fill(0, end);
  return bytes;
}

class Scene {
  readonly disk: GuestDisk;
  readonly image: MemoryImage;
  readonly #hasJournal: boolean;
  readonly sys: Syscalls;
  readonly fd: number;
  readonly ino: number;
  /** Block of the page at the beginning, 0 in a hole. */
  readonly block: number;
  address = 0;

  constructor(state: State, path: Path, journalBlocks: number | undefined, hasRegistry: boolean) {
    const isNamed = state !== 'registered, not named';
    const isRio = hasRegistry || path === 'Rio' || !isNamed;
    const cmdLine = isNamed ? (isRio ? RIO_WARM_CACHE : 'cachemap=all') : `cachemap=off ${RIO}`;
    this.image = emptyImage(24 << 20, journalBlocks);
    this.disk = new GuestDisk(this.image, 1, { cmdLine });
    this.#hasJournal = journalBlocks !== undefined;
    this.sys = this.disk.guest.kernel.syscalls;
    const { disk, sys } = this;
    this.fd = disk.run(
      (function* (): Process<number> {
        const fd = yield* sys.open('/f', O.rdwr | O.creat);
        for (const index of [0, 1, 2]) {
          if (state === 'hole' && index === 1) continue;
          const bytes = index === 2 ? TAIL : PAGE_SIZE;
          yield* sys.pwrite(fd, old(index), 0, bytes, index * PAGE_SIZE);
        }
        yield* sys.sync();
        yield 1_000_000_000;
        yield* sys.sync();
        return fd;
      })(),
    );
    const oracle = this.oracle;
    this.ino = oracle.listFiles().find((file) => file.path === '/f')!.ino;
    expect(oracle.size(this.ino)).toBe(SIZE);
    this.block = oracle.blockOf(this.ino, pageOf(state));
    expect(this.block > 0).toBe(state !== 'hole');
    disk.run(this.#make(state, path));
  }

  *#make(state: State, path: Path): Process {
    const { sys, fd } = this;
    const at = pageOf(state) * PAGE_SIZE + AT;
    if (state === 'unlinked' || state === 'registered, not named') yield* sys.pwrite(fd, NEW, 0, NEW.length, at);
    if (state === 'unlinked') yield* sys.unlink('/f');
    // All are mapped, so that msync is possible; what is stored through that is told to the kernel,
    // or not.
    this.address = sys.mmap(3 * PAGE_SIZE, RW, MAP.shared, fd, 0);
    if (state === 'tail behind the end') {
      yield* sys.store(this.address + at, NEW, 0, NEW.length);
      yield* sys.store(this.address + 2 * PAGE_SIZE + TAIL, NEW, 0, NEW.length);
    }
    if (state === 'hole' || state === 'mapped, not told') yield* sys.store(this.address + at, NEW, 0, NEW.length);
    if (state === 'tail behind the end' || state === 'hole') yield* sys.msync(this.address, 3 * PAGE_SIZE, MS.async);
    // Where there is a registry the page is sealed from here on, but Rio has to do with what msync
    // alone has told.
    if (state === 'tail behind the end' && path !== 'Rio') yield* sys.pwrite(fd, NEW, 0, 1, at);
  }

  /** What is on the medium; on ext3 with what its journal has, as the next guest finds it. */
  get oracle(): OracleExt2 {
    const clone = this.image.clone();
    if (this.#hasJournal) {
      const replay = new GuestDisk(clone, 2, { memory: 'replay', cmdLine: 'cachemap=off' });
      replay.run(replay.guest.kernel.shutdown());
    }
    return new OracleExt2(clone);
  }

  /** The bytes of a block of the medium. */
  blockBytes(block: number): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.image.read(block * PAGE_SIZE, bytes, 0, PAGE_SIZE);
    return bytes;
  }

  /** Whether a page of the running guest is dirty to it, or registered in the hypervisor. */
  isDirty(index: number): { guest: boolean; registered: boolean } {
    const { kernel, domain } = this.disk.guest;
    const { map, cache } = kernel.mm;
    for (let pfn = 0 as Pfn; pfn < map.nrPages; pfn++) {
      if (!map.has(pfn, PG.uptodate) || !map.has(pfn, PG.lru)) continue;
      const space = cache.spaceOf(pfn);
      if (space.ino !== this.ino || cache.indexOf(pfn) !== index) continue;
      const { frames } = this.disk.testbed.hypervisor;
      return { guest: map.has(pfn, PG.dirty), registered: frames.isDirty(domain.frameOf(pfn)) };
    }
    return { guest: false, registered: false };
  }

  go(path: Path, state: State): void {
    const { disk, sys, fd, address } = this;
    switch (path) {
      case 'reclaim': {
        const { mm } = disk.guest.kernel;
        // More than once: what was referenced gets a second look, and what is being written is met
        // again.
        for (let n = 0; n < 6; n++) {
          for (let i = 0; i < 40; i++) mm.reclaim.shrinkZone(0, 10_000);
          disk.run(sleep(0.2));
        }
        return;
      }
      case 'kupdate':
        disk.run(sleep(80));
        return;
      case 'fsync':
        disk.run(sys.fsync(fd));
        return;
      case 'msync':
        disk.run(sys.msync(address, 3 * PAGE_SIZE, MS.sync));
        return;
      case 'truncate':
        disk.run(sys.ftruncate(fd, pageOf(state) * PAGE_SIZE + CUT));
        disk.run(sys.fsync(fd));
        return;
      case 'unmount':
        disk.run(disk.guest.kernel.shutdown());
        return;
      case 'Rio':
        disk.reboot(true);
    }
  }
}

function* sleep(seconds: number): Process {
  yield Ns(seconds * 1e9);
}

interface Expected {
  readonly bytes: Uint8Array;
  readonly size?: number;
  /** Whether the page has a block. */
  readonly hasBlock?: boolean;
}

/** What the disk has of the page. */
function expected(state: State, path: Path): Expected {
  const index = pageOf(state);
  const cut = path === 'truncate' ? { size: index * PAGE_SIZE + CUT } : {};
  const end = path === 'truncate' ? CUT : state === 'tail behind the end' ? TAIL : PAGE_SIZE;
  switch (state) {
    case 'tail behind the end':
    case 'registered, not named':
      return { bytes: page(index, 'new', end), ...cut };
    case 'hole': {
      const stays = path === 'reclaim' || path === 'Rio';
      const bytes = new Uint8Array(PAGE_SIZE);
      if (!stays) bytes.set(NEW, AT);
      bytes.fill(0, end);
      return { bytes, hasBlock: !stays, ...cut };
    }
    case 'unlinked':
      return { bytes: page(index, 'new', end), ...cut };
    case 'mapped, not told': {
      const isKnown = path !== 'kupdate' && path !== 'fsync' && path !== 'Rio';
      return { bytes: page(index, isKnown ? 'new' : 'old', end), ...cut };
    }
  }
}

const tools = findE2fsprogs();
if (tools === undefined && process.env['CI'] !== undefined) throw new Error('e2fsprogs is not installed');

/** Where the disks lie until e2fsck has looked at them. */
let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const difference = (a: Uint8Array, b: Uint8Array): number => a.findIndex((byte, at) => byte !== b[at]);

describe.each([
  ['ext2', undefined, false],
  ['ext3', 1024, false],
  ['ext2 with a registry', undefined, true],
  ['ext3 with a registry', 1024, true],
] as const)('%s', (name, journalBlocks, hasRegistry) => {
  const paths: string[] = [];
  const played = casesOf('the states of a page, and how it goes home', name, MATRIX, { sample: 10, whole: 35 });
  for (const [state, path] of played)
    it(`a page that is ${state} is on the disk as it must be after ${path}`, () => {
      const scene = new Scene(state, path, journalBlocks, hasRegistry);
      scene.go(path, state);
      const index = pageOf(state);
      const want = expected(state, path);
      const { oracle } = scene;
      const files = oracle.listFiles().map((file) => file.path);
      if (state === 'unlinked') {
        // On ext2 the directory is written later than the file is.
        // On ext3 only a commit takes the name; msync and reclaim need none.
        const late = journalBlocks === undefined ? ['fsync', 'msync', 'truncate'] : ['reclaim', 'msync'];
        const isListed = late.includes(path);
        expect(files).toEqual(isListed ? ['/f'] : []);
        // Its blocks are its own as long as it is open; unmounted, they are free, and nothing was
        // written to them for it.
        const has = scene.blockBytes(scene.block);
        if (path === 'unmount') expect(difference(has, old(index))).toBe(-1);
        else expect(difference(has, want.bytes)).toBe(-1);
      } else {
        expect(files).toEqual(['/f']);
        expect(oracle.size(scene.ino)).toBe(want.size ?? SIZE);
        const block = oracle.blockOf(scene.ino, index);
        expect(block > 0).toBe(want.hasBlock ?? true);
        if (block > 0) expect(difference(scene.blockBytes(block), want.bytes)).toBe(-1);
        if (scene.block > 0) expect(block).toBe(scene.block);
        // The pages beside it are as they were.
        expect(difference(scene.blockBytes(oracle.blockOf(scene.ino, 0)), old(0))).toBe(-1);
      }
      if (path === 'unmount') return;
      if (path === 'fsync' || path === 'msync' || path === 'kupdate') {
        // What is home is not dirty any more, neither here nor there.
        expect(scene.isDirty(index)).toEqual({ guest: false, registered: false });
      }
      // And a file that grows again shows nothing of what was behind its end.
      if (state === 'tail behind the end') {
        const { syscalls } = scene.disk.guest.kernel;
        const seen = new Uint8Array(PAGE_SIZE);
        scene.disk.run(
          (function* (): Process {
            const fd = yield* syscalls.open('/f', O.rdwr);
            yield* syscalls.ftruncate(fd, 3 * PAGE_SIZE);
            yield* syscalls.pread(fd, seen, 0, PAGE_SIZE, 2 * PAGE_SIZE);
          })(),
        );
        expect(difference(seen, want.bytes)).toBe(-1);
      }
      if (path === 'Rio') return;
      // The next guest finds the same, and shuts down; e2fsck finds nothing.
      scene.disk.reboot(false);
      scene.disk.run(scene.disk.guest.kernel.shutdown());
      const { oracle: last } = scene;
      if (state === 'unlinked') expect(last.listFiles()).toEqual([]);
      if (tools === undefined || hasRegistry) return;
      paths.push(`${dir}/${paths.length}.img`);
      saveImage(scene.image, paths.at(-1)!);
    });

  const leavesDisk = played.some(([, path]) => path !== 'unmount' && path !== 'Rio');
  if (tools !== undefined && !hasRegistry && leavesDisk)
    it('a disk after any of these is sound for e2fsck', () => {
      expect(paths.length).toBeGreaterThan(0);
      mustPassE2fsck(tools, ...paths);
    });
});

describe.each([
  ['ext2', undefined],
  ['ext3', 1024],
] as const)('%s: a mapped store survives a crash right after', (_, journalBlocks) => {
  const after = (tell: (sys: Syscalls, address: number) => Process): Uint8Array => {
    const scene = new Scene('mapped, not told', 'Rio', journalBlocks, true);
    scene.disk.run(tell(scene.sys, scene.address));
    scene.disk.reboot(true);
    return scene.blockBytes(scene.block);
  };
  const isNew = (bytes: Uint8Array): boolean => difference(bytes, page(1, 'new')) === -1;

  it.each([
    ['msync', (sys: Syscalls, address: number) => sys.msync(address, 3 * PAGE_SIZE, MS.async)],
    ['munmap', (sys: Syscalls, address: number) => sys.munmap(address, 3 * PAGE_SIZE)],
    ['munmap of its page', (sys: Syscalls, address: number) => sys.munmap(address + PAGE_SIZE, PAGE_SIZE)],
  ] as const)('a mapped store survives a crash right after %s', (_name, tell) => {
    expect(isNew(after(tell))).toBe(true);
  });

  it('a mapped store does not survive a crash after what does not look at its entry', () => {
    expect(isNew(after((sys, address) => sys.msync(address, PAGE_SIZE, MS.sync)))).toBe(false);
    expect(isNew(after((sys) => sys.sync()))).toBe(false);
  });
});
