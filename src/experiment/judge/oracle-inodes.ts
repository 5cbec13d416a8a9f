/**
 * The oracle's reader of superblock, group descriptors and inode tables, by plain numbers from the
 * published layout. What is computed from the image is checked against its size first.
 */

import { counted, PAGE_SIZE, UserError } from '../../base/index.ts';
import type { ImageStore } from '../../disk/image/image-store.ts';

interface Geometry {
  readonly blocks: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: number;
  readonly blocksPerGroup: number;
  /** Blocks of group descriptors that follow the superblock: those before this one. */
  readonly firstMetaGroup: number;
  /** Not every group has a copy of the superblock. */
  readonly sparse: boolean;
}

const MODE_TYPE = 0xf000;
export const MODE_DIRECTORY = 0x4000;
export const MODE_REGULAR = 0x8000;
export const MODE_SYMLINK = 0xa000;
/**
 * s_feature_incompat: directory entries carry a file type; group descriptors lie in the groups that
 * they describe.
 */
const INCOMPAT_FILETYPE = 2;
/** needs_recovery: set while an ext3 is mounted, and until its journal is replayed. */
const INCOMPAT_RECOVER = 4;
const INCOMPAT_META_BG = 0x10;
/** s_feature_ro_compat: not every group has a copy of the superblock. */
const RO_COMPAT_SPARSE = 1;

/** Reads the superblock when it is made: make another after the medium has changed. */
export class OracleInodes {
  readonly #image: Pick<ImageStore, 'size' | 'read'>;
  readonly #scratch = new Uint8Array(PAGE_SIZE);
  readonly geometry: Geometry;

  /**
   * @param isMounted whether a guest has it mounted, so that it may have a journal to replay
   * @throws UserError when the image is not an ext2 file system with blocks of 4 KiB
   */
  constructor(image: Pick<ImageStore, 'size' | 'read'>, isMounted: boolean) {
    this.#image = image;
    this.geometry = this.#readGeometry(INCOMPAT_FILETYPE | INCOMPAT_META_BG | (isMounted ? INCOMPAT_RECOVER : 0));
  }

  /** @param known incompatible features */
  #readGeometry(known: number): Geometry {
    if (this.#image.size < 2 * PAGE_SIZE) throw corrupt(`${counted(this.#image.size, 'byte is', 'bytes are')} too few`);
    const block = this.read(1024, 1024);
    const u32 = (offset: number): number => u32At(block, offset);
    if (u16At(block, 56) !== 0xef53) throw corrupt('no magic number 0xEF53: not ext2');
    if (u32(24) !== 2) throw corrupt(`s_log_block_size is ${u32(24)}, not 2 (blocks of 4096 bytes)`);
    if (u32(20) !== 0) throw corrupt(`s_first_data_block is ${u32(20)}, not 0`);
    const dynamic = u32(76) >= 1;
    const strange = dynamic ? (u32(96) & ~known) >>> 0 : 0;
    if (strange !== 0) throw corrupt(`incompatible features 0x${strange.toString(16)}`);
    const inodeSize = dynamic ? u16At(block, 88) : 128;
    const blocks = u32(4);
    const inodes = u32(0);
    const inodesPerGroup = u32(40);
    const blocksPerGroup = u32(32);
    if (inodeSize < 128 || inodeSize > PAGE_SIZE || PAGE_SIZE % inodeSize !== 0)
      throw corrupt(`s_inode_size is ${inodeSize}`);
    if (blocks * PAGE_SIZE > this.#image.size) throw corrupt(`s_blocks_count is ${blocks}, the image is cut short`);
    if (inodesPerGroup < 1 || inodesPerGroup > 8 * PAGE_SIZE) throw corrupt(`s_inodes_per_group is ${inodesPerGroup}`);
    if (blocksPerGroup < 1 || blocksPerGroup > 8 * PAGE_SIZE) throw corrupt(`s_blocks_per_group is ${blocksPerGroup}`);
    if (inodes > Math.ceil(blocks / blocksPerGroup) * inodesPerGroup) throw corrupt(`s_inodes_count is ${inodes}`);
    const firstMetaGroup = dynamic && (u32(96) & INCOMPAT_META_BG) !== 0 ? u32(260) : Infinity;
    const sparse = dynamic && (u32(100) & RO_COMPAT_SPARSE) !== 0;
    return { blocks, inodes, inodesPerGroup, inodeSize, blocksPerGroup, firstMetaGroup, sparse };
  }

  /** The first 128 bytes of an inode; valid until the next read. */
  inode(ino: number): Uint8Array {
    const { inodes, inodesPerGroup, inodeSize } = this.geometry;
    if (!(ino >= 1 && ino <= inodes)) throw corrupt(`inode ${ino} is not among 1 to ${inodes}`);
    const group = Math.floor((ino - 1) / inodesPerGroup);
    const table = u32At(this.read(this.#descriptor(group) + 8, 4), 0);
    const offset = ((ino - 1) % inodesPerGroup) * inodeSize;
    this.checkBlock(table + Math.floor(offset / PAGE_SIZE), 'inode', ino, 'lies');
    return this.read(table * PAGE_SIZE + offset, 128);
  }

  /** Byte at which the descriptor of a group lies. */
  #descriptor(group: number): number {
    const { blocksPerGroup, firstMetaGroup, sparse } = this.geometry;
    const metaGroup = Math.floor(group / 128);
    if (metaGroup < firstMetaGroup) return PAGE_SIZE + group * 32;
    // One block of descriptors, behind the superblock if the first group of its 128 has one.
    const first = metaGroup * 128;
    const block = first * blocksPerGroup + (!sparse || isSparseGroup(first) ? 1 : 0);
    this.checkBlock(block, 'the descriptor of group', group, 'leads');
    return block * PAGE_SIZE + (group - first) * 32;
  }

  typeAndSize(ino: number): { type: number; size: number } {
    return typeAndSizeOf(this.inode(ino));
  }

  /** @throws UserError unless there is such a block, which is not the first */
  checkBlock(block: number, what: string, number: number, leads: string): void {
    if (block >= 1 && block < this.geometry.blocks) return;
    throw corrupt(`${what} ${number} ${leads} to block ${block}, of ${this.geometry.blocks}`);
  }

  /** A piece of the image of at most a page; valid until the next read. */
  read(offset: number, length: number): Uint8Array {
    if (offset + length > this.#image.size) throw corrupt(`the image ends before byte ${offset + length}`);
    this.#image.read(offset, this.#scratch, 0, length);
    return this.#scratch.subarray(0, length);
  }
}

export function u16At(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function u32At(bytes: Uint8Array, at: number): number {
  return (u16At(bytes, at) | (u16At(bytes, at + 2) << 16)) >>> 0;
}

export function typeAndSizeOf(inode: Uint8Array): { type: number; size: number } {
  const type = u16At(inode, 0) & MODE_TYPE;
  const low = u32At(inode, 4);
  return { type, size: type === MODE_REGULAR ? u32At(inode, 108) * 2 ** 32 + low : low };
}

/**
 * Whether a group has a copy of the superblock with sparse_super: 0, 1 and powers of 3, 5 and 7.
 */
function isSparseGroup(group: number): boolean {
  return group <= 1 || [3, 5, 7].some((base) => base ** Math.round(Math.log(group) / Math.log(base)) === group);
}

export function corrupt(what: string): UserError {
  return new UserError(`ext2 image: ${what}`);
}
