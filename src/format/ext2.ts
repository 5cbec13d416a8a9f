/**
 * The ext2 format: the one owner of what lies on the disk, shared by mkfs and the guest kernel.
 *
 *   block 0             1                1 + descriptor blocks
 *   +------------------+----------------+--------------+--------------+-------------+---------------+
 *   | boot, superblock | descriptors of | block bitmap | inode bitmap | inode table | data, indirect|   group 0
 *   | (at byte 1024)   | all groups     | 1 block      | 1 block      |             | blocks, dirs  |
 *   +------------------+----------------+--------------+--------------+-------------+---------------+
 *   then the next group, of s_blocks_per_group blocks: the same, without the first two where `hasSuperblock` is false
 *
 * With meta_bg, from s_first_meta_bg on the descriptors of each 128 groups lie in one block. It is
 * in the first of these groups, behind the place of the superblock. Copies lie in the second and
 * the last of them.
 *
 * Contract: blocks of 4096 bytes, little-endian. The checks (`checkSuperblock`,
 * `checkGroupDescriptor`, `checkDirent`) take bytes from any image and never throw; the other
 * helpers assert that their arguments passed such a check.
 *
 * Modelled after ext2 of Linux 2.6.12, revisions 0 and 1, without fragments and compression. What
 * the guest does with each field is in docs/reference/ext2-fields.md (made by ext2-fields-page.ts).
 */

import { assert } from '../base/assert.ts';
import { DONE, err, type Result } from '../base/result.ts';
import {
  EXT2_DIRECT_BLOCKS,
  EXT2_DOUBLE_INDIRECT,
  EXT2_INDIRECT,
  EXT2_POINTERS_PER_BLOCK,
  EXT2_TRIPLE_INDIRECT,
} from './ext2-layout.ts';

export * from './ext2-layout.ts';
export * from './ext2-mount.ts';

/** Shortest directory entry: a name of one to four bytes. */
const DIRENT_MIN = 12;

/** Bytes that a directory entry with a name of `nameLength` bytes needs: a multiple of 4. */
export function direntLength(nameLength: number): number {
  return (8 + nameLength + 3) & ~3;
}

/**
 * Checks the directory entry at `offset`. An entry with inode 0 is space without a name and passes
 * too.
 * @param blockEnd end of the entry's block in `bytes`
 * @param inodeCount number of inodes of the file system
 */
export function checkDirent(bytes: Uint8Array, offset: number, blockEnd: number, inodeCount: number): Result {
  if (offset + DIRENT_MIN > blockEnd || blockEnd > bytes.length)
    return err('directory entry crosses the end of its block');
  const inode =
    (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0;
  const recordLength = bytes[offset + 4]! | (bytes[offset + 5]! << 8);
  const nameLength = bytes[offset + 6]!;
  if (recordLength < DIRENT_MIN) return err(`rec_len is ${recordLength}, less than ${DIRENT_MIN}`);
  if (recordLength % 4 !== 0) return err(`rec_len is ${recordLength}, not a multiple of 4`);
  if (recordLength < direntLength(nameLength))
    return err(`rec_len is ${recordLength}, too short for name_len ${nameLength}`);
  if (offset + recordLength > blockEnd)
    return err(`rec_len is ${recordLength}: the entry crosses the end of its block`);
  if (inode > inodeCount) return err(`inode is ${inode}, but there are ${inodeCount}`);
  if (inode !== 0 && nameLength === 0) return err('name_len is 0');
  return DONE;
}

const SINGLE_END = EXT2_DIRECT_BLOCKS + EXT2_POINTERS_PER_BLOCK;
const DOUBLE_END = SINGLE_END + EXT2_POINTERS_PER_BLOCK ** 2;
/** Blocks that the pointers of an inode can map. */
export const EXT2_MAX_FILE_BLOCKS = DOUBLE_END + EXT2_POINTERS_PER_BLOCK ** 3;

/**
 * The pointers that lead to block `index` of a file: first the element of i_block, then the element
 * of each indirect block on the way. Length 1: direct; 2: indirect; 3: double; 4: triple.
 * @param index 0 to EXT2_MAX_FILE_BLOCKS - 1
 */
export function blockPath(index: number): number[] {
  assert(index >= 0 && index < EXT2_MAX_FILE_BLOCKS, 'block index is beyond the triple indirect block');
  const n = EXT2_POINTERS_PER_BLOCK;
  if (index < EXT2_DIRECT_BLOCKS) return [index];
  if (index < SINGLE_END) return [EXT2_INDIRECT, index - EXT2_DIRECT_BLOCKS];
  if (index < DOUBLE_END) {
    const rest = index - SINGLE_END;
    return [EXT2_DOUBLE_INDIRECT, Math.floor(rest / n), rest % n];
  }
  const rest = index - DOUBLE_END;
  return [EXT2_TRIPLE_INDIRECT, Math.floor(rest / n ** 2), Math.floor(rest / n) % n, rest % n];
}
