/**
 * What the order of the LRU lists is worth after a reboot. Measured is the hit ratio of one stream
 * of accesses to a file larger than memory. The stream goes on after the reboot. Counted in
 * accesses of the model, the figures are the same on every host.
 *
 * An access reads one page, without readahead. It is a hit when the guest read nothing from the
 * disk. Seven of ten accesses follow Zipf's law over 12,288 pages in random places. Three of ten
 * walk along the file from front to back, over and over. The scan fills an LRU with pages that will
 * not be used again, which are the ones to give back first.
 */

import { PAGE_SIZE, Mfn, Pfn } from '../src/base/index.ts';
import { makeExt2 } from '../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../src/disk/mkfs/tree.ts';
import type { MemoryImage } from '../src/disk/image/memory-image.ts';
import { machineMemoryFor } from '../src/experiment/host/host.ts';
import { type Guest, Testbed } from '../src/experiment/host/testbed.ts';
import { FADV } from '../src/kernel/index.ts';
import { MachineMemory } from '../src/machine/memory.ts';
import { SERVER_2026 } from '../src/machine/profiles/server-2026.ts';
import { type Process, RandomStreams } from '../src/sim/index.ts';
import type { Row } from './harness.ts';

const FILE_PAGES = 24_576;
const HOT_PAGES = 12_288;
const ZIPF_EXPONENT = 0.9;
/** Of ten accesses. */
const SCANS = 3;
/** 7,000 pages of it for the cache. */
const GUEST_BYTES = 32 << 20;
const WARM_UP = 100_000;
const WINDOWS = [2_000, 8_000, 20_000] as const;
const CMD_LINE = 'cachemap=all';

/** What happens between the two halves of the stream. */
type Between = 'nothing' | 'orderly' | 'recency damaged' | 'crash' | 'cold';

export function recency(): Row[] {
  const image = makeImage();
  const stream = makeStream(WARM_UP + WINDOWS.reduce((sum, length) => sum + length, 0));
  const memory = new MachineMemory(machineMemoryFor(GUEST_BYTES));
  const ratios = (between: Between): number[] => new Run(image, memory).play(stream, between);
  const rival = ratios('nothing');
  const rows: Row[] = [];
  for (const between of ['orderly', 'recency damaged', 'crash', 'cold'] as const) {
    let from = 0;
    ratios(between).forEach((figure, window) => {
      const end = from + WINDOWS[window]!;
      rows.push({
        what: `hit ratio after a reboot (${between}), accesses ${from} to ${end - 1}`,
        figure: 100 * figure,
        unit: '%',
        rival: { name: 'no reboot', figure: 100 * rival[window]! },
        ratio: figure / rival[window]!,
      });
      from = end;
    });
  }
  return rows;
}

function makeImage(): MemoryImage {
  const content = new Uint8Array(FILE_PAGES * PAGE_SIZE);
  const words = new Uint32Array(content.buffer);
  for (let i = 0; i < words.length; i += 64) words[i] = i + 1;
  return makeExt2(tree(directory([['file', file(content)]])));
}

/** Pages of the file, in the order of their accesses. */
function makeStream(length: number): Uint32Array {
  const random = new RandomStreams(1).stream('recency');
  const weights = new Float64Array(HOT_PAGES);
  let sum = 0;
  for (let i = 0; i < HOT_PAGES; i++) weights[i] = sum += (i + 1) ** -ZIPF_EXPONENT;
  const places = Uint32Array.from({ length: FILE_PAGES }, (_, i) => i);
  random.shuffle(places);
  let scan = 0;
  return Uint32Array.from({ length }, () => {
    if (random.below(10) < SCANS) return scan++ % FILE_PAGES;
    const wanted = random.fraction() * sum;
    let [low, high] = [0, HOT_PAGES - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (weights[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return places[low]!;
  });
}

class Run {
  readonly #testbed: Testbed;
  #guest: Guest;

  constructor(image: MemoryImage, memory: MachineMemory) {
    memory.clearAll();
    this.#testbed = new Testbed({
      seed: 1,
      profile: SERVER_2026,
      disk: 'instant',
      image,
      memory,
      guestMemory: GUEST_BYTES,
    });
    this.#guest = this.#run(this.#testbed.start(CMD_LINE));
  }

  /** Hit ratios of the windows after the reboot. */
  play(stream: Uint32Array, between: Between): number[] {
    this.#run(this.#access(stream.subarray(0, WARM_UP)));
    if (between !== 'nothing')
      this.#guest = this.#run(
        this.#testbed.reboot(this.#guest, between === 'crash', {
          preserve: between !== 'cold',
          cmdLine: CMD_LINE,
          betweenGuests: () => between === 'recency damaged' && this.#damage(),
        }),
      );
    let from = WARM_UP;
    return WINDOWS.map((length) => this.#run(this.#access(stream.subarray(from, (from += length)))) / length);
  }

  /** Reads pages; returns how many were hits. */
  *#access(pages: Uint32Array): Process<number> {
    const { syscalls: sys, stats } = this.#guest.kernel;
    const buffer = new Uint8Array(PAGE_SIZE);
    const fd = yield* sys.open('/file');
    yield* sys.posixFadvise(fd, 0, 0, FADV.random);
    let hits = 0;
    let read = stats.dataPagesRead;
    for (const page of pages) {
      yield* sys.pread(fd, buffer, 0, PAGE_SIZE, page * PAGE_SIZE);
      const { dataPagesRead } = this.#guest.kernel.stats;
      if (dataPagesRead === read) hits++;
      read = dataPagesRead;
      if (sys.isDue) yield* sys.settle();
    }
    yield* sys.close(fd);
    return hits;
  }

  /** The same pages are kept, in no order: one byte of the recency table is wrong. */
  #damage(): void {
    const { memory, map } = this.#testbed.hypervisor;
    const at = 2 * this.#guest.domain.frameOf(Pfn(0));
    const mfn = Mfn(map.recencyMfn + Math.floor(at / PAGE_SIZE));
    memory.writeU8(mfn, at % PAGE_SIZE, memory.readU8(mfn, at % PAGE_SIZE) ^ 1);
  }

  #run<T>(process: Process<T>): T {
    return this.#testbed.simulation.runProcess('bench', process);
  }
}
