/**
 * The ext2 on-disk structures as field tables, with their constants and the names of all feature
 * bits.
 *
 * Contract: every number on the disk is little-endian; a block is 4096 bytes, always. The
 * superblock lies at byte 1024 of the device, so in block 0. Field names are those of the format's
 * documentation.
 *
 * Modelled after revision 1 of the format as Linux 2.6.12 reads it. Features of later kernels are
 * known by name only, so that a refusal can name what is not supported.
 */

import { defineLayout } from '../base/layout.ts';

export const EXT2_MAGIC = 0xef53;
export const EXT2_BLOCK_SIZE = 4096;
/** Byte offset of the superblock on the device, and its size in bytes. */
export const EXT2_SUPERBLOCK_OFFSET = 1024;
export const EXT2_SUPERBLOCK_SIZE = 1024;
/** s_log_block_size of a 4096-byte block: 1024 << 2. */
export const EXT2_LOG_BLOCK_SIZE = 2;
/** Revision with inode sizes and feature bits. */
export const EXT2_DYNAMIC_REV = 1;
export const EXT2_GOOD_OLD_INODE_SIZE = 128;
export const EXT2_ROOT_INO = 2;
export const EXT2_JOURNAL_INO = 8;
/** First inode that is not reserved. */
export const EXT2_FIRST_INO = 11;
/** Links a file or directory can have. */
export const EXT2_LINK_MAX = 32000;
/** Longest name of a directory entry, bytes. */
export const EXT2_NAME_MAX = 255;
/** Blocks and inodes of a group are counted by one block of bitmap each. */
export const EXT2_MAX_PER_GROUP = EXT2_BLOCK_SIZE * 8;

/** s_state: unmounted in order; errors were found. */
export const EXT2_STATE = { valid: 1, error: 2 } as const;

/** File type bits of i_mode. */
export const EXT2_MODE = {
  typeMask: 0xf000,
  fifo: 0x1000,
  characterDevice: 0x2000,
  directory: 0x4000,
  blockDevice: 0x6000,
  regular: 0x8000,
  symlink: 0xa000,
  socket: 0xc000,
} as const;

/** h_magic of a block of extended attributes. */
export const EXT2_XATTR_MAGIC = 0xea02_0000;

/** i_flags: the directory has a hashed index. */
export const EXT2_INDEX_FL = 0x1000;

/** dx_hash_version: how names are hashed. */
export const EXT2_HASH = { legacy: 0, halfMd4: 1, tea: 2 } as const;

/** s_flags: bytes of names are hashed as unsigned numbers. */
export const EXT2_UNSIGNED_HASH = 2;

/** file_type of a directory entry. */
export const EXT2_FILE_TYPE = {
  unknown: 0,
  regular: 1,
  directory: 2,
  characterDevice: 3,
  blockDevice: 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
} as const;

/**
 * i_block: 12 direct pointers, then one each to an indirect, a double and a triple indirect block.
 */
export const EXT2_DIRECT_BLOCKS = 12;
export const EXT2_INDIRECT = 12;
export const EXT2_DOUBLE_INDIRECT = 13;
export const EXT2_TRIPLE_INDIRECT = 14;
export const EXT2_POINTERS_PER_BLOCK = EXT2_BLOCK_SIZE / 4;
/** A symbolic link shorter than this, in bytes, lies in i_block itself. */
export const EXT2_FAST_SYMLINK_MAX = 60;

/** Compatible features: an implementation without them may read and write. */
export const EXT2_COMPAT = {
  dir_prealloc: 0x1,
  imagic_inodes: 0x2,
  has_journal: 0x4,
  ext_attr: 0x8,
  resize_inode: 0x10,
  dir_index: 0x20,
  lazy_bg: 0x40,
  snapshot_bitmap: 0x80,
  exclude_bitmap: 0x100,
  sparse_super2: 0x200,
  fast_commit: 0x400,
  stable_inodes: 0x800,
  orphan_file: 0x1000,
} as const;

/** Incompatible features: an implementation without them must not mount. */
export const EXT2_INCOMPAT = {
  compression: 0x1,
  filetype: 0x2,
  needs_recovery: 0x4,
  journal_dev: 0x8,
  meta_bg: 0x10,
  extents: 0x40,
  '64bit': 0x80,
  mmp: 0x100,
  flex_bg: 0x200,
  ea_inode: 0x400,
  dirdata: 0x1000,
  metadata_csum_seed: 0x2000,
  large_dir: 0x4000,
  inline_data: 0x8000,
  encrypt: 0x10000,
  casefold: 0x20000,
} as const;

/** Read-only compatible features: an implementation without them may read only. */
export const EXT2_RO_COMPAT = {
  sparse_super: 0x1,
  large_file: 0x2,
  btree_dir: 0x4,
  huge_file: 0x8,
  uninit_bg: 0x10,
  dir_nlink: 0x20,
  extra_isize: 0x40,
  has_snapshot: 0x80,
  quota: 0x100,
  bigalloc: 0x200,
  metadata_csum: 0x400,
  replica: 0x800,
  read_only: 0x1000,
  project: 0x2000,
  shared_blocks: 0x4000,
  verity: 0x8000,
  orphan_present: 0x10000,
} as const;

export const SUPERBLOCK = defineLayout('ext2 superblock', EXT2_SUPERBLOCK_SIZE, [
  { name: 's_inodes_count', width: 4, writer: 'mkfs', meaning: 'inodes, used and free' },
  { name: 's_blocks_count', width: 4, writer: 'mkfs', meaning: 'blocks, used and free' },
  { name: 's_r_blocks_count', width: 4, writer: 'mkfs', meaning: 'blocks reserved for the superuser' },
  { name: 's_free_blocks_count', width: 4, writer: 'file system', meaning: 'free blocks' },
  { name: 's_free_inodes_count', width: 4, writer: 'file system', meaning: 'free inodes' },
  { name: 's_first_data_block', width: 4, writer: 'mkfs', meaning: 'block of the superblock: 0 with 4096-byte blocks' },
  { name: 's_log_block_size', width: 4, writer: 'mkfs', meaning: 'block size is 1024 << this' },
  { name: 's_log_frag_size', width: 4, writer: 'mkfs', meaning: 'fragment size, equal to the block size' },
  { name: 's_blocks_per_group', width: 4, writer: 'mkfs', meaning: 'blocks in a group' },
  { name: 's_frags_per_group', width: 4, writer: 'mkfs', meaning: 'fragments in a group' },
  { name: 's_inodes_per_group', width: 4, writer: 'mkfs', meaning: 'inodes in a group' },
  { name: 's_mtime', width: 4, writer: 'file system', meaning: 'last mount, seconds' },
  { name: 's_wtime', width: 4, writer: 'file system', meaning: 'last write of the superblock, seconds' },
  { name: 's_mnt_count', width: 2, writer: 'file system', meaning: 'mounts since the last check' },
  { name: 's_max_mnt_count', width: 2, writer: 'mkfs', meaning: 'mounts until a check is due; 65535: never' },
  { name: 's_magic', width: 2, writer: 'mkfs', meaning: '0xEF53' },
  { name: 's_state', width: 2, writer: 'file system', meaning: '1: unmounted in order; 2: errors were found' },
  { name: 's_errors', width: 2, writer: 'mkfs', meaning: 'on errors 1: continue, 2: go read-only, 3: panic' },
  { name: 's_minor_rev_level', width: 2, writer: 'mkfs', meaning: 'minor revision' },
  { name: 's_lastcheck', width: 4, writer: 'file system', meaning: 'last check, seconds' },
  { name: 's_checkinterval', width: 4, writer: 'mkfs', meaning: 'seconds between checks; 0: any' },
  { name: 's_creator_os', width: 4, writer: 'mkfs', meaning: '0: Linux' },
  { name: 's_rev_level', width: 4, writer: 'mkfs', meaning: '0, or 1 with inode sizes and features' },
  { name: 's_def_resuid', width: 2, writer: 'mkfs', meaning: 'user of the reserved blocks' },
  { name: 's_def_resgid', width: 2, writer: 'mkfs', meaning: 'group of the reserved blocks' },
  { name: 's_first_ino', width: 4, writer: 'mkfs', meaning: 'first inode that is not reserved' },
  { name: 's_inode_size', width: 2, writer: 'mkfs', meaning: 'bytes of an inode' },
  { name: 's_block_group_nr', width: 2, writer: 'mkfs', meaning: 'group this copy lies in' },
  { name: 's_feature_compat', width: 4, writer: 'mkfs', meaning: 'compatible features' },
  { name: 's_feature_incompat', width: 4, writer: 'mkfs', meaning: 'incompatible features' },
  { name: 's_feature_ro_compat', width: 4, writer: 'mkfs', meaning: 'read-only compatible features' },
  { name: 's_uuid', width: 1, count: 16, writer: 'mkfs', meaning: 'volume id, never all zero' },
  { name: 's_volume_name', width: 1, count: 16, writer: 'mkfs', meaning: 'label, padded with zeros' },
  { name: 's_last_mounted', width: 1, count: 64, writer: 'file system', meaning: 'where it was mounted last' },
  { name: 's_algorithm_usage_bitmap', width: 4, meaning: 'compression, not used' },
  { name: 's_prealloc_blocks', width: 1, meaning: 'blocks to preallocate for a file' },
  { name: 's_prealloc_dir_blocks', width: 1, meaning: 'blocks to preallocate for a directory' },
  { name: 's_reserved_gdt_blocks', width: 2, meaning: 'blocks a group keeps for more descriptors' },
  { name: 's_journal_uuid', width: 1, count: 16, meaning: 'ext3' },
  { name: 's_journal_inum', width: 4, meaning: 'inode of the journal' },
  { name: 's_journal_dev', width: 4, meaning: 'device of the journal; 0: this one' },
  {
    name: 's_last_orphan',
    width: 4,
    writer: 'file system',
    meaning: 'first inode without a name that was in use; i_dtime leads to the next',
  },
  { name: 's_hash_seed', width: 4, count: 4, meaning: 'where hashes of names begin; all 0: at constants' },
  { name: 's_def_hash_version', width: 1, meaning: 'hash of a new index, see dx_hash_version' },
  { name: 's_jnl_backup_type', width: 1, meaning: 'ext3' },
  { name: 's_desc_size', width: 2, meaning: 'ext4' },
  { name: 's_default_mount_opts', width: 4, meaning: 'mount options to assume' },
  { name: 's_first_meta_bg', width: 4, meaning: 'with meta_bg: blocks of descriptors that lie behind the superblock' },
  { name: 's_mkfs_time', width: 4, writer: 'mkfs', meaning: 'creation, seconds' },
  { name: 's_later', width: 4, count: 21, meaning: 'ext3 and ext4; zero in what mkfs writes' },
  { name: 's_flags', width: 4, meaning: '1, 2: bytes of names were hashed as signed, as unsigned numbers' },
  { name: 's_latest', width: 4, count: 167, meaning: 'as s_later' },
]);

export const GROUP_DESCRIPTOR = defineLayout('ext2 group descriptor', 32, [
  { name: 'bg_block_bitmap', width: 4, writer: 'mkfs', meaning: 'block of the block bitmap' },
  { name: 'bg_inode_bitmap', width: 4, writer: 'mkfs', meaning: 'block of the inode bitmap' },
  { name: 'bg_inode_table', width: 4, writer: 'mkfs', meaning: 'first block of the inode table' },
  { name: 'bg_free_blocks_count', width: 2, writer: 'file system', meaning: 'free blocks' },
  { name: 'bg_free_inodes_count', width: 2, writer: 'file system', meaning: 'free inodes' },
  { name: 'bg_used_dirs_count', width: 2, writer: 'file system', meaning: 'inodes that are directories' },
  { name: 'bg_flags', width: 2, meaning: 'ext4' },
  { name: 'bg_later', width: 4, count: 3, meaning: 'ext4' },
]);

export const INODE = defineLayout('ext2 inode', EXT2_GOOD_OLD_INODE_SIZE, [
  { name: 'i_mode', width: 2, writer: 'file system', meaning: 'file type and permissions' },
  { name: 'i_uid', width: 2, writer: 'file system', meaning: 'owner, low 16 bits' },
  { name: 'i_size', width: 4, writer: 'file system', meaning: 'bytes, low 32 bits' },
  { name: 'i_atime', width: 4, writer: 'file system', meaning: 'last access, seconds' },
  { name: 'i_ctime', width: 4, writer: 'file system', meaning: 'last change of the inode, seconds' },
  { name: 'i_mtime', width: 4, writer: 'file system', meaning: 'last change of the data, seconds' },
  { name: 'i_dtime', width: 4, writer: 'file system', meaning: 'deletion, seconds; 0 while in use' },
  { name: 'i_gid', width: 2, writer: 'file system', meaning: 'group, low 16 bits' },
  { name: 'i_links_count', width: 2, writer: 'file system', meaning: 'directory entries that name it; 0: free' },
  {
    name: 'i_blocks',
    width: 4,
    writer: 'file system',
    meaning: '512-byte sectors of its data, indirect and attribute blocks',
  },
  { name: 'i_flags', width: 4, writer: 'file system', meaning: 'flags' },
  { name: 'i_osd1', width: 4, meaning: 'not used' },
  { name: 'i_block', width: 4, count: 15, writer: 'file system', meaning: 'block pointers, or a short symbolic link' },
  { name: 'i_generation', width: 4, writer: 'file system', meaning: 'changes when the inode is used again' },
  { name: 'i_file_acl', width: 4, writer: 'file system', meaning: 'block of extended attributes; 0: none' },
  { name: 'i_size_high', width: 4, writer: 'file system', meaning: 'bytes, high 32 bits; regular files only' },
  { name: 'i_faddr', width: 4, meaning: 'not used' },
  { name: 'i_frag', width: 1, meaning: 'not used' },
  { name: 'i_fsize', width: 1, meaning: 'not used' },
  { name: 'i_blocks_high', width: 2, meaning: 'ext4' },
  { name: 'i_uid_high', width: 2, writer: 'file system', meaning: 'owner, high 16 bits' },
  { name: 'i_gid_high', width: 2, writer: 'file system', meaning: 'group, high 16 bits' },
  { name: 'i_osd2', width: 4, meaning: 'not used' },
]);

/** What a larger inode may have behind its first 128 bytes, i_extra_isize bytes of it. */
export const INODE_EXTRA = defineLayout('ext2 inode, behind its first 128 bytes', 32, [
  { name: 'i_extra_isize', width: 2, writer: 'file system', meaning: 'bytes in use of the fields from here on' },
  { name: 'i_checksum_hi', width: 2, meaning: 'ext4' },
  {
    name: 'i_ctime_extra',
    width: 4,
    writer: 'file system',
    meaning: 'nanoseconds of i_ctime << 2, and its bits 33, 32',
  },
  { name: 'i_mtime_extra', width: 4, writer: 'file system', meaning: 'the same of i_mtime' },
  { name: 'i_atime_extra', width: 4, writer: 'file system', meaning: 'the same of i_atime' },
  { name: 'i_crtime', width: 4, writer: 'file system', meaning: 'when it was made, seconds' },
  { name: 'i_crtime_extra', width: 4, writer: 'file system', meaning: 'the same of i_crtime' },
  { name: 'i_version_hi', width: 4, meaning: 'ext4' },
  { name: 'i_projid', width: 4, meaning: 'ext4' },
]);

/** The head of a block of extended attributes; their names and values follow. */
export const XATTR_HEADER = defineLayout('ext2 extended attributes', 32, [
  { name: 'h_magic', width: 4, writer: 'file system', meaning: '0xEA020000' },
  { name: 'h_refcount', width: 4, writer: 'file system', meaning: 'inodes that have their attributes here' },
  { name: 'h_blocks', width: 4, writer: 'file system', meaning: 'blocks of attributes: 1' },
  { name: 'h_hash', width: 4, writer: 'file system', meaning: 'hash of all attributes' },
  { name: 'h_reserved', width: 4, count: 4, meaning: 'not used' },
]);

/**
 * An extended attribute; `e_name_len` bytes of name follow, padded to 4. The entries end at four
 * zero bytes, and the values lie at the end of the block or inode, each padded to 4.
 */
export const XATTR_ENTRY = defineLayout('ext2 extended attribute', 16, [
  { name: 'e_name_len', width: 1, writer: 'file system', meaning: 'bytes of the name' },
  { name: 'e_name_index', width: 1, writer: 'file system', meaning: 'namespace: 1 user, 4 trusted, 6 security' },
  { name: 'e_value_offs', width: 2, writer: 'file system', meaning: 'where the value lies' },
  { name: 'e_value_block', width: 4, writer: 'file system', meaning: 'always 0: the value lies here' },
  { name: 'e_value_size', width: 4, writer: 'file system', meaning: 'bytes of the value' },
  { name: 'e_hash', width: 4, writer: 'file system', meaning: 'hash of name and value; in an inode 0' },
]);

/** The head of a directory entry; `name_len` bytes of name follow, then padding up to `rec_len`. */
export const DIRENT = defineLayout('ext2 directory entry', 8, [
  { name: 'inode', width: 4, writer: 'file system', meaning: 'inode; 0: no entry, only its space' },
  { name: 'rec_len', width: 2, writer: 'file system', meaning: 'bytes to the next entry, a multiple of 4' },
  { name: 'name_len', width: 1, writer: 'file system', meaning: 'bytes of the name' },
  { name: 'file_type', width: 1, writer: 'file system', meaning: 'type, 0 without the feature filetype' },
]);

/**
 * The first block of a directory with an index. It has the entries "." and ".." whose space ends
 * with the block, and in that space the root of the index. The records DX_ENTRY follow.
 */
export const DX_ROOT = defineLayout('ext3 index root', 32, [
  { name: 'dx_dot', width: 4, count: 3, writer: 'file system', meaning: 'the entry ".", of 12 bytes' },
  {
    name: 'dx_dotdot',
    width: 4,
    count: 3,
    writer: 'file system',
    meaning: 'the entry "..", up to the end of the block',
  },
  { name: 'dx_reserved', width: 4, writer: 'file system', meaning: '0' },
  {
    name: 'dx_hash_version',
    width: 1,
    writer: 'file system',
    meaning: 'how names are hashed; 0: legacy, 1: half MD4, 2: TEA',
  },
  { name: 'dx_info_length', width: 1, writer: 'file system', meaning: 'bytes from dx_reserved to the records: 8' },
  { name: 'dx_indirect_levels', width: 1, writer: 'file system', meaning: 'levels of nodes below the root: 0 or 1' },
  { name: 'dx_unused_flags', width: 1, writer: 'file system', meaning: '0' },
]);

/**
 * A node of the index below the root: an entry without a name that takes the whole block. The
 * records DX_ENTRY follow.
 */
export const DX_NODE = defineLayout('ext3 index node', 8, [
  {
    name: 'dx_fake',
    width: 4,
    count: 2,
    writer: 'file system',
    meaning: 'a directory entry of the whole block without a name',
  },
]);

/**
 * A record of a root or a node. In place of a hash the first one has the numbers of records that
 * fit and that there are, itself included.
 */
export const DX_ENTRY = defineLayout('ext3 index record', 8, [
  {
    name: 'dx_hash',
    width: 4,
    writer: 'file system',
    meaning: 'smallest hash below; bit 0: names with that hash are in the block before, too',
  },
  { name: 'dx_block', width: 4, writer: 'file system', meaning: 'block of the directory; 24 bits count' },
]);
