import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  RECORD_WORDS,
  S_CRC,
  S_DIRTY,
  S_IDENTITY,
  S_NAMED,
  S_PRESERVED,
  S_PROTECTED,
  S_PROVENANCE,
  W_BLOCK,
  W_CHECK,
  W_CRC,
  W_GENERATION,
  W_INDEX,
  W_INO,
  W_PFN,
  W_STATE,
  checkWord,
  clearName,
  deviceOfState,
  identityOf,
  markPreserved,
  ownerOfState,
  publishBlank,
  recordIsIntact,
  writeName,
  writeProvenance,
} from '../../../src/xen/frames/frame-record.ts';
import { property } from '../../support/property.ts';

const u32 = fc.nat(0xffff_ffff);
const few = fc.nat(3);

/**
 * A record as the table keeps them: fields that no flag covers are zero. Small values, so that two
 * records share some.
 */
const record = fc
  .record({
    owner: fc.constantFrom(0, 1, 2, 0xffff),
    device: few,
    provenance: few,
    flags: fc.nat(0x1f),
    ino: few,
    generation: few,
    index: few,
    block: few,
    crc: few,
    pfn: few,
  })
  .map(({ owner, device, provenance, flags, ino, generation, index, block, crc, pfn }) => {
    const named = (flags & 1) !== 0;
    const clean = provenance === 2;
    const dirty = (provenance === 0 || provenance === 3) && (flags & 16) !== 0;
    const hasCrc = (clean || dirty) && (flags & 8) !== 0;
    let state = identityOf(owner, device) | provenance;
    if (named) state |= S_NAMED;
    if (provenance !== 0) state |= S_PROTECTED;
    if (dirty) state |= S_DIRTY;
    if (named && (flags & 4) !== 0) state |= S_PRESERVED;
    if (hasCrc) state |= S_CRC;
    const name = named ? [ino, generation, index] : [0, 0, 0];
    return [state >>> 0, ...name, provenance === 0 && !dirty ? 0 : block, hasCrc ? crc : 0, pfn] as Words;
  });
type Words = [number, number, number, number, number, number, number];

function stored(words: Words): Uint32Array {
  const record = Uint32Array.from([...words, 0]);
  record[W_CHECK] = checkWord(record, 0, words[W_STATE]);
  return record;
}

const NAME = S_NAMED | S_PRESERVED;

/** What the state of a record vouches for. */
function claimsOf(w: Uint32Array | Words) {
  return {
    name: (w[W_STATE] & S_NAMED) === 0 ? undefined : [w[W_INO], w[W_GENERATION], w[W_INDEX]],
    provenance: (w[W_STATE] & S_PROVENANCE) === 0 ? undefined : [w[W_STATE] & S_PROVENANCE, w[W_BLOCK]],
    dirty: (w[W_STATE] & S_DIRTY) === 0 ? undefined : w[W_BLOCK],
    crc: (w[W_STATE] & S_CRC) === 0 ? undefined : w[W_CRC],
  };
}

/**
 * To a reader that ignores the check word: what the state claims was true before or is true after.
 */
function expectHonest(before: Words, words: Uint32Array, after: Words): void {
  const [old, now, next] = [claimsOf(before), claimsOf(words), claimsOf(after)];
  if (now.name !== undefined) expect([old.name, next.name]).toContainEqual(now.name);
  if (now.provenance !== undefined) expect([old.provenance, next.provenance]).toContainEqual(now.provenance);
  if (now.dirty !== undefined) expect([old.dirty, next.dirty]).toContainEqual(now.dirty);
  if (now.crc !== undefined) expect([old.crc, next.crc]).toContainEqual(now.crc);
}

class Cut extends Error {}

/** The record's words behind a window that fails after `stores` stores. */
function cutAfter(words: Uint32Array, stores: number): Uint32Array {
  let left = stores;
  return new Proxy(words, {
    get: (target, key) => Reflect.get(target, key) as unknown,
    set: (target, key, value) => {
      if (left-- === 0) throw new Cut();
      return Reflect.set(target, key, value);
    },
  });
}

/** How many words of a record a writer stores. */
function storesOf(before: Words, write: (words: Uint32Array) => unknown): number {
  let stores = 0;
  write(
    new Proxy(stored(before), {
      get: (target, key) => Reflect.get(target, key) as unknown,
      set: (target, key, value) => {
        stores++;
        return Reflect.set(target, key, value);
      },
    }),
  );
  return stores;
}

describe('check word', () => {
  property(
    'the check word detects any change of one word',
    fc.array(u32, { minLength: 7, maxLength: 7 }),
    fc.nat(7),
    u32,
    (words, at, other) => {
      const [state, ...fields] = words as Words;
      const whole = stored([(state & ~0x80) >>> 0, ...fields]);
      expect(recordIsIntact(whole, 0)).toBe(true);
      fc.pre(whole[at] !== other);
      whole[at] = other;
      expect(recordIsIntact(whole, 0)).toBe(false);
    },
  );

  it('check word is zero for zero words: untouched memory is a free frame', () => {
    expect(stored([0, 0, 0, 0, 0, 0, 0])[W_CHECK]).toBe(0);
    expect(recordIsIntact(new Uint32Array(RECORD_WORDS), 0)).toBe(true);
  });

  it('check word refuses reserved bits even with a matching check word', () => {
    expect(recordIsIntact(stored([0x80, 0, 0, 0, 0, 0, 0]), 0)).toBe(false);
  });

  property('the state word of a frame record holds owner and device', fc.nat(0xffff), fc.nat(0xff), (owner, device) => {
    const state = identityOf(owner, device);
    expect([ownerOfState(state), deviceOfState(state)]).toEqual([owner, device]);
  });
});

describe('publication whose stores reach memory in any order', () => {
  /** A clean, named frame gets another name. */
  const before: Words = [(identityOf(2, 0) | 2 | S_NAMED | S_PROTECTED) >>> 0, 12, 7, 0, 99, 0, 5];
  const rename = (words: Uint32Array): unknown => writeName(words, 0, 13, 7, 1);
  const after = stored(before);
  rename(after);

  function isHonest(words: Uint32Array): boolean {
    try {
      expectHonest(before, words, [...after.subarray(0, W_CHECK)] as Words);
      return true;
    } catch {
      return false;
    }
  }

  /** What memory has when so many stores were made, in their order. */
  function inOrder(count: number): Uint32Array {
    const words = stored(before);
    expect(() => rename(cutAfter(words, count))).toThrow(Cut);
    return words;
  }

  /** What memory has when any of the words that differ were stored, by how many they are. */
  function inAnyOrder(): Uint32Array[][] {
    const places = [...after.keys()].filter((at) => after[at] !== stored(before)[at]);
    const found: Uint32Array[][] = [...places, 0].map(() => []);
    for (let chosen = 0; chosen < 1 << places.length; chosen++) {
      const words = stored(before);
      const those = places.filter((_, i) => (chosen & (1 << i)) !== 0);
      for (const at of those) words[at] = after[at]!;
      found[those.length]!.push(words);
    }
    return found;
  }

  it('one store without the order is enough for a wrong name to a reader that ignores the check word', () => {
    for (let count = 0; count < 6; count++) expect(isHonest(inOrder(count))).toBe(true);
    const fewest = inAnyOrder().findIndex((all) => all.some((words) => !isHonest(words)));
    expect(fewest).toBe(1);
  });

  it('the check word refuses each record without the order that is neither the old nor the new one', () => {
    const intact = inAnyOrder()
      .flat()
      .filter((words) => recordIsIntact(words, 0));
    expect(intact.map((words) => [...words])).toEqual([[...stored(before)], [...after]]);
  });
});

describe('publication', () => {
  it('publication has the bytes of the reference page', () => {
    const words = new Uint32Array(RECORD_WORDS);
    const identity = identityOf(2, 3);
    publishBlank(words, 0, identity, 0x1234);
    writeProvenance(words, 0, identity | 2 | S_PROTECTED | S_CRC, 0xabcdef, 0xdeadbeef);
    writeName(words, 0, 12, 7, 0x10);
    markPreserved(words, 0, true);
    const hex = Buffer.from(words.buffer).toString('hex');
    expect(hex).toBe('3e0302000c0000000700000010000000efcdab00efbeadde341200000c049e5f');
  });

  property(
    'a publication of a new owner, cut after any store, shows the old record, the new one or an invalid one',
    record,
    record,
    fc.nat(9),
    (before, [state, , , , , , pfn], stores) => {
      const identity = (state & S_IDENTITY) >>> 0;
      const after: Words = [identity, 0, 0, 0, 0, 0, pfn];
      const words = stored(before);
      try {
        publishBlank(cutAfter(words, stores), 0, identity, pfn);
        expect([...words]).toEqual([...stored(after)]);
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      if (recordIsIntact(words, 0)) expect([[...stored(before)], [...stored(after)]]).toContainEqual([...words]);
      expectHonest(before, words, after);
      expect([before[W_PFN], after[W_PFN]]).toContain(words[W_PFN]);
    },
    { numRuns: 1000 },
  );

  property(
    'a publication stores a weaker state first where a claim ends, and nowhere else',
    record,
    record,
    (before, [next, , , , block, crc]) => {
      const after: Words = [...before];
      after[W_STATE] = ((next & ~NAME) | (before[W_STATE] & NAME)) >>> 0;
      after[W_BLOCK] = block;
      after[W_CRC] = crc;
      const [old, now] = [claimsOf(before), claimsOf(after)];
      const endsOne =
        (old.provenance !== undefined && old.provenance[1] !== now.provenance?.[1]) ||
        (old.dirty !== undefined && old.dirty !== now.dirty) ||
        (old.crc !== undefined && old.crc !== now.crc);
      expect(storesOf(before, (words) => writeProvenance(words, 0, after[W_STATE], block, crc))).toBe(endsOne ? 5 : 4);
      const isBlank = (before[W_STATE] & (S_PROVENANCE | S_DIRTY | S_NAMED)) === 0;
      expect(storesOf(before, (words) => publishBlank(words, 0, identityOf(5, 0), 1))).toBe(isBlank ? 8 : 9);
    },
    { numRuns: 500 },
  );

  property(
    'a publication of a name, or of its end, cut after any store, shows the old record, the new one or an invalid one',
    record,
    fc.option(fc.tuple(few, few, few), { nil: undefined }),
    fc.nat(6),
    (before, name, stores) => {
      const change = (words: Uint32Array): unknown =>
        name === undefined ? clearName(words, 0) : writeName(words, 0, ...name);
      const whole = stored(before);
      expect(change(whole)).toBe(before[W_STATE]);
      expect(recordIsIntact(whole, 0)).toBe(true);
      const words = stored(before);
      try {
        change(cutAfter(words, stores));
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      if (recordIsIntact(words, 0)) expect([[...stored(before)], [...whole]]).toContainEqual([...words]);
      const nameOf = (w: Uint32Array): unknown =>
        (w[W_STATE]! & S_NAMED) === 0 ? undefined : [w[W_INO], w[W_GENERATION], w[W_INDEX]];
      if (nameOf(words) !== undefined) expect([nameOf(stored(before)), nameOf(whole)]).toContainEqual(nameOf(words));
      expect([...words.slice(W_BLOCK, W_CHECK)]).toEqual(before.slice(W_BLOCK));
    },
    { numRuns: 2000 },
  );

  property('a publication of a name takes effect', record, few, few, few, (before, ino, generation, index) => {
    const words = stored(before);
    writeName(words, 0, ino, generation, index);
    const after: Words = [...before];
    after[W_STATE] = ((before[W_STATE] & ~S_PRESERVED) | S_NAMED) >>> 0;
    after[W_INO] = ino;
    after[W_GENERATION] = generation;
    after[W_INDEX] = index;
    expect([...words]).toEqual([...stored(after)]);
    clearName(words, 0);
    expect(words[W_STATE]! & (S_NAMED | S_PRESERVED)).toBe(0);
    expect(recordIsIntact(words, 0)).toBe(true);
  });

  property(
    'a publication of a part of a record does not cover up damage done before, not even where it stores',
    record,
    fc.nat(7),
    u32,
    few,
    (before, at, damage, value) => {
      const writers: ((words: Uint32Array) => unknown)[] = [
        (words) => clearName(words, 0),
        (words) => writeName(words, 0, value, 1, value),
        (words) => markPreserved(words, 0, true),
        (words) => writeProvenance(words, 0, (words[W_STATE]! ^ S_CRC) >>> 0, value, value),
      ];
      fc.pre(damage !== stored(before)[at]);
      for (const write of writers) {
        const words = stored(before);
        words[at] = damage;
        write(words);
        expect(recordIsIntact(words, 0)).toBe(false);
      }
    },
  );

  property(
    'a publication of a provenance is that of the whole record, and cut after any store it shows the old record, the new one or an invalid one',
    record,
    record,
    fc.nat(5),
    (before, [next, , , , block, crc], stores) => {
      const state = ((next & ~NAME) | (before[W_STATE] & NAME)) >>> 0;
      const after: Words = [...before];
      after[W_STATE] = state;
      after[W_BLOCK] = block;
      after[W_CRC] = crc;
      const whole = stored(before);
      writeProvenance(whole, 0, state, block, crc);
      expect([...whole]).toEqual([...stored(after)]);
      const words = stored(before);
      try {
        writeProvenance(cutAfter(words, stores), 0, state, block, crc);
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      if (recordIsIntact(words, 0)) expect([[...stored(before)], [...whole]]).toContainEqual([...words]);
      expectHonest(before, words, after);
    },
    { numRuns: 2000 },
  );

  property(
    'a publication of a preserved frame, cut after any store, shows the old record, the new one or an invalid one, and covers up no damage',
    record,
    fc.boolean(),
    fc.nat(2),
    fc.nat(7),
    u32,
    (before, preserved, stores, at, damage) => {
      fc.pre((before[W_STATE] & S_NAMED) !== 0);
      const whole = stored(before);
      markPreserved(whole, 0, preserved);
      const [, ...fields] = before;
      const state = preserved ? before[W_STATE] | S_PRESERVED : before[W_STATE] & ~S_PRESERVED;
      expect([...whole]).toEqual([...stored([state >>> 0, ...fields])]);
      const words = stored(before);
      try {
        markPreserved(cutAfter(words, stores), 0, preserved);
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      if (recordIsIntact(words, 0)) expect([[...stored(before)], [...whole]]).toContainEqual([...words]);
      fc.pre(at !== W_STATE && at !== W_CHECK && damage !== before[at]);
      const damaged = stored(before);
      damaged[at] = damage;
      markPreserved(damaged, 0, preserved);
      expect(recordIsIntact(damaged, 0)).toBe(false);
    },
  );
});
