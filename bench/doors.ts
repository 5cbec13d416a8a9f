/**
 * The door `stillwarm`: what it adds to a cached read, and what a reboot costs.
 *
 * A read through `machine.sys` checks that the guest runs, and lets time pass now and then. Its
 * rival is `preadNow` in a program, at the same places, without either.
 *
 * Reboots are warm, in order, one after the other. All that fits is cached before the first of
 * them. Times of reboots are processor time of this process, once its code is compiled.
 */

import { ArgumentError, files, Machine } from '../src/index.ts';
import { elapsedNs, processorNs, type Row, takeTurns } from './harness.ts';
import { scaledTarget } from './reference.ts';

const MIB = 1 << 20;
const PAGE = 4096;
/** Few, so that neither side waits for memory: what the door adds is not hidden behind that. */
const FILE_PAGES = 64;
const READS = 1024 * FILE_PAGES;
/** Short ones, of which the fastest counts: other work of the host has not come between. */
const TIMINGS = 20;
/** Least memory of a guest, bytes: one page less is refused. */
const SMALLEST = 2055 * PAGE;
/** Of one round: the two rounds before the figures are enough for the compiler to be done. */
const REBOOTS = 200;

export function doors(): Row[] {
  return [
    readRow(),
    rebootRow('a reboot of a guest of 32 MiB', 32 * MIB, 5),
    rebootRow('a reboot of the smallest guest, 8 MiB', checkedSmallest(), 2),
  ];
}

function readRow(): Row {
  const machine = Machine.boot({ disk: files({ file: pattern(FILE_PAGES * PAGE) }), drive: 'instant' });
  const { sys } = machine;
  const fd = sys.open('/file');
  const buffer = new Uint8Array(PAGE);
  for (let page = 0; page < FILE_PAGES; page++) checkRead(sys.pread(fd, buffer, 0, PAGE, page * PAGE), buffer, page);
  const throughDoor = (): number =>
    fastest(() => {
      let bytes = 0;
      for (let i = 0; i < READS; i++) bytes += sys.pread(fd, buffer, 0, PAGE, placeOf(i));
      return bytes;
    });
  const inProgram = (): number =>
    machine.run(function* (calls) {
      yield* calls.settle();
      return fastest(() => {
        let bytes = 0;
        for (let i = 0; i < READS; i++) bytes += calls.preadNow(fd, buffer, 0, PAGE, placeOf(i));
        return bytes;
      });
    });
  const [figure, rival] = takeTurns(throughDoor, inProgram) as [number, number];
  const ratio = figure / rival;
  return {
    what: 'a cached read of 4 KiB through machine.sys, of a file of 256 KiB',
    figure,
    unit: 'ns',
    rival: { name: 'preadNow in a program', figure: rival },
    ratio,
    target: 'at most 1.3 ×',
    met: ratio <= 1.3,
  };
}

/** Nanoseconds of a read, of the fastest timing. */
function fastest(work: () => number): number {
  let least = Infinity;
  for (let i = 0; i < TIMINGS; i++) {
    let bytes = 0;
    least = Math.min(
      least,
      elapsedNs(() => (bytes = work())),
    );
    if (bytes !== READS * PAGE) throw new Error('the file is cached no more');
  }
  return least / READS;
}

const placeOf = (read: number): number => (read & (FILE_PAGES - 1)) * PAGE;

/** Bytes of which each page begins with its number. */
function pattern(bytes: number): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  for (let page = 0; page < bytes / PAGE; page++) words.fill(page, (page * PAGE) / 4, ((page + 1) * PAGE) / 4);
  return new Uint8Array(words.buffer);
}

function checkRead(bytes: number, buffer: Uint8Array, page: number): void {
  const words = new Uint32Array(buffer.buffer);
  if (bytes !== PAGE || words.some((word) => word !== page)) throw new Error(`page ${page} is not that of the file`);
}

function checkedSmallest(): number {
  try {
    Machine.boot({ disk: files({}), memory: SMALLEST - PAGE });
  } catch (error) {
    if (error instanceof ArgumentError) return SMALLEST;
    throw error;
  }
  throw new Error('a smaller guest boots');
}

function rebootRow(what: string, memory: number, milliseconds: number): Row {
  const machine = Machine.boot({ disk: files({ file: pattern(memory) }), memory });
  machine.run(function* (sys) {
    const fd = yield* sys.open('/file');
    const buffer = new Uint8Array(MIB);
    while ((yield* sys.read(fd, buffer, 0, MIB)) > 0);
  });
  const round = (): number =>
    processorNs(() => {
      for (let i = 0; i < REBOOTS; i++) machine.reboot();
    }) /
    (REBOOTS * 1e6);
  const [figure] = takeTurns(round) as [number];
  const { preserved } = machine.reboot();
  const { target, here } = scaledTarget(milliseconds, 'ms', 'lower');
  return { what: `${what}, pages kept: ${preserved}`, figure, unit: 'ms', target, met: figure <= here };
}
