// The readers: which bytes of which files they ask for, in which order, and that all that they hand
// on is right.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Process } from '../../src/sim/index.ts';
import {
  readAllFiles,
  type ReaderContext,
  readRandomPages,
  readZipfFiles,
  READ_SIZE,
} from '../../src/workload/file-reader.ts';
import { property } from '../support/property.ts';
import { bootWorkloadGuest, type WorkloadGuest } from './guest.ts';

interface Read {
  readonly file: number;
  readonly position: number;
  readonly bytes: number;
}

/** Runs a reader and returns what it handed on, each byte compared. */
function run(
  machine: WorkloadGuest,
  reader: (context: ReaderContext) => Process<number>,
  limit = Infinity,
): { reads: Read[]; total: number } {
  const { testbed, guest, files, contents } = machine;
  const buffer = new Uint8Array(READ_SIZE);
  const reads: Read[] = [];
  const onRead = (file: number, position: number, bytes: number): void => {
    reads.push({ file, position, bytes });
    expect(Buffer.compare(buffer.subarray(0, bytes), contents[file]!.subarray(position, position + bytes))).toBe(0);
  };
  const context = { sys: guest.kernel.syscalls, files, buffer, limit, onRead };
  const total = testbed.simulation.runProcess('reader', reader(context));
  expect(total).toBe(reads.reduce((sum, { bytes }) => sum + bytes, 0));
  return { reads, total };
}

const stream = (machine: WorkloadGuest) => machine.testbed.simulation.random.stream('workload');
const random = (machine: WorkloadGuest) => (context: ReaderContext) => readRandomPages(context, stream(machine));
const zipf = (machine: WorkloadGuest) => (context: ReaderContext) => readZipfFiles(context, stream(machine));

const sizes = fc.array(fc.oneof(fc.nat({ max: 10_000 }), fc.constantFrom(0, 4096, READ_SIZE, READ_SIZE + 1, 200_000)), {
  minLength: 1,
  maxLength: 6,
});

property(
  'a reader of all files in order reads every byte once, up to the limit',
  sizes,
  fc.option(fc.nat({ max: 300_000 })),
  (lengths, limit) => {
    const machine = bootWorkloadGuest(lengths);
    const { reads, total } = run(machine, readAllFiles, limit ?? Infinity);
    expect(total).toBe(
      Math.min(
        limit ?? Infinity,
        lengths.reduce((a, b) => a + b, 0),
      ),
    );
    let [file, position] = [0, 0];
    for (const read of reads) {
      while (position === lengths[file]) [file, position] = [file + 1, 0];
      expect([read.file, read.position]).toEqual([file, position]);
      expect(read.bytes).toBeGreaterThan(0);
      expect(read.bytes).toBeLessThanOrEqual(READ_SIZE);
      position += read.bytes;
    }
  },
  { numRuns: 6, lawRuns: 30 },
);

property(
  'a reader of random pages reads as many as there are, each one whole page of a file',
  sizes,
  (lengths) => {
    const machine = bootWorkloadGuest(lengths);
    const { reads } = run(machine, random(machine));
    expect(reads).toHaveLength(lengths.reduce((sum, length) => sum + Math.ceil(length / 4096), 0));
    for (const { file, position, bytes } of reads) {
      expect(position % 4096).toBe(0);
      expect(position).toBeLessThan(lengths[file]!);
      expect(bytes).toBe(Math.min(4096, lengths[file]! - position));
    }
  },
  { numRuns: 6, lawRuns: 30 },
);

property(
  'a reader by Zipf reads as many whole files as there are files',
  sizes,
  (lengths) => {
    const machine = bootWorkloadGuest(lengths);
    const { reads, total } = run(machine, zipf(machine));
    const starts = reads.filter(({ position }) => position === 0);
    expect(starts.length).toBeLessThanOrEqual(lengths.length);
    expect(total).toBe(starts.reduce((sum, { file }) => sum + lengths[file]!, 0));
  },
  { numRuns: 6, lawRuns: 30 },
);

property(
  'no reader reads more than the limit',
  sizes,
  fc.nat({ max: 20_000 }),
  fc.constantFrom(random, zipf),
  (lengths, limit, make) => {
    const machine = bootWorkloadGuest(lengths);
    expect(run(machine, make(machine), limit).total).toBeLessThanOrEqual(limit);
  },
  { numRuns: 6, lawRuns: 30 },
);

describe('a random reader', () => {
  const lengths = Array.from({ length: 60 }, (_, i) => 1 + ((i * 7919) % 30_000));

  it.each([random, zipf])('a random reader reads the same for one seed, something else for another', (make) => {
    const reads = (seed: number): Read[] => {
      const machine = bootWorkloadGuest(lengths, seed);
      return run(machine, make(machine)).reads;
    };
    expect(reads(1)).toEqual(reads(1));
    expect(reads(1)).not.toEqual(reads(2));
  });

  it('a random reader reads the same the second time, from a fresh stream', () => {
    const machine = bootWorkloadGuest(lengths);
    expect(run(machine, random(machine)).reads).toEqual(run(machine, random(machine)).reads);
  });

  it('a random reader goes to every file about as often as it has pages', () => {
    const machine = bootWorkloadGuest([4096 * 100, 4096 * 300]);
    const { reads } = run(machine, random(machine));
    // Binomial with n = 400, p = 1/4: five standard deviations are 43.
    expect(Math.abs(reads.filter(({ file }) => file === 0).length - 100)).toBeLessThan(43);
  });

  it('a random reader by Zipf reads the most popular file most, and not in the order of their numbers', () => {
    const machine = bootWorkloadGuest(new Array<number>(200).fill(100));
    const counts = new Uint32Array(200);
    for (const { file } of run(machine, zipf(machine)).reads) counts[file]!++;
    // Of 200 reads over 200 ranks the first rank takes 200 / H(200) = 34; five standard deviations
    // are 27.
    const most = Math.max(...counts);
    expect(Math.abs(most - 34)).toBeLessThan(27);
    expect(counts.filter((count) => count > 0).length).toBeLessThan(150);
    expect(counts.indexOf(most)).toBeGreaterThan(0);
  });
});

it('a failed system call leaves the reader', () => {
  const machine = bootWorkloadGuest([100]);
  const missing = { ...machine, files: [{ path: '/nowhere', size: 100 }] };
  expect(() => run(missing, readAllFiles)).toThrow(/^ENOENT/);
});
