/**
 * How long a seek takes, by its distance in cylinders.
 *
 * By a data sheet it is a + b√d + c·d, through track to track (d = 1), full stroke (d = all) and
 * average. The average is over all pairs of cylinders, where E[√d] = 8/15 √all and E[d] = all/3.
 * By a table it is a line between two rows.
 */

import { checkArgument } from '../../base/argument-error.ts';
import type { DriveTables } from '../../machine/drive-tables.ts';
import type { RotatingDiskConstant, Values } from '../../machine/profile.ts';

/** ns over a distance of 1 cylinder or more. */
export type SeekCurve = (distance: number) => number;

/** @throws ArgumentError for times that no curve of this form has */
export function dataSheetCurve(costs: Values<RotatingDiskConstant>, cylinders: number): SeekCurve {
  const most = cylinders - 1;
  checkArgument(most >= 3, 'capacityBytes', 'a disk has more than three cylinders');
  const first = costs.trackToTrackNs;
  const meanRoot = (8 / 15) * Math.sqrt(most) - 1;
  const fullRoot = Math.sqrt(most) - 1;
  const mean = costs.averageSeekNs - first;
  const full = costs.fullStrokeNs - first;
  const c = (full * meanRoot - mean * fullRoot) / ((most - 1) * meanRoot - (most / 3 - 1) * fullRoot);
  const b = (mean - c * (most / 3 - 1)) / meanRoot;
  const a = first - b - c;
  // The slope is least at one end: at d = 1 when c is positive, at the full stroke when it is
  // negative.
  const leastSlope = c + b / (2 * (c > 0 ? 1 : Math.sqrt(most)));
  checkArgument(leastSlope >= 0, 'averageSeekNs', 'the seek times make a curve that never falls');
  return (distance) => a + b * Math.sqrt(distance) + c * distance;
}

/** @param rows a distance of 1 first */
export function tableCurve(rows: NonNullable<DriveTables['seeks']>): SeekCurve {
  return (distance) => {
    let at = 1;
    while (at < rows.length - 1 && rows[at]![0] < distance) at++;
    const [[from, least], [to, most]] = [rows[at - 1]!, rows[at]!];
    return least + ((most - least) * (distance - from)) / (to - from);
  };
}
