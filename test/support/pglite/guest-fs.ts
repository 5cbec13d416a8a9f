// The data directory of PGlite in a guest: a file system of PGlite over the calls of `machine.sys`.
//
// PGlite starts PostgreSQL without fsync, and its file systems have no call for it. Here fsync
// reaches the guest, so that a commit that has returned is on the drive's medium. A directory has
// no descriptor here. ext3 makes a new file's name durable with the file.
import { PGlite } from '@electric-sql/pglite';
import { BaseFilesystem, type FsStats } from '@electric-sql/pglite/basefs';
import { type Machine, ModelError, O } from '../../../src/index.ts';

/** Parameters of PostgreSQL as PGlite has them, except `-F`, which switches fsync off. */
export const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((each) => each !== '-F'),
  // fdatasync of Emscripten does nothing.
  ...['-c', 'wal_sync_method=fsync'],
];

/** Errors by name, as Emscripten numbers them. */
const ERRNO: Readonly<Record<string, number>> = {
  EBADF: 8,
  EEXIST: 20,
  EINVAL: 28,
  EIO: 29,
  EISDIR: 31,
  ENOENT: 44,
  ENOSPC: 51,
  ENOTDIR: 54,
  ENOTEMPTY: 55,
};

interface Stream {
  readonly nfd?: number;
}

/** What is needed of Emscripten, whose types the package leaves to others. */
interface Emscripten {
  readonly FS: {
    lookupPath(path: string): { readonly node: { readonly mount: { readonly type: { readonly stream_ops: object } } } };
  };
}

export class GuestFilesystem extends BaseFilesystem {
  readonly #machine: Machine;
  #module: object = {};
  /** Calls of fsync that have reached the guest. */
  syncs = 0;

  constructor(machine: Machine) {
    super();
    this.#machine = machine;
  }

  override async init(...args: Parameters<BaseFilesystem['init']>): ReturnType<BaseFilesystem['init']> {
    const { emscriptenOpts } = await super.init(...args);
    const fsync = ({ nfd }: Stream): number => {
      this.syncs++;
      if (nfd !== undefined) this.#call((sys) => sys.fsync(nfd));
      return 0;
    };
    emscriptenOpts.preRun = [
      ...(emscriptenOpts.preRun ?? []),
      (module) => {
        this.#module = module;
        const { FS } = module as unknown as Emscripten;
        Object.assign(FS.lookupPath(PGlite.paths.PGDATA).node.mount.type.stream_ops, { fsync });
      },
    ];
    return { emscriptenOpts };
  }

  override chmod(path: string, mode: number): void {
    this.#call((sys) => sys.chmod(path, mode & 0o7777));
  }
  override close(fd: number): void {
    this.#call((sys) => sys.close(fd));
  }
  override fstat(fd: number): FsStats {
    return this.#call((sys) => statsOf(sys.fstat(fd)));
  }
  override lstat(path: string): FsStats {
    return this.#call((sys) => statsOf(sys.lstat(path === '' ? '/' : path)));
  }
  override mkdir(path: string, { mode = 0o700 }: { readonly mode?: number } = {}): void {
    this.#call((sys) => sys.mkdir(path, mode & 0o7777));
  }
  override open(path: string): number {
    return this.#call((sys) => sys.open(path, O.rdwr));
  }
  override readdir(path: string): string[] {
    return this.#call((sys) => ['.', '..', ...sys.names(path === '' ? '/' : path)]);
  }
  override read(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    return this.#call((sys) => sys.pread(fd, bytes, offset, length, position));
  }
  override rename(from: string, to: string): void {
    this.#call((sys) => sys.rename(from, to));
  }
  override rmdir(path: string): void {
    this.#call((sys) => sys.rmdir(path));
  }
  override truncate(path: string, length: number): void {
    this.#call((sys) => sys.truncate(path, length));
  }
  override unlink(path: string): void {
    this.#call((sys) => sys.unlink(path));
  }
  override utimes(path: string, atime: number, mtime: number): void {
    this.#call((sys) => sys.utimes(path, atime / 1000, mtime / 1000));
  }
  override writeFile(path: string, data: string | Uint8Array): void {
    this.#call((sys) => sys.writeFile(path, data));
  }
  override write(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    // PGlite hands over the whole memory, which is no Uint8Array.
    const bytes = new Uint8Array(buffer as unknown as ArrayBuffer);
    this.#call((sys) => sys.pwriteAll(fd, bytes, offset, length, position));
    return length;
  }

  /**
   * The guest has ended, and PostgreSQL with it. PGlite swallows the error and enters PostgreSQL
   * again, which may wait for ever for a lock of its own. So each of its functions throws from now
   * on.
   */
  #end(error: unknown): never {
    const ended = (): never => {
      throw error;
    };
    const entries = Object.entries(this.#module).filter(([, each]) => typeof each === 'function');
    Object.assign(this.#module, Object.fromEntries(entries.map(([name]) => [name, ended])));
    throw error;
  }

  #call<T>(act: (sys: Machine['sys']) => T): T {
    try {
      return act(this.#machine.sys);
    } catch (error) {
      if (!(error instanceof ModelError)) this.#end(error);
      throw Object.assign(new Error(error.message), { code: ERRNO[error.code] ?? ERRNO['EIO'] });
    }
  }
}

function statsOf(its: ReturnType<Machine['sys']['lstat']>): FsStats {
  const { ino, mode, links: nlink, uid, gid, size, atimeMs: atime, mtimeMs: mtime, ctimeMs: ctime } = its;
  const blocks = Math.ceil(size / 512);
  return { dev: 0, ino, mode, nlink, uid, gid, rdev: 0, size, blksize: 4096, blocks, atime, mtime, ctime };
}
