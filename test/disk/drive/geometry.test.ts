import { describe, expect, it } from 'vitest';
import { Geometry } from '../../../src/disk/drive/geometry.ts';
import { tableCurve } from '../../../src/disk/drive/seek-curve.ts';
import { values } from '../../../src/machine/profile.ts';
import { BARRACUDA_4LP, CHEETAH_9LP } from '../../../src/machine/profiles/drives-1998.ts';

const HEADS = 2;
const RPM = 6000;
const REVOLUTION_NS = 10e6;

/** Two zones of 4 and 2 cylinders, the first in ranges of 2 cylinders with 3 spare sectors each. */
const small = Geometry.ofTable(
  [
    { cylinders: [0, 3], sectorsPerTrack: 10, trackSkew: 2, cylinderSkew: 3, spares: 3, rangeCylinders: 2 },
    { cylinders: [5, 6], sectorsPerTrack: 5, trackSkew: 1, cylinderSkew: 2, spares: 4 },
  ],
  HEADS,
  RPM,
);

const placeOf = (geometry: Geometry, sector: number) => {
  geometry.locate(sector);
  const { track, length, index, skewNs } = geometry;
  return { track, length, index, skewNs };
};

describe('a table of zones', () => {
  it('a table of zones has the sectors of its tracks, less the spares of each range', () => {
    expect(small.sectorCount).toBe(4 * 20 - 2 * 3 + 2 * 10 - 4);
    expect(small.cylinders).toBe(7);
    expect(small.longestTrack).toBe(10);
  });

  it('a table of zones puts each sector on its own place, in order, and none on a spare', () => {
    const places: number[] = [];
    for (let sector = 0; sector < small.sectorCount; sector++) {
      const { track, length, index } = placeOf(small, sector);
      expect(index).toBeLessThan(length);
      places.push(track * 100 + index);
    }
    expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
    // Of the first range the last three places are spare.
    expect(places.slice(36, 39)).toEqual([306, 400, 401]);
    // The second zone begins at cylinder 5, and its last four places are spare.
    expect(places[74]).toBe(1000);
    expect(places.at(-1)).toBe(1300);
  });

  it('a table of zones begins each track later by the skew of its zone, in parts of a revolution', () => {
    const sectorNs = REVOLUTION_NS / 10;
    expect(placeOf(small, 0).skewNs).toBe(0);
    expect(placeOf(small, 10)).toEqual({ track: 1, length: 10, index: 0, skewNs: 2 * sectorNs });
    expect(placeOf(small, 20)).toEqual({ track: 2, length: 10, index: 0, skewNs: 5 * sectorNs });
    expect(placeOf(small, 37)).toEqual({ track: 4, length: 10, index: 0, skewNs: 10 * sectorNs });
    expect(placeOf(small, 74 + 5)).toEqual({ track: 11, length: 5, index: 0, skewNs: REVOLUTION_NS / 5 });
  });

  it('a table of zones has no sector behind its end', () => {
    expect(() => small.locate(small.sectorCount)).toThrow('beyond the end');
  });
});

describe.each([
  { disk: BARRACUDA_4LP, published: 4_110_000, cylinders: 5172 },
  { disk: CHEETAH_9LP, published: 17_783_240, cylinders: 6962 },
])('the tables of $disk.model', ({ disk, published, cylinders }) => {
  const { zones = [], seeks = [] } = disk.tables!;
  const geometry = Geometry.ofTable(zones, disk.constants.heads.value, disk.constants.rpm.value);

  it('the tables hold the published sectors and cylinders', () => {
    expect(geometry.cylinders).toBe(cylinders);
    expect(geometry.sectorCount).toBeGreaterThanOrEqual(published);
    expect(geometry.sectorCount).toBeLessThan(1.03 * published);
    expect(zones).toHaveLength(disk.constants.zones.value);
  });

  it('the tables have zones that follow each other, and become shorter inwards', () => {
    for (const [at, { cylinders: here, sectorsPerTrack }] of zones.entries()) {
      expect(here[0]).toBeLessThan(here[1]);
      const next = zones[at + 1];
      if (next === undefined) continue;
      expect(next.cylinders[0] - here[1]).toBeGreaterThanOrEqual(1);
      expect(next.cylinders[0] - here[1]).toBeLessThanOrEqual(2);
      expect(next.sectorsPerTrack).toBeLessThan(sectorsPerTrack);
    }
  });

  it('the tables have seeks of the constants at both ends, over ascending distances', () => {
    const { trackToTrackNs, fullStrokeNs } = values(disk.constants);
    expect(seeks[0]).toEqual([1, trackToTrackNs]);
    expect(seeks.at(-1)![1]).toBe(fullStrokeNs);
    const distances = seeks.map(([distance]) => distance);
    expect(distances).toEqual([...new Set(distances)].sort((a, b) => a - b));
  });

  it('the tables have a mean seek over all pairs of cylinders that is the constant', () => {
    const { averageSeekNs } = values(disk.constants);
    const seekNs = tableCurve(seeks);
    let [sum, pairs] = [0, 0];
    for (let distance = 1; distance < cylinders; distance++) {
      sum += (cylinders - distance) * seekNs(distance);
      pairs += cylinders - distance;
    }
    expect(Math.abs(sum / pairs / averageSeekNs - 1)).toBeLessThan(0.01);
  });
});
