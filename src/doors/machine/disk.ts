/**
 * What a machine's disk holds at first: bytes in, bytes out. A disk is never written to. Each
 * machine keeps its changes in a layer of its own, so that one disk serves any number of machines.
 */

import { ArgumentError, checkBytes, checkObject, checkRange } from '../../base/argument-error.ts';
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

/** Bytes that are only read. */
export type DiskContents = Pick<ImageStore, 'size' | 'read'> & Partial<Pick<ImageStore, 'extents'>>;

/** What a disk holds: bytes that are only read. */
export class Disk {
  /** @internal */
  readonly contents: DiskContents;

  /**
   * @param contents they must not change while a machine uses them
   * @throws ArgumentError for an object without `size` and `read`
   */
  constructor(contents: DiskContents) {
    checkObject('contents', contents, 'size', 'read');
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
  checkObject('content', content);
  checkObject('options', options);
  return new Disk(makeExt2(tree(nodeOf(content, 'content')), { slack: SLACK, ...options }));
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

function nodeOf(content: FileTree, place: string): ReturnType<typeof directory> {
  const nested = new Map<string, FileTree>();
  const entries: [string, TreeNode][] = [];
  for (const [key, value] of Object.entries(content)) {
    const parts = key.split('/').filter((part) => part !== '');
    const name = parts[0];
    if (name === undefined || name === '.' || name === '..')
      throw new ArgumentError(`${place}: ${JSON.stringify(key)} is no name`);
    const isFile = typeof value === 'string' || value instanceof Uint8Array;
    if (!isFile) checkObject(`${place}.${key}`, value);
    if (parts.length === 1 && isFile) entries.push([name, file(value)]);
    else {
      const rest: FileTree = parts.length === 1 ? (value as FileTree) : { [parts.slice(1).join('/')]: value };
      nested.set(name, { ...nested.get(name), ...rest });
    }
  }
  for (const [name, inside] of nested) entries.push([name, nodeOf(inside, `${place}.${name}`)]);
  return directory(entries);
}
