/**
 * System calls on what an inode says besides its data: stat, chmod, chown, utimes and extended
 * attributes, and statfs. Modelled after fs/open.c, fs/stat.c, fs/xattr.c of 2.6.12. Each takes a
 * path, a path without following a symbolic link at its end, or a descriptor.
 */

import { checkBytes, checkObject, checkText } from '../../base/argument-error.ts';
import { ModelError } from '../../base/errno.ts';
import { PAGE_SIZE } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { type FileSystemStatistics, XATTR } from '../fs/file-system.ts';
import { PERMISSIONS, S_IS, S_IXGRP, type Inode } from '../fs/inode.ts';
import { ReadWriteCalls } from './read-write.ts';

/** Device number of the root: major 202, minor 0 (xvda). */
const ROOT_DEVICE = 0xca00;
/** XATTR_SIZE_MAX, bytes. */
const MAX_VALUE_BYTES = 65_536;
const MAX_U32 = 0xffff_ffff;

/** struct stat, as far as it is kept. */
export interface Stat {
  /** Number of the device that the file system is on. */
  readonly device: number;
  /** Number of the inode. */
  readonly ino: number;
  /** Its generation, 32 bits: two files of one number have different ones. */
  readonly generation: number;
  /** Kind and permission bits, as of Linux. */
  readonly mode: number;
  /** Names of it. */
  readonly links: number;
  /** Owner. */
  readonly uid: number;
  /** Group. */
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes of the best unit of I/O. */
  readonly blockSize: number;
  /** 512-byte sectors of data and indirect blocks, and of the block of attributes. */
  readonly sectors: number;
  /** Seconds since 1970, as those below. */
  readonly mtime: number;
  /** Of the last access, seconds since 1970. */
  readonly atime: number;
  /** Of the last change of the inode. */
  readonly ctime: number;
  /** Nanoseconds that belong to them, 0 to 999,999,999; 0 in inodes of 128 bytes. */
  readonly mtimeNs: number;
  /** Of `atime`. */
  readonly atimeNs: number;
  /** Of `ctime`. */
  readonly ctimeNs: number;
  /** The same times in ms since 1970, with fractions, as far as a double holds them: to 0.25 µs. */
  readonly mtimeMs: number;
  /** Of the last access, ms since 1970. */
  readonly atimeMs: number;
  /** Of the last change of the inode, ms since 1970. */
  readonly ctimeMs: number;
}

/** A time with its nanoseconds. */
export interface Timespec {
  /** Since 1970, whole, 0 to 2^32 - 1. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly ns: number;
}

/** Seconds since 1970, taken to the nearest microsecond; or with nanoseconds. */
export type Time = number | Timespec;

/** The system calls on attributes. */
export class AttributeCalls extends ReadWriteCalls {
  /** stat. Throws as open does. */
  *stat(path: string): Process<Stat> {
    return yield* this.#at(path, true, statOf);
  }

  /** lstat: as stat, but does not follow a symbolic link at the end. */
  *lstat(path: string): Process<Stat> {
    return yield* this.#at(path, false, statOf);
  }

  /** fstat. Throws EBADF. */
  fstat(fd: number): Stat {
    this.enter();
    return statOf(this.file(fd).inode);
  }

  /** Blocks and inodes of the file system, all and free ones. Throws as open does. */
  *statfs(path: string): Process<FileSystemStatistics> {
    return yield* this.#at(path, true, () => this.fs.statistics());
  }

  /** As statfs. Throws EBADF. */
  fstatfs(fd: number): FileSystemStatistics {
    this.enter();
    this.file(fd);
    return this.fs.statistics();
  }

  /**
   * Sets the permission bits. Throws EROFS and as open does.
   * @param mode the bits 07777 count
   */
  *chmod(path: string, mode: number): Process {
    yield* this.#on(path, true, (inode) => this.#chmod(inode, mode));
  }

  /** As chmod. Throws EBADF, EROFS, EIO. */
  *fchmod(fd: number, mode: number): Process {
    yield* this.#onFile(fd, (inode) => this.#chmod(inode, mode));
  }

  /**
   * Owner and group, 0 to 2^32 - 2; -1 leaves one as it is. Of what is no directory, the bits
   * setuid and, where the group may execute it, setgid go. Throws EINVAL, EROFS and as open does.
   */
  *chown(path: string, uid: number, gid: number): Process {
    yield* this.#on(path, true, (inode) => this.#chown(inode, uid, gid));
  }

  /** As chown, but of a symbolic link at the end itself. */
  *lchown(path: string, uid: number, gid: number): Process {
    yield* this.#on(path, false, (inode) => this.#chown(inode, uid, gid));
  }

  /** As chown. Throws EBADF, EINVAL, EROFS, EIO. */
  *fchown(fd: number, uid: number, gid: number): Process {
    yield* this.#onFile(fd, (inode) => this.#chown(inode, uid, gid));
  }

  /**
   * Times of access and change; an inode of 128 bytes keeps whole seconds. Throws EINVAL, EROFS and
   * as open does.
   */
  *utimes(path: string, atime: Time, mtime: Time): Process {
    yield* this.#on(path, true, (inode) => this.#utimes(inode, atime, mtime));
  }

  /** As utimes, but of a symbolic link at the end itself. */
  *lutimes(path: string, atime: Time, mtime: Time): Process {
    yield* this.#on(path, false, (inode) => this.#utimes(inode, atime, mtime));
  }

  /** As utimes. Throws EBADF, EINVAL, EROFS, EIO. */
  *futimes(fd: number, atime: Time, mtime: Time): Process {
    yield* this.#onFile(fd, (inode) => this.#utimes(inode, atime, mtime));
  }

  /**
   * The value of an extended attribute, in the namespace user, trusted or security. Throws ENODATA
   * when there is none, EOPNOTSUPP for another namespace, EINVAL for a namespace alone. A name that
   * is empty or of more than 255 bytes is ERANGE. Throws as open does, too.
   */
  *getxattr(path: string, name: string): Process<Uint8Array> {
    checkText('name', name);
    return yield* this.#on(path, true, (inode) => this.fs.attributes.get(inode, name));
  }

  /** As getxattr, but of a symbolic link at the end itself. */
  *lgetxattr(path: string, name: string): Process<Uint8Array> {
    checkText('name', name);
    return yield* this.#on(path, false, (inode) => this.fs.attributes.get(inode, name));
  }

  /** As getxattr; also EBADF. */
  *fgetxattr(fd: number, name: string): Process<Uint8Array> {
    checkText('name', name);
    return yield* this.#onFile(fd, (inode) => this.fs.attributes.get(inode, name));
  }

  /** Names of the extended attributes, with their namespaces. Throws EIO and as open does. */
  *listxattr(path: string): Process<string[]> {
    return yield* this.#on(path, true, (inode) => this.fs.attributes.list(inode));
  }

  /** As listxattr, but of a symbolic link at the end itself. */
  *llistxattr(path: string): Process<string[]> {
    return yield* this.#on(path, false, (inode) => this.fs.attributes.list(inode));
  }

  /** As listxattr; also EBADF. */
  *flistxattr(fd: number): Process<string[]> {
    return yield* this.#onFile(fd, (inode) => this.fs.attributes.list(inode));
  }

  /**
   * Sets an extended attribute. Throws EEXIST with `XATTR.create`, ENODATA with `XATTR.replace`.
   * EPERM: user attributes belong to files, and to directories without the sticky bit. E2BIG: more
   * than 65,536 bytes. ERANGE: more than a block. ENOSPC: it does not fit beside the others. Throws
   * EROFS, and as getxattr does.
   * @param flags of `XATTR`, 0 by default
   */
  *setxattr(path: string, name: string, value: Uint8Array, flags = 0): Process {
    yield* this.#on(path, true, (inode) => this.#setxattr(inode, name, value, flags));
  }

  /** As setxattr, but of a symbolic link at the end itself. */
  *lsetxattr(path: string, name: string, value: Uint8Array, flags = 0): Process {
    yield* this.#on(path, false, (inode) => this.#setxattr(inode, name, value, flags));
  }

  /** As setxattr; also EBADF. */
  *fsetxattr(fd: number, name: string, value: Uint8Array, flags = 0): Process {
    yield* this.#onFile(fd, (inode) => this.#setxattr(inode, name, value, flags));
  }

  /** Throws ENODATA when there is none, EPERM, EROFS, and as getxattr does. */
  *removexattr(path: string, name: string): Process {
    yield* this.#on(path, true, (inode) => this.#removexattr(inode, name));
  }

  /** As removexattr, but of a symbolic link at the end itself. */
  *lremovexattr(path: string, name: string): Process {
    yield* this.#on(path, false, (inode) => this.#removexattr(inode, name));
  }

  /** As removexattr; also EBADF. */
  *fremovexattr(fd: number, name: string): Process {
    yield* this.#onFile(fd, (inode) => this.#removexattr(inode, name));
  }

  #chmod(inode: Inode, mode: number): Process {
    return this.fs.changes.setAttributes(inode, (fields) => {
      fields.mode = (fields.mode & ~PERMISSIONS) | (mode & PERMISSIONS);
    });
  }

  #chown(inode: Inode, uid: number, gid: number): Process {
    for (const id of [uid, gid])
      if (!Number.isInteger(id) || id < -1 || id >= MAX_U32) throw new ModelError('EINVAL', `the owner or group ${id}`);
    return this.fs.changes.setAttributes(inode, (fields) => {
      if (uid >= 0) fields.uid = uid;
      if (gid >= 0) fields.gid = gid;
      if (inode.isDirectory) return;
      fields.mode &= ~S_IS.uid;
      if ((fields.mode & S_IXGRP) !== 0) fields.mode &= ~S_IS.gid;
    });
  }

  #utimes(inode: Inode, atime: Time, mtime: Time): Process {
    const [access, change] = [timespec('atime', atime), timespec('mtime', mtime)];
    return this.fs.changes.setAttributes(inode, (fields) => {
      fields.atime = access.seconds;
      fields.atimeNs = access.ns;
      fields.mtime = change.seconds;
      fields.mtimeNs = change.ns;
    });
  }

  #setxattr(inode: Inode, name: string, value: Uint8Array, flags: number): Process {
    checkText('name', name);
    checkBytes('value', value);
    if ((flags & ~(XATTR.create | XATTR.replace)) !== 0) throw new ModelError('EINVAL', `flags ${flags} of setxattr`);
    if (value.length > MAX_VALUE_BYTES) throw new ModelError('E2BIG', `a value of ${value.length} bytes for ${name}`);
    return inode.sem.run(this.fs.attributes.set(inode, name, value, flags));
  }

  #removexattr(inode: Inode, name: string): Process {
    checkText('name', name);
    return inode.sem.run(this.fs.attributes.set(inode, name, undefined, XATTR.replace));
  }

  *#at<T>(path: string, follow: boolean, look: (inode: Inode) => T): Process<T> {
    checkText('path', path);
    this.enter();
    const inode = yield* this.walker.walk(path, follow);
    const found = look(inode);
    yield* inode.release();
    return found;
  }

  *#on<T>(path: string, follow: boolean, run: (inode: Inode) => Process<T>): Process<T> {
    checkText('path', path);
    this.enter();
    const inode = yield* this.walker.walk(path, follow);
    try {
      return yield* run(inode);
    } finally {
      yield* inode.release();
    }
  }

  *#onFile<T>(fd: number, run: (inode: Inode) => Process<T>): Process<T> {
    this.enter();
    const file = this.file(fd);
    return yield* this.using(file, run(file.inode));
  }
}

function statOf(inode: Inode): Stat {
  const { ino, generation, mode, links, uid, gid, size, sectors } = inode.fields;
  const { mtime, atime, ctime, mtimeNs, atimeNs, ctimeNs } = inode.fields;
  // In one go: an object to which many properties are added becomes a hash table.
  return {
    device: ROOT_DEVICE,
    ino,
    generation,
    mode,
    links,
    uid,
    gid,
    size,
    blockSize: PAGE_SIZE,
    sectors,
    mtime,
    atime,
    ctime,
    mtimeNs,
    atimeNs,
    ctimeNs,
    mtimeMs: toMs(mtime, mtimeNs),
    atimeMs: toMs(atime, atimeNs),
    ctimeMs: toMs(ctime, ctimeNs),
  };
}

const toMs = (seconds: number, ns: number): number => seconds * 1000 + ns / 1e6;

/** Throws EINVAL. */
function timespec(argument: string, time: Time): Timespec {
  if (typeof time !== 'number') checkObject(argument, time, 'seconds', 'ns');
  const { seconds, ns } = typeof time === 'number' ? fromSeconds(time) : time;
  const isSound = Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_U32;
  if (!isSound || !Number.isInteger(ns) || ns < 0 || ns >= 1e9)
    throw new ModelError('EINVAL', `a time of ${seconds} s and ${ns} ns`);
  return { seconds, ns };
}

function fromSeconds(time: number): Timespec {
  const us = Math.round(time * 1e6);
  const seconds = Math.floor(us / 1e6);
  return { seconds, ns: (us - seconds * 1e6) * 1000 };
}
