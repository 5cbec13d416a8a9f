/**
 * How near the model of a drive is to two measured drives: their logs are replayed, and the demerit
 * is printed. Then the constants are fitted to the first half of each log, and the demerit on the
 * second half is printed. All is counted in virtual time, so the rows are the same on every host.
 */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { demerit, parseDriveLog, replayDriveLog } from '../src/disk/drive/drive-log.ts';
import { fitDrive } from '../src/disk/drive/fit-drive.ts';
import { BARRACUDA_4LP, CHEETAH_9LP } from '../src/machine/index.ts';
import type { Row } from './harness.ts';

/** Percent of the mean response. */
const TARGET = 10;
/** Percent of the mean response, on the half of the log that the fit has not seen. */
const FITTED_TARGET = 4.5;

export function drives(): Row[] {
  return [
    { name: 'barracuda', disk: BARRACUDA_4LP },
    { name: 'cheetah9LP', disk: CHEETAH_9LP },
  ].flatMap(({ name, disk }) => {
    // Committed beside the sources: the process runs from the project's root.
    const path = `data/drives/${name}.trace.gz`;
    const log = parseDriveLog(gunzipSync(readFileSync(path)).toString(), path);
    const real = log.map(({ responseNs }) => responseNs);
    const figure = demerit(real, replayDriveLog(log, disk)) * 100;
    const half = log.length / 2;
    const fitted = replayDriveLog(log, fitDrive(log.slice(0, half), disk).disk);
    const unseen = demerit(real.slice(half), fitted.subarray(half)) * 100;
    return [
      row(`demerit of ${disk.model}, ${log.length} requests`, figure, TARGET),
      row('  fitted to the first half, on the second', unseen, FITTED_TARGET),
    ];
  });
}

function row(what: string, figure: number, most: number): Row {
  return { what, figure, unit: '%', target: `below ${most} %`, met: figure < most };
}
