/**
 * The init of an experiment's guests. It reads what the lists on the disk say. Each byte that a
 * read returned is compared with the disk.
 */

import { BOOT_LISTS } from '../../disk/mkfs/boot-files.ts';
import { Init } from '../../workload/init.ts';
import type { Verifier } from '../judge/verifier.ts';
import type { DiskFiles } from './disk-source.ts';

/**
 * @param disk whose files the lists name
 * @param verifierOf asked at each read, so that it may be made later
 */
export function verifiedInit(disk: Pick<DiskFiles, 'files' | 'bootFiles'>, verifierOf: () => Verifier): Init {
  const byIno = new Map([...disk.files, ...disk.bootFiles].map((file) => [file.ino, file]));
  return new Init(BOOT_LISTS, (path, ino, position, bytes, buffer) => {
    // A file that a guest has made itself is not among those of the disk as it was.
    const file = byIno.get(ino) ?? { ino, path, size: Infinity };
    verifierOf().read(file, position, bytes, buffer);
  });
}
