// What the frame table finds wrong in itself, and what it says of a frame that is dirty.
import { describe, expect, it } from 'vitest';
import { Mfn, Pfn } from '../../../src/base/index.ts';
import { Reason } from '../../../src/xen/index.ts';
import {
  checkWord,
  RECORD_WORDS,
  S_DIRTY,
  S_NAMED,
  S_PRESERVED,
  S_PROTECTED,
  S_PROVENANCE,
} from '../../../src/xen/frames/frame-record.ts';
import { bootMachine, cacheBlocks, restartGuest, startGuest } from '../../support/machine.ts';

/** A guest whose page 100 is clean and named, and whose page 102 is dirty. */
function table() {
  const machine = bootMachine();
  const guest = startGuest(machine);
  cacheBlocks(machine, guest, [3, 9]);
  expect(guest.dirty(102, 5)).toBe(Reason.ok);
  const { frames, allocator, map } = machine.hypervisor;
  const words = machine.memory.words(map.tableMfn, map.tableFrames);
  const mfnOf = (pfn: number): Mfn => guest.domain.frameOf(Pfn(pfn));
  /** Writes a record that is intact. */
  const write = (mfn: Mfn, change: (state: number) => number, word = 0, value = 0): void => {
    const at = mfn * RECORD_WORDS;
    if (word > 0) words[at + word] = value;
    words[at] = change(words[at]!);
    words[at + RECORD_WORDS - 1] = checkWord(words, at, words[at]);
  };
  const free = Array.from({ length: map.frameCount }, (_, mfn) => Mfn(mfn)).find((mfn) => allocator.isFree(mfn))!;
  return { machine, guest, frames, words, mfnOf, write, free };
}

describe('the invariants of a frame', () => {
  it('a frame that is clean, dirty, preserved or free fulfils all invariants', () => {
    const { machine, guest, frames, mfnOf, free } = table();
    for (const mfn of [mfnOf(100), mfnOf(102), free]) expect(() => frames.checkRecord(mfn)).not.toThrow();
    const mfn = mfnOf(101);
    restartGuest(machine, guest);
    expect(frames.isPreserved(mfn)).toBe(true);
    expect(() => frames.checkRecord(mfn)).not.toThrow();
  });

  it('invariant 1 is broken by a word that changed alone', () => {
    const { frames, words, mfnOf } = table();
    words[mfnOf(100) * RECORD_WORDS + 1]! ^= 1;
    expect(() => frames.checkRecord(mfnOf(100))).toThrow('invariant 1:');
  });

  it.each([
    ['2', 'a block in the index of which the record knows nothing', 100, ~(S_PROVENANCE | S_PROTECTED), 0],
    ['3', 'a frame that is clean and dirty', 100, ~0, S_DIRTY],
    ['4', 'a clean frame without its protection', 100, ~S_PROTECTED, 0],
    ['5', 'a frame that is called preserved and is not in the index', 100, ~0, S_PRESERVED],
    ['7', 'a dirty frame that is protected and says that it is open', 102, ~S_PROTECTED, 0],
  ])('invariant %s is broken by %s', (number, _, pfn, keep, add) => {
    const { frames, mfnOf, write } = table();
    write(mfnOf(pfn), (state) => (state & keep) | add);
    expect(() => frames.checkRecord(mfnOf(pfn))).toThrow(`invariant ${number}:`);
  });

  it('invariant 6 is broken by a preserved frame without a name', () => {
    const { machine, guest, frames, mfnOf, write } = table();
    const mfn = mfnOf(100);
    restartGuest(machine, guest);
    write(mfn, (state) => state & ~S_NAMED);
    expect(() => frames.checkRecord(mfn)).toThrow('invariant 6:');
  });

  it.each([1, 2, 3, 4, 5, 6])('invariant 8 is broken by a free frame with something in word %i', (word) => {
    const { frames, write, free } = table();
    write(free, (state) => state, word, 7);
    expect(() => frames.checkRecord(free)).toThrow('invariant 8:');
  });
});

describe('a dirty frame', () => {
  it('a dirty frame is sealed until a program may store to it, and open from then on', () => {
    const { frames, mfnOf } = table();
    const says = (mfn: Mfn): boolean[] => [
      frames.isDirty(mfn),
      frames.isSealed(mfn),
      frames.refusesStores(mfn),
      frames.isOpen(mfn),
    ];
    expect(says(mfnOf(100))).toEqual([false, false, false, false]);
    expect(says(mfnOf(103))).toEqual([false, false, false, false]);
    expect(says(mfnOf(102))).toEqual([true, true, true, false]);
    frames.exposed(mfnOf(102));
    expect(says(mfnOf(102))).toEqual([true, false, false, true]);
    expect(() => frames.checkRecord(mfnOf(102))).not.toThrow();
    frames.closed(mfnOf(102));
    expect(says(mfnOf(102))).toEqual([true, true, true, false]);
  });
});

describe('the name of a preserved frame', () => {
  // So many names that many fall into the bucket of the page.
  const OTHERS = 5000;

  it('a preserved page is found by its own inode only, whatever falls into the same bucket', () => {
    const { machine, guest } = table();
    const next = restartGuest(machine, guest);
    for (let ino = 13; ino < 13 + OTHERS; ino++) expect(next.claim(ino, 3, 3).result).toBe(Reason.absent);
    expect(next.claim(12, 3, 3).result).toBe(Reason.ok);
  });

  it('a preserved page is found at its own place in the file only, whatever falls into the same bucket', () => {
    const { machine, guest } = table();
    const next = restartGuest(machine, guest);
    for (let index = 10; index < 10 + OTHERS; index++) expect(next.claim(12, index, 9).result).toBe(Reason.absent);
    expect(next.claim(12, 9, 9).result).toBe(Reason.ok);
  });
});
