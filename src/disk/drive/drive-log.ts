/**
 * Logs of a real drive, one request at a time, replayed on a model of the drive: how near the model
 * is.
 *
 * A line is `R|W Hit|Miss sector sectors response gap`: response and gap in µs, the gap being how
 * long the drive had been idle before (DiskSim's validation logs). The replay keeps the gaps and
 * takes the responses from the model.
 *
 * Demerit (Ruemmler and Wilkes, "An introduction to disk drive modeling", 1994) compares two
 * distributions of response times. It is the root mean square of their horizontal distance,
 * relative to the mean response of the real drive.
 */

import { InputError } from '../../base/input-error.ts';
import { Mfn, Ns, PAGE_SIZE, SECTOR_SIZE } from '../../base/units.ts';
import { MachineMemory } from '../../machine/memory.ts';
import type { DiskSection } from '../../machine/profile.ts';
import { Simulation } from '../../sim/index.ts';
import { Drive } from './drive.ts';
import type { ImageStore } from '../image/image-store.ts';
import { driveOptions } from './make-service-time.ts';

/** One request of a log. */
export interface LoggedRequest {
  readonly op: 'read' | 'write';
  readonly sector: number;
  /** 512-byte sectors, 1 or more. */
  readonly sectors: number;
  readonly responseNs: number;
  /** Since the previous request completed. */
  readonly gapNs: number;
}

/**
 * Reads a log. Empty lines are skipped.
 * @param name of the file, for the message
 * @throws InputError that names the line
 */
export function parseDriveLog(text: string, name: string): LoggedRequest[] {
  const requests: LoggedRequest[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const [op, cached, ...rest] = line.trim().split(/\s+/);
    const [sector = -1, sectors = 0, responseUs = -1, gapUs = -1, more] = rest.map(Number);
    const isRequest = (op === 'R' || op === 'W') && (cached === 'Hit' || cached === 'Miss') && more === undefined;
    const isPlace = Number.isSafeInteger(sector) && sector >= 0 && Number.isSafeInteger(sectors) && sectors > 0;
    if (!isRequest || !isPlace || !(responseUs >= 0 && gapUs >= 0 && responseUs + gapUs < 1e12))
      throw new InputError(`${name}, line ${at + 1}: expected "R|W Hit|Miss sector sectors response gap"`);
    const [responseNs, gapNs] = [Math.round(responseUs * 1000), Math.round(gapUs * 1000)];
    requests.push({ op: op === 'R' ? 'read' : 'write', sector, sectors, responseNs, gapNs });
  }
  return requests;
}

/** A medium without bytes. */
class NoBytes implements ImageStore {
  readonly extents = [];
  readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  read(): void {
    // The frame keeps its bytes.
  }

  write(): void {
    // Dropped.
  }
}

/**
 * Replays a log on a model of the drive, one request at a time.
 * @returns the response time of each request, ns
 */
export function replayDriveLog(log: readonly LoggedRequest[], disk: DiskSection): Float64Array {
  const simulation = new Simulation(1);
  const longest = log.reduce((most, { sectors }) => Math.max(most, sectors), 1) * SECTOR_SIZE;
  const memory = new MachineMemory(Math.ceil(longest / PAGE_SIZE) * PAGE_SIZE);
  const size = log.reduce((most, { sector, sectors }) => Math.max(most, sector + sectors), 1) * SECTOR_SIZE;
  const drive = new Drive(simulation, memory, new NoBytes(size), driveOptions(disk));
  const responses = new Float64Array(log.length);
  const next = (at: number): void => {
    const request = log[at];
    if (request === undefined) return;
    const { op, sector, sectors, gapNs } = request;
    simulation.after(Ns(gapNs), () => {
      const begin = simulation.now;
      const segments = segmentsOf(sectors * SECTOR_SIZE);
      const done = (): void => {
        responses[at] = simulation.now - begin;
        next(at + 1);
      };
      drive.submit({ op, sector, segments, done });
    });
  };
  next(0);
  simulation.run();
  return responses;
}

function segmentsOf(bytes: number): { mfn: Mfn; offset: number; length: number }[] {
  return Array.from({ length: Math.ceil(bytes / PAGE_SIZE) }, (_, i) => ({
    mfn: Mfn(i),
    offset: 0,
    length: Math.min(PAGE_SIZE, bytes - i * PAGE_SIZE),
  }));
}

/**
 * The demerit of `model` against `real`, two lists of equally many response times; 0 when the
 * distributions are equal.
 */
export function demerit(real: ArrayLike<number>, model: ArrayLike<number>): number {
  const [reals, models] = [Float64Array.from(real).sort(), Float64Array.from(model).sort()];
  let squares = 0;
  let sum = 0;
  for (let i = 0; i < reals.length; i++) {
    squares += (reals[i]! - models[i]!) ** 2;
    sum += reals[i]!;
  }
  return Math.sqrt(squares / reals.length) / (sum / reals.length);
}
