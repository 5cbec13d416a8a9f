/**
 * A replay: carries out the operations of one thread of a trace, one after the other, with system
 * calls. It asks a source for each operation, and waits as the source says.
 *
 * A file is opened for its first operation and stays open, as long as this thread has few enough.
 * An operation `open` closes it and opens it anew. Reads and writes are split into calls of 128 KiB
 * at most. A fault maps its pages, loads them, and unmaps them, so that it takes the page faults
 * that the traced program took. What lies behind the last page of the file is not loaded.
 *
 * Contract: every byte that a read returned is given to `onRead`, and the bytes of each write are
 * asked of `onWrite`. An operation that the kernel refuses is told to the source as failed.
 */

import { ModelError } from '../base/errno.ts';
import type { Process, Wait } from '../sim/index.ts';
import { MAP, O, PROT, type Syscalls } from '../kernel/syscall/syscalls.ts';

/** What operations do. */
export interface ReplayKinds {
  readonly open: number;
  readonly read: number;
  readonly write: number;
  readonly sync: number;
  readonly truncate: number;
  readonly unlink: number;
  readonly create: number;
  /** Reads whole pages through a mapping. */
  readonly fault: number;
}

/** The next operation can be carried out now. */
export const READY = -1;
/** There is no further operation. */
export const END = -2;

/** Gives a thread its operations. */
export interface ReplaySource {
  /** Of the operation taken last: one of ReplayKinds, number of the file, first byte, bytes. */
  readonly kind: number;
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  /**
   * Takes the next operation.
   * @param now virtual time of the guest, ns
   * @returns READY, END, or what to wait for before it is asked again: no wait is below 0
   */
  take(now: number): Wait;
  /** The operation taken last has ended. */
  ended(now: number, isFailed: boolean): void;
}

export interface ReplayContext {
  readonly sys: Syscalls;
  readonly source: ReplaySource;
  readonly kinds: ReplayKinds;
  /** The file of an operation that is on all files. */
  readonly allFiles: number;
  readonly pathOf: (file: number) => string;
  /** How often the name of a file has come to mean another file. */
  readonly incarnationOf: (file: number) => number;
  /** At least CALL_BYTES bytes; of this thread alone. */
  readonly buffer: Uint8Array;
  /** A read is about to wait. */
  readonly onWait: (fd: number, position: number, length: number) => void;
  /** A read of `length` bytes returned `bytes`, which the buffer begins with. */
  readonly onRead: (file: number, position: number, length: number, bytes: number, buffer: Uint8Array) => void;
  /** The bytes of a write: the buffer is to begin with them. */
  readonly onWrite: (file: number, position: number, length: number, buffer: Uint8Array) => void;
  /** The file is about to have so many bytes. */
  readonly onCut: (file: number, size: number) => void;
  /** The file is about to be empty, or has no name any more. */
  readonly onEmpty: (file: number) => void;
}

/** Bytes of one system call at most. */
export const CALL_BYTES = 131_072;
/** Files that a thread has open at most. */
const DESCRIPTORS = 64;

interface Descriptor {
  readonly fd: number;
  readonly incarnation: number;
}

/** Carries out the operations of a thread. */
export function* replay(context: ReplayContext): Process {
  const { sys, source } = context;
  const calls = new Calls(context);
  for (;;) {
    const wait = source.take(sys.now());
    if (wait === READY) {
      let isFailed = false;
      try {
        // The path of cached reads: no process.
        if (!calls.readNow()) yield* calls.operation();
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        isFailed = true;
      }
      source.ended(sys.now(), isFailed);
      if (sys.isDue) yield* sys.settle();
    } else if (wait === END) break;
    else {
      // While time passes, what it waits for may come.
      yield* sys.settle();
      const still = source.take(sys.now());
      if (still === END) break;
      if (still !== READY) yield still;
    }
  }
  yield* calls.close();
  yield* sys.settle();
}

class Calls {
  readonly #context: ReplayContext;
  readonly #open = new Map<number, Descriptor>();
  /** The descriptor used last: operations on a file come in runs. */
  #lastFile = -1;
  #last: Descriptor | undefined;
  /** What `readNow` has begun: what the call returned, or 0. */
  #pending = 0;

  constructor(context: ReplayContext) {
    this.#context = context;
  }

  /** Carries out a read of one call whose file is open and whose pages are cached. */
  readNow(): boolean {
    const { sys, source, kinds, buffer } = this.#context;
    const { file, offset, length } = source;
    if (source.kind !== kinds.read || length > CALL_BYTES) return false;
    const open = this.#find(file);
    if (open === undefined) return false;
    const bytes = sys.preadNow(open.fd, buffer, 0, length, offset);
    if (bytes < 0) {
      this.#pending = bytes;
      return false;
    }
    this.#context.onRead(file, offset, length, bytes, buffer);
    return true;
  }

  /** Carries out the operation, or the rest of what `readNow` has begun. */
  *operation(): Process {
    const { sys, source, kinds, allFiles, pathOf, onCut, onEmpty } = this.#context;
    const { kind, file } = source;
    switch (kind) {
      case kinds.read:
        yield* this.#read();
        return;
      case kinds.fault:
        yield* this.#fault();
        return;
      case kinds.write:
        yield* this.#write();
        return;
      case kinds.sync:
        if (file === allFiles) yield* sys.sync();
        else yield* sys.fsync((yield* this.#descriptor(file, false)).fd);
        return;
      case kinds.truncate: {
        const { fd } = yield* this.#descriptor(file, true);
        onCut(file, source.offset);
        yield* sys.ftruncate(fd, source.offset);
        return;
      }
      case kinds.unlink:
        yield* sys.unlink(pathOf(file));
        onEmpty(file);
        return;
      case kinds.create:
        onEmpty(file);
        yield* this.#opened(file, O.rdwr | O.creat | O.trunc);
        return;
      default:
        yield* this.#opened(file, O.rdwr);
    }
  }

  /** Closes all files. */
  *close(): Process {
    this.#last = undefined;
    this.#lastFile = -1;
    for (const { fd } of this.#open.values()) yield* this.#context.sys.close(fd);
    this.#open.clear();
  }

  *#read(): Process {
    const { sys, source, buffer, onRead, onWait } = this.#context;
    const { file, length } = source;
    let pending = this.#pending;
    this.#pending = 0;
    const { fd } = yield* this.#descriptor(file, false);
    for (let done = 0; done < length || length === 0; ) {
      const position = source.offset + done;
      const wanted = Math.min(CALL_BYTES, length - done);
      let bytes = pending < 0 ? pending : sys.preadNow(fd, buffer, 0, wanted, position);
      pending = 0;
      if (bytes < 0) {
        onWait(fd, position, wanted);
        bytes = yield* sys.preadRest(fd, buffer, 0, wanted, position, bytes);
      }
      onRead(file, position, wanted, bytes, buffer);
      done += bytes;
      if (bytes < wanted || length === 0) return;
      if (sys.isDue) yield* sys.settle();
    }
  }

  *#fault(): Process {
    const { sys, source, buffer, onRead, onWait } = this.#context;
    const { file, offset, length } = source;
    const { fd } = yield* this.#descriptor(file, false);
    if (length === 0) return;
    const address = sys.mmap(length, PROT.read, MAP.private, fd, offset);
    try {
      for (let done = 0; done < length; ) {
        const position = offset + done;
        const wanted = Math.min(CALL_BYTES, length - done);
        const bytes = Math.max(0, Math.min(wanted, sys.fstat(fd).size - position));
        if (bytes > 0) {
          onWait(fd, position, bytes);
          yield* sys.load(address + done, buffer, 0, bytes);
        }
        onRead(file, position, wanted, bytes, buffer);
        if (bytes < wanted) return;
        done += bytes;
      }
    } finally {
      yield* sys.munmap(address, length);
    }
  }

  *#write(): Process {
    const { sys, source, buffer, onWrite } = this.#context;
    const { file, length } = source;
    const { fd } = yield* this.#descriptor(file, true);
    for (let done = 0; done < length; ) {
      const position = source.offset + done;
      const bytes = Math.min(CALL_BYTES, length - done);
      onWrite(file, position, bytes, buffer);
      const now = sys.pwriteNow(fd, buffer, 0, bytes, position);
      const written = now >= 0 ? now : yield* sys.pwriteRest(fd, buffer, 0, bytes, position, now);
      if (written < bytes) throw new ModelError('EIO', 'a write has stored less than was asked for');
      done += bytes;
      if (sys.isDue) yield* sys.settle();
    }
  }

  #find(file: number): Descriptor | undefined {
    const open = file === this.#lastFile ? this.#last : this.#open.get(file);
    if (open === undefined || open.incarnation !== this.#context.incarnationOf(file)) return undefined;
    this.#lastFile = file;
    this.#last = open;
    return open;
  }

  /** @param make whether the file is made when there is none */
  *#descriptor(file: number, make: boolean): Process<Descriptor> {
    const open = this.#find(file);
    if (open !== undefined) return open;
    try {
      return yield* this.#opened(file, O.rdwr);
    } catch (error) {
      if (!(error instanceof ModelError) || error.code !== 'ENOENT' || !make) throw error;
      return yield* this.#opened(file, O.rdwr | O.creat);
    }
  }

  *#opened(file: number, flags: number): Process<Descriptor> {
    const { sys, pathOf, incarnationOf } = this.#context;
    yield* this.#forget(file);
    if (this.#open.size >= DESCRIPTORS) yield* this.#forget(this.#open.keys().next().value!);
    const fd = yield* sys.open(pathOf(file), flags);
    const open = { fd, incarnation: incarnationOf(file) };
    this.#open.set(file, open);
    return open;
  }

  *#forget(file: number): Process {
    const open = this.#open.get(file);
    if (open === undefined) return;
    this.#open.delete(file);
    if (this.#lastFile === file) this.#lastFile = -1;
    yield* this.#context.sys.close(open.fd);
  }
}
