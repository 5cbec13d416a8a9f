/**
 * Unpacks an image into a temporary file, with holes for zeros.
 *
 * What is in it is known by its first bytes. When that is no disk, the rest is not unpacked, so
 * that a small file does not make a large one for nothing.
 */

import { createReadStream } from 'node:fs';
import { grouped, InputError, UserError } from '../../base/index.ts';
import type { ProgressListener } from '../../experiment/guest/progress.ts';
import { HEAD_BYTES, superblockOf, tableOf, whatIs } from '../../experiment/guest/image-kind.ts';
import { type Chunks, type Packer, unpack } from '../../experiment/host/unpacked.ts';
import { TemporaryFile } from './temporary-file.ts';

const CHUNK_BYTES = 256 << 10;
/** Most that is unpacked. */
const MOST_BYTES = 2 ** 40;

/**
 * @param size of the file, bytes
 * @throws UserError or InputError when it is damaged, or no disk is in it
 */
export async function unpacked(
  path: string,
  size: number,
  packer: Packer,
  onProgress: ProgressListener,
): Promise<{ image: TemporaryFile; bytes: number }> {
  const image = new TemporaryFile();
  try {
    const sink = new Sink(image, packer);
    await unpack(packer, chunksOf(path, size, onProgress), (chunk) => {
      sink.push(chunk);
      return true;
    });
    return { image, bytes: sink.end() };
  } catch (error) {
    image.close();
    throw error;
  }
}

async function* chunksOf(path: string, total: number, onProgress: ProgressListener): Chunks {
  let done = 0;
  const stream: Chunks = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  for await (const chunk of stream) {
    yield chunk;
    done += chunk.length;
    onProgress({ phase: 'unpacking the image', done, total });
  }
}

/** Writes what comes in whole blocks. */
class Sink {
  readonly #image: TemporaryFile;
  readonly #packer: Packer;
  readonly #buffer = new Uint8Array(HEAD_BYTES);
  #buffered = 0;
  #written = 0;

  constructor(image: TemporaryFile, packer: Packer) {
    this.#image = image;
    this.#packer = packer;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const length = Math.min(chunk.length - at, this.#buffer.length - this.#buffered);
      this.#buffer.set(chunk.subarray(at, at + length), this.#buffered);
      this.#buffered += length;
      at += length;
      if (this.#buffered === this.#buffer.length) this.#flush();
    }
  }

  /** @returns bytes of the image */
  end(): number {
    if (this.#buffered > 0 || this.#written === 0) this.#flush();
    this.#image.resize(this.#written);
    return this.#written;
  }

  #flush(): void {
    const bytes = this.#buffer.subarray(0, this.#buffered);
    if (this.#written === 0) this.#check(bytes);
    this.#image.write(this.#written, bytes);
    this.#written += bytes.length;
    this.#buffered = 0;
    if (this.#written > MOST_BYTES)
      throw new InputError(`packed by ${this.#packer}: unpacked, it is longer than ${grouped(MOST_BYTES)} bytes`);
  }

  #check(head: Uint8Array): void {
    if (superblockOf(head) !== undefined || tableOf(head) !== undefined) return;
    const kind = whatIs(head) ?? 'neither ext2, ext3 or ext4 nor a disk with partitions';
    throw new UserError(`packed by ${this.#packer}, and what is in it is ${kind}: unpack it first`);
  }
}
