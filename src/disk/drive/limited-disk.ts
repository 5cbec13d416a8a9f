/**
 * A drive with a limit on its operations and bytes a second, as clouds, hypervisors and cgroups set
 * them. The mechanism behind it is any other model.
 *
 * Each limit is a leaky bucket. An operation fills it: by one, or by its bytes. It leaks at the
 * limit's rate. An operation begins when no bucket holds more than `burst` seconds leak. So a drive
 * that was idle takes that much at once, and a large operation holds up those behind it.
 *
 * Reads and writes count, whether the drive's cache answers or not. A read that goes on where a
 * waiting one ends becomes a part of it, up to 256 KiB. So a read of a guest that its block ring
 * has cut into requests of 44 KiB is one again. Flushes do not count. Nor does what the cache
 * writes to the medium by itself.
 *
 * Modelled after util/throttle.c of QEMU. The throttle of a cgroup (block/blk-throttle.c, `io.max`)
 * allows as much in each slice of 100 ms. Merging is that of a block layer's queue, with the size
 * that Amazon EBS documents for volumes on flash. Reads and writes share one limit, as they do in
 * EBS.
 */

import { ArgumentError, checkArgument, checkKeys } from '../../base/argument-error.ts';
import { Ns, SECTOR_SIZE } from '../../base/units.ts';
import type { BlockOp } from './block-device.ts';
import type { ServiceTimeModel } from './service-time.ts';

/** Seconds that a bucket holds by default: QEMU's, and the slice of a cgroup. */
export const DEFAULT_BURST = 0.1;
/** The most of what can be asked, and seconds of burst. */
export const MOST_LIMIT = { iops: 1e9, mbps: 1e6, burst: 3600 } as const;
/** The most that neighbours make together: 256 KiB. */
const MERGED_SECTORS = 512;
const KEYS = ['iops', 'mbps', 'burst'] as const;

/** What a drive may do at most. Plain data. */
export interface DiskLimit {
  /** Operations a second, more than 0; undefined: no limit. */
  readonly iops?: number | undefined;
  /** MB (10^6 bytes) a second, more than 0; undefined: no limit. */
  readonly mbps?: number | undefined;
  /** Seconds of either limit that an idle drive takes at once, 0 or more; 0.1 by default. */
  readonly burst?: number | undefined;
}

/** @throws ArgumentError that names the key */
export function checkDiskLimit(argument: string, limit: DiskLimit): void {
  checkKeys(argument, limit, KEYS);
  for (const key of KEYS) {
    const value = limit[key];
    if (value === undefined) continue;
    const isInRange = (value > 0 || (key === 'burst' && value === 0)) && value <= MOST_LIMIT[key];
    if (!isInRange)
      throw new ArgumentError(
        `${argument}.${key}: expected ${key === 'burst' ? '0' : 'more than 0'} to ${MOST_LIMIT[key]}`,
      );
  }
  checkArgument(limit.iops !== undefined || limit.mbps !== undefined, argument, 'expected iops, mbps or both');
}

/** A read that counted as one operation. */
interface Operation {
  readonly start: Ns;
  sectors: number;
  /** The sector behind it. */
  end: number;
}

/** A service-time model behind a limit. */
export class LimitedDisk implements ServiceTimeModel {
  readonly channels: number;
  readonly #model: ServiceTimeModel;
  /** Of one operation, and of one byte, ns. */
  readonly #nsPerOperation: number;
  readonly #nsPerByte: number;
  readonly #burstNs: number;
  /** When each bucket will be empty. */
  #operationsUntil = 0;
  #bytesUntil = 0;
  /** Reads that others may become a part of, by `start`. */
  readonly #waiting: Operation[] = [];

  /** @throws ArgumentError that names the key */
  constructor(model: ServiceTimeModel, limit: DiskLimit) {
    checkDiskLimit('limit', limit);
    const { iops = Infinity, mbps = Infinity, burst = DEFAULT_BURST } = limit;
    this.channels = model.channels;
    this.#model = model;
    this.#nsPerOperation = 1e9 / iops;
    this.#nsPerByte = 1000 / mbps;
    this.#burstNs = burst * 1e9;
  }

  read(sector: number, sectors: number, now: Ns): Ns {
    const start = this.#merged(sector, sectors, now) ?? this.#begin(sector, sectors, now);
    return Ns(start - now + this.#model.read(sector, sectors, start));
  }

  write(sector: number, sectors: number, now: Ns): Ns {
    return this.#model.write(sector, sectors, now);
  }

  transfer(op: BlockOp, sectors: number, now: Ns): Ns {
    if (op === 'flush') return this.#model.transfer(op, sectors, now);
    const start = this.#startOf(now);
    this.#count(1, sectors, now);
    return Ns(start - now + this.#model.transfer(op, sectors, start));
  }

  /** When the read begins of which this one becomes a part, if there is one that waits. */
  #merged(sector: number, sectors: number, now: Ns): Ns | undefined {
    const waiting = this.#waiting;
    while (waiting.length > 0 && waiting[0]!.start < now) waiting.shift();
    const other = waiting.find((each) => each.end === sector && each.sectors + sectors <= MERGED_SECTORS);
    if (other === undefined) return undefined;
    other.end += sectors;
    other.sectors += sectors;
    this.#count(0, sectors, now);
    return other.start;
  }

  #begin(sector: number, sectors: number, now: Ns): Ns {
    const start = this.#startOf(now);
    this.#count(1, sectors, now);
    this.#waiting.push({ start, sectors, end: sector + sectors });
    return start;
  }

  #startOf(now: Ns): Ns {
    return Ns(Math.ceil(Math.max(now, Math.max(this.#operationsUntil, this.#bytesUntil) - this.#burstNs)));
  }

  /** Fills the buckets. */
  #count(operations: number, sectors: number, now: Ns): void {
    this.#operationsUntil = Math.max(this.#operationsUntil, now) + operations * this.#nsPerOperation;
    this.#bytesUntil = Math.max(this.#bytesUntil, now) + sectors * SECTOR_SIZE * this.#nsPerByte;
  }
}
