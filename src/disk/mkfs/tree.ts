/**
 * The tree of files that mkfs makes an image from, and builders for trees in memory.
 *
 * Contract: a tree is immutable. Names are bytes, as on the disk. The entries of a directory are
 * sorted by the bytes of their names, so that equal trees make equal images. One node in several
 * places is a hard link; a directory has one place only. `directory` is the only maker of
 * directories and checks names, so mkfs need not.
 */

import { checkArgument, checkBytes, checkInteger, checkObject } from '../../base/argument-error.ts';
import { compareBytes, isZero } from '../../base/bytes.ts';
import { counted } from '../../base/counted.ts';
import { encodeText } from '../../base/text.ts';
import { InputError } from '../../base/input-error.ts';
import { printableBytes } from '../../base/printable.ts';
import { EXT2_BLOCK_SIZE, EXT2_NAME_MAX } from '../../format/ext2.ts';

/**
 * Blocks of a file that hold data: first block, number of blocks, first block, ... ascending, with
 * gaps between.
 */
export type DataRuns = readonly number[];

/** What a file holds. Read more than once: every reading must give the same bytes. */
export interface FileContent {
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
  /** All other blocks are zeros. Undefined when unknown: `findData` finds them. */
  readonly dataRuns?: DataRuns;
  /** Reads `length` bytes from `offset` on; the range lies in the file. */
  readonly read: (offset: number, dst: Uint8Array, dstOffset: number, length: number) => void;
  /** The same bytes where they lie, for reading only; undefined when they are not in memory. */
  readonly view?: (offset: number, length: number) => Uint8Array | undefined;
}

/** Permissions and time of a node. */
export interface Meta {
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Last change, seconds since 1970, 0 to 2^31 - 1. */
  readonly mtimeSeconds: number;
}

/** A file of a tree. */
export interface FileNode extends Meta {
  /** Says that it is a file. */
  readonly kind: 'file';
  /** What it holds. */
  readonly content: FileContent;
}

/** A symbolic link of a tree. */
export interface SymlinkNode extends Meta {
  /** Says that it is a symbolic link. */
  readonly kind: 'symlink';
  /** 1 to 4095 bytes, none of them 0. */
  readonly target: Uint8Array;
}

/** A directory of a tree. */
export interface DirectoryNode extends Meta {
  /** Says that it is a directory. */
  readonly kind: 'directory';
  /** Sorted by name, each name once. */
  readonly entries: readonly Entry[];
}

/** A node of a tree. */
export type TreeNode = FileNode | SymlinkNode | DirectoryNode;

/** An entry of a directory. */
export interface Entry {
  /** 1 to 255 bytes, no slash, no 0, not `.` or `..`. */
  readonly name: Uint8Array;
  /** What the name stands for. */
  readonly node: TreeNode;
}

/** A tree of files, which mkfs makes an image of. */
export interface Tree {
  /** Its root directory. */
  readonly root: DirectoryNode;
  /** What was left out of it. */
  readonly leftOut: LeftOut;
}

/** Names that were left out: all are counted, the first ones are listed with the reason. */
export class LeftOut {
  /** Names that were left out. */
  count = 0;
  /** Printable lines. */
  readonly told: string[] = [];

  /** @internal */
  add(path: string, why: string): void {
    this.count++;
    if (this.told.length < MOST_TOLD) this.told.push(why.includes(path) ? why : `${path}: ${why}`);
  }
}
const MOST_TOLD = 10;

const PIECE_BYTES = 1 << 20;

/**
 * Calls `visit` with the bytes of a file in ascending pieces of whole blocks; they are valid during
 * the visit only.
 */
export function forEachPiece(content: FileContent, visit: (offset: number, bytes: Uint8Array) => void): void {
  const { sizeBytes, dataRuns = [0, Math.ceil(sizeBytes / EXT2_BLOCK_SIZE)] } = content;
  let buffer: Uint8Array | undefined;
  for (let run = 0; run < dataRuns.length; run += 2) {
    const end = Math.min((dataRuns[run]! + dataRuns[run + 1]!) * EXT2_BLOCK_SIZE, sizeBytes);
    for (let offset = dataRuns[run]! * EXT2_BLOCK_SIZE; offset < end; offset += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, end - offset);
      let piece = content.view?.(offset, length);
      if (piece === undefined) {
        buffer ??= new Uint8Array(Math.min(PIECE_BYTES, sizeBytes));
        content.read(offset, buffer, 0, length);
        piece = buffer.subarray(0, length);
      }
      visit(offset, piece);
    }
  }
}

/** The blocks of a file that are not all zeros. Reads the file if it does not say. */
export function findData(content: FileContent): DataRuns {
  if (content.dataRuns !== undefined) return content.dataRuns;
  const runs: number[] = [];
  forEachPiece(content, (offset, bytes) => {
    for (let at = 0; at < bytes.length; at += EXT2_BLOCK_SIZE)
      if (!isZero(bytes, at, Math.min(at + EXT2_BLOCK_SIZE, bytes.length)))
        addBlocks(runs, (offset + at) / EXT2_BLOCK_SIZE, 1);
  });
  return runs;
}

/** Adds blocks, from `first` on, that lie behind all others. */
export function addBlocks(runs: number[], first: number, count: number): void {
  if (runs.length > 0 && runs.at(-2)! + runs.at(-1)! === first) runs[runs.length - 1]! += count;
  else runs.push(first, count);
}

function bytesOf(argument: string, value: string | Uint8Array): Uint8Array {
  if (typeof value === 'string') return encodeText(value);
  checkBytes(argument, value);
  return value;
}

function metaOf(meta: Partial<Meta>, mode: number): Meta {
  checkObject('meta', meta);
  const mtimeSeconds = Math.floor(meta.mtimeSeconds ?? 0);
  return {
    mode: (meta.mode ?? mode) & 0o7777,
    mtimeSeconds: Math.min(Math.max(mtimeSeconds, 0), 2 ** 31 - 1),
  };
}

/**
 * A directory of the given entries, in any order.
 * @throws InputError when a name is not one of ext2 or occurs twice
 */
export function directory(
  entries: Iterable<readonly [string | Uint8Array, TreeNode]>,
  meta: Partial<Meta> = {},
): DirectoryNode {
  checkArgument(Symbol.iterator in Object(entries) && typeof entries !== 'string', 'entries', 'expected pairs');
  const list = Array.from(entries, ([name, node]): Entry => {
    checkObject('entries', node, 'kind');
    return { name: bytesOf('entries', name), node };
  });
  list.sort((a, b) => compareBytes(a.name, b.name));
  list.forEach(({ name }, i) => {
    const shown = printableBytes(name);
    if (name.length === 0 || name.length > EXT2_NAME_MAX)
      throw new InputError(`name "${shown}" has ${name.length} bytes, not 1 to ${EXT2_NAME_MAX}`);
    if (name.includes(0) || name.includes(0x2f) || shown === '.' || shown === '..')
      throw new InputError(`name "${shown}" cannot be that of a file`);
    if (i > 0 && compareBytes(name, list[i - 1]!.name) === 0)
      throw new InputError(`name "${shown}" occurs twice in one directory`);
  });
  return { kind: 'directory', entries: list, ...metaOf(meta, 0o755) };
}

/**
 * A file.
 * @throws ArgumentError for what is neither text, bytes nor contents
 */
export function file(content: string | Uint8Array | FileContent, meta: Partial<Meta> = {}): FileNode {
  const isWhole = typeof content === 'string' || content instanceof Uint8Array;
  if (!isWhole) checkObject('content', content, 'sizeBytes', 'read');
  const given = isWhole ? whole(bytesOf('content', content)) : content;
  return { kind: 'file', content: given, ...metaOf(meta, 0o644) };
}

function whole(bytes: Uint8Array): FileContent {
  return {
    sizeBytes: bytes.length,
    read: (offset, dst, dstOffset, length) => dst.set(bytes.subarray(offset, offset + length), dstOffset),
  };
}

/**
 * A symbolic link.
 * @throws InputError when the target is empty, longer than 4095 bytes or contains a zero byte
 */
export function symlink(target: string | Uint8Array, meta: Partial<Meta> = {}): SymlinkNode {
  const bytes = bytesOf('target', target);
  if (bytes.length === 0 || bytes.length >= EXT2_BLOCK_SIZE || bytes.includes(0))
    throw new InputError(`target of a symbolic link has ${bytes.length} bytes, not 1 to 4095 that are not zero`);
  return { kind: 'symlink', target: bytes, ...metaOf(meta, 0o777) };
}

/**
 * Content of `sizeBytes` bytes: zeros except for the pieces.
 * @param pieces offset and bytes, in any order; where two overlap the later one counts
 * @throws InputError when a piece ends after the content
 */
export function sparse(sizeBytes: number, pieces: Iterable<readonly [number, Uint8Array]>): FileContent {
  checkInteger('sizeBytes', sizeBytes);
  checkArgument(Symbol.iterator in Object(pieces) && typeof pieces !== 'string', 'pieces', 'expected pairs');
  const blocks = new Map<number, Uint8Array>();
  for (const [offset, bytes] of pieces) {
    checkInteger('pieces', offset);
    checkBytes('pieces', bytes);
    if (offset < 0 || offset + bytes.length > sizeBytes)
      throw new InputError(
        `piece at ${offset} of ${counted(bytes.length, 'byte')} leaves a file of ${counted(sizeBytes, 'byte')}`,
      );
    for (let done = 0; done < bytes.length; ) {
      const within = (offset + done) % EXT2_BLOCK_SIZE;
      const start = offset + done - within;
      const length = Math.min(EXT2_BLOCK_SIZE - within, bytes.length - done);
      let block = blocks.get(start);
      if (block === undefined) {
        block = new Uint8Array(Math.min(EXT2_BLOCK_SIZE, sizeBytes - start));
        blocks.set(start, block);
      }
      block.set(bytes.subarray(done, done + length), within);
      done += length;
    }
  }
  const dataRuns: number[] = [];
  for (const start of [...blocks.keys()].sort((a, b) => a - b))
    if (blocks.get(start)!.some((byte) => byte !== 0)) addBlocks(dataRuns, start / EXT2_BLOCK_SIZE, 1);
  return {
    sizeBytes,
    dataRuns,
    read: (offset, dst, dstOffset, length) => {
      dst.fill(0, dstOffset, dstOffset + length);
      for (let at = offset - (offset % EXT2_BLOCK_SIZE); at < offset + length; at += EXT2_BLOCK_SIZE) {
        const from = Math.max(at, offset);
        const part = blocks.get(at)?.subarray(from - at, offset + length - at);
        if (part !== undefined) dst.set(part, dstOffset + from - offset);
      }
    },
  };
}

/**
 * A tree with this root.
 * @throws ArgumentError for what is no directory
 */
export function tree(root: DirectoryNode): Tree {
  checkObject('root', root, 'entries');
  return { root, leftOut: new LeftOut() };
}

/** Files of a tree. */
export interface FileCount {
  /** Regular files; a hard-linked one counts once. */
  readonly files: number;
  /** The sum of their lengths, bytes. */
  readonly bytes: number;
}

/**
 * The regular files of a tree.
 * @throws ArgumentError for what is no tree
 */
export function countFiles(of: Tree): FileCount {
  checkObject('of', of, 'root');
  const seen = new Set<FileNode>();
  let bytes = 0;
  const visit = (node: TreeNode): void => {
    if (node.kind === 'directory') node.entries.forEach((entry) => visit(entry.node));
    if (node.kind !== 'file' || seen.has(node)) return;
    seen.add(node);
    bytes += node.content.sizeBytes;
  };
  visit(of.root);
  return { files: seen.size, bytes };
}
