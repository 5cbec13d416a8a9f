/**
 * What a file system asks of its journal, and the journal of one that has none (ext2).
 *
 * Metadata is changed only in an operation that `run` runs. With a journal (jbd.ts) that is a
 * handle: what the operation changes reaches the disk whole or not at all. Without one, a change is
 * dirty at once, and reaches its place whenever it is written back.
 */

import type { Pfn } from '../../../base/units.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import { PG } from '../../mm/mem-map.ts';
import type { Mapping } from '../../cache/mapping.ts';
import type { FsCore } from '../core.ts';
import type { Inode } from '../inode.ts';

/** An inode of a file system that may have a journal. */
export interface JournaledInode extends Inode {
  /** Transaction in which it was changed last, at the latest; -1: in none since the mount. */
  tid: number;
  /** The same for a change of more than its times. */
  syncTid: number;
  /** Puts its fields into their buffer. Throws EIO. */
  store(): Process;
}

export interface Journal {
  /** Whether there is a journal at all: where ext2 and ext3 go different ways. */
  readonly isKept: boolean;
  /** Whether inodes and pages may be marked as changed now, outside of `run`. */
  readonly isOpen: boolean;
  /** Whether it has ended with an error: nothing is committed any more. */
  readonly isAborted: boolean;
  /** Whether blocks were freed that can be used again after the next commit. */
  readonly hasFrozen: boolean;
  /** Sequence number of the youngest transaction, committed or not; -1: there was none. */
  readonly lastTid: number;
  /** Transactions committed since the mount. */
  readonly commits: number;
  /**
   * Runs an operation that changes the file system. Not recursive. Throws EROFS when nothing may be
   * changed, and as the operation does.
   */
  run<T>(operation: () => Process<T>): Process<T>;
  /**
   * Everything changed so far is in the log, on the disk's medium. Throws EIO when it could not be.
   */
  force(): Process;
  /** As `force`, up to transaction `tid`. */
  waitFor(tid: number): Process;
  /** Whether what was changed in transaction `tid` is in the log. */
  isCommitted(tid: number): boolean;
  /** Everything is committed and in its place, and the log is empty. Nothing changes any more. */
  flush(): Process;
  /** Nothing is committed any more. */
  abort(why: string): void;
  /** mark_inode_dirty: the fields of an inode have changed. */
  addInode(inode: JournaledInode): void;
  /** set_page_dirty for a page of a file, or of a directory that `access` gave. */
  markPageDirty(inode: Inode, pfn: Pfn): void;
  /** The data of a file must be on the disk before what leads to it. */
  addData(mapping: Mapping): void;
  /** The page of a buffer or directory, to be changed before the next wait. Throws EIO. */
  access(mapping: Mapping, index: number): Process<Pfn>;
  /** What `access` would return without waiting; undefined when it would have to. */
  tryAccess(mapping: Mapping, index: number): Pfn | undefined;
  /** A block that was just allocated to a page of metadata; no write of the page is in flight. */
  join(mapping: Mapping, index: number, block: number, pfn: Pfn): void;
  /** Whether a block's buffer may be changed now; for assertions. */
  isJoined(block: number): boolean;
  /** A block of metadata is freed: recovery must not bring it back. */
  revoke(block: number): void;
  /**
   * In an operation, before dirty pages of a file are dropped: those of a transaction under commit
   * are written.
   */
  waitForData(mapping: Mapping): Process;
  /** In an operation: the pages of a mapping are about to be dropped, it is deleted. */
  forgetMapping(mapping: Mapping): void;
  /** A block is freed: until that is committed it is not used again. */
  freeze(group: number, bit: number): void;
  /**
   * The blocks of a group that are free and must not be used yet, one bit each; undefined: none.
   */
  frozen(group: number): Uint8Array | undefined;
}

/** No journal: every change is dirty at once. */
export class NoJournal implements Journal {
  readonly isKept = false;
  readonly isOpen = true;
  readonly isAborted = false;
  readonly hasFrozen = false;
  readonly lastTid = -1;
  readonly commits = 0;
  readonly #core: FsCore;

  constructor(core: FsCore) {
    this.#core = core;
  }

  run<T>(operation: () => Process<T>): Process<T> {
    return operation();
  }

  force(): Process {
    return NOTHING;
  }

  waitFor(): Process {
    return NOTHING;
  }

  isCommitted(): boolean {
    return true;
  }

  flush(): Process {
    return NOTHING;
  }

  abort(): void {
    // Nothing is committed.
  }

  addInode(inode: JournaledInode): void {
    // One that is dirty is on the list already.
    if (!inode.isInodeDirty) this.#core.writeback.markInodeDirty(inode);
    inode.isInodeDirty = true;
  }

  markPageDirty(inode: Inode, pfn: Pfn): void {
    this.#core.writeback.markPageDirty(inode, pfn);
  }

  addData(): void {
    // Nothing is ordered.
  }

  access(mapping: Mapping, index: number): Process<Pfn> {
    return this.#core.io.getPage(mapping, index);
  }

  tryAccess(mapping: Mapping, index: number): Pfn | undefined {
    return this.#core.io.find(mapping.space, index);
  }

  join(_mapping: Mapping, _index: number, _block: number, pfn: Pfn): void {
    this.#core.mm.map.set(pfn, PG.fresh);
  }

  isJoined(): boolean {
    return true;
  }

  revoke(): void {
    // Nothing is recovered.
  }

  waitForData(): Process {
    return NOTHING;
  }

  forgetMapping(): void {
    // It holds nothing of a mapping.
  }

  freeze(): void {
    // A free block may be used at once.
  }

  frozen(): Uint8Array | undefined {
    return undefined;
  }
}
