/**
 * Names in the directories of ext2 and ext3, and symbolic links (fs/ext2/namei.c and symlink.c of
 * 2.6.12). Creating, linking, renaming and removing names change inodes and directory blocks. Paths
 * and locks are file/namespace.ts.
 *
 * A new name is on its way to the disk before an old one is removed, so that a crash leaves what
 * e2fsck repairs.
 *
 * Everything that an operation needs is read before its first store. A later failure is undone, or
 * it is an error of the file system. An inode that got no name loses its links, and its last
 * reference deletes it. The dentry cache follows each step at once.
 */

import { ModelError } from '../../../base/errno.ts';
import { decodeText } from '../../../base/text.ts';
import { PAGE_SIZE } from '../../../base/units.ts';
import { EXT2_FAST_SYMLINK_MAX, EXT2_LINK_MAX } from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import type { FsCore } from '../core.ts';
import type { DentryCache } from '../dcache.ts';
import type { NameOperations, Place } from '../file-system.ts';
import type { Ext2Changes } from './change.ts';
import type { Ext2Directories } from './dir.ts';
import type { Ext2Inodes } from './iget.ts';
import type { Ext2Inode } from './inode-info.ts';
import { type Ext2Pages, isFastSymlink } from './pages.ts';

/** A place in a directory of ext2. */
interface Ext2Place extends Place {
  readonly parent: Ext2Inode;
}

export class Ext2Names implements NameOperations {
  readonly #core: FsCore;
  readonly #changes: Ext2Changes;
  readonly #pages: Ext2Pages;
  readonly #inodes: Ext2Inodes;
  readonly #directories: Ext2Directories;
  readonly #dentries: DentryCache;

  constructor(
    core: FsCore,
    changes: Ext2Changes,
    pages: Ext2Pages,
    inodes: Ext2Inodes,
    directories: Ext2Directories,
    dentries: DentryCache,
  ) {
    this.#core = core;
    this.#changes = changes;
    this.#pages = pages;
    this.#inodes = inodes;
    this.#directories = directories;
    this.#dentries = dentries;
  }

  create(parent: Ext2Inode, name: string, mode: number): Process<Ext2Inode> {
    return this.#makeNamed(parent, name, mode);
  }

  *mkdir(parent: Ext2Inode, name: string, mode: number): Process {
    if (parent.fields.links >= EXT2_LINK_MAX) throw new ModelError('EMLINK', name);
    const fill = (inode: Ext2Inode): Process => this.#directories.makeEmpty(inode, parent);
    const inode = yield* this.#makeNamed(parent, name, mode, fill);
    yield* inode.release();
  }

  *symlink(parent: Ext2Inode, name: string, mode: number, text: Uint8Array): Process {
    const fill = (inode: Ext2Inode): Process => this.#storeText(inode, text);
    const inode = yield* this.#makeNamed(parent, name, mode, fill);
    yield* inode.release();
  }

  *#storeText(inode: Ext2Inode, text: Uint8Array): Process {
    if (text.length < EXT2_FAST_SYMLINK_MAX) {
      const bytes = new Uint8Array(EXT2_FAST_SYMLINK_MAX);
      bytes.set(text);
      inode.fields.pointers.set(new Uint32Array(bytes.buffer));
    } else this.#core.env.memory.copyIn(yield* this.#pages.append(inode), 0, text, 0, text.length);
    inode.fields.size = text.length;
    this.#changes.markInodeDirty(inode);
  }

  *link(parent: Ext2Inode, name: string, inode: Ext2Inode): Process {
    if (inode.fields.links >= EXT2_LINK_MAX) throw new ModelError('EMLINK', name);
    yield* this.#changes.change(() => this.#addName(parent, name, inode));
    this.#dentries.set(parent.ino, name, inode.ino);
  }

  *#addName(parent: Ext2Inode, name: string, inode: Ext2Inode): Process {
    this.#changes.superblock.beginChange();
    yield* this.#changes.prepare(parent, inode);
    yield* this.#directories.addLink(parent, name, inode);
    this.#addLinks(inode, 1);
  }

  unlink(parent: Ext2Inode, name: string, inode: Ext2Inode): Process {
    return this.#changes.change(() => this.#removeName(parent, name, inode));
  }

  *#removeName(parent: Ext2Inode, name: string, inode: Ext2Inode): Process {
    const changes = this.#changes;
    const { superblock } = changes;
    superblock.beginChange();
    if (!changes.isPrepared(parent) || !changes.isPrepared(inode)) yield* changes.prepare(parent, inode);
    yield* this.#directories.deleteEntry(parent, name);
    this.#dentries.set(parent.ino, name, 0);
    const rest = this.#dropLink(inode);
    if (rest !== NOTHING) yield* superblock.begun(rest);
  }

  rmdir(parent: Ext2Inode, name: string, inode: Ext2Inode): Process {
    return this.#changes.change(() => this.#removeEmpty(parent, name, inode));
  }

  *#removeEmpty(parent: Ext2Inode, name: string, inode: Ext2Inode): Process {
    const { superblock } = this.#changes;
    superblock.beginChange();
    if (!(yield* this.#directories.isEmpty(inode))) throw new ModelError('ENOTEMPTY', name);
    yield* this.#changes.prepare(parent, inode);
    yield* this.#directories.deleteEntry(parent, name);
    this.#dentries.set(parent.ino, name, 0);
    this.#addLinks(parent, -1);
    yield* superblock.begun(this.#forgetDirectory(inode));
  }

  rename(moved: Ext2Inode, source: Ext2Place, target: Ext2Place, replaced: Ext2Inode | undefined): Process {
    return this.#changes.change(() => this.#move(moved, source, target, replaced));
  }

  *#move(moved: Ext2Inode, source: Ext2Place, target: Ext2Place, replaced: Ext2Inode | undefined): Process {
    const { superblock } = this.#changes;
    superblock.beginChange();
    if (replaced !== undefined) yield* this.#mayReplace(moved, target, replaced);
    else if (moved.isDirectory && source.parent !== target.parent && target.parent.fields.links >= EXT2_LINK_MAX)
      throw new ModelError('EMLINK', target.name);
    yield* this.#changes.prepare(moved, source.parent, target.parent, replaced);
    yield* this.#mustHave(source.parent, source.name);
    if (moved.isDirectory && source.parent !== target.parent) yield* this.#mustHave(moved, '..');
    if (replaced !== undefined) yield* this.#directories.setLink(target.parent, target.name, moved);
    else yield* this.#directories.addLink(target.parent, target.name, moved);
    yield* superblock.begun(this.#endMove(moved, source, target, replaced));
  }

  *#mayReplace(moved: Ext2Inode, target: Ext2Place, replaced: Ext2Inode): Process {
    if (moved.isDirectory) {
      if (!replaced.isDirectory) throw new ModelError('ENOTDIR', target.name);
      if (!(yield* this.#directories.isEmpty(replaced))) throw new ModelError('ENOTEMPTY', target.name);
    } else if (replaced.isDirectory) throw new ModelError('EISDIR', target.name);
  }

  /**
   * Reads a directory up to the entry of a name. Throws EIO when it is not there, though it was
   * just found.
   */
  *#mustHave(directory: Ext2Inode, name: string): Process {
    if ((yield* this.#directories.find(directory, name)) === 0)
      throw new ModelError('EIO', `directory ${directory.ino} has no entry ${name}`);
  }

  /** The new name is there: what it has replaced loses its name, and the old name goes. */
  *#endMove(moved: Ext2Inode, source: Ext2Place, target: Ext2Place, replaced: Ext2Inode | undefined): Process {
    this.#dentries.set(target.parent.ino, target.name, moved.ino);
    if (replaced?.isDirectory === true) {
      this.#addLinks(target.parent, -1);
      yield* this.#forgetDirectory(replaced);
    } else if (replaced !== undefined) yield* this.#dropLink(replaced);
    yield* this.#directories.deleteEntry(source.parent, source.name);
    this.#dentries.set(source.parent.ino, source.name, 0);
    this.#changes.superblock.state.stampInode(moved.fields);
    this.#changes.markInodeDirty(moved);
    if (!moved.isDirectory || source.parent === target.parent) return;
    yield* this.#directories.setLink(moved, '..', target.parent);
    this.#dentries.set(moved.ino, '..', target.parent.ino);
    this.#addLinks(source.parent, -1);
    this.#addLinks(target.parent, 1);
  }

  /**
   * A new inode with its contents and its first name, and with a reference. What fails in the
   * middle leaves nothing.
   */
  *#makeNamed(parent: Ext2Inode, name: string, mode: number, fill?: (inode: Ext2Inode) => Process): Process<Ext2Inode> {
    const failed: Ext2Inode[] = [];
    try {
      const inode = yield* this.#changes.change(() => this.#make(parent, name, mode, fill, failed));
      this.#dentries.set(parent.ino, name, inode.ino);
      return inode;
    } finally {
      for (const inode of failed) yield* inode.release();
    }
  }

  /** @param failed takes the inode that got no name, for the caller to let go of */
  *#make(
    parent: Ext2Inode,
    name: string,
    mode: number,
    fill: ((inode: Ext2Inode) => Process) | undefined,
    failed: Ext2Inode[],
  ): Process<Ext2Inode> {
    if (!this.#changes.isPrepared(parent)) yield* this.#changes.prepare(parent);
    const inode = yield* this.#inodes.create(parent, mode);
    inode.fields.links = inode.isDirectory ? 2 : 1;
    this.#changes.markInodeDirty(inode);
    try {
      if (fill !== undefined) yield* fill(inode);
      yield* this.#directories.addLink(parent, name, inode);
    } catch (error) {
      inode.fields.links = 0;
      failed.push(inode);
      yield* this.#changes.addOrphan(inode);
      throw error;
    }
    if (inode.isDirectory) this.#addLinks(parent, 1);
    return inode;
  }

  *readlink(inode: Ext2Inode): Process<string> {
    const { size, fields } = inode;
    const isFast = isFastSymlink(inode);
    if (size === 0 || size > (isFast ? EXT2_FAST_SYMLINK_MAX : PAGE_SIZE))
      throw new ModelError('EIO', `symbolic link ${inode.ino} has the size ${size}`);
    const text = new Uint8Array(size);
    if (isFast) {
      for (let i = 0; i < size; i++) text[i] = fields.pointers[i >>> 2]! >>> (8 * (i & 3));
    } else {
      const pfn = yield* this.#core.io.getPage(inode, 0);
      this.#core.env.memory.copyOut(pfn, 0, text, 0, size);
    }
    const end = text.indexOf(0);
    if (end === 0) throw new ModelError('EIO', `symbolic link ${inode.ino} has no text`);
    return decodeText(end < 0 ? text : text.subarray(0, end));
  }

  #addLinks(inode: Ext2Inode, delta: number): void {
    inode.fields.links = Math.max(0, inode.fields.links + delta);
    this.#changes.superblock.state.stampInode(inode.fields);
    this.#changes.markInodeDirty(inode);
  }

  /** One name less: without any, the inode lives as long as it is used. */
  #dropLink(inode: Ext2Inode): Process {
    this.#addLinks(inode, -1);
    return inode.fields.links === 0 ? this.#changes.addOrphan(inode) : NOTHING;
  }

  /** A directory that has no name any more. */
  *#forgetDirectory(inode: Ext2Inode): Process {
    inode.fields.links = 0;
    this.#changes.markInodeDirty(inode);
    this.#dentries.forget(inode.ino, '..');
    yield* this.#changes.addOrphan(inode);
  }
}
