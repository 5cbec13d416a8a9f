/**
 * ext2 directories: finding a name and listing (fs/ext2/dir.c of 2.6.12). A directory's blocks are pages of its own
 * inode's mapping, read one by one without readahead. A bad entry is EIO, and a walk never leaves its block.
 */

import { ModelError } from '../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../base/units.ts';
import { checkDirent, DIRENT } from '../disk/ext2-format.ts';
import type { Process } from '../sim/index.ts';
import type { GuestEnvironment } from '../xen/public/index.ts';
import type { KernelCosts } from './costs.ts';
import type { Inode } from './inode.ts';
import type { PageIo } from './page-io.ts';

/** One entry of a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly ino: number;
  /** file_type of the entry, 0 when the file system does not tell. */
  readonly type: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: false });

export class Ext2Directories {
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #io: PageIo;
  readonly #inodeCount: number;

  constructor(env: GuestEnvironment, costs: KernelCosts, io: PageIo, inodeCount: number) {
    this.#env = env;
    this.#costs = costs;
    this.#io = io;
    this.#inodeCount = inodeCount;
  }

  /** ext2_find_entry: the inode number of a name, or 0. Throws EIO. */
  *find(directory: Inode, name: string): Process<number> {
    const wanted = encoder.encode(name);
    const page = new Uint8Array(PAGE_SIZE);
    for (let index = 0; index < directory.pageCount; index++) {
      this.#copy(yield* this.#io.getPage(directory, index), page);
      for (let at = 0; at < PAGE_SIZE; at += this.#recordLength(directory, page, at)) {
        const ino = readU32(page, at);
        if (ino !== 0 && page[at + DIRENT.offset.name_len] === wanted.length && isName(page, at + DIRENT.size, wanted))
          return ino;
      }
    }
    return 0;
  }

  /** ext2_readdir: every entry in use, "." and ".." included, in the order of the disk. Throws EIO. */
  *list(directory: Inode): Process<DirectoryEntry[]> {
    const entries: DirectoryEntry[] = [];
    const page = new Uint8Array(PAGE_SIZE);
    for (let index = 0; index < directory.pageCount; index++) {
      this.#copy(yield* this.#io.getPage(directory, index), page);
      for (let at = 0; at < PAGE_SIZE; at += this.#recordLength(directory, page, at)) {
        const ino = readU32(page, at);
        if (ino === 0) continue;
        const start = at + DIRENT.size;
        const name = decoder.decode(page.subarray(start, start + page[at + DIRENT.offset.name_len]!));
        entries.push({ name, ino, type: page[at + DIRENT.offset.file_type]! });
      }
    }
    return entries;
  }

  #copy(pfn: Pfn, page: Uint8Array): void {
    this.#env.memory.copyOut(pfn, 0, page, 0, PAGE_SIZE);
  }

  /** Length of the entry at `at`, after it was found to make sense: at least 12, and inside the block. */
  #recordLength(directory: Inode, page: Uint8Array, at: number): number {
    this.#env.cpu.charge(this.#costs.direntNs);
    const problem = checkDirent(page, at, PAGE_SIZE, this.#inodeCount);
    if (problem !== undefined) throw new ModelError('EIO', `ext2: directory ${directory.ino}: ${problem}`);
    return page[at + DIRENT.offset.rec_len]! | (page[at + DIRENT.offset.rec_len + 1]! << 8);
  }
}

function readU32(page: Uint8Array, at: number): number {
  return (page[at]! | (page[at + 1]! << 8) | (page[at + 2]! << 16) | (page[at + 3]! << 24)) >>> 0;
}

function isName(page: Uint8Array, start: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (page[start + i] !== wanted[i]) return false;
  return true;
}
