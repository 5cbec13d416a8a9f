// The recovery box: items that the next guest finds again, whatever store a crash comes at, and
// whatever is damaged.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DomId, getField, Mfn } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import {
  BOX_FRAMES_EACH,
  BOX_HEADER,
  BOX_ITEM,
  BOX_MAGIC,
  type MemoryMap,
  planMemory,
} from '../../../src/xen/records/layouts.ts';
import { eraseRecoveryBox, RecoveryBox } from '../../../src/xen/records/recovery-box.ts';
import { property } from '../../support/property.ts';
import { bootMachine, restartGuest, startGuest } from '../../support/machine.ts';

const MEMORY_BYTES = 4 << 20;
const MAP = planMemory(MEMORY_BYTES / 4096, 'x86_64') as MemoryMap;
const DOMID = DomId(3);
const FIRST = Mfn(MAP.boxMfn + BOX_FRAMES_EACH * DOMID);

class Cut extends Error {}

/** Memory whose stores end after so many. */
class CutMemory extends MachineMemory {
  left = Infinity;

  override writeU32(mfn: Mfn, offset: number, value: number): void {
    this.#count();
    super.writeU32(mfn, offset, value);
  }

  override copyIn(mfn: Mfn, offset: number, src: Uint8Array, srcOffset: number, length: number): void {
    // Word by word, as a processor stores them.
    if (this.left === Infinity) {
      super.copyIn(mfn, offset, src, srcOffset, length);
      return;
    }
    for (let at = 0; at < length; at += 4) {
      this.#count();
      super.copyIn(mfn, offset + at, src, srcOffset + at, Math.min(4, length - at));
    }
  }

  override zero(mfn: Mfn, offset?: number, length?: number): void {
    this.#count();
    super.zero(mfn, offset, length);
  }

  #count(): void {
    if (this.left-- <= 0) throw new Cut();
  }
}

const op = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('put' as const), key: fc.nat(6), size: fc.nat(900), fill: fc.nat(255) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), key: fc.nat(6) }) },
);
type Op = typeof op extends fc.Arbitrary<infer T> ? T : never;

function perform(box: RecoveryBox, model: Map<number, Uint8Array>, one: Op): void {
  if (one.do === 'remove') {
    expect(box.remove(one.key)).toBe(model.delete(one.key));
    return;
  }
  const bytes = new Uint8Array(one.size).fill(one.fill);
  if (box.put(one.key, bytes)) model.set(one.key, bytes);
  else {
    const others = [...model].filter(([key]) => key !== one.key);
    const used = others.reduce((sum, [, each]) => sum + 16 + 8 * Math.ceil(each.length / 8), 32);
    expect(used + 16 + one.size).toBeGreaterThan(4096);
  }
}

const contentsOf = (box: RecoveryBox): Map<number, Uint8Array> =>
  new Map(box.keys().map((key) => [key, box.get(key)!]));
const sorted = (map: Map<number, Uint8Array>): [number, Uint8Array][] => [...map].sort(([a], [b]) => a - b);

describe('a recovery box', () => {
  property(
    'a recovery box has what was put there and not removed, for whoever opens it',
    fc.array(op, { maxLength: 60, size: 'max' }),
    (ops) => {
      const memory = new MachineMemory(MEMORY_BYTES);
      const model = new Map<number, Uint8Array>();
      for (const one of ops) {
        perform(new RecoveryBox(memory, MAP, DOMID), model, one);
        const box = new RecoveryBox(memory, MAP, DOMID);
        expect(sorted(contentsOf(box))).toEqual(sorted(model));
        expect(box.damaged).toBe(0);
      }
      eraseRecoveryBox(memory, MAP, DOMID);
      expect(new RecoveryBox(memory, MAP, DOMID).keys()).toEqual([]);
      expect(memory.isTouched(Mfn(FIRST - 1)) || memory.isTouched(Mfn(FIRST + BOX_FRAMES_EACH))).toBe(false);
    },
    { numRuns: 16, lawRuns: 40 },
  );

  it('a recovery box gives a copy, and stores to it change nothing in the box', () => {
    const box = new RecoveryBox(new MachineMemory(MEMORY_BYTES), MAP, DOMID);
    box.put(1, Uint8Array.of(1, 2, 3));
    box.get(1)!.fill(9);
    expect([box.get(1), box.get(2), box.damaged]).toEqual([Uint8Array.of(1, 2, 3), undefined, 0]);
  });

  property(
    'a recovery box that a crash of the hypervisor interrupts at any store has each item as it was or as it became',
    fc.array(op, { maxLength: 25, size: 'max' }),
    op,
    fc.nat(1100),
    (ops, last, stores) => {
      const memory = new CutMemory(MEMORY_BYTES);
      const model = new Map<number, Uint8Array>();
      for (const one of ops) perform(new RecoveryBox(memory, MAP, DOMID), model, one);
      const before = new Map(model);
      memory.left = stores;
      try {
        perform(new RecoveryBox(memory, MAP, DOMID), model, last);
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
        model.set(last.key, last.do === 'put' ? new Uint8Array(last.size).fill(last.fill) : new Uint8Array(0));
        if (last.do === 'remove') model.delete(last.key);
      }
      memory.left = Infinity;
      expect(new RecoveryBox(memory, MAP, DOMID).damaged).toBe(0);
      const found = contentsOf(new RecoveryBox(memory, MAP, DOMID));
      for (const [key, bytes] of before) if (key !== last.key) expect([key, found.get(key)]).toEqual([key, bytes]);
      expect([before.get(last.key), model.get(last.key)]).toContainEqual(found.get(last.key));
      expect([...found.keys()].every((key) => key === last.key || before.has(key))).toBe(true);
      // It can be used as before.
      perform(new RecoveryBox(memory, MAP, DOMID), found, { do: 'put', key: 1, size: 8, fill: 1 });
      expect(sorted(contentsOf(new RecoveryBox(memory, MAP, DOMID)))).toEqual(sorted(found));
    },
  );

  property(
    'a recovery box with damage anywhere has items as they were, or not at all, and goes on working',
    fc.array(op, { minLength: 1, maxLength: 25, size: 'max' }),
    fc.array(fc.tuple(fc.nat(4096 * BOX_FRAMES_EACH - 1), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    }),
    (ops, flips) => {
      const memory = new MachineMemory(MEMORY_BYTES);
      const model = new Map<number, Uint8Array>();
      /**
       * What each key ever had: an item that was replaced may come back when the mark of that is
       * damaged.
       */
      const ever = new Map<number, Uint8Array[]>();
      for (const one of ops) {
        perform(new RecoveryBox(memory, MAP, DOMID), model, one);
        const now = model.get(one.key);
        if (now !== undefined) ever.set(one.key, [...(ever.get(one.key) ?? []), now]);
      }
      for (const [place, flip] of flips) {
        const mfn = Mfn(FIRST + (place >>> 12));
        memory.writeU8(mfn, place & 4095, memory.readU8(mfn, place & 4095) ^ flip);
      }
      for (const [key, bytes] of contentsOf(new RecoveryBox(memory, MAP, DOMID)))
        expect(ever.get(key) ?? []).toContainEqual(bytes);
      const box = new RecoveryBox(memory, MAP, DOMID);
      for (const key of box.keys()) box.remove(key);
      expect(box.put(5, Uint8Array.of(1, 2, 3))).toBe(true);
      expect(box.get(5)).toEqual(Uint8Array.of(1, 2, 3));
    },
  );

  it('a recovery box appends to a frame while there is room, and begins the other when there is none', () => {
    const memory = new MachineMemory(MEMORY_BYTES);
    const box = new RecoveryBox(memory, MAP, DOMID);
    const areBegun = (): boolean[] =>
      [FIRST, Mfn(FIRST + 1)].map((mfn) => memory.frame(mfn).some((byte) => byte !== 0));
    expect(areBegun()).toEqual([false, false]);
    expect(box.put(1, new Uint8Array(2000))).toBe(true);
    expect(areBegun()).toEqual([true, false]);
    expect(box.put(2, new Uint8Array(1000))).toBe(true);
    expect(areBegun()).toEqual([true, false]);
    expect(box.put(1, new Uint8Array(2000))).toBe(true);
    expect(areBegun()).toEqual([true, true]);
    expect(sorted(contentsOf(box))).toEqual([
      [1, new Uint8Array(2000)],
      [2, new Uint8Array(1000)],
    ]);
  });

  it('a recovery box refuses what is no key and what does not fit', () => {
    const box = new RecoveryBox(new MachineMemory(MEMORY_BYTES), MAP, DOMID);
    expect([-1, 1.5, 2 ** 32].map((key) => box.put(key, new Uint8Array(1)))).toEqual([false, false, false]);
    expect(box.put(1, new Uint8Array(4096 - 32 - 16 + 1))).toBe(false);
    expect(box.put(1, new Uint8Array(4096 - 32 - 16))).toBe(true);
    expect(box.put(2, new Uint8Array(0))).toBe(false);
    expect(box.put(1, Uint8Array.of(7))).toBe(true);
    expect(box.put(2, new Uint8Array(0))).toBe(true);
    expect(sorted(contentsOf(box))).toEqual([
      [1, Uint8Array.of(7)],
      [2, new Uint8Array(0)],
    ]);
  });
});

describe('the box of a domain', () => {
  it('the box of a domain is there for its next guest, and empty for the next domain of its number', () => {
    const machine = bootMachine();
    let guest = startGuest(machine);
    const box = () => guest.domain.environment.hypercalls.recoveryBox;
    expect(box().put(9, Uint8Array.of(1, 2))).toBe(true);
    for (const preserve of [true, false]) {
      guest = restartGuest(machine, guest, { preserve });
      expect([box().keys(), box().get(9)]).toEqual([[9], Uint8Array.of(1, 2)]);
    }
    const { domid } = guest.domain;
    machine.simulation.runProcess('destroy', machine.toolstack.destroyDomain(guest.domain));
    guest = startGuest(machine, 'other');
    expect([guest.domain.domid, box().keys(), box().remove(9)]).toEqual([domid, [], false]);
  });
});

it('the drawing in recovery-box.ts has the parts of a frame in the order in which they lie', () => {
  const source = readFileSync(new URL('../../../src/xen/records/recovery-box.ts', import.meta.url), 'utf8');
  const [, cells, item] = /^ \* \| (header .*) \| +item: (.*)$/m.exec(source)!;
  const memory = new MachineMemory(MEMORY_BYTES);
  const box = new RecoveryBox(memory, MAP, DOMID);
  const contents = [3, 8].map((length) => new Uint8Array(length).fill(0xff));
  for (const [key, bytes] of contents.entries()) box.put(key, bytes);
  const frame = box.toPage();
  expect([...frame.subarray(BOX_HEADER.offset.magic, 8)]).toEqual([...BOX_MAGIC]);
  const parts = ['header'];
  let end = BOX_HEADER.size;
  for (const bytes of contents) {
    expect(getField(BOX_ITEM, frame, end, 'length')).toBe(bytes.length);
    const [from, to] = [end + BOX_ITEM.size, end + BOX_ITEM.size + Math.ceil(bytes.length / 8) * 8];
    const padded = new Uint8Array(to - from);
    padded.set(bytes);
    expect(frame.subarray(from, to)).toEqual(padded);
    parts.push('item');
    end = to;
  }
  expect(frame.subarray(end).every((byte) => byte === 0)).toBe(true);
  expect(cells!.split('|').map((cell) => cell.trim())).toEqual([...parts, '…', 'zeros']);
  expect(item).toBe('header | bytes, padded to 8');
});

it('the drawing in recovery-box.ts says which of the two frames counts', () => {
  const source = readFileSync(new URL('../../../src/xen/records/recovery-box.ts', import.meta.url), 'utf8');
  expect(source).toContain(' * two frames, of which the one with the higher generation counts\n');
  expect(BOX_FRAMES_EACH).toBe(2);
  const memory = new MachineMemory(MEMORY_BYTES);
  const box = new RecoveryBox(memory, MAP, DOMID);
  for (const fill of [1, 2, 3]) {
    // Too long for a frame with the one before: each goes to the other frame.
    expect(box.put(7, new Uint8Array(3000).fill(fill))).toBe(true);
    const frames = [0, 1].map((half) => memory.frame(Mfn(FIRST + half)));
    const generations = frames.map((frame) => getField(BOX_HEADER, frame, 0, 'generation'));
    const higher = generations[0]! > generations[1]! ? 0 : 1;
    expect(generations[higher]).toBe(fill);
    expect(box.toPage()).toEqual(frames[higher]!.slice());
    expect(box.get(7)![0]).toBe(fill);
  }
});
