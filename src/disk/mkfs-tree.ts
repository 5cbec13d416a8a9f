/**
 * The tree of files that mkfs makes an image from, and builders for trees in memory.
 *
 * Contract: a tree is immutable. Names are bytes, as on the disk; the entries of a directory are sorted by the bytes
 * of their names, so that equal trees make equal images. One node in several places is a hard link; a directory has
 * one place only. `directory` is the only maker of directories and checks names, so mkfs need not.
 */

import { Buffer } from 'node:buffer';
import { encodeText } from '../base/text.ts';
import { UserError } from '../base/user-error.ts';
import { EXT2_BLOCK_SIZE, EXT2_NAME_MAX } from './ext2-format.ts';

/** What a file holds. Read more than once: every reading must give the same bytes. */
export interface FileContent {
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
  /**
   * Gives the bytes of the file in ascending pieces. A piece begins at a multiple of 4096 and ends at one or at the end
   * of the file; what no piece covers reads as zeros. `bytes` is valid during the visit only.
   */
  readonly forEachPiece: (visit: (offset: number, bytes: Uint8Array) => void) => void;
}

export interface Meta {
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Last change, seconds since 1970, 0 to 2^31 - 1. */
  readonly mtimeSeconds: number;
}

export interface FileNode extends Meta {
  readonly kind: 'file';
  readonly content: FileContent;
}

export interface SymlinkNode extends Meta {
  readonly kind: 'symlink';
  /** 1 to 4095 bytes, none of them 0. */
  readonly target: Uint8Array;
}

export interface DirectoryNode extends Meta {
  readonly kind: 'directory';
  /** Sorted by name, each name once. */
  readonly entries: readonly Entry[];
}

export type TreeNode = FileNode | SymlinkNode | DirectoryNode;

export interface Entry {
  /** 1 to 255 bytes, no slash, no 0, not `.` or `..`. */
  readonly name: Uint8Array;
  readonly node: TreeNode;
}

export interface Tree {
  readonly root: DirectoryNode;
  /** Sockets, pipes and devices that were left out. */
  readonly skipped: number;
}

const bytesOf = (value: string | Uint8Array): Uint8Array => (typeof value === 'string' ? encodeText(value) : value);

/** Bytes of a path or name as text that stays on one line. */
export function printable(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?');
}

function metaOf(meta: Partial<Meta>, mode: number): Meta {
  const mtimeSeconds = Math.floor(meta.mtimeSeconds ?? 0);
  return {
    mode: (meta.mode ?? mode) & 0o7777,
    mtimeSeconds: Math.min(Math.max(mtimeSeconds, 0), 2 ** 31 - 1),
  };
}

/**
 * A directory of the given entries, in any order.
 * @throws UserError when a name is not one of ext2 or occurs twice
 */
export function directory(
  entries: Iterable<readonly [string | Uint8Array, TreeNode]>,
  meta: Partial<Meta> = {},
): DirectoryNode {
  const list = Array.from(entries, ([name, node]): Entry => ({ name: bytesOf(name), node }));
  list.sort((a, b) => Buffer.compare(a.name, b.name));
  list.forEach(({ name }, i) => {
    const shown = printable(name);
    if (name.length === 0 || name.length > EXT2_NAME_MAX)
      throw new UserError(`name "${shown}" has ${name.length} bytes, not 1 to ${EXT2_NAME_MAX}`);
    if (name.includes(0) || name.includes(0x2f) || shown === '.' || shown === '..')
      throw new UserError(`name "${shown}" cannot be that of a file`);
    if (i > 0 && Buffer.compare(name, list[i - 1]!.name) === 0)
      throw new UserError(`name "${shown}" occurs twice in one directory`);
  });
  return { kind: 'directory', entries: list, ...metaOf(meta, 0o755) };
}

/** A file. */
export function file(content: string | Uint8Array | FileContent, meta: Partial<Meta> = {}): FileNode {
  const given = typeof content === 'string' || content instanceof Uint8Array ? whole(bytesOf(content)) : content;
  return { kind: 'file', content: given, ...metaOf(meta, 0o644) };
}

function whole(bytes: Uint8Array): FileContent {
  return {
    sizeBytes: bytes.length,
    forEachPiece: (visit) => {
      if (bytes.length > 0) visit(0, bytes);
    },
  };
}

/**
 * A symbolic link.
 * @throws UserError when the target is empty, longer than 4095 bytes or contains a zero byte
 */
export function symlink(target: string | Uint8Array, meta: Partial<Meta> = {}): SymlinkNode {
  const bytes = bytesOf(target);
  if (bytes.length === 0 || bytes.length >= EXT2_BLOCK_SIZE || bytes.includes(0))
    throw new UserError(`target of a symbolic link has ${bytes.length} bytes, not 1 to 4095 that are not zero`);
  return { kind: 'symlink', target: bytes, ...metaOf(meta, 0o777) };
}

/**
 * Content of `sizeBytes` bytes: zeros, but for the pieces.
 * @param pieces offset and bytes, in any order; where two overlap the later one counts
 * @throws UserError when a piece ends after the content
 */
export function sparse(sizeBytes: number, pieces: Iterable<readonly [number, Uint8Array]>): FileContent {
  const blocks = new Map<number, Uint8Array>();
  for (const [offset, bytes] of pieces) {
    if (offset < 0 || offset + bytes.length > sizeBytes)
      throw new UserError(`piece at ${offset} of ${bytes.length} bytes leaves a file of ${sizeBytes} bytes`);
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
  const starts = [...blocks.keys()].sort((a, b) => a - b);
  return {
    sizeBytes,
    forEachPiece: (visit) => {
      for (const start of starts) visit(start, blocks.get(start)!);
    },
  };
}

/** A tree with this root. */
export function tree(root: DirectoryNode): Tree {
  return { root, skipped: 0 };
}

/** Regular files of a tree, a hard-linked one counted once, and the sum of their lengths in bytes. */
export function countFiles(of: Tree): { files: number; bytes: number } {
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
