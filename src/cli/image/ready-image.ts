/**
 * Makes the image that a user gave ready for a guest, which mounts ext2 and ext3 with blocks of 4
 * KiB. The image is unpacked, its partition is found, and its files are copied where they must be.
 *
 * Contract: the image is opened for reading only. What is made of it is in files without names,
 * which are gone when the program is. An image that a guest mounts is taken as it is.
 */

import { counted, grouped, InputError, UserError } from '../../base/index.ts';
import { getField, getU32 } from '../../base/layout.ts';
import { EXT2_INCOMPAT, SUPERBLOCK } from '../../format/ext2.ts';
import { readPartitionTable, type Partition, type PartitionTable } from '../../format/partition-table.ts';
import { FileImage } from '../../disk/image/file-image.ts';
import { toldLines } from '../../experiment/guest/disk-source.ts';
import {
  adviceOnExt,
  extOf,
  HEAD_BYTES,
  superblockOf,
  tableOf,
  whatIs,
  whyUnclean,
} from '../../experiment/guest/image-kind.ts';
import type { ReadyImage } from '../../experiment/guest/options.ts';
import { kindOf } from '../../experiment/guest/output-file.ts';
import type { ProgressListener } from '../../experiment/guest/progress.ts';
import { packerOf } from '../../experiment/host/unpacked.ts';
import { copyFiles } from './copy-files.ts';
import { unpacked } from './unpacked.ts';

/** Place of s_blocks_count_hi, which a file system of ext4 with 64bit has. */
const BLOCKS_COUNT_HIGH = 336;

/** A disk, or a part of one. */
interface Bytes {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** @throws InputError for a range outside */
  readonly read: (offset: number, dst: Uint8Array) => void;
}

function headOf({ bytes, read }: Pick<Bytes, 'bytes' | 'read'>): Uint8Array {
  const head = new Uint8Array(Math.min(bytes, HEAD_BYTES));
  read(0, head);
  return head;
}

/**
 * Whether an image must be made ready before a guest mounts it.
 * @param partition the number that the user asked for
 * @throws UserError when there is no image that could have partitions
 */
export function mustBeMadeReady(path: string, partition: number | undefined): boolean {
  const kind = kindOf(path);
  if (kind !== 'file') {
    if (partition !== undefined) throw new UserError(`--partition: ${path} is a ${kind}, not an image`);
    return false;
  }
  const image = FileImage.open(path);
  try {
    const head = headOf({ bytes: image.size, read: readerOf(image) });
    if (partition !== undefined || packerOf(head) !== undefined) return true;
    return superblockOf(head) === undefined ? tableOf(head) !== undefined : adviceOnExt(head) !== undefined;
  } finally {
    image.close();
  }
}

const readerOf =
  (image: FileImage) =>
  (offset: number, dst: Uint8Array): void =>
    image.read(offset, dst, 0, dst.length);

/**
 * Makes an image ready.
 * @param partition the number of the one that is taken; the first of ext2, ext3 or ext4 by default
 * @returns the image, to be closed after use
 * @throws UserError or InputError of one line that begins with the path
 */
export async function readyImage(
  path: string,
  partition: number | undefined,
  onProgress: ProgressListener,
): Promise<{ readonly image: ReadyImage; readonly close: () => void }> {
  const open: { close: () => void }[] = [];
  const close = (): void => open.splice(0).forEach((each) => each.close());
  try {
    const given = FileImage.open(path);
    open.push(given);
    const { version } = given;
    const notices: string[] = [];
    let disk: Bytes = { file: path, offset: 0, bytes: given.size, read: readerOf(given) };
    const packer = packerOf(headOf(disk));
    if (packer !== undefined) {
      const { image, bytes } = await unpacked(path, given.size, packer, onProgress);
      open.push(image);
      const read = (offset: number, dst: Uint8Array): void => image.read(offset, dst, 0, dst.length);
      disk = { file: image.path, offset: 0, bytes, read };
      notices.push(`packed by ${packer}, and unpacked to ${counted(bytes, 'byte')}`);
    }
    const volume = volumeOf(disk, partition, notices);
    const head = headOf(volume);
    // Of what a guest mounts, or refuses with a reason of its own, nothing is copied.
    let image: Pick<ReadyImage, 'file' | 'offset' | 'bytes'> = volume;
    if (adviceOnExt(head) !== undefined) {
      const superblock = superblockOf(head)!;
      checkVolume(superblock, head, volume.bytes);
      const copy = await copyFiles(volume.read, volume.bytes, onProgress);
      open.push(copy.image);
      image = { file: copy.image.path, offset: 0, bytes: copy.bytes };
      const blocks = `blocks of ${blockBytes(superblock)} bytes`;
      notices.push(
        `${extOf(superblock)} with ${blocks}: its files were copied into an image of ours: the layout is ours, not its own`,
        ...toldLines(copy.leftOut, 'left out'),
      );
    }
    if (given.version !== version)
      throw new UserError('changed while it was read: stop what writes to it, or name a copy');
    const named = notices.map((line) => (line.startsWith(' ') ? line : `${path}: ${line}`));
    return { image: { file: image.file, offset: image.offset, bytes: image.bytes, notices: named }, close };
  } catch (error) {
    close();
    const isRefusal = error instanceof UserError || error instanceof InputError;
    throw isRefusal && !error.message.startsWith(path) ? new UserError(`${path}: ${error.message}`) : error;
  }
}

/** The disk itself, or a partition of it. */
function volumeOf(disk: Bytes, asked: number | undefined, notices: string[]): Bytes {
  const table = superblockOf(headOf(disk)) === undefined ? tableFrom(disk) : undefined;
  if (table === undefined) {
    if (asked !== undefined) throw new UserError(`--partition ${asked}: it has no partition table`);
    return disk;
  }
  const parts = table.partitions.map((partition) => ({ partition, ...lookAt(disk, partition) }));
  const found = parts.filter(({ isExt }) => isExt);
  const taken = asked === undefined ? found[0] : parts.find(({ partition }) => partition.number === asked);
  if (taken === undefined) {
    if (asked === undefined)
      throw new UserError(
        `none of its partitions is ext2, ext3 or ext4: ${parts.map(({ partition, is }) => `${partition.number} is ${is}`).join(', ')}`,
      );
    const numbers = parts.map(({ partition }) => partition.number).join(', ');
    throw new UserError(`--partition ${asked}: there is none of this number, but ${numbers}`);
  }
  const { partition, is, isExt } = taken;
  if (!isExt) throw new UserError(`--partition ${partition.number}: it is ${is}, not ext2, ext3 or ext4`);
  const end = partition.start + partition.bytes;
  if (end > disk.bytes)
    throw new UserError(
      `partition ${partition.number} ends at byte ${grouped(end)}, and the disk at ${grouped(disk.bytes)}: it is cut short`,
    );
  const others = found.filter((each) => each !== taken).map((each) => `${each.partition.number} (${each.is})`);
  const also = others.length === 0 ? '' : `; others for --partition: ${others.join(', ')}`;
  notices.push(`partition ${partition.number} of its ${table.kind} is taken, ${is}${also}`);
  return partOf(disk, partition);
}

const partOf = (disk: Bytes, { start, bytes }: Partition): Bytes => ({
  ...{ file: disk.file, offset: start, bytes },
  read: (offset, dst) => {
    if (offset + dst.length > bytes) throw new InputError('a place behind the end of the partition');
    disk.read(start + offset, dst);
  },
});

function tableFrom({ bytes, read }: Bytes): PartitionTable | undefined {
  return readPartitionTable((offset, length) => {
    if (offset + length > bytes) return undefined;
    const found = new Uint8Array(length);
    read(offset, found);
    return found;
  });
}

/** What is in a partition, as far as it lies on the disk. */
function lookAt(disk: Bytes, partition: Partition): { is: string; isExt: boolean } {
  const bytes = Math.min(partition.bytes, disk.bytes - partition.start);
  if (bytes <= 0) return { is: 'behind the end of the disk', isExt: false };
  const head = headOf(partOf(disk, { ...partition, bytes }));
  const superblock = superblockOf(head);
  return superblock === undefined
    ? { is: whatIs(head) ?? 'unknown', isExt: false }
    : { is: extOf(superblock), isExt: true };
}

const blockBytes = (superblock: Uint8Array): number =>
  1024 * 2 ** getField(SUPERBLOCK, superblock, 0, 's_log_block_size');

/** @throws UserError for a volume whose files would not be those that its users left */
function checkVolume(superblock: Uint8Array, head: Uint8Array, bytes: number): void {
  const incompat = getField(SUPERBLOCK, superblock, 0, 's_feature_incompat');
  if ((incompat & EXT2_INCOMPAT.encrypt) !== 0)
    throw new UserError('it has encrypted files: copy them where it is mounted');
  if ((incompat & EXT2_INCOMPAT.needs_recovery) !== 0)
    throw new UserError('needs_recovery: it was not unmounted: run e2fsck -fy on a copy of it first');
  const unclean = whyUnclean(head);
  if (unclean !== undefined) throw new UserError(unclean);
  const high = (incompat & EXT2_INCOMPAT['64bit']) === 0 ? 0 : getU32(superblock, BLOCKS_COUNT_HIGH);
  const blocks = getField(SUPERBLOCK, superblock, 0, 's_blocks_count') + high * 2 ** 32;
  const claimed = blocks * blockBytes(superblock);
  if (claimed > bytes)
    throw new UserError(
      `its file system has ${counted(claimed, 'byte')}, and only ${grouped(bytes)} are there: it is cut short`,
    );
}
