// A block that was just allocated and cannot be written. The file shows a hole there or its own
// bytes, and never what the block's former owner left. That holds for every way to write it back,
// and one that learns of it learns once. The free blocks of the image are full of old bytes.
import { describe, expect, it } from 'vitest';
import { getField, ModelError, Ns, PAGE_SIZE } from '../../src/base/index.ts';
import { EXT2_STATE, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../src/format/ext2.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { type Kernel, MAP, MS, O, PROT, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { itWithE2fsprogs, loadImage, mustPassE2fsck, saveImage } from '../support/e2fsprogs.ts';
import { JOURNAL_BLOCKS, readBlock } from '../support/journal-image.ts';
import { type Files, imageToChange, own, readAll } from './failing-calls.ts';
import { FakeMachine } from '../support/fake-machine.ts';
import { casesOf } from '../support/product.ts';
import { runProgram } from '../support/shell.ts';

const IMAGES = { ext2: imageToChange(undefined), ext3: imageToChange(JOURNAL_BLOCKS) };
type FileSystem = keyof typeof IMAGES;
/**
 * Of /d/g, 7,000 bytes long: a page behind its end, and one below an indirect block that it has not
 * yet.
 */
const DATA = 4;
const BELOW_INDIRECT = 30;
const LENGTH = 3_000;

interface Scene {
  readonly kernel: Kernel;
  readonly sys: Syscalls;
  /** Of /d/g. */
  readonly fd: number;
  readonly page: number;
}

function* wait(seconds: number): Process {
  yield Ns(seconds * 1e9);
}

function* writePage({ sys, fd, page }: Scene): Process {
  yield* sys.pwrite(fd, own(LENGTH, 9), 0, LENGTH, page * PAGE_SIZE);
}

function* writeWith(scene: Scene, flags: number, length: number): Process {
  const fd = yield* scene.sys.open('/d/g', O.rdwr | flags);
  try {
    yield* scene.sys.pwrite(fd, own(length, 9), 0, length, scene.page * PAGE_SIZE);
  } finally {
    yield* scene.sys.close(fd);
  }
}

/** What brings the page to the disk, or tries; it is written first. */
const PATHS: Record<string, (scene: Scene) => Process> = {
  *fsync(scene) {
    yield* writePage(scene);
    yield* scene.sys.fsync(scene.fd);
  },
  *sync(scene) {
    yield* writePage(scene);
    yield* scene.sys.sync();
  },
  *kupdate(scene) {
    yield* writePage(scene);
    yield* wait(120);
  },
  *reclaim(scene) {
    yield* writePage(scene);
    for (let i = 0; i < 10; i++) {
      scene.kernel.mm.reclaim.tryToFreePages(1000);
      yield* wait(0.1);
    }
  },
  // It follows in any case.
  shutdown: writePage,
  *truncate(scene) {
    yield* writePage(scene);
    yield* scene.sys.ftruncate(scene.fd, scene.page * PAGE_SIZE + 100);
    yield* scene.sys.sync();
  },
  *msync({ sys, fd, page }) {
    yield* sys.ftruncate(fd, (page + 1) * PAGE_SIZE);
    const at = sys.mmap(PAGE_SIZE, PROT.read | PROT.write, MAP.shared, fd, page * PAGE_SIZE);
    yield* sys.store(at, own(LENGTH, 9), 0, LENGTH);
    try {
      yield* sys.msync(at, PAGE_SIZE, MS.sync);
    } finally {
      yield* sys.munmap(at, PAGE_SIZE);
    }
  },
  O_SYNC: (scene) => writeWith(scene, O.sync, LENGTH),
  *O_DIRECT(scene) {
    yield* writePage(scene);
    yield* scene.sys.ftruncate(scene.fd, (scene.page + 1) * PAGE_SIZE);
    yield* writeWith(scene, O.direct, PAGE_SIZE);
  },
  *'O_DIRECT, reading'(scene) {
    const { sys, page } = scene;
    yield* writePage(scene);
    const fd = yield* sys.open('/d/g', O.rdonly | O.direct);
    const bytes = new Uint8Array(PAGE_SIZE);
    yield* sys.pread(fd, bytes, 0, PAGE_SIZE, page * PAGE_SIZE);
    yield* sys.close(fd);
    mustBeOwn(bytes);
  },
};
function codeOf(call: () => unknown): string {
  try {
    call();
    return 'ok';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

/** Zeros, or what the scene has written. */
function mustBeOwn(bytes: Uint8Array): void {
  const may = own(PAGE_SIZE, 9);
  const stranger = bytes.findIndex((byte, i) => byte !== 0 && byte !== may[i]);
  if (stranger >= 0) throw new Error(`byte ${stranger} is ${bytes[stranger]!}`);
}

/** Throws unless /d/g holds at its pages what it has held, what the scene has written, or zeros. */
function mustShowOwn(files: Files): void {
  const before = own(7_000, 3);
  for (const [page, bytes] of files.get('/d/g')?.pages ?? [])
    if (page > 1) mustBeOwn(bytes);
    else if (bytes.some((byte, i) => byte !== (before[page * PAGE_SIZE + i] ?? 0))) throw new Error(`page ${page}`);
}

/** Blocks that are free on an image. */
function freeBlocks(image: MemoryImage): Set<number> {
  const bitmap = readBlock(image, new DataView(readBlock(image, 1).buffer).getUint32(0, true));
  const free = new Set<number>();
  for (let at = 0; at < image.size / PAGE_SIZE; at++) if (((bitmap[at >>> 3]! >>> (at & 7)) & 1) === 0) free.add(at);
  return free;
}

const saysErrors = (image: MemoryImage): boolean =>
  (getField(SUPERBLOCK, readBlock(image, 0), EXT2_SUPERBLOCK_OFFSET, 's_state') & EXT2_STATE.error) !== 0;

const filesOf = (image: MemoryImage): Files => {
  const machine = new FakeMachine({ image: image.clone() });
  return machine.run(readAll(machine.run(machine.boot()).syscalls));
};

interface Outcome {
  /** Of the path, then of three calls of fsync; of the former alone when it is the shutdown. */
  readonly answers: readonly string[];
  /** Whether the block failed before the first fsync. */
  readonly hasFailedThere: boolean;
  readonly shutdown: string | undefined;
  readonly image: MemoryImage;
  /** What a loss of power at the end of the path would leave. */
  readonly crashed: MemoryImage;
}

/** The block that the scene allocates first: the indirect one, or the page's own. */
function firstBlock(fs: FileSystem, page: number): number {
  const { image } = play(fs, page, 'shutdown', () => false);
  const left = freeBlocks(image);
  return [...freeBlocks(IMAGES[fs])].find((block) => !left.has(block))!;
}

/** @param fails asked of every block that was free at the beginning, when it is written */
function play(fs: FileSystem, page: number, path: string, fails: (block: number) => boolean): Outcome {
  const image = IMAGES[fs].clone();
  const fresh = freeBlocks(image);
  const machine = new FakeMachine({ image });
  const kernel = machine.run(machine.boot());
  const sys = kernel.syscalls;
  const fd = machine.run(sys.open('/d/g', O.rdwr));
  let hasFailed = false;
  machine.fails = (isWrite, block) => {
    const isBad = isWrite && fresh.has(block) && fails(block);
    hasFailed ||= isBad;
    return isBad;
  };
  const answers = [codeOf(() => machine.run(PATHS[path]!({ kernel, sys, fd, page })))];
  const hasFailedThere = hasFailed;
  const crashed = image.clone();
  if (path !== 'shutdown') {
    for (let i = 0; i < 3; i++) answers.push(codeOf(() => machine.run(sys.fsync(fd))));
    sys.dropCaches();
    mustShowOwn(machine.run(readAll(sys)));
  }
  const shutdown = machine.run(kernel.shutdown());
  return { answers, hasFailedThere, shutdown, image, crashed };
}

/** Paths that tell themselves; where the others have met an error, the next fsync does. */
const TELLING = ['fsync', 'msync', 'O_SYNC', 'O_DIRECT'];
/** Paths that tell of lost metadata, and of a journal that has ended. */
const SYNCING = ['sync', 'truncate'];
/** Paths that do not write indirect blocks. */
const PAST_METADATA = ['O_DIRECT', 'O_DIRECT, reading'];

const PLAYED = casesOf('a new block that cannot be written', '', Object.keys(PATHS), { sample: 6 });

describe.each(PLAYED)('a new block that cannot be written, by %s', (path) => {
  const isShutdown = path === 'shutdown';
  /** Whether the inode, too, is on the disk at its end. */
  const hasWritten = TELLING.includes(path) || SYNCING.includes(path) || path === 'kupdate';
  const answersOf = (first: string, ...later: string[]): string[] => (isShutdown ? ['ok'] : [first, ...later]);

  it.each(['once', 'for ever', 'with all that are allocated then'] as const)(
    'a new block of data on ext2 that cannot be written is told and shows nothing old: %s',
    (duration) => {
      const first = firstBlock('ext2', DATA);
      let failures = 0;
      const fails = {
        once: (block: number) => block === first && failures++ === 0,
        'for ever': (block: number) => block === first,
        'with all that are allocated then': () => true,
      }[duration];
      const { image, crashed, ...outcome } = play('ext2', DATA, path, fails);
      const answers = TELLING.includes(path) ? answersOf('EIO', 'ok', 'ok', 'ok') : answersOf('ok', 'EIO', 'ok', 'ok');
      expect(outcome).toEqual({ answers, hasFailedThere: !isShutdown, shutdown: isShutdown ? 'EIO' : undefined });
      // What the file has is told; what the file system has is sound.
      expect(saysErrors(image)).toBe(false);
      if (hasWritten) mustShowOwn(filesOf(crashed));
      expect(freeBlocks(image).has(first)).toBe(path !== 'O_DIRECT' || duration !== 'once');
      mustShowOwn(filesOf(image));
    },
  );

  it.each(['once', 'for ever'] as const)(
    'a new block of data on ext3 that cannot be written is told and shows nothing old: %s',
    (duration) => {
      const first = firstBlock('ext3', DATA);
      let failures = 0;
      const { image, crashed, ...outcome } = play(
        'ext3',
        DATA,
        path,
        (block) => block === first && (failures++ === 0 || duration === 'for ever'),
      );
      const isTold = TELLING.includes(path) || SYNCING.includes(path);
      const answers = answersOf(path === 'O_DIRECT' ? 'EROFS' : isTold ? 'EIO' : 'ok', 'EIO', 'EIO', 'EIO');
      expect(outcome).toEqual({ answers, hasFailedThere: !isShutdown, shutdown: isShutdown ? 'EIO' : undefined });
      expect(saysErrors(image)).toBe(true);
      mustShowOwn(filesOf(crashed));
      mustShowOwn(filesOf(image));
    },
  );

  itWithE2fsprogs('e2fsck finds nothing that was deleted when an indirect block of ext2 is lost', (judge) => {
    const first = firstBlock('ext2', BELOW_INDIRECT);
    const { image, crashed, ...outcome } = play('ext2', BELOW_INDIRECT, path, (block) => block === first);
    const told = TELLING.includes(path) && !PAST_METADATA.includes(path) ? ['EIO', 'ok'] : ['ok', 'EIO'];
    const answers = answersOf(...((SYNCING.includes(path) ? ['EIO', 'EIO'] : told) as [string, string]), 'ok', 'ok');
    const hasFailedThere = !isShutdown && !PAST_METADATA.includes(path);
    // One that had been told before has nothing left to write.
    expect(outcome).toEqual({ answers, hasFailedThere, shutdown: SYNCING.includes(path) ? undefined : 'EIO' });
    if (hasWritten && hasFailedThere) mustShowOwn(filesOf(crashed));
    expect(saysErrors(image)).toBe(true);
    mustShowOwn(filesOf(image));
    const at = `${judge.dir}/lost.img`;
    saveImage(image, at);
    runProgram(judge.e2fsck, '-fy', at);
    mustPassE2fsck(judge, at);
    mustShowOwn(filesOf(loadImage(at)));
  });

  itWithE2fsprogs('e2fsck finds nothing wrong on ext2 after the loss of data', (judge) => {
    const { image } = play('ext2', DATA, path, () => true);
    const at = `${judge.dir}/lost.img`;
    saveImage(image, at);
    mustPassE2fsck(judge, at);
  });
});
