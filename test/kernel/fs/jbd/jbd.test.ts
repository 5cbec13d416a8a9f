// Transactions: what reaches the disk in which order, what a crash at any moment leaves, how the
// journal ends.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { getField, ModelError, Ns, PAGE_SIZE, type Pfn } from '../../../../src/base/index.ts';
import { EXT2_STATE, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../../../src/format/ext2.ts';
import { JBD_BLOCK, JBD_MAGIC, jbdWords } from '../../../../src/format/jbd.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { FADV, type Kernel, O, type Syscalls } from '../../../../src/kernel/index.ts';
import { NO_PAGE } from '../../../../src/kernel/mm/mem-map.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { BlkifOp } from '../../../../src/xen/public/index.ts';
import {
  ext3Image,
  JOURNAL_BLOCKS,
  JournalFile,
  readBlock,
  setSuper,
  writeBlock,
} from '../../../support/journal-image.ts';
import { casesOf } from '../../../support/product.ts';
import { property } from '../../../support/property.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

const EMPTY = ext3Image();
/** What free blocks hold: a file that shows it shows what was never written to it. */
const STALE = 0xee;

const superField = (image: MemoryImage, name: keyof typeof SUPERBLOCK.offset): number =>
  getField(SUPERBLOCK, readBlock(image, 0), EXT2_SUPERBLOCK_OFFSET, name);
const RECOVER = 4;

function errno(machine: FakeMachine, process: Process<unknown>): string {
  try {
    machine.run(process);
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
  return 'no error';
}

function* put(sys: Syscalls, path: string, bytes: Uint8Array): Process {
  const fd = yield* sys.open(path, O.rdwr | O.creat);
  yield* sys.pwrite(fd, bytes, 0, bytes.length, 0);
  yield* sys.fsync(fd);
  yield* sys.close(fd);
}

function* get(sys: Syscalls, path: string): Process<Uint8Array> {
  const fd = yield* sys.open(path);
  const bytes = new Uint8Array(8 << 20);
  const length = yield* sys.pread(fd, bytes, 0, bytes.length, 0);
  yield* sys.close(fd);
  return bytes.subarray(0, length);
}

function boot(
  image: MemoryImage,
  nrPages = 768,
): { machine: FakeMachine; kernel: Kernel; sys: Syscalls; stop: () => void } {
  const machine = new FakeMachine({ image, nrPages });
  const kernel = machine.run(machine.boot());
  return { machine, kernel, sys: kernel.syscalls, stop: () => machine.run(kernel.shutdown()) };
}

/** What each request was for, in the order in which they were served. */
function kinds(machine: FakeMachine, journal: JournalFile): string[] {
  const ring = new Map(Array.from({ length: JOURNAL_BLOCKS }, (_, i) => [journal.place(i), i]));
  return machine.requests.map(({ operation, sector }) => {
    if (operation === BlkifOp.flush) return 'flush';
    const position = ring.get(sector / 8);
    if (position === 0) return 'journal superblock';
    if (position === undefined) return operation === BlkifOp.read ? 'read' : sector === 0 ? 'superblock' : 'data';
    const words = jbdWords(journal.read(position));
    return words.getUint32(0) === JBD_MAGIC && words.getUint32(4) === JBD_BLOCK.commit ? 'commit' : 'log';
  });
}

/** Every free block holds STALE. */
function staleImage(): MemoryImage {
  const image = ext3Image();
  const journal = new JournalFile(image);
  const stale = new Uint8Array(PAGE_SIZE).fill(STALE);
  for (let block = journal.place(JOURNAL_BLOCKS - 1) + 20; block < image.size / PAGE_SIZE; block++)
    writeBlock(image, block, stale);
  return image;
}

describe('a commit', () => {
  it('a commit writes data, then the log, flushes, then the commit block, and flushes again before fsync returns', () => {
    const image = EMPTY.clone();
    const journal = new JournalFile(image);
    const { machine, sys } = boot(image);
    machine.requests.length = 0;
    machine.run(put(sys, '/file', new Uint8Array(3 * PAGE_SIZE).fill(1)));
    const what = kinds(machine, journal);
    const writes = what.filter((each, i) => each !== 'read' && each !== what[i - 1]);
    // The flag that asks for recovery is on the medium before anything else, the start of the log
    // before the log.
    expect(writes).toEqual([
      'superblock',
      'flush',
      'data',
      'journal superblock',
      'flush',
      'log',
      'flush',
      'commit',
      'flush',
    ]);
  });

  it('a commit that finds the log half full empties it: what is in it is on the medium at its place before the log forgets it', () => {
    const image = EMPTY.clone();
    const journal = new JournalFile(image);
    const { machine, sys } = boot(image);
    machine.run(
      (function* () {
        for (let i = 0; i < 250; i++) yield* put(sys, `/file${i % 7}`, new Uint8Array(1 + (i % 3) * PAGE_SIZE));
      })(),
    );
    const what = kinds(machine, journal);
    const told = what.flatMap((each, i) =>
      each === 'journal superblock' && i > 10 && what[i - 1] !== 'read' ? [i] : [],
    );
    expect(told.length).toBeGreaterThan(0);
    for (const i of told) {
      expect([what[i - 1], what[i + 1]]).toEqual(['flush', 'flush']);
      // Before that flush, buffers went home since the last commit.
      const before = what.slice(what.lastIndexOf('commit', i) + 2, i - 1);
      expect(before.some((each) => each === 'data' || each === 'superblock')).toBe(true);
    }
  });

  it('a commit carries more buffers than one descriptor block names', () => {
    const image = makeExt2(tree(directory([])), { size: 64 << 20, journalBlocks: 8192 });
    const { machine, sys } = boot(image, 4096);
    machine.run(
      (function* () {
        for (let i = 0; i < 1200; i++) yield* sys.mkdir(`/d${i}`);
        yield* sys.sync();
      })(),
    );
    const next = boot(image, 4096);
    expect(next.machine.run(next.sys.readdir('/')).length).toBe(1200 + 3);
    expect(next.machine.run(next.sys.readdir('/d1199')).map(({ name }) => name)).toEqual(['.', '..']);
  });

  it('a commit begins by itself where a handle of 24 buffers might make it longer than a quarter of the journal', () => {
    // A table of inodes of 260 blocks, all in use: each file that is changed is in a block of its
    // own.
    const files = Array.from({ length: 260 * 32 }, (_, i) => [`${i}`.padStart(5, '0'), file('')] as const);
    const image = makeExt2(tree(directory(files)), { size: 256 << 20, journalBlocks: 1024 });
    const { machine, sys } = boot(image, 4096);
    const writes = (): number => machine.requests.filter(({ operation }) => operation === BlkifOp.write).length;
    const change = (n: number): void => {
      machine.run(sys.chmod(`/${files[32 * n]![0]}`, 0o600));
      machine.run(
        (function* () {
          yield Ns(1_000_000);
        })(),
      );
    };
    change(0);
    const before = writes();
    let changes = 1;
    while (writes() === before) change(changes++);
    // 233 buffers, and 24, are more than 256: the change that finds so many waits until they are
    // committed.
    expect(changes).toBe(234);
  });

  it('a commit writes the log through a few pages where memory has none for copies', () => {
    const image = EMPTY.clone();
    const { machine, sys, kernel } = boot(image);
    const pages: Pfn[] = [];
    const bytes = new Uint8Array(200_000).fill(5);
    machine.run(
      (function* () {
        for (let i = 0; i < 40; i++) yield* sys.mkdir(`/d${i}`);
        const fd = yield* sys.open('/file', O.rdwr | O.creat);
        yield* sys.pwrite(fd, bytes, 0, bytes.length, 0);
        for (let pfn = kernel.mm.allocate(); pfn !== NO_PAGE; pfn = kernel.mm.allocate()) pages.push(pfn);
        yield* sys.fsync(fd);
      })(),
    );
    expect(pages.length).toBeGreaterThan(0);
    const next = boot(image);
    expect(next.machine.run(next.sys.readdir('/')).length).toBe(44);
    expect(Buffer.compare(next.machine.run(get(next.sys, '/file')), bytes)).toBe(0);
  });

  it.each([0xffff_fffc, 0xffff_fffd, 0xffff_ffff, 0])('a commit counts on behind transaction %i', (sequence) => {
    const image = EMPTY.clone();
    const journal = new JournalFile(image);
    journal.setWord('s_sequence', sequence);
    for (let life = 0; life < 3; life++) {
      const { machine, sys } = boot(image);
      // Nothing has changed yet: there is nothing to wait for.
      machine.run(sys.fsync(machine.run(sys.open('/'))));
      for (let i = 0; i < 3; i++) machine.run(put(sys, `/f${life}${i}`, Uint8Array.of(life, i)));
      // The guest crashes.
    }
    const { machine, sys } = boot(image);
    for (let life = 0; life < 3; life++)
      for (let i = 0; i < 3; i++) expect([...machine.run(get(sys, `/f${life}${i}`))]).toEqual([life, i]);
  });
});

describe('ordered mode', () => {
  it.each(['truncate', 'unlink'])(
    'the call %s while a commit writes the data shows no old bytes after a crash at any event',
    (how) => {
      const stale = staleImage();
      const all = Array.from({ length: 30 }, (_, n) => 1 + 2 * n);
      for (const events of casesOf('a commit that a crash meets while it writes data', how, all, {
        sample: 12,
        whole: 30,
      })) {
        const image = stale.clone();
        const { machine, sys } = boot(image);
        const { simulation } = machine;
        machine.run(
          (function* () {
            yield* sys.mkdir('/dir');
            yield* put(sys, '/first', new Uint8Array(PAGE_SIZE));
            // The commit waits for a write of this one that is in flight, before it comes to the
            // other.
            const first = yield* sys.open('/first', O.rdwr);
            yield* sys.pwrite(first, Uint8Array.of(1), 0, 1, 0);
            yield* sys.posixFadvise(first, 0, 0, FADV.dontneed);
            yield* sys.pwrite(first, Uint8Array.of(2), 0, 1, 0);
            const fd = yield* sys.open('/dir/file', O.rdwr | O.creat);
            yield* sys.pwrite(fd, new Uint8Array(90_000).fill(1), 0, 90_000, 0);
            yield* sys.close(fd);
          })(),
        );
        machine.env.spawn('sync', sys.fsync(machine.run(sys.open('/dir'))));
        machine.env.spawn(
          'other',
          (function* () {
            yield Ns(1);
            if (how === 'unlink') yield* sys.unlink('/dir/file');
            else yield* sys.truncate('/dir/file', 5000);
          })(),
        );
        const last = simulation.eventCount + events;
        simulation.run(() => simulation.eventCount >= last);
        const next = boot(image);
        const names = next.machine.run(next.sys.readdir('/')).map(({ name }) => name);
        if (!names.includes('dir')) continue;
        if (next.machine.run(next.sys.readdir('/dir')).length < 3) continue;
        const bytes = next.machine.run(get(next.sys, '/dir/file'));
        expect(bytes.includes(STALE)).toBe(false);
      }
    },
  );
});

describe('a freed block', () => {
  it('a freed block is not used again before the commit: until then the file is as it was', () => {
    const image = EMPTY.clone();
    const { machine, sys } = boot(image);
    const old = new Uint8Array(400_000).fill(1);
    machine.run(
      (function* () {
        yield* put(sys, '/old', old);
        yield* sys.unlink('/old');
        const fd = yield* sys.open('/new', O.rdwr | O.creat);
        yield* sys.pwrite(fd, new Uint8Array(800_000).fill(2), 0, 800_000, 0);
        yield* sys.posixFadvise(fd, 0, 0, FADV.dontneed);
        yield Ns(1_000_000_000);
      })(),
    );
    const next = boot(image);
    expect(Buffer.compare(next.machine.run(get(next.sys, '/old')), old)).toBe(0);
  });

  it("a freed block of metadata that is a file's data now is not overwritten by recovery", () => {
    const image = EMPTY.clone();
    const { machine, sys } = boot(image);
    machine.run(
      (function* () {
        for (let i = 0; i < 20; i++) yield* sys.mkdir(`/d${i}`);
        yield* put(sys, '/indirect', new Uint8Array(20 * PAGE_SIZE));
        for (let i = 0; i < 20; i++) yield* sys.rmdir(`/d${i}`);
        yield* sys.unlink('/indirect');
        yield* sys.sync();
        // All that is free, so what was freed too.
        const fd = yield* sys.open('/all', O.rdwr | O.creat);
        const bytes = new Uint8Array(64 << 10).fill(9);
        for (let at = 0, written = bytes.length; written === bytes.length; at += written)
          written = yield* sys.pwrite(fd, bytes, 0, bytes.length, at);
        yield* sys.fsync(fd);
      })(),
    );
    const next = boot(image);
    expect(next.machine.run(get(next.sys, '/all')).every((byte) => byte === 9)).toBe(true);
  });
});

describe('a log that cannot be written', () => {
  it('a log that cannot be written ends the journal: the file system is read-only, says so to the next mount, and loses what was not committed', () => {
    const image = ext3Image([['old', file('old')]]);
    const journal = new JournalFile(image);
    const { machine, sys, stop } = boot(image);
    machine.run(put(sys, '/kept', Uint8Array.of(1)));
    for (let i = 1; i < JOURNAL_BLOCKS; i++) machine.badBlocks.add(journal.place(i));
    expect(errno(machine, put(sys, '/lost', Uint8Array.of(2)))).toBe('EIO');
    expect(errno(machine, sys.mkdir('/never'))).toBe('EROFS');
    expect([...machine.run(get(sys, '/old'))]).toEqual([...Buffer.from('old')]);
    machine.badBlocks.clear();
    stop();
    // The log holds what is in no other place.
    expect(superField(image, 's_feature_incompat') & RECOVER).toBe(RECOVER);
    expect(superField(image, 's_state') & EXT2_STATE.error).toBe(EXT2_STATE.error);
    expect(journal.word('s_errno')).toBe(0xffff_fffb);
    const next = boot(image);
    expect(next.machine.run(next.sys.readdir('/')).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['old', 'kept']),
    );
    expect(errno(next.machine, get(next.sys, '/lost'))).toBe('ENOENT');
    expect(journal.word('s_errno')).toBe(0);
    expect(superField(image, 's_state') & EXT2_STATE.error).toBe(EXT2_STATE.error);
    next.machine.run(put(next.sys, '/again', Uint8Array.of(3)));
  });

  it('data that cannot be written before what leads to it ends the log, too', () => {
    const image = EMPTY.clone();
    const journal = new JournalFile(image);
    const { machine, sys } = boot(image);
    machine.run(sys.mkdir('/dir'));
    machine.run(sys.sync());
    const metadata = journal.place(0) + JOURNAL_BLOCKS + 20;
    for (let block = metadata; block < image.size / PAGE_SIZE; block++) machine.badBlocks.add(block);
    expect(errno(machine, put(sys, '/dir/file', new Uint8Array(200_000)))).toBe('EIO');
    expect(errno(machine, sys.mkdir('/never'))).toBe('EROFS');
  });
});

describe('a log of which some block cannot be written', () => {
  const step = fc.oneof(
    fc.record({ what: fc.constant('put' as const), file: fc.nat(5), size: fc.nat(5 * PAGE_SIZE) }),
    fc.record({ what: fc.constant('remove' as const), file: fc.nat(5) }),
    fc.record({ what: fc.constant('mkdir' as const) }),
  );

  property(
    'what was promised is there after the next mount, and nothing else; until then it can be read, and not changed',
    fc.nat(80),
    fc.array(step, { minLength: 40, maxLength: 40 }),
    fc.boolean(),
    (position, steps, isCrash) => {
      const image = EMPTY.clone();
      const { machine, sys, stop } = boot(image);
      machine.badBlocks.add(new JournalFile(image).place(position));
      const names = new Set<string>();
      /** Bytes of the files of which they are known. */
      const promised = new Map<string, Uint8Array>();
      let hasEnded = false;
      for (const [n, each] of steps.entries()) {
        const path = 'file' in each ? `/file${each.file}` : `/dir${n}`;
        const bytes = new Uint8Array('size' in each ? each.size : 0).fill(n + 1);
        const change = function* (): Process {
          if (each.what === 'remove') yield* sys.unlink(path);
          else if (each.what === 'mkdir') yield* sys.mkdir(path);
          else yield* put(sys, path, bytes);
          yield* sys.sync();
        };
        const outcome = errno(machine, change());
        if (hasEnded) expect(['EROFS', 'ENOENT']).toContain(outcome);
        else if (outcome === 'EIO') {
          hasEnded = true;
          // Data is written in place, before what leads to it.
          if (each.what === 'put') promised.delete(path);
        } else if (each.what === 'remove') {
          expect(outcome).toBe(names.has(path) ? 'no error' : 'ENOENT');
          names.delete(path);
          promised.delete(path);
        } else {
          expect(outcome).toBe('no error');
          names.add(path);
          if (each.what === 'mkdir') continue;
          const old = promised.get(path) ?? new Uint8Array(0);
          const joined = new Uint8Array(Math.max(old.length, bytes.length));
          joined.set(old);
          joined.set(bytes);
          promised.set(path, joined);
        }
      }
      expect(hasEnded).toBe(true);
      machine.badBlocks.clear();
      if (!isCrash) stop();
      const next = boot(image);
      const found = next.machine.run(next.sys.readdir('/')).map(({ name }) => `/${name}`);
      expect(found.filter((path) => /file|dir/.test(path)).sort()).toEqual([...names].sort());
      for (const [path, bytes] of promised) expect(next.machine.run(get(next.sys, path))).toEqual(bytes);
      next.machine.run(put(next.sys, '/again', Uint8Array.of(3)));
    },
    { numRuns: 8, lawRuns: 30 },
  );
});

describe('orphans', () => {
  const FREE = (image: MemoryImage): number => new OracleExt2(image).listFiles().length;

  it('a file without a name that a crash interrupts is deleted by the next mount', () => {
    const image = EMPTY.clone();
    const { machine, sys } = boot(image);
    machine.run(
      (function* () {
        const fd = yield* sys.open('/file', O.rdwr | O.creat);
        yield* sys.pwrite(fd, new Uint8Array(100_000), 0, 100_000, 0);
        yield* sys.unlink('/file');
        yield* sys.sync();
      })(),
    );
    const next = boot(image);
    next.stop();
    expect(superField(image, 's_last_orphan')).toBe(0);
    expect(superField(image, 's_free_blocks_count')).toBe(superField(EMPTY, 's_free_blocks_count'));
    expect(superField(image, 's_free_inodes_count')).toBe(superField(EMPTY, 's_free_inodes_count'));
    expect(FREE(image)).toBe(0);
  });

  it('a truncation that another implementation left unfinished is finished', () => {
    const image = ext3Image([['file', file(new Uint8Array(60_000).fill(1))]]);
    const before = superField(image, 's_free_blocks_count');
    const { ino } = new OracleExt2(image).listFiles()[0]!;
    const table = getTable(image);
    const at = table + (ino - 1) * 128;
    // A new size, and the old blocks; the inode is on the list.
    image.write(at + 4, Uint8Array.from([0x88, 0x13, 0, 0]), 0, 4);
    setSuper(image, 's_last_orphan', ino);
    const next = boot(image);
    expect(next.machine.run(next.sys.stat('/file'))).toMatchObject({ size: 5000, sectors: 16 });
    next.stop();
    expect(superField(image, 's_last_orphan')).toBe(0);
    expect(superField(image, 's_free_blocks_count')).toBe(before + 14);
    expect(new DataView(readBytes(image, at + 20, 4).buffer).getUint32(0)).toBe(0);
  });
});

function readBytes(image: MemoryImage, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  image.read(at, bytes, 0, length);
  return bytes;
}

/** Byte at which the inode table of the only group begins. */
function getTable(image: MemoryImage): number {
  return new DataView(readBytes(image, PAGE_SIZE + 8, 4).buffer).getUint32(0, true) * PAGE_SIZE;
}
