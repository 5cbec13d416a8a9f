// What the tests of directories with an index share: images, a guest on them, and the directory /d
// as it lies on the disk.
import { ModelError, PAGE_SIZE } from '../../../../src/base/index.ts';
import type { ImageStore } from '../../../../src/disk/image/image-store.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { type Kernel, O, type Syscalls } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { type Judge, loadImage, mke2fs, mustPassE2fsck, run, saveImage } from '../../../support/e2fsprogs.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

export const VERSIONS = ['legacy', 'half_md4', 'tea'] as const;
const INDEX_FL = 0x1000;
/** Offsets in the root, in a node, and in a record, from the published layout. */
export const ROOT = { hashVersion: 28, infoLength: 29, levels: 30, flags: 31, limit: 32, count: 34, records: 32 };
export const NODE = { limit: 8, count: 10, records: 8 };
export const RECORD = 8;

export function madeImage(judge: Judge, type = 'ext3', size = '24M', ...options: string[]): MemoryImage {
  const path = `${judge.dir}/made.img`;
  const journal = type === 'ext3' ? ['-J', 'size=4'] : [];
  const features = ['-O', 'dir_index,^resize_inode', '-I', '128', '-N', '8192', ...journal, ...options];
  mke2fs(judge, '-t', type, '-b', '4096', ...features, path, size);
  return loadImage(path);
}

export function mustBeSound(judge: Judge, image: ImageStore): void {
  saveImage(image, `${judge.dir}/disk.img`);
  mustPassE2fsck(judge, `${judge.dir}/disk.img`);
}

/** The image, after e2fsck has made every directory anew (-D). */
export function optimized(judge: Judge, image: ImageStore): MemoryImage {
  const path = `${judge.dir}/optimized.img`;
  saveImage(image, path);
  run('sh', '-c', `"${judge.e2fsck}" -fyD "${path}" > /dev/null 2>&1 || test $? -eq 1`);
  return loadImage(path);
}

export function* create(sys: Syscalls, path: string): Process {
  yield* sys.close(yield* sys.open(path, O.creat | O.excl | O.wronly));
}

export function* createAll(sys: Syscalls, names: readonly string[]): Process {
  for (const name of names) yield* create(sys, `/d/${name}`);
}

export interface Guest {
  readonly machine: FakeMachine;
  readonly kernel: Kernel;
  readonly sys: Syscalls;
}

export function bootOn(image: ImageStore): Guest {
  const machine = new FakeMachine({ image, nrPages: 2048 });
  const kernel = machine.run(machine.boot());
  return { machine, kernel, sys: kernel.syscalls };
}

/** Everything is at its place on the disk afterwards. */
export function shutDown({ machine, kernel }: Guest): void {
  machine.run(kernel.shutdown(), 10_000_000);
}

/** The errno of a call, or 'ok'. */
export function outcome({ machine }: Guest, process: Process<unknown>): string {
  try {
    machine.run(process);
    return 'ok';
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return error.code;
  }
}

/** Names of the directory in the order of the disk. */
export function namesIn({ machine, sys }: Guest): string[] {
  return machine
    .run(sys.readdir('/d'))
    .map(({ name }) => name)
    .filter((name) => name !== '.' && name !== '..');
}

/** Names of all lengths; a byte above 127 in some. */
export const nameOf = (n: number): string => `${n}${n % 3 === 0 ? 'é' : '-'}${'n'.repeat((n * 37) % 245)}`;
export const long = (n: number): string => `${n}-${'l'.repeat(245)}`;
export const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** The directory /d as it lies on an image that is not mounted. */
export class OnDisk {
  readonly image: ImageStore;
  readonly ino: number;
  readonly #oracle: OracleExt2;

  constructor(image: MemoryImage) {
    this.image = image;
    this.#oracle = new OracleExt2(image);
    const { machine, sys } = bootOn(image.clone());
    this.ino = machine.run(sys.stat('/d')).ino;
  }

  /** Block of the disk that holds a block of the directory. */
  place(block: number): number {
    return this.#oracle.blockOf(this.ino, block);
  }

  read(block: number): Buffer {
    const bytes = Buffer.alloc(PAGE_SIZE);
    this.image.read(this.place(block) * PAGE_SIZE, bytes, 0, PAGE_SIZE);
    return bytes;
  }

  change(block: number, edit: (bytes: Buffer) => void): void {
    const bytes = this.read(block);
    edit(bytes);
    this.image.write(this.place(block) * PAGE_SIZE, bytes, 0, PAGE_SIZE);
  }

  get levels(): number {
    return 1 + this.read(0)[ROOT.levels]!;
  }
}

/**
 * Whether debugfs sees the flag of an index: on the image that was found sound last, or on another
 * of the judge's.
 */
export function hasIndex(judge: Judge, name = 'disk.img'): boolean {
  return haveIndex(judge, `${judge.dir}/${name}`)[0]!;
}

/** The same of several images. */
export function haveIndex(judge: Judge, ...paths: string[]): boolean[] {
  const script = 'for each in "$@"; do "$0" -R "stat /d" "$each" || exit; done';
  const said = run('sh', '-c', script, judge.debugfs, ...paths);
  return [...said.matchAll(/Flags: (0x[0-9a-f]+)/g)].map(([, flags]) => (Number(flags) & INDEX_FL) !== 0);
}

/**
 * An image whose /d has a full root, and one with a node below it. Made once: names of which 15
 * fill a block.
 */
let large: { oneLevel: MemoryImage; twoLevels: MemoryImage } | undefined;

export function largeImages(judge: Judge): { oneLevel: MemoryImage; twoLevels: MemoryImage } {
  if (large === undefined) {
    const image = madeImage(judge);
    let n = 0;
    const growTo = (blocks: number): void => {
      const guest = bootOn(image);
      if (n === 0) guest.machine.run(guest.sys.mkdir('/d'));
      while (guest.machine.run(guest.sys.stat('/d')).size < blocks * PAGE_SIZE)
        guest.machine.run(create(guest.sys, `/d/${long(n++)}`));
      shutDown(guest);
    };
    growTo(509);
    const oneLevel = image.clone();
    growTo(511);
    large = { oneLevel, twoLevels: image };
  }
  return { oneLevel: large.oneLevel.clone(), twoLevels: large.twoLevels.clone() };
}
