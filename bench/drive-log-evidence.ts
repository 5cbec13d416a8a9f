/**
 * What the log of a drive says of its mechanism, whatever a model of it says.
 *
 * - **Head switch**: the least time that a read from the medium took beyond overhead and transfer.
 *   The arm stayed on the cylinder, and the head changed. It is an upper bound, and near the
 *   switch itself where many such reads are in the log.
 * - **Speed**: the platter turns at one speed. So the time between the ends of two reads, modulo a
 *   revolution, is the angle between their last sectors. Two reads on one track tell the speed.
 * - **Skew**: of two reads on neighbouring tracks, the angle less their places on the tracks.
 */

import { SECTOR_SIZE } from '../src/base/units.ts';
import type { LoggedRequest } from '../src/disk/drive/drive-log.ts';

import { Geometry } from '../src/disk/drive/geometry.ts';
import type { RotatingDiskSection } from '../src/machine/index.ts';
import { median } from './harness.ts';

/** What was found. */
export interface Evidence {
  readonly headSwitchNs: number;
  readonly rpm: number;
  /** Of neighbouring tracks of a cylinder, and of two cylinders, as a share of a revolution. */
  readonly trackSkew: number;
  readonly cylinderSkew: number;
  /** Pairs of reads that the speed, the skew of tracks and that of cylinders come from. */
  readonly pairs: readonly [number, number, number];
}

interface Place {
  /** When the read was over. */
  readonly endNs: number;
  readonly track: number;
  readonly length: number;
  readonly index: number;
}

/** Two reads from the medium, one after the other, on the same or on neighbouring tracks. */
interface Pair {
  /** From the end of one to the end of the other. */
  readonly elapsedNs: number;
  /** Tracks from the first to the second: −1, 0 or 1. */
  readonly step: number;
  readonly isSameCylinder: boolean;
  /** Places on their tracks, from the first to the second, as a share of a revolution. */
  readonly places: number;
}

/** Sectors of most requests: those of one length can be compared. */
const SECTORS = 4;

/** @param slowNs a read that took longer went to the medium */
export function evidenceOf(log: readonly LoggedRequest[], disk: RotatingDiskSection, slowNs: number): Evidence {
  const { rpm, heads, readAheadBytes, busMBps } = disk.constants;
  const { zones, overheads } = disk.tables!;
  const geometry = Geometry.ofTable(zones!, heads.value, rpm.value);
  const place = (sector: number): Omit<Place, 'endNs'> => {
    geometry.locate(Math.min(sector, geometry.sectorCount - 1));
    return { track: geometry.track, length: geometry.length, index: geometry.index };
  };
  const isOneCylinder = (a: number, b: number): boolean => Math.floor(a / heads.value) === Math.floor(b / heads.value);
  const pairs: Pair[] = [];
  let [endNs, headSwitchNs] = [0, Infinity];
  let previous: Place | undefined;
  log.forEach(({ op, sector, sectors, responseNs, gapNs }, at) => {
    endNs += gapNs + responseNs;
    if (op === 'write') previous = undefined;
    if (op === 'write' || responseNs < slowNs || sectors !== SECTORS) return;
    const here: Place = { endNs, ...place(sector + sectors - 1) };
    const before = log[at - 1];
    if (before?.op === 'read') {
      // The read-ahead after the read before has filled a segment.
      const arm = place(before.sector + before.sectors + readAheadBytes.value / SECTOR_SIZE).track;
      const transferNs = (sectors * 60e9) / rpm.value / here.length + (SECTOR_SIZE * 1000) / busMBps.value;
      if (arm !== here.track && isOneCylinder(arm, here.track))
        headSwitchNs = Math.min(headSwitchNs, responseNs - transferNs - overheads!.readMiss.afterRead);
    }
    if (previous !== undefined && Math.abs(here.track - previous.track) <= 1 && here.length === previous.length)
      pairs.push({
        elapsedNs: endNs - previous.endNs,
        step: here.track - previous.track,
        isSameCylinder: isOneCylinder(here.track, previous.track),
        places: (here.index - previous.index) / here.length,
      });
    previous = here;
  });
  const still = pairs.filter(({ step }) => step === 0);
  const drift = median(
    still.map(({ elapsedNs, places }) => {
      const turns = (elapsedNs * rpm.value) / 60e9;
      return (turns - places - Math.round(turns - places)) / turns;
    }),
  );
  const speed = rpm.value * (1 - drift);
  const skews = (isSame: boolean): number[] =>
    pairs
      .filter(({ step, isSameCylinder }) => step !== 0 && isSameCylinder === isSame)
      .map(({ elapsedNs, step, places }) => {
        const skew = step * ((elapsedNs * speed) / 60e9 - places);
        return skew - Math.floor(skew);
      });
  const [tracks, cylinders] = [skews(true), skews(false)];
  return {
    headSwitchNs,
    rpm: speed,
    trackSkew: median(tracks),
    cylinderSkew: median(cylinders),
    pairs: [still.length, tracks.length, cylinders.length],
  };
}
