/**
 * Reads a directory of the host as the tree of files that mkfs makes an image from.
 *
 * Contract: names, permissions, times and the shape of the tree are listed first. Then each file is
 * read once, to find its blocks that are all zeros. After that its bytes are read from the host
 * whenever they are asked for; some are kept on request. Symbolic links are kept, never followed.
 * Two names of one host inode become two names of one file. Owners are not kept: everything belongs
 * to 0:0. Deterministic: the order is that of the bytes of the names, not the host's.
 *
 * Sockets, pipes, devices and unreadable files are left out, counted and named. A file that changes
 * after it was listed is an InputError when it is read, or checked.
 *
 * With a limit, the tree ends after that many bytes of files. Later files are neither listed nor
 * opened, and the last file is cut.
 */

import { checkArgument } from '../../base/argument-error.ts';
import { Buffer } from 'node:buffer';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  type BigIntStats,
} from 'node:fs';
import { copyBytes } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { askHost, asInputError, InputError } from '../../base/input-error.ts';
import { printableBytes } from '../../base/printable.ts';
import { versionOf } from '../image/file-image.ts';
import { EXT2_BLOCK_SIZE, EXT2_MAX_FILE_BLOCKS } from '../../format/ext2.ts';
import { KeptBytes } from './kept-bytes.ts';
import {
  directory,
  file,
  findData,
  LeftOut,
  symlink,
  type FileContent,
  type Meta,
  type Tree,
  type TreeNode,
} from './tree.ts';

const SLASH = Buffer.from('/');
const DOT = 0x2e;
/** Names of a tree: each costs the host about a kilobyte. */
const MOST_NAMES = 4_000_000;
const MOST_BYTES = EXT2_MAX_FILE_BLOCKS * EXT2_BLOCK_SIZE;
/** Errors of a host that lacks a resource, whatever the file. */
const EXHAUSTED: readonly (string | undefined)[] = ['EMFILE', 'ENFILE', 'ENOMEM'];

/** What was found under a name. */
type Found =
  | { readonly kind: 'directory'; readonly meta: Meta; readonly entries: readonly FoundEntry[] }
  | { readonly kind: 'file'; readonly meta: Meta; readonly path: Buffer; readonly content: HostContent }
  | { readonly kind: 'symlink'; readonly meta: Meta; readonly target: Buffer };
type FoundEntry = readonly [name: Uint8Array, found: Found];

/** Bytes of a file of the host, read when they are asked for. */
class HostContent implements FileContent {
  readonly sizeBytes: number;
  readonly #path: Buffer;
  readonly #version: string;
  readonly #room: KeptBytes | undefined;
  #kept: Uint8Array | undefined;
  #isCopied = false;

  /**
   * @param sizeBytes how much of the file counts
   * @param room where its bytes are kept, if there is room
   */
  constructor(path: Buffer, stat: BigIntStats, sizeBytes: number, room: KeptBytes | undefined) {
    this.#path = path;
    this.#version = versionOf(stat);
    this.sizeBytes = sizeBytes;
    this.#room = room;
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    if (length > 0) this.#keep();
    if (this.#kept === undefined) this.#readFile(offset, dst, dstOffset, length);
    else copyBytes(this.#kept, offset, dst, dstOffset, length);
  }

  view(offset: number, length: number): Uint8Array | undefined {
    this.#keep();
    return this.#kept?.subarray(offset, offset + length);
  }

  /** Reads the whole file, if there is room for it. */
  #keep(): void {
    if (this.#kept !== undefined) return;
    const kept = this.#room?.take(this.sizeBytes);
    if (kept === undefined) return;
    this.#readFile(0, kept, 0, kept.length);
    this.#kept = kept;
  }

  /** Another has a copy of its bytes, and none are kept here any more. */
  copied(): void {
    this.#kept = undefined;
    this.#isCopied = true;
  }

  /** @throws InputError when bytes are kept, or copied, of a file that has changed */
  check(): void {
    if (this.#kept === undefined && !this.#isCopied) return;
    const stat = askHost(`cannot read ${printableBytes(this.#path)}`, () => statSync(this.#path, { bigint: true }));
    if (versionOf(stat) !== this.#version) throw this.#changed();
  }

  #changed(): InputError {
    return new InputError(`${printableBytes(this.#path)}: changed while it was in use: ${NEXT_STEP}`);
  }

  #readFile(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    let fd: number | undefined;
    try {
      // It was a regular file. If it has become a pipe meanwhile, opening it does not wait.
      fd = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
      let done = versionOf(fstatSync(fd, { bigint: true })) === this.#version ? 0 : -1;
      while (done >= 0 && done < length) {
        const more = readSync(fd, dst, dstOffset + done, length - done, offset + done);
        done = more === 0 ? -1 : done + more;
      }
      if (done < 0) throw this.#changed();
    } catch (error) {
      throw asInputError(error, `cannot read ${printableBytes(this.#path)}`);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
}

const NEXT_STEP = 'stop what writes to it, or name a copy of the directory';

/** Why something that is neither file, directory nor link is left out. */
function whyNot(stat: BigIntStats): string {
  if (stat.isFIFO()) return 'a pipe';
  return stat.isSocket() ? 'a socket' : 'a device';
}

const metaOf = (stat: BigIntStats): Meta => ({
  mode: Number(stat.mode & 0o7777n),
  mtimeSeconds: Number(stat.mtimeNs / 1_000_000_000n),
});

/** A directory whose names have been read, but none of its files. */
export class HostListing {
  /** Bytes of the files, a file once for each of its names. */
  bytes = 0;
  /** Bytes that the host has stored for them; less where files have holes. */
  allocatedBytes = 0;
  readonly #limit: number;
  readonly #mostNames: number;
  readonly #room: KeptBytes | undefined;
  readonly #contents: HostContent[] = [];
  readonly #root: Found & { kind: 'directory' };
  readonly #leftOut = new LeftOut();
  readonly #linked = new Map<string, Found>();
  #names = 0;
  /** A checksum over all names, with the version of each. */
  #version = 0;

  /**
   * Lists the directory `dir` of the host.
   * @param limit bytes of files after which it ends
   * @param withoutHidden leave out names in `dir` itself that begin with a dot
   * @param mostNames the most names that it may have
   * @param keptBytes bytes of files that are kept in memory when they have been read, at most. Of
   * these, `check` finds a change.
   * @throws InputError when `dir` is not a directory or cannot be listed, or there are too many
   * names
   */
  constructor(dir: string, limit = Infinity, withoutHidden = false, mostNames = MOST_NAMES, keptBytes = 0) {
    this.#limit = limit;
    if (keptBytes > 0) this.#room = new KeptBytes(keptBytes);
    this.#mostNames = mostNames;
    const path = Buffer.from(dir);
    const stat = askHost(`cannot open ${dir}`, () => statSync(path, { bigint: true }));
    if (!stat.isDirectory()) throw new InputError(`${dir}: not a directory`);
    this.#root = this.#listDirectory(path, metaOf(stat), withoutHidden);
    if (this.#names > mostNames) throw new InputError(`${dir}: more than ${mostNames} names`);
  }

  /** Differs when anything that was listed has changed. */
  get version(): string {
    return String(this.#version);
  }

  /** The bytes of all files have been copied: they are not kept here any more. */
  copied(): void {
    for (const content of this.#contents) content.copied();
  }

  /** @throws InputError when a file whose bytes are kept, or copied, has changed */
  check(): void {
    for (const content of this.#contents) content.check();
  }

  /**
   * Reads every file once.
   * @param onProgress called with the bytes read so far, of `bytes`
   */
  read(onProgress: (doneBytes: number) => void = () => undefined): Tree {
    const nodes = new Map<Found, TreeNode | undefined>();
    let done = 0;
    const nodeOf = (found: Found): TreeNode | undefined => {
      if (nodes.has(found)) return nodes.get(found);
      const node = found.kind === 'directory' ? directoryOf(found) : this.#leafOf(found);
      nodes.set(found, node);
      if (found.kind === 'file') onProgress((done += found.content.sizeBytes));
      return node;
    };
    const directoryOf = ({ entries, meta }: Found & { kind: 'directory' }): TreeNode & { kind: 'directory' } => {
      const kept: [Uint8Array, TreeNode][] = [];
      for (const [name, found] of entries) {
        const node = nodeOf(found);
        if (node !== undefined) kept.push([name, node]);
      }
      return directory(kept, meta);
    };
    return { root: directoryOf(this.#root), leftOut: this.#leftOut };
  }

  #leafOf(found: Exclude<Found, { kind: 'directory' }>): TreeNode | undefined {
    if (found.kind === 'symlink') return symlink(found.target, found.meta);
    const { content, path, meta } = found;
    try {
      const { sizeBytes } = content;
      const dataRuns = findData(content);
      return file({ sizeBytes, dataRuns, read: content.read.bind(content), view: content.view.bind(content) }, meta);
    } catch (error) {
      this.#leaveOut(path, error);
      return undefined;
    }
  }

  #leaveOut(path: Buffer, error: unknown): void {
    if (!(error instanceof InputError) || EXHAUSTED.includes(error.code)) throw error;
    this.#leftOut.add(printableBytes(path), error.message);
  }

  #listDirectory(path: Buffer, meta: Meta, withoutHidden = false): Found & { kind: 'directory' } {
    const shown = printableBytes(path);
    const names = askHost(`cannot list ${shown}`, () => readdirSync(path, { encoding: 'buffer' }));
    this.#names += names.length;
    names.sort((a, b) => Buffer.compare(a, b));
    const entries: FoundEntry[] = [];
    for (const name of names) {
      if (this.bytes >= this.#limit || this.#names > this.#mostNames) break;
      if (withoutHidden && name[0] === DOT) continue;
      const entryPath = Buffer.concat([path, SLASH, name]);
      try {
        const found = this.#look(entryPath);
        if (found !== undefined) entries.push([name, found]);
      } catch (error) {
        this.#leaveOut(entryPath, error);
      }
    }
    return { kind: 'directory', meta, entries };
  }

  #look(path: Buffer): Found | undefined {
    const stat = askHost('cannot be looked at', () => lstatSync(path, { bigint: true }));
    const meta = metaOf(stat);
    const state = Buffer.concat([path, Buffer.from(`,${versionOf(stat)},${meta.mode}`)]);
    this.#version = crc32c(state, 0, state.length, this.#version);
    if (stat.isDirectory()) return this.#listDirectory(path, meta);
    if (stat.isSymbolicLink()) {
      const target = askHost('cannot be read', () => readlinkSync(path, { encoding: 'buffer' }));
      return this.#once(stat, () => ({ kind: 'symlink', meta, target }));
    }
    if (!stat.isFile()) {
      this.#leftOut.add(printableBytes(path), whyNot(stat));
      return undefined;
    }
    if (Math.min(Number(stat.size), this.#limit) > MOST_BYTES)
      throw new InputError(`${stat.size} bytes are too long for a file of ext2`);
    const found = this.#once(stat, () => {
      const sizeBytes = Math.min(Number(stat.size), this.#limit - this.bytes);
      this.allocatedBytes += Number(stat.blocks) * 512;
      const content = new HostContent(path, stat, sizeBytes, this.#room);
      this.#contents.push(content);
      return { kind: 'file', meta, path, content };
    });
    if (found.kind === 'file') this.bytes += found.content.sizeBytes;
    return found;
  }

  /** The one that was found under another name, or a new one. */
  #once({ nlink, dev, ino }: BigIntStats, make: () => Found): Found {
    if (nlink === 1n) return make();
    const identity = `${dev}:${ino}`;
    const found = this.#linked.get(identity) ?? make();
    this.#linked.set(identity, found);
    return found;
  }
}

/**
 * Lists a directory of the host and reads every file of it once.
 * @throws InputError as HostListing does
 */
export function readHostTree(dir: string): Tree {
  checkArgument(typeof dir === 'string', 'dir', 'expected a path');
  return new HostListing(dir).read();
}
