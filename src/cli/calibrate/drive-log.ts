/** A drive of the model, fitted to a log of requests that a real one served. */

import { counted, InputError, SECTOR_SIZE } from '../../base/index.ts';
import { type LoggedRequest, parseDriveLog } from '../../disk/drive/drive-log.ts';
import { fitDrive } from '../../disk/drive/fit-drive.ts';
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

/** A drive that was fitted to a log, and a remark with the demerit before and after. */
export interface OfLog {
  readonly disk: DiskSection;
  readonly remark: string;
}

/** @throws InputError for a log of a larger drive, or one that no time can be fitted to */
export function fitToLog(name: string, log: readonly LoggedRequest[], disk: DiskSection): OfLog {
  const end = log.reduce((most, { sector, sectors }) => Math.max(most, sector + sectors), 0) * SECTOR_SIZE;
  if (disk.kind === 'disk' && end > disk.constants.capacityBytes.value)
    throw new InputError(
      `${name}: a request ends at byte ${end}, beyond the drive of ${disk.constants.capacityBytes.value}`,
    );
  if (log.every(({ responseNs }) => responseNs === 0)) throw new InputError(`${name}: no request took any time`);
  const mean = log.reduce((sum, { responseNs }) => sum + responseNs, 0) / log.length;
  const { disk: fitted, demerit, startDemerit, changed } = fitDrive(log, disk);
  const percent = (share: number): string => (100 * share).toFixed(1);
  return {
    disk: fitted,
    remark:
      `${disk.model} fitted to ${name}: demerit ${percent(demerit)} % of the mean response, before the fit ${percent(startDemerit)} %; ` +
      `${counted(log.length, 'request')} of ${(mean / 1e6).toFixed(2)} ms; changed: ${changed.length === 0 ? 'nothing' : changed.join(', ')}`,
  };
}
