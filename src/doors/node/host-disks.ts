/** Disks from directories and image files of the host, and disks saved as files. */

import { closeSync, openSync, writeSync } from 'node:fs';
import { ArgumentError, checkArgument, checkInteger, checkKeys, checkOneOf } from '../../base/argument-error.ts';
import { InputError } from '../../base/input-error.ts';
import { UserError } from '../../base/user-error.ts';
import { kindOf, replaceFile } from '../../experiment/guest/output-file.ts';
import { openImage } from '../../experiment/guest/disk-source.ts';
import { Disk } from '../machine/disk.ts';

const CHUNK_BYTES = 1 << 20;

/** Which files of a directory a disk has. */
export interface DirectoryOptions {
  /** Only the first files by name, up to so many bytes; all by default. */
  readonly limit?: number;
  /** Leave out what the directory has itself under names that begin with a dot. */
  readonly withoutHidden?: boolean;
}

/**
 * A disk with the files of a directory. Their bytes are read when a guest reads them: they must not
 * change meanwhile.
 * @throws ArgumentError for options of another kind; InputError when the host refuses
 */
export function directory(path: string, options: DirectoryOptions = {}): Disk {
  checkPath(path);
  checkKeys('options', options, ['limit', 'withoutHidden']);
  const { limit, withoutHidden } = options;
  if (limit !== undefined) checkInteger('limit', limit, 1);
  if (withoutHidden !== undefined) checkOneOf('withoutHidden', withoutHidden, [false, true]);
  if (kindOrThrow(path) === 'file') throw new InputError(`${path}: it is a file: call imageFile(path)`);
  return opened(path, limit, withoutHidden);
}

/**
 * A disk with the bytes of an image file, read when a guest reads them. The file stays open.
 * @throws ArgumentError for no path; InputError when the host refuses, or it is another kind of
 * image
 */
export function imageFile(path: string): Disk {
  checkPath(path);
  if (kindOrThrow(path) === 'directory') throw new InputError(`${path}: it is a directory: call directory(path)`);
  return opened(path, undefined, undefined);
}

/**
 * Writes a disk to a file, whole or not at all. Ranges of zeros take no room where the host's file
 * system knows holes.
 * @throws ArgumentError for no disk or path; InputError when the host refuses
 */
export function save(disk: Disk, path: string): void {
  checkArgument(disk instanceof Disk, 'disk', 'expected a Disk, as machine.disk is one');
  checkPath(path);
  asInput(() => {
    replaceFile(path, (part) => {
      writeSparse(disk, part);
    });
  });
}

function writeSparse(disk: Disk, path: string): void {
  const file = openSync(path, 'wx');
  try {
    for (let at = 0; at < disk.size; at += CHUNK_BYTES) {
      const bytes = disk.read(at, Math.min(CHUNK_BYTES, disk.size - at));
      const isLast = at + bytes.length === disk.size;
      if (!isLast && bytes.every((byte) => byte === 0)) continue;
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done);
    }
  } finally {
    closeSync(file);
  }
}

function opened(path: string, limit: number | undefined, withoutHidden: boolean | undefined): Disk {
  return new Disk(asInput(() => openImage(path, limit, () => undefined, withoutHidden)).image);
}

function checkPath(path: string): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw new ArgumentError('path: expected the path of a file or directory');
}

const kindOrThrow = (path: string): ReturnType<typeof kindOf> => asInput(() => kindOf(path));

/** A door speaks of its input, and knows no command line. */
function asInput<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof UserError ? new InputError(error.message) : error;
  }
}
