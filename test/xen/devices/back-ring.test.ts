// The back-end's end of a ring, alone: what it takes, answers, and ignores.
import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { BackRing } from '../../../src/xen/devices/back-ring.ts';
import type { FrameTable } from '../../../src/xen/frames/frame-table.ts';
import { RING_HEADER, RING_HEADER_BYTES } from '../../../src/xen/public/index.ts';

const SLOTS = 4;
const BYTES = 8;
const MFN = Mfn(2);
const { reqProd, reqEvent, rspProd, rspEvent } = RING_HEADER.offset;

/** A ring whose slot n holds byte n, and the frames that were said to be stored to. */
function ring() {
  const memory = new MachineMemory(4 * PAGE_SIZE);
  const stored: Mfn[] = [];
  const frames = { stored: (mfn: Mfn) => stored.push(mfn) } as unknown as FrameTable;
  const back = new BackRing({ memory, frames }, MFN, SLOTS, BYTES);
  for (let slot = 0; slot < SLOTS; slot++) memory.writeU8(MFN, RING_HEADER_BYTES + slot * BYTES, slot);
  const slot = new Uint8Array(BYTES);
  return {
    stored,
    back,
    publish: (index: number) => memory.writeU32(MFN, reqProd, index >>> 0),
    wantEvent: (index: number) => memory.writeU32(MFN, rspEvent, index),
    word: (offset: number) => memory.readU32(MFN, offset),
    byte: (at: number) => memory.readU8(MFN, RING_HEADER_BYTES + at * BYTES),
    /** Bytes of the requests that are taken. */
    takeAll: () => {
      const taken: number[] = [];
      while (taken.length < 20 && back.take(slot)) taken.push(slot[0]!);
      return taken;
    },
  };
}

describe('the back-end’s end of a ring', () => {
  it('a ring is taken in order, and an event is asked for when it is empty', () => {
    const { publish, takeAll, word } = ring();
    expect(word(reqEvent)).toBe(1);
    publish(3);
    expect(takeAll()).toEqual([0, 1, 2]);
    expect(word(reqEvent)).toBe(4);
  });

  it('a ring whose producer claims more than its slots, or takes requests back, is left alone until it makes sense', () => {
    const { publish, takeAll, back } = ring();
    publish(SLOTS + 1);
    expect(takeAll()).toEqual([]);
    publish(3);
    expect(takeAll()).toEqual([0, 1, 2]);
    back.respond(new Uint8Array(BYTES));
    for (const less of [2, 1, 0, -1]) {
      publish(less);
      expect(takeAll()).toEqual([]);
    }
    publish(SLOTS + 2);
    expect(takeAll()).toEqual([]);
    publish(SLOTS + 1);
    expect(takeAll()).toEqual([3, 0]);
  });

  it('a ring has the answer in the next slot, and an event only for the one that the front-end waits for', () => {
    const { publish, takeAll, back, wantEvent, word, byte, stored } = ring();
    publish(2);
    takeAll();
    wantEvent(2);
    stored.length = 0;
    expect(back.respond(Uint8Array.of(7))).toBe(false);
    expect(back.respond(Uint8Array.of(8))).toBe(true);
    expect([word(rspProd), byte(0), byte(1), byte(2)]).toEqual([2, 7, 8, 2]);
    expect(new Set(stored)).toEqual(new Set([MFN]));
  });
});
