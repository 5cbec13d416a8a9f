/**
 * The disk of a replay: an ext2 file system with the files that the trace needs, at the sizes that
 * they have when it begins. Its data is made when it is read (contents.ts).
 *
 * Files have numbers for names, in directories of 256: whatever the trace calls them, they are
 * names that a guest can have. Those that the trace creates are not there, but their directories
 * are. What a trace writes in all has room.
 */

import { InputError } from '../../base/input-error.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import { withBootFiles } from '../../disk/mkfs/boot-files.ts';
import { mapExt2 } from '../../disk/mkfs/mkfs.ts';
import { planExt2 } from '../../disk/mkfs/plan.ts';
import { directory, file, tree } from '../../disk/mkfs/tree.ts';
import { diskSourceOf, type DiskSource } from '../guest/disk-source.ts';
import { fillBytes } from './contents.ts';
import type { RecordedFile, TraceRecording } from './recording.ts';

const FILES_OF_DIRECTORY = 256;
/** Blocks that a new file takes besides its data: an inode is made for every four. */
const BLOCKS_OF_NEW_FILE = 5;
/** Room for indirect blocks and directories, as a share. */
const MORE = 1.05;

/** Where the guest has a file of the trace. */
export class TracePaths {
  readonly #digits: number;

  constructor(files: number) {
    this.#digits = String(Math.max(0, files - 1)).length;
  }

  pathOf(number: number): string {
    return `/${this.directoryOf(Math.floor(number / FILES_OF_DIRECTORY))}/${this.nameOf(number)}`;
  }

  directoryOf(number: number): string {
    return `t${number}`;
  }

  nameOf(number: number): string {
    return String(number).padStart(this.#digits, '0');
  }
}

/**
 * @param bootFiles whether it also has the files that a boot reads
 * @throws InputError when ext2 cannot have the files
 */
export function traceDisk({ files }: Pick<TraceRecording, 'files'>, bootFiles: boolean): DiskSource {
  const paths = new TracePaths(files.length);
  const directories = Array.from({ length: Math.ceil(files.length / FILES_OF_DIRECTORY) }, (_, n) => {
    const first = n * FILES_OF_DIRECTORY;
    const entries = files
      .slice(first, first + FILES_OF_DIRECTORY)
      .flatMap((each, k) => (each.exists ? [[paths.nameOf(first + k), fileOf(first + k, each)] as const] : []));
    return [paths.directoryOf(n), directory(entries)] as const;
  });
  const all = tree(directory(directories));
  let [stored, growth] = [1, 0];
  for (const each of files) {
    stored += blocksOf(each);
    growth += each.newPages + (each.exists ? 0 : BLOCKS_OF_NEW_FILE);
  }
  try {
    const plan = planExt2(bootFiles ? withBootFiles(all) : all, { slack: (growth * MORE) / stored });
    return diskSourceOf(mapExt2(plan), 'the files of the trace');
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`a guest's disk cannot have the files of the trace: ${error.message}`);
  }
}

/** Blocks that a file has at the start, without indirect ones. */
export function blocksOf({ size, runs }: RecordedFile): number {
  if (runs === undefined) return Math.ceil(size / PAGE_SIZE);
  let blocks = 0;
  for (let i = 1; i < runs.length; i += 2) blocks += runs[i]!;
  return blocks;
}

const fileOf = (number: number, { size, runs }: RecordedFile) =>
  file({
    sizeBytes: size,
    dataRuns: runs ?? (size === 0 ? [] : [0, Math.ceil(size / PAGE_SIZE)]),
    read: (offset, dst, dstOffset, length) => fillBytes(number, 0, offset, dst, dstOffset, length),
  });
