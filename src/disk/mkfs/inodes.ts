/**
 * The inodes of a tree before they are placed. Each has its kind, the blocks that hold data, and
 * the number of blocks that it takes with its indirect blocks.
 *
 * Contract: `collectInodes` gives the inodes, the root first, in the order in which a copy of the
 * tree would create them. That is a directory, then what is in it, by name. It reads every file
 * once, to find the blocks that are all zeros: they become holes. `walkBlocks` is the one order in
 * which blocks are counted, placed and written.
 *
 * Modelled after Linux 2.6.12: an indirect block lies in line, just before the first block it maps.
 */

import { assert } from '../../base/assert.ts';
import { compareBytes } from '../../base/bytes.ts';
import { putField } from '../../base/layout.ts';
import { InputError } from '../../base/input-error.ts';
import { printableBytes } from '../../base/printable.ts';
import { encodeText } from '../../base/text.ts';
import {
  blockPath,
  direntLength,
  DIRENT,
  EXT2_BLOCK_SIZE,
  EXT2_DIRECT_BLOCKS,
  EXT2_FAST_SYMLINK_MAX,
  EXT2_FILE_TYPE,
  EXT2_JOURNAL_INO,
  EXT2_LINK_MAX,
  EXT2_MAX_FILE_BLOCKS,
  EXT2_POINTERS_PER_BLOCK,
} from '../../format/ext2.ts';
import { putJbdSuperblock } from '../../format/jbd.ts';
import {
  directory,
  findData,
  type DataRuns,
  type Entry,
  type FileContent,
  type FileNode,
  type Meta,
  type SymlinkNode,
  type Tree,
  type TreeNode,
} from './tree.ts';

const LOST_AND_FOUND = 'lost+found';
/**
 * Blocks of an empty lost+found: fsck must find room in it when the disk is full. As mke2fs makes
 * it.
 */
const LOST_AND_FOUND_BLOCKS = 4;
/** i_blocks counts 512-byte sectors in 32 bits. */
const MAX_INODE_BLOCKS = Math.floor(0xffffffff / 8);

/** An inode to be written. */
export interface PlannedInode {
  readonly meta: Meta;
  readonly sizeBytes: number;
  readonly dataRuns: DataRuns;
  /** Blocks it takes, indirect ones included. */
  readonly blockCount: number;
  readonly body: Body;
  /** The directory it was first named in; undefined: the root. */
  readonly parent: PlannedInode | undefined;
  links: number;
  /** Number of the inode; 0 until it is placed. */
  ino: number;
  /** Its blocks on the disk in the order of `walkBlocks`: first block, number of blocks, ... */
  placedRuns: readonly number[];
}

export type Body =
  | { readonly kind: 'file'; readonly content: FileContent }
  | { readonly kind: 'symlink'; readonly target: Uint8Array }
  | { readonly kind: 'directory'; readonly entries: DirectoryEntry[] };

type PlannedDirectory = PlannedInode & { readonly body: { readonly kind: 'directory' } };

interface DirectoryEntry {
  readonly name: Uint8Array;
  readonly inode: PlannedInode;
}

/**
 * Visits the blocks of a file in the order in which they lie on the disk.
 * @param onIndirect a new indirect block: the one that path[0] to path[level] lead to
 * @param onData `count` data blocks from `index` on, all mapped by the same indirect block or all
 * direct
 */
export function walkBlocks(
  runs: DataRuns,
  onIndirect: (path: readonly number[], level: number) => void,
  onData: (index: number, count: number, path: readonly number[]) => void,
): void {
  let previous: readonly number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    const end = runs[i]! + runs[i + 1]!;
    for (let index = runs[i]!; index < end; ) {
      const path = blockPath(index);
      const table = path.length === 1 ? EXT2_DIRECT_BLOCKS : EXT2_POINTERS_PER_BLOCK;
      const count = Math.min(end - index, table - path.at(-1)!);
      let same = previous.length === path.length;
      for (let level = 0; level + 1 < path.length; level++) {
        same &&= previous[level] === path[level];
        if (!same) onIndirect(path, level);
      }
      onData(index, count, path);
      previous = path;
      index += count;
    }
  }
}

function countBlocks(runs: DataRuns): number {
  let blocks = 0;
  walkBlocks(
    runs,
    () => blocks++,
    (_index, count) => (blocks += count),
  );
  return blocks;
}

/**
 * Packs names into blocks: calls `place` with the offset of each entry and the bytes up to the
 * next; returns blocks.
 */
function packNames(
  names: readonly Uint8Array[],
  place?: (entry: number, offset: number, recordLength: number) => void,
): number {
  let offset = 0;
  for (let i = 0; i < names.length; i++) {
    const length = direntLength(names[i]!.length);
    const left = EXT2_BLOCK_SIZE - ((offset + length) % EXT2_BLOCK_SIZE || EXT2_BLOCK_SIZE);
    const next = names[i + 1];
    // The last entry of a block takes all the space that is left.
    const recordLength = next === undefined || direntLength(next.length) > left ? length + left : length;
    place?.(i, offset, recordLength);
    offset += recordLength;
  }
  return offset / EXT2_BLOCK_SIZE;
}

const DOT = encodeText('.');
const DOT_DOT = encodeText('..');

/** The blocks of a directory, all inodes placed. */
export function directoryBytes(inode: PlannedInode): Uint8Array {
  assert(inode.body.kind === 'directory', 'a directory');
  const bytes = new Uint8Array(inode.sizeBytes);
  const entries: DirectoryEntry[] = [
    { name: DOT, inode },
    { name: DOT_DOT, inode: inode.parent ?? inode },
    ...inode.body.entries,
  ];
  const names = entries.map((entry) => entry.name);
  const blocks = packNames(names, (entry, offset, recordLength) => {
    const { name, inode: target } = entries[entry]!;
    putField(DIRENT, bytes, offset, 'inode', target.ino);
    putField(DIRENT, bytes, offset, 'rec_len', recordLength);
    putField(DIRENT, bytes, offset, 'name_len', name.length);
    putField(DIRENT, bytes, offset, 'file_type', fileType(target.body.kind));
    bytes.set(name, offset + DIRENT.size);
  });
  // Only lost+found has more blocks than its names need, each with one nameless entry.
  for (let at = blocks * EXT2_BLOCK_SIZE; at < bytes.length; at += EXT2_BLOCK_SIZE)
    putField(DIRENT, bytes, at, 'rec_len', EXT2_BLOCK_SIZE);
  return bytes;
}

function fileType(kind: Body['kind']): number {
  if (kind === 'directory') return EXT2_FILE_TYPE.directory;
  return kind === 'file' ? EXT2_FILE_TYPE.regular : EXT2_FILE_TYPE.symlink;
}

function plan<B extends Body>(
  meta: Meta,
  parent: PlannedInode | undefined,
  sizeBytes: number,
  dataRuns: DataRuns,
  body: B,
): PlannedInode & { readonly body: B } {
  const links = body.kind === 'directory' ? 2 : 0;
  return { meta, parent, sizeBytes, dataRuns, blockCount: countBlocks(dataRuns), body, links, ino: 0, placedRuns: [] };
}

/** The inode of an empty journal of so many blocks, which no directory names. */
export function journalInode(blocks: number, timeSeconds: number): PlannedInode {
  const superblock = new Uint8Array(EXT2_BLOCK_SIZE);
  putJbdSuperblock(superblock, blocks);
  const sizeBytes = blocks * EXT2_BLOCK_SIZE;
  const content: FileContent = {
    sizeBytes,
    // Of what is in use; the rest is reserved for it.
    dataRuns: [0, 1],
    read: (offset, dst, dstOffset, length) => {
      dst.fill(0, dstOffset, dstOffset + length);
      dst.set(superblock.subarray(offset, offset + length), dstOffset);
    },
  };
  const meta = { mode: 0o600, mtimeSeconds: timeSeconds };
  const inode = plan(meta, undefined, sizeBytes, [0, blocks], { kind: 'file', content });
  inode.links = 1;
  inode.ino = EXT2_JOURNAL_INO;
  return inode;
}

/**
 * All inodes of a tree, the root first, then lost+found.
 * @param timeSeconds time of a lost+found that the tree does not have
 * @throws InputError for a tree that ext2 cannot hold, or a file that cannot be read
 */
export function collectInodes(tree: Tree, timeSeconds: number, onScanned: (bytes: number) => void): PlannedInode[] {
  const inodes: PlannedInode[] = [];
  const known = new Map<TreeNode, PlannedInode>();

  const addEntry = (parent: PlannedDirectory, path: string, name: Uint8Array, inode: PlannedInode): void => {
    parent.body.entries.push({ name, inode });
    const linked = inode.body.kind === 'directory' ? parent : inode;
    linked.links++;
    if (linked.links > EXT2_LINK_MAX) throw new InputError(`${path}: ext2 allows ${EXT2_LINK_MAX} links, not more`);
  };

  const addLeaf = (path: string, node: FileNode | SymlinkNode, parent: PlannedInode): PlannedInode => {
    let inode: PlannedInode;
    if (node.kind === 'symlink') {
      const { target } = node;
      const runs = target.length < EXT2_FAST_SYMLINK_MAX ? [] : [0, 1];
      inode = plan(node, parent, target.length, runs, { kind: 'symlink', target });
    } else {
      const { content } = node;
      if (content.sizeBytes > EXT2_MAX_FILE_BLOCKS * EXT2_BLOCK_SIZE)
        throw new InputError(`${path}: ${content.sizeBytes} bytes are too long for a file of ext2`);
      inode = plan(node, parent, content.sizeBytes, findData(content), { kind: 'file', content });
      onScanned(content.sizeBytes);
    }
    if (inode.blockCount > MAX_INODE_BLOCKS) throw new InputError(`${path}: too long for a file of ext2`);
    inodes.push(inode);
    return inode;
  };

  const addDirectory = (
    path: string,
    meta: Meta,
    children: readonly Entry[],
    parent: PlannedDirectory | undefined,
  ): PlannedDirectory => {
    const needed = packNames([DOT, DOT_DOT, ...children.map((entry) => entry.name)]);
    const blocks = path === `/${LOST_AND_FOUND}` ? Math.max(needed, LOST_AND_FOUND_BLOCKS) : needed;
    const body = { kind: 'directory', entries: [] as DirectoryEntry[] } as const;
    const inode = plan(meta, parent, blocks * EXT2_BLOCK_SIZE, [0, blocks], body);
    inodes.push(inode);
    for (const { name, node } of children) {
      const childPath = `${path}/${printableBytes(name)}`;
      let planned = known.get(node);
      if (planned === undefined) {
        planned =
          node.kind === 'directory'
            ? addDirectory(childPath, node, node.entries, inode)
            : addLeaf(childPath, node, inode);
        known.set(node, planned);
      } else if (node.kind === 'directory') throw new InputError(`${childPath}: a directory cannot have two names`);
      addEntry(inode, childPath, name, planned);
    }
    return inode;
  };

  addDirectory('', tree.root, rootEntries(tree, timeSeconds), undefined);
  return inodes;
}

/**
 * The entries of the root, lost+found first, as mke2fs makes them: it gets the first inode that is
 * not reserved.
 */
function rootEntries(tree: Tree, timeSeconds: number): Entry[] {
  const name = encodeText(LOST_AND_FOUND);
  const isIt = (entry: Entry): boolean => compareBytes(entry.name, name) === 0;
  const own = tree.root.entries.find(isIt);
  if (own !== undefined && own.node.kind !== 'directory')
    throw new InputError(`/${LOST_AND_FOUND}: must be a directory in ext2`);
  const first = own ?? { name, node: directory([], { mode: 0o700, mtimeSeconds: timeSeconds }) };
  return [first, ...tree.root.entries.filter((entry) => !isIt(entry))];
}
