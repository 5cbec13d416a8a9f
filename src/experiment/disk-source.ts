/**
 * The disk of an experiment: an ext2 image made from a directory of real files, or one that the user has, ext2 or ext3. The
 * user's files are only read.
 *
 * An ext3 image that was not unmounted has a journal to be replayed. A guest mounts it once and stops, before anything is
 * measured: what it writes stays in memory, and the files are those that the journal gives. So every guest of the experiment
 * finds the same disk, and so does the oracle, which knows nothing of journals.
 */

import { statSync, type Stats } from 'node:fs';
import { ModelError } from '../base/errno.ts';
import { PAGE_SIZE } from '../base/units.ts';
import { UserError } from '../base/user-error.ts';
import {
  checkSuperblock,
  EXT2_SUPERBLOCK_OFFSET,
  EXT2_SUPERBLOCK_SIZE,
  type Ext2Geometry,
} from '../disk/ext2-format.ts';
import { FileImage } from '../disk/file-image.ts';
import { readHostTree } from '../disk/host-tree.ts';
import type { ImageStore } from '../disk/image-store.ts';
import { MemoryImage } from '../disk/memory-image.ts';
import { makeExt2 } from '../disk/mkfs.ts';
import { MachineMemory } from '../machine/memory.ts';
import { SERVER_2026 } from '../machine/profiles/server-2026.ts';
import type { Process } from '../sim/index.ts';
import { OracleExt2, type OracleFile } from './oracle-ext2.ts';
import type { ProgressListener } from './progress.ts';
import { machineMemoryFor, Testbed } from './testbed.ts';

/** Memory of the guest that replays a journal, bytes: recovery needs little, whatever the journal. */
const REPLAY_MEMORY = 64 << 20;
/** Files may claim this many times the image's size before a limit is asked for: sparse files are real, runs are not endless. */
const SPARSENESS_LIMIT = 8;

/** A medium, to be closed when it is not needed any more. */
export interface OpenImage {
  readonly image: ImageStore;
  readonly close: () => void;
}

export interface DiskSource {
  readonly image: ImageStore;
  readonly oracle: OracleExt2;
  /** Regular files, once for each path. */
  readonly files: readonly OracleFile[];
  /** Bytes of all files. */
  readonly bytes: number;
  /** Another medium with the same bytes, for guests that write. */
  copy(): OpenImage;
  close(): void;
}

/**
 * Opens the disk.
 * @param limit bytes that one run reads at most, undefined for all
 * @throws UserError in one line when the path is missing, is no ext2 image that the driver mounts, or holds nothing to read
 */
export function openDisk(path: string, limit: number | undefined, onProgress: ProgressListener): DiskSource {
  const { image, close } = openImage(path, onProgress);
  try {
    prepare(path, image, onProgress);
    const oracle = new OracleExt2(image);
    // A name that is not UTF-8 has no path that a workload could open.
    const files = oracle.listFiles().filter(({ path: name }) => !name.includes('\ufffd'));
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (bytes === 0) throw new UserError(`${path}: there is nothing to read: ${files.length} regular files, all empty`);
    if (limit === undefined && bytes > SPARSENESS_LIMIT * image.size)
      throw new UserError(`${path}: files claim ${bytes} bytes on a disk of ${image.size}: give a --limit`);
    return { image, oracle, files, bytes, copy: () => copyOf(path, image), close };
  } catch (error) {
    close();
    if (error instanceof UserError && !error.message.startsWith(path)) throw new UserError(`${path}: ${error.message}`);
    throw error;
  }
}

/** Replays what an ext3 image has in its journal. */
function prepare(path: string, image: ImageStore, onProgress: ProgressListener): void {
  if (!checkMountable(path, image).needsRecovery) return;
  onProgress({ phase: 'replaying the journal', done: 0, total: 1 });
  replayJournal(path, image);
  if (checkMountable(path, image).needsRecovery)
    throw new UserError(`${path}: needs_recovery: its journal cannot be replayed: run e2fsck on it first`);
}

function copyOf(path: string, image: ImageStore): OpenImage {
  if (image instanceof MemoryImage) return { image: image.clone(), close: () => undefined };
  const copy = FileImage.open(path);
  prepare(path, copy, () => undefined);
  return {
    image: copy,
    close: () => {
      copy.close();
    },
  };
}

function openImage(path: string, onProgress: ProgressListener): OpenImage {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch {
    throw new UserError(`${path}: no such file or directory`);
  }
  if (stats.isDirectory()) {
    const image = makeExt2(readHostTree(path), {}, (done, total) => {
      onProgress({ phase: 'making the disk', done, total });
    });
    return { image, close: () => undefined };
  }
  if (!stats.isFile()) throw new UserError(`${path}: neither a directory nor a regular file`);
  if (stats.size < 2 * PAGE_SIZE) throw new UserError(`${path}: ${stats.size} bytes are too few for an ext2 image`);
  const image = FileImage.open(path);
  return {
    image,
    close: () => {
      image.close();
    },
  };
}

function checkMountable(path: string, image: ImageStore): Ext2Geometry {
  const bytes = new Uint8Array(EXT2_SUPERBLOCK_SIZE);
  image.read(EXT2_SUPERBLOCK_OFFSET, bytes, 0, EXT2_SUPERBLOCK_SIZE);
  const geometry = checkSuperblock(bytes, image.size);
  if ('refused' in geometry) throw new UserError(`${path}: ${geometry.refused}`);
  return geometry;
}

/** Boots a guest on the image, and shuts it down. */
function replayJournal(path: string, image: ImageStore): void {
  const memory = new MachineMemory(machineMemoryFor(REPLAY_MEMORY));
  const options = {
    seed: 1,
    profile: SERVER_2026,
    disk: 'instant',
    image,
    memory,
    guestMemory: REPLAY_MEMORY,
  } as const;
  const testbed = new Testbed(options);
  const life = function* (): Process {
    const { kernel } = yield* testbed.start('cachemap=off');
    yield* kernel.shutdown();
  };
  try {
    testbed.simulation.runProcess('replay', life());
  } catch (error) {
    throw modelErrorAsUserError(path, error);
  }
}

/** What a failure of the modelled world means to the person who gave `path`. */
export function modelErrorAsUserError(path: string, error: unknown): unknown {
  return error instanceof ModelError ? new UserError(`${path}: ${error.message}`) : error;
}
