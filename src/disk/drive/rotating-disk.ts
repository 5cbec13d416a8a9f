/**
 * Service times of a disk with platters: where the arm is, where the platter is, and what the drive
 * has read ahead.
 *
 * Geometry. Sector 0 lies on the outermost track; an image smaller than the drive occupies its
 * outer edge. Tracks fill a cylinder head by head, cylinders go inwards, and a cylinder belongs to
 * one of `zones` zones of equal width. The data sheet gives the sustained rate of the outermost and
 * the innermost zone; the sectors per track follow from it:
 *
 *   sectors per track = rate × time of one cylinder / (heads × 512),
 *   time of one cylinder = heads × revolution + (heads − 1) × head skew + cylinder skew
 *
 * Angle. A platter's angle is a function of time alone: a sector passes under the head at every
 * instant that equals its offset modulo one revolution. Each track begins later than the one before
 * it by the skew, which is the time of the switch and a little more. So a sequential read goes on
 * after a switch without losing a revolution.
 *
 * Seek. a + b√d + c·d over d cylinders, through the data sheet's track-to-track time (d = 1), full
 * stroke (d = all) and average. The average is over all pairs of cylinders, where E[√d] = 8/15 √all
 * and E[d] = all/3.
 *
 * Read-ahead. After a read the drive goes on reading into a segment of its buffer, across track
 * ends. It stops when it is `readAheadBytes` ahead of the host, or for the next command. What a
 * segment holds is answered at bus speed; a read just ahead of the head waits for the head instead
 * of seeking. Nothing runs in the background: how far the read-ahead came is computed when the next
 * command arrives. The least recently used segment is replaced first.
 *
 * Invariants:
 * 1. The head is on track #track.
 * 2. #active is the segment being filled, or −1.
 * 3. The end of the active segment passed under the head at #headTime.
 *
 * Modelled after Ruemmler and Wilkes, "An introduction to disk drive modeling" (1994). Differs in
 * having no zero-latency read (the rest of the track before the request), no spare sectors and no
 * write settle time. The bus transfer overlaps the reading completely.
 */

import { checkArgument } from '../../base/argument-error.ts';
import { assert } from '../../base/assert.ts';
import { Ns, SECTOR_SIZE } from '../../base/units.ts';
import type { RotatingDiskConstant, Values } from '../../machine/profile.ts';
import type { BlockOp } from './block-device.ts';
import type { ServiceTimeModel } from './service-time.ts';

/**
 * Skew beyond the time of the switch, so that a switch never ends after the first sector has
 * passed.
 */
const SKEW_MARGIN_NS = 20_000;
/**
 * A head this late still reads the sector: the gap before it. Absorbs rounding to whole
 * nanoseconds.
 */
const LATE_NS = 1_000;

export class RotatingDisk implements ServiceTimeModel {
  readonly channels = 1;

  readonly #revolutionNs: number;
  readonly #heads: number;
  readonly #headSwitchNs: number;
  readonly #headSkewNs: number;
  readonly #cylinderSkewNs: number;
  readonly #readHitNs: number;
  readonly #readMissNs: number;
  readonly #writeNs: number;
  readonly #busNsPerSector: number;
  readonly #readAheadSectors: number;

  /** Zones, outermost first. */
  readonly #sectorsPerTrack: number[] = [];
  readonly #cylindersPerZone: number;
  readonly #sectorCount: number;

  readonly #seekA: number;
  readonly #seekB: number;
  readonly #seekC: number;

  #track = 0;
  #headTime = 0;

  readonly #segmentStart: Float64Array;
  readonly #segmentEnd: Float64Array;
  readonly #segmentUse: Float64Array;
  #active = -1;
  /** The active segment is read up to here. */
  #limit = 0;
  #uses = 0;

  /** The result of #locate: track, its sectors, and the place of the sector on it. */
  #atTrack = 0;
  #atLength = 0;
  #atIndex = 0;

  constructor(costs: Values<RotatingDiskConstant>) {
    this.#revolutionNs = 60e9 / costs.rpm;
    this.#heads = costs.heads;
    this.#headSwitchNs = costs.headSwitchNs;
    this.#headSkewNs = costs.headSwitchNs + SKEW_MARGIN_NS;
    this.#cylinderSkewNs = Math.max(costs.headSwitchNs, costs.trackToTrackNs) + SKEW_MARGIN_NS;
    this.#readHitNs = costs.readHitNs;
    this.#readMissNs = costs.readMissNs;
    this.#writeNs = costs.writeNs;
    this.#busNsPerSector = (SECTOR_SIZE * 1000) / costs.busMBps;
    this.#readAheadSectors = Math.floor(costs.readAheadBytes / SECTOR_SIZE);

    const cylinderNs = this.#heads * this.#revolutionNs + (this.#heads - 1) * this.#headSkewNs + this.#cylinderSkewNs;
    let sectorsOfOneEach = 0;
    for (let zone = 0; zone < costs.zones; zone++) {
      const inwards = costs.zones === 1 ? 0 : zone / (costs.zones - 1);
      const bytesPerNs = (costs.outerMBps + (costs.innerMBps - costs.outerMBps) * inwards) / 1000;
      const length = Math.round((bytesPerNs * cylinderNs) / (this.#heads * SECTOR_SIZE));
      checkArgument(length >= 1, 'outerMBps', 'a track holds at least one sector');
      this.#sectorsPerTrack.push(length);
      sectorsOfOneEach += length * this.#heads;
    }
    this.#cylindersPerZone = Math.ceil(costs.capacityBytes / SECTOR_SIZE / sectorsOfOneEach);
    this.#sectorCount = this.#cylindersPerZone * sectorsOfOneEach;

    const most = this.#cylindersPerZone * costs.zones - 1;
    checkArgument(most >= 3, 'capacityBytes', 'a disk has more than three cylinders');
    const first = costs.trackToTrackNs;
    const meanRoot = (8 / 15) * Math.sqrt(most) - 1;
    const fullRoot = Math.sqrt(most) - 1;
    const mean = costs.averageSeekNs - first;
    const full = costs.fullStrokeNs - first;
    this.#seekC = (full * meanRoot - mean * fullRoot) / ((most - 1) * meanRoot - (most / 3 - 1) * fullRoot);
    this.#seekB = (mean - this.#seekC * (most / 3 - 1)) / meanRoot;
    this.#seekA = first - this.#seekB - this.#seekC;
    // The slope is least at one end: at d = 1 when c is positive, at the full stroke when it is
    // negative.
    const leastSlope = this.#seekC + this.#seekB / (2 * (this.#seekC > 0 ? 1 : Math.sqrt(most)));
    checkArgument(leastSlope >= 0, 'averageSeekNs', 'the seek times make a curve that never falls');

    this.#segmentStart = new Float64Array(costs.readSegments).fill(-1);
    this.#segmentEnd = new Float64Array(costs.readSegments).fill(-1);
    this.#segmentUse = new Float64Array(costs.readSegments);
  }

  read(sector: number, sectors: number, now: Ns): Ns {
    const end = sector + sectors;
    this.#readAhead(now + this.#readHitNs);
    const held = this.#segmentOf(sector);
    const isHit = held >= 0 && end <= this.#segmentEnd[held]!;
    const start = now + (isHit ? this.#readHitNs : this.#readMissNs);
    if (!isHit) this.#readAhead(start);
    const segment = held >= 0 ? held : this.#oldestSegment();
    this.#segmentUse[segment] = ++this.#uses;
    if (held < 0) {
      this.#active = -1;
      this.#segmentStart[segment] = sector;
      this.#segmentEnd[segment] = sector;
    }

    let arrived = start;
    if (end > this.#segmentEnd[segment]!) {
      if (segment !== this.#active || this.#isFull()) this.#headTime = start;
      this.#active = segment;
      this.#headTime = this.#pass(this.#segmentEnd[segment]!, end, this.#headTime);
      this.#segmentEnd[segment] = end;
      this.#limit = this.#limitAfter(end);
      arrived = this.#headTime;
    } else if (segment === this.#active) {
      if (this.#isFull()) this.#headTime = start;
      this.#limit = Math.max(this.#limit, this.#limitAfter(end));
    }
    this.#segmentStart[segment] = Math.max(
      this.#segmentStart[segment]!,
      this.#segmentEnd[segment]! - this.#readAheadSectors,
    );
    return Ns(Math.ceil(Math.max(arrived, start + sectors * this.#busNsPerSector) - now));
  }

  write(sector: number, sectors: number, now: Ns): Ns {
    this.#readAhead(now);
    this.#active = -1;
    return Ns(Math.ceil(this.#pass(sector, sector + sectors, now) - now));
  }

  transfer(op: BlockOp, sectors: number, _now: Ns): Ns {
    return Ns(Math.ceil((op === 'read' ? this.#readHitNs : this.#writeNs) + sectors * this.#busNsPerSector));
  }

  /** How far the host lets the drive read ahead, once it has asked for everything before `end`. */
  #limitAfter(end: number): number {
    return Math.min(end + this.#readAheadSectors, this.#sectorCount);
  }

  /** Whether the read-ahead has stopped because it is far enough ahead. */
  #isFull(): boolean {
    return this.#segmentEnd[this.#active]! >= this.#limit;
  }

  /**
   * The segment that holds `sector`, or will hold it soon because the head is about to pass it; -1
   * for none.
   */
  #segmentOf(sector: number): number {
    for (let segment = 0; segment < this.#segmentEnd.length; segment++) {
      const reach = segment === this.#active ? this.#sectorsPerTrack[0]! / 2 : 0;
      if (this.#segmentStart[segment]! <= sector && sector <= this.#segmentEnd[segment]! + reach) return segment;
    }
    return -1;
  }

  #oldestSegment(): number {
    let oldest = 0;
    for (let segment = 1; segment < this.#segmentUse.length; segment++)
      if (this.#segmentUse[segment]! < this.#segmentUse[oldest]!) oldest = segment;
    return oldest;
  }

  /** Advances the read-ahead to `until`, in whole sectors. */
  #readAhead(until: number): void {
    const active = this.#active;
    if (active < 0) return;
    while (!this.#isFull()) {
      const sector = this.#segmentEnd[active]!;
      this.#locate(sector);
      const sectorNs = this.#revolutionNs / this.#atLength;
      const begin = this.#arrival(this.#headTime);
      const toTrackEnd = this.#atLength - this.#atIndex;
      const inTime = Math.floor((until - begin) / sectorNs);
      const count = Math.min(this.#limit - sector, toTrackEnd, inTime);
      if (count <= 0) return;
      this.#track = this.#atTrack;
      this.#segmentEnd[active] = sector + count;
      this.#headTime = begin + count * sectorNs;
    }
  }

  /**
   * Passes the head over the sectors [from, to), seek and switches included; returns when the last
   * one has passed.
   */
  #pass(from: number, to: number, start: number): number {
    let time = start;
    for (let sector = from; sector < to; ) {
      this.#locate(sector);
      const count = Math.min(to - sector, this.#atLength - this.#atIndex);
      time = this.#arrival(time) + (count * this.#revolutionNs) / this.#atLength;
      this.#track = this.#atTrack;
      sector += count;
    }
    return time;
  }

  /**
   * When the located sector begins to pass under the head, if the head leaves its track at `time`.
   */
  #arrival(time: number): number {
    const there = time + this.#moveNs(this.#atTrack);
    const cylinder = Math.floor(this.#atTrack / this.#heads);
    const skew = (this.#atTrack - cylinder) * this.#headSkewNs + cylinder * this.#cylinderSkewNs;
    const revolution = this.#revolutionNs;
    const early = skew + (this.#atIndex * revolution) / this.#atLength - there;
    const wait = early - Math.floor(early / revolution) * revolution;
    return wait > revolution - LATE_NS ? there : there + wait;
  }

  /** ns from the head's track to `track`. */
  #moveNs(track: number): number {
    if (track === this.#track) return 0;
    const distance = Math.abs(Math.floor(track / this.#heads) - Math.floor(this.#track / this.#heads));
    if (distance === 0) return this.#headSwitchNs;
    const seekNs = this.#seekA + this.#seekB * Math.sqrt(distance) + this.#seekC * distance;
    return Math.max(seekNs, this.#headSwitchNs);
  }

  #locate(sector: number): void {
    let rest = sector;
    let zone = 0;
    let length = this.#sectorsPerTrack[0]!;
    const tracksPerZone = this.#cylindersPerZone * this.#heads;
    while (rest >= tracksPerZone * length) {
      rest -= tracksPerZone * length;
      zone++;
      assert(zone < this.#sectorsPerTrack.length, 'sector beyond the end of the disk');
      length = this.#sectorsPerTrack[zone]!;
    }
    const track = Math.floor(rest / length);
    this.#atTrack = zone * tracksPerZone + track;
    this.#atLength = length;
    this.#atIndex = rest - track * length;
  }
}
