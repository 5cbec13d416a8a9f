/**
 * How near the model of a drive is to two measured drives: their logs are replayed, and the demerit
 * is printed. It is counted in virtual time, so the row is the same on every host.
 */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { demerit, parseDriveLog, replayDriveLog } from '../src/disk/drive/drive-log.ts';
import { BARRACUDA_4LP, CHEETAH_9LP } from '../src/machine/index.ts';
import type { Row } from './harness.ts';

/** Percent of the mean response. */
const TARGET = 10;

export function drives(): Row[] {
  return [
    { name: 'barracuda', disk: BARRACUDA_4LP },
    { name: 'cheetah9LP', disk: CHEETAH_9LP },
  ].map(({ name, disk }) => {
    // Committed beside the sources: the process runs from the project's root.
    const path = `data/drives/${name}.trace.gz`;
    const log = parseDriveLog(gunzipSync(readFileSync(path)).toString(), path);
    const real = log.map(({ responseNs }) => responseNs);
    const figure = demerit(real, replayDriveLog(log, disk)) * 100;
    const target = `below ${TARGET} %`;
    return {
      what: `demerit of ${disk.model}, ${log.length} requests`,
      figure,
      unit: '%',
      target,
      met: figure < TARGET,
    };
  });
}
