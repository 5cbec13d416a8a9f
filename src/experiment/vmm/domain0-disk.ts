/**
 * Domain 0's own disk: an ext2 file system with the files that a boot reads, and the lists of them.
 * Domain 0 reads what a guest reads: the same recorded boot. Every byte is compared with the disk.
 */

import type { ImageStore } from '../../disk/image/image-store.ts';
import type { Place } from '../../disk/image/joined-image.ts';
import { withBootFiles } from '../../disk/mkfs/boot-files.ts';
import { mapExt2 } from '../../disk/mkfs/mkfs.ts';
import { planExt2 } from '../../disk/mkfs/plan.ts';
import { directory, tree } from '../../disk/mkfs/tree.ts';
import { verifiedInit } from '../guest/boot-reader.ts';
import { diskSourceOf, type DiskSource } from '../guest/disk-source.ts';
import type { Domain0Disk } from '../host/domain0-services.ts';
import { OracleExt2 } from '../judge/oracle-ext2.ts';
import type { Verifier } from '../judge/verifier.ts';

/** The same for all machines of a program: nothing is written to it. */
let made: DiskSource | undefined;

const source = (): DiskSource =>
  (made ??= diskSourceOf(mapExt2(planExt2(withBootFiles(tree(directory([]))))), 'domain 0'));

/** Its contents, which must not be written. */
export const domain0Image = (): ImageStore => source().image;

/**
 * @param place where its contents lie on the drive
 * @param cacheBytes most that domain 0's page cache holds
 * @param verifierOf of its contents; asked at each read
 */
export function domain0DiskAt(place: Place, cacheBytes: number, verifierOf: () => Verifier): Domain0Disk {
  const { image, bootFiles } = source();
  const oracle = new OracleExt2(image);
  return {
    place,
    contents: { files: bootFiles, blockOf: (ino, page) => oracle.blockOf(ino, page) },
    init: verifiedInit({ files: [], bootFiles }, verifierOf),
    cacheBytes,
  };
}
