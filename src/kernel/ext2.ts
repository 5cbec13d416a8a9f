/**
 * The ext2 driver: mount, inodes, and the map from file pages to blocks (fs/ext2 of 2.6.12; reading only).
 *
 * Metadata goes through the block device's own mapping, as buffers do: superblock, group descriptors, inode tables and
 * indirect blocks are pages of an address space with inode number 0, page index = block number. Nothing on the disk is
 * trusted: what does not make sense is EIO, and what the driver cannot mount is refused in one line.
 */

import { ModelError } from '../base/errno.ts';
import { getField } from '../base/layout.ts';
import { Ino, PAGE_SIZE, SECTORS_PER_PAGE, type Pfn } from '../base/units.ts';
import {
  checkGroupDescriptor,
  checkSuperblock,
  EXT2_DIRECT_BLOCKS,
  EXT2_DOUBLE_INDIRECT,
  EXT2_INDIRECT,
  EXT2_MAX_FILE_BLOCKS,
  EXT2_MODE,
  EXT2_POINTERS_PER_BLOCK,
  EXT2_ROOT_INO,
  EXT2_SUPERBLOCK_OFFSET,
  EXT2_SUPERBLOCK_SIZE,
  EXT2_TRIPLE_INDIRECT,
  GROUP_DESCRIPTOR,
  INODE,
  inodeLocation,
  type Ext2Geometry,
} from '../disk/ext2-format.ts';
import type { Process } from '../sim/index.ts';
import { BLOCK_DEVICE_INO, type GuestEnvironment } from '../xen/public/index.ts';
import type { KernelCosts } from './costs.ts';
import { Inode, InodeCache, type InodeOperations } from './inode.ts';
import { NO_PAGE, PG } from './mem-map.ts';
import type { MemoryManagement } from './mm.ts';
import type { AddressSpace } from './page-cache.ts';
import { HOLE, NEEDS_METADATA, type Mapping, type PageIo } from './page-io.ts';

/** What of the file system is named in the cache-mapping table. */
export interface NamingPolicy {
  readonly files: boolean;
  /** Directories and the block device's own pages. */
  readonly metadata: boolean;
}

/** Pages of memory for each inode that the cache keeps unused at most. */
const PAGES_PER_CACHED_INODE = 4;
const SINGLE_END = EXT2_DIRECT_BLOCKS + EXT2_POINTERS_PER_BLOCK;
const DOUBLE_END = SINGLE_END + EXT2_POINTERS_PER_BLOCK ** 2;

/** The block device's own mapping: page index = block number. */
class BlockDeviceMapping implements Mapping {
  readonly space: AddressSpace;
  readonly pageCount: number;
  readonly isMetadata = true;

  constructor(space: AddressSpace, blocks: number) {
    this.space = space;
    this.pageCount = blocks;
  }

  blockNow(index: number): number {
    return index;
  }

  *loadMetadata(): Process {
    // A block needs no metadata to be found.
  }

  isBoundary(): boolean {
    return false;
  }
}

export class Ext2 implements InodeOperations {
  readonly inodes: InodeCache;
  readonly #env: GuestEnvironment;
  readonly #costs: KernelCosts;
  readonly #mm: MemoryManagement;
  readonly #io: PageIo;
  readonly #policy: NamingPolicy;
  readonly #device: BlockDeviceMapping;
  #geometry: Ext2Geometry | undefined;
  #inodeTables = new Uint32Array(0);

  constructor(
    env: GuestEnvironment,
    costs: KernelCosts,
    mm: MemoryManagement,
    io: PageIo,
    policy: NamingPolicy,
    sectorCount: number,
  ) {
    this.#env = env;
    this.#costs = costs;
    this.#mm = mm;
    this.#io = io;
    this.#policy = policy;
    this.#device = new BlockDeviceMapping(
      mm.cache.open(Ino(BLOCK_DEVICE_INO), 0, policy.metadata),
      Math.floor(sectorCount / SECTORS_PER_PAGE),
    );
    this.inodes = new InodeCache(mm, Math.max(64, Math.floor(mm.map.nrPages / PAGES_PER_CACHED_INODE)));
  }

  get geometry(): Ext2Geometry {
    if (this.#geometry === undefined) throw new ModelError('EINVAL', 'file system is not mounted');
    return this.#geometry;
  }

  /**
   * ext2_fill_super: reads superblock and group descriptors.
   * Throws EINVAL with one line that names the field or feature that the driver cannot mount; EIO.
   */
  *mount(): Process {
    if (this.#device.pageCount < 2) throw new ModelError('EINVAL', 'ext2: the device is shorter than a superblock');
    const bytes = new Uint8Array(EXT2_SUPERBLOCK_SIZE);
    const first = yield* this.#bread(0);
    this.#env.memory.copyOut(first, EXT2_SUPERBLOCK_OFFSET, bytes, 0, EXT2_SUPERBLOCK_SIZE);
    const geometry = checkSuperblock(bytes, this.#device.pageCount * PAGE_SIZE);
    if ('refused' in geometry) throw new ModelError('EINVAL', `ext2: ${geometry.refused}`);
    this.#inodeTables = new Uint32Array(geometry.groupCount);
    const page = new Uint8Array(PAGE_SIZE);
    const perBlock = PAGE_SIZE / GROUP_DESCRIPTOR.size;
    for (let group = 0; group < geometry.groupCount; group++) {
      if (group % perBlock === 0) {
        const pfn = yield* this.#bread(geometry.firstDescriptorBlock + group / perBlock);
        this.#env.memory.copyOut(pfn, 0, page, 0, PAGE_SIZE);
      }
      const at = (group % perBlock) * GROUP_DESCRIPTOR.size;
      const problem = checkGroupDescriptor(geometry, group, page, at);
      if (problem !== undefined) throw new ModelError('EINVAL', `ext2: ${problem}`);
      this.#inodeTables[group] = getField(GROUP_DESCRIPTOR, page, at, 'bg_inode_table');
    }
    this.#geometry = geometry;
  }

  /** The root directory, with a reference. Throws EIO when inode 2 is no directory. */
  *root(): Process<Inode> {
    const root = yield* this.iget(EXT2_ROOT_INO);
    if (root.isDirectory) return root;
    this.inodes.put(root);
    throw new ModelError('EIO', 'ext2: the root inode is no directory');
  }

  /** ext2_read_inode: the inode, with a reference. Throws EIO when it is out of range, not in use or makes no sense. */
  *iget(number: number): Process<Inode> {
    const { geometry } = this;
    if (number < 1 || number > geometry.inodeCount) throw new ModelError('EIO', `ext2: there is no inode ${number}`);
    const ino = Ino(number);
    const cached = this.inodes.get(ino);
    if (cached !== undefined) return cached;
    const { group, indexInTable } = inodeLocation(geometry, number);
    const block = this.#inodeTables[group]! + Math.floor(indexInTable / geometry.inodesPerBlock);
    const pfn = yield* this.#bread(block);
    // Another process may have read it while this one waited for the block.
    const raced = this.inodes.get(ino);
    if (raced !== undefined) return raced;
    this.#env.cpu.charge(this.#costs.inodeFillNs);
    const inode = this.#readInode(ino, pfn, (indexInTable % geometry.inodesPerBlock) * geometry.inodeSize);
    this.inodes.add(inode);
    return inode;
  }

  /** ext2_get_block without waiting. Throws EIO when a pointer leads outside the file system. */
  blockNow(inode: Inode, index: number): number {
    const { pointers } = inode.fields;
    if (index < EXT2_DIRECT_BLOCKS) return this.#checked(pointers[index]!, inode);
    if (index < SINGLE_END) return this.#through(inode, pointers[EXT2_INDIRECT]!, index - EXT2_DIRECT_BLOCKS, 1);
    if (index < DOUBLE_END) return this.#through(inode, pointers[EXT2_DOUBLE_INDIRECT]!, index - SINGLE_END, 2);
    return this.#through(inode, pointers[EXT2_TRIPLE_INDIRECT]!, index - DOUBLE_END, 3);
  }

  /** Reads the first indirect block that blockNow lacks. */
  *loadMetadata(inode: Inode, index: number): Process {
    this.#missing = 0;
    if (this.blockNow(inode, index) === NEEDS_METADATA) yield* this.#bread(this.#missing);
  }

  /** Block 11, and the last entry of every indirect block. */
  isBoundary(index: number): boolean {
    return (
      index === EXT2_DIRECT_BLOCKS - 1 ||
      (index >= EXT2_DIRECT_BLOCKS && (index - EXT2_DIRECT_BLOCKS + 1) % EXT2_POINTERS_PER_BLOCK === 0)
    );
  }

  /** Set by #through when it meets an indirect block that is not in memory; read by loadMetadata right after. */
  #missing = 0;

  /** Follows `levels` indirect blocks from `block` to the pointer of the `offset`-th page below it. */
  #through(inode: Inode, block: number, offset: number, levels: number): number {
    let at = this.#checked(block, inode);
    for (let level = levels - 1; level >= 0; level--) {
      if (at === HOLE) return HOLE;
      const pfn = this.#mm.cache.find(this.#device.space, at);
      if (pfn === NO_PAGE || !this.#mm.map.has(pfn, PG.uptodate)) {
        this.#missing = at;
        return NEEDS_METADATA;
      }
      this.#mm.lru.markAccessed(pfn);
      const element = Math.floor(offset / EXT2_POINTERS_PER_BLOCK ** level) % EXT2_POINTERS_PER_BLOCK;
      at = this.#checked(this.#env.memory.readU32(pfn, 4 * element), inode);
    }
    return at;
  }

  /** A pointer as a block; 0 is a hole. */
  #checked(block: number, inode: Inode): number {
    if (block === 0) return HOLE;
    if (block < this.geometry.blockCount) return block;
    throw new ModelError('EIO', `ext2: inode ${inode.ino} points to block ${block}, beyond the file system`);
  }

  /** sb_bread: the page that holds a block of metadata. */
  *#bread(block: number): Process<Pfn> {
    const pfn = yield* this.#io.getPage(this.#device, block);
    this.#mm.lru.markAccessed(pfn);
    return pfn;
  }

  #readInode(ino: Ino, pfn: Pfn, at: number): Inode {
    const { memory } = this.#env;
    const mode = memory.readU16(pfn, at + INODE.offset.i_mode);
    const links = memory.readU16(pfn, at + INODE.offset.i_links_count);
    const type = mode & EXT2_MODE.typeMask;
    if (links === 0) throw new ModelError('EIO', `ext2: inode ${ino} is not in use`);
    if (!TYPES.has(type)) throw new ModelError('EIO', `ext2: inode ${ino} has the mode 0${mode.toString(8)}`);
    let size = memory.readU32(pfn, at + INODE.offset.i_size);
    if (type === EXT2_MODE.regular) size += memory.readU32(pfn, at + INODE.offset.i_size_high) * 0x1_0000_0000;
    if (size > EXT2_MAX_FILE_BLOCKS * PAGE_SIZE) throw new ModelError('EIO', `ext2: inode ${ino} has the size ${size}`);
    if (type === EXT2_MODE.directory && size % PAGE_SIZE !== 0)
      throw new ModelError('EIO', `ext2: directory ${ino} has the size ${size}, not whole blocks`);
    const pointers = new Uint32Array(EXT2_TRIPLE_INDIRECT + 1);
    for (let i = 0; i < pointers.length; i++) pointers[i] = memory.readU32(pfn, at + INODE.offset.i_block + 4 * i);
    const generation = memory.readU32(pfn, at + INODE.offset.i_generation);
    const named = type === EXT2_MODE.regular ? this.#policy.files : this.#policy.metadata;
    return new Inode(
      {
        ino,
        generation,
        mode,
        links,
        size,
        mtime: memory.readU32(pfn, at + INODE.offset.i_mtime),
        pointers,
        sectors: memory.readU32(pfn, at + INODE.offset.i_blocks),
      },
      this.#mm.cache.open(ino, generation, named),
      this,
    );
  }
}

const TYPES: ReadonlySet<number> = new Set(Object.values(EXT2_MODE).filter((value) => value !== EXT2_MODE.typeMask));
