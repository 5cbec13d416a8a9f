/**
 * A file as page I/O and writeback see it, which the file system implements
 * (address_space_operations of 2.6.12).
 */

import { ModelError } from '../../base/errno.ts';
import type { Process } from '../../sim/index.ts';
import type { AddressSpace } from '../mm/page-cache.ts';

/** The block is not known without reading metadata first. */
export const NEEDS_METADATA = -1;
/** No block: the page is a hole. Not 0, which is a block of the device's own mapping. */
export const HOLE = -2;

/** What the file system knows of a file's pages. */
export interface Mapping {
  readonly space: AddressSpace;
  /** Pages up to the end of the file. */
  readonly pageCount: number;
  /**
   * Changes whenever the map from pages to blocks does: what was looked up before a wait may not
   * hold after it.
   */
  readonly mapVersion: number;
  /** Its pages count as metadata in the statistics. */
  readonly isMetadata: boolean;
  /**
   * get_block as far as it does not wait: the page's block, HOLE, or NEEDS_METADATA. Throws EIO on
   * a bad pointer.
   */
  blockNow(index: number): number;
  /** Reads the metadata that blockNow lacks for this page. */
  loadMetadata(index: number): Process;
  /**
   * get_block for writing a page that has no block: it is given one, unless it lies beyond the end.
   * Throws ENOSPC, EIO, EROFS.
   */
  allocate(index: number): Process;
  /** A page is lost: its block is taken from it again, and the page goes. */
  withdraw(index: number): Process;
  /** Whether writeInode has something to write. */
  readonly isInodeDirty: boolean;
  /** write_inode: puts what changed of the inode into its block's buffer. Throws EIO. */
  writeInode(): Process;
  /**
   * Bytes at the end of a page that lie beyond the end of the file, and in which a mapped store may
   * have left something.
   */
  tail(index: number): number;
  /** Whether the block after this page's is mapped by another indirect block. */
  isBoundary(index: number): boolean;
  /**
   * __iget: the mapping stays while something works on it unasked; false when it is being deleted.
   */
  hold(): boolean;
  /** iput after `hold`. */
  release(): Process;
}

/**
 * get_block without allocating: the page's block or HOLE, reading the metadata that says so. Throws
 * EIO.
 */
export function* lookUpBlock(mapping: Pick<Mapping, 'blockNow' | 'loadMetadata'>, index: number): Process<number> {
  let block = mapping.blockNow(index);
  while (block === NEEDS_METADATA) {
    yield* mapping.loadMetadata(index);
    block = mapping.blockNow(index);
  }
  return block;
}

/**
 * Keeps the error of a write for the next fsync; of both, EIO. Throws on what is not a modelled
 * failure.
 */
export function noteError(space: AddressSpace, error: unknown): void {
  if (!(error instanceof ModelError)) throw error;
  if (space.error !== 'EIO') space.error = error.code === 'ENOSPC' ? 'ENOSPC' : 'EIO';
}
