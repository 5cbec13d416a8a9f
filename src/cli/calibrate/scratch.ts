/**
 * The drive below a directory, by direct reads and writes of a scratch file: they pass by the
 * kernel's page cache.
 *
 * The file has no name as soon as it is open, so that nothing is left however the program ends. Its
 * bytes are random, so that no drive makes less of them. Where a buffer must lie in memory is found
 * by trying: node does not tell addresses.
 */

import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { askHost, UserError } from '../../base/index.ts';
import type { ProgressListener } from '../../experiment/guest/progress.ts';
import { sizeText } from '../kit/values.ts';
import { type Figure, figureOf } from './figures.ts';

const PAGE = 4096;
/** Bytes of a long read or write, most. */
const LONG = 4 << 20;
/** Addresses that any drive takes are multiples of this. */
const ALIGNMENT = 4096;
/** Short reads and writes of a round. */
const PER_ROUND = 64;
const TMPFS = 0x0102_1994;
const RAMFS = 0x8584_58f6;

export interface ScratchOptions {
  readonly directory: string;
  readonly bytes: number;
  readonly rounds: number;
}

/** Times of the calls of node, ns. */
export interface ScratchTimes {
  readonly shortRead: Figure;
  /** Of places that were just read. */
  readonly shortReadAgain: Figure;
  readonly longRead: Figure;
  readonly shortWrite: Figure;
  readonly longWrite: Figure;
  /** Bytes of a long read or write. */
  readonly longBytes: number;
}

/** @throws UserError for a directory in which no scratch file can be, before anything is written */
export function checkScratch({ directory, bytes }: Pick<ScratchOptions, 'directory' | 'bytes'>): void {
  const option = `--scratch: ${directory}`;
  const stat = askHost(option, () => statSync(directory));
  if (!stat.isDirectory()) throw new UserError(`${option} is not a directory`);
  const { type, bavail, bsize } = askHost(option, () => statfsSync(directory));
  if (type === TMPFS || type === RAMFS) throw new UserError(`${option} lies in memory, not on a drive`);
  const free = Math.floor((bavail * bsize) / PAGE) * PAGE;
  if (bytes > free)
    throw new UserError(
      `--scratch-size: ${sizeText(bytes)} is more than the ${sizeText(free)} that ${directory} has free`,
    );
}

/**
 * Writes the scratch file, and times reads and writes of it. Undefined where the file system has no
 * direct reads.
 * @throws InputError for what the host refuses
 */
export function timeScratch(options: ScratchOptions, onProgress: ProgressListener): ScratchTimes | undefined {
  const { directory } = options;
  return askHost(`--scratch: ${directory}`, () => {
    const fd = openNameless(directory);
    let direct: number | undefined;
    try {
      direct = openDirect(fd);
      const buffer = direct === undefined ? undefined : alignedBuffer(direct);
      return direct === undefined || buffer === undefined ? undefined : timed(direct, buffer, options, onProgress);
    } finally {
      if (direct !== undefined) closeSync(direct);
      closeSync(fd);
    }
  });
}

function openNameless(directory: string): number {
  const path = join(directory, `stillwarm-${process.pid}.scratch`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}

/** The same file. Undefined where it cannot be opened so. */
function openDirect(fd: number): number | undefined {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDWR | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

/** A buffer from which the drive takes a page, found by trying all places of a page. */
function alignedBuffer(fd: number): Uint8Array | undefined {
  const whole = randomFillSync(new Uint8Array(LONG + 2 * ALIGNMENT));
  for (let offset = 0; offset < ALIGNMENT; offset += 8) {
    try {
      writeSync(fd, whole, offset, PAGE, 0);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EINVAL') continue;
      throw error;
    }
    return whole.subarray(offset, offset + LONG);
  }
  return undefined;
}

function timed(fd: number, buffer: Uint8Array, options: ScratchOptions, onProgress: ProgressListener): ScratchTimes {
  const { bytes, rounds } = options;
  const longBytes = Math.min(LONG, Math.floor(bytes / 4 / PAGE) * PAGE);
  const pages = bytes / PAGE;
  const total = 2 * bytes;
  for (let at = 0; at < bytes; at += writeSync(fd, buffer, 0, Math.min(longBytes, bytes - at), at)) {
    onProgress({ phase: 'writing the scratch file', done: at, total });
  }
  fsyncSync(fd);
  const read = (place: number, length: number): number => timeOf(() => readSync(fd, buffer, 0, length, place));
  const write = (place: number, length: number): number => timeOf(() => writeSync(fd, buffer, 0, length, place));
  const shortReads: number[] = [];
  const again: number[] = [];
  const longReads: number[] = [];
  const shortWrites: number[] = [];
  const longWrites: number[] = [];
  // All over the file, and no place twice in a round.
  let place = 0;
  const next = (): number => (place = (place + STRIDE) % pages) * PAGE;
  for (let round = 0; round < rounds; round++) {
    onProgress({ phase: 'reading and writing the scratch file', done: bytes + (bytes * round) / rounds, total });
    const places = Array.from({ length: Math.min(PER_ROUND, pages) }, next);
    for (const at of places) shortReads.push(read(at, PAGE));
    for (const at of places) again.push(read(at, PAGE));
    for (const at of places) shortWrites.push(write(at, PAGE));
    for (let n = 0; n < 4; n++) {
      const at = ((4 * round + n) % Math.floor(bytes / longBytes)) * longBytes;
      longReads.push(read(at, longBytes));
      longWrites.push(write(at, longBytes));
    }
  }
  return {
    shortRead: figureOf(shortReads),
    shortReadAgain: figureOf(again),
    longRead: figureOf(longReads),
    shortWrite: figureOf(shortWrites),
    longWrite: figureOf(longWrites),
    longBytes,
  };
}

const STRIDE = 40_503;

function timeOf(call: () => number): number {
  const begin = process.hrtime.bigint();
  call();
  return Number(process.hrtime.bigint() - begin);
}

/** What the host tells of the drive below a directory. */
export interface DriveBelow {
  readonly name: string;
  readonly isRotating: boolean;
  /** Whether a host may cache what it holds. */
  readonly isVirtual: boolean;
}

/** Undefined where the host does not tell, as of a file system of several layers. */
export function driveBelow(directory: string): DriveBelow | undefined {
  try {
    const { dev } = statSync(directory, { bigint: true });
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xffff_f000n);
    const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffff_ff00n);
    const path = `/sys/dev/block/${major}:${minor}`;
    const target = readlinkSync(path);
    const isPartition = exists(`${path}/partition`);
    const own = isPartition ? `${path}/..` : path;
    const device = target.split('/').at(isPartition ? -2 : -1)!;
    const model = textOf(`${own}/device/model`) ?? device;
    const isVirtual =
      /\/virtio|\/virtual\/|\/vbd-|xen/.test(target) || /qemu|virtual|vmware|amazon|google/i.test(model);
    return { name: model, isRotating: textOf(`${own}/queue/rotational`) === '1', isVirtual };
  } catch {
    return undefined;
  }
}

const exists = (path: string): boolean => textOf(path) !== undefined;

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}
