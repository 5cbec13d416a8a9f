/**
 * Names: creating, linking, renaming and removing them (fs/namei.c and fs/ext2/namei.c of 2.6.12).
 *
 * Locks: an operation holds i_sem of the directory that it changes, rmdir that of its victim too, parent first. rename holds the
 * rename lock, then both directories, an ancestor before what is below it, else the smaller number first.
 *
 * A new name is on the disk's way before an old one is removed, so that a crash leaves what e2fsck repairs.
 *
 * Everything that an operation needs is read before its first store. What fails in the middle all the same is undone (an inode that
 * got no name loses its links, and its last reference deletes it), or it is an error of the file system.
 */

import { ModelError } from '../../../base/errno.ts';
import { encodeText } from '../../../base/text.ts';
import { Ino } from '../../../base/units.ts';
import { EXT2_FAST_SYMLINK_MAX, EXT2_LINK_MAX, EXT2_MODE, EXT2_ROOT_INO } from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import type { GuestMemory } from '../../../xen/public/index.ts';
import type { Ext2 } from './ext2.ts';
import type { Ext2Changes } from './change.ts';
import type { Ext2Directories } from './dir.ts';
import type { Ext2Inodes } from './iget.ts';
import type { Ext2Pages } from './pages.ts';
import type { Inode } from '../inode.ts';
import { Mutex } from '../mutex.ts';
import type { LinkCount, PathWalker, Place } from '../../file/namei.ts';

/** Longest text of a symbolic link, bytes. */
const SYMLINK_MAX = 4095;
/** Symbolic links at the end of a path that open with O_CREAT follows, one after the other. */
const MAX_LAST_LINKS = 32;
/** Bits of a mode that mkdir heeds. */
const DIRECTORY_PERMISSIONS = 0o1777;

export class Namespace {
  readonly #memory: GuestMemory;
  readonly #changes: Ext2Changes;
  readonly #pages: Ext2Pages;
  readonly #inodes: Ext2Inodes;
  readonly #directories: Ext2Directories;
  readonly #walker: PathWalker;
  readonly #renameLock = new Mutex('s_vfs_rename_sem');

  constructor(memory: GuestMemory, ext2: Ext2, directories: Ext2Directories, walker: PathWalker) {
    this.#memory = memory;
    this.#changes = ext2.changes;
    this.#pages = ext2.pages;
    this.#inodes = ext2.inodes;
    this.#directories = directories;
    this.#walker = walker;
  }

  /**
   * open_namei with O_CREAT: the file of that name, made if there is none, with a reference.
   * Throws EEXIST when it is there and `exclusive`; EISDIR, ELOOP, ENOSPC and as a walk does.
   * @param follow whether a symbolic link at the end is followed, else ELOOP
   */
  *create(path: string, exclusive: boolean, follow: boolean, mode: number): Process<Inode> {
    const links: LinkCount = { total: 0 };
    let place = this.#walker.walkParentCached(path) ?? (yield* this.#walker.walkParent(path, links));
    for (let followed = 0; ; followed++) {
      const { parent, name, hasSlash } = place;
      try {
        if (isNoEntry(name) || hasSlash) throw new ModelError('EISDIR', path);
        if (!parent.sem.tryAcquire()) yield* parent.sem.acquire();
        let inode: Inode;
        try {
          inode = yield* this.#createIn(parent, name, exclusive, EXT2_MODE.regular | mode);
        } finally {
          parent.sem.release();
        }
        if (!inode.isSymlink) return inode;
        let text: string;
        try {
          if (!follow || followed === MAX_LAST_LINKS)
            throw new ModelError('ELOOP', `a symbolic link that is not followed ends ${path}`);
          text = yield* this.#walker.readlink(inode);
        } finally {
          yield* this.#inodes.iput(inode);
        }
        place = yield* this.#walker.walkLink(text, parent, links);
      } finally {
        yield* this.#inodes.iput(parent);
      }
    }
  }

  /** Throws EEXIST, EMLINK, ENOSPC and as a walk does. */
  *mkdir(path: string, mode: number): Process {
    yield* this.#inParent(path, 'EEXIST', true, (parent, name) => this.#mkdirIn(parent, name, mode));
  }

  /** @param text what the link says. Throws ENOENT when that is empty, EINVAL when it has a zero, EEXIST, ENAMETOOLONG, ENOSPC. */
  *symlink(text: string, path: string): Process {
    const bytes = encodeText(text);
    if (bytes.includes(0)) throw new ModelError('EINVAL', 'there is a zero in the text of a symbolic link');
    if (bytes.length === 0) throw new ModelError('ENOENT', 'symbolic link without a text');
    if (bytes.length > SYMLINK_MAX) throw new ModelError('ENAMETOOLONG', 'text of a symbolic link');
    yield* this.#inParent(path, 'EEXIST', false, (parent, name) => this.#symlinkIn(parent, name, bytes));
  }

  /** A second name for a file; a symbolic link at the end of `existing` is not followed. Throws EPERM for a directory. */
  *link(existing: string, path: string): Process {
    const inode = yield* this.#walker.walk(existing, false);
    try {
      yield* this.#inParent(path, 'EEXIST', false, (parent, name) => this.#linkIn(parent, name, inode));
    } finally {
      yield* this.#inodes.iput(inode);
    }
  }

  /** Throws EISDIR for a directory, and as a walk does. */
  *unlink(path: string): Process {
    const victim = yield* this.#inParent(path, 'EISDIR', false, (parent, name) => this.#unlinkIn(parent, name), true);
    yield* this.#inodes.iput(victim);
  }

  /** Throws ENOTDIR, ENOTEMPTY, EBUSY for the root, EINVAL for ".". */
  *rmdir(path: string): Process {
    const { parent, name } = this.#walker.walkParentCached(path) ?? (yield* this.#walker.walkParent(path));
    let victim: Inode;
    try {
      if (name === '') throw new ModelError('EBUSY', path);
      if (name === '.') throw new ModelError('EINVAL', path);
      if (name === '..') throw new ModelError('ENOTEMPTY', path);
      victim = yield* this.#locked(parent, this.#rmdirIn(parent, name));
    } finally {
      yield* this.#inodes.iput(parent);
    }
    yield* this.#inodes.iput(victim);
  }

  /** Throws EINVAL when a directory would come below itself, ENOTDIR, EISDIR, ENOTEMPTY, EBUSY, EMLINK, ENOSPC. */
  *rename(from: string, to: string): Process {
    const source = this.#walker.walkParentCached(from) ?? (yield* this.#walker.walkParent(from));
    let replaced: Inode | undefined;
    try {
      const target = this.#walker.walkParentCached(to) ?? (yield* this.#walker.walkParent(to));
      try {
        if (isNoEntry(source.name) || isNoEntry(target.name)) throw new ModelError('EBUSY', `${from} to ${to}`);
        replaced = yield* this.#renameBetween(source, target);
      } finally {
        yield* this.#inodes.iput(target.parent);
      }
    } finally {
      yield* this.#inodes.iput(source.parent);
    }
    if (replaced !== undefined) yield* this.#inodes.iput(replaced);
  }

  *#createIn(parent: Inode, name: string, exclusive: boolean, mode: number): Process<Inode> {
    const ino = this.#walker.findDentry(parent, name) ?? (yield* this.#walker.lookupLocked(parent, name));
    if (ino !== 0) {
      if (exclusive) throw new ModelError('EEXIST', name);
      return this.#inodes.get(Ino(ino)) ?? (yield* this.#inodes.iget(ino));
    }
    this.#mustLive(parent);
    return yield* this.#makeNamed(parent, name, mode);
  }

  *#mkdirIn(parent: Inode, name: string, mode: number): Process {
    yield* this.#mustBeFree(parent, name);
    if (parent.fields.links >= EXT2_LINK_MAX) throw new ModelError('EMLINK', name);
    const directory = EXT2_MODE.directory | (mode & DIRECTORY_PERMISSIONS);
    const fill = (inode: Inode): Process => this.#directories.makeEmpty(inode, parent);
    const inode = yield* this.#makeNamed(parent, name, directory, fill);
    this.#inodes.put(inode);
  }

  *#symlinkIn(parent: Inode, name: string, text: Uint8Array): Process {
    yield* this.#mustBeFree(parent, name);
    const fill = (inode: Inode): Process => this.#storeText(inode, text);
    const inode = yield* this.#makeNamed(parent, name, EXT2_MODE.symlink | 0o777, fill);
    this.#inodes.put(inode);
  }

  *#storeText(inode: Inode, text: Uint8Array): Process {
    if (text.length < EXT2_FAST_SYMLINK_MAX) {
      const bytes = new Uint8Array(EXT2_FAST_SYMLINK_MAX);
      bytes.set(text);
      inode.fields.pointers.set(new Uint32Array(bytes.buffer));
    } else this.#memory.copyIn(yield* this.#pages.append(inode), 0, text, 0, text.length);
    inode.fields.size = text.length;
    this.#changes.markInodeDirty(inode);
  }

  *#linkIn(parent: Inode, name: string, inode: Inode): Process {
    yield* this.#mustBeFree(parent, name);
    if (inode.isDirectory) throw new ModelError('EPERM', 'a directory has one name');
    if (inode.fields.links === 0) throw new ModelError('ENOENT', name);
    if (inode.fields.links >= EXT2_LINK_MAX) throw new ModelError('EMLINK', name);
    yield* this.#changes.change(() => this.#addName(parent, name, inode));
    this.#walker.setDentry(parent, name, inode.ino);
  }

  *#addName(parent: Inode, name: string, inode: Inode): Process {
    this.#changes.superblock.beginChange();
    yield* this.#changes.prepare(parent, inode);
    yield* this.#directories.addLink(parent, name, inode);
    this.#addLinks(inode, 1);
  }

  *#unlinkIn(parent: Inode, name: string): Process<Inode> {
    const inode = yield* this.#existing(parent, name);
    try {
      if (inode.isDirectory) throw new ModelError('EISDIR', name);
      yield* this.#changes.change(() => this.#removeName(parent, name, inode));
    } catch (error) {
      yield* this.#inodes.iput(inode);
      throw error;
    }
    this.#walker.setDentry(parent, name, 0);
    return inode;
  }

  *#removeName(parent: Inode, name: string, inode: Inode): Process {
    const changes = this.#changes;
    const { superblock } = changes;
    superblock.beginChange();
    if (!changes.isPrepared(parent) || !changes.isPrepared(inode)) yield* changes.prepare(parent, inode);
    yield* this.#directories.deleteEntry(parent, name);
    yield* superblock.begun(this.#dropLink(inode));
  }

  *#rmdirIn(parent: Inode, name: string): Process<Inode> {
    const inode = yield* this.#existing(parent, name);
    try {
      if (!inode.isDirectory) throw new ModelError('ENOTDIR', name);
      if (inode.ino === EXT2_ROOT_INO || inode === parent) throw new ModelError('EBUSY', name);
      yield* this.#locked(
        inode,
        this.#changes.change(() => this.#removeEmpty(parent, name, inode)),
      );
    } catch (error) {
      yield* this.#inodes.iput(inode);
      throw error;
    }
    return inode;
  }

  *#removeEmpty(parent: Inode, name: string, inode: Inode): Process {
    const { superblock } = this.#changes;
    superblock.beginChange();
    if (!(yield* this.#directories.isEmpty(inode))) throw new ModelError('ENOTEMPTY', name);
    yield* this.#changes.prepare(parent, inode);
    yield* this.#directories.deleteEntry(parent, name);
    this.#walker.setDentry(parent, name, 0);
    this.#addLinks(parent, -1);
    yield* superblock.begun(this.#forgetDirectory(inode));
  }

  *#renameBetween(source: Place, target: Place): Process<Inode | undefined> {
    if (source.parent === target.parent)
      return yield* this.#locked(source.parent, this.#renameLocked(source, target, [], []));
    yield* this.#renameLock.acquire();
    try {
      const aboveTarget = yield* this.#ancestors(target.parent);
      const aboveSource = yield* this.#ancestors(source.parent);
      const sourceFirst = aboveTarget.includes(source.parent.ino)
        ? true
        : !aboveSource.includes(target.parent.ino) && source.parent.ino < target.parent.ino;
      const [first, second] = sourceFirst ? [source.parent, target.parent] : [target.parent, source.parent];
      const rename = this.#renameLocked(source, target, aboveSource, aboveTarget);
      return yield* this.#locked(first, this.#locked(second, rename));
    } finally {
      this.#renameLock.release();
    }
  }

  /** Returns what was replaced, with a reference. */
  *#renameLocked(
    source: Place,
    target: Place,
    aboveSource: readonly number[],
    aboveTarget: readonly number[],
  ): Process<Inode | undefined> {
    const moved = yield* this.#existing(source.parent, source.name);
    let replaced: Inode | undefined;
    try {
      if ((source.hasSlash || target.hasSlash) && !moved.isDirectory) throw new ModelError('ENOTDIR', source.name);
      if (aboveTarget.includes(moved.ino)) throw new ModelError('EINVAL', 'a directory cannot come below itself');
      const ino = yield* this.#walker.lookupLocked(target.parent, target.name);
      if (ino === moved.ino) return undefined;
      this.#mustLive(target.parent);
      if (ino !== 0) {
        if (aboveSource.includes(ino)) throw new ModelError('ENOTEMPTY', target.name);
        replaced = yield* this.#inodes.iget(ino);
      }
      const move = this.#changes.change(() => this.#move(moved, source, target, replaced));
      yield* replaced === undefined ? move : this.#locked(replaced, move);
      return replaced;
    } catch (error) {
      if (replaced !== undefined) yield* this.#inodes.iput(replaced);
      throw error;
    } finally {
      this.#inodes.put(moved);
    }
  }

  *#move(moved: Inode, source: Place, target: Place, replaced: Inode | undefined): Process {
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

  *#mayReplace(moved: Inode, target: Place, replaced: Inode): Process {
    if (moved.isDirectory) {
      if (!replaced.isDirectory) throw new ModelError('ENOTDIR', target.name);
      if (!(yield* this.#directories.isEmpty(replaced))) throw new ModelError('ENOTEMPTY', target.name);
    } else if (replaced.isDirectory) throw new ModelError('EISDIR', target.name);
  }

  /** Reads a directory up to the entry of a name. Throws EIO when it is not there, though it was just found. */
  *#mustHave(directory: Inode, name: string): Process {
    if ((yield* this.#directories.find(directory, name)) === 0)
      throw new ModelError('EIO', `directory ${directory.ino} has no entry ${name}`);
  }

  /** The new name is there: what it has replaced loses its name, and the old name goes. */
  *#endMove(moved: Inode, source: Place, target: Place, replaced: Inode | undefined): Process {
    this.#walker.setDentry(target.parent, target.name, moved.ino);
    if (replaced?.isDirectory === true) {
      this.#addLinks(target.parent, -1);
      yield* this.#forgetDirectory(replaced);
    } else if (replaced !== undefined) yield* this.#dropLink(replaced);
    yield* this.#directories.deleteEntry(source.parent, source.name);
    this.#walker.setDentry(source.parent, source.name, 0);
    moved.fields.ctime = this.#changes.now();
    this.#changes.markInodeDirty(moved);
    if (!moved.isDirectory || source.parent === target.parent) return;
    yield* this.#directories.setLink(moved, '..', target.parent);
    this.#walker.setDentry(moved, '..', target.parent.ino);
    this.#addLinks(source.parent, -1);
    this.#addLinks(target.parent, 1);
  }

  /** A new inode with its contents and its first name, and with a reference. What fails in the middle leaves nothing. */
  *#makeNamed(parent: Inode, name: string, mode: number, fill?: (inode: Inode) => Process): Process<Inode> {
    const failed: Inode[] = [];
    try {
      const inode = yield* this.#changes.change(() => this.#make(parent, name, mode, fill, failed));
      this.#walker.setDentry(parent, name, inode.ino);
      return inode;
    } finally {
      for (const inode of failed) yield* this.#inodes.iput(inode);
    }
  }

  /** @param failed takes the inode that got no name, for the caller to let go of */
  *#make(
    parent: Inode,
    name: string,
    mode: number,
    fill: ((inode: Inode) => Process) | undefined,
    failed: Inode[],
  ): Process<Inode> {
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

  /** The inode of a name that must be there, with a reference. */
  *#existing(parent: Inode, name: string): Process<Inode> {
    const ino = this.#walker.findDentry(parent, name) ?? (yield* this.#walker.lookupLocked(parent, name));
    if (ino === 0) throw new ModelError('ENOENT', name);
    return this.#inodes.get(Ino(ino)) ?? (yield* this.#inodes.iget(ino));
  }

  *#mustBeFree(parent: Inode, name: string): Process {
    if ((yield* this.#walker.lookupLocked(parent, name)) !== 0) throw new ModelError('EEXIST', name);
    this.#mustLive(parent);
  }

  /** A directory that was removed while this process was on its way into it takes no names any more. */
  #mustLive(directory: Inode): void {
    if (directory.fields.links === 0) throw new ModelError('ENOENT', `directory ${directory.ino} was removed`);
  }

  /** Numbers of the directories from one, itself included, up to the root. */
  *#ancestors(directory: Inode): Process<number[]> {
    const numbers: number[] = [directory.ino];
    let ino: number = directory.ino;
    while (ino !== EXT2_ROOT_INO) {
      const inode = yield* this.#inodes.iget(ino);
      ino = yield* this.#directories.find(inode, '..');
      yield* this.#inodes.iput(inode);
      if (ino === 0 || numbers.includes(ino)) throw new ModelError('EIO', `directory ${directory.ino} has no way up`);
      numbers.push(ino);
    }
    return numbers;
  }

  /** Runs an operation on the last component of a path with the parent's i_sem held. */
  *#inParent<T>(
    path: string,
    noEntry: 'EEXIST' | 'EISDIR',
    slashAllowed: boolean,
    operation: (parent: Inode, name: string) => Process<T>,
    mustExist = false,
  ): Process<T> {
    const { parent, name, hasSlash } = this.#walker.walkParentCached(path) ?? (yield* this.#walker.walkParent(path));
    try {
      if (isNoEntry(name)) throw new ModelError(noEntry, path);
      if (hasSlash && !slashAllowed) {
        const inode = yield* this.#locked(parent, this.#existing(parent, name));
        const { isDirectory } = inode;
        yield* this.#inodes.iput(inode);
        throw new ModelError(isDirectory ? (mustExist ? 'EISDIR' : 'EEXIST') : mustExist ? 'ENOTDIR' : 'EEXIST', path);
      }
      if (!parent.sem.tryAcquire()) yield* parent.sem.acquire();
      try {
        return yield* operation(parent, name);
      } finally {
        parent.sem.release();
      }
    } finally {
      yield* this.#inodes.iput(parent);
    }
  }

  *#locked<T>(inode: Inode, process: Process<T>): Process<T> {
    if (!inode.sem.tryAcquire()) yield* inode.sem.acquire();
    try {
      return yield* process;
    } finally {
      inode.sem.release();
    }
  }

  #addLinks(inode: Inode, delta: number): void {
    inode.fields.links = Math.max(0, inode.fields.links + delta);
    inode.fields.ctime = this.#changes.now();
    this.#changes.markInodeDirty(inode);
  }

  /** One name less: without any, the inode lives as long as it is used. */
  #dropLink(inode: Inode): Process {
    this.#addLinks(inode, -1);
    return inode.fields.links === 0 ? this.#changes.addOrphan(inode) : NOTHING;
  }

  /** A directory that has no name any more. */
  *#forgetDirectory(inode: Inode): Process {
    inode.fields.links = 0;
    this.#changes.markInodeDirty(inode);
    this.#walker.forgetParent(inode);
    yield* this.#changes.addOrphan(inode);
  }
}

/** Whether the last component of a path names no entry of its own. */
function isNoEntry(name: string): boolean {
  return name === '' || name === '.' || name === '..';
}
