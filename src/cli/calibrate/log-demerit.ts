/** How near a drive of the model is to a log of requests that a real one served. */

import { counted, InputError, SECTOR_SIZE } from '../../base/index.ts';
import { demerit, type LoggedRequest, parseDriveLog, replayDriveLog } from '../../disk/drive/drive-log.ts';
import type { DiskSection } from '../../machine/profile.ts';

/** A log of some minutes has 10,000 requests. */
const REQUESTS_MAX = 1_000_000;

/** @throws InputError that names the file, and the line where there is one */
export function readDriveLog(name: string, text: string): readonly LoggedRequest[] {
  const log = parseDriveLog(text, name);
  if (log.length === 0) throw new InputError(`${name}: it has no request`);
  if (log.length > REQUESTS_MAX) throw new InputError(`${name}: more than ${counted(REQUESTS_MAX, 'request')}`);
  return log;
}

/** A remark with the demerit. @throws InputError for a log of a larger drive */
export function demeritRemark(name: string, log: readonly LoggedRequest[], disk: DiskSection): string {
  const end = log.reduce((most, { sector, sectors }) => Math.max(most, sector + sectors), 0) * SECTOR_SIZE;
  if (disk.kind === 'disk' && end > disk.constants.capacityBytes.value)
    throw new InputError(
      `${name}: a request ends at byte ${end}, beyond the drive of ${disk.constants.capacityBytes.value}`,
    );
  const real = log.map(({ responseNs }) => responseNs);
  const mean = real.reduce((sum, ns) => sum + ns, 0) / real.length;
  const percent = 100 * demerit(real, replayDriveLog(log, disk));
  return `${disk.model} against ${name}: demerit ${percent.toFixed(1)} % of the mean response, ${(mean / 1e6).toFixed(2)} ms, of ${counted(log.length, 'request')}`;
}
