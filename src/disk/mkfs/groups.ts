/**
 * The metadata of groups: superblock, group descriptors and bitmaps, from a plan. Everything in
 * them follows from the plan, the volume id too.
 */

import { assert } from '../../base/assert.ts';
import { crc32c } from '../../base/crc32c.ts';
import { putField } from '../../base/layout.ts';
import {
  EXT2_BLOCK_SIZE,
  EXT2_COMPAT,
  EXT2_DYNAMIC_REV,
  EXT2_FIRST_INO,
  EXT2_INCOMPAT,
  EXT2_JOURNAL_INO,
  EXT2_LOG_BLOCK_SIZE,
  EXT2_MAGIC,
  EXT2_RO_COMPAT,
  EXT2_STATE,
  EXT2_SUPERBLOCK_OFFSET,
  GROUP_DESCRIPTOR,
  hasSuperblock,
  SUPERBLOCK,
} from '../../format/ext2.ts';
import type { ImageStore } from '../image/image-store.ts';
import { BLOCKS_PER_GROUP, groupOverhead, type Shape } from './layout.ts';
import type { Ext2Plan } from './plan.ts';

/** Blocks of the metadata of a group. */
export function groupPlaces(
  shape: Shape,
  group: number,
): { blockBitmap: number; inodeBitmap: number; inodeTable: number } {
  const blockBitmap = group * BLOCKS_PER_GROUP + (hasSuperblock(group) ? 1 + shape.descriptorBlocks : 0);
  return { blockBitmap, inodeBitmap: blockBitmap + 1, inodeTable: blockBitmap + 2 };
}

/** Bits 0 to `used` - 1 are in use; those from `exists` on do not exist, and are set too. */
function bitmap(used: number, exists: number): Uint8Array {
  const bytes = new Uint8Array(EXT2_BLOCK_SIZE);
  const set = (from: number, to: number): void => {
    for (let bit = from; bit < to; bit++) bytes[bit >>> 3]! |= 1 << (bit & 7);
  };
  set(0, used);
  set(exists, EXT2_BLOCK_SIZE * 8);
  return bytes;
}

export function writeBitmaps({ shape, placement }: Ext2Plan, store: ImageStore): void {
  placement.groups.forEach((group, number) => {
    const places = groupPlaces(shape, number);
    const blocks = bitmap(group.nextBlock - group.firstBlock, group.endBlock - group.firstBlock);
    store.write(places.blockBitmap * EXT2_BLOCK_SIZE, blocks, 0, EXT2_BLOCK_SIZE);
    const inodes = bitmap(group.nextInode, shape.inodesPerGroup);
    store.write(places.inodeBitmap * EXT2_BLOCK_SIZE, inodes, 0, EXT2_BLOCK_SIZE);
  });
}

/** Writes the descriptors and the superblock to every group that holds a copy, to group 0 last. */
export function writeSuperblocks(plan: Ext2Plan, store: ImageStore): void {
  const { shape, placement } = plan;
  const descriptors = new Uint8Array(shape.descriptorBlocks * EXT2_BLOCK_SIZE);
  placement.groups.forEach((group, number) => {
    const places = groupPlaces(shape, number);
    const put = (name: keyof typeof GROUP_DESCRIPTOR.offset, value: number): void =>
      putField(GROUP_DESCRIPTOR, descriptors, number * GROUP_DESCRIPTOR.size, name, value);
    put('bg_block_bitmap', places.blockBitmap);
    put('bg_inode_bitmap', places.inodeBitmap);
    put('bg_inode_table', places.inodeTable);
    put('bg_free_blocks_count', group.endBlock - group.nextBlock);
    put('bg_free_inodes_count', shape.inodesPerGroup - group.nextInode);
    put('bg_used_dirs_count', group.directories);
  });
  const superblock = superblockBytes(plan);
  for (let group = shape.groupCount - 1; group >= 0; group--) {
    if (!hasSuperblock(group)) continue;
    const block = group * BLOCKS_PER_GROUP;
    assert(block + groupOverhead(shape, group) <= shape.blockCount, 'the copy lies in the file system');
    putField(SUPERBLOCK, superblock, 0, 's_block_group_nr', group);
    store.write((block + 1) * EXT2_BLOCK_SIZE, descriptors, 0, descriptors.length);
    // Only the first one leaves room for a boot sector.
    const at = group === 0 ? EXT2_SUPERBLOCK_OFFSET : block * EXT2_BLOCK_SIZE;
    store.write(at, superblock, 0, superblock.length);
  }
}

function superblockBytes({ shape, placement, inodes, label, timeSeconds }: Ext2Plan): Uint8Array {
  const hasJournal = inodes.some(({ ino }) => ino === EXT2_JOURNAL_INO);
  const bytes = new Uint8Array(SUPERBLOCK.size);
  const put = (name: keyof typeof SUPERBLOCK.offset, value: number): void =>
    putField(SUPERBLOCK, bytes, 0, name, value);
  put('s_inodes_count', shape.groupCount * shape.inodesPerGroup);
  put('s_blocks_count', shape.blockCount);
  put('s_free_blocks_count', placement.freeBlocks);
  put('s_free_inodes_count', placement.freeInodes);
  put('s_log_block_size', EXT2_LOG_BLOCK_SIZE);
  put('s_log_frag_size', EXT2_LOG_BLOCK_SIZE);
  put('s_blocks_per_group', BLOCKS_PER_GROUP);
  put('s_frags_per_group', BLOCKS_PER_GROUP);
  put('s_inodes_per_group', shape.inodesPerGroup);
  put('s_wtime', timeSeconds);
  put('s_max_mnt_count', 65535);
  put('s_magic', EXT2_MAGIC);
  put('s_state', EXT2_STATE.valid);
  put('s_errors', 1);
  put('s_lastcheck', timeSeconds);
  put('s_rev_level', EXT2_DYNAMIC_REV);
  put('s_first_ino', EXT2_FIRST_INO);
  put('s_inode_size', shape.inodeBytes);
  if (hasJournal) {
    put('s_feature_compat', EXT2_COMPAT.has_journal);
    put('s_journal_inum', EXT2_JOURNAL_INO);
  }
  put('s_feature_incompat', EXT2_INCOMPAT.filetype);
  put('s_feature_ro_compat', EXT2_RO_COMPAT.sparse_super | EXT2_RO_COMPAT.large_file);
  put('s_mkfs_time', timeSeconds);
  bytes.set(label, SUPERBLOCK.offset.s_volume_name);
  bytes.set(volumeId(bytes), SUPERBLOCK.offset.s_uuid);
  return bytes;
}

/**
 * A volume id in the form of a random UUID (version 4, variant 1) that follows from the rest of the
 * superblock.
 */
function volumeId(superblock: Uint8Array): Uint8Array {
  const id = new Uint8Array(16);
  const words = new DataView(id.buffer);
  for (let word = 0; word < 4; word++) words.setUint32(word * 4, crc32c(superblock, 0, superblock.length, word), true);
  id[6] = (id[6]! & 0x0f) | 0x40;
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id;
}
