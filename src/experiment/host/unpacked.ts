/**
 * The bytes of a file that may be packed by gzip, xz or zstd, chunk by chunk. What packs it is told
 * by its first bytes. However long it is, little of it is in memory at a time.
 */

import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import xz from 'xz-decompress';
import { InputError } from '../../base/index.ts';

/** Chunks in turn. */
export type Chunks = AsyncIterable<Uint8Array>;
/** Takes a chunk; false: no more of them are wanted. */
export type Take = (chunk: Uint8Array) => boolean;

export const PACKERS = ['gzip', 'xz', 'zstd'] as const;
export type Packer = (typeof PACKERS)[number];

const MAGIC: Readonly<Record<Packer, readonly number[]>> = {
  gzip: [0x1f, 0x8b],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
};
/** Bytes by which a packer is told. */
export const MAGIC_BYTES = 6;
/** Bytes that gzip hands over at a time. */
const CHUNK_BYTES = 256 << 10;
/** Most that a zstd frame may ask to be kept, as zstd itself allows by default. */
const ZSTD_WINDOW_MAX = 128 << 20;

/** What packed a file that begins with these bytes; undefined: nothing that is known. */
export function packerOf(head: Uint8Array): Packer | undefined {
  return PACKERS.find((packer) => MAGIC[packer].every((byte, i) => head[i] === byte));
}

/**
 * Unpacks chunks, and hands over what comes out.
 * @throws InputError when they are damaged or cut off
 */
export async function unpack(packer: Packer, chunks: Chunks, take: Take): Promise<void> {
  try {
    if (packer === 'gzip') await gunzip(chunks, take);
    else if (packer === 'xz') await unxz(chunks, take);
    else await unzstd(chunks, take);
  } catch (error) {
    // What the taker and the host throw goes through.
    if (!(error instanceof Damaged)) throw error;
    throw new InputError(`it is packed by ${packer}, and damaged or cut off: ${error.message}`);
  }
}

/** What an unpacker says of its input. */
class Damaged extends Error {}

async function gunzip(chunks: Chunks, take: Take): Promise<void> {
  let hasEnough = false;
  const unpacker = createGunzip({ chunkSize: CHUNK_BYTES });
  try {
    await pipeline(chunks, unpacker, async (unpacked: Chunks) => {
      for await (const chunk of unpacked) {
        hasEnough = !take(chunk);
        if (hasEnough) break;
      }
    });
  } catch (error) {
    if (hasEnough) return;
    const isDamage = error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
    throw isDamage ? new Damaged(error.message) : error;
  }
}

async function unxz(chunks: Chunks, take: Take): Promise<void> {
  const source = chunks[Symbol.asyncIterator]();
  let fault: unknown;
  const packed = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await source.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      } catch (error) {
        fault = error;
        throw error;
      }
    },
  });
  const reader = new xz.XzReadableStream(packed).getReader();
  let isOver = false;
  try {
    while (!isOver) {
      const next = await reader.read().catch((error: unknown) => {
        isOver = true;
        throw fault instanceof Error ? fault : new Damaged(messageOf(error));
      });
      if (next.done) isOver = true;
      else if (!take(next.value)) break;
    }
  } finally {
    // Else no other file of xz could be read: there is one unpacker for all.
    if (!isOver) await reader.cancel().catch(() => undefined);
    await source.return?.();
  }
}

async function unzstd(chunks: Chunks, take: Take): Promise<void> {
  let isTaking = false;
  let hasEnough = false;
  const unpacker = new Decompress((chunk) => {
    if (hasEnough || chunk.length === 0) return;
    isTaking = true;
    hasEnough = !take(chunk);
    isTaking = false;
  });
  const push = (chunk: Uint8Array, isLast: boolean): void => {
    try {
      unpacker.push(chunk, isLast);
    } catch (error) {
      throw isTaking || error instanceof InputError ? error : new Damaged(messageOf(error));
    }
  };
  let before: Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (before === undefined) checkWindow(chunk);
    else push(before, false);
    if (hasEnough) return;
    before = chunk;
  }
  if (before !== undefined) push(before, true);
}

/** @throws InputError for a frame that needs more memory than zstd gives it by default */
function checkWindow(head: Uint8Array): void {
  const descriptor = head[4] ?? 0;
  const isSingle = (descriptor & 0x20) !== 0;
  const window = head[5] ?? 0;
  const bytes = isSingle ? contentSize(head, descriptor) : 2 ** (10 + (window >>> 3)) * (1 + (window & 7) / 8);
  if (bytes > ZSTD_WINDOW_MAX)
    throw new InputError(
      'it is packed by zstd with a window of more than 128 MiB: unpack it first: zstd -dc --long=31',
    );
}

/** Bytes that a frame of one segment says it has. */
function contentSize(head: Uint8Array, descriptor: number): number {
  const width = [1, 2, 4, 8][descriptor >>> 6]!;
  const at = 5 + [0, 1, 2, 4][descriptor & 3]!;
  let size = width === 2 ? 256 : 0;
  for (let i = 0; i < width; i++) size += (head[at + i] ?? 0) * 256 ** i;
  return size;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
