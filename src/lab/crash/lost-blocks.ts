/**
 * What a loss of power may take from a drive: any subset of some blocks. They are those in its
 * volatile cache, and those that its writes in service change. A subset has a number.
 */

import { checkArgument } from '../../base/argument-error.ts';
import { counted } from '../../base/counted.ts';
import type { Drive } from '../../disk/drive/drive.ts';
import type { Survival } from '../../disk/drive/write-cache.ts';

/** Most blocks of which all subsets are played: 2^10. */
export const MOST_BLOCKS = 10;

/** Blocks of completed writes that are not on the medium, then those of writes in service. */
export const losableBlocks = (drive: Drive): readonly number[] => [...drive.unflushedBlocks, ...drive.blocksInService];

/**
 * How many subsets of so many blocks are played: all, or of more than MOST_BLOCKS none, all, each
 * block alone, and all but each.
 */
export const subsetsOf = (blocks: number): number => (blocks <= MOST_BLOCKS ? 2 ** blocks : 2 * blocks + 2);

/** Whether the block at this place is in a subset of `blocks` blocks, 0 ≤ subset < `subsetsOf`. */
export function isInSubset(subset: number, place: number, blocks: number): boolean {
  if (blocks <= MOST_BLOCKS) return ((subset >>> place) & 1) === 1;
  if (subset <= blocks) return subset - 1 === place;
  return subset - blocks - 1 !== place;
}

/**
 * Of the blocks that the drive may lose, those of the subset survive whole.
 * @throws ArgumentError for a subset that there is not
 */
export function survivalOf(drive: Drive, subset: number): Survival {
  const { unflushedBlocks: cached, blocksInService: inService } = drive;
  const blocks = cached.length + inService.length;
  const subsets = subsetsOf(blocks);
  checkArgument(subset < subsets, 'at', `the drive has ${counted(subsets, 'subset')} of blocks there`);
  return (block, isInService) => {
    const place = isInService ? cached.length + inService.indexOf(block) : cached.indexOf(block);
    return isInSubset(subset, place, blocks);
  };
}
