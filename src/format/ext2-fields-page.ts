/**
 * The reference page of what the guest does with each field of the file system,
 * docs/reference/ext2-fields.md, made from the layouts and the table below. Tests compare the table
 * with what the guest does.
 */

import { assert } from '../base/assert.ts';
import type { Layout } from '../base/layout.ts';
import {
  DIRENT,
  DX_ENTRY,
  DX_NODE,
  DX_ROOT,
  EXT2_COMPAT,
  EXT2_INCOMPAT,
  EXT2_RO_COMPAT,
  GROUP_DESCRIPTOR,
  INODE,
  INODE_EXTRA,
  SUPERBLOCK,
  XATTR_ENTRY,
  XATTR_HEADER,
} from './ext2-layout.ts';

/** What the guest does with a field (changes it, reads it only, or neither), and a remark. */
export type FieldUse = readonly ['changed' | 'read' | 'kept', string];

const LATER = 'later than 2.6.12';
const EXTRA = `${LATER}, as ext4 does; where i_extra_isize reaches it`;
const DX_BAD = 'the index is not used';
const TIME_CHECK = '2.6.12 says in its log that a check is due';

/** Every field of the layouts, by its name. */
export const EXT2_FIELD_USES: Readonly<Record<string, FieldUse>> = {
  s_inodes_count: ['read', 'refused unless the groups have as many'],
  s_blocks_count: ['read', 'refused beyond the device'],
  s_r_blocks_count: ['kept', 'every process is root, and root may use reserved blocks'],
  s_free_blocks_count: ['changed', 'kept up, never believed'],
  s_free_inodes_count: ['changed', 'kept up, never believed'],
  s_first_data_block: ['read', 'refused unless 0, as blocks of 4096 bytes have it'],
  s_log_block_size: ['read', 'refused unless 2; 2.6.12 mounts 0 and 1 too'],
  s_log_frag_size: ['read', 'refused unless the block size'],
  s_blocks_per_group: ['read', 'refused unless a multiple of 8 up to 32768'],
  s_frags_per_group: ['kept', 'there are no fragments'],
  s_inodes_per_group: ['read', 'refused unless whole blocks of inodes'],
  s_mtime: ['changed', 'at the first change, where 2.6.12 does it at the mount'],
  s_wtime: ['changed', 'at an orderly shutdown'],
  s_mnt_count: ['changed', 'at the first change, where 2.6.12 does it at the mount'],
  s_max_mnt_count: ['kept', TIME_CHECK],
  s_magic: ['read', 'refused unless 0xEF53'],
  s_state: ['changed', 'valid is cleared at the first change (ext2); error is set, and ends changes'],
  s_errors: ['kept', 'an error always makes the file system read-only; 2.6.12 goes on, or panics, where this says so'],
  s_minor_rev_level: ['kept', 'as in 2.6.12'],
  s_lastcheck: ['kept', TIME_CHECK],
  s_checkinterval: ['kept', TIME_CHECK],
  s_creator_os: ['kept', 'treated as Linux, whatever it says; 2.6.12 knows fields of the Hurd'],
  s_rev_level: ['read', 'refused above 1; 2.6.12 mounts that read-only'],
  s_def_resuid: ['kept', 'every process is root'],
  s_def_resgid: ['kept', 'every process is root'],
  s_first_ino: ['read', 'refused below 11; 11 in revision 0'],
  s_inode_size: ['read', 'refused unless a power of two from 128 to 4096; 128 in revision 0'],
  s_block_group_nr: ['kept', 'copies of the superblock are not read'],
  s_feature_compat: ['changed', 'see below; ext_attr is set with the first attribute'],
  s_feature_incompat: [
    'changed',
    'see below; needs_recovery is set at the first change, and cleared at an orderly shutdown',
  ],
  s_feature_ro_compat: ['changed', 'see below; large_file is set with the first file of 2 GiB'],
  s_uuid: ['kept', 'as in 2.6.12'],
  s_volume_name: ['kept', 'as in 2.6.12'],
  s_last_mounted: ['kept', 'as in 2.6.12'],
  s_algorithm_usage_bitmap: ['kept', 'as in 2.6.12'],
  s_prealloc_blocks: ['kept', 'there is no preallocation; 2.6.12 keeps up to 8 blocks for a file on ext2'],
  s_prealloc_dir_blocks: ['kept', 'there is no preallocation'],
  s_reserved_gdt_blocks: ['kept', 'a mounted file system is not resized; the blocks belong to inode 7'],
  s_journal_uuid: ['kept', 'for a journal on another device'],
  s_journal_inum: ['read', 'refused beyond the inodes'],
  s_journal_dev: ['read', 'refused unless 0; 2.6.12 mounts a journal on another device'],
  s_last_orphan: ['changed', 'with a journal: inodes without a name that are in use; the next mount deletes them'],
  s_hash_seed: ['read', 'with dir_index'],
  s_def_hash_version: ['read', 'with dir_index; no index is begun where it is above 2'],
  s_jnl_backup_type: ['kept', LATER],
  s_desc_size: ['kept', LATER],
  s_default_mount_opts: ['kept', 'always data=ordered; 2.6.12 takes data=, acl, user_xattr and bsdgroups from here'],
  s_first_meta_bg: ['read', 'with meta_bg; refused beyond the blocks of descriptors'],
  s_mkfs_time: ['kept', LATER],
  s_later: ['kept', LATER],
  s_flags: ['read', `${LATER}, which hashes as signed numbers on x86: with dir_index, 2 makes them unsigned`],
  s_latest: ['kept', LATER],

  bg_block_bitmap: ['read', 'refused outside of the group'],
  bg_inode_bitmap: ['read', 'refused outside of the group'],
  bg_inode_table: ['read', 'refused outside of the group'],
  bg_free_blocks_count: ['changed', 'says where to look, and is never believed'],
  bg_free_inodes_count: ['changed', 'says where to look, and is never believed'],
  bg_used_dirs_count: ['changed', 'says where a new directory goes'],
  bg_flags: ['kept', LATER],
  bg_later: ['kept', LATER],

  i_mode: ['changed', 'EIO for an unknown type'],
  i_uid: ['changed', 'by chown; every process is root; 0 in a new inode'],
  i_size: ['changed', 'EIO beyond what the pointers reach, and for a directory that is not whole blocks'],
  i_atime: ['changed', 'by utimes only, as mounted with noatime'],
  i_ctime: ['changed', ''],
  i_mtime: ['changed', ''],
  i_dtime: ['changed', 'when the inode is deleted; the number of the next on the list of orphans'],
  i_gid: ['changed', 'by chown; 0 in a new inode, or that of a directory with the bit setgid'],
  i_links_count: ['changed', 'EIO when it is 0'],
  i_blocks: ['changed', 'a symbolic link without blocks has its text in i_block'],
  i_flags: [
    'changed',
    'index is set and kept as in dir_index below; the others are kept, but neither obeyed nor inherited; 2.6.12 obeys immutable, append, sync, dirsync and noatime',
  ],
  i_osd1: ['kept', 'as in 2.6.12'],
  i_block: ['changed', 'EIO for a block beyond the file system'],
  i_generation: [
    'changed',
    'one more when the inode is used again, where 2.6.12 takes a number that counts all new inodes',
  ],
  i_file_acl: [
    'changed',
    'another block when attributes change that others share; given back when the inode is deleted',
  ],
  i_size_high: ['changed', 'of a regular file; of others it is kept (i_dir_acl)'],
  i_faddr: ['kept', 'there are no fragments'],
  i_frag: ['kept', 'there are no fragments'],
  i_fsize: ['kept', 'there are no fragments'],
  i_blocks_high: ['kept', LATER],
  i_uid_high: ['changed', 'as i_uid'],
  i_gid_high: ['changed', 'as i_gid'],
  i_osd2: ['kept', 'as in 2.6.12'],

  i_extra_isize: ['changed', 'EIO beyond the inode, and unless a multiple of 4; 32 in a new inode'],
  i_checksum_hi: ['kept', LATER],
  i_ctime_extra: ['changed', EXTRA],
  i_mtime_extra: ['changed', EXTRA],
  i_atime_extra: ['changed', EXTRA],
  i_crtime: ['changed', `${LATER}; set in a new inode`],
  i_crtime_extra: ['changed', `${LATER}; set in a new inode`],
  i_version_hi: ['kept', LATER],
  i_projid: ['kept', LATER],

  inode: ['changed', 'EIO beyond the inodes'],
  rec_len: ['changed', 'EIO when an entry leaves its block'],
  name_len: ['changed', 'EIO when the name leaves the entry'],
  file_type: ['changed', '0 without the feature filetype; not believed when a path is looked up'],

  dx_dot: ['changed', 'an entry of a directory, as others; no index is begun where "." is longer'],
  dx_dotdot: ['changed', 'an entry of a directory, as others'],
  dx_reserved: ['changed', '0 in a new index; ignored'],
  dx_hash_version: ['changed', `${DX_BAD} when it is above 2`],
  dx_info_length: ['changed', `${DX_BAD} unless 8`],
  dx_indirect_levels: ['changed', `${DX_BAD} when it is above 1; 1 when the root was full`],
  dx_unused_flags: ['changed', `0 in a new index; ${DX_BAD} when bit 0 is set`],
  dx_fake: ['changed', 'an entry of a directory, as others'],
  dx_hash: [
    'changed',
    `in the first record two numbers of records, of 16 bits each; ${DX_BAD} when these make no sense`,
  ],
  dx_block: ['changed', `${DX_BAD} for block 0, one beyond the directory, or one that was met on the way`],

  h_magic: ['read', 'another is an error of the file system, when the block is to be given back'],
  h_refcount: ['changed', 'one more for each inode that has the same attributes; the last one frees the block'],
  h_blocks: ['changed', 'not 1 is an error, as h_magic'],
  h_hash: ['changed', 'a block with 0 is not shared'],
  h_reserved: ['kept', 'as in 2.6.12'],

  e_name_len: ['changed', 'EIO when the name leaves the block'],
  e_name_index: ['changed', 'names in other namespaces are kept, and neither read nor listed'],
  e_value_offs: ['changed', 'EIO when the value leaves the block'],
  e_value_block: ['read', 'EIO unless 0'],
  e_value_size: ['changed', 'as e_value_offs'],
  e_hash: ['changed', 'not checked'],
};

/** What the guest does about a feature that an image has. */
const COMPAT_USES: Readonly<Record<string, string>> = {
  has_journal: 'ext3: the journal is replayed and kept',
  ext_attr: 'mounted: attributes are there with or without it',
  dir_index:
    'ext3: a directory of more than one block has an index, which is used and kept; an invalid one is not used, and given up when a name is added. ext2: not used, and given up by any change of the directory',
  dir_prealloc: 'no preallocation',
};
const INCOMPAT_USES: Readonly<Record<string, string>> = {
  filetype: 'mounted: entries of directories carry a type',
  needs_recovery: 'mounted: the journal is replayed; without one refused',
  meta_bg: 'mounted: descriptors lie in the groups that they describe',
};
const RO_COMPAT_USES: Readonly<Record<string, string>> = {
  sparse_super: 'mounted: fewer copies of the superblock',
  large_file: 'mounted: files of 2 GiB and more',
  btree_dir: 'mounted, and ignored, as in 2.6.12',
};

/** The page, as Markdown that ends in a newline. */
export function ext2FieldsPage(): string {
  return [
    '# Fields of ext2 and ext3',
    '',
    'Generated from `src/format/ext2-fields-page.ts`; do not edit. `UPDATE_DOCS=1 npx vitest run test/kernel/fs/ext2/fields.test.ts` writes it anew.',
    '',
    'What the guest does with every field that Linux 2.6.12 knows. *Read*: used, never written. *Changed*: written too. *Kept*: ignored,',
    'and left as it is. *Refused* means that the mount fails with EINVAL and one line that names the field. Blocks are 4096',
    'bytes. Other bytes of a larger inode behind these fields are attributes, or are kept.',
    '',
    ...[
      ...[SUPERBLOCK, GROUP_DESCRIPTOR, INODE, INODE_EXTRA, DIRENT, DX_ROOT, DX_NODE, DX_ENTRY],
      ...[XATTR_HEADER, XATTR_ENTRY],
    ].flatMap((layout) => [usesTable(layout), '']),
    '## Features',
    '',
    '| feature | kind | what the guest does |',
    '|---|---|---|',
    ...featureRows('compatible', EXT2_COMPAT, COMPAT_USES, 'mounted, and ignored'),
    ...featureRows('incompatible', EXT2_INCOMPAT, INCOMPAT_USES, 'refused by its name, as in 2.6.12'),
    ...featureRows(
      'read-only compatible',
      EXT2_RO_COMPAT,
      RO_COMPAT_USES,
      'mounted read-only; 2.6.12 must be asked for that',
    ),
    '',
    'Bits without a name are treated as those of their kind.',
    '',
  ].join('\n');
}

function usesTable(layout: Layout): string {
  const rows = layout.fields.map(({ name, meaning }) => {
    const use = EXT2_FIELD_USES[name];
    assert(use !== undefined, `the page says what becomes of ${name}`);
    return `| \`${name}\` | ${meaning} | ${use[0]} | ${use[1]} |`;
  });
  return [`## ${layout.title}`, '', '| field | meaning | use | remark |', '|---|---|---|---|', ...rows].join('\n');
}

function featureRows(
  kind: string,
  features: Readonly<Record<string, number>>,
  uses: Readonly<Record<string, string>>,
  otherwise: string,
): string[] {
  return Object.keys(features).map((name) => `| ${name} | ${kind} | ${uses[name] ?? otherwise} |`);
}
