/**
 * Two SCSI drives of 1997 and 1998 whose response times were measured request by request (DiskSim
 * 4.0), to hold the model of a drive against. No constant was fitted to the measured times, and
 * none was assumed.
 *
 * Zones, skews, seeks and overheads are those that DiskSim's authors extracted from the drives and
 * published as parameters: drive-tables-1998.ts has them as they are. The constants here describe
 * the same drives as a data sheet would. They stand for a table that is left out.
 */

import type { ConstantSource, FirmConstant, RotatingDiskSection } from '../profile.ts';
import { BARRACUDA_4LP_TABLES, CHEETAH_9LP_TABLES } from './drive-tables-1998.ts';

const constant = (
  value: number,
  unit: string,
  provenance: Exclude<ConstantSource, 'assumed'>,
  note: string,
): FirmConstant => ({ value, unit, provenance, fitted: false, note });
const measured = (value: number, unit: string, note: string): FirmConstant => constant(value, unit, 'measured', note);
const derived = (value: number, unit: string, note: string): FirmConstant => constant(value, unit, 'derived', note);

const DESTAGE = 'whether a drive waits is not published; the logs say that these do not';

/** Seagate Barracuda 4LP: 7200 rpm. */
export const BARRACUDA_4LP: RotatingDiskSection = {
  kind: 'disk',
  model: 'Seagate Barracuda 4LP ST32171W (1997)',
  constants: {
    capacityBytes: derived(2_104_320_000, 'B', '4,110,000 sectors'),
    rpm: constant(7200, '1/min', 'data sheet', '7,200 rpm'),
    heads: constant(5, '', 'data sheet', '5 data surfaces'),
    zones: measured(11, '', '11 zones'),
    outerMBps: derived(9.474, 'MB/s', '186 sectors a track, with the switches'),
    innerMBps: derived(6.061, 'MB/s', '119 sectors a track, with the switches'),
    trackToTrackNs: measured(1_943_000, 'ns', 'seek curve at a distance of 1'),
    averageSeekNs: derived(9_326_000, 'ns', 'mean of the measured seek curve over all pairs of cylinders'),
    fullStrokeNs: measured(16_679_000, 'ns', 'seek curve at its end'),
    headSwitchNs: derived(1_638_000, 'ns', 'track skew of 37 of 186 sectors, less the margin of the model'),
    readHitNs: measured(82_000, 'ns', 'read hit after a read'),
    readMissNs: measured(613_070, 'ns', 'read miss after a read'),
    writeNs: measured(1_010_000, 'ns', 'write hit after a read'),
    busMBps: derived(3.821, 'MB/s', '0.134 ms a sector'),
    readAheadBytes: measured(143_872, 'B', 'segments of 281 sectors'),
    readSegments: measured(3, '', '3 segments'),
    writeCacheBytes: measured(143_872, 'B', 'one of the segments may hold writes'),
    destageDelayNs: measured(0, 'ns', DESTAGE),
  },
  tables: BARRACUDA_4LP_TABLES,
};

/** Seagate Cheetah 9LP: 10,000 rpm. */
export const CHEETAH_9LP: RotatingDiskSection = {
  kind: 'disk',
  model: 'Seagate Cheetah 9LP ST39102LW (1998)',
  constants: {
    capacityBytes: derived(9_105_018_880, 'B', '17,783,240 sectors'),
    rpm: measured(10_045, '1/min', '10,045 rpm; the data sheet says 10,025'),
    heads: constant(12, '', 'data sheet', '12 data surfaces'),
    zones: measured(11, '', '11 zones'),
    outerMBps: derived(15.723, 'MB/s', '254 sectors a track, with the switches'),
    innerMBps: derived(10.338, 'MB/s', '167 sectors a track, with the switches'),
    trackToTrackNs: measured(831_000, 'ns', 'seek curve at a distance of 1'),
    averageSeekNs: derived(5_468_000, 'ns', 'mean of the measured seek curve over all pairs of cylinders'),
    fullStrokeNs: measured(10_627_000, 'ns', 'seek curve at its end'),
    headSwitchNs: derived(2_266_000, 'ns', 'track skew of 97 of 254 sectors, less the margin of the model'),
    readHitNs: measured(66_000, 'ns', 'read hit after a read'),
    readMissNs: measured(283_620, 'ns', 'read miss after a read'),
    writeNs: measured(748_000, 'ns', 'write hit after a read'),
    busMBps: derived(4.876, 'MB/s', '0.105 ms a sector'),
    readAheadBytes: measured(287_232, 'B', 'segments of 561 sectors'),
    readSegments: measured(3, '', '3 segments'),
    writeCacheBytes: measured(861_696, 'B', 'all three segments may hold writes'),
    destageDelayNs: measured(0, 'ns', DESTAGE),
  },
  tables: CHEETAH_9LP_TABLES,
};
