/**
 * Streams of page accesses: recorded ones from `--traces DIR`, or generated ones with similar
 * reuse. They are decoded to page numbers before anything is timed.
 *
 * Two recordings are known by name. In the Caffeine repository, `w106.trace.xz` has a database's
 * block reads as raw little-endian u32. In the libCacheSim repository, `cloudPhysicsIO.csv.gz` has
 * the requests of a virtual machine, which are split into pages. Neither is part of this project.
 *
 * A generated stream has the same length over as many pages. References follow Zipf's law, with
 * ranks scattered over the pages, mixed with scans that walk in order and do not return for long.
 * The mix is chosen so that the miss ratio of an LRU of the measured sizes is about that of the
 * recording (see README.md).
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { UserError } from '../src/base/index.ts';
import { RandomStreams } from '../src/sim/index.ts';

export interface Stream {
  readonly name: string;
  readonly pages: Uint32Array;
  /** Numbers of cached pages at which it is replayed. */
  readonly sizes: readonly number[];
  /** How many times as fast as lru-cache the model is to be. */
  readonly least: number;
}

const W106_SIZES = [2752, 27517, 137586];
const W106_LEAST = 1.5;
const CLOUD_PHYSICS_SIZES = [4897];

/** The two streams. @throws UserError when a recording cannot be read */
export function loadStreams(dir: string | undefined): Stream[] {
  if (dir === undefined)
    return [
      {
        name: 'w106-like',
        pages: generate({ accesses: 5_292_456, pages: 275_171, skew: 1.25, scanShare: 0.08, scanPages: 4096 }),
        sizes: W106_SIZES,
        least: W106_LEAST,
      },
      {
        name: 'cloudPhysics-like',
        pages: generate({ accesses: 1_053_519, pages: 265_873, skew: 0.9, scanShare: 0.84, scanPages: 4096 }),
        sizes: CLOUD_PHYSICS_SIZES,
        least: 1,
      },
    ];
  return [
    { name: 'w106', pages: readW106(existing(dir, 'w106.trace.xz')), sizes: W106_SIZES, least: W106_LEAST },
    {
      name: 'cloudPhysics',
      pages: readCloudPhysics(existing(dir, 'cloudPhysicsIO.csv.gz')),
      sizes: CLOUD_PHYSICS_SIZES,
      least: 1,
    },
  ];
}

function existing(dir: string, name: string): string {
  const path = join(dir, name);
  if (!existsSync(path)) throw new UserError(`--traces: ${path} does not exist`);
  return path;
}

function readW106(path: string): Uint32Array {
  const bytes = execFileSync('xz', ['-dc', path], { maxBuffer: 1 << 28 });
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/**
 * Rows are version, seconds, SCSI operation, bytes, sector. Each request is split into the pages
 * that it covers.
 */
function readCloudPhysics(path: string): Uint32Array {
  const pages: number[] = [];
  for (const line of gunzipSync(readFileSync(path)).toString().trim().split('\n')) {
    const [, , , bytes, sector] = line.split(',').map(Number);
    if (bytes === undefined || sector === undefined || Number.isNaN(sector)) continue;
    // Requests begin at sector 7 of 8: the partition's offset. Eight sectors are a page.
    const first = Math.floor((sector + 1) / 8);
    const last = Math.floor((sector + 1 + Math.ceil(bytes / 512) - 1) / 8);
    for (let page = first; page <= last; page++) pages.push(page);
  }
  return Uint32Array.from(pages);
}

interface Mix {
  readonly accesses: number;
  readonly pages: number;
  /** Exponent of Zipf's law. */
  readonly skew: number;
  /** Share of accesses that belong to scans. */
  readonly scanShare: number;
  /** Length of a scan. */
  readonly scanPages: number;
}

function generate({ accesses, pages, skew, scanShare, scanPages }: Mix): Uint32Array {
  const random = new RandomStreams(1).stream('bench');
  const weights = new Float64Array(pages);
  let sum = 0;
  for (let rank = 0; rank < pages; rank++) weights[rank] = sum += (rank + 1) ** -skew;
  const pageOfRank = Uint32Array.from({ length: pages }, (_, rank) => rank);
  random.shuffle(pageOfRank);
  const stream = new Uint32Array(accesses);
  let scanAt = 0;
  let scanLeft = 0;
  for (let i = 0; i < accesses; i++) {
    if (random.fraction() < scanShare) {
      if (scanLeft-- === 0) {
        scanAt = random.below(pages);
        scanLeft = scanPages;
      }
      stream[i] = scanAt = scanAt + 1 === pages ? 0 : scanAt + 1;
    } else stream[i] = pageOfRank[firstAbove(weights, random.fraction() * sum)]!;
  }
  return stream;
}

/** Index of the first entry of an ascending array that is above `value`. */
function firstAbove(ascending: Float64Array, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
