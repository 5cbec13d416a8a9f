/**
 * What a machine's disk holds at first: bytes in, bytes out. A disk that was made here is never
 * written to. Each machine keeps its changes in a layer of its own, so that one disk serves any
 * number of machines. The disk that a machine answers with shows that layer, and changes with it.
 */

import {
  ArgumentError,
  checkArgument,
  checkBytes,
  checkFunction,
  checkInteger,
  checkKeys,
  checkObject,
  checkRange,
} from '../../base/argument-error.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';
import { MemoryImage } from '../../disk/image/memory-image.ts';
import { makeExt2 } from '../../disk/mkfs/mkfs.ts';
import type { Ext2Options } from '../../disk/mkfs/plan.ts';
import { directory, file, type TreeNode, tree } from '../../disk/mkfs/tree.ts';

/** A tree of files: a text or bytes for a file, an object for a directory. */
export interface FileTree {
  readonly [name: string]: string | Uint8Array | FileTree;
}

/** Free space of a disk that is made without a size, as a share of what it holds. */
const SLACK = 1;

const FILES_OPTIONS = Object.keys({
  ...{ size: 1, slack: 1, label: 1, timeSeconds: 1, journalBlocks: 1, inodeBytes: 1 },
} satisfies Record<keyof Ext2Options, 1>);

/** Bytes that are only read. */
export type DiskContents = Pick<ImageStore, 'size' | 'read'> & Partial<Pick<ImageStore, 'extents'>>;

/** What a disk holds: bytes that are only read. */
export class Disk {
  /** @internal */
  readonly contents: DiskContents;

  /**
   * @param contents they must not change while a machine uses them
   * @throws ArgumentError for an object without `read` and a whole number of bytes as `size`
   */
  constructor(contents: DiskContents) {
    checkObject('contents', contents, 'size', 'read');
    checkInteger('contents.size', contents.size);
    checkFunction('contents.read', contents.read);
    this.contents = contents;
  }

  /** Bytes. */
  get size(): number {
    return this.contents.size;
  }

  /**
   * `length` bytes from `offset` on.
   * @throws ArgumentError for what is not on the disk
   */
  read(offset = 0, length = this.size - offset): Uint8Array {
    checkRange('offset', offset, length, this.size);
    const bytes = new Uint8Array(length);
    this.contents.read(offset, bytes, 0, length);
    return bytes;
  }
}

/**
 * A disk with an ext2 file system, or ext3 with `journalBlocks`. By default half of it is free, and
 * at least 1 MiB. The keys of `content` are names; a key with slashes makes the directories on its
 * way. Times are kept to the second, with `inodeBytes: 256` to the nanosecond.
 * @throws ArgumentError for a name that cannot be; InputError for sizes that cannot be
 */
export function files(content: FileTree, options: Ext2Options = {}): Disk {
  checkKeys('options', options, FILES_OPTIONS);
  const root: Draft = new Map();
  draw(root, content, 'content', 0);
  return new Disk(makeExt2(tree(nodeOf(root)), { slack: SLACK, ...options }));
}

/**
 * A disk with these bytes, which are copied.
 * @throws ArgumentError for what is no Uint8Array
 */
export function image(bytes: Uint8Array): Disk {
  checkBytes('bytes', bytes);
  const copy = new MemoryImage(bytes.length);
  copy.write(0, bytes, 0, bytes.length);
  return new Disk(copy);
}

/** A directory that is being made: what it holds by name. */
type Draft = Map<string, Draft | string | Uint8Array>;

/** Directories in each other: deeper ones no absolute path of 4096 bytes can name. */
const MOST_DEEP = 2000;

/** Puts all of a tree below a directory. */
function draw(into: Draft, content: FileTree, place: string, depth: number): void {
  checkArgument(depth <= MOST_DEEP, 'content', `holds itself, or more than ${MOST_DEEP} directories in each other`);
  checkPlain(place, content);
  for (const [key, value] of Object.entries(content)) {
    const parts = key.split('/').filter((part) => part !== '');
    const last = parts.pop();
    if (last === undefined || last === '.' || last === '..' || parts.includes('.') || parts.includes('..'))
      throw new ArgumentError(`${place}: ${JSON.stringify(key)} is no name`);
    checkArgument(depth + parts.length <= MOST_DEEP, 'content', `more than ${MOST_DEEP} directories in each other`);
    const parent = parts.reduce(directoryIn, into);
    if (typeof value !== 'string' && !(value instanceof Uint8Array))
      draw(directoryIn(parent, last), value, `${place}.${last}`, depth + parts.length + 1);
    else if (parent.has(last)) throw new ArgumentError(`${place}: ${JSON.stringify(key)} occurs twice`);
    else parent.set(last, value);
  }
}

function directoryIn(parent: Draft, name: string): Draft {
  const there = parent.get(name);
  if (there instanceof Map) return there;
  checkArgument(there === undefined, 'content', `${JSON.stringify(name)} is both a file and a directory`);
  const made: Draft = new Map();
  parent.set(name, made);
  return made;
}

/** @throws ArgumentError unless it is an object whose own properties are all of it */
function checkPlain(place: string, content: FileTree): void {
  checkObject(place, content);
  const isPlain = Object.prototype.toString.call(content) === '[object Object]';
  checkArgument(isPlain, place, 'expected text, a Uint8Array, or an object with names for keys');
}

function nodeOf(draft: Draft): ReturnType<typeof directory> {
  const entries: [string, TreeNode][] = [];
  for (const [name, inside] of draft) entries.push([name, inside instanceof Map ? nodeOf(inside) : file(inside)]);
  return directory(entries);
}
