/**
 * What a save sends in batches: pages of the stream, blocks of a request and of a window. Each at
 * one less than the batch, at it, and at one more, and what then goes is counted.
 * migration-batches.test.ts has those of a migration.
 */

import { describe, expect, it } from 'vitest';
import { DONE, err, ok, PAGE_SIZE, Pfn, type Result } from '../../src/base/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { Provenance, restoreDomain, saveDomain } from '../../src/xen/index.ts';
import { STATE_FRAMES_EACH } from '../../src/xen/records/layouts.ts';
import { receiveDomain } from '../../src/xen/toolstack/resume.ts';
import { type ByteSource, readPages } from '../../src/xen/save/body.ts';
import { SaveExtent } from '../../src/xen/save/extent.ts';
import { bodyBlocksOf, decodeSaveHeader } from '../../src/xen/save/format.ts';
import { SaveReader, SaveWriter } from '../../src/xen/save/stream.ts';
import {
  bootMachine,
  cacheBlocks,
  LEAST_PAGES,
  MIB,
  startGuest,
  stateOf,
  suspends,
  TestDisk,
  type TestMachine,
} from '../support/machine.ts';

/** Blocks of each request of one kind, from here on. */
function requestsOf(disk: TestDisk, op: 'read' | 'write'): [first: number, blocks: number][] {
  const requests: [number, number][] = [];
  const submit = disk.submit.bind(disk);
  disk.submit = (request) => {
    if (request.op === op) requests.push([request.sector / 8, request.segments.length]);
    submit(request);
  };
  return requests;
}

/** Requests of 32 blocks from `first` on, and one of the rest. */
function inRequests(first: number, blocks: number): [number, number][] {
  const requests: [number, number][] = [];
  for (let at = 0; at < blocks; at += 32) requests.push([first + at, Math.min(32, blocks - at)]);
  return requests;
}

const numbers = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i);
const machineOf = (blocks: number): TestMachine => {
  const machine = bootMachine();
  return { ...machine, disk: new TestDisk(machine.simulation, machine.memory, blocks) };
};

describe('pages of a save go 1024 to a batch', () => {
  it.each([
    [1023, [1023]],
    [1024, [1024]],
    [1025, [1024, 1]],
    [2047, [1024, 1023]],
    [2048, [1024, 1024]],
    [2049, [1024, 1024, 1]],
  ])('a save of %i pages has batches of %j', (mapped, batches) => {
    const machine = bootMachine(1, {}, 24 * MIB);
    const nrPages = Math.max(LEAST_PAGES, mapped + 3);
    const guest = startGuest(machine, 'guest', nrPages);
    const { memory, hypercalls } = guest.domain.environment;
    for (let pfn = 20; pfn < nrPages - 1; pfn++) memory.writeU32(Pfn(pfn), 0, 3 * pfn);
    expect(hypercalls.decreaseReservation(numbers(nrPages - mapped, 20))).toBe(nrPages - mapped);
    suspends(guest);
    const file = new TestDisk(machine.simulation, machine.memory, nrPages + 40);
    let before: ReturnType<typeof stateOf> | undefined;
    file.onFrame = () => (before ??= stateOf(machine, guest.domain));
    const config = { device: machine.disk };
    const saved = machine.simulation.runProcess('save', saveDomain(machine, guest.domain, config, file));
    const header = decodeSaveHeader(file.block(0), 'x86_64');
    if (!header.ok) throw new Error(header.reason);
    expect(header.value.mappedPages).toBe(mapped);
    expect(saved).toMatchObject({ value: { bytes: (1 + bodyBlocksOf(header.value)) * PAGE_SIZE } });
    // The counts in the file itself, up to the one that ends them.
    const found: number[] = [];
    const view = new DataView(file.bytes.buffer);
    for (let at = PAGE_SIZE; ; ) {
      const count = view.getUint32(at, true);
      if (count === 0) break;
      found.push(count);
      at += 4 + count * (8 + PAGE_SIZE);
    }
    expect(found).toEqual(batches);
    const restored = machine.simulation.runProcess(
      'restore',
      restoreDomain(machine, file, { device: machine.disk, vouch: false }),
    );
    if (!restored.ok) throw new Error(restored.reason.why);
    expect(stateOf(machine, restored.value.domain)).toEqual(before);
  });

  it.each([
    [1024, [1, 2048]],
    [1025, [1]],
  ])('a save of %i pages is read for %j words: more than that is none', (count, asked) => {
    const machine = bootMachine();
    const config = { name: 'guest', memoryBytes: 0, device: machine.disk };
    const { simulation, toolstack, hypervisor } = machine;
    const incoming = simulation.runProcess('room', receiveDomain(hypervisor, toolstack.list, config, 1100, 1100));
    if (!incoming.ok) throw new Error(incoming.reason.why);
    const words: number[] = [];
    const source: ByteSource = {
      *take() {
        return err('none');
      },
      takeNow: () => undefined,
      *words(wanted) {
        words.push(wanted);
        return words.length === 1 ? ok(Uint32Array.of(count)) : err('none');
      },
    };
    expect(simulation.runProcess('read', readPages(source, hypervisor, incoming.value))).toHaveProperty('reason');
    expect(words).toEqual(asked);
  });
});

it('a body is as long as its batches, to the byte', () => {
  // Two heads of batches, or three, beside 1030 numbers of pages and 127 facts: 8192 bytes, or 4
  // more; then the pages, state and box.
  const body = (mappedPages: number, factCount: number): number =>
    bodyBlocksOf({ arch: 'x86_32', nrPages: 1030, mappedPages, factCount });
  const rest = STATE_FRAMES_EACH + 1;
  expect([1023, 1024, 1025].map((mapped) => body(mapped, 127) - mapped - rest)).toEqual([2, 2, 3]);
  expect([126, 127, 128].map((facts) => body(1024, facts) - 1024 - rest)).toEqual([2, 2, 3]);
});

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

describe('a file of domain 0', () => {
  it.each([31, 32, 33, 63, 64, 65, 255, 256])(
    'a file of domain 0 has %i blocks written and read 32 to a request',
    (blocks) => {
      const machine = machineOf(300);
      const { simulation, hypervisor, disk } = machine;
      const [writes, reads] = [requestsOf(disk, 'write'), requestsOf(disk, 'read')];
      const bytes = new Uint8Array(blocks * PAGE_SIZE).map((_, i) => i * 7 + (i >>> 12));
      const process = function* (): Process {
        const extent = valueOf(yield* SaveExtent.open(hypervisor, disk));
        expect(yield* extent.write(5, bytes)).toBe(DONE);
        const back = valueOf(yield* extent.read(5, blocks));
        expect(Buffer.compare(back, bytes)).toBe(0);
        extent.close();
      };
      simulation.runProcess('file', process());
      expect([writes, reads]).toEqual([inRequests(5, blocks), inRequests(5, blocks)]);
    },
  );

  it.each([
    [256 * PAGE_SIZE - 1, [256]],
    [256 * PAGE_SIZE, [256]],
    [256 * PAGE_SIZE + 1, [256, 1]],
    [512 * PAGE_SIZE + 1, [256, 256, 1]],
  ])('a file of domain 0 has a stream of %i bytes written and read in windows of %j blocks', (length, windows) => {
    const machine = machineOf(600);
    const { simulation, hypervisor, disk } = machine;
    const [writes, reads] = [requestsOf(disk, 'write'), requestsOf(disk, 'read')];
    const bytes = new Uint8Array(length).map((_, i) => i * 7 + (i >>> 12));
    const process = function* (): Process {
      const extent = valueOf(yield* SaveExtent.open(hypervisor, disk));
      const writer = new SaveWriter(hypervisor, extent);
      // In two pieces, of which the second begins with the last byte of a window.
      yield* writer.put(bytes.subarray(0, 256 * PAGE_SIZE - 1));
      yield* writer.put(bytes.subarray(256 * PAGE_SIZE - 1));
      expect(yield* writer.end()).toBe(DONE);
      const reader = new SaveReader(hypervisor, extent, Math.ceil(length / PAGE_SIZE));
      expect(Buffer.compare(valueOf(yield* reader.take(length)), bytes)).toBe(0);
      expect([reader.isAtEnd, reader.crc]).toEqual([true, writer.crc]);
      expect(yield* reader.take(PAGE_SIZE)).toEqual(err('it ends too early'));
      extent.close();
    };
    simulation.runProcess('file', process());
    // The header is block 0.
    const expected = windows.flatMap((blocks, i) => inRequests(1 + 256 * i, blocks));
    expect([writes, reads]).toEqual([expected, expected]);
  });
});

describe('blocks that are compared after a restore', () => {
  it.each([
    ['255 neighbours in one run', numbers(255, 10), [[10, 255]]],
    ['256 neighbours in one run', numbers(256, 10), [[10, 256]]],
    [
      '257 neighbours in two',
      numbers(257, 10),
      [
        [10, 256],
        [266, 1],
      ],
    ],
    [
      'a gap of one block in two',
      [10, 11, 13],
      [
        [10, 2],
        [13, 1],
      ],
    ],
    ['one block that two pages equal in one', [10, 10, 11], [[10, 2]]],
  ] as const)('a restore compares %s', (_, blocks, runs) => {
    const machine = machineOf(300);
    const { simulation, disk, hypervisor } = machine;
    const guest = startGuest(machine);
    cacheBlocks(machine, guest, blocks);
    suspends(guest);
    const file = new TestDisk(simulation, machine.memory, LEAST_PAGES + 40);
    simulation.runProcess('save', saveDomain(machine, guest.domain, { device: disk }, file));
    const reads = requestsOf(disk, 'read');
    const restored = simulation.runProcess('restore', restoreDomain(machine, file, { device: disk, vouch: true }));
    if (!restored.ok) throw new Error(restored.reason.why);
    expect(reads).toEqual(runs.flatMap(([first, count]) => inRequests(first, count)));
    expect(restored.value.pagesVouched).toBe(blocks.length);
    const { frames } = hypervisor;
    const clean = numbers(LEAST_PAGES).filter(
      (pfn) => frames.provenanceOf(restored.value.domain.frameOf(Pfn(pfn))) === Provenance.clean,
    );
    expect(clean).toEqual(numbers(blocks.length, 100));
  });
});
