/**
 * Every write of a journal as the last one: blocks one after the other, and sector by sector those
 * that say where the log is. What the next guest finds is the file system after some whole
 * operation, none older than the last sync.
 */

import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../src/base/index.ts';
import type { ImageStore } from '../../../../src/disk/image/image-store.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { ext3Image, JournalFile, readBlock } from '../../../support/journal-image.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

const SECTOR = 512;
const DIRECTORIES = 8;

interface Write {
  readonly at: number;
  readonly bytes: Uint8Array;
  /** Operations that were synced when it was written. */
  readonly synced: number;
}

/** An image that remembers what is written to it, in order. */
class RememberingImage implements ImageStore {
  readonly size: number;
  readonly writes: Write[] = [];
  synced = 0;
  readonly #below: MemoryImage;

  constructor(below: MemoryImage) {
    this.#below = below;
    this.size = below.size;
  }

  get extents(): ImageStore['extents'] {
    return this.#below.extents;
  }

  read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
    this.#below.read(offset, dst, dstOffset, length);
  }

  write(...[offset, src, srcOffset, length, by]: Parameters<ImageStore['write']>): void {
    this.writes.push({ at: offset, bytes: src.slice(srcOffset, srcOffset + length), synced: this.synced });
    this.#below.write(offset, src, srcOffset, length, by);
  }
}

/** Makes directories, syncs after each; makes the log begin anew by a shutdown, and goes on. */
function record(start: MemoryImage): Write[] {
  const image = new RememberingImage(start.clone());
  let made = 0;
  for (const isLast of [false, true]) {
    const machine = new FakeMachine({ image });
    const kernel = machine.run(machine.boot());
    machine.run(
      (function* (): Process {
        for (let n = 0; n < DIRECTORIES / 2; n++) {
          yield* kernel.syscalls.mkdir(`/d${made++}`);
          yield* kernel.syscalls.sync();
          image.synced = made;
        }
        if (!isLast) yield* kernel.shutdown();
      })(),
    );
  }
  return image.writes;
}

describe('a guest that dies with a write of its journal', () => {
  const start = ext3Image();
  const journal = new JournalFile(start);
  const place = journal.place(0);
  const inJournal = new Set(Array.from({ length: 200 }, (_, n) => journal.place(n)));
  const writes = record(start);
  const blockOf = ({ at }: Write): number => Math.floor(at / PAGE_SIZE);

  it('a guest that dies with a write of its journal changes nothing of the journal’s superblock but its first sector, which is written whole or not at all', () => {
    let before = readBlock(start, place);
    let seen = 0;
    for (const write of writes) {
      if (blockOf(write) !== place) continue;
      seen++;
      expect(write.bytes).toHaveLength(PAGE_SIZE);
      expect(Buffer.compare(write.bytes.subarray(SECTOR), before.subarray(SECTOR))).toBe(0);
      before = write.bytes;
    }
    expect(seen).toBeGreaterThan(2);
  });

  it(`a guest that dies with a write of its journal is followed by one that finds all that was synced, whole, after each of ${writes.length} writes`, () => {
    const image = start.clone();
    const found = new Map<number, number>();
    const check = (synced: number, what: string): void => {
      const machine = new FakeMachine({ image: image.clone() });
      const { syscalls } = machine.run(machine.boot());
      const names = machine
        .run(syscalls.readdir('/'))
        .map(({ name }) => name)
        .filter((name) => name.startsWith('d'))
        .sort();
      expect([what, names]).toEqual([what, Array.from({ length: names.length }, (_, n) => `d${n}`)]);
      // The operation that is being synced may be there already, and no other.
      if (names.length < synced || names.length > synced + 1) throw new Error(`${what}: ${names.join()}`);
      for (const name of names)
        expect(machine.run(syscalls.readdir(`/${name}`)).map((entry) => entry.name)).toEqual(['.', '..']);
      found.set(names.length, (found.get(names.length) ?? 0) + 1);
    };
    check(0, 'at the beginning');
    for (const [n, write] of writes.entries()) {
      const block = blockOf(write);
      // What says where things are is cut in its sectors; the rest of the log and of the file
      // system, at its end.
      const isControl = block === place || block === 0 || (inJournal.has(block) && isCommit(write.bytes));
      const step = isControl ? SECTOR : write.bytes.length;
      for (let done = 0; done < write.bytes.length; done += step) {
        image.write(write.at + done, write.bytes, done, Math.min(step, write.bytes.length - done));
        if (!isControl || done < 2 * SECTOR || done === write.bytes.length - SECTOR)
          check(write.synced, `write ${n} of block ${block}, ${done + step} bytes`);
      }
    }
    // Each number of directories was found at some time.
    expect([...found.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: DIRECTORIES + 1 }, (_, n) => n));
  });
});

/** A block of control of the journal, from its published layout: magic, and a type. */
function isCommit(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).readUInt32BE(0) === 0xc03b3998;
}
