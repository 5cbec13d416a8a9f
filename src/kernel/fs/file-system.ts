/**
 * What code on files, paths and system calls knows of a file system (super_operations,
 * inode_operations, file_operations and address_space_operations of 2.6.12). What pages need to
 * know of an inode is `Mapping`; what the inode cache does is in inode.ts.
 *
 * A second file system has a folder of its own here, with an inode derived from `Inode`, and a
 * class that implements this interface. The boot code passes it on as a `FileSystem`.
 *
 * Locks are the caller's: each function says which i_sem it expects to be held.
 */

import type { Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import type { Mapping } from '../cache/mapping.ts';
import type { Inode } from './inode.ts';

/** One entry of a directory. */
export interface DirectoryEntry {
  /** Its bytes as base/text.ts spells them: what `open` takes for them again. */
  readonly name: string;
  /** Its inode. */
  readonly ino: number;
  /** file_type of the entry, 0 to 7; 0 when the file system does not tell. */
  readonly type: number;
}

/** Where a name is, or would be. */
export interface Place {
  /** With a reference. */
  readonly parent: Inode;
  readonly name: string;
}

export interface DirectoryOperations {
  /** The inode number of a name, or 0. The directory's i_sem is held. Throws EIO. */
  find(directory: Inode, name: string): Process<number>;
  /** Every entry in use, "." and ".." included, in the order of the disk. Throws EIO. */
  list(directory: Inode): Process<DirectoryEntry[]>;
}

/**
 * Changes of names. The caller holds i_sem of each parent, and of a directory that is removed or
 * replaced. It has looked every name up. sync_dirty_buffer: writes a block to its place now, even
 * if a journal holds it back, and waits for it. All throw ENOSPC, ENOMEM, EIO, EROFS.
 */
export interface NameOperations {
  /** A new inode under a new name, with a reference. @param mode type and permissions */
  create(parent: Inode, name: string, mode: number): Process<Inode>;
  /** Throws EMLINK. */
  mkdir(parent: Inode, name: string, mode: number): Process;
  symlink(parent: Inode, name: string, mode: number, text: Uint8Array): Process;
  /** One more name for an inode. Throws EMLINK. */
  link(parent: Inode, name: string, inode: Inode): Process;
  /** The inode loses this name; its last use deletes it when that was the last. */
  unlink(parent: Inode, name: string, inode: Inode): Process;
  /** Throws ENOTEMPTY. */
  rmdir(parent: Inode, name: string, inode: Inode): Process;
  /**
   * @param replaced what the new name meant, if anything. Throws ENOTDIR, EISDIR, ENOTEMPTY,
   * EMLINK.
   */
  rename(moved: Inode, source: Place, target: Place, replaced: Inode | undefined): Process;
  /**
   * The text of a symbolic link, which ends at a zero byte. Throws EIO when it makes no sense,
   * ENOMEM.
   */
  readlink(inode: Inode): Process<string>;
}

export interface ChangeOperations {
  /** Whether nothing may be changed. */
  readonly isReadOnly: boolean;
  /**
   * Whether pages and inodes may be marked as changed now, without `change`. Asked at every
   * overwrite.
   */
  readonly isOpen: boolean;
  /** Whether a store to a page that is dirty already must be marked again. */
  readonly hearsEveryStore: boolean;
  /**
   * Runs an operation that changes the file system. Not recursive. Throws EROFS, and as the
   * operation does.
   * @param isWhole whether a system call ends with it; else the caller calls `publish` at its end
   */
  change<T>(operation: () => Process<T>, isWhole?: boolean): Process<T>;
  /** Where dirty pages survive a crash: the hypervisor knows of all changes when this returns. */
  publish(): Process;
  /** Changes fields of an inode that `stat` shows; ctime follows. Throws EROFS, EIO. */
  setAttributes(inode: Inode, set: (fields: Inode['fields']) => void): Process;
  /** mark_inode_dirty: `fields` have changed. */
  markInodeDirty(inode: Inode): void;
  /** set_page_dirty for a page of a file. */
  markPageDirty(inode: Inode, pfn: Pfn): void;
  /** inode_update_time: data of the inode was written. Called at every overwrite. */
  touch(inode: Inode): void;
}

export interface PageOperations {
  /**
   * Before a write, under `change`. NOTHING when it need not wait. Throws EROFS, EIO.
   * @param leavesHole it begins behind the end
   */
  beginWrite(inode: Inode, leavesHole: boolean): Process;
  /**
   * The block of a page, allocated if there is none, under `change`. Throws EFBIG, ENOSPC, EIO,
   * EROFS.
   */
  blockForWrite(inode: Inode, index: number): Process<number>;
  /**
   * Sets a file's size; what lies beyond is gone. i_sem is held. Throws EFBIG, EIO, EROFS; EIO also
   * when the file has its new size and something that was cut off could not be freed.
   */
  setSize(inode: Inode, size: number): Process;
}

/** Flags of setxattr, with Linux's values. */
export const XATTR = {
  /** EEXIST if there is one. */
  create: 1,
  /** ENODATA if there is none. */
  replace: 2,
} as const;

/** Extended attributes. All throw ERANGE, EOPNOTSUPP and EINVAL for a name, and EIO. */
export interface AttributeOperations {
  /** Throws ENODATA. */
  get(inode: Inode, name: string): Process<Uint8Array>;
  /** Names, in the order of the disk. */
  list(inode: Inode): Process<string[]>;
  /**
   * i_sem is held. Throws EEXIST, ENODATA, EPERM, ERANGE, ENOSPC, ENOMEM, EROFS.
   * @param value undefined: the attribute goes
   * @param flags of `XATTR`
   */
  set(inode: Inode, name: string, value: Uint8Array | undefined, flags: number): Process;
}

/** struct statfs. */
export interface FileSystemStatistics {
  /** Magic number: 0xEF53. */
  readonly type: number;
  /** Bytes of a block, in which the next three are counted. */
  readonly blockSize: number;
  /** All blocks but those of superblocks, descriptors, bitmaps and inodes. */
  readonly blocks: number;
  /** Free blocks. */
  readonly blocksFree: number;
  /** Free blocks less those that are reserved for the superuser. */
  readonly blocksAvailable: number;
  /** Inodes, used and free. */
  readonly files: number;
  /** Free inodes. */
  readonly filesFree: number;
  /** f_fsid: two numbers of 32 bits, from the file system's UUID. */
  readonly id: readonly [number, number];
  /** Bytes of the longest name. */
  readonly nameLength: number;
}

export interface FileSystem {
  /** The block device's own mapping. */
  readonly device: Mapping;
  readonly rootIno: number;
  /** Bytes of the longest file, and of the longest name. */
  readonly maxFileBytes: number;
  readonly maxNameBytes: number;
  /** Whether anything was changed since the mount. */
  readonly isChanged: boolean;
  /**
   * Whether metadata was changed in a transaction that is not committed; false without a journal.
   */
  readonly hasUncommitted: boolean;
  /** Transactions committed since the mount; 0 without a journal. */
  readonly commits: number;
  readonly directories: DirectoryOperations;
  readonly names: NameOperations;
  readonly changes: ChangeOperations;
  readonly pages: PageOperations;
  readonly attributes: AttributeOperations;
  /** statfs. */
  statistics(): FileSystemStatistics;
  /**
   * read_inode: the inode, with a reference. Throws EIO when there is no such inode or it makes no
   * sense, ENOMEM.
   */
  iget(ino: number): Process<Inode>;
  /**
   * A file is on the disk's medium when this returns. Throws what a write of it met since the last
   * time (EIO, ENOSPC), once.
   * @param dataOnly fdatasync: an inode of which only times have changed need not be written
   */
  fsync(inode: Inode, dataOnly: boolean): Process;
  /** Everything that is dirty is on the disk's medium when this returns. Throws EIO. */
  sync(): Process;
  /**
   * All is written, the page cache stays, and nothing may be changed any more. Throws the first
   * error at the end.
   */
  remountReadOnly(): Process;
}
