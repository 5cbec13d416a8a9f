/**
 * The journal of ext3 on the disk: JBD, versions 1 and 2 of its superblock.
 *
 * Contract: every number is big-endian; a journal block is a file-system block of 4096 bytes. The journal is a ring of blocks
 * behind its superblock. A transaction in it is any number of revoke blocks and of descriptor blocks, each followed by the
 * blocks that it names, and one commit block; every one of its blocks of control carries magic, type and the
 * transaction's sequence number. A block of contents that begins with the magic is stored with zero there, and its tag
 * says so. What is read here may be garbage: parsers never throw and never leave the block.
 *
 * Modelled after include/linux/jbd.h of Linux 2.6.12.
 */

import { EXT2_BLOCK_SIZE } from './ext2-format-layout.ts';

export const JBD_MAGIC = 0xc03b3998;

/** h_blocktype. */
export const JBD_BLOCK = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const;

/** Offsets in the header that begins every block of control. */
export const JBD_HEADER = { magic: 0, blockType: 4, sequence: 8, size: 12 } as const;

/** Offsets in the journal's superblock, behind the header. */
export const JBD_SUPERBLOCK = {
  blockSize: 12,
  /** Blocks of the journal, its superblock included. */
  maxLength: 16,
  /** First block of the ring. */
  first: 20,
  /** Sequence number of the first transaction in the log. */
  sequence: 24,
  /** Block of the ring where the log starts; 0: it is empty. */
  start: 28,
  errno: 32,
  featureCompat: 36,
  featureIncompat: 40,
  featureRoCompat: 44,
  uuid: 48,
} as const;

/** s_feature_incompat: revoke blocks may occur. */
export const JBD_INCOMPAT_REVOKE = 1;

/** Flags of a tag in a descriptor block. */
const TAG = { escaped: 1, sameUuid: 2, deleted: 4, last: 8 } as const;
const TAG_BYTES = 8;
const UUID_BYTES = 16;
/** Tags of one descriptor block: the first is followed by the journal's UUID. */
export const JBD_TAGS_PER_BLOCK = (EXT2_BLOCK_SIZE - JBD_HEADER.size - UUID_BYTES) / TAG_BYTES;
const REVOKE_COUNT = 12;
const REVOKE_FIRST = 16;
/** Blocks that one revoke block can name. */
export const JBD_REVOKES_PER_BLOCK = (EXT2_BLOCK_SIZE - REVOKE_FIRST) / 4;

/** A block that a descriptor names. */
export interface JbdTag {
  /** File-system block. */
  readonly block: number;
  /** Whether the magic at its beginning was replaced by zero. */
  readonly escaped: boolean;
}

/** The words of a journal block. */
export function jbdWords(block: Uint8Array): DataView {
  return new DataView(block.buffer, block.byteOffset, EXT2_BLOCK_SIZE);
}

function putHeader(words: DataView, blockType: number, sequence: number): void {
  words.setUint32(JBD_HEADER.magic, JBD_MAGIC);
  words.setUint32(JBD_HEADER.blockType, blockType);
  words.setUint32(JBD_HEADER.sequence, sequence);
}

/** Type of a block of control of transaction `sequence`; 0 when it is none. */
export function jbdBlockType(block: Uint8Array, sequence: number): number {
  const words = jbdWords(block);
  if (words.getUint32(JBD_HEADER.magic) !== JBD_MAGIC || words.getUint32(JBD_HEADER.sequence) !== sequence) return 0;
  return words.getUint32(JBD_HEADER.blockType);
}

/** Fills a descriptor block. At most JBD_TAGS_PER_BLOCK tags, at least one. */
export function putDescriptor(block: Uint8Array, sequence: number, uuid: Uint8Array, tags: readonly JbdTag[]): void {
  block.fill(0);
  const words = jbdWords(block);
  putHeader(words, JBD_BLOCK.descriptor, sequence);
  let at: number = JBD_HEADER.size;
  for (const [i, tag] of tags.entries()) {
    const flags = (tag.escaped ? TAG.escaped : 0) | (i > 0 ? TAG.sameUuid : 0) | (i === tags.length - 1 ? TAG.last : 0);
    words.setUint32(at, tag.block);
    words.setUint32(at + 4, flags);
    at += TAG_BYTES;
    if (i > 0) continue;
    block.set(uuid, at);
    at += UUID_BYTES;
  }
}

/** The tags of a descriptor block, up to the last one or the end of the block. */
export function descriptorTags(block: Uint8Array): JbdTag[] {
  const words = jbdWords(block);
  const tags: JbdTag[] = [];
  for (let at: number = JBD_HEADER.size; at + TAG_BYTES <= EXT2_BLOCK_SIZE; ) {
    const flags = words.getUint32(at + 4);
    tags.push({ block: words.getUint32(at), escaped: (flags & TAG.escaped) !== 0 });
    at += TAG_BYTES + ((flags & TAG.sameUuid) === 0 ? UUID_BYTES : 0);
    if ((flags & TAG.last) !== 0) break;
  }
  return tags;
}

/** Fills a revoke block. At most JBD_REVOKES_PER_BLOCK blocks. */
export function putRevokes(block: Uint8Array, sequence: number, revoked: readonly number[]): void {
  block.fill(0);
  const words = jbdWords(block);
  putHeader(words, JBD_BLOCK.revoke, sequence);
  words.setUint32(REVOKE_COUNT, REVOKE_FIRST + 4 * revoked.length);
  for (const [i, each] of revoked.entries()) words.setUint32(REVOKE_FIRST + 4 * i, each);
}

/** The blocks that a revoke block names. */
export function revokedBlocks(block: Uint8Array): number[] {
  const words = jbdWords(block);
  const end = Math.min(words.getUint32(REVOKE_COUNT), EXT2_BLOCK_SIZE);
  const revoked: number[] = [];
  for (let at = REVOKE_FIRST; at + 4 <= end; at += 4) revoked.push(words.getUint32(at));
  return revoked;
}

/** Fills a commit block. */
export function putCommit(block: Uint8Array, sequence: number): void {
  block.fill(0);
  putHeader(jbdWords(block), JBD_BLOCK.commit, sequence);
}

/** What a mount must know of a journal's superblock. */
export interface JbdSuperblock {
  readonly maxLength: number;
  readonly first: number;
  readonly sequence: number;
  readonly start: number;
  readonly errno: number;
  readonly incompat: number;
  readonly uuid: Uint8Array;
}

/**
 * Checks the superblock of a journal in a file of `blocks` blocks.
 * @returns what it says, or one line that says what is wrong
 */
export function checkJbdSuperblock(block: Uint8Array, blocks: number): JbdSuperblock | { refused: string } {
  const words = jbdWords(block);
  const word = (offset: number): number => words.getUint32(offset);
  if (word(JBD_HEADER.magic) !== JBD_MAGIC) return { refused: 'journal: its superblock has no magic' };
  const type = word(JBD_HEADER.blockType);
  if (type !== JBD_BLOCK.superblockV2) return { refused: `journal: its superblock has type ${type}, not version 2` };
  if (word(JBD_SUPERBLOCK.blockSize) !== EXT2_BLOCK_SIZE)
    return { refused: `journal: s_blocksize is ${word(JBD_SUPERBLOCK.blockSize)}, not ${EXT2_BLOCK_SIZE}` };
  const maxLength = word(JBD_SUPERBLOCK.maxLength);
  if (maxLength < 1024 || maxLength > blocks)
    return { refused: `journal: s_maxlen is ${maxLength}, the journal has ${blocks} blocks` };
  const first = word(JBD_SUPERBLOCK.first);
  if (first < 1 || first >= maxLength / 2) return { refused: `journal: s_first is ${first}` };
  const start = word(JBD_SUPERBLOCK.start);
  if (start !== 0 && (start < first || start >= maxLength)) return { refused: `journal: s_start is ${start}` };
  const incompat = word(JBD_SUPERBLOCK.featureIncompat);
  const unknown = (incompat & ~JBD_INCOMPAT_REVOKE) >>> 0;
  if (unknown !== 0) return { refused: `journal: incompatible feature 0x${unknown.toString(16)}` };
  if (word(JBD_SUPERBLOCK.featureRoCompat) !== 0)
    return { refused: `journal: s_feature_ro_compat is ${word(JBD_SUPERBLOCK.featureRoCompat)}` };
  return {
    maxLength,
    first,
    sequence: word(JBD_SUPERBLOCK.sequence),
    start,
    errno: word(JBD_SUPERBLOCK.errno),
    incompat,
    uuid: block.slice(JBD_SUPERBLOCK.uuid, JBD_SUPERBLOCK.uuid + UUID_BYTES),
  };
}
