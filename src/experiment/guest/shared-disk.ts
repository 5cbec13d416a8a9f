/**
 * A disk that one thread has opened, for the others: they have the same bytes, in the same memory.
 *
 * Contract: plain data, which a thread can send to another. Only the image of a directory that is
 * kept in memory as a whole can be shared. The thread that opened it looks for changes.
 */

import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { WholeImage } from '../../disk/image/whole-image.ts';
import { LeftOut } from '../../disk/mkfs/tree.ts';
import { OracleExt2 } from '../judge/oracle-ext2.ts';
import { sourceOf, type DiskSource } from './disk-source.ts';

/** What another thread needs to have the same disk. */
export type SharedDisk = Pick<DiskSource, 'files' | 'bootFiles' | 'bytes' | 'all' | 'notices' | 'version'> & {
  /** Of the image; in memory that threads share. */
  readonly image: Uint8Array;
};

/** Undefined when another thread has to open the disk itself. */
export function sharedOf(disk: DiskSource): SharedDisk | undefined {
  const { shared: image, files, bootFiles, bytes, all, notices, version } = disk;
  return image && { image, files, bootFiles, bytes, all, notices, version };
}

/** The disk that another thread has opened. */
export function sharedDisk({ image: bytes, notices, version, ...listed }: SharedDisk): DiskSource {
  const image = new OverlayImage(new WholeImage(bytes));
  const none = { unreachable: new LeftOut(), notText: new LeftOut() };
  return { ...sourceOf(image, { ...listed, ...none, oracle: new OracleExt2(image) }, version), notices };
}
