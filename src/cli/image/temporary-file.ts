/**
 * A file without a name: it is gone when the program is, however that ends. Threads of the program
 * open it by the number of its descriptor.
 *
 * Contract: blocks of zeros are not written, and take no room where the host's file system knows
 * holes. Offsets are multiples of 4096 bytes.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asInputError, InputError, isZero, UserError } from '../../base/index.ts';

export const BLOCK = 4096;

/** Calls `visit` for each run of blocks that are not all zeros: where it begins and ends. */
export function forEachData(bytes: Uint8Array, visit: (from: number, to: number) => void): void {
  let begun = -1;
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const isHole = isZero(bytes, at, Math.min(at + BLOCK, bytes.length));
    if (!isHole && begun < 0) begun = at;
    if (isHole && begun >= 0) visit(begun, at);
    if (isHole) begun = -1;
  }
  if (begun >= 0) visit(begun, bytes.length);
}

export class TemporaryFile {
  readonly fd: number;
  /** By which threads of the program open it. */
  readonly path: string;

  /** @throws UserError when the host has no room for it, or does not open it again */
  constructor() {
    this.fd = create();
    this.path = `/dev/fd/${this.fd}`;
    if (isSame(this.fd, this.path)) return;
    closeSync(this.fd);
    throw new UserError('this host does not open files by /dev/fd: unpack or copy the image, and name that');
  }

  /** @throws InputError when the host refuses */
  write(offset: number, bytes: Uint8Array): void {
    forEachData(bytes, (from, to) =>
      ask(() => {
        for (let at = from; at < to; ) at += writeSync(this.fd, bytes, at, to - at, offset + at);
      }),
    );
  }

  /** What was not written is zeros. */
  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const bytes = ask(() => readSync(this.fd, dst, dstOffset + done, length - done, offset + done));
      if (bytes === 0) throw new InputError('a temporary file became shorter');
      done += bytes;
    }
  }

  /** Makes it this long. */
  resize(bytes: number): void {
    ask(() => ftruncateSync(this.fd, bytes));
  }

  close(): void {
    closeSync(this.fd);
  }
}

function ask<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw asInputError(error, `a temporary file in ${tmpdir()} (TMPDIR)`);
  }
}

function create(): number {
  for (let n = 0; ; n++) {
    const path = join(tmpdir(), `stillwarm-${process.pid}-${n}.tmp`);
    try {
      const fd = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
      return fd;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST'))
        throw asInputError(error, `a temporary file in ${tmpdir()} (TMPDIR)`);
    }
  }
}

function isSame(fd: number, path: string): boolean {
  try {
    const [a, b] = [fstatSync(fd, { bigint: true }), statSync(path, { bigint: true })];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}
