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
import { Provenance } from '../../../src/xen/frames/provenance.ts';
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

describe('a record that was made up', () => {
  const { frames, mfnOf, write } = table();
  const mfn = mfnOf(103);
  const has = (state: number, flag: number): boolean => (state & flag) !== 0;
  const flags = [S_DIRTY, S_PROTECTED, S_NAMED, S_PRESERVED];
  const states = Array.from({ length: 64 }, (_, n) =>
    flags.reduce((state, flag, i) => state | (has(n, 4 << i) ? flag : 0), n & S_PROVENANCE),
  );

  it('a record that was made up is sound when the table itself may have written it', () => {
    for (const state of states) {
      const provenance = state & S_PROVENANCE;
      const isGuarded =
        provenance !== Provenance.none ? has(state, S_PROTECTED) : has(state, S_DIRTY) || !has(state, S_PROTECTED);
      const isTransferred = provenance === Provenance.none || provenance === Provenance.writing;
      const isNamed = has(state, S_NAMED) || !has(state, S_PRESERVED);
      write(mfn, () => state);
      expect(frames.isSound(mfn), state.toString(2)).toBe(
        isGuarded && isNamed && (isTransferred || !has(state, S_DIRTY)),
      );
    }
  });

  it('a record that names another owner, another device or another page is not taken over', () => {
    const taken = ([pfn, by, on]: readonly number[]): number => {
      const each = table();
      const left = each.mfnOf(104);
      return each.frames.adopt(left, each.frames.ownerOf(left) + by!, Pfn(pfn!), each.frames.deviceOf(left) + on!);
    };
    const results = [
      [104, 0, 0],
      [105, 0, 0],
      [104, 1, 0],
      [104, 0, 1],
    ].map(taken);
    expect(results).toEqual([Reason.ok, Reason.corruptRecord, Reason.corruptRecord, Reason.corruptRecord]);
  });
});

describe('a dirty frame', () => {
  it('a dirty frame equals its block once it was written there, and not once it was written elsewhere', () => {
    const { machine, guest, frames, mfnOf } = table();
    guest.dirty(103, 6);
    for (const [pfn, block] of [
      [102, 5],
      [103, 7],
    ] as const) {
      guest.write(pfn, block);
      machine.simulation.run();
    }
    expect([frames.provenanceOf(mfnOf(102)), frames.blockOf(mfnOf(102)), frames.isDirty(mfnOf(102))]).toEqual([
      Provenance.clean,
      5,
      false,
    ]);
    expect([frames.provenanceOf(mfnOf(103)), frames.blockOf(mfnOf(103)), frames.isDirty(mfnOf(103))]).toEqual([
      Provenance.none,
      6,
      true,
    ]);
  });

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

  it('a preserved page is found by its own owner only, though another has kept one of the same name', () => {
    const { machine, guest, frames, mfnOf } = table();
    const other = startGuest(machine, 'other');
    other.read(100, 3);
    machine.simulation.run();
    other.insert(100, 12, 3);
    const [mfn, owner] = [mfnOf(100), frames.ownerOf(mfnOf(100))];
    const [theirs, theirOwner] = [other.domain.frameOf(Pfn(100)), frames.ownerOf(other.domain.frameOf(Pfn(100)))];
    restartGuest(machine, guest);
    restartGuest(machine, other);
    const device = frames.deviceOf(mfn);
    expect(frames.deviceOf(theirs)).toBe(device);
    expect(frames.findPreserved(owner, device, 12, 1, 3)).toBe(mfn);
    expect(frames.findPreserved(theirOwner, device, 12, 1, 3)).toBe(theirs);
    expect(frames.findPreserved(owner + 100, device, 12, 1, 3)).toBe(-1);
    expect(frames.findPreserved(owner, device + 1, 12, 1, 3)).toBe(-1);
  });

  it('a preserved page of the generation that is asked for is found before one of another', () => {
    const { machine, guest, frames, mfnOf } = table();
    for (const [pfn, generation] of [
      [104, 2],
      [105, 3],
      [106, 4],
    ] as const) {
      guest.read(pfn, 3);
      machine.simulation.run();
      guest.insert(pfn, 12, 3, generation);
    }
    const mfns = [100, 104, 105, 106].map(mfnOf);
    const owner = frames.ownerOf(mfns[0]!);
    restartGuest(machine, guest);
    const find = (generation: number): number => frames.findPreserved(owner, 0, 12, generation, 3);
    expect([1, 2, 3, 4].map(find)).toEqual(mfns);
    expect(mfns).toContain(find(5));
  });
});

describe('the memory that a frame table needs besides its records', () => {
  it('the memory that a frame table needs is two links, a bit, and 1 and 2 bytes of buckets a frame', () => {
    const { machine, frames } = table();
    expect(frames.derivedBytes / machine.hypervisor.map.frameCount).toBe(8 + 1 / 8 + 1 + 2);
  });
});
