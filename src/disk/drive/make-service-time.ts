/**
 * From a profile to a drive: the service-time model and the write cache of `--disk KIND`.
 *
 * `profile` is the profile's own drive. Any other kind comes from the profile that has such a
 * drive. So `disk` always names the disk of 2004 and `nvme` the flash drive of 2026, whatever the
 * machine.
 */

import { checkObject, checkOneOf } from '../../base/argument-error.ts';
import { PENTIUM4_2006 } from '../../machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import { values, type DiskSection } from '../../machine/profile.ts';
import type { DriveOptions } from './drive.ts';
import { InstantDisk } from './instant.ts';
import { NvmeDisk } from './nvme.ts';
import { RotatingDisk } from './rotating-disk.ts';
import type { ServiceTimeModel } from './service-time.ts';

/**
 * Kinds of drives: that of the profile, the disk of 2004, the flash drive of 2026, and one that
 * takes no time.
 */
export const DRIVE_KINDS = ['profile', 'disk', 'nvme', 'instant'] as const;
/** A kind of drive. */
export type DriveKind = (typeof DRIVE_KINDS)[number];

/**
 * A fresh service-time model.
 * @throws ArgumentError for an unknown kind, as `driveOptions`
 */
export function makeServiceTime(disk: DiskSection, kind: DriveKind = 'profile'): ServiceTimeModel {
  checkOneOf('kind', kind, DRIVE_KINDS);
  if (kind === 'instant') return new InstantDisk();
  checkObject('disk', disk, 'kind', 'constants');
  const drive = driveOf(disk, kind);
  if (drive.kind === 'nvme') return new NvmeDisk(values(drive.constants));
  return new RotatingDisk(values(drive.constants), drive.tables);
}

/**
 * Options of a drive of that kind, with a fresh service-time model.
 * @throws ArgumentError for a section without constants, or an unknown kind
 */
export function driveOptions(disk: DiskSection, kind: DriveKind = 'profile'): DriveOptions {
  const model = makeServiceTime(disk, kind);
  if (kind === 'instant') return { model, writeCacheBytes: 0 };
  const drive = driveOf(disk, kind);
  const writeCacheBytes = drive.constants.writeCacheBytes.value;
  return drive.kind === 'disk'
    ? { model, writeCacheBytes, destageDelayNs: drive.constants.destageDelayNs.value }
    : { model, writeCacheBytes };
}

function driveOf(disk: DiskSection, kind: 'profile' | 'disk' | 'nvme'): DiskSection {
  if (kind === 'profile' || kind === disk.kind) return disk;
  return kind === 'disk' ? PENTIUM4_2006.disk : SERVER_2026.disk;
}
