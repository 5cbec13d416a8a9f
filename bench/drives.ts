/**
 * How near the model of a drive is to two measured drives: their logs are replayed, and the demerit
 * is printed. Then the constants are fitted to the first half of each log, and the demerit on the
 * second half is printed. All is counted in virtual time, so the rows are the same on every host.
 *
 * Between the two: the demerit with one table or one rule changed, and with what the log itself
 * says of the drive (drive-log-evidence.ts).
 */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { demerit, parseDriveLog, replayDriveLog } from '../src/disk/drive/drive-log.ts';
import { fitDrive } from '../src/disk/drive/fit-drive.ts';
import { BARRACUDA_4LP, CHEETAH_9LP, type DriveTables, type RotatingDiskSection } from '../src/machine/index.ts';
import { evidenceOf } from './drive-log-evidence.ts';
import type { Row } from './harness.ts';

/** Percent of the mean response. */
const TARGET = 10;
/** Percent of the mean response, on the half of the log that the fit has not seen. */
const FITTED_TARGET = 4.5;

/** Tables in place of those of a drive; undefined: the constants stand for it. */
type Change = { readonly [Part in keyof DriveTables]?: DriveTables[Part] | undefined };

const DRIVES = [
  { name: 'barracuda', disk: BARRACUDA_4LP, slowNs: 1_900_000 },
  { name: 'cheetah9LP', disk: CHEETAH_9LP, slowNs: 1_400_000 },
];

export function drives(): Row[] {
  return DRIVES.flatMap(({ name, disk, slowNs }) => {
    // Committed beside the sources: the process runs from the project's root.
    const path = `data/drives/${name}.trace.gz`;
    const log = parseDriveLog(gunzipSync(readFileSync(path)).toString(), path);
    const real = log.map(({ responseNs }) => responseNs);
    const percent = (drive: RotatingDiskSection): number => demerit(real, replayDriveLog(log, drive)) * 100;
    const half = log.length / 2;
    const fitted = replayDriveLog(log, fitDrive(log.slice(0, half), disk).disk);
    const unseen = demerit(real.slice(half), fitted.subarray(half)) * 100;

    const evidence = evidenceOf(log, disk, slowNs);
    const { buffer, zones, headSwitchNs } = disk.tables!;
    const rules = buffer!;
    const switched: Change = { headSwitchNs: evidence.headSwitchNs };
    const dropped: Change = { buffer: { ...rules, requested: 'drop' } };
    const skewed: Change = {
      zones: zones!.map((zone) => ({
        ...zone,
        trackSkew: evidence.trackSkew * zone.sectorsPerTrack,
        cylinderSkew: evidence.cylinderSkew * zone.sectorsPerTrack,
      })),
    };
    const { constants, kind, model } = disk;
    // The log says at most how long a switch takes. It is no longer than the skew that hides it.
    const hiddenNs = (evidence.trackSkew * 60e9) / constants.rpm.value;
    const both: Change = { ...skewed, headSwitchNs: Math.min(evidence.headSwitchNs, hiddenNs) };
    const changed: readonly (readonly [what: string, tables: Change])[] = [
      ['zones and skews by the constants', { zones: undefined }],
      ['seeks by the constants', { seeks: undefined }],
      ['overheads by the constants', { overheads: undefined }],
      ['head switch by the constants', { headSwitchNs: undefined }],
      ['the bus starts with the command', { buffer: { ...rules, busFollowsHead: false } }],
      ['a hit reads ahead', { buffer: { ...rules, hitsResume: true } }],
      ['what was requested stays', { buffer: { ...rules, requested: 'stay' } }],
      ['what was overwritten stays', { buffer: { ...rules, keepsOverwritten: true } }],
      ['what was requested is dropped at once', dropped],
      ['head switch as the log has it', switched],
      ['skews as the log has them', skewed],
      ['head switch and skews as the log has them', both],
      ['all three', { ...dropped, ...both }],
    ];
    const [{ sectorsPerTrack, trackSkew, cylinderSkew }] = zones as [NonNullable<typeof zones>[number]];
    return [
      bounded(`demerit of ${model}, ${log.length} requests`, percent(disk), TARGET),
      plain('  the constants of a data sheet alone', percent({ constants, kind, model }), '%'),
      ...changed.map(([what, tables]) =>
        plain(`  ${what}`, percent({ ...disk, tables: { ...disk.tables!, ...tables } as DriveTables }), '%'),
      ),
      plain('  head switch in the log', evidence.headSwitchNs / 1e6, 'ms', headSwitchNs! / 1e6),
      plain(
        `  speed in the log above the table's, ${evidence.pairs[0]} pairs`,
        (evidence.rpm / constants.rpm.value - 1) * 100,
        '%',
      ),
      plain(
        `  track skew in the log, ${evidence.pairs[1]} pairs`,
        evidence.trackSkew,
        'turns',
        trackSkew / sectorsPerTrack,
      ),
      plain(
        `  cylinder skew in the log, ${evidence.pairs[2]} pairs`,
        evidence.cylinderSkew,
        'turns',
        cylinderSkew / sectorsPerTrack,
      ),
      bounded('  fitted to the first half, on the second', unseen, FITTED_TARGET),
    ];
  });
}

function plain(what: string, figure: number, unit: string, table?: number): Row {
  return { what, figure, unit, ...(table !== undefined && { rival: { name: 'table', figure: table } }) };
}

function bounded(what: string, figure: number, most: number): Row {
  return { what, figure, unit: '%', target: `below ${most} %`, met: figure < most };
}
