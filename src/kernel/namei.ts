/**
 * Path lookup through the dentry cache (fs/namei.c of 2.6.12). Symbolic links are followed up to 40 in one walk. Names are bytes on
 * the disk and UTF-8 here.
 *
 * A name that is not in the cache is looked up under the
 * directory's i_sem, held until its inode is in memory, and whoever changes a directory, under that lock too, tells it here (`setDentry`): so the cache never
 * disagrees with the disk. A directory that is removed is empty: what the cache says of it holds for the next of its number too.
 */

import { ModelError } from '../base/errno.ts';
import { EXT2_FAST_SYMLINK_MAX, EXT2_NAME_MAX, EXT2_ROOT_INO } from '../disk/ext2-format.ts';
import { Ino, PAGE_SIZE } from '../base/units.ts';
import type { Process } from '../sim/index.ts';
import type { GuestEnvironment } from '../xen/public/index.ts';
import type { KernelCosts } from './costs.ts';
import { UNKNOWN, type DentryCache } from './dcache.ts';
import type { Ext2Directories } from './ext2-dir.ts';
import type { Ext2Inodes } from './ext2-iget.ts';
import type { Inode } from './inode.ts';
import type { PageIo } from './page-io.ts';

/** Symbolic links followed in one walk at most. */
const MAX_SYMLINKS = 40;
/** Longest path with the zero that ends it, bytes. */
const PATH_MAX = 4096;

const decoder = new TextDecoder('utf-8', { fatal: false });
const encoder = new TextEncoder();

export class PathWalker {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #io: PageIo;
  readonly #inodes: Ext2Inodes;
  readonly #directories: Ext2Directories;
  readonly #dentries: DentryCache;

  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    io: PageIo,
    inodes: Ext2Inodes,
    directories: Ext2Directories,
    dentries: DentryCache,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.#io = io;
    this.#inodes = inodes;
    this.#directories = directories;
    this.#dentries = dentries;
  }

  /**
   * path_lookup from the root: the inode, with a reference that the caller gives back. What a slash or a dot at the end
   * follows must be a directory, or a link to one; so in the text of a link. Throws ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EIO, ENOMEM.
   * @param follow whether a symbolic link at the end is followed
   */
  *walk(path: string, follow: boolean): Process<Inode> {
    checkPath(path);
    return yield* this.#walk(path, follow);
  }

  *#walk(path: string, follow: boolean): Process<Inode> {
    let mustBeDirectory = endsAsDirectory(path);
    let rest = split(path);
    let links = 0;
    let at = this.#cachedRoot() ?? (yield* this.#inodes.root());
    for (let i = 0; i < rest.length; i++) {
      const name = rest[i]!;
      const next = yield* this.#step(at, name);
      const isLast = i === rest.length - 1;
      if (!next.isSymlink || (isLast && !follow && !mustBeDirectory)) {
        yield* this.#inodes.iput(at);
        at = next;
        continue;
      }
      if (++links > MAX_SYMLINKS) {
        yield* this.#inodes.iput(at);
        yield* this.#inodes.iput(next);
        throw new ModelError('ELOOP', `too many symbolic links in ${path}`);
      }
      const target = yield* this.#withReference(next, this.readlink(next), at);
      if (isLast && endsAsDirectory(target)) mustBeDirectory = true;
      if (target.startsWith('/')) {
        yield* this.#inodes.iput(at);
        at = yield* this.#inodes.root();
      }
      rest = [...split(target), ...rest.slice(i + 1)];
      i = -1;
    }
    if (!mustBeDirectory || at.isDirectory) return at;
    yield* this.#inodes.iput(at);
    throw new ModelError('ENOTDIR', path);
  }

  /** What `walk` would return without waiting, when no symbolic link is on the way; undefined when it would wait, follow or throw. */
  walkCached(path: string, follow: boolean): Inode | undefined {
    // What `walk` throws for a path as such, or asks of what a slash or a dot at its end follows, is left to it.
    if (path === '' || path.length * 3 >= PATH_MAX || path.endsWith('/') || path.endsWith('/.')) return undefined;
    return this.#walkCached(path, follow);
  }

  #walkCached(path: string, follow: boolean): Inode | undefined {
    const inodes = this.#inodes;
    const names = split(path);
    let at = this.#cachedRoot();
    for (let i = 0; at !== undefined && i < names.length; i++) {
      const ino = at.isDirectory ? this.findDentry(at, names[i]!) : undefined;
      const next: Inode | undefined = ino === undefined ? undefined : inodes.get(Ino(ino));
      inodes.put(at);
      at = next;
      if (at?.isSymlink !== true || (!follow && i === names.length - 1)) continue;
      inodes.put(at);
      at = undefined;
    }
    // One by one, as a walk that waits is charged: sums of fractions depend on the order.
    if (at !== undefined) for (let i = 0; i < names.length; i++) this.#env.cpu.charge(this.#costs.pathComponentNs);
    return at;
  }

  #cachedRoot(): Inode | undefined {
    const root = this.#inodes.get(Ino(EXT2_ROOT_INO));
    if (root === undefined || root.isDirectory) return root;
    this.#inodes.put(root);
    return undefined;
  }

  /**
   * LOOKUP_PARENT: the directory that holds, or would hold, the last component of a path, with a reference, and that
   * component; "", "." and ".." name no entry, and the caller says what that means. Throws as `walk` does.
   */
  *walkParent(path: string): Process<{ parent: Inode; name: string; hasSlash: boolean }> {
    checkPath(path);
    let end = path.length;
    while (end > 0 && path[end - 1] === '/') end--;
    const slash = path.lastIndexOf('/', end - 1);
    const name = path.slice(slash + 1, end);
    const above = end === 0 ? '' : path.slice(0, slash + 1);
    const parent = this.#walkCached(above, true) ?? (yield* this.#walk(above, true));
    if (!parent.isDirectory) {
      yield* this.#inodes.iput(parent);
      throw new ModelError('ENOTDIR', path);
    }
    return { parent, name, hasSlash: path.endsWith('/') };
  }

  /** The inode number of a name, 0 when there is none; the caller holds the directory's i_sem. Throws EIO, ENOMEM. */
  *lookupLocked(directory: Inode, name: string): Process<number> {
    const known = this.findDentry(directory, name);
    if (known !== undefined) return known;
    if (encoder.encode(name).length > EXT2_NAME_MAX) throw new ModelError('ENAMETOOLONG', name);
    const object = yield* this.#dentries.allocate();
    try {
      const ino = yield* this.#directories.find(directory, name);
      this.#dentries.add(directory.ino, name, ino, object);
      return ino;
    } catch (error) {
      this.#dentries.free(object);
      throw error;
    }
  }

  /** The inode number of a name as the dentry cache has it, 0 for a name that is known not to be; undefined when it is not there. */
  findDentry(directory: Inode, name: string): number | undefined {
    const ino = this.#dentries.lookup(directory.ino, name);
    return ino === UNKNOWN ? undefined : ino;
  }

  /** What a name of a directory means from now on; 0: nothing. */
  setDentry(directory: Inode, name: string, ino: number): void {
    this.#dentries.set(directory.ino, name, ino);
  }

  /** A directory was removed: the next of its number has another parent. */
  forgetParent(directory: Inode): void {
    this.#dentries.forget(directory.ino, '..');
  }

  /** The text of a symbolic link. Throws EIO when it makes no sense. */
  *readlink(inode: Inode): Process<string> {
    const { size, fields } = inode;
    if (size === 0 || size > PAGE_SIZE) throw new ModelError('EIO', `symbolic link ${inode.ino} has the size ${size}`);
    const text = new Uint8Array(size);
    if (size < EXT2_FAST_SYMLINK_MAX && fields.sectors === 0) {
      for (let i = 0; i < size; i++) text[i] = fields.pointers[i >>> 2]! >>> (8 * (i & 3));
    } else {
      const pfn = yield* this.#io.getPage(inode, 0);
      this.#env.memory.copyOut(pfn, 0, text, 0, size);
    }
    return decoder.decode(text);
  }

  /** One component: gives back no reference of `directory`, except when it throws. */
  *#step(directory: Inode, name: string): Process<Inode> {
    this.#env.cpu.charge(this.#costs.pathComponentNs);
    return yield* this.#withReference(undefined, this.#lookup(directory, name), directory);
  }

  *#lookup(directory: Inode, name: string): Process<Inode> {
    if (!directory.isDirectory) throw new ModelError('ENOTDIR', `inode ${directory.ino} is no directory`);
    const known = this.findDentry(directory, name);
    if (known === 0) throw noEntry(directory, name);
    const cached = known === undefined ? undefined : this.#inodes.get(Ino(known));
    if (cached !== undefined) return cached;
    // Under i_sem until there is a reference: else the name may go meanwhile, and its number be another file's.
    if (!directory.sem.tryAcquire()) yield* directory.sem.acquire();
    try {
      const ino = yield* this.lookupLocked(directory, name);
      if (ino === 0) throw noEntry(directory, name);
      return this.#inodes.get(Ino(ino)) ?? (yield* this.#inodes.iget(ino));
    } finally {
      directory.sem.release();
    }
  }

  /** Runs `process`; gives back `held` when it ends and `onError` too when it throws. */
  *#withReference<T>(held: Inode | undefined, process: Process<T>, onError: Inode): Process<T> {
    try {
      return yield* process;
    } catch (error) {
      yield* this.#inodes.iput(onError);
      throw error;
    } finally {
      if (held !== undefined) yield* this.#inodes.iput(held);
    }
  }
}

function noEntry(directory: Inode, name: string): ModelError {
  return new ModelError('ENOENT', `no entry ${name} in directory ${directory.ino}`);
}

/** getname: throws ENOENT, ENAMETOOLONG. */
function checkPath(path: string): void {
  if (path === '') throw new ModelError('ENOENT', 'the path is empty');
  // A character has three bytes at most.
  if (path.length * 3 >= PATH_MAX && encoder.encode(path).length >= PATH_MAX)
    throw new ModelError('ENAMETOOLONG', `the path is ${path.length} characters long`);
}

/** Whether what a path, or the text of a symbolic link, names must be a directory, and a link there is followed. */
function endsAsDirectory(path: string): boolean {
  return /\/\.?$/.test(path);
}

function split(path: string): string[] {
  if (path === '' || path === '/') return [];
  return path.split('/').filter((component) => component !== '' && component !== '.');
}
