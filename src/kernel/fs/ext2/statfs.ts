/**
 * What statfs tells of an ext2 or ext3 file system (ext2_statfs of fs/ext2/super.c, 2.6.12). Free
 * blocks and inodes are the sums over the groups, as the descriptors have them. The identity comes
 * from the UUID, as since 2.6.19; 2.6.12 gives zeros.
 */

import {
  EXT2_BLOCK_SIZE,
  EXT2_MAGIC,
  EXT2_NAME_MAX,
  EXT2_SUPERBLOCK_OFFSET,
  GROUP_DESCRIPTOR,
  groupHeadBlocks,
  SUPERBLOCK,
} from '../../../format/ext2.ts';
import type { FileSystemStatistics } from '../file-system.ts';
import type { Ext2Super } from './super.ts';

const D = GROUP_DESCRIPTOR.offset;
const S = SUPERBLOCK.offset;

export function statisticsOf(superblock: Ext2Super): FileSystemStatistics {
  const { geometry, buffers, superblockPage } = superblock;
  const word = (offset: number): number => buffers.readU32(superblockPage, EXT2_SUPERBLOCK_OFFSET + offset);
  let overhead = 0;
  let blocksFree = 0;
  let filesFree = 0;
  for (let group = 0; group < geometry.groupCount; group++) {
    const { pfn, offset } = superblock.descriptor(group);
    blocksFree += buffers.readU16(pfn, offset + D.bg_free_blocks_count);
    filesFree += buffers.readU16(pfn, offset + D.bg_free_inodes_count);
    // With them the two bitmaps.
    overhead += groupHeadBlocks(geometry, group) + 2 + geometry.inodeTableBlocks;
  }
  const uuid = S.s_uuid;
  return {
    type: EXT2_MAGIC,
    blockSize: EXT2_BLOCK_SIZE,
    blocks: geometry.blockCount - overhead,
    blocksFree,
    blocksAvailable: Math.max(0, blocksFree - word(S.s_r_blocks_count)),
    files: geometry.inodeCount,
    filesFree,
    id: [(word(uuid) ^ word(uuid + 8)) >>> 0, (word(uuid + 4) ^ word(uuid + 12)) >>> 0],
    nameLength: EXT2_NAME_MAX,
  };
}
