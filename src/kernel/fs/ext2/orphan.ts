/**
 * The orphan list of ext3 (fs/ext3/namei.c and super.c of 2.6.12): inodes without a name that are
 * still in use. A crash ends that use, so the next mount deletes them.
 *
 * On the disk the list runs from s_last_orphan through i_dtime of its inodes. The newest comes
 * first.
 */

import { EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import type { Buffers } from '../buffer.ts';
import type { Ext2Inode } from './inode-info.ts';

const S_LAST_ORPHAN = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_last_orphan;

export class OrphanList {
  readonly #buffers: Buffers;
  readonly #markDirty: (inode: Ext2Inode) => void;
  /** In the order of the disk. */
  readonly #orphans: Ext2Inode[] = [];

  constructor(buffers: Buffers, markDirty: (inode: Ext2Inode) => void) {
    this.#buffers = buffers;
    this.#markDirty = markDirty;
  }

  /** Ext2Inode number of the first orphan on the disk; 0: none. */
  *first(): Process<number> {
    return this.#buffers.readU32(yield* this.#buffers.bread(0), S_LAST_ORPHAN);
  }

  /** The list as recovery found it. */
  restore(inodes: readonly Ext2Inode[]): void {
    this.#orphans.push(...inodes);
  }

  /** ext3_orphan_add, under a handle. */
  *add(inode: Ext2Inode): Process {
    const superblock = this.#buffers.findForChange(0) ?? (yield* this.#buffers.breadForChange(0));
    inode.fields.dtime = this.#orphans[0]?.ino ?? 0;
    this.#orphans.unshift(inode);
    this.#markDirty(inode);
    this.#buffers.writeU32(superblock, S_LAST_ORPHAN, inode.ino);
  }

  /** ext3_orphan_del, under a handle; nothing when it is not on the list. */
  *remove(inode: Ext2Inode): Process {
    if (!this.#orphans.includes(inode)) return;
    const superblock = this.#buffers.findForChange(0) ?? (yield* this.#buffers.breadForChange(0));
    const at = this.#orphans.indexOf(inode);
    this.#orphans.splice(at, 1);
    const next = this.#orphans[at]?.ino ?? 0;
    const previous = this.#orphans[at - 1];
    if (previous === undefined) this.#buffers.writeU32(superblock, S_LAST_ORPHAN, next);
    else {
      previous.fields.dtime = next;
      this.#markDirty(previous);
    }
  }

  /** The list on the disk makes no sense: it is given up, under a handle. */
  *clear(): Process {
    this.#orphans.length = 0;
    this.#buffers.writeU32(yield* this.#buffers.breadForChange(0), S_LAST_ORPHAN, 0);
  }
}
