/** The text of a file that a user names, or of standard input. */

import { Buffer } from 'node:buffer';
import { closeSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { askHost, InputError } from '../../base/index.ts';
import { openRegularFile } from '../../disk/image/file-image.ts';
import type { Io } from './io.ts';
import { sizeText } from './values.ts';

/** Bytes of a file. Results have some thousands, with long time lines a few millions. */
const BYTES_MAX = 64 << 20;
const CHUNK_BYTES = 1 << 20;

export const nameOf = (path: string): string => (path === '-' ? 'standard input' : path);

/**
 * @param path of the file; `-` is standard input
 * @param most bytes that such a file may have
 * @param what such a file is
 * @throws InputError
 */
export function textOf(
  path: string,
  io: Pick<Io, 'cwd' | 'stdin'>,
  most = BYTES_MAX,
  what = 'the result of a command',
): string {
  const name = nameOf(path);
  const limit: Limit = {
    most,
    refuse: () => {
      throw new InputError(`${name}: more than ${sizeText(most)}: not ${what}`);
    },
  };
  const bytes = path === '-' ? readAll(io.stdin, name, limit) : readFile(resolve(io.cwd, path), name, limit);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${name}: not text in UTF-8`);
  }
}

/** Opens the file once. @throws InputError for one that is not regular, or may not be read */
export const checkReadable = (path: string, shown: string): void => closeSync(openRegularFile(path, shown).fd);

interface Limit {
  readonly most: number;
  readonly refuse: () => never;
}

function readFile(path: string, name: string, limit: Limit): Uint8Array {
  const { fd, size } = openRegularFile(path, `cannot read ${name}`);
  try {
    return size > limit.most ? limit.refuse() : readAll(fd, name, limit);
  } finally {
    closeSync(fd);
  }
}

/** A file may grow meanwhile, and a pipe has no size. */
function readAll(fd: number, name: string, { most, refuse }: Limit): Uint8Array {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let total = 0; ; ) {
    const length = askHost(`cannot read ${name}`, () => readSync(fd, chunk));
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(Buffer.from(chunk.subarray(0, length)));
    total += length;
    if (total > most) refuse();
  }
}
