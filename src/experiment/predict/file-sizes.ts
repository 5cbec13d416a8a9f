/**
 * Sizes of the files of a trace when it begins, as the user knows them. They come from a directory
 * that has the files, or from a list `ino,bytes,path`.
 */

import { readFileSync, statSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { InputError } from '../../base/input-error.ts';
import { printable } from '../../base/printable.ts';
import { UserError } from '../../base/user-error.ts';
import { FileList, type ListedFile } from '../../trace/index.ts';
import { kindOf } from '../guest/output-file.ts';
import type { SizeOf } from './recording.ts';

/** What the user knows of the files of a trace. */
export interface KnownFiles {
  readonly sizeOf: SizeOf;
  /** By inode; undefined without a list. */
  readonly listed: ReadonlyMap<number, ListedFile> | undefined;
}

/** @throws UserError when it is neither a directory nor a list */
export function knownFiles(path: string): KnownFiles {
  const kind = kindOf(path);
  if (kind === 'directory') return { sizeOf: (name) => sizeBelow(path, name), listed: undefined };
  if (kind !== 'file') throw new UserError(`--files: ${path} is neither a directory nor a list: it is ${kind}`);
  const list = new FileList();
  try {
    list.push(readFileSync(path));
    list.end();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new UserError(`--files: ${printable(path)}: ${error.message}`);
  }
  const sizes = new Map<string, number>();
  for (const { path: name, bytes } of list.files.values()) if (bytes !== undefined) sizes.set(name, bytes);
  return { sizeOf: (name) => sizes.get(name), listed: list.files };
}

/** Bytes of a regular file below a directory; undefined when there is none. */
function sizeBelow(directory: string, name: string): number | undefined {
  if (name.includes('\0')) return undefined;
  // A path of the trace begins at the directory, and does not leave it.
  const stat = statSync(join(directory, normalize(`/${name}`)), { throwIfNoEntry: false });
  return stat?.isFile() === true ? stat.size : undefined;
}
