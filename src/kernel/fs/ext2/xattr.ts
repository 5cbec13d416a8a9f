/**
 * Extended attributes as far as a kernel without calls for them must know them (fs/ext2/xattr.c of
 * 2.6.12): an inode may have them in a block of its own, or in one that it shares with others,
 * which its header counts. Whoever deletes the inode frees the block, or counts it down.
 *
 * What an inode of more than 128 bytes has of them behind its fields is never looked at
 * (ext2/inode.ts).
 */

import { ModelError } from '../../../base/errno.ts';
import type { Pfn } from '../../../base/units.ts';
import { EXT2_XATTR_MAGIC, XATTR_HEADER } from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import { freeBlocks } from './balloc.ts';
import { SECTORS_PER_BLOCK } from './map.ts';
import type { Ext2Super } from './super.ts';
import type { Ext2Inode } from './inode-info.ts';

const H = XATTR_HEADER.offset;

/**
 * ext2_xattr_delete_inode: the inode gives its block of attributes back. A block that cannot be
 * read or is none is an error of the file system, and stays as it is. Throws EIO.
 */
export function releaseAttributes(superblock: Ext2Super, inode: Ext2Inode): Process {
  return inode.fields.fileAcl === 0 ? NOTHING : release(superblock, inode);
}

function* release(superblock: Ext2Super, inode: Ext2Inode): Process {
  const { buffers, geometry } = superblock;
  const { fields } = inode;
  const block = fields.fileAcl;
  fields.fileAcl = 0;
  fields.sectors = Math.max(0, fields.sectors - SECTORS_PER_BLOCK);
  if (block >= geometry.blockCount) {
    superblock.error(`ext2: inode ${inode.ino} has its attributes in block ${block}, beyond the file system`);
    return;
  }
  let pfn: Pfn;
  try {
    pfn = yield* buffers.bread(block);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    superblock.error(`ext2: the attributes of inode ${inode.ino} cannot be read: ${error.message}`);
    return;
  }
  const isSound = buffers.readU32(pfn, H.h_magic) === EXT2_XATTR_MAGIC && buffers.readU32(pfn, H.h_blocks) === 1;
  if (!isSound || buffers.readU32(pfn, H.h_refcount) === 0) {
    superblock.error(`ext2: block ${block} has no attributes of inode ${inode.ino}`);
    return;
  }
  const changed = buffers.findForChange(block) ?? (yield* buffers.breadForChange(block));
  // After the last wait: others that share the block may have gone meanwhile.
  const users = buffers.readU32(changed, H.h_refcount);
  if (users > 1) {
    buffers.writeU32(changed, H.h_refcount, users - 1);
    return;
  }
  buffers.revoke(block);
  yield* buffers.forget(block);
  yield* freeBlocks(superblock, block, 1);
}
