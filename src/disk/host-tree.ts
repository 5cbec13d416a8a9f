/**
 * Reads a directory of the host as the tree of files that mkfs makes an image from.
 *
 * Contract: names, permissions, times and the shape of the tree are read at once, the contents when mkfs asks for
 * them, 1 MiB at a time. Symbolic links are kept, never followed. Two names of one host inode become two names of one
 * file. Sockets, pipes and devices are left out and counted. Owners are not kept: everything belongs to 0:0.
 * Deterministic: the order is that of the bytes of the names, not the host's. What cannot be read is a UserError that
 * names it, and so is a file that changes its length meanwhile.
 */

import { Buffer } from 'node:buffer';
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  type BigIntStats,
} from 'node:fs';
import { askHost, printableBytes, UserError } from '../base/user-error.ts';
import { directory, file, symlink, type FileContent, type Meta, type Tree, type TreeNode } from './mkfs-tree.ts';

const PIECE_BYTES = 1 << 20;
const SLASH = Buffer.from('/');

/** Content of a host file of `sizeBytes` bytes. */
function hostContent(path: Buffer, sizeBytes: number, buffer: Buffer): FileContent {
  const forEachPiece = (visit: (offset: number, bytes: Uint8Array) => void): void => {
    const fd = askHost(`cannot open ${printableBytes(path)}`, () => openSync(path, 'r'));
    try {
      for (let offset = 0; offset < sizeBytes; ) {
        const wanted = Math.min(PIECE_BYTES, sizeBytes - offset);
        for (let got = 0; got < wanted; ) {
          const more = askHost(`cannot read ${printableBytes(path)}`, () =>
            readSync(fd, buffer, got, wanted - got, offset + got),
          );
          if (more === 0) throw new UserError(`${printableBytes(path)}: became shorter while it was read`);
          got += more;
        }
        visit(offset, buffer.subarray(0, wanted));
        offset += wanted;
      }
    } finally {
      closeSync(fd);
    }
  };
  return { sizeBytes, forEachPiece };
}

/**
 * Reads the directory `dir` of the host.
 * @throws UserError when `dir` is not a directory, or something in it cannot be read or named in ext2
 */
export function readHostTree(dir: string): Tree {
  const rootPath = Buffer.from(dir);
  const buffer = Buffer.alloc(PIECE_BYTES);
  const linked = new Map<string, TreeNode>();
  let skipped = 0;

  const metaOf = (stat: BigIntStats): Meta => ({
    mode: Number(stat.mode & 0o7777n),
    mtimeSeconds: Number(stat.mtimeNs / 1_000_000_000n),
  });

  const readDirectory = (path: Buffer, meta: Meta): TreeNode & { kind: 'directory' } => {
    const names = askHost(`cannot list ${printableBytes(path)}`, () => readdirSync(path, { encoding: 'buffer' }));
    const entries: [Uint8Array, TreeNode][] = [];
    for (const name of names) {
      const node = readNode(Buffer.concat([path, SLASH, name]));
      if (node === undefined) skipped++;
      else entries.push([name, node]);
    }
    return directory(entries, meta);
  };

  const readLeaf = (path: Buffer, stat: BigIntStats): TreeNode | undefined => {
    if (stat.isFile()) return file(hostContent(path, Number(stat.size), buffer), metaOf(stat));
    if (!stat.isSymbolicLink()) return undefined;
    const target = askHost(`cannot read the link ${printableBytes(path)}`, () =>
      readlinkSync(path, { encoding: 'buffer' }),
    );
    return symlink(target, metaOf(stat));
  };

  const readNode = (path: Buffer): TreeNode | undefined => {
    const stat = askHost(`cannot stat ${printableBytes(path)}`, () => lstatSync(path, { bigint: true }));
    if (stat.isDirectory()) return readDirectory(path, metaOf(stat));
    if (stat.nlink === 1n) return readLeaf(path, stat);
    const identity = `${String(stat.dev)}:${String(stat.ino)}`;
    const node = linked.get(identity) ?? readLeaf(path, stat);
    if (node !== undefined) linked.set(identity, node);
    return node;
  };

  const stat = askHost(`cannot open ${printableBytes(rootPath)}`, () => statSync(rootPath, { bigint: true }));
  if (!stat.isDirectory()) throw new UserError(`${printableBytes(rootPath)}: not a directory`);
  const root = readDirectory(rootPath, metaOf(stat));
  return { root, skipped };
}
