/**
 * Path lookup through the dentry cache (fs/namei.c of 2.6.12). Symbolic links are followed up to 40
 * in one call, and up to 5 of which each lies in the text of the one before. Names are bytes on the
 * disk and strings here, one for each sequence of bytes (base/text.ts). The dentry cache knows a
 * name by that string.
 *
 * A name that is not in the cache is looked up under the directory's i_sem, held until its inode is
 * in memory. A directory is changed under that lock too, and the cache follows at once: so it never
 * disagrees with the disk. A directory that is removed is empty. What the cache says of it
 * therefore holds for the next directory with its number, too.
 */

import { ModelError } from '../../base/errno.ts';
import { canonicalText, encodeText } from '../../base/text.ts';
import { Ino } from '../../base/units.ts';
import { NOTHING, type Process } from '../../sim/index.ts';
import type { GuestEnvironment } from '../../xen/public/index.ts';
import type { KernelCosts } from '../costs.ts';
import { UNKNOWN, type DentryCache } from '../fs/dcache.ts';
import type { FileSystem, Place } from '../fs/file-system.ts';
import type { Inode, InodesInMemory } from '../fs/inode.ts';
import { NO_PAGE } from '../mm/mem-map.ts';

/** Symbolic links followed in one call at most. */
const MAX_TOTAL_LINKS = 40;
/**
 * Links being followed at a time at most, each in the text of the one before (MAX_NESTED_LINKS).
 */
const MAX_NESTED_LINKS = 5;
/** Longest path with the zero that ends it, bytes. */
const PATH_MAX = 4096;

/** Symbolic links that a call has followed so far, in all the paths that it walks for one. */
export interface LinkCount {
  total: number;
}

/** The last component of a path. */
export interface PathEnd extends Place {
  /** Whether slashes followed it. */
  readonly hasSlash: boolean;
}

export class PathWalker {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #fs: FileSystem;
  readonly #inodes: InodesInMemory;
  readonly #dentries: DentryCache;

  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    fs: FileSystem,
    inodes: InodesInMemory,
    dentries: DentryCache,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.#fs = fs;
    this.#inodes = inodes;
    this.#dentries = dentries;
  }

  /** The root directory, with a reference. Throws EIO when its inode is no directory. */
  *root(): Process<Inode> {
    const { rootIno } = this.#fs;
    const root = this.#inodes.get(Ino(rootIno)) ?? (yield* this.#fs.iget(rootIno));
    if (root.isDirectory) return root;
    this.#inodes.put(root);
    throw new ModelError('EIO', 'the root inode is not a directory');
  }

  /**
   * path_lookup from the root: the inode, with a reference that the caller gives back. A component
   * before a slash or a dot at the end must be a directory, or a link to one. The same holds in the
   * text of a link. Throws ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EIO, ENOMEM.
   * @param follow whether a symbolic link at the end is followed
   */
  *walk(path: string, follow: boolean): Process<Inode> {
    return yield* this.#walk(checkPath(path), follow, { total: 0 }, undefined);
  }

  /** @param from where a relative path begins, when that is not the root */
  *#walk(path: string, follow: boolean, links: LinkCount, from: Inode | undefined): Process<Inode> {
    let mustBeDirectory = endsAsDirectory(path);
    // A walk that begins at a directory holds it: it is in memory.
    let at = this.#cached(from?.ino ?? this.#fs.rootIno) ?? (yield* this.root());
    /** The path, and the texts of the links that are being followed, each in the one before. */
    const texts = [{ names: split(path), next: 0 }];
    for (;;) {
      // A text ends when its last name has been looked up: a link of that name is still followed in
      // it.
      while (texts.length > 0 && texts.at(-1)!.next === texts.at(-1)!.names.length) texts.pop();
      const text = texts.at(-1);
      if (text === undefined) break;
      const name = text.names[text.next++]!;
      const next = this.#stepNow(at, name) ?? (yield* this.#step(at, name));
      const isLast = next.isSymlink && texts.every(({ names, next: done }) => done === names.length);
      if (!next.isSymlink || (isLast && !follow && !mustBeDirectory)) {
        const released = at.release();
        if (released !== NOTHING) yield* released;
        at = next;
        continue;
      }
      if (texts.length > MAX_NESTED_LINKS || links.total === MAX_TOTAL_LINKS) {
        yield* at.release();
        yield* next.release();
        throw new ModelError('ELOOP', `too many symbolic links in ${path}`);
      }
      links.total++;
      const target = yield* this.#readLink(next, at);
      if (isLast && endsAsDirectory(target)) mustBeDirectory = true;
      if (target.startsWith('/')) {
        yield* at.release();
        at = yield* this.root();
      }
      texts.push({ names: split(target), next: 0 });
    }
    if (!mustBeDirectory || at.isDirectory) return at;
    yield* at.release();
    throw new ModelError('ENOTDIR', path);
  }

  /**
   * What `walk` would return without waiting, when no symbolic link is on the way; undefined when
   * it would wait, follow or throw.
   */
  walkCached(path: string, follow: boolean): Inode | undefined {
    // What `walk` throws for a path as such, or asks of what a slash or a dot at its end follows,
    // is left to it. A name that is not as `checkPath` spells it is in no dentry.
    if (path === '' || path.length * 3 >= PATH_MAX || path.endsWith('/') || path.endsWith('/.')) return undefined;
    return this.#walkCached(path, follow, false);
  }

  #walkCached(path: string, follow: boolean, mustBeDirectory: boolean): Inode | undefined {
    const inodes = this.#inodes;
    const names = split(path);
    let at = this.#cached(this.#fs.rootIno);
    for (let i = 0; at !== undefined && i < names.length; i++) {
      const ino = at.isDirectory ? this.findDentry(at, names[i]!) : undefined;
      const next: Inode | undefined = ino === undefined ? undefined : inodes.get(Ino(ino));
      inodes.put(at);
      at = next;
      if (at?.isSymlink !== true || (!follow && i === names.length - 1)) continue;
      inodes.put(at);
      at = undefined;
    }
    if (mustBeDirectory && at?.isDirectory === false) {
      inodes.put(at);
      at = undefined;
    }
    // One by one, as a walk that waits is charged: sums of fractions depend on the order.
    if (at !== undefined) for (let i = 0; i < names.length; i++) this.#env.cpu.charge(this.#costs.pathComponentNs);
    return at;
  }

  /** The directory of that number, with a reference, when it is in memory. */
  #cached(ino: number): Inode | undefined {
    const inode = this.#inodes.get(Ino(ino));
    if (inode === undefined || inode.isDirectory) return inode;
    this.#inodes.put(inode);
    return undefined;
  }

  /**
   * LOOKUP_PARENT: the directory that holds, or would hold, the last component of a path, with a
   * reference; and that component. The components "", "." and ".." name no entry, and the caller
   * says what that means. Throws as `walk` does.
   */
  walkParent(path: string, links: LinkCount = { total: 0 }): Process<PathEnd> {
    return this.#walkParent(checkPath(path), links, undefined);
  }

  /** The same for the text of a symbolic link that was found in `directory`. */
  walkLink(text: string, directory: Inode, links: LinkCount): Process<PathEnd> {
    return this.#walkParent(text, links, text.startsWith('/') ? undefined : directory);
  }

  /**
   * What `walkParent` would return without waiting, when no symbolic link is on the way. Undefined
   * when it would wait or follow a link, or when something above is no directory. Throws what
   * `walkParent` throws for a path as such.
   */
  walkParentCached(path: string): PathEnd | undefined {
    const checked = checkPath(path);
    const end = endOfLast(checked);
    const start = checked.lastIndexOf('/', end - 1) + 1;
    const parent = this.#walkCached(checked.slice(0, start), true, true);
    if (parent === undefined) return undefined;
    return { parent, name: checked.slice(start, end), hasSlash: end < checked.length };
  }

  *#walkParent(path: string, links: LinkCount, from: Inode | undefined): Process<PathEnd> {
    const end = endOfLast(path);
    const start = path.lastIndexOf('/', end - 1) + 1;
    const parent = yield* this.#walk(path.slice(0, start), true, links, from);
    if (!parent.isDirectory) {
      yield* parent.release();
      throw new ModelError('ENOTDIR', path);
    }
    return { parent, name: path.slice(start, end), hasSlash: end < path.length };
  }

  /**
   * The inode number of a name, 0 when there is none; the caller holds the directory's i_sem.
   * Throws EIO, ENOMEM.
   */
  *lookupLocked(directory: Inode, name: string): Process<number> {
    const known = this.findDentry(directory, name);
    if (known !== undefined) return known;
    // A character has three bytes at most.
    if (name.length * 3 > this.#fs.maxNameBytes && encodeText(name).length > this.#fs.maxNameBytes)
      throw new ModelError('ENAMETOOLONG', name);
    let object = this.#dentries.tryAllocate();
    if (object === NO_PAGE) object = yield* this.#dentries.allocate();
    try {
      const ino = yield* this.#fs.directories.find(directory, name);
      this.#dentries.add(directory.ino, name, ino, object);
      return ino;
    } catch (error) {
      this.#dentries.free(object);
      throw error;
    }
  }

  /**
   * The inode number of a name as the dentry cache has it. 0 is a name that is known not to exist,
   * undefined one that is not in the cache.
   */
  findDentry(directory: Inode, name: string): number | undefined {
    const ino = this.#dentries.lookup(directory.ino, name);
    return ino === UNKNOWN ? undefined : ino;
  }

  /** What `#step` would return without waiting; undefined when it would wait or throw. */
  #stepNow(directory: Inode, name: string): Inode | undefined {
    const known = directory.isDirectory ? this.#dentries.lookup(directory.ino, name) : UNKNOWN;
    const inode = known > 0 ? this.#inodes.get(Ino(known)) : undefined;
    if (inode !== undefined) this.#env.cpu.charge(this.#costs.pathComponentNs);
    return inode;
  }

  /** One component: gives back no reference of `directory`, except when it throws. */
  *#step(directory: Inode, name: string): Process<Inode> {
    this.#env.cpu.charge(this.#costs.pathComponentNs);
    const { sem } = directory;
    try {
      if (!directory.isDirectory) throw new ModelError('ENOTDIR', `inode ${directory.ino} is not a directory`);
      const known = this.findDentry(directory, name);
      if (known === 0) throw noEntry(directory, name);
      const cached = known === undefined ? undefined : this.#inodes.get(Ino(known));
      if (cached !== undefined) return cached;
      // Under i_sem until there is a reference: else the name may go meanwhile, and its number be
      // another file's.
      if (!sem.tryAcquire()) yield* sem.acquire();
      try {
        const ino = yield* this.lookupLocked(directory, name);
        if (ino === 0) throw noEntry(directory, name);
        return this.#inodes.get(Ino(ino)) ?? (yield* this.#fs.iget(ino));
      } finally {
        sem.release();
      }
    } catch (error) {
      yield* directory.release();
      throw error;
    }
  }

  /** The text of a symbolic link, which is given back; `directory` is, too, when this throws. */
  *#readLink(link: Inode, directory: Inode): Process<string> {
    try {
      return yield* this.#fs.names.readlink(link);
    } catch (error) {
      yield* directory.release();
      throw error;
    } finally {
      yield* link.release();
    }
  }
}

function noEntry(directory: Inode, name: string): ModelError {
  return new ModelError('ENOENT', `no entry ${name} in directory ${directory.ino}`);
}

/**
 * getname: the path with its names as the dentry cache has them. Throws ENOENT, ENAMETOOLONG, and
 * EINVAL for a zero, which would end it.
 */
function checkPath(path: string): string {
  if (path === '') throw new ModelError('ENOENT', 'the path is empty');
  // A character has three bytes at most.
  if (path.length * 3 >= PATH_MAX && encodeText(path).length >= PATH_MAX)
    throw new ModelError('ENAMETOOLONG', `the path is ${path.length} characters long`);
  if (path.includes('\0')) throw new ModelError('EINVAL', 'there is a zero byte in the path');
  return canonicalText(path);
}

/** Where the last component of a path ends: in front of the slashes that follow it. */
function endOfLast(path: string): number {
  let end = path.length;
  while (end > 0 && path[end - 1] === '/') end--;
  return end;
}

/**
 * Whether what a path, or the text of a symbolic link, names must be a directory, and a link there
 * is followed.
 */
function endsAsDirectory(path: string): boolean {
  return /\/\.?$/.test(path);
}

function split(path: string): string[] {
  if (path === '' || path === '/') return [];
  return path.split('/').filter((component) => component !== '' && component !== '.');
}
