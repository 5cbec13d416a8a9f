/** `--report DIR`: where the page goes, asked before the work begins; and the page written, complete or not at all. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../base/index.ts';
import { replaceFile } from '../experiment/replace-file.ts';
import { checkWritableDirectory, kindOf } from './io.ts';

/** @throws UserError when the page could not be written there */
export function checkReport(dir: string): void {
  if (kindOf(dir) === 'file') throw new UserError(`--report: ${dir} is a file, a directory is needed`);
  let existing = dir;
  while (kindOf(existing) === 'nothing') existing = dirname(existing);
  checkWritableDirectory('--report', existing);
  if (kindOf(join(dir, 'index.html')) === 'directory')
    throw new UserError(`--report: ${join(dir, 'index.html')} is a directory`);
}

/** Writes the page; makes the directory when there is none. */
export function writeReport(dir: string, html: string): void {
  replaceFile(join(dir, 'index.html'), (partPath) => {
    mkdirSync(dir, { recursive: true });
    writeFileSync(partPath, html);
  });
}
