/**
 * Reads of a file that is in the guest's page cache, bytes and all, through the system calls of a
 * booted guest.
 *
 * 64 KiB reads are compared with Buffer.copy of the same pages, one copy a page, from frames as
 * scattered as the guest's. A second rival is one copy of 64 KiB from one piece of memory. 4 KiB
 * reads are compared with fs.readSync of the same file from the host's page cache. Both sides read
 * the same places in the same order: in order, at random within 16 MiB, at random within 64 MiB.
 * The last row is the heap that a read allocates.
 */

import { Buffer } from 'node:buffer';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '../src/base/index.ts';
import { makeExt2 } from '../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../src/disk/mkfs/tree.ts';
import { machineMemoryFor } from '../src/experiment/host/host.ts';
import { Testbed } from '../src/experiment/host/testbed.ts';
import type { Syscalls } from '../src/kernel/index.ts';
import { MachineMemory } from '../src/machine/memory.ts';
import { SERVER_2026 } from '../src/machine/profiles/server-2026.ts';
import { RandomStreams } from '../src/sim/index.ts';
import { elapsedNs, type Row, takeTurns } from './harness.ts';

const MEBIBYTE = 1 << 20;
const FILE_BYTES = 64 * MEBIBYTE;
const NEAR_BYTES = 16 * MEBIBYTE;
const GUEST_BYTES = 128 * MEBIBYTE;
const LARGE = 64 * 1024;
const SMALL = 4096;
const PASSES = 4;
const HEAP_READS = 1_000_000;

/** An open file of a booted guest. */
interface OpenFile {
  readonly sys: Syscalls;
  readonly fd: number;
}

export function cachedRead(): Row[] {
  const content = Buffer.alloc(FILE_BYTES);
  for (let at = 0; at < FILE_BYTES; at += 4) content.writeUInt32LE(Math.imul(at, 0x9e3779b1) >>> 0, at);
  const open = openCached(content);
  const large = shuffled(LARGE);
  const small = shuffled(SMALL);
  checkReads(open, content, large, LARGE);
  checkReads(open, content, small, SMALL);
  const near = small.filter((place) => place < NEAR_BYTES);
  return [
    ...againstCopy(open, content, large),
    againstHost(
      open,
      content,
      [...small].sort((a, b) => a - b),
      'in order, 64 MiB',
    ),
    againstHost(open, content, near, 'at random, 16 MiB'),
    againstHost(open, content, small, 'at random, 64 MiB'),
    heapRow(open, small),
  ];
}

function againstCopy(open: OpenFile, content: Buffer, places: readonly number[]): Row[] {
  const buffer = Buffer.alloc(LARGE);
  const perSecond = (ns: number): number => ((PASSES * FILE_BYTES) / ns) * (1e9 / 2 ** 30);
  const { frames, frameOf } = scattered(content);
  const copyPages = (): void => {
    for (let pass = 0; pass < PASSES; pass++)
      for (const place of places)
        for (let at = 0; at < LARGE; at += SMALL) {
          const from = frameOf[(place + at) / SMALL]! * SMALL;
          frames.copy(buffer, at, from, from + SMALL);
        }
  };
  const copyPieces = (): void => {
    for (let pass = 0; pass < PASSES; pass++) for (const place of places) content.copy(buffer, 0, place, place + LARGE);
  };
  const [figure, pages, pieces] = takeTurns(
    () => perSecond(elapsedNs(() => readPlaces(open, buffer, places, LARGE, PASSES))),
    () => perSecond(elapsedNs(copyPages)),
    () => perSecond(elapsedNs(copyPieces)),
  );
  const ratio = figure! / pages!;
  return [
    {
      what: 'cached reads of 64 KiB',
      figure: figure!,
      unit: 'GiB/s',
      rival: { name: 'Buffer.copy of the same pages', figure: pages! },
      ratio,
      target: 'ratio 0.7',
      met: ratio >= 0.7,
    },
    {
      what: 'cached reads of 64 KiB',
      figure: figure!,
      unit: 'GiB/s',
      rival: { name: 'Buffer.copy of 64 KiB in one piece', figure: pieces! },
      ratio: figure! / pieces!,
    },
  ];
}

/**
 * The content in frames as a hypervisor hands them out: runs of 1 to 8, shuffled, over twice the
 * memory.
 */
function scattered(content: Buffer): { frames: Buffer; frameOf: Uint32Array } {
  const random = new RandomStreams(1).stream('bench/frames');
  const pages = content.length / SMALL;
  const runs: number[][] = [];
  for (let frame = 0; frame < 2 * pages; ) {
    const run: number[] = [];
    for (let length = 1 + random.below(8); length > 0 && frame < 2 * pages; length--) run.push(frame++);
    runs.push(run);
  }
  random.shuffle(runs);
  const frameOf = Uint32Array.from(runs.flat().slice(0, pages));
  const frames = Buffer.alloc(2 * content.length);
  for (let page = 0; page < pages; page++)
    content.copy(frames, frameOf[page]! * SMALL, page * SMALL, (page + 1) * SMALL);
  return { frames, frameOf };
}

function againstHost(open: OpenFile, content: Buffer, places: readonly number[], what: string): Row {
  const dir = mkdtempSync(join(tmpdir(), 'stillwarm-bench-'));
  try {
    const path = join(dir, 'file');
    writeFileSync(path, content);
    const fd = openSync(path, 'r');
    const buffer = Buffer.alloc(SMALL);
    const perMicrosecond = (ns: number): number => (PASSES * places.length * 1e3) / ns;
    const [figure, rival] = takeTurns(
      () => perMicrosecond(elapsedNs(() => readPlaces(open, buffer, places, SMALL, PASSES))),
      () =>
        perMicrosecond(
          elapsedNs(() => {
            for (let pass = 0; pass < PASSES; pass++) for (const place of places) readSync(fd, buffer, 0, SMALL, place);
          }),
        ),
    );
    closeSync(fd);
    return {
      what: `cached reads of 4 KiB, ${what}`,
      figure: figure!,
      unit: 'M/s',
      rival: { name: 'fs.readSync', figure: rival! },
      ratio: figure! / rival!,
      target: 'faster',
      met: figure! > rival!,
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/**
 * Growth of the heap, in parts so short that what is allocated is counted before it is collected.
 */
function heapRow(open: OpenFile, places: readonly number[]): Row {
  const buffer = Buffer.alloc(SMALL);
  // What the engine allocates to compile this loop is not the read's.
  for (let reads = 0; reads < HEAP_READS; reads += places.length) readPlaces(open, buffer, places, SMALL, 1);
  globalThis.gc?.();
  let grown = 0;
  for (let reads = 0; reads < HEAP_READS; reads += places.length) {
    const before = process.memoryUsage().heapUsed;
    readPlaces(open, buffer, places, SMALL, 1);
    grown += Math.max(0, process.memoryUsage().heapUsed - before);
  }
  const figure = grown / HEAP_READS;
  return { what: 'heap allocated by a cached read', figure, unit: 'B', target: 'below 1 B', met: figure < 1 };
}

/** Boots a guest on a disk with one file, and reads that once. */
function openCached(content: Uint8Array): OpenFile {
  const testbed = new Testbed({
    seed: 1,
    profile: SERVER_2026,
    disk: 'instant',
    image: makeExt2(tree(directory([['file', file(content)]]))),
    memory: new MachineMemory(machineMemoryFor(GUEST_BYTES)),
    guestMemory: GUEST_BYTES,
  });
  const { simulation } = testbed;
  const sys = simulation.runProcess('boot', testbed.start('cachemap=all')).kernel.syscalls;
  const fd = simulation.runProcess('open', sys.open('/file'));
  const buffer = new Uint8Array(LARGE);
  for (let at = 0; at < FILE_BYTES; at += LARGE) {
    const bytes = simulation.runProcess('read', sys.read(fd, buffer, 0, LARGE));
    assert(bytes === LARGE, 'the file is as long as it was made');
  }
  return { sys, fd };
}

function readPlaces(
  { sys, fd }: OpenFile,
  buffer: Buffer,
  places: readonly number[],
  bytes: number,
  passes: number,
): void {
  for (let pass = 0; pass < passes; pass++)
    for (const place of places) {
      assert(sys.preadNow(fd, buffer, 0, bytes, place) === bytes, 'the file is cached');
    }
}

function checkReads(open: OpenFile, content: Buffer, places: readonly number[], bytes: number): void {
  const buffer = Buffer.alloc(bytes);
  for (const place of places) {
    readPlaces(open, buffer, [place], bytes, 1);
    assert(buffer.equals(content.subarray(place, place + bytes)), 'cached bytes are those of the file');
  }
}

/** Every multiple of `bytes` in the file once, in random order. */
function shuffled(bytes: number): number[] {
  const places = Array.from({ length: FILE_BYTES / bytes }, (_, i) => i * bytes);
  new RandomStreams(1).stream('cached-read').shuffle(places);
  return places;
}
