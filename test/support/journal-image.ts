// Images with a journal, and logs written into them block by block, as an implementation that is
// not ours might have.
import { PAGE_SIZE, putField } from '../../src/base/index.ts';
import { EXT2_INCOMPAT, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../src/format/ext2.ts';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import {
  JBD_INCOMPAT_REVOKE,
  JBD_MAGIC,
  JBD_SUPERBLOCK,
  type JbdTag,
  jbdWords,
  putCommit,
  putDescriptor,
  putRevokes,
} from '../../src/format/jbd.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, type TreeNode, tree } from '../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';

export const JOURNAL_BLOCKS = 1024;
export const JOURNAL_INO = 8;

/** A file system with a journal of 4 MiB, in one group. */
export function ext3Image(entries: readonly [string, TreeNode][] = [], size = 8 << 20): MemoryImage {
  return makeExt2(tree(directory(entries)), { size, journalBlocks: JOURNAL_BLOCKS });
}

export function readBlock(image: ImageStore, block: number): Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE);
  image.read(block * PAGE_SIZE, bytes, 0, PAGE_SIZE);
  return bytes;
}

export function writeBlock(image: ImageStore, block: number, bytes: Uint8Array): void {
  image.write(block * PAGE_SIZE, bytes, 0, PAGE_SIZE);
}

/** Sets a field of the superblock in the image. */
export function setSuper(image: ImageStore, name: keyof typeof SUPERBLOCK.offset, value: number): void {
  const bytes = readBlock(image, 0);
  putField(SUPERBLOCK, bytes, EXT2_SUPERBLOCK_OFFSET, name, value);
  writeBlock(image, 0, bytes);
}

/** The journal of an image as a row of blocks, and its superblock's words. */
export class JournalFile {
  readonly image: ImageStore;
  readonly #oracle: OracleExt2;

  constructor(image: ImageStore) {
    this.image = image;
    this.#oracle = new OracleExt2(image);
  }

  /** Block of the file system that holds a block of the journal. */
  place(position: number): number {
    return this.#oracle.blockOf(JOURNAL_INO, position);
  }

  read(position: number): Uint8Array {
    return readBlock(this.image, this.place(position));
  }

  write(position: number, bytes: Uint8Array): void {
    writeBlock(this.image, this.place(position), bytes);
  }

  word(name: keyof typeof JBD_SUPERBLOCK.offset): number {
    return jbdWords(this.read(0)).getUint32(JBD_SUPERBLOCK.offset[name]);
  }

  setWord(name: keyof typeof JBD_SUPERBLOCK.offset, value: number): void {
    const bytes = this.read(0);
    jbdWords(bytes).setUint32(JBD_SUPERBLOCK.offset[name], value);
    this.write(0, bytes);
  }
}

/** A transaction to be written to a log. */
export interface LogTransaction {
  readonly revokes: readonly number[];
  readonly blocks: readonly { readonly block: number; readonly bytes: Uint8Array }[];
}

/**
 * Writes a log into a journal, and marks the file system as to be recovered. Returns the position
 * behind it.
 */
export function writeLog(
  journal: JournalFile,
  transactions: readonly LogTransaction[],
  { start = 1, sequence = 1, hasCommit = true }: { start?: number; sequence?: number; hasCommit?: boolean } = {},
): number {
  const uuid = new Uint8Array(16);
  const bytes = new Uint8Array(PAGE_SIZE);
  let position = start;
  const put = (block: Uint8Array): void => {
    journal.write(position, block);
    position = position + 1 < JOURNAL_BLOCKS ? position + 1 : 1;
  };
  for (const [i, { revokes, blocks }] of transactions.entries()) {
    const tid = (sequence + i) >>> 0;
    if (revokes.length > 0) {
      putRevokes(bytes, tid, revokes);
      put(bytes);
    }
    if (blocks.length > 0) {
      const isMagic = (contents: Uint8Array): boolean => jbdWords(contents).getUint32(0) === JBD_MAGIC;
      const tags = blocks.map(({ block, bytes: contents }): JbdTag => ({ block, escaped: isMagic(contents) }));
      putDescriptor(bytes, tid, uuid, tags);
      put(bytes);
    }
    for (const [n, { bytes: contents }] of blocks.entries()) {
      bytes.set(contents);
      if (jbdWords(blocks[n]!.bytes).getUint32(0) === JBD_MAGIC) jbdWords(bytes).setUint32(0, 0);
      put(bytes);
    }
    putCommit(bytes, tid);
    if (hasCommit || i < transactions.length - 1) put(bytes);
  }
  journal.setWord('s_start', start);
  journal.setWord('s_sequence', sequence);
  journal.setWord('s_feature_incompat', JBD_INCOMPAT_REVOKE);
  setSuper(journal.image, 's_feature_incompat', EXT2_INCOMPAT.filetype | EXT2_INCOMPAT.needs_recovery);
  return position;
}
