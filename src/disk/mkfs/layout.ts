/**
 * The layout of a new file system: how many groups and inodes it has, and which inode and which
 * blocks each file gets.
 *
 * Contract: `chooseShape` finds a file system that the contents fit into; then `Placement` never
 * runs out. A group's blocks and inodes are handed out in ascending order and never given back. So
 * the used ones of a group are a run from its start, and the bitmaps say no more than that.
 *
 * Modelled after Linux 2.6.12 on an empty disk. Directories of the root are spread over the groups,
 * and the directories below stay near their parents. That is Orlov's rule without its debts and its
 * random start, so that equal trees make equal images. An inode goes to the group of its directory,
 * its data to the group of the inode, from there on in line.
 */

import { assert } from '../../base/assert.ts';
import {
  EXT2_BLOCK_SIZE,
  EXT2_FIRST_INO,
  EXT2_MAX_PER_GROUP,
  EXT2_ROOT_INO,
  GROUP_DESCRIPTOR,
  hasSuperblock,
} from '../../format/ext2.ts';
import type { PlannedInode } from './inodes.ts';

export const BLOCKS_PER_GROUP = EXT2_MAX_PER_GROUP;
const DESCRIPTORS_PER_BLOCK = EXT2_BLOCK_SIZE / GROUP_DESCRIPTOR.size;
/** A last group with fewer blocks than this besides its metadata is left out, as by mke2fs. */
const MIN_LAST_GROUP_BLOCKS = 50;
/** Inodes that exist but are never handed out. */
const RESERVED_INODES = EXT2_FIRST_INO - 1;

/** A file system without contents. */
export interface Shape {
  readonly blockCount: number;
  readonly inodeBytes: number;
  readonly groupCount: number;
  readonly inodesPerGroup: number;
  readonly inodeTableBlocks: number;
  readonly descriptorBlocks: number;
  /** Blocks that are not metadata of the groups. */
  readonly usableBlocks: number;
}

/** Metadata blocks of a group. */
export function groupOverhead(shape: Omit<Shape, 'usableBlocks'>, group: number): number {
  return (hasSuperblock(group) ? 1 + shape.descriptorBlocks : 0) + 2 + shape.inodeTableBlocks;
}

/**
 * A file system of at most `blockCount` blocks with at least `inodes` inodes; undefined when there
 * is none.
 */
function shapeOf(blockCount: number, inodes: number, inodeBytes: number): Shape | undefined {
  const groupCount = Math.ceil(blockCount / BLOCKS_PER_GROUP);
  if (groupCount === 0) return undefined;
  const inodesPerBlock = EXT2_BLOCK_SIZE / inodeBytes;
  const inodeTableBlocks = Math.ceil(inodes / groupCount / inodesPerBlock);
  const inodesPerGroup = inodeTableBlocks * inodesPerBlock;
  if (inodesPerGroup > EXT2_MAX_PER_GROUP) return undefined;
  const descriptorBlocks = Math.ceil(groupCount / DESCRIPTORS_PER_BLOCK);
  const shape = { blockCount, inodeBytes, groupCount, inodesPerGroup, inodeTableBlocks, descriptorBlocks };

  const lastGroupBlocks = blockCount - (groupCount - 1) * BLOCKS_PER_GROUP;
  if (lastGroupBlocks < groupOverhead(shape, groupCount - 1) + MIN_LAST_GROUP_BLOCKS)
    return shapeOf(blockCount - lastGroupBlocks, inodes, inodeBytes);
  let usableBlocks = blockCount;
  for (let group = 0; group < groupCount; group++) usableBlocks -= groupOverhead(shape, group);
  return { ...shape, usableBlocks };
}

/** What the contents need. */
export interface Demand {
  /** Blocks of files, directories and indirect blocks. */
  readonly blocks: number;
  /** Blocks that are to be free. */
  readonly freeBlocks: number;
  /** Inodes, reserved ones included. */
  readonly inodes: number;
  readonly inodeBytes: number;
}

/**
 * One inode for this many blocks, as mke2fs makes them. When the contents need more, the free
 * blocks get as many.
 */
const BLOCKS_PER_INODE = 4;
/** Blocks of a file system are counted in 32 bits. */
export const MAX_BLOCKS = 2 ** 32 - 1;

/** The smallest shape found for the contents; undefined when ext2 is too small for them. */
export function chooseShape(demand: Demand, withInodesToSpare: boolean): Shape | undefined {
  const wanted = demand.blocks + demand.freeBlocks;
  for (let blocks = wanted; blocks <= MAX_BLOCKS; ) {
    const spare = demand.inodes + Math.ceil(demand.freeBlocks / BLOCKS_PER_INODE);
    const inodes = withInodesToSpare ? Math.max(spare, Math.ceil(blocks / BLOCKS_PER_INODE)) : demand.inodes;
    const shape = shapeOf(blocks, inodes, demand.inodeBytes);
    if (shape !== undefined && shape.usableBlocks >= wanted) return shape;
    // No shape: too few groups for the inodes, so try with room for one more table.
    const missing =
      shape === undefined ? 1 + 2 + (inodes * demand.inodeBytes) / EXT2_BLOCK_SIZE : wanted - shape.usableBlocks;
    blocks += Math.max(1, Math.min(Math.ceil(missing), BLOCKS_PER_GROUP));
  }
  return undefined;
}

/**
 * The shape of a file system of `blockCount` blocks, MAX_BLOCKS at most; undefined when the
 * contents do not fit.
 */
export function shapeOfSize(blockCount: number, demand: Demand): Shape | undefined {
  for (const inodes of [Math.ceil(blockCount / BLOCKS_PER_INODE), demand.inodes]) {
    const shape = shapeOf(blockCount, Math.max(inodes, demand.inodes), demand.inodeBytes);
    if (shape !== undefined && shape.usableBlocks >= demand.blocks) return shape;
  }
  return undefined;
}

/** What is used of one group. */
interface Group {
  readonly firstBlock: number;
  readonly endBlock: number;
  /** Blocks before this one are used. */
  nextBlock: number;
  /** Inodes of the table before this index are used. */
  nextInode: number;
  directories: number;
}

/** Hands out inodes and blocks. */
export class Placement {
  readonly groups: readonly Group[];
  readonly #inodesPerGroup: number;
  #freeBlocks: number;
  #freeInodes: number;

  constructor(shape: Shape) {
    this.#inodesPerGroup = shape.inodesPerGroup;
    this.#freeBlocks = shape.usableBlocks;
    this.#freeInodes = shape.groupCount * shape.inodesPerGroup - RESERVED_INODES;
    this.groups = Array.from({ length: shape.groupCount }, (_, group): Group => {
      const firstBlock = group * BLOCKS_PER_GROUP;
      return {
        firstBlock,
        endBlock: Math.min(firstBlock + BLOCKS_PER_GROUP, shape.blockCount),
        nextBlock: firstBlock + groupOverhead(shape, group),
        nextInode: group === 0 ? RESERVED_INODES : 0,
        directories: 0,
      };
    });
  }

  get freeBlocks(): number {
    return this.#freeBlocks;
  }

  get freeInodes(): number {
    return this.#freeInodes;
  }

  /**
   * Gives an inode its number, unless it has a reserved one, and its blocks. The root comes first,
   * and a directory before its contents.
   */
  place(inode: PlannedInode): void {
    const { parent } = inode;
    let group = 0;
    if (parent !== undefined) {
      group = this.#chooseGroup(inode, parent);
      const chosen = this.groups[group]!;
      inode.ino = group * this.#inodesPerGroup + chosen.nextInode + 1;
      chosen.nextInode++;
      this.#freeInodes--;
      if (inode.body.kind === 'directory') chosen.directories++;
    } else if (inode.ino === 0) {
      inode.ino = EXT2_ROOT_INO;
      this.groups[0]!.directories++;
    }
    inode.placedRuns = this.#takeBlocks(group, inode.blockCount);
  }

  #chooseGroup(inode: PlannedInode, parent: PlannedInode): number {
    const near = Math.floor((parent.ino - 1) / this.#inodesPerGroup);
    const hasInode = (group: Group): boolean => this.#inodesOf(group) > 0;
    const found =
      inode.body.kind !== 'directory'
        ? this.#firstGroup(near, (group) => hasInode(group) && this.#blocksOf(group) > 0)
        : parent.ino === EXT2_ROOT_INO
          ? this.#emptiestGroup(near)
          : this.#firstGroup(near, this.#roomForDirectory());
    const group = found ?? this.#firstGroup(near, hasInode);
    assert(group !== undefined, 'the shape has an inode for everything');
    return group;
  }

  /**
   * The group with fewest directories among those with no less than the average of free inodes and
   * blocks.
   */
  #emptiestGroup(near: number): number | undefined {
    const inodes = this.#freeInodes / this.groups.length;
    const blocks = this.#freeBlocks / this.groups.length;
    const fits = (group: Group): boolean =>
      this.#inodesOf(group) > 0 && this.#inodesOf(group) >= inodes && this.#blocksOf(group) >= blocks;
    const fewest = this.groups.reduce(
      (least, group) => (fits(group) ? Math.min(least, group.directories) : least),
      Infinity,
    );
    return this.#firstGroup(near, (group) => fits(group) && group.directories === fewest);
  }

  /** Whether a group has room for a directory and its future contents. */
  #roomForDirectory(): (group: Group) => boolean {
    const count = this.groups.length;
    const directories = this.groups.reduce((sum, group) => sum + group.directories, 0);
    const most = directories / count + this.#inodesPerGroup / 16;
    const inodes = Math.max(1, this.#freeInodes / count - this.#inodesPerGroup / 4);
    const blocks = this.#freeBlocks / count - BLOCKS_PER_GROUP / 4;
    return (group) => group.directories < most && this.#inodesOf(group) >= inodes && this.#blocksOf(group) >= blocks;
  }

  /** The first group that is good, from `near` on and around the end. */
  #firstGroup(near: number, good: (group: Group) => boolean): number | undefined {
    for (let i = 0; i < this.groups.length; i++) {
      const group = (near + i) % this.groups.length;
      if (good(this.groups[group]!)) return group;
    }
    return undefined;
  }

  /** Takes consecutive blocks from `near` on, and goes on in the next group with free blocks. */
  #takeBlocks(near: number, count: number): number[] {
    const runs: number[] = [];
    let left = count;
    for (let i = 0; left > 0; i++) {
      assert(i < this.groups.length, 'the shape has a block for everything');
      const group = this.groups[(near + i) % this.groups.length]!;
      const taken = Math.min(left, this.#blocksOf(group));
      if (taken === 0) continue;
      runs.push(group.nextBlock, taken);
      group.nextBlock += taken;
      left -= taken;
    }
    this.#freeBlocks -= count;
    return runs;
  }

  #blocksOf(group: Group): number {
    return group.endBlock - group.nextBlock;
  }

  #inodesOf(group: Group): number {
    return this.#inodesPerGroup - group.nextInode;
  }
}
