/**
 * The journal of ext3 on the disk: JBD, version 2 of its superblock.
 *
 *   s_first                                                                              s_maxlen
 *   +--------+------------+----------+----------+-----+------------+--------+-----+--------+
 *   | revoke | descriptor | contents | contents | ... | descriptor | ...    | ... | commit |   then the next transaction
 *   +--------+------------+----------+----------+-----+------------+--------+-----+--------+
 *
 * Contract: every number is big-endian; a journal block is a file-system block of 4096 bytes, and
 * the journal's superblock is its first. The rest is a ring. A transaction is any number of revoke
 * blocks, any number of descriptor blocks, each followed by the blocks that it names, and one
 * commit block. Each control block carries magic, type and the transaction's sequence number. A
 * block of contents that begins with the magic is stored with zero in its place, and its tag says
 * so. The bytes may be garbage: parsers never throw and never leave the block.
 *
 * Modelled after include/linux/jbd.h of Linux 2.6.12. Version 1 of the superblock, without
 * features, is refused.
 */

import { counted } from '../base/counted.ts';
import { defineLayout, type Layout } from '../base/layout.ts';
import { EXT2_BLOCK_SIZE } from './ext2-layout.ts';

export const JBD_MAGIC = 0xc03b3998;
/** Blocks of the shortest journal (JFS_MIN_JOURNAL_BLOCKS). */
export const JBD_MIN_BLOCKS = 1024;

/** h_blocktype. */
export const JBD_BLOCK = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const;

/** The header of every control block. */
export const JBD_HEADER = defineLayout('journal header', 12, [
  { name: 'h_magic', width: 4, writer: 'file system', meaning: '0xC03B3998' },
  {
    name: 'h_blocktype',
    width: 4,
    writer: 'file system',
    meaning: '1: descriptor, 2: commit, 3 and 4: superblock, 5: revoke',
  },
  { name: 'h_sequence', width: 4, writer: 'file system', meaning: 'number of the transaction; not in the superblock' },
]);

export const JBD_SUPERBLOCK = defineLayout('journal superblock', 1024, [
  { name: 's_header', width: 4, count: 3, writer: 'mkfs', meaning: 'header of type 4' },
  { name: 's_blocksize', width: 4, writer: 'mkfs', meaning: 'bytes of a block' },
  { name: 's_maxlen', width: 4, writer: 'mkfs', meaning: 'blocks of the journal, its superblock included' },
  { name: 's_first', width: 4, writer: 'mkfs', meaning: 'first block of the ring' },
  { name: 's_sequence', width: 4, writer: 'file system', meaning: 'number of the first transaction in the log' },
  {
    name: 's_start',
    width: 4,
    writer: 'file system',
    meaning: 'block of the ring where the log starts; 0: it is empty',
  },
  { name: 's_errno', width: 4, writer: 'file system', meaning: 'why the journal has ended, as -errno; 0: it has not' },
  { name: 's_feature_compat', width: 4, writer: 'mkfs', meaning: 'features that need not be known' },
  { name: 's_feature_incompat', width: 4, writer: 'file system', meaning: '1: revoke blocks may occur' },
  { name: 's_feature_ro_compat', width: 4, writer: 'mkfs', meaning: 'none is known' },
  { name: 's_uuid', width: 1, count: 16, writer: 'mkfs', meaning: 'id of the journal, repeated in descriptor blocks' },
  { name: 's_nr_users', width: 4, writer: 'mkfs', meaning: 'file systems that share the journal: 1' },
  { name: 's_dynsuper', width: 4, meaning: 'not used' },
  { name: 's_max_transaction', width: 4, meaning: 'not used' },
  { name: 's_max_trans_data', width: 4, meaning: 'not used' },
  { name: 's_later', width: 4, count: 44, meaning: 'later versions' },
  { name: 's_users', width: 1, count: 768, meaning: 'ids of 48 users of a shared journal' },
]);

/** What a descriptor block says of one block, behind its header. */
export const JBD_TAG = defineLayout('journal tag', 8, [
  { name: 't_blocknum', width: 4, writer: 'file system', meaning: 'place of the block in the file system' },
  {
    name: 't_flags',
    width: 4,
    writer: 'file system',
    meaning: '1: the magic at its beginning was replaced by 0; 2: no id of 16 bytes follows; 8: the last tag',
  },
]);

/** The head of a revoke block; block numbers of 4 bytes follow. */
export const JBD_REVOKE = defineLayout('journal revoke block', 16, [
  { name: 'r_header', width: 4, count: 3, writer: 'file system', meaning: 'header of type 5' },
  { name: 'r_count', width: 4, writer: 'file system', meaning: 'bytes in use, this head included' },
]);

/** The layouts, in the order of the reference page. */
export const JBD_LAYOUTS: readonly Layout[] = [JBD_HEADER, JBD_SUPERBLOCK, JBD_TAG, JBD_REVOKE];

/** s_feature_incompat: revoke blocks may occur. */
export const JBD_INCOMPAT_REVOKE = 1;

/** Flags of a tag in a descriptor block. */
const TAG = { escaped: 1, sameUuid: 2, last: 8 } as const;
const TAG_BYTES = JBD_TAG.size;
const UUID_BYTES = 16;
/** Tags of one descriptor block: the first is followed by the journal's UUID. */
export const JBD_TAGS_PER_BLOCK = Math.floor((EXT2_BLOCK_SIZE - JBD_HEADER.size - UUID_BYTES) / TAG_BYTES);
const REVOKE_COUNT = JBD_REVOKE.offset.r_count;
const REVOKE_FIRST = JBD_REVOKE.size;
/** Blocks that one revoke block can name. */
export const JBD_REVOKES_PER_BLOCK = (EXT2_BLOCK_SIZE - REVOKE_FIRST) / 4;

/** A block that a descriptor names. */
export interface JbdTag {
  /** File-system block. */
  readonly block: number;
  /** Whether the magic at its start was replaced by zero. */
  readonly escaped: boolean;
}

/** The words of a journal block. */
export function jbdWords(block: Uint8Array): DataView {
  return new DataView(block.buffer, block.byteOffset, EXT2_BLOCK_SIZE);
}

function putHeader(words: DataView, blockType: number, sequence: number): void {
  words.setUint32(JBD_HEADER.offset.h_magic, JBD_MAGIC);
  words.setUint32(JBD_HEADER.offset.h_blocktype, blockType);
  words.setUint32(JBD_HEADER.offset.h_sequence, sequence);
}

/** Type of a control block of transaction `sequence`; 0 for any other block. */
export function jbdBlockType(block: Uint8Array, sequence: number): number {
  const words = jbdWords(block);
  if (
    words.getUint32(JBD_HEADER.offset.h_magic) !== JBD_MAGIC ||
    words.getUint32(JBD_HEADER.offset.h_sequence) !== sequence
  )
    return 0;
  return words.getUint32(JBD_HEADER.offset.h_blocktype);
}

/** Fills a descriptor block. At most JBD_TAGS_PER_BLOCK tags, at least one. */
export function putDescriptor(block: Uint8Array, sequence: number, uuid: Uint8Array, tags: readonly JbdTag[]): void {
  block.fill(0);
  const words = jbdWords(block);
  putHeader(words, JBD_BLOCK.descriptor, sequence);
  let at = JBD_HEADER.size;
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
  for (let at = JBD_HEADER.size; at + TAG_BYTES <= EXT2_BLOCK_SIZE; ) {
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

/** Fills the superblock of an empty journal of `blocks` blocks. */
export function putJbdSuperblock(block: Uint8Array, blocks: number): void {
  block.fill(0);
  const words = jbdWords(block);
  putHeader(words, JBD_BLOCK.superblockV2, 0);
  const { offset } = JBD_SUPERBLOCK;
  words.setUint32(offset.s_blocksize, EXT2_BLOCK_SIZE);
  words.setUint32(offset.s_maxlen, blocks);
  words.setUint32(offset.s_first, 1);
  words.setUint32(offset.s_sequence, 1);
  words.setUint32(offset.s_nr_users, 1);
}

/**
 * Checks the superblock of a journal in a file of `blocks` blocks.
 * @returns what it says, or one line that says what is wrong
 */
export function checkJbdSuperblock(block: Uint8Array, blocks: number): JbdSuperblock | { refused: string } {
  const words = jbdWords(block);
  const word = (name: keyof typeof JBD_SUPERBLOCK.offset): number => words.getUint32(JBD_SUPERBLOCK.offset[name]);
  if (words.getUint32(JBD_HEADER.offset.h_magic) !== JBD_MAGIC)
    return { refused: 'journal: its superblock has no magic' };
  const type = words.getUint32(JBD_HEADER.offset.h_blocktype);
  if (type !== JBD_BLOCK.superblockV2) return { refused: `journal: its superblock has type ${type}, not version 2` };
  const blockSize = word('s_blocksize');
  if (blockSize !== EXT2_BLOCK_SIZE) return { refused: `journal: s_blocksize is ${blockSize}, not ${EXT2_BLOCK_SIZE}` };
  const maxLength = word('s_maxlen');
  if (maxLength < JBD_MIN_BLOCKS || maxLength > blocks)
    return { refused: `journal: s_maxlen is ${maxLength}, the journal has ${counted(blocks, 'block')}` };
  const first = word('s_first');
  if (first < 1 || first >= maxLength / 2) return { refused: `journal: s_first is ${first}` };
  const start = word('s_start');
  if (start !== 0 && (start < first || start >= maxLength)) return { refused: `journal: s_start is ${start}` };
  const incompat = word('s_feature_incompat');
  const unknown = (incompat & ~JBD_INCOMPAT_REVOKE) >>> 0;
  if (unknown !== 0) return { refused: `journal: incompatible feature 0x${unknown.toString(16)}` };
  const roCompat = word('s_feature_ro_compat');
  if (roCompat !== 0) return { refused: `journal: s_feature_ro_compat is ${roCompat}` };
  const uuid = JBD_SUPERBLOCK.offset.s_uuid;
  return {
    maxLength,
    first,
    sequence: word('s_sequence'),
    start,
    errno: word('s_errno'),
    incompat,
    uuid: block.slice(uuid, uuid + UUID_BYTES),
  };
}
