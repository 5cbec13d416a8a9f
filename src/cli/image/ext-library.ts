/**
 * libext2fs, which reads ext2, ext3 and ext4 of any block size: the npm package `ext2fs`, an
 * optional dependency.
 *
 * Contract: one volume at a time. Nothing is written to the image: files are opened without a
 * change of their times, and a write of the library is an error.
 *
 * The package's own functions are not used, but those below them. The former make text of names and
 * of files, and read the wrong place beyond 4 GiB.
 */

import { createRequire } from 'node:module';
import { InputError, UserError } from '../../base/index.ts';

/** The module of the package, as far as it is used. */
interface Library {
  readonly calledRun?: boolean;
  onRuntimeInitialized?: () => void;
  readonly setObject: (object: object) => number;
  readonly deleteObject: (id: number) => void;
  /** Memory of the library; valid until it is called again. */
  readonly getBuffer: (pointer: number, length: number) => Buffer;
  readonly ccall: (
    name: string,
    returns: 'number',
    types: readonly 'number'[],
    args: readonly number[],
    options: { readonly async: true },
  ) => Promise<number>;
}

/** Bytes that are read at a time. */
const PIECE_BYTES = 1 << 20;
const PATH_BYTES = 4096;
/** O_NOFOLLOW and O_NOATIME of the library. */
const OPEN_FLAGS = 0x20000 | 0x40000;
/** Events of the process that the library's compiler listens to. */
const LOUD_EVENTS = ['uncaughtException', 'unhandledRejection'];
/** Read on from where the last reading ended. */
const GO_ON = -1;

export interface ExtStat {
  /** Type and permissions. */
  readonly mode: number;
  readonly ino: number;
  readonly links: number;
  readonly bytes: number;
  readonly mtimeSeconds: number;
}

/** Reads bytes of the volume. @throws any error for a range outside */
export type ReadVolume = (offset: number, dst: Uint8Array) => void;

/** The library was called, and refused. */
export class ExtError extends Error {}

let loaded: Promise<Library> | undefined;

/** @throws UserError when the package is missing */
async function load(): Promise<Library> {
  const before = LOUD_EVENTS.map((event) => [event, process.listeners(event as 'exit')] as const);
  let library: Library;
  try {
    library = createRequire(import.meta.url)('ext2fs/lib/libext2fs.js') as Library;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw new UserError('reading such an image needs a package beside stillwarm: npm install ext2fs@4.2.5');
  }
  // Its compiler adds listeners that would change what an error of this program does.
  for (const [event, kept] of before)
    for (const listener of process.listeners(event as 'exit'))
      if (!kept.includes(listener)) process.removeListener(event, listener);
  if (library.calledRun !== true) await new Promise<void>((resolve) => (library.onRuntimeInitialized = resolve));
  return library;
}

export class ExtVolume {
  readonly #library: Library;
  readonly #disk: number;
  readonly #path: number;
  readonly #piece: number;
  #volume = 0;
  /** What the host refused while the library read, which knows it as an error of its own. */
  #refused: InputError | undefined;

  private constructor(library: Library, disk: number, path: number, piece: number) {
    this.#library = library;
    this.#disk = disk;
    this.#path = path;
    this.#piece = piece;
  }

  /**
   * Calls `use` with the volume.
   * @throws UserError when the package is missing; InputError when the volume cannot be mounted
   */
  static async with<T>(read: ReadVolume, use: (volume: ExtVolume) => Promise<T>): Promise<T> {
    const library = await (loaded ??= load());
    const disk = {
      // eslint-disable-next-line @typescript-eslint/require-await -- the library asks for a promise
      read: async (buffer: Buffer, at: number, length: number, offset: number): Promise<void> => {
        try {
          read(offset, buffer.subarray(at, at + length));
        } catch (error) {
          if (error instanceof InputError && error.code !== undefined) volume.#refused ??= error;
          throw error;
        }
      },
      write: (): Promise<void> => Promise.reject(new Error('an image is not written')),
      discard: (): Promise<void> => Promise.resolve(),
      flush: (): Promise<void> => Promise.resolve(),
    };
    const memory = (bytes: number): Promise<number> =>
      library.ccall('malloc_from_js', 'number', ['number'], [bytes], { async: true });
    const id = library.setObject(disk);
    const volume = new ExtVolume(library, id, await memory(PATH_BYTES), await memory(PIECE_BYTES));
    try {
      return await volume.#use(use);
    } finally {
      library.deleteObject(id);
      for (const each of [volume.#path, volume.#piece])
        await library.ccall('free_from_js', 'number', ['number'], [each], { async: true });
    }
  }

  async #use<T>(use: (volume: ExtVolume) => Promise<T>): Promise<T> {
    try {
      this.#volume = await this.#call('mount', this.#disk);
    } catch (error) {
      if (!(error instanceof ExtError)) throw error;
      throw new InputError(`libext2fs cannot read it: ${error.message}: run e2fsck -f on a copy of it first`);
    }
    try {
      return await use(this);
    } finally {
      await this.#call('umount', this.#volume);
    }
  }

  /** The names in a directory. @throws ExtError */
  names(path: Uint8Array): Promise<Buffer[]> {
    return this.#list('readdir', path);
  }

  /** What a symbolic link leads to. @throws ExtError */
  async target(path: Uint8Array): Promise<Buffer> {
    const [target] = await this.#list('readlink', path);
    return target ?? Buffer.alloc(0);
  }

  /** Opens a file or directory for `use`. @throws ExtError */
  async opened<T>(path: Uint8Array, use: (file: number) => Promise<T>): Promise<T> {
    const file = await this.#call('open', this.#volume, this.#put(path), OPEN_FLAGS, 0);
    try {
      return await use(file);
    } finally {
      await this.#call('close', file);
    }
  }

  async stat(file: number): Promise<ExtStat> {
    return {
      mode: await this.#call('stat_i_mode', file),
      ino: await this.#call('stat_ino', file),
      links: await this.#call('stat_i_links_count', file),
      bytes: await this.#call('stat_i_size', file),
      mtimeSeconds: await this.#ccall('stat_i_mtime', file),
    };
  }

  /** The next bytes of a file, valid until the next call; none at its end. @throws ExtError */
  async next(file: number): Promise<Uint8Array> {
    const length = await this.#call('read', file, OPEN_FLAGS, this.#piece, PIECE_BYTES, GO_ON);
    return this.#library.getBuffer(this.#piece, length);
  }

  async #list(name: 'readdir' | 'readlink', path: Uint8Array): Promise<Buffer[]> {
    const found: Buffer[] = [];
    const id = this.#library.setObject(found);
    try {
      await this.#call(name, this.#volume, this.#put(path), id);
    } finally {
      this.#library.deleteObject(id);
    }
    return found;
  }

  /** @param path shorter than PATH_BYTES */
  #put(path: Uint8Array): number {
    const bytes = this.#library.getBuffer(this.#path, path.length + 1);
    bytes.set(path);
    bytes[path.length] = 0;
    return this.#path;
  }

  async #call(name: string, ...args: number[]): Promise<number> {
    const result = await this.#ccall(name, ...args);
    if (result < 0) throw this.#refused ?? new ExtError(`${name}: error ${-result}`);
    return result;
  }

  #ccall(name: string, ...args: number[]): Promise<number> {
    const types = args.map(() => 'number' as const);
    return this.#library.ccall(`node_ext2fs_${name}`, 'number', types, args, { async: true });
  }
}
