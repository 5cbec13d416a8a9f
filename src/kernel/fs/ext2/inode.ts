/**
 * The inode on the disk, and where in the inode table of its group it lies. Its fields are checked
 * when they are read, and put back when they have changed. Modelled after ext2_read_inode and
 * ext2_update_inode of fs/ext2/inode.c, 2.6.12.
 *
 * An inode of more than 128 bytes may keep the nanoseconds of its times behind them, as ext4 does;
 * 2.6.12 does not know that. Attributes that follow them are xattr.ts. The rest stays as it is, and
 * is zero in a new one.
 */

import { ModelError } from '../../../base/errno.ts';
import { PAGE_SIZE, type Ino, type Pfn } from '../../../base/units.ts';
import {
  EXT2_MAX_FILE_BLOCKS,
  EXT2_MODE,
  EXT2_RO_COMPAT,
  EXT2_SUPERBLOCK_OFFSET,
  EXT2_TRIPLE_INDIRECT,
  INODE,
  INODE_EXTRA,
  inodeLocation,
  SUPERBLOCK,
} from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import type { GuestMemory } from '../../../xen/public/index.ts';
import type { Buffers } from '../buffer.ts';
import type { Ext2Super } from './super.ts';
import { type Ext2Inode, type Ext2InodeFields, isFine } from './inode-info.ts';

/** Bytes of the longest file: what the pointers reach. */
export const MAX_FILE_BYTES = EXT2_MAX_FILE_BLOCKS * PAGE_SIZE;
/** A file of this many bytes needs the feature large_file. */
const LARGE_FILE_BYTES = 2 ** 31;
const AT = INODE.offset;
/** From the first byte of the inode. */
const EXTRA = INODE_EXTRA.offset;
const NS_PER_SECOND = 1_000_000_000;
const TYPES: ReadonlySet<number> = new Set(Object.values(EXT2_MODE).filter((value) => value !== EXT2_MODE.typeMask));

/**
 * The fields of an inode that is in use. Throws EIO when they make no sense.
 * @param inodeSize bytes of the inode
 * @param isOrphan whether it may be without a name, and its i_dtime be the next orphan's number
 */
function readInodeFields(
  memory: GuestMemory,
  pfn: Pfn,
  at: number,
  ino: Ino,
  inodeSize: number,
  isOrphan: boolean,
): Ext2InodeFields {
  const word = (name: keyof typeof AT): number => memory.readU32(pfn, at + AT[name]);
  const half = (name: keyof typeof AT): number => memory.readU16(pfn, at + AT[name]);
  const mode = half('i_mode');
  const links = half('i_links_count');
  const type = mode & EXT2_MODE.typeMask;
  if (links === 0 && !isOrphan) throw new ModelError('EIO', `ext2: inode ${ino} is not in use`);
  if (!TYPES.has(type)) throw new ModelError('EIO', `ext2: inode ${ino} has the mode 0${mode.toString(8)}`);
  let size = word('i_size');
  if (type === EXT2_MODE.regular) size += word('i_size_high') * 0x1_0000_0000;
  if (size > MAX_FILE_BYTES) throw new ModelError('EIO', `ext2: inode ${ino} has the size ${size}`);
  if (type === EXT2_MODE.directory && size % PAGE_SIZE !== 0)
    throw new ModelError('EIO', `ext2: directory ${ino} has the size ${size}, not whole blocks`);
  const pointers = new Uint32Array(EXT2_TRIPLE_INDIRECT + 1);
  for (let i = 0; i < pointers.length; i++) pointers[i] = memory.readU32(pfn, at + AT.i_block + 4 * i);
  const extraAt = at + INODE.size;
  const extraBytes = inodeSize > INODE.size ? memory.readU16(pfn, extraAt + EXTRA.i_extra_isize) : 0;
  if (extraBytes % 4 !== 0 || INODE.size + extraBytes > inodeSize)
    throw new ModelError('EIO', `ext2: inode ${ino} says that it has ${extraBytes} bytes of more fields`);
  const fields: Ext2InodeFields = {
    ino,
    generation: word('i_generation'),
    mode,
    uid: half('i_uid') + half('i_uid_high') * 0x1_0000,
    gid: half('i_gid') + half('i_gid_high') * 0x1_0000,
    links,
    size,
    atime: word('i_atime'),
    mtime: word('i_mtime'),
    ctime: word('i_ctime'),
    atimeNs: 0,
    mtimeNs: 0,
    ctimeNs: 0,
    dtime: isOrphan ? word('i_dtime') : 0,
    flags: word('i_flags'),
    pointers,
    sectors: word('i_blocks'),
    fileAcl: word('i_file_acl'),
    extraBytes,
  };
  if (isFine(fields)) {
    const extra = (name: keyof typeof EXTRA): number => memory.readU32(pfn, extraAt + EXTRA[name]);
    const [atime, mtime, ctime] = [extra('i_atime_extra'), extra('i_mtime_extra'), extra('i_ctime_extra')];
    fields.atime = wideSeconds(fields.atime, atime);
    fields.mtime = wideSeconds(fields.mtime, mtime);
    fields.ctime = wideSeconds(fields.ctime, ctime);
    // More than a second makes no sense, and is not shown.
    fields.atimeNs = (atime >>> 2) % NS_PER_SECOND;
    fields.mtimeNs = (mtime >>> 2) % NS_PER_SECOND;
    fields.ctimeNs = (ctime >>> 2) % NS_PER_SECOND;
  }
  return fields;
}

/** ext4_decode_extra_time: seconds from a signed word and the two bits above it. */
function wideSeconds(word: number, extra: number): number {
  return (word | 0) + (extra & 3) * 2 ** 32;
}

/** ext4_encode_extra_time: what does not go into the word of the seconds. */
function extraOf(seconds: number, ns: number): number {
  return ((((seconds - (seconds | 0)) / 2 ** 32) & 3) | (ns << 2)) >>> 0;
}

/**
 * The inode tables of a mounted file system. Inodes go into their buffers by way of bytes of the
 * table's own.
 */
export class InodeTable {
  readonly #memory: GuestMemory;
  readonly #buffers: Buffers;
  readonly #superblock: Ext2Super;
  readonly #bytes = new Uint8Array(INODE.size);
  readonly #words = new DataView(this.#bytes.buffer);
  readonly #extra = new Uint8Array(INODE_EXTRA.size);

  constructor(memory: GuestMemory, superblock: Ext2Super) {
    this.#memory = memory;
    this.#buffers = superblock.buffers;
    this.#superblock = superblock;
  }

  /** Block and offset of an inode in its group's table. */
  place(ino: number): { block: number; offset: number } {
    const { geometry } = this.#superblock;
    const { group, indexInTable } = inodeLocation(geometry, ino);
    return {
      block: this.#superblock.inodeTable(group) + Math.floor(indexInTable / geometry.inodesPerBlock),
      offset: (indexInTable % geometry.inodesPerBlock) * geometry.inodeSize,
    };
  }

  /** The buffer that holds an inode, if it is in memory. */
  find(ino: number): Pfn | undefined {
    return this.#buffers.find(this.place(ino).block);
  }

  /** Throws EIO. */
  bread(ino: number): Process<Pfn> {
    return this.#buffers.bread(this.place(ino).block);
  }

  /** Whether the buffer that holds an inode is in memory. Does not count as an access. */
  has(ino: number): boolean {
    return this.#buffers.has(this.place(ino).block);
  }

  /** What `readInodeFields` finds in the buffer of an inode. */
  read(pfn: Pfn, ino: Ino, isOrphan: boolean): Ext2InodeFields {
    return readInodeFields(
      this.#memory,
      pfn,
      this.place(ino).offset,
      ino,
      this.#superblock.geometry.inodeSize,
      isOrphan,
    );
  }

  /**
   * ext2_update_inode, ext3_do_update_inode: the fields go to the buffer if they have changed.
   * Throws EIO, an error of the file system.
   */
  store(inode: Ext2Inode): Process {
    if (!inode.isInodeDirty) return NOTHING;
    const { block, offset } = this.place(inode.ino);
    const isLarge = inode.isRegular && inode.size >= LARGE_FILE_BYTES;
    const pfn = isLarge ? undefined : this.#buffers.findForChange(block);
    if (pfn === undefined) return this.#store(inode, block, offset, isLarge);
    this.#put(inode, pfn, offset);
    return NOTHING;
  }

  *#store(inode: Ext2Inode, block: number, offset: number, isLarge: boolean): Process {
    if (isLarge) yield* this.#needLargeFiles();
    const pfn = yield* this.#superblock.begun(this.#buffers.breadForChange(block));
    // Another process may have stored it meanwhile; its number may even be another inode's by now.
    if (inode.isInodeDirty) this.#put(inode, pfn, offset);
  }

  *#needLargeFiles(): Process {
    const { superblockPage } = this.#superblock;
    const at = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_feature_ro_compat;
    if ((this.#buffers.readU32(superblockPage, at) & EXT2_RO_COMPAT.large_file) !== 0) return;
    yield* this.#buffers.breadForChange(0);
    const features = this.#buffers.readU32(superblockPage, at);
    this.#buffers.writeU32(superblockPage, at, (features | EXT2_RO_COMPAT.large_file) >>> 0);
  }

  /** The buffer may be changed. The inode is clean afterwards. */
  #put(inode: Ext2Inode, pfn: Pfn, at: number): void {
    const { fields } = inode;
    const words = this.#words;
    this.#buffers.copyOut(pfn, at, this.#bytes, INODE.size);
    const isNew = words.getUint32(AT.i_generation, true) !== fields.generation;
    if (isNew) {
      // An inode number that was free: nothing of its last use stays, but for what is stored below.
      this.#bytes.fill(0);
      const { inodeSize } = this.#superblock.geometry;
      if (inodeSize > INODE.size) this.#buffers.zero(pfn, at + INODE.size, inodeSize - INODE.size);
    }
    words.setUint16(AT.i_mode, fields.mode, true);
    words.setUint16(AT.i_uid, fields.uid & 0xffff, true);
    words.setUint16(AT.i_gid, fields.gid & 0xffff, true);
    words.setUint16(AT.i_uid_high, fields.uid >>> 16, true);
    words.setUint16(AT.i_gid_high, fields.gid >>> 16, true);
    words.setUint16(AT.i_links_count, fields.links, true);
    words.setUint32(AT.i_size, fields.size, true);
    words.setUint32(AT.i_atime, fields.atime, true);
    words.setUint32(AT.i_ctime, fields.ctime, true);
    words.setUint32(AT.i_mtime, fields.mtime, true);
    words.setUint32(AT.i_dtime, fields.dtime, true);
    words.setUint32(AT.i_blocks, fields.sectors, true);
    words.setUint32(AT.i_flags, fields.flags, true);
    words.setUint32(AT.i_generation, fields.generation, true);
    words.setUint32(AT.i_file_acl, fields.fileAcl, true);
    for (let i = 0; i < fields.pointers.length; i++) words.setUint32(AT.i_block + 4 * i, fields.pointers[i]!, true);
    if (inode.isRegular) words.setUint32(AT.i_size_high, Math.floor(fields.size / 2 ** 32), true);
    inode.isInodeDirty = false;
    inode.isSizeDirty = false;
    this.#buffers.copyIn(pfn, at, this.#bytes, INODE.size);
    if (isNew ? fields.extraBytes > 0 : isFine(fields)) this.#putExtra(fields, pfn, at + INODE.size, isNew);
  }

  /** The fields behind the first 128 bytes. */
  #putExtra(fields: Ext2InodeFields, pfn: Pfn, at: number, isNew: boolean): void {
    const length = Math.min(fields.extraBytes, INODE_EXTRA.size);
    const words = new DataView(this.#extra.buffer);
    this.#buffers.copyOut(pfn, at, this.#extra, length);
    words.setUint16(EXTRA.i_extra_isize, fields.extraBytes, true);
    if (isFine(fields)) {
      words.setUint32(EXTRA.i_atime_extra, extraOf(fields.atime, fields.atimeNs), true);
      words.setUint32(EXTRA.i_mtime_extra, extraOf(fields.mtime, fields.mtimeNs), true);
      words.setUint32(EXTRA.i_ctime_extra, extraOf(fields.ctime, fields.ctimeNs), true);
      if (isNew) {
        words.setUint32(EXTRA.i_crtime, fields.ctime, true);
        words.setUint32(EXTRA.i_crtime_extra, extraOf(fields.ctime, fields.ctimeNs), true);
      }
    }
    this.#buffers.copyIn(pfn, at, this.#extra, length);
  }
}
