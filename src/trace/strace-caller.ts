/** The call of a strace that is under way: its process, its descriptors, and where it reads. */

import { Cursor, hasAt } from './cursor.ts';
import type { Emitter } from './emitter.ts';
import { type Context, whyNoRange } from './format.ts';
import { OPERATION } from './operations.ts';
import { type Inode, type OpenFile, Paths, Process, resolved } from './strace-files.ts';
import { StraceLine, unescaped } from './strace-line.ts';
import type { Tally } from './tally.ts';

const LESS = 0x3c;
const SLASH = 0x2f;
const GREATER = 0x3e;
const DELETED = '(deleted)';
export const PIPES = 'calls on sockets, pipes, directories and the like';
export const MAPPINGS = 'mappings of files, of which reads are not told';
const UNTOLD = 'calls on descriptors of which no file is told';

/** The call under way, and what it works on. */
export class Caller {
  readonly line = new StraceLine();
  readonly paths: Paths;
  readonly processes = new Map<number, Process>();
  process = new Process();
  time = Number.NaN;
  /** Whether what is left out of this call has been counted. */
  hasTold = false;
  readonly #emitter: Emitter;
  readonly #tally: Tally;
  readonly #cursor = new Cursor();

  constructor({ emitter, tally }: Context) {
    this.#emitter = emitter;
    this.#tally = tally;
    this.paths = new Paths(emitter);
  }

  /** Counts that the call is left out. Returns that it was understood. */
  leaveOut(what: string): string | undefined {
    this.#tally.leaveOut(what);
    this.hasTold = true;
    return undefined;
  }

  integer(argument: number): number {
    return this.line.integer(this.#cursor, argument);
  }

  /** An argument that strace prints hexadecimal where it is not 0; -1: it is none. */
  hex(argument: number): number {
    if (argument >= this.line.count) return -1;
    this.#cursor.set(this.line.bytes, this.line.starts[argument]!, this.line.ends[argument]!);
    return this.#cursor.hex();
  }

  add(kind: number, file: number, offset: number, length: number): void {
    this.#emitter.add(this.time, this.#emitter.thread(this.line.pid), kind, file, offset, length);
  }

  /** What a descriptor leads to; undefined, and counted: no file. */
  opened(argument: number): OpenFile | undefined {
    const { line, process } = this;
    const fd = this.integer(argument);
    const at = this.#cursor.at;
    const end = line.ends[argument]!;
    const known = process.files.get(fd)?.open;
    const hasPath = fd >= 0 && line.bytes[at] === LESS && at < end;
    const open = hasPath ? this.#byPath(fd, known, at + 1, end) : known;
    if (open?.inode !== undefined) return open;
    this.leaveOut(open === undefined && fd >= 0 ? UNTOLD : PIPES);
    return undefined;
  }

  /** A read or write of `length` bytes at a byte, or at the position, which it moves. */
  transfer(open: OpenFile, kind: number, length: number, offset = Number.NaN): string | undefined {
    const { inode } = open;
    if (inode === undefined) return this.leaveOut(PIPES);
    const isAtPosition = Number.isNaN(offset);
    let from = isAtPosition ? open.position : offset;
    if (kind === OPERATION.write && open.isAppending) from = inode.size;
    const why = whyNoRange(from, length);
    if (why !== undefined) return why;
    if (isAtPosition) open.position = from + length;
    if (length === 0) return this.leaveOut('reads and writes of 0 bytes');
    inode.size = Math.max(inode.size, from + length);
    if (open.isDirect) return this.leaveOut('calls that go around the page cache');
    this.add(kind, inode.file, from, length);
    return undefined;
  }

  /** The path of an argument, seen from a directory that another one names; undefined: cut off. */
  path(argument: number, directory?: number): string | undefined {
    const path = this.line.string(argument);
    return path === undefined ? undefined : resolved(this.#directory(directory), path);
  }

  #directory(argument: number | undefined): string | undefined {
    const { line, process } = this;
    if (argument === undefined || argument >= line.count) return process.directory.path;
    const fd = this.integer(argument);
    const at = fd < 0 ? line.starts[argument]! + 'AT_FDCWD'.length : this.#cursor.at;
    const end = line.ends[argument]!;
    if (line.bytes[at] === LESS && at < end) return unescaped(line.bytes.subarray(at + 1, end - 1));
    return fd < 0 ? process.directory.path : process.files.get(fd)?.open.path;
  }

  /** What a descriptor with a path behind it leads to. A mark may follow: that it is deleted. */
  #byPath(fd: number, known: OpenFile | undefined, from: number, end: number): OpenFile | undefined {
    const { bytes } = this.line;
    const to = bytes.indexOf(GREATER, from);
    const { seen } = known ?? {};
    if (known !== undefined && seen !== undefined && isSame(seen, bytes, from, to)) return known;
    const text = unescaped(bytes.subarray(from, to));
    const isDeleted = text.endsWith(` ${DELETED}`) || hasAt(bytes, to + 1, end, DELETED);
    if (known !== undefined && (isDeleted || known.path === text)) {
      known.seen = bytes.slice(from, to);
      return known;
    }
    const inode = bytes[from] === SLASH && Paths.isFile(text) && !isDeleted ? this.paths.inode(text) : undefined;
    if (known !== undefined && inode !== undefined && known.inode === inode) {
      // It was renamed.
      known.seen = bytes.slice(from, to);
      return known;
    }
    if (inode !== undefined) this.#tally.leaveOut('descriptors of which no place is told, so that it is 0');
    const open = newFile(inode, text);
    open.seen = bytes.slice(from, to);
    this.process.open(fd, open, false);
    return open;
  }
}

const isSame = (seen: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean => {
  if (seen.length !== to - from) return false;
  for (let i = 0; i < seen.length; i++) if (seen[i] !== bytes[from + i]) return false;
  return true;
};

/** What a descriptor leads to that has just been opened. */
export const newFile = (inode: Inode | undefined, path: string | undefined): OpenFile => ({
  inode,
  path,
  seen: undefined,
  position: 0,
  isAppending: false,
  isDirect: false,
});
