/**
 * Whole files or none: a file is written under another name in the same directory, and renamed when it is complete.
 * Whoever looks sees the old file or the new one, never half of one; a failure removes what was begun.
 */

import { renameSync, rmSync } from 'node:fs';
import { asUserError } from '../base/index.ts';

/**
 * Makes the file `path` by calling `write`, which creates and writes the file it is told.
 * @throws UserError when the host refuses; what else `write` throws goes through. Nothing is left behind.
 */
export function replaceFile(path: string, write: (partPath: string) => void): void {
  const partPath = `${path}.${process.pid}.part`;
  try {
    // Left by a process of the same number that was killed.
    rmSync(partPath, { force: true });
    write(partPath);
    renameSync(partPath, path);
  } catch (error) {
    rmSync(partPath, { force: true });
    throw asUserError(error, `cannot write ${path}`);
  }
}
