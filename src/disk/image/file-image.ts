/**
 * An image in a file of the host, with a copy-on-write overlay. Writes of the machine stay in
 * memory, and the file never changes, unless it was opened to be written through.
 *
 * Contract: ImageStore. The size is that of the file when it was opened. A range outside the image
 * is a caller's mistake. A host file that fails or shrinks meanwhile is an InputError. Call `close`
 * once, and nothing afterwards.
 *
 * The overlay is overlay-image.ts. Without write-through the file is open for reading only: the
 * host itself forbids the change.
 */

import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { checkArgument, checkInteger, checkObject, checkText } from '../../base/argument-error.ts';
import { askHost, InputError } from '../../base/input-error.ts';
import { type Extent, Medium, type Writer } from './backing-store.ts';
import { checkTransfer, type ImageStore } from './image-store.ts';
import { OverlayImage } from './overlay-image.ts';

/** How a file is used as an image. */
export interface FileImageOptions {
  /** Write to the file instead of to the overlay. */
  readonly writeThrough?: boolean;
}

/**
 * Opens a regular file of the host for reading, or for reading and writing. Anything else is not
 * opened: a pipe would wait for a writer, and a device might act.
 * @param shown what messages call the file
 * @throws InputError
 */
export function openRegularFile(
  path: string,
  shown: string,
  isWritten = false,
): { readonly fd: number; readonly size: number } {
  const found = askHost(shown, () => statSync(path));
  if (!found.isFile())
    throw new InputError(`${shown}: ${found.isDirectory() ? 'is a directory' : 'not a regular file'}`);
  // If it has become a pipe meanwhile, opening it does not wait.
  const flags = constants.O_NONBLOCK | (isWritten ? constants.O_RDWR : constants.O_RDONLY);
  const fd = askHost(shown, () => openSync(path, flags));
  const stat = fstatSync(fd);
  if (stat.isFile()) return { fd, size: stat.size };
  closeSync(fd);
  throw new InputError(`${shown}: not a regular file`);
}

/** What the host says of a file (`fs.BigIntStats`): device, inode, bytes, and last change in ns. */
export type FileStamp = Readonly<Record<'dev' | 'ino' | 'size' | 'mtimeNs', bigint>>;

/**
 * Differs when a file was written to, or when another file has its name now, perhaps with the same
 * time.
 */
export const versionOf = ({ dev, ino, size, mtimeNs }: FileStamp): string => [dev, ino, size, mtimeNs].join();

/** An image in a file of the host. Writes stay in memory by default. */
export class FileImage implements ImageStore {
  /** Bytes. */
  readonly size: number;
  /** The file itself. */
  readonly #medium: Medium;
  readonly #path: string;
  readonly #fd: number;
  /** Undefined when the file is written through. */
  readonly #overlay: OverlayImage | undefined;
  #open = true;

  private constructor(path: string, fd: number, size: number, writeThrough: boolean) {
    this.#path = path;
    this.#fd = fd;
    this.size = size;
    this.#medium = new Medium(size);
    if (writeThrough) return;
    const read = this.#readFile.bind(this);
    this.#overlay = new OverlayImage({ size, read, extents: this.#medium.extents });
  }

  /** @throws InputError when the file is missing, not a regular file or may not be opened */
  static open(path: string, options: FileImageOptions = {}): FileImage {
    checkText('path', path);
    checkObject('options', options);
    const writeThrough = options.writeThrough ?? false;
    const { fd, size } = openRegularFile(path, path, writeThrough);
    return new FileImage(path, fd, size, writeThrough);
  }

  /**
   * Makes a new file of `size` zero bytes, written through.
   * @throws InputError when the file exists or cannot be made
   */
  static create(path: string, size: number): FileImage {
    checkText('path', path);
    checkInteger('size', size);
    const fd = askHost(path, () => openSync(path, 'wx+'));
    askHost(path, () => ftruncateSync(fd, size));
    return new FileImage(path, fd, size, true);
  }

  /** @internal Differs when the file was written to, or when another has its name now. */
  get version(): string {
    return versionOf(fstatSync(this.#fd, { bigint: true }));
  }

  get extents(): readonly Extent[] {
    return (this.#overlay ?? this.#medium).extents;
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    this.#check(offset, length, 'dst', dst, dstOffset);
    if (this.#overlay === undefined) this.#readFile(offset, dst, dstOffset, length);
    else this.#overlay.read(offset, dst, dstOffset, length);
  }

  write(offset: number, src: Uint8Array, srcOffset: number, length: number, by?: Writer): void {
    this.#check(offset, length, 'src', src, srcOffset);
    if (this.#overlay !== undefined) {
      this.#overlay.write(offset, src, srcOffset, length, by);
      return;
    }
    this.#medium.stored(offset, length, by);
    for (let done = 0; done < length; )
      done += askHost(this.#path, () => writeSync(this.#fd, src, srcOffset + done, length - done, offset + done));
  }

  /** Gives the file back to the host. What the overlay holds is lost. */
  close(): void {
    checkArgument(this.#open, 'close', 'image is closed');
    this.#open = false;
    closeSync(this.#fd);
  }

  #readFile(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const bytes = askHost(this.#path, () => readSync(this.#fd, dst, dstOffset + done, length - done, offset + done));
      if (bytes === 0) throw new InputError(`${this.#path}: became shorter while it was in use`);
      done += bytes;
    }
  }

  #check(offset: number, length: number, place: 'dst' | 'src', buffer: Uint8Array, at: number): void {
    checkArgument(this.#open, 'close', 'image is closed');
    checkTransfer(this.size, offset, length, place, buffer, at);
  }
}
