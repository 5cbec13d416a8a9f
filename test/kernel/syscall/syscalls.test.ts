// System calls, path lookup and ext2 on a sound image: what each answers, and which blocks it
// reads.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { crc32c, GuestPanic, ModelError, PAGE_SIZE, type Pfn, putField } from '../../../src/base/index.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, sparse, symlink, tree } from '../../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { type Kernel, PG, type Syscalls } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { CMD_LINE_BYTES, START_INFO } from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { allFlags, checkMemory } from '../mm/memory-state.ts';

const pattern = (pages: number): Uint8Array =>
  Uint8Array.from({ length: pages * PAGE_SIZE }, (_, i) => (i * 31 + (i >>> 12) * 7) & 255);
const LONG = 'n'.repeat(255);

const IMAGE = makeExt2(
  tree(
    directory([
      ['hello', file('hello, world', { mtimeSeconds: 1234, mode: 0o640 })],
      ['empty', file('')],
      ['twelve', file(pattern(12))],
      ['hundred', file(pattern(100))],
      ['holes', file(sparse(40 * PAGE_SIZE, [[20 * PAGE_SIZE, pattern(1)]]))],
      [
        'dir',
        directory([
          ['inner', file('inner')],
          ['up', symlink('../hello')],
          [LONG, file('long')],
          ['é', file('e')],
        ]),
      ],
      ['absolute', symlink('/dir/up')],
      ['dangling', symlink('nowhere')],
      ['fileSlash', symlink('hello/')],
      ['fileDot', symlink('hello/.')],
      ['dirSlash', symlink('dir/')],
      ['linkSlash', symlink('fileSlash/')],
      ['toFileSlash', symlink('fileSlash')],
      ['self', symlink('self')],
      // Links of which each is the text of the next: 5 are followed, 6 are not.
      ...Array.from({ length: 41 }, (_, i) => [`l${i}`, symlink(i === 0 ? 'hello' : `l${i - 1}`)] as const),
      ['here', symlink('.')],
    ]),
  ),
);
const ORACLE = new OracleExt2(IMAGE);
const FILES = new Map(ORACLE.listFiles().map((one) => [one.path, one]));

let machine: FakeMachine;
let kernel: Kernel;
let sys: Syscalls;

function boot(nrPages?: number): void {
  machine = new FakeMachine({ image: IMAGE, ...(nrPages !== undefined && { nrPages }) });
  kernel = machine.run(machine.boot());
  sys = kernel.syscalls;
  machine.requests.length = 0;
}

beforeEach(() => {
  boot();
});

function run<T>(process: Process<T>): T {
  const result = machine.run(process);
  // No test leaves a read behind.
  machine.simulation.run(() => false);
  return result;
}

/** errno of what a process throws. */
function errno(process: Process<unknown>): string {
  try {
    run(process);
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
  return 'no error';
}

function readAll(path: string): string {
  return run(
    (function* () {
      const fd = yield* sys.open(path);
      const buffer = new Uint8Array(1000);
      const bytes = yield* sys.read(fd, buffer, 0, 1000);
      yield* sys.close(fd);
      return new TextDecoder().decode(buffer.subarray(0, bytes));
    })(),
  );
}

/** Blocks read from the device since boot or since the last call. */
function blocksRead(): number[] {
  const blocks = machine.requests.flatMap(({ sector, pages }) => pages.map((_, i) => sector / 8 + i));
  machine.requests.length = 0;
  return blocks;
}

describe('paths', () => {
  it.each([
    ['/hello', 'hello, world'],
    ['hello', 'hello, world'],
    ['//dir///inner', 'inner'],
    ['/dir/./../dir/inner', 'inner'],
    ['/../../hello', 'hello, world'],
    ['/dir/up', 'hello, world'],
    ['/absolute', 'hello, world'],
    [`/dir/${LONG}`, 'long'],
    ['/dir/é', 'e'],
    ['/l4', 'hello, world'],
    // 40 links in one path are followed, 41 are not.
    [`${'/here'.repeat(40)}/hello`, 'hello, world'],
    [`${'/here'.repeat(35)}/l4`, 'hello, world'],
    ['/empty', ''],
  ])('the path %s leads to its file', (path, contents) => {
    // The second time, its names are cached.
    for (let time = 0; time < 2; time++) expect(readAll(path)).toBe(contents);
  });

  it.each([
    ['/nothing', 'ENOENT'],
    ['/dir/nothing/more', 'ENOENT'],
    ['/dangling', 'ENOENT'],
    ['/hello/more', 'ENOTDIR'],
    ['/self', 'ELOOP'],
    // A slash at the end of a link's text asks for a directory, as one at the end of a path does.
    ['/fileSlash', 'ENOTDIR'],
    ['/fileDot', 'ENOTDIR'],
    ['/linkSlash', 'ENOTDIR'],
    ['/toFileSlash', 'ENOTDIR'],
    ['/dir/../fileSlash/', 'ENOTDIR'],
    ['/l5', 'ELOOP'],
    [`${'/here'.repeat(41)}/hello`, 'ELOOP'],
    [`${'/here'.repeat(36)}/l4`, 'ELOOP'],
    [`/${'n'.repeat(256)}`, 'ENAMETOOLONG'],
    ['/'.repeat(4097), 'ENAMETOOLONG'],
  ])('the path %s is answered: %s', (path, code) => {
    for (let time = 0; time < 2; time++) expect(errno(sys.open(path))).toBe(code);
    // A failed walk leaves no reference behind: the root still answers.
    expect(run(sys.stat('/')).ino).toBe(2);
  });

  it('readlink and lstat do not follow the link at the end, stat does', () => {
    expect(run(sys.readlink('/absolute'))).toBe('/dir/up');
    expect(run(sys.lstat('/absolute')).mode & 0xf000).toBe(0xa000);
    expect(run(sys.stat('/absolute'))).toEqual(run(sys.stat('/hello')));
    expect(run(sys.readlink('/dangling'))).toBe('nowhere');
    expect(run(sys.readlink('/fileSlash'))).toBe('hello/');
    expect(run(sys.lstat('/linkSlash')).mode & 0xf000).toBe(0xa000);
    expect(run(sys.stat('/dirSlash')).ino).toBe(run(sys.stat('/dir')).ino);
    expect(run(sys.stat('/dirSlash/inner')).size).toBe(5);
    expect(errno(sys.readlink('/hello'))).toBe('EINVAL');
  });

  it('paths cost the same for each component that is cached', () => {
    const cost = (path: string): number => {
      run(sys.close(run(sys.open(path))));
      const before = sys.now();
      const fd = run(sys.open(path));
      const ns = sys.now() - before;
      run(sys.close(fd));
      return ns;
    };
    const component = cost('/dir/../hello') - cost('/dir/inner');
    expect(component).toBeGreaterThan(0);
    expect(cost('/dir/inner') - cost('/hello')).toBe(component);
    expect(cost('/hello') - cost('/')).toBe(component);
    expect(cost('/dir/../dir/inner') - cost('/hello')).toBe(3 * component);
  });

  it('a second lookup reads nothing from the disk', () => {
    run(sys.stat('/dir/inner'));
    blocksRead();
    run(sys.stat('/dir/inner'));
    expect(blocksRead()).toEqual([]);
  });
});

describe('calls and their errors', () => {
  it('stat tells what the inode holds', () => {
    const { ino } = FILES.get('/hello')!;
    const stat = { ino, generation: ORACLE.generation(ino), mode: 0o100640, links: 1, size: 12, mtime: 1234 };
    expect(run(sys.stat('/hello'))).toMatchObject(stat);
    expect(sys.fstat(run(sys.open('/hello')))).toMatchObject(stat);
  });

  it('readdir lists every entry', () => {
    expect(
      run(sys.readdir('/dir'))
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['.', '..', 'inner', LONG, 'up', 'é'].sort());
    expect(run(sys.readdir('/dir')).find(({ name }) => name === '..')!.ino).toBe(2);
    expect(errno(sys.readdir('/hello'))).toBe('ENOTDIR');
  });

  it('descriptors are the lowest that are free, and not valid after close', () => {
    const [a, b] = [run(sys.open('/hello')), run(sys.open('/empty'))];
    expect([a, b]).toEqual([0, 1]);
    run(sys.close(a));
    expect(run(sys.open('/twelve'))).toBe(0);
    run(sys.close(b));
    const buffer = new Uint8Array(10);
    for (const call of [
      () => run(sys.close(b)),
      () => sys.fstat(b),
      () => sys.lseek(b, 0),
      () => sys.readNow(b, buffer, 0, 1),
    ])
      expect(call).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  it('at most 8192 files are open', () => {
    for (let i = 0; i < 8192; i++) run(sys.open('/hello'));
    expect(errno(sys.open('/hello'))).toBe('EMFILE');
    run(sys.close(4000));
    expect(run(sys.open('/hello'))).toBe(4000);
  });

  it('reading a directory is EISDIR, outside the buffer EINVAL, at a bad position EINVAL', () => {
    const buffer = new Uint8Array(10);
    const fd = run(sys.open('/hello'));
    expect(errno(sys.read(run(sys.open('/dir')), buffer, 0, 1))).toBe('EISDIR');
    expect(errno(sys.read(fd, buffer, 5, 6))).toBe('EINVAL');
    expect(errno(sys.read(fd, buffer, -1, 2))).toBe('EINVAL');
    for (const position of [-1, 0.5, Number.NaN, 2 ** 53])
      expect(errno(sys.pread(fd, buffer, 0, 1, position))).toBe('EINVAL');
  });

  it('the call read moves the position, pread does not, lseek sets it', () => {
    const fd = run(sys.open('/hello'));
    const buffer = new Uint8Array(5);
    const text = (process: Process<number>): string => {
      const bytes = run(process);
      return new TextDecoder().decode(buffer.subarray(0, bytes));
    };
    expect(text(sys.read(fd, buffer, 0, 5))).toBe('hello');
    expect(text(sys.pread(fd, buffer, 0, 5, 1))).toBe('ello,');
    expect(text(sys.read(fd, buffer, 0, 5))).toBe(', wor');
    expect(text(sys.read(fd, buffer, 0, 5))).toBe('ld');
    expect(text(sys.read(fd, buffer, 0, 5))).toBe('');
    sys.lseek(fd, 7);
    expect(text(sys.read(fd, buffer, 0, 5))).toBe('world');
    sys.lseek(fd, 1_000_000);
    expect(text(sys.read(fd, buffer, 0, 5))).toBe('');
  });
});

describe('what is read from the disk', () => {
  it('a file of 12 pages that is read a page at a time has each of its blocks read once, in order', () => {
    const { ino } = FILES.get('/twelve')!;
    const fd = run(sys.open('/twelve'));
    blocksRead();
    const buffer = new Uint8Array(PAGE_SIZE);
    for (let page = 0; page < 12; page++) {
      expect(run(sys.read(fd, buffer, 0, PAGE_SIZE))).toBe(PAGE_SIZE);
      expect(ORACLE.expect(ino, page * PAGE_SIZE, PAGE_SIZE, buffer, 0)).toBe(-1);
    }
    expect(blocksRead()).toEqual(Array.from({ length: 12 }, (_, i) => ORACLE.blockOf(ino, i)));
  });

  it('a file of 100 pages has its data and one indirect block read, each once, and nothing beyond its end', () => {
    const { ino } = FILES.get('/hundred')!;
    const fd = run(sys.open('/hundred'));
    blocksRead();
    const before = kernel.stats;
    run(sys.read(fd, new Uint8Array(100 * PAGE_SIZE), 0, 100 * PAGE_SIZE));
    const data = Array.from({ length: 100 }, (_, i) => ORACLE.blockOf(ino, i));
    const blocks = blocksRead();
    expect(blocks).toHaveLength(101);
    expect(new Set(blocks).size).toBe(101);
    expect(data.every((block) => blocks.includes(block))).toBe(true);
    expect(kernel.stats.dataPagesRead - before.dataPagesRead).toBe(100);
    expect(kernel.stats.metadataPagesRead - before.metadataPagesRead).toBe(1);
  });

  it('holes are zeros, read from nowhere and never named', () => {
    const { ino } = FILES.get('/holes')!;
    const fd = run(sys.open('/holes'));
    blocksRead();
    const buffer = new Uint8Array(40 * PAGE_SIZE).fill(1);
    expect(run(sys.read(fd, buffer, 0, buffer.length))).toBe(buffer.length);
    expect(ORACLE.expect(ino, 0, buffer.length, buffer, 0)).toBe(-1);
    expect(blocksRead()).toContain(ORACLE.blockOf(ino, 20));
    expect(kernel.stats.dataPagesRead).toBe(1);
    const { map, cache } = kernel.mm;
    const hole = allFlags(map).findIndex((flags) => (flags & (PG.uptodate | PG.named)) === PG.uptodate);
    const space = cache.spaceOf(hole as Pfn);
    expect([space.ino, space.nrPages]).toEqual([ino, 40]);
  });

  it('a page that cannot be read is EIO, again and again, and read once it can be', () => {
    const { ino } = FILES.get('/twelve')!;
    const bad = ORACLE.blockOf(ino, 5);
    machine.badBlocks.add(bad);
    const fd = run(sys.open('/twelve'));
    const buffer = new Uint8Array(PAGE_SIZE);
    for (let i = 0; i < 2; i++) expect(errno(sys.pread(fd, buffer, 0, PAGE_SIZE, 5 * PAGE_SIZE))).toBe('EIO');
    // What lies before it is read all the same.
    expect(run(sys.pread(fd, buffer, 0, PAGE_SIZE, 4 * PAGE_SIZE + 96))).toBe(PAGE_SIZE - 96);
    machine.badBlocks.clear();
    expect(run(sys.pread(fd, buffer, 0, PAGE_SIZE, 5 * PAGE_SIZE))).toBe(PAGE_SIZE);
    expect(ORACLE.expect(ino, 5 * PAGE_SIZE, PAGE_SIZE, buffer, 0)).toBe(-1);
  });

  it('readahead(2) brings a file in without a reader', () => {
    const fd = run(sys.open('/hundred'));
    run(sys.readahead(fd, 0, 100 * PAGE_SIZE));
    blocksRead();
    // Everything is there: the read neither waits nor asks the disk.
    expect(sys.readNow(fd, new Uint8Array(100 * PAGE_SIZE), 0, 100 * PAGE_SIZE)).toBe(100 * PAGE_SIZE);
    expect(blocksRead()).toEqual([]);
    expect(errno(sys.readahead(run(sys.open('/dir')), 0, 1))).toBe('EINVAL');
  });

  const paths = ['/hello', '/empty', '/twelve', '/hundred', '/holes'];
  const step = fc.record({ file: fc.nat(4), at: fc.nat(105 * PAGE_SIZE), length: fc.nat(40 * PAGE_SIZE) });

  property(
    'every byte that several readers get in little memory, some blocks bad, is that of the disk, or they get EIO',
    fc.array(fc.array(step, { minLength: 1, maxLength: 15 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom(130, 160, 300),
    fc.array(fc.nat(99), { maxLength: 2 }),
    (programs, nrPages, bad) => {
      boot(nrPages);
      const mayFail = new Set(bad.map((page) => ORACLE.blockOf(FILES.get('/hundred')!.ino, page)));
      for (const block of mayFail) machine.badBlocks.add(block);
      let running = programs.length;
      const reader = function* (steps: (typeof programs)[number]): Process {
        for (const { file: n, at, length } of steps) {
          const { path, ino, size } = FILES.get(paths[n]!)!;
          const fd = yield* sys.open(path);
          const buffer = new Uint8Array(length);
          try {
            const bytes = yield* sys.pread(fd, buffer, 0, length, at);
            const expected = Math.max(0, Math.min(length, size - at));
            // An error after some bytes cuts a read short.
            const isCut = bytes > 0 && bytes < expected && mayFail.size > 0 && path === '/hundred';
            if ((bytes !== expected && !isCut) || ORACLE.expect(ino, at, bytes, buffer, 0) >= 0)
              throw new Error(`${path}: wrong at ${at}`);
          } catch (error) {
            const expected = error instanceof ModelError && error.code === 'EIO' && mayFail.size > 0;
            if (!expected || path !== '/hundred') throw error;
          }
          yield* sys.close(fd);
        }
        yield* sys.settle();
        running--;
      };
      for (const steps of programs) machine.simulation.spawn('reader', reader(steps));
      const last = machine.simulation.eventCount + 200_000;
      machine.simulation.run(() => machine.simulation.eventCount >= last);
      expect(running).toBe(0);
      const reserved = allFlags(kernel.mm.map).filter((flags) => flags === PG.reserved).length;
      checkMemory(kernel.mm, reserved);
    },
  );
});

describe('boot', () => {
  const panic = (prepare: (it: FakeMachine) => void, cmdLine = ''): unknown => {
    const it = new FakeMachine({ image: IMAGE });
    it.writeStartInfo(cmdLine);
    prepare(it);
    return () => it.run(it.bootAsIs());
  };

  const layout = START_INFO.x86_64;
  it.each([
    ['a bad magic', 0, 'bad magic'],
    ['another version', layout.offset.version, 'version 3'],
    ['no architecture that there is', layout.offset.arch, 'architecture 63'],
    ['the other architecture', layout.offset.arch, 'reserved field is not zero', 62 ^ 3],
    ['another number of pages', layout.offset.nrPages, 'bad checksum'],
    ['a changed command line', layout.offset.cmdLine, 'bad checksum'],
    ['a bad checksum', layout.offset.checksum, 'bad checksum'],
  ])('a boot with %s has the guest panic', (_, at, message, flip = 1) => {
    expect(panic(({ memory }) => (memory.bytes[at]! ^= flip))).toThrow(new GuestPanic(`start_info: ${message}`));
  });

  it('a number of more than 32 bits, whatever the checksum says, is a panic', () => {
    const wide = layout.fields.filter(({ width }) => width === 8);
    expect(wide).toHaveLength(7);
    for (const { name } of wide) {
      const forge = ({ memory: { bytes } }: FakeMachine): void => {
        bytes[layout.offset[name] + 5] = 1;
        const head = crc32c(bytes, 0, layout.offset.checksum);
        putField(layout, bytes, 0, 'checksum', crc32c(bytes, layout.offset.cmdLine, CMD_LINE_BYTES, head));
      };
      expect(panic(forge)).toThrow(new GuestPanic(`start_info: ${name} has more than 32 bits`));
    }
  });

  it('an unknown cachemap, or too little memory, is a panic too', () => {
    expect(panic(() => undefined, 'cachemap=some')).toThrow(GuestPanic);
    expect(() => boot(50)).toThrow(GuestPanic);
  });

  it('an orderly shutdown tells what was not yet told, a crash does not', () => {
    run(kernel.shutdown());
    expect(machine.shutdownReason).toBe(1);
    boot();
    kernel.crash();
    expect(machine.shutdownReason).toBe(3);
  });
});
