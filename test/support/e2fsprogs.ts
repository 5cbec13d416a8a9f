// The outside judge of every image we write: e2fsprogs (mke2fs, e2fsck, debugfs, tune2fs).
//
// `itWithE2fsprogs` is `it`, skipped with the reason when the programs are not installed; in CI
// that is a failure, since there nothing may be skipped. `saveImage` writes an image store to a
// file that the programs can read, with holes.
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { it } from 'vitest';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { runsFactor, TIMEOUT_MS } from './property.ts';
import { runProgram } from './shell.ts';

/** Images go to files and come from them in pieces of so many bytes. */
const PIECE_BYTES = 1 << 18;
const ZEROS = Buffer.alloc(PIECE_BYTES);

export interface E2fsprogs {
  readonly mke2fs: string;
  readonly e2fsck: string;
  readonly debugfs: string;
  readonly tune2fs: string;
  readonly dumpe2fs: string;
}

/** The programs, or undefined when one is missing. /sbin is often not in the PATH of a user. */
export function findE2fsprogs(): E2fsprogs | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/sbin', '/usr/sbin', '/usr/local/sbin'];
  const find = (name: string): string | undefined =>
    directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
  const [mke2fs, e2fsck, debugfs, tune2fs, dumpe2fs] = ['mke2fs', 'e2fsck', 'debugfs', 'tune2fs', 'dumpe2fs'].map(find);
  return mke2fs !== undefined &&
    e2fsck !== undefined &&
    debugfs !== undefined &&
    tune2fs !== undefined &&
    dumpe2fs !== undefined
    ? { mke2fs, e2fsck, debugfs, tune2fs, dumpe2fs }
    : undefined;
}

/** What a test is given. */
export interface Judge extends E2fsprogs {
  /** A directory that is removed after the test. */
  readonly dir: string;
  /** Where the test is, for `checkProperty`. */
  readonly where: { readonly name: string; readonly file: string };
}

export function itWithE2fsprogs(name: string, test: (judge: Judge) => void | Promise<void>): void {
  const tools = findE2fsprogs();
  it(name, { timeout: TIMEOUT_MS * Math.max(1, runsFactor()) }, ({ task, skip }) => {
    if (tools === undefined) {
      if (process.env['CI'] !== undefined) throw new Error('e2fsprogs is not installed, and in CI nothing is skipped');
      skip('e2fsprogs is not installed');
    } else {
      return inTemporaryDirectory((dir) => test({ ...tools, dir, where: { name, file: task.file.name } }));
    }
  });
}

/** Calls `use` with a new directory. Removes it after that, or when the promise from it is over. */
export function inTemporaryDirectory<T>(use: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'stillwarm-'));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  let isWaiting = false;
  try {
    const result = use(dir);
    isWaiting = result instanceof Promise;
    return result instanceof Promise ? (result.finally(remove) as T) : result;
  } finally {
    if (!isWaiting) remove();
  }
}

/** Runs a program; gives its standard output. Throws what it said when it did not exit with 0. */
export function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = runProgram(program, ...args);
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')}: status ${status}\n${stdout}${stderr}`);
}

/**
 * Makes a file system. Its UUID and the seed of its directories' hashes are always the same. A seed
 * decides in which leaf of an indexed directory a name lies, and so how much is written.
 */
export function mke2fs(judge: Pick<E2fsprogs, 'mke2fs'>, ...args: string[]): void {
  const uuid = '73746c6c-7761-4d6d-8000-000000000001';
  run(judge.mke2fs, '-q', '-F', '-U', uuid, '-E', `hash_seed=${uuid}`, ...args);
}

/**
 * Throws what e2fsck finds wrong with one of the images. One process looks at all: starting one
 * takes longer than it runs.
 */
export function mustPassE2fsck(judge: Pick<E2fsprogs, 'e2fsck'>, ...paths: string[]): void {
  run('sh', '-c', 'for each in "$@"; do "$0" -fn "$each" || exit; done', judge.e2fsck, ...paths);
}

/** The same, and when debugfs reads other files on it than our own reader. */
export function mustBeSound(judge: Judge, path: string): void {
  mustPassE2fsck(judge, path);
  const oracle = new OracleExt2(loadImage(path));
  inTemporaryDirectory((dir) => {
    run(judge.debugfs, '-R', `rdump / ${dir}`, path);
    for (const file of oracle.listFiles()) {
      const bytes = readFileSync(`${dir}/${file.path}`);
      if (bytes.length !== file.size || oracle.expect(file.ino, 0, bytes.length, bytes, 0) >= 0)
        throw new Error(`${path}: debugfs reads something else in ${file.path}`);
    }
  });
}

/** Reads an image from a file into memory, a piece at a time: most of an image are holes. */
export function loadImage(path: string): MemoryImage {
  const fd = openSync(path, 'r');
  try {
    const image = new MemoryImage(fstatSync(fd).size);
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let at = 0; at < image.size; at += PIECE_BYTES) {
      const length = readSync(fd, piece, 0, Math.min(PIECE_BYTES, image.size - at), at);
      if (piece.compare(ZEROS, 0, length, 0, length) !== 0) image.write(at, piece, 0, length);
    }
    return image;
  } finally {
    closeSync(fd);
  }
}

/** Writes the image to a new file; blocks of zeros become holes. */
export function saveImage(image: ImageStore, path: string): void {
  const fd = openSync(path, 'w');
  try {
    ftruncateSync(fd, image.size);
    const copy = Buffer.alloc(PIECE_BYTES);
    for (let at = 0; at < image.size; at += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, image.size - at);
      const own = image instanceof MemoryImage ? image.view(at, length) : undefined;
      if (own === undefined) image.read(at, copy, 0, length);
      const piece = own ?? copy;
      if (ZEROS.compare(piece, 0, length, 0, length) !== 0) writeSync(fd, piece, 0, length, at);
    }
  } finally {
    closeSync(fd);
  }
}
