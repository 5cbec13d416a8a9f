/** What each call of a strace does to files and descriptors. */

import { Cursor, hasAt } from './cursor.ts';
import { whyNoRange } from './format.ts';
import { ALL_FILES, OPERATION } from './operations.ts';
import { type Caller, MAPPINGS, newFile, PIPES } from './strace-caller.ts';
import { type Inode, Paths } from './strace-files.ts';
import { unescaped } from './strace-line.ts';

const PAGE = 4096;

type Handler = (caller: Caller) => string | undefined;

/** A call that moves data between memory and a file, at the position or at a given place. */
const transfer =
  (kind: number, offset?: number): Handler =>
  (caller) => {
    const open = caller.opened(0);
    if (open === undefined) return undefined;
    const place = offset === undefined ? Number.NaN : caller.integer(offset);
    // preadv2 and pwritev2 take -1 for the position.
    return caller.transfer(open, kind, caller.line.result, place < 0 ? Number.NaN : place);
  };

/** A call that copies from one descriptor to another: where each is, and its place. */
const copy =
  ([input, inputPlace]: readonly [number, number], [output, outputPlace]: readonly [number, number]): Handler =>
  (caller) => {
    const { result } = caller.line;
    for (const [argument, place, kind] of [
      [input, inputPlace, OPERATION.read],
      [output, outputPlace, OPERATION.write],
    ] as const) {
      const open = caller.opened(argument);
      const offset = place < 0 ? -1 : caller.integer(place);
      const why =
        open === undefined ? undefined : caller.transfer(open, kind, result, offset < 0 ? Number.NaN : offset);
      if (why !== undefined) return why;
    }
    return undefined;
  };

/** A call that opens a file: where its path, its directory and its flags are. */
const opens =
  (path: number, directory: number | undefined, flags: number | undefined): Handler =>
  (caller) => {
    const { line, paths, process } = caller;
    const has = (flag: string): boolean => flags !== undefined && line.contains(flags, flag);
    const { resultPath, resultPathEnd } = line;
    const told = resultPathEnd > resultPath ? unescaped(line.bytes.subarray(resultPath, resultPathEnd)) : undefined;
    const name = told ?? caller.path(path, directory);
    if (name === undefined) return 'a path that is cut off';
    const open = {
      ...newFile(undefined, name),
      isAppending: has('O_APPEND'),
      isDirect: has('O_DIRECT') && !has('O_DIRECTORY'),
    };
    process.open(line.result, open, has('O_CLOEXEC'));
    if (told !== undefined) open.seen = line.bytes.slice(resultPath, resultPathEnd);
    const isNoFile = has('O_DIRECTORY') || has('O_PATH') || has('O_TMPFILE') || !Paths.isFile(name);
    if (isNoFile || (told !== undefined && !told.startsWith('/'))) return caller.leaveOut(PIPES);
    const isCutting = flags === undefined || has('O_TRUNC');
    const mayMake = flags === undefined || has('O_CREAT');
    const isNew = mayMake && (paths.isGone(name) || (paths.find(name) === undefined && (has('O_EXCL') || isCutting)));
    const inode = paths.inode(name);
    open.inode = inode;
    caller.add(isNew ? OPERATION.create : OPERATION.open, inode.file, 0, 0);
    if (isCutting && !isNew) caller.add(OPERATION.truncate, inode.file, 0, 0);
    if (isCutting || isNew) inode.size = 0;
    return undefined;
  };

const unlinks =
  (path: number, directory?: number, flags?: number): Handler =>
  (caller) => {
    if (flags !== undefined && caller.line.contains(flags, 'AT_REMOVEDIR')) return undefined;
    const name = caller.path(path, directory);
    if (name === undefined) return 'a path that is cut off';
    if (!Paths.isFile(name)) return caller.leaveOut(PIPES);
    // What is unlinked before anything else is known of it was a file as well.
    caller.paths.inode(name);
    const gone = caller.paths.unlink(name);
    if (gone !== undefined) caller.add(OPERATION.unlink, gone.file, 0, 0);
    return undefined;
  };

const renames =
  (from: number, to: number, directories: boolean): Handler =>
  (caller) => {
    const [old, name] = [from, to].map((path) => caller.path(path, directories ? path - 1 : undefined));
    if (old === undefined || name === undefined) return 'a path that is cut off';
    if (directories && caller.line.contains(4, 'RENAME_EXCHANGE')) {
      caller.paths.exchange(old, name);
      return undefined;
    }
    const gone = caller.paths.rename(old, name);
    if (gone !== undefined) caller.add(OPERATION.unlink, gone.file, 0, 0);
    return undefined;
  };

const links =
  (from: number, to: number, directories: boolean): Handler =>
  (caller) => {
    const [old, name] = [from, to].map((path) => caller.path(path, directories ? path - 1 : undefined));
    if (old === undefined || name === undefined) return 'a path that is cut off';
    caller.paths.link(old, name);
    return undefined;
  };

const clones: Handler = ({ line, process, processes }) => {
  const text = line.bytes.subarray(line.nameEnd, line.resultPath);
  // Its first lines may have come before.
  const child = processes.get(line.result);
  if (child === undefined) processes.set(line.result, process.child(sharesFiles(text), sharesDirectory(text)));
  return undefined;
};

const syncs: Handler = (caller) => {
  const open = caller.opened(0);
  if (open?.inode !== undefined) caller.add(OPERATION.sync, open.inode.file, 0, 0);
  return undefined;
};

const syncsAll: Handler = (caller) => {
  caller.add(OPERATION.sync, ALL_FILES, 0, 0);
  return undefined;
};

const cuts = (caller: Caller, inode: Inode, size: number): string | undefined => {
  if (size < 0) return 'no size';
  inode.size = size;
  caller.add(OPERATION.truncate, inode.file, size, 0);
  return undefined;
};

const duplicates =
  (target?: number): Handler =>
  (caller) => {
    const { line, process } = caller;
    const known = process.files.get(caller.integer(0));
    // One whose file is not known makes the new one unknown, too.
    if (known === undefined) process.files.delete(line.result);
    else process.open(line.result, known.open, target !== undefined && line.contains(target, 'CLOEXEC'));
    return undefined;
  };

/** What each call does that succeeded. */
export const CALLS: Readonly<Record<string, Handler>> = {
  read: transfer(OPERATION.read),
  readv: transfer(OPERATION.read),
  pread64: transfer(OPERATION.read, 3),
  pread: transfer(OPERATION.read, 3),
  preadv: transfer(OPERATION.read, 3),
  preadv2: transfer(OPERATION.read, 3),
  write: transfer(OPERATION.write),
  writev: transfer(OPERATION.write),
  pwrite64: transfer(OPERATION.write, 3),
  pwrite: transfer(OPERATION.write, 3),
  pwritev: transfer(OPERATION.write, 3),
  pwritev2: transfer(OPERATION.write, 3),
  sendfile: copy([1, 2], [0, -1]),
  sendfile64: copy([1, 2], [0, -1]),
  copy_file_range: copy([0, 1], [2, 3]),
  splice: copy([0, 1], [2, 3]),
  open: opens(0, undefined, 1),
  openat: opens(1, 0, 2),
  openat2: opens(1, 0, 2),
  creat: opens(0, undefined, undefined),
  close: (caller) => {
    caller.process.files.delete(caller.integer(0));
    return undefined;
  },
  close_range: (caller) => {
    const first = caller.integer(0);
    const last = caller.integer(1);
    for (const [fd, descriptor] of [...caller.process.files]) {
      // ~0U is no integer here: to the last one.
      if (fd < first || (last >= 0 && fd > last)) continue;
      if (caller.line.contains(2, 'CLOEXEC')) descriptor.closesOnExec = true;
      else caller.process.files.delete(fd);
    }
    return undefined;
  },
  lseek: (caller) => {
    const open = caller.opened(0);
    if (open !== undefined) open.position = caller.line.result;
    if (open?.inode !== undefined && caller.line.is(2, 'SEEK_END') && caller.integer(1) === 0)
      open.inode.size = caller.line.result;
    return undefined;
  },
  _llseek: (caller) => {
    const open = caller.opened(0);
    const position = caller.integer(2);
    if (open !== undefined && position >= 0) open.position = position;
    return undefined;
  },
  dup: duplicates(),
  dup2: duplicates(),
  dup3: duplicates(2),
  fcntl: fcntl,
  fcntl64: fcntl,
  clone: clones,
  clone3: clones,
  fork: clones,
  vfork: clones,
  execve: (caller) => {
    caller.process.exec();
    const name = caller.path(0);
    if (name === undefined || !Paths.isFile(name)) return undefined;
    caller.add(OPERATION.open, caller.paths.inode(name).file, 0, 0);
    return undefined;
  },
  chdir: (caller) => {
    caller.process.directory.path = caller.path(0);
    return undefined;
  },
  fchdir: (caller) => {
    caller.process.directory.path = caller.process.files.get(caller.integer(0))?.open.path;
    return undefined;
  },
  getcwd: (caller) => {
    caller.process.directory.path = caller.line.string(0);
    return undefined;
  },
  truncate: (caller) => {
    const name = caller.path(0);
    return name === undefined ? 'a path that is cut off' : cuts(caller, caller.paths.inode(name), caller.integer(1));
  },
  ftruncate: (caller) => {
    const open = caller.opened(0);
    return open?.inode === undefined ? undefined : cuts(caller, open.inode, caller.integer(1));
  },
  fstat: (caller) => {
    const { line, process } = caller;
    const open = process.files.get(caller.integer(0))?.open;
    const { bytes, starts, ends } = line;
    const cursor = new Cursor();
    cursor.set(bytes, starts[1]!, ends[1]!);
    if (open?.inode !== undefined && line.count > 1 && cursor.past('st_size=')) {
      const size = cursor.integer();
      if (size >= 0) open.inode.size = size;
    }
    return undefined;
  },
  unlink: unlinks(0),
  unlinkat: unlinks(1, 0, 2),
  rename: renames(0, 1, false),
  renameat: renames(1, 3, true),
  renameat2: renames(1, 3, true),
  link: links(0, 1, false),
  linkat: links(1, 3, true),
  fsync: syncs,
  fdatasync: syncs,
  sync: syncsAll,
  syncfs: syncsAll,
  mmap: maps,
  mmap2: maps,
  io_submit: (caller) => caller.leaveOut('asynchronous calls, of which reads are not told'),
  io_uring_enter: (caller) => caller.leaveOut('asynchronous calls, of which reads are not told'),
};

function fcntl(caller: Caller): string | undefined {
  const { line, process } = caller;
  if (line.is(1, 'F_DUPFD')) return duplicates(1)(caller);
  const known = process.files.get(caller.integer(0));
  if (known !== undefined && line.is(1, 'F_SETFD')) known.closesOnExec = line.contains(2, 'FD_CLOEXEC');
  if (known !== undefined && line.is(1, 'F_SETFL')) known.open.isAppending = line.contains(2, 'O_APPEND');
  return undefined;
}

/** Whether what is read through a mapping is told: it is where the call itself reads it. */
function maps(caller: Caller): string | undefined {
  if (caller.line.contains(3, 'MAP_ANON') || caller.integer(4) < 0) return undefined;
  const open = caller.opened(4);
  if (open === undefined) return undefined;
  const [length, offset] = [caller.integer(1), caller.hex(5)];
  if (!caller.line.contains(3, 'MAP_POPULATE') || open.inode === undefined) return caller.leaveOut(MAPPINGS);
  const whole = Math.ceil(length / PAGE) * PAGE;
  const why = offset >= 0 && offset % PAGE === 0 ? whyNoRange(offset, whole) : 'no place';
  if (why !== undefined) return why;
  if (length <= 0) return 'no length';
  caller.add(OPERATION.fault, open.inode.file, offset, whole);
  return undefined;
}

/** Whether a clone, as its text says, shares descriptors with its child. */
export const sharesFiles = (text: Uint8Array): boolean => includes(text, 'CLONE_FILES');
/** Whether it shares the working directory. */
export const sharesDirectory = (text: Uint8Array): boolean => includes(text, 'CLONE_FS');

function includes(text: Uint8Array, word: string): boolean {
  for (let at = 0; at + word.length <= text.length; at++) if (hasAt(text, at, text.length, word)) return true;
  return false;
}
