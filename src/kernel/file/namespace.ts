/**
 * Names and paths: which directory an operation on a name changes, and what it locks (fs/namei.c of
 * 2.6.12). What happens in the directory is the file system's.
 *
 * Locks, in this order:
 *   1. the rename lock, when a rename goes from one directory to another;
 *   2. i_sem of the parents: an ancestor before what is below it, else the smaller number first;
 *   3. i_sem of what rmdir removes or rename replaces.
 */

import { ModelError } from '../../base/errno.ts';
import { encodeText } from '../../base/text.ts';
import { Ino } from '../../base/units.ts';
import { NOTHING, type Process } from '../../sim/index.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { type Inode, type InodesInMemory, S_IF } from '../fs/inode.ts';
import { Mutex } from '../fs/mutex.ts';
import type { LinkCount, PathWalker, PathEnd } from './namei.ts';

/** Longest text of a symbolic link, bytes. */
const SYMLINK_MAX = 4095;
/** Symbolic links at the end of a path that open with O_CREAT follows, one after the other. */
const MAX_LAST_LINKS = 32;
/** Bits of a mode that mkdir uses. */
const DIRECTORY_PERMISSIONS = 0o1777;

export class Namespace {
  readonly #fs: FileSystem;
  readonly #inodes: InodesInMemory;
  readonly #walker: PathWalker;
  readonly #renameLock = new Mutex('s_vfs_rename_sem');

  constructor(fs: FileSystem, inodes: InodesInMemory, walker: PathWalker) {
    this.#fs = fs;
    this.#inodes = inodes;
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
        let inode: Inode;
        // Not Mutex.run: see hot-paths 14.
        if (!parent.sem.tryAcquire()) yield* parent.sem.acquire();
        try {
          inode = yield* this.#createIn(parent, name, exclusive, S_IF.regular | mode);
        } finally {
          parent.sem.release();
        }
        if (!inode.isSymlink) return inode;
        let text: string;
        try {
          if (!follow || followed === MAX_LAST_LINKS)
            throw new ModelError('ELOOP', `a symbolic link that is not followed ends ${path}`);
          text = yield* this.#fs.names.readlink(inode);
        } finally {
          yield* inode.release();
        }
        place = yield* this.#walker.walkLink(text, parent, links);
      } finally {
        const released = parent.release();
        if (released !== NOTHING) yield* released;
      }
    }
  }

  /** Throws EEXIST, EMLINK, ENOSPC and as a walk does. */
  *mkdir(path: string, mode: number): Process {
    yield* this.#inParent(path, 'EEXIST', true, (parent, name) => this.#mkdirIn(parent, name, mode));
  }

  /**
   * @param text what the link says. Throws ENOENT when that is empty, EINVAL when it has a zero,
   * EEXIST, ENAMETOOLONG, ENOSPC.
   */
  *symlink(text: string, path: string): Process {
    const bytes = encodeText(text);
    if (bytes.includes(0)) throw new ModelError('EINVAL', 'there is a zero byte in the text of a symbolic link');
    if (bytes.length === 0) throw new ModelError('ENOENT', 'the text of a symbolic link is empty');
    if (bytes.length > SYMLINK_MAX) throw new ModelError('ENAMETOOLONG', 'the text of a symbolic link is too long');
    yield* this.#inParent(path, 'EEXIST', false, (parent, name) => this.#symlinkIn(parent, name, bytes));
  }

  /**
   * A second name for a file; a symbolic link at the end of `existing` is not followed. Throws
   * EPERM for a directory.
   */
  *link(existing: string, path: string): Process {
    const inode = yield* this.#walker.walk(existing, false);
    try {
      yield* this.#inParent(path, 'EEXIST', false, (parent, name) => this.#linkIn(parent, name, inode));
    } finally {
      yield* inode.release();
    }
  }

  /** Throws EISDIR for a directory, and as a walk does. */
  *unlink(path: string): Process {
    const victim = yield* this.#inParent(path, 'EISDIR', false, (parent, name) => this.#unlinkIn(parent, name), true);
    yield* victim.release();
  }

  /** Throws ENOTDIR, ENOTEMPTY, EBUSY for the root, EINVAL for ".". */
  *rmdir(path: string): Process {
    const { parent, name } = this.#walker.walkParentCached(path) ?? (yield* this.#walker.walkParent(path));
    let victim: Inode;
    try {
      if (name === '') throw new ModelError('EBUSY', path);
      if (name === '.') throw new ModelError('EINVAL', path);
      if (name === '..') throw new ModelError('ENOTEMPTY', path);
      victim = yield* parent.sem.run(this.#rmdirIn(parent, name));
    } finally {
      yield* parent.release();
    }
    yield* victim.release();
  }

  /**
   * Throws EINVAL when a directory would come below itself, ENOTDIR, EISDIR, ENOTEMPTY, EBUSY,
   * EMLINK, ENOSPC.
   */
  *rename(from: string, to: string): Process {
    const source = this.#walker.walkParentCached(from) ?? (yield* this.#walker.walkParent(from));
    let replaced: Inode | undefined;
    try {
      const target = this.#walker.walkParentCached(to) ?? (yield* this.#walker.walkParent(to));
      try {
        if (isNoEntry(source.name) || isNoEntry(target.name)) throw new ModelError('EBUSY', `${from} to ${to}`);
        replaced = yield* this.#renameBetween(source, target);
      } finally {
        yield* target.parent.release();
      }
    } finally {
      yield* source.parent.release();
    }
    if (replaced !== undefined) yield* replaced.release();
  }

  *#createIn(parent: Inode, name: string, exclusive: boolean, mode: number): Process<Inode> {
    const ino = this.#walker.findDentry(parent, name) ?? (yield* this.#walker.lookupLocked(parent, name));
    if (ino !== 0) {
      if (exclusive) throw new ModelError('EEXIST', name);
      return this.#inodes.get(Ino(ino)) ?? (yield* this.#fs.iget(ino));
    }
    this.#mustLive(parent);
    return yield* this.#fs.names.create(parent, name, mode);
  }

  *#mkdirIn(parent: Inode, name: string, mode: number): Process {
    yield* this.#mustBeFree(parent, name);
    yield* this.#fs.names.mkdir(parent, name, S_IF.directory | (mode & DIRECTORY_PERMISSIONS));
  }

  *#symlinkIn(parent: Inode, name: string, text: Uint8Array): Process {
    yield* this.#mustBeFree(parent, name);
    yield* this.#fs.names.symlink(parent, name, S_IF.symlink | 0o777, text);
  }

  *#linkIn(parent: Inode, name: string, inode: Inode): Process {
    yield* this.#mustBeFree(parent, name);
    if (inode.isDirectory) throw new ModelError('EPERM', 'a directory can have one name only');
    if (inode.fields.links === 0) throw new ModelError('ENOENT', name);
    yield* this.#fs.names.link(parent, name, inode);
  }

  *#unlinkIn(parent: Inode, name: string): Process<Inode> {
    const ino = this.#walker.findDentry(parent, name) ?? (yield* this.#walker.lookupLocked(parent, name));
    const inode = this.#cached(ino, name) ?? (yield* this.#fs.iget(ino));
    try {
      if (inode.isDirectory) throw new ModelError('EISDIR', name);
      yield* this.#fs.names.unlink(parent, name, inode);
    } catch (error) {
      yield* inode.release();
      throw error;
    }
    return inode;
  }

  *#rmdirIn(parent: Inode, name: string): Process<Inode> {
    const inode = yield* this.#existing(parent, name);
    try {
      if (!inode.isDirectory) throw new ModelError('ENOTDIR', name);
      if (inode.ino === this.#fs.rootIno || inode === parent) throw new ModelError('EBUSY', name);
      yield* inode.sem.run(this.#fs.names.rmdir(parent, name, inode));
    } catch (error) {
      yield* inode.release();
      throw error;
    }
    return inode;
  }

  *#renameBetween(source: PathEnd, target: PathEnd): Process<Inode | undefined> {
    if (source.parent === target.parent)
      return yield* source.parent.sem.run(this.#renameLocked(source, target, [], []));
    return yield* this.#renameLock.run(this.#renameAcross(source, target));
  }

  *#renameAcross(source: PathEnd, target: PathEnd): Process<Inode | undefined> {
    const aboveTarget = yield* this.#ancestors(target.parent);
    const aboveSource = yield* this.#ancestors(source.parent);
    const sourceFirst = aboveTarget.includes(source.parent.ino)
      ? true
      : !aboveSource.includes(target.parent.ino) && source.parent.ino < target.parent.ino;
    const [first, second] = sourceFirst ? [source.parent, target.parent] : [target.parent, source.parent];
    const rename = this.#renameLocked(source, target, aboveSource, aboveTarget);
    return yield* first.sem.run(second.sem.run(rename));
  }

  /** Returns what was replaced, with a reference. */
  *#renameLocked(
    source: PathEnd,
    target: PathEnd,
    aboveSource: readonly number[],
    aboveTarget: readonly number[],
  ): Process<Inode | undefined> {
    const moved = yield* this.#existing(source.parent, source.name);
    let replaced: Inode | undefined;
    try {
      if ((source.hasSlash || target.hasSlash) && !moved.isDirectory) throw new ModelError('ENOTDIR', source.name);
      if (aboveTarget.includes(moved.ino)) throw new ModelError('EINVAL', 'a directory cannot be moved below itself');
      const ino = yield* this.#walker.lookupLocked(target.parent, target.name);
      if (ino === moved.ino) return undefined;
      this.#mustLive(target.parent);
      if (ino !== 0) {
        if (aboveSource.includes(ino)) throw new ModelError('ENOTEMPTY', target.name);
        replaced = yield* this.#fs.iget(ino);
      }
      const move = this.#fs.names.rename(moved, source, target, replaced);
      yield* replaced === undefined ? move : replaced.sem.run(move);
      return replaced;
    } catch (error) {
      if (replaced !== undefined) yield* replaced.release();
      throw error;
    } finally {
      this.#inodes.put(moved);
    }
  }

  /** The inode of a name that must be there, with a reference. */
  *#existing(parent: Inode, name: string): Process<Inode> {
    const ino = this.#walker.findDentry(parent, name) ?? (yield* this.#walker.lookupLocked(parent, name));
    return this.#cached(ino, name) ?? (yield* this.#fs.iget(ino));
  }

  /** The inode of a name, with a reference, if it is in memory. Throws ENOENT for number 0. */
  #cached(ino: number, name: string): Inode | undefined {
    if (ino === 0) throw new ModelError('ENOENT', name);
    return this.#inodes.get(Ino(ino));
  }

  *#mustBeFree(parent: Inode, name: string): Process {
    if ((yield* this.#walker.lookupLocked(parent, name)) !== 0) throw new ModelError('EEXIST', name);
    this.#mustLive(parent);
  }

  /**
   * A directory that was removed while this process was on its way into it takes no names any more.
   */
  #mustLive(directory: Inode): void {
    if (directory.fields.links === 0) throw new ModelError('ENOENT', `directory ${directory.ino} was removed`);
  }

  /** Numbers of the directories from one, itself included, up to the root. */
  *#ancestors(directory: Inode): Process<number[]> {
    const numbers: number[] = [directory.ino];
    let ino: number = directory.ino;
    while (ino !== this.#fs.rootIno) {
      const inode = yield* this.#fs.iget(ino);
      ino = yield* this.#fs.directories.find(inode, '..');
      yield* inode.release();
      if (ino === 0 || numbers.includes(ino))
        throw new ModelError('EIO', `directory ${directory.ino} does not lead up to the root`);
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
        const inode = yield* parent.sem.run(this.#existing(parent, name));
        const { isDirectory } = inode;
        yield* inode.release();
        throw new ModelError(isDirectory ? (mustExist ? 'EISDIR' : 'EEXIST') : mustExist ? 'ENOTDIR' : 'EEXIST', path);
      }
      if (!parent.sem.tryAcquire()) yield* parent.sem.acquire();
      try {
        return yield* operation(parent, name);
      } finally {
        parent.sem.release();
      }
    } finally {
      const released = parent.release();
      if (released !== NOTHING) yield* released;
    }
  }
}

/** Whether the last component of a path names no entry of its own. */
function isNoEntry(name: string): boolean {
  return name === '' || name === '.' || name === '..';
}
