/**
 * Service times of a disk with platters: where the arm is, where the platter is, and what the drive
 * has read ahead.
 *
 * Angle. A platter's angle is a function of time alone. A sector passes under the head at every
 * instant that equals its offset modulo one revolution (geometry.ts). By a data sheet the skew of a
 * track is the time of the switch and a little more. So a sequential read goes on after a switch
 * without losing a revolution.
 *
 * Read-ahead. After a read the drive goes on reading into a segment of its buffer, across track
 * ends. It stops when it is `readAheadBytes` ahead of the host, or for the next command. What a
 * segment holds is answered at bus speed; a read just ahead of the head waits for the head instead
 * of seeking. Nothing runs in the background: how far the read-ahead came is computed when the next
 * command arrives. The least recently used segment is replaced first.
 *
 * Tables. What was measured at a drive replaces what follows from a data sheet: zones, seeks,
 * overheads, and how the buffer is used (drive-tables.ts).
 *
 * Invariants:
 * 1. The head is on track #track.
 * 2. #active is the segment being filled, or −1.
 * 3. The end of the active segment passed under the head at #headTime.
 *
 * Modelled after Ruemmler and Wilkes, "An introduction to disk drive modeling" (1994). Differs in
 * having no zero-latency read (the rest of the track before the request) and no write settle time.
 * Writes take no segment.
 */

import { Ns, SECTOR_SIZE } from '../../base/units.ts';
import type { BufferRules, DriveTables, Overhead, Overheads } from '../../machine/drive-tables.ts';
import type { RotatingDiskConstant, Values } from '../../machine/profile.ts';
import type { BlockOp } from './block-device.ts';
import { Geometry } from './geometry.ts';
import { dataSheetCurve, type SeekCurve, tableCurve } from './seek-curve.ts';
import type { ServiceTimeModel } from './service-time.ts';

/**
 * A head this late still reads the sector: the gap before it. Absorbs rounding to whole
 * nanoseconds.
 */
const LATE_NS = 1_000;

/** A buffer without rules of its own: the bus starts with the command, and what was read stays. */
const PLAIN_BUFFER: BufferRules = {
  busFollowsHead: false,
  hitsResume: true,
  requested: 'stay',
  keepsOverwritten: true,
};

/** Overheads that do not differ with the command before. */
function overheadsOf({ readHitNs, readMissNs, writeNs }: Values<RotatingDiskConstant>): Overheads {
  const always = (ns: number): Overhead => ({ afterRead: ns, afterWrite: ns });
  return { readHit: always(readHitNs), readMiss: always(readMissNs), write: always(writeNs) };
}

export class RotatingDisk implements ServiceTimeModel {
  readonly channels = 1;

  readonly #geometry: Geometry;
  readonly #seekNs: SeekCurve;
  readonly #revolutionNs: number;
  readonly #heads: number;
  readonly #headSwitchNs: number;
  readonly #overheads: Overheads;
  readonly #busNsPerSector: number;
  readonly #readAheadSectors: number;
  readonly #rules: BufferRules;

  /** The command before was no read. */
  #isAfterWrite = false;

  #track = 0;
  #headTime = 0;
  /** When the first sector of the last `#pass` had passed under the head. */
  #firstPassed = 0;

  readonly #segmentStart: Float64Array;
  readonly #segmentEnd: Float64Array;
  readonly #segmentUse: Float64Array;
  #active = -1;
  /** The active segment is read up to here. */
  #limit = 0;
  #uses = 0;

  /** @param tables of the drive; what they lack is by the constants */
  constructor(costs: Values<RotatingDiskConstant>, tables: Partial<DriveTables> = {}) {
    this.#geometry = tables.zones
      ? Geometry.ofTable(tables.zones, costs.heads, costs.rpm)
      : Geometry.ofDataSheet(costs);
    this.#seekNs = tables.seeks ? tableCurve(tables.seeks) : dataSheetCurve(costs, this.#geometry.cylinders);
    this.#revolutionNs = 60e9 / costs.rpm;
    this.#heads = costs.heads;
    this.#headSwitchNs = tables.headSwitchNs ?? costs.headSwitchNs;
    this.#overheads = tables.overheads ?? overheadsOf(costs);
    this.#rules = tables.buffer ?? PLAIN_BUFFER;
    this.#busNsPerSector = (SECTOR_SIZE * 1000) / costs.busMBps;
    this.#readAheadSectors = Math.floor(costs.readAheadBytes / SECTOR_SIZE);
    this.#segmentStart = new Float64Array(costs.readSegments).fill(-1);
    this.#segmentEnd = new Float64Array(costs.readSegments).fill(-1);
    this.#segmentUse = new Float64Array(costs.readSegments);
  }

  read(sector: number, sectors: number, now: Ns): Ns {
    const end = sector + sectors;
    const { busFollowsHead, hitsResume, requested } = this.#rules;
    const hitNs = this.#overheadNs('readHit');
    this.#readAhead(now + hitNs);
    const held = this.#segmentOf(sector);
    const isHit = held >= 0 && end <= this.#segmentEnd[held]!;
    const start = now + (isHit ? hitNs : this.#overheadNs('readMiss'));
    this.#isAfterWrite = false;
    if (!isHit) this.#readAhead(start);
    const segment = held >= 0 ? held : this.#oldestSegment();
    this.#segmentUse[segment] = ++this.#uses;
    if (held < 0) {
      this.#active = -1;
      this.#segmentStart[segment] = sector;
      this.#segmentEnd[segment] = sector;
    }

    let arrived = start;
    let busFrom = start;
    if (end > this.#segmentEnd[segment]!) {
      const holdsNone = this.#segmentEnd[segment]! <= sector;
      if (segment !== this.#active || this.#isFull()) this.#headTime = start;
      this.#active = segment;
      this.#headTime = this.#pass(this.#segmentEnd[segment]!, end, this.#headTime);
      this.#segmentEnd[segment] = end;
      this.#limit = this.#limitAfter(end);
      arrived = this.#headTime;
      if (busFollowsHead) {
        arrived += this.#busNsPerSector;
        if (holdsNone) busFrom = Math.max(start, this.#firstPassed);
      }
    } else if (segment === this.#active && hitsResume) {
      if (this.#isFull()) this.#headTime = start;
      this.#limit = Math.max(this.#limit, this.#limitAfter(end));
    }
    if (requested === 'drop') this.#segmentStart[segment] = end;
    else this.#dropOldest(segment);
    return Ns(Math.ceil(Math.max(arrived, busFrom + sectors * this.#busNsPerSector) - now));
  }

  write(sector: number, sectors: number, now: Ns): Ns {
    const end = sector + sectors;
    this.#readAhead(now);
    this.#active = -1;
    if (!this.#rules.keepsOverwritten) this.#drop(sector, end);
    return Ns(Math.ceil(this.#pass(sector, end, now) - now));
  }

  transfer(op: BlockOp, sectors: number, _now: Ns): Ns {
    const overheadNs = this.#overheadNs(op === 'read' ? 'readHit' : 'write');
    this.#isAfterWrite = op !== 'read';
    return Ns(Math.ceil(overheadNs + sectors * this.#busNsPerSector));
  }

  #overheadNs(kind: keyof Overheads): number {
    const { afterRead, afterWrite } = this.#overheads[kind];
    return this.#isAfterWrite ? afterWrite : afterRead;
  }

  /** What lies before as much as a segment holds is no longer in it. */
  #dropOldest(segment: number): void {
    const oldest = this.#segmentEnd[segment]! - this.#readAheadSectors;
    this.#segmentStart[segment] = Math.max(this.#segmentStart[segment]!, oldest);
  }

  /** Cuts the segments that hold sectors of [from, to) where these begin. */
  #drop(from: number, to: number): void {
    for (let segment = 0; segment < this.#segmentEnd.length; segment++)
      if (this.#segmentStart[segment]! < to && from < this.#segmentEnd[segment]!)
        this.#segmentEnd[segment] = Math.max(from, this.#segmentStart[segment]!);
  }

  /** How far the host lets the drive read ahead, once it has asked for everything before `end`. */
  #limitAfter(end: number): number {
    return Math.min(end + this.#readAheadSectors, this.#geometry.sectorCount);
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
      const reach = segment === this.#active ? this.#geometry.longestTrack / 2 : 0;
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
      this.#geometry.locate(sector);
      const sectorNs = this.#revolutionNs / this.#geometry.length;
      const begin = this.#arrival(this.#headTime);
      const toTrackEnd = this.#geometry.length - this.#geometry.index;
      const inTime = Math.floor((until - begin) / sectorNs);
      const count = Math.min(this.#limit - sector, toTrackEnd, inTime);
      if (count <= 0) return;
      this.#track = this.#geometry.track;
      this.#segmentEnd[active] = sector + count;
      if (this.#rules.requested === 'replace') this.#dropOldest(active);
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
      this.#geometry.locate(sector);
      const count = Math.min(to - sector, this.#geometry.length - this.#geometry.index);
      time = this.#arrival(time);
      if (sector === from) this.#firstPassed = time + this.#revolutionNs / this.#geometry.length;
      time += (count * this.#revolutionNs) / this.#geometry.length;
      this.#track = this.#geometry.track;
      sector += count;
    }
    return time;
  }

  /**
   * When the located sector begins to pass under the head, if the head leaves its track at `time`.
   */
  #arrival(time: number): number {
    const there = time + this.#moveNs(this.#geometry.track);
    const revolution = this.#revolutionNs;
    const early = this.#geometry.skewNs + (this.#geometry.index * revolution) / this.#geometry.length - there;
    const wait = early - Math.floor(early / revolution) * revolution;
    return wait > revolution - LATE_NS ? there : there + wait;
  }

  /** ns from the head's track to `track`. */
  #moveNs(track: number): number {
    if (track === this.#track) return 0;
    const distance = Math.abs(Math.floor(track / this.#heads) - Math.floor(this.#track / this.#heads));
    if (distance === 0) return this.#headSwitchNs;
    return Math.max(this.#seekNs(distance), this.#headSwitchNs);
  }
}
