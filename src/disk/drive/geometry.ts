/**
 * Where the sectors of a disk with platters lie.
 *
 * Sector 0 lies on the outermost track. Tracks fill a cylinder head by head, and cylinders go
 * inwards. A zone is a run of cylinders with one number of sectors per track. Each track begins
 * later than the one before it by a skew.
 *
 * A data sheet gives the sustained rate of the outermost and the innermost zone. An image smaller
 * than the drive occupies its outer edge. The sectors per track follow from the rate:
 *
 *   sectors per track = rate × time of one cylinder / (heads × 512),
 *   time of one cylinder = heads × revolution + (heads − 1) × head skew + cylinder skew
 *
 * A table gives each zone as it is. A zone may be cut into ranges of cylinders, each with spare
 * sectors at its end. Where the first track of a zone begins is not in it: after the index. Defect
 * sectors that the drive skips are left out.
 */

import { checkArgument } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { SECTOR_SIZE } from '../../base/units.ts';
import type { ZoneRow } from '../../machine/drive-tables.ts';
import type { RotatingDiskConstant, Values } from '../../machine/profile.ts';

/**
 * Skew beyond the time of the switch, so that a switch never ends after the first sector has
 * passed.
 */
const SKEW_MARGIN_NS = 20_000;

interface Zone {
  readonly firstSector: number;
  /** Sectors with data. */
  readonly sectors: number;
  readonly firstCylinder: number;
  readonly sectorsPerTrack: number;
  /** When its first track begins, ns after the index. */
  readonly beginsNs: number;
  readonly trackSkewNs: number;
  readonly cylinderSkewNs: number;
  readonly rangeTracks: number;
  /** Sectors with data in a range. */
  readonly rangeSectors: number;
}

export class Geometry {
  readonly sectorCount: number;
  /** One more than the number of the innermost cylinder. */
  readonly cylinders: number;
  /** Sectors per track of the outermost zone: the most. */
  readonly longestTrack: number;
  readonly #zones: readonly Zone[];
  readonly #heads: number;

  /** The result of `locate`: the track, counted over all cylinders, its sectors and its begin. */
  track = 0;
  length = 0;
  /** The place of the sector on its track. */
  index = 0;
  /** When the track begins to pass under the head, ns after the index. */
  skewNs = 0;

  private constructor(zones: readonly Zone[], heads: number, cylinders: number) {
    const last = zones.at(-1)!;
    this.#zones = zones;
    this.#heads = heads;
    this.cylinders = cylinders;
    this.sectorCount = last.firstSector + last.sectors;
    this.longestTrack = zones[0]!.sectorsPerTrack;
  }

  /** Zones of equal width between the rates of a data sheet. */
  static ofDataSheet(costs: Values<RotatingDiskConstant>): Geometry {
    const { heads, zones: count } = costs;
    const revolutionNs = 60e9 / costs.rpm;
    const trackSkewNs = costs.headSwitchNs + SKEW_MARGIN_NS;
    const cylinderSkewNs = Math.max(costs.headSwitchNs, costs.trackToTrackNs) + SKEW_MARGIN_NS;
    const cylinderNs = heads * revolutionNs + (heads - 1) * trackSkewNs + cylinderSkewNs;
    const lengths = Array.from({ length: count }, (_, zone) => {
      const inwards = count === 1 ? 0 : zone / (count - 1);
      const bytesPerNs = (costs.outerMBps + (costs.innerMBps - costs.outerMBps) * inwards) / 1000;
      const length = Math.round((bytesPerNs * cylinderNs) / (heads * SECTOR_SIZE));
      checkArgument(length >= 1, 'outerMBps', 'a track holds at least one sector');
      return length;
    });
    const sectorsOfOneEach = lengths.reduce((sum, length) => sum + length * heads, 0);
    const width = Math.ceil(costs.capacityBytes / SECTOR_SIZE / sectorsOfOneEach);
    let firstSector = 0;
    const zones = lengths.map((sectorsPerTrack, zone) => {
      const sectors = width * heads * sectorsPerTrack;
      const firstCylinder = zone * width;
      const beginsNs = firstCylinder * ((heads - 1) * trackSkewNs + cylinderSkewNs);
      firstSector += sectors;
      return {
        ...{ firstSector: firstSector - sectors, sectors, firstCylinder, sectorsPerTrack, beginsNs },
        ...{ trackSkewNs, cylinderSkewNs, rangeTracks: width * heads, rangeSectors: sectors },
      };
    });
    return new Geometry(zones, heads, width * count);
  }

  /** The zones of a table. */
  static ofTable(rows: readonly ZoneRow[], heads: number, rpm: number): Geometry {
    let firstSector = 0;
    const zones = rows.map((row) => {
      const { cylinders, sectorsPerTrack, trackSkew, cylinderSkew, spares } = row;
      const [first, last] = cylinders;
      const width = last - first + 1;
      const sectorNs = 60e9 / rpm / sectorsPerTrack;
      const rangeCylinders = row.rangeCylinders ?? width;
      const rangeSectors = rangeCylinders * heads * sectorsPerTrack - spares;
      const sectors = width * heads * sectorsPerTrack - Math.ceil(width / rangeCylinders) * spares;
      firstSector += sectors;
      return {
        ...{ firstSector: firstSector - sectors, sectors, firstCylinder: first, sectorsPerTrack, beginsNs: 0 },
        ...{ trackSkewNs: trackSkew * sectorNs, cylinderSkewNs: cylinderSkew * sectorNs },
        ...{ rangeTracks: rangeCylinders * heads, rangeSectors },
      };
    });
    return new Geometry(zones, heads, rows.at(-1)!.cylinders[1] + 1);
  }

  locate(sector: number): void {
    let at = 0;
    let zone = this.#zones[0]!;
    while (sector >= zone.firstSector + zone.sectors) {
      at++;
      assert(at < this.#zones.length, 'sector beyond the end of the disk');
      zone = this.#zones[at]!;
    }
    const { sectorsPerTrack, rangeSectors, rangeTracks } = zone;
    const inZone = sector - zone.firstSector;
    const range = Math.floor(inZone / rangeSectors);
    const rest = inZone - range * rangeSectors;
    const inRange = Math.floor(rest / sectorsPerTrack);
    const track = range * rangeTracks + inRange;
    const cylinder = Math.floor(track / this.#heads);
    this.track = zone.firstCylinder * this.#heads + track;
    this.length = sectorsPerTrack;
    this.index = rest - inRange * sectorsPerTrack;
    this.skewNs = zone.beginsNs + (track - cylinder) * zone.trackSkewNs + cylinder * zone.cylinderSkewNs;
  }
}
