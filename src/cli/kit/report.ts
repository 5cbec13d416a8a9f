/** `--report DIR`: where the page goes, and the page written, complete or not at all. */

import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { askHost } from '../../base/index.ts';
import { replaceFile, type OutputFile } from '../../experiment/guest/output-file.ts';

/** The page in the directory that `--report` names, which is made when there is none. */
export const reportIn = (dir: string): OutputFile => ({
  name: '--report',
  path: join(dir, 'index.html'),
  makesDirectories: true,
});

/** Writes the page. Directories that were made for it are removed when it cannot be written. */
export function writeReport({ path }: OutputFile, html: string): void {
  const directory = dirname(path);
  const firstMade = askHost(`cannot make ${directory}`, () => mkdirSync(directory, { recursive: true }));
  try {
    replaceFile(path, (partPath) => writeFileSync(partPath, html, { flag: 'wx' }));
  } catch (error) {
    if (firstMade !== undefined) removeEmpty(directory, resolve(firstMade));
    throw error;
  }
}

/** Removes a directory and those that it lies in, up to `outermost`, as far as they are empty. */
function removeEmpty(directory: string, outermost: string): void {
  for (let at = directory; at.length >= outermost.length; at = dirname(at))
    try {
      rmdirSync(at);
    } catch {
      // Something was put there meanwhile.
      return;
    }
}
