/** `--report DIR`: where the page goes, and the page written, complete or not at all. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { askHost } from '../base/index.ts';
import { replaceFile, type OutputFile } from '../experiment/output-file.ts';

/** The page in the directory that `--report` names, which is made when there is none. */
export const reportIn = (dir: string): OutputFile => ({
  name: '--report',
  path: join(dir, 'index.html'),
  makesDirectories: true,
});

/** Writes the page. */
export function writeReport({ path }: OutputFile, html: string): void {
  askHost(`cannot make ${dirname(path)}`, () => mkdirSync(dirname(path), { recursive: true }));
  replaceFile(path, (partPath) => writeFileSync(partPath, html, { flag: 'wx' }));
}
