// Writing to a file system whose metadata is garbage: the guest answers with its typed errors, goes read-only, and neither
// throws anything else nor hangs.
import fc from 'fast-check';
import { describe } from 'vitest';
import { ModelError, PAGE_SIZE } from '../../src/base/index.ts';
import { MemoryImage } from '../../src/disk/memory-image.ts';
import { O, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { smallImage } from '../experiment/small-disk.ts';
import { property } from '../support/property.ts';
import { FakeMachine } from './fake-machine.ts';

const PRISTINE = smallImage();
const BLOCKS = PRISTINE.size / PAGE_SIZE;
/** Superblock, descriptors, bitmaps, the inode table and the first directories and indirect blocks. */
const METADATA_BLOCKS = Math.min(BLOCKS, 60);

function damaged(change: (image: MemoryImage) => void): MemoryImage {
  const image = new MemoryImage(PRISTINE.size);
  const block = new Uint8Array(PAGE_SIZE);
  for (let at = 0; at < PRISTINE.size; at += PAGE_SIZE) {
    PRISTINE.read(at, block, 0, PAGE_SIZE);
    image.write(at, block, 0, PAGE_SIZE);
  }
  change(image);
  return image;
}

/** Everything that changes a file system; each call may fail as a call of the guest fails. */
function* changeEverything(sys: Syscalls): Process {
  const bytes = new Uint8Array(70_000).fill(3);
  const attempts: (() => Process<unknown>)[] = [
    () => sys.mkdir('/new'),
    () => rewrite(sys, '/new/file', bytes, 0),
    () => rewrite(sys, '/big', bytes, 900_000),
    () => rewrite(sys, '/holes', bytes, 6_000_000),
    () => sys.truncate('/big', 100_000),
    () => sys.truncate('/shared', 1),
    () => sys.rename('/many', '/deep/many'),
    () => sys.rename('/deep/er', '/er'),
    () => sys.link('/one', '/two'),
    () => sys.symlink('t'.repeat(100), '/long'),
    () => sys.unlink('/big'),
    () => sys.unlink('/shared'),
    () => sys.unlink('/holes'),
    () => sys.unlink('/er/thirteen'),
    () => sys.rmdir('/er'),
    ...Array.from({ length: 40 }, (_, i) => () => sys.unlink(`/deep/many/name-${i}`)),
    () => rewrite(sys, '/last', bytes, 0),
    () => sys.sync(),
  ];
  for (const attempt of attempts) {
    try {
      yield* attempt();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
}

function* rewrite(sys: Syscalls, path: string, bytes: Uint8Array, at: number): Process {
  const fd = yield* sys.open(path, O.rdwr | O.creat);
  try {
    yield* sys.pwrite(fd, bytes, 0, bytes.length, at);
    yield* sys.fsync(fd);
  } finally {
    yield* sys.close(fd);
  }
}

function survives(image: MemoryImage): void {
  const machine = new FakeMachine({ image });
  machine.run(
    (function* () {
      try {
        const kernel = yield* machine.boot();
        yield* changeEverything(kernel.syscalls);
        yield* kernel.shutdown();
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
      }
    })(),
    200_000,
  );
}

describe('changing a damaged file system', () => {
  property(
    'bytes overwritten anywhere in its metadata',
    fc.array(fc.tuple(fc.nat(METADATA_BLOCKS * PAGE_SIZE - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }),
    (writes) =>
      survives(damaged((image) => writes.forEach(([at, byte]) => image.write(at, Uint8Array.of(byte), 0, 1)))),
    { numRuns: 60 },
  );

  property(
    'a block of its metadata overwritten with words that look like blocks or inodes',
    fc.integer({ min: 1, max: METADATA_BLOCKS - 1 }),
    fc.array(fc.oneof(fc.nat(70), fc.nat(BLOCKS + 10), fc.constant(0), fc.constant(0xffff_ffff)), {
      minLength: 8,
      maxLength: 64,
    }),
    (block, words) =>
      survives(
        damaged((image) => {
          const page = Uint32Array.from({ length: PAGE_SIZE / 4 }, (_, i) => words[i % words.length]!);
          image.write(block * PAGE_SIZE, new Uint8Array(page.buffer), 0, PAGE_SIZE);
        }),
      ),
    { numRuns: 60 },
  );

  property(
    'an image cut off from its bitmaps: all free, or all in use',
    fc.boolean(),
    fc.integer({ min: 2, max: 4 }),
    (free, block) =>
      survives(
        damaged((image) =>
          image.write(block * PAGE_SIZE, new Uint8Array(PAGE_SIZE).fill(free ? 0 : 255), 0, PAGE_SIZE),
        ),
      ),
    { numRuns: 6 },
  );
});
