import { expect, it } from 'vitest';
import { dataSheetCurve, tableCurve } from '../../../src/disk/drive/seek-curve.ts';
import { values } from '../../../src/machine/profile.ts';
import { CHEETAH_9LP } from '../../../src/machine/profiles/drives-1998.ts';

it('a table of seeks gives its rows, a line between two of them, and the last line beyond the end', () => {
  const seekNs = tableCurve([
    [1, 1000],
    [3, 1400],
    [10, 2100],
  ]);
  expect([1, 2, 3, 4, 10, 12].map(seekNs)).toEqual([1000, 1200, 1400, 1500, 2100, 2300]);
});

it('a curve of a data sheet goes through its three figures', () => {
  const costs = values(CHEETAH_9LP.constants);
  const cylinders = 1000;
  const seekNs = dataSheetCurve(costs, cylinders);
  expect(seekNs(1)).toBeCloseTo(costs.trackToTrackNs, 3);
  expect(seekNs(cylinders - 1)).toBeCloseTo(costs.fullStrokeNs, 3);
  let [sum, pairs] = [0, 0];
  for (let distance = 1; distance < cylinders; distance++) {
    sum += (cylinders - distance) * seekNs(distance);
    pairs += cylinders - distance;
  }
  expect(Math.abs(sum / pairs / costs.averageSeekNs - 1)).toBeLessThan(0.01);
});
