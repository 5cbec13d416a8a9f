/**
 * What ext2 and ext3 know of an inode in memory besides what every file system does
 * (ext2_inode_info of 2.6.12).
 */

import type { AddressSpace } from '../../mm/page-cache.ts';
import type { Process } from '../../../sim/index.ts';
import type { Buffers } from '../buffer.ts';
import { Inode, type InodeFields, type InodeHolder, type InodeOperations } from '../inode.ts';
import type { JournaledInode } from '../jbd/journal.ts';
import { Mutex } from '../mutex.ts';
import type { DirectoryIndex } from './dir-index.ts';

/** Extra fields up to and with the nanoseconds of all three times (INODE_EXTRA). */
const FINE_BYTES = 16;

/** What the disk says about an inode. After a change, `markInodeDirty`. */
export interface Ext2InodeFields extends InodeFields {
  /** 0 while the inode is in use; on the orphan list, the number of the next. */
  dtime: number;
  flags: number;
  /** i_block: 15 pointers, or the text of a short symbolic link. */
  readonly pointers: Uint32Array;
  /** Block of extended attributes (ext2/xattr.ts), which counts in `sectors`; 0: none. */
  fileAcl: number;
  /**
   * i_extra_isize: bytes of fields behind the first 128; 0 where there are none, or the inode says
   * that none is used.
   */
  readonly extraBytes: number;
}

/** Whether an inode has room for the nanoseconds of its times. */
export function isFine(fields: Ext2InodeFields): boolean {
  return fields.extraBytes >= FINE_BYTES;
}

/** What ext2 does for an inode in memory. */
export interface Ext2InodeOperations extends InodeOperations {
  /** Puts the fields of an inode into their buffer. Throws EIO. */
  store(inode: Ext2Inode): Process;
}

export class Ext2Inode extends Inode implements JournaledInode {
  declare readonly fields: Ext2InodeFields;
  /** Of a directory: what is known of its blocks. */
  readonly index: DirectoryIndex | undefined;
  /** Held, under i_sem, while the map from pages to blocks changes. */
  readonly mapLock: Mutex;
  readonly #operations: Ext2InodeOperations;
  /** Until then another write leaves its times, where it is dirty; ns of virtual time. */
  stampedUntil = 0;
  tid = -1;
  syncTid = -1;
  /** Page and block that were allocated last: where a sequential writer goes on. */
  lastIndex = -1;
  lastBlock = 0;
  /**
   * Without a journal: indirect blocks that were changed (the private list of buffers). Each has a
   * page to which it leads, or -1 when it was there already. Made when first needed.
   */
  #metadataBlocks: Map<number, number> | undefined;

  constructor(
    fields: Ext2InodeFields,
    space: AddressSpace,
    operations: Ext2InodeOperations,
    holder: InodeHolder,
    index: DirectoryIndex | undefined,
  ) {
    super(fields, space, operations, holder);
    this.#operations = operations;
    this.index = index;
    this.mapLock = new Mutex('the map lock', fields);
  }

  store(): Process {
    return this.#operations.store(this);
  }

  /**
   * An indirect block was changed, and fsync must write it.
   * @param index of a page to which it leads, when it is new
   */
  addMetadataBlock(block: number, index = -1): void {
    const blocks = (this.#metadataBlocks ??= new Map<number, number>());
    if (index >= 0 || !blocks.has(block)) blocks.set(block, index);
  }

  /** A page to which a new indirect block of this inode leads; -1 when it has no such block. */
  pageBehind(block: number): number {
    return this.#metadataBlocks?.get(block) ?? -1;
  }

  /** An indirect block was freed. */
  removeMetadataBlock(block: number): void {
    this.#metadataBlocks?.delete(block);
  }

  /**
   * remove_inode_buffers: the indirect blocks that are not written yet, ascending. Forgets the
   * others.
   */
  unwrittenBlocks(buffers: Buffers): number[] {
    if (this.#metadataBlocks === undefined) return [];
    for (const block of this.#metadataBlocks.keys())
      if (!buffers.isUnwritten(block)) this.#metadataBlocks.delete(block);
    const blocks = [...this.#metadataBlocks.keys()].sort((a, b) => a - b);
    if (blocks.length === 0) this.#metadataBlocks = undefined;
    return blocks;
  }
}
