/**
 * The disk of an experiment: an ext2 image made from a directory of real files, or the user's own
 * ext2 or ext3 image. The user's files are only read. The image of a directory lies in memory when
 * it is small enough, once for all threads (shared-disk.ts). Of a larger one, the metadata and the
 * first files are kept. All others are read each time that the disk is read. What guests write
 * stays in memory.
 *
 * A disk that is made from a directory has the files that a boot reads, too. They are no part of
 * the workload, nor of the files that a result counts.
 *
 * An ext3 image that was not unmounted has a journal to be replayed. A guest mounts it once and
 * stops, before anything is measured. Its writes stay in memory. So every guest of the experiment
 * finds the same disk, and so does the oracle, which knows nothing of journals.
 */

import { ArgumentError } from '../../base/argument-error.ts';
import { GuestPanic, ModelError } from '../../base/errno.ts';
import { InputError } from '../../base/input-error.ts';
import { counted, grouped } from '../../base/counted.ts';
import { PAGE_SIZE, pagesOf } from '../../base/units.ts';
import { printable } from '../../base/printable.ts';
import { UserError } from '../../base/user-error.ts';
import { checkSuperblock, EXT2_SUPERBLOCK_OFFSET, EXT2_SUPERBLOCK_SIZE, type Ext2Geometry } from '../../format/ext2.ts';
import { FileImage } from '../../disk/image/file-image.ts';
import { WholeImage } from '../../disk/image/whole-image.ts';
import { HostListing } from '../../disk/mkfs/host-tree.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import { BOOT_FILES, withBootFiles } from '../../disk/mkfs/boot-files.ts';
import { mapExt2 } from '../../disk/mkfs/mkfs.ts';
import { DEFAULT_SLACK, planExt2 } from '../../disk/mkfs/plan.ts';
import { countFiles, LeftOut, type Tree } from '../../disk/mkfs/tree.ts';
import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { MachineMemory } from '../../machine/memory.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import type { Process } from '../../sim/index.ts';
import { adviceOnExt, foreignImage, HEAD_BYTES, whyUnclean } from './image-kind.ts';
import { OracleExt2, type OracleFile } from '../judge/oracle-ext2.ts';
import { kindOf } from './output-file.ts';
import type { ReadyImage, RebootOptions } from './options.ts';
import type { ProgressListener } from './progress.ts';
import { machineMemoryFor } from '../host/host.ts';
import { Testbed } from '../host/testbed.ts';

/**
 * Memory of the guest that replays a journal, bytes: recovery needs little, whatever the journal.
 */
const REPLAY_MEMORY = 64 << 20;
/**
 * Files may claim this many times what is stored for them. Beyond that a limit is asked for, so
 * that a sparse file does not make a run endless.
 */
const SPARSENESS_LIMIT = 8;
/**
 * Bytes that a directory may claim without a limit, because a host may tell late what it has
 * stored.
 */
const SPARSENESS_IGNORED = 8 * 2 ** 30;

/**
 * Bytes of a directory's image, or of its first files, that are kept in memory. A run reads each
 * file several times, and the oracle reads it again. Room for the modules of a large program.
 */
export const KEPT_BYTES = 512 << 20;

/** A byte of a name that is not UTF-8 (base/text.ts). */
const NOT_TEXT = /[\udc80-\udcff]/u;

/** A medium; close it after use. */
export interface OpenImage {
  readonly image: ImageStore;
  /** All bytes of the image, where they lie in memory that threads share. */
  readonly shared: Uint8Array | undefined;
  /** @throws InputError when a file whose bytes are kept in memory has changed */
  readonly check: () => void;
  readonly close: () => void;
}

/** The regular files of an image, one for each of their paths. */
export interface DiskFiles {
  readonly oracle: OracleExt2;
  /** Those that a path reaches, without `bootFiles`. */
  readonly files: readonly OracleFile[];
  /** What boots read: programs, libraries, configuration, and the lists of these. */
  readonly bootFiles: readonly OracleFile[];
  /** Their bytes. */
  readonly bytes: number;
  /** All except `bootFiles`, and their bytes. */
  readonly all: { readonly files: number; readonly bytes: number };
  readonly unreachable: LeftOut;
  /** Those whose path is not UTF-8. */
  readonly notText: LeftOut;
}

export interface DiskSource extends OpenImage, DiskFiles {
  /** Remarks for the user about files that are missing or not read, a line each. */
  readonly notices: readonly string[];
  /** Differs when a file was written to, or when another has its name now. */
  readonly version: string;
  /** Another medium with the same bytes: each run has one. */
  copy(): ImageStore;
  /** The oracle of a run that only reads: it sees the medium of the run. */
  oracleOf(medium: ImageStore): OracleExt2;
}

/** Lists the regular files of an image. @throws UserError when it does not parse */
export function listFiles(image: ImageStore): DiskFiles {
  const oracle = new OracleExt2(image);
  const unreachable = new LeftOut();
  const notText = new LeftOut();
  const all = { files: 0, bytes: 0 };
  const listed = oracle.listFiles(({ path, size, why }) => {
    unreachable.add(path, why);
    all.files++;
    all.bytes += size;
  });
  const files = listed.filter(({ path }) => !path.startsWith(BOOT_FILES));
  const bootFiles = listed.filter(({ path }) => path.startsWith(BOOT_FILES));
  let bytes = 0;
  for (const { path, size } of files) {
    bytes += size;
    if (NOT_TEXT.test(path)) notText.add(printable(path), 'read by its bytes');
  }
  all.files += files.length;
  all.bytes += bytes;
  return { oracle, files, bootFiles, bytes, all, unreachable, notText };
}

/**
 * Remarks about files of a directory that are not on the disk, and about files with unusual names.
 */
export const noticesOf = (leftOut: LeftOut, { unreachable, notText }: DiskFiles): string[] => [
  ...toldLines(leftOut, 'left out'),
  ...toldLines(unreachable, 'on the disk that no path reaches, not read'),
  ...toldLines(notText, 'on the disk, not UTF-8'),
];

/** Names that were left out, or are told of for another reason, a line each. */
export const toldLines = ({ count, told }: LeftOut, what: string): string[] => [
  ...(count === 0 ? [] : [`${counted(count, 'name')} ${what}:`]),
  ...told.map((line) => `    ${line}`),
  ...(told.length === count ? [] : [`    and ${grouped(count - told.length)} more`]),
];

/**
 * Opens the disk.
 * @param limit the most bytes that one run reads, undefined for all; from a directory, nothing else
 * is on the disk
 * @param kept what of a directory, and besides it, is on the disk (options.ts). `image`: what is
 * read in place of an image. `room`: bytes that a disk made from a directory has besides
 * @throws UserError in one line when the path is missing, is not an image that the driver mounts,
 * or holds nothing to read
 */
export function openDisk(
  path: string,
  limit: number | undefined,
  onProgress: ProgressListener,
  kept: Pick<RebootOptions, 'image' | 'withoutHidden' | 'withoutBootFiles'> & { readonly room?: number } = {},
): DiskSource {
  let opened: ReturnType<typeof openImage> | undefined;
  try {
    const bootFiles = kept.withoutBootFiles !== true;
    const { image: ready, room = 0 } = kept;
    opened = openImage(path, limit, onProgress, kept.withoutHidden, { keptBytes: KEPT_BYTES, bootFiles, ready, room });
    const { image, shared, leftOut, version, check, close } = opened;
    prepare(path, image, onProgress);
    const found = listFiles(image);
    const { files, bytes } = found;
    if (bytes === 0 && room === 0)
      throw new UserError(
        `${path}: there is nothing to read: ${files.length === 0 ? 'no regular file' : counted(files.length, 'regular file, empty', 'regular files, all empty')}`,
      );
    if (limit === undefined && bytes > SPARSENESS_LIMIT * image.size)
      throw new UserError(
        `${path}: files claim ${counted(bytes, 'byte')} on a disk of ${grouped(image.size)}: give a --limit`,
      );
    const notices = [...(ready?.notices ?? []), ...noticesOf(leftOut, found)];
    return { ...sourceOf(image, found, version), shared, notices, check, close };
  } catch (error) {
    opened?.close();
    const mistake = asUserError(path, error);
    const isNamed = !(mistake instanceof UserError) || mistake.message.startsWith(path) || opened === undefined;
    throw isNamed ? mistake : new UserError(`${path}: ${mistake.message}`);
  }
}

/** A disk whose image needs no host. @param version differs when the bytes do */
export const diskSourceOf = (image: ImageStore, version: string): DiskSource =>
  sourceOf(image, listFiles(image), version);

/** As `diskSourceOf`, of files that have been listed. */
export const sourceOf = (image: ImageStore, found: DiskFiles, version: string): DiskSource => ({
  ...found,
  image,
  shared: undefined,
  version,
  notices: [],
  copy: () => new OverlayImage(image),
  oracleOf: (medium) => new OracleExt2(medium),
  check: () => undefined,
  close: () => undefined,
});

/** @throws UserError when a file whose bytes are kept in memory has changed */
export function checkDisk(path: string, disk: DiskSource): void {
  try {
    disk.check();
  } catch (error) {
    throw asUserError(path, error);
  }
}

/** Replays the journal of an ext3 image, and refuses an image that is not clean afterwards. */
function prepare(path: string, image: ImageStore, onProgress: ProgressListener): void {
  if (checkMountable(path, image).needsRecovery) {
    onProgress({ phase: 'replaying the journal', done: 0, total: 1 });
    replayJournal(path, image);
    if (checkMountable(path, image).needsRecovery)
      throw new UserError(`${path}: needs_recovery: its journal cannot be replayed: run e2fsck on it first`);
  }
  const unclean = whyUnclean(headOf(image));
  if (unclean !== undefined) throw new UserError(`${path}: ${unclean}`);
}

/**
 * Opens a directory of files or an image, without a look at what its file system says.
 * @param keptBytes bytes of a directory's image, or of its first files, that are kept in memory, at
 * most
 * @param bootFiles whether the image of a directory has the files that a boot reads
 * @param room bytes that the image of a directory has free besides
 * @param ready what is read in place of an image at `path`
 * @throws UserError
 */
export function openImage(
  path: string,
  limit: number | undefined,
  onProgress: ProgressListener,
  withoutHidden: boolean | undefined,
  {
    keptBytes = 0,
    bootFiles = false,
    room = 0,
    ready,
  }: {
    readonly keptBytes?: number;
    readonly bootFiles?: boolean;
    readonly room?: number;
    readonly ready?: ReadyImage | undefined;
  } = {},
): OpenImage & { readonly leftOut: LeftOut; readonly version: string } {
  if (kindOf(path) === 'directory') {
    const listing = new HostListing(path, limit, withoutHidden, undefined, keptBytes);
    const { bytes, allocatedBytes } = listing;
    if (
      bytes > SPARSENESS_LIMIT * Math.max(allocatedBytes, SPARSENESS_IGNORED / SPARSENESS_LIMIT) &&
      limit === undefined
    )
      throw new UserError(
        `${path}: files claim ${counted(bytes, 'byte')} and have ${grouped(allocatedBytes)}: give a --limit`,
      );
    const tree = listing.read((done) => onProgress({ phase: 'reading the files', done, total: bytes }));
    const whole = bootFiles ? withBootFiles(tree) : tree;
    const mapped = mapExt2(planExt2(whole, room === 0 ? {} : { slack: slackFor(whole, room) }));
    const kept = mapped.size <= keptBytes ? WholeImage.of(mapped) : undefined;
    if (kept !== undefined) listing.copied();
    return {
      image: kept === undefined ? mapped : new OverlayImage(kept),
      shared: kept?.bytes,
      leftOut: tree.leftOut,
      version: listing.version,
      check: () => listing.check(),
      close: () => undefined,
    };
  }
  if (kindOf(path) === 'nothing') throw new UserError(`${path}: no such file or directory`);
  const file = FileImage.open(ready?.file ?? path);
  const image = ready === undefined ? file : partOf(file, ready);
  try {
    const foreign = foreignImage(path, headOf(image));
    if (foreign !== undefined) throw new UserError(`${path}: ${foreign}`);
    if (image.size < 2 * PAGE_SIZE)
      throw new UserError(`${path}: ${counted(image.size, 'byte is', 'bytes are')} too few for an ext2 image`);
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    image,
    shared: undefined,
    leftOut: new LeftOut(),
    version: file.version,
    check: () => undefined,
    close: () => file.close(),
  };
}

/** The slack with which at least `room` bytes are free. */
function slackFor(tree: Tree, room: number): number {
  // The root has a block, so there is one at least.
  return Math.max(DEFAULT_SLACK, pagesOf(room) / Math.max(1, pagesOf(countFiles(tree).bytes)));
}

/** A part of a file as an image of its own. What is written to it stays in memory. */
const partOf = (file: FileImage, { offset, bytes }: ReadyImage): ImageStore =>
  new OverlayImage({
    size: bytes,
    read: (at, dst, dstOffset, length) => file.read(offset + at, dst, dstOffset, length),
  });

function headOf(image: ImageStore): Uint8Array {
  const head = new Uint8Array(Math.min(image.size, HEAD_BYTES));
  image.read(0, head, 0, head.length);
  return head;
}

function checkMountable(path: string, image: ImageStore): Ext2Geometry {
  const bytes = new Uint8Array(EXT2_SUPERBLOCK_SIZE);
  image.read(EXT2_SUPERBLOCK_OFFSET, bytes, 0, EXT2_SUPERBLOCK_SIZE);
  const geometry = checkSuperblock(bytes, image.size);
  if (geometry.ok) return geometry.value;
  const advice = adviceOnExt(headOf(image));
  throw new UserError(`${path}: ${geometry.reason}${advice === undefined ? '' : `; ${advice}`}`);
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
    const code = yield* kernel.shutdown();
    if (code !== undefined) throw new ModelError(code, 'what the journal held cannot be written');
  };
  try {
    testbed.simulation.runProcess('replay', life());
  } catch (error) {
    throw asUserError(path, error);
  }
}

/**
 * What a failure of the modelled world, or of what is read of the image, means to the person who
 * gave `path`. The same for a file or an argument that the model refuses, since all of them come
 * from that person.
 * @param memory bytes of the guest, where one has run: it panics when they are too few
 */
export function asUserError(path: string, error: unknown, memory?: number): unknown {
  if (memory !== undefined && error instanceof GuestPanic)
    return new UserError(`--memory ${memory}: the guest panics: ${error.message}`);
  if (error instanceof InputError || error instanceof ArgumentError) return new UserError(error.message);
  const isOfImage = error instanceof UserError && error.message.startsWith('ext2 image: ');
  return isOfImage || error instanceof ModelError ? new UserError(`${path}: ${error.message}`) : error;
}
