/**
 * Copies the files of a volume that libext2fs reads into an ext2 image of ours.
 *
 * Contract: bytes, names, permissions, times to the second, symbolic links, hard links and holes
 * are kept. Owners and extended attributes are not, as with a directory of the host: everything
 * belongs to 0:0. Devices, pipes, sockets and what cannot be read are left out, counted and named.
 * A directory is read once, however many names it has.
 */

import { Buffer } from 'node:buffer';
import { counted, grouped, InputError, printableBytes } from '../../base/index.ts';
import { FileImage } from '../../disk/image/file-image.ts';
import { writeExt2 } from '../../disk/mkfs/mkfs.ts';
import { planExt2 } from '../../disk/mkfs/plan.ts';
import {
  addBlocks,
  directory,
  file,
  LeftOut,
  symlink,
  type DirectoryNode,
  type FileNode,
  type Tree,
  type TreeNode,
} from '../../disk/mkfs/tree.ts';
import type { ProgressListener } from '../../experiment/guest/progress.ts';
import { ExtError, ExtVolume, type ExtStat, type ReadVolume } from './ext-library.ts';
import { BLOCK, forEachData, TemporaryFile } from './temporary-file.ts';

const TYPE = 0o170000;
const KINDS: ReadonlyMap<number, Kind> = new Map([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
]);
const OTHER_KINDS: ReadonlyMap<number, string> = new Map([
  [0o010000, 'a pipe'],
  [0o140000, 'a socket'],
  [0o020000, 'a device'],
  [0o060000, 'a device'],
]);
type Kind = TreeNode['kind'];

/** A path of Linux is shorter. */
const PATH_MAX = 4096;
const MOST_NAMES = 4_000_000;
/** Files may claim this many times the bytes of the volume, or so many. */
const SPARSENESS_LIMIT = 8;
const SPARSENESS_IGNORED = 8 * 2 ** 30;

/** What a name stands for. */
interface Found {
  readonly kind: Kind;
  readonly path: Buffer;
  readonly stat: ExtStat;
  readonly entries: readonly (readonly [name: Buffer, found: Found])[];
}

/**
 * @param bytes of the volume
 * @returns the image, and what was left out
 * @throws InputError when the volume is damaged; UserError when the library is missing
 */
export async function copyFiles(
  read: ReadVolume,
  bytes: number,
  onProgress: ProgressListener,
): Promise<{ image: TemporaryFile; bytes: number; leftOut: LeftOut }> {
  const stage = new TemporaryFile();
  try {
    const tree = await ExtVolume.with(read, (volume) => new Copier(volume, stage, onProgress).copy(bytes));
    // As much room as theirs has, where that is enough.
    const { sizeBytes } = planExt2(tree);
    const plan = planExt2(tree, { size: Math.max(sizeBytes, bytes) });
    const image = new TemporaryFile();
    try {
      image.resize(plan.sizeBytes);
      const store = FileImage.open(image.path, { writeThrough: true });
      writeExt2(plan, store, (done, total) => onProgress({ phase: 'writing the image', done, total }));
      store.close();
    } catch (error) {
      image.close();
      throw error;
    }
    return { image, bytes: plan.sizeBytes, leftOut: tree.leftOut };
  } finally {
    stage.close();
  }
}

class Copier {
  readonly #volume: ExtVolume;
  /** Where the bytes of files lie, one file behind the other. */
  readonly #stage: TemporaryFile;
  readonly #onProgress: ProgressListener;
  readonly #leftOut = new LeftOut();
  readonly #byInode = new Map<number, Found>();
  readonly #nodes = new Map<Found, TreeNode | undefined>();
  #names = 0;
  #claimed = 0;
  #done = 0;
  #staged = 0;

  constructor(volume: ExtVolume, stage: TemporaryFile, onProgress: ProgressListener) {
    this.#volume = volume;
    this.#stage = stage;
    this.#onProgress = onProgress;
  }

  async copy(volumeBytes: number): Promise<Tree> {
    const root = await this.#look(Buffer.alloc(0)).catch((error: unknown) => {
      throw error instanceof ExtError ? new InputError(`its root directory cannot be read: ${error.message}`) : error;
    });
    if (root?.kind !== 'directory') throw new InputError('its root is not a directory');
    if (this.#claimed > Math.max(SPARSENESS_IGNORED, SPARSENESS_LIMIT * volumeBytes))
      throw new InputError(
        `files claim ${counted(this.#claimed, 'byte')} on a disk of ${grouped(volumeBytes)}: copy those that you need`,
      );
    return { root: await this.#directoryOf(root), leftOut: this.#leftOut };
  }

  /** What is at the path, and below it; undefined: it is left out. @throws ExtError */
  async #look(path: Buffer): Promise<Found | undefined> {
    const stat = await this.#volume.opened(path, (opened) => this.#volume.stat(opened));
    const type = stat.mode & TYPE;
    const kind = KINDS.get(type);
    const before = this.#byInode.get(stat.ino);
    if (kind === undefined || (kind === 'directory' && before !== undefined)) {
      const other = OTHER_KINDS.get(type) ?? 'of a type that ext2 does not know';
      this.#leftOut.add(printableBytes(path), kind === undefined ? other : 'a second name of a directory');
      return undefined;
    }
    if (before !== undefined) return before;
    const entries: [Buffer, Found][] = [];
    const found: Found = { kind, path, stat, entries };
    // A file with one name is found once, unless its count of names is wrong.
    this.#byInode.set(stat.ino, found);
    if (kind === 'file') this.#claimed += stat.bytes;
    if (kind === 'directory') await this.#list(path, entries);
    return found;
  }

  async #list(path: Buffer, entries: [Buffer, Found][]): Promise<void> {
    const names = (await this.#volume.names(path)).sort((a, b) => Buffer.compare(a, b));
    let before: Buffer | undefined;
    for (const name of names) {
      if (++this.#names > MOST_NAMES) throw new InputError(`more than ${grouped(MOST_NAMES)} names`);
      if (name.equals(Buffer.from('.')) || name.equals(Buffer.from('..'))) continue;
      const at = Buffer.concat([path, Buffer.from('/'), name]);
      const why = whyNot(name, at, before);
      before = name;
      if (why !== undefined) {
        this.#leftOut.add(printableBytes(at), why);
        continue;
      }
      const found = await this.#attempt(at, () => this.#look(at));
      if (found !== undefined) entries.push([name, found]);
    }
  }

  async #directoryOf({ stat, entries }: Found): Promise<DirectoryNode> {
    const kept: [Uint8Array, TreeNode][] = [];
    for (const [name, found] of entries) {
      if (!this.#nodes.has(found)) this.#nodes.set(found, await this.#attempt(found.path, () => this.#nodeOf(found)));
      const node = this.#nodes.get(found);
      if (node !== undefined) kept.push([name, node]);
    }
    return directory(kept, stat);
  }

  async #nodeOf(found: Found): Promise<TreeNode> {
    if (found.kind === 'directory') return this.#directoryOf(found);
    if (found.kind === 'symlink') return symlink(await this.#volume.target(found.path), found.stat);
    return this.#fileOf(found);
  }

  async #fileOf({ path, stat }: Found): Promise<FileNode> {
    const start = this.#staged;
    const sizeBytes = stat.bytes;
    // Also when it cannot be read: what was written of it is not zeros.
    this.#staged += Math.ceil(sizeBytes / BLOCK) * BLOCK;
    this.#stage.resize(this.#staged);
    const dataRuns: number[] = [];
    await this.#volume.opened(path, async (opened) => {
      for (let at = 0; at < sizeBytes; ) {
        const bytes = (await this.#volume.next(opened)).subarray(0, sizeBytes - at);
        const end = at + bytes.length;
        if (bytes.length === 0 || (end < sizeBytes && bytes.length % BLOCK !== 0))
          throw new InputError(`ends after ${counted(end, 'byte')} of ${grouped(sizeBytes)}`);
        this.#stage.write(start + at, bytes);
        forEachData(bytes, (from, to) =>
          addBlocks(dataRuns, (at + from) / BLOCK, Math.ceil((at + to) / BLOCK) - (at + from) / BLOCK),
        );
        at = end;
        this.#onProgress({ phase: 'reading the files', done: (this.#done += bytes.length), total: this.#claimed });
      }
    });
    const read = this.#stage.read.bind(this.#stage);
    return file({ sizeBytes, dataRuns, read: (at, dst, dstAt, length) => read(start + at, dst, dstAt, length) }, stat);
  }

  /** Leaves out what the library, or ext2, refuses. */
  async #attempt<T>(path: Buffer, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      const isRefused = error instanceof ExtError || (error instanceof InputError && error.code === undefined);
      if (!isRefused) throw error;
      this.#leftOut.add(printableBytes(path), error.message);
      return undefined;
    }
  }
}

/** Why a name of a directory is not looked at. */
function whyNot(name: Buffer, path: Buffer, before: Buffer | undefined): string | undefined {
  if (name.length === 0 || name.includes(0) || name.includes(0x2f)) return 'cannot be the name of a file';
  if (before?.equals(name) === true) return 'a second entry of one name';
  return path.length >= PATH_MAX ? 'its path is too long' : undefined;
}
