import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/base/argument-error.ts';
import { Mfn } from '../../src/base/units.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { property } from '../support/property.ts';

const BANK_FRAMES = 2 ** 18;
/**
 * Frames at both ends of memory, on both sides of the bank border, and two that share a slot of the
 * view cache.
 */
const FRAMES = [0, 1, 16_384, BANK_FRAMES - 1, BANK_FRAMES, BANK_FRAMES + 1, BANK_FRAMES + 7];
const memory = new MachineMemory((BANK_FRAMES + 8) * 4096);

const frame = fc.constantFrom(...FRAMES);
const range = fc
  .tuple(fc.nat(4096), fc.oneof(fc.nat(4096), fc.constant(4096)))
  .map(([offset, length]) =>
    length === 4096 ? { offset: 0, length } : { offset, length: Math.min(length, 4096 - offset) },
  );
const wordOffset = fc.nat(4092);

const operation = fc.oneof(
  fc.record({ kind: fc.constant('copyIn' as const), frame, range, seed: fc.nat(255), lead: fc.nat(3) }),
  fc.record({ kind: fc.constant('zero' as const), frame, range }),
  fc.record({ kind: fc.constant('writeU32' as const), frame, offset: wordOffset, value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('writeU8' as const), frame, offset: fc.nat(4095), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('words' as const), frame, word: fc.nat(1023), value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('bytes' as const), frame, at: fc.nat(4095), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('clearAll' as const) }),
);

describe('MachineMemory', () => {
  property(
    'MachineMemory holds what a plain array of bytes per frame would hold, and knows which frames may not be zero',
    fc.array(operation, { maxLength: 40 }),
    wordOffset,
    range,
    (operations, offset, { offset: rangeOffset, length }) => {
      memory.clearAll();
      const model = new Map(FRAMES.map((mfn) => [mfn, new Uint8Array(4096)]));
      const touched = new Set<number>();
      for (const op of operations) {
        const own = 'frame' in op ? model.get(op.frame)! : new Uint8Array(0);
        switch (op.kind) {
          case 'copyIn': {
            const src = new Uint8Array(op.lead + op.range.length + op.lead).map((_, i) => op.seed + i * 7);
            memory.copyIn(Mfn(op.frame), op.range.offset, src, op.lead, op.range.length);
            own.set(src.subarray(op.lead, op.lead + op.range.length), op.range.offset);
            touched.add(op.frame);
            break;
          }
          case 'zero':
            memory.zero(Mfn(op.frame), op.range.offset, op.range.length);
            own.fill(0, op.range.offset, op.range.offset + op.range.length);
            if (op.range.length === 4096) touched.delete(op.frame);
            break;
          case 'writeU32':
            memory.writeU32(Mfn(op.frame), op.offset, op.value);
            new DataView(own.buffer).setUint32(op.offset, op.value, true);
            touched.add(op.frame);
            break;
          case 'writeU8':
            memory.writeU8(Mfn(op.frame), op.offset, op.value);
            own[op.offset] = op.value;
            touched.add(op.frame);
            break;
          case 'words':
            memory.words(Mfn(op.frame), 1)[op.word] = op.value;
            memory.touch(Mfn(op.frame));
            new DataView(own.buffer).setUint32(op.word * 4, op.value, true);
            touched.add(op.frame);
            break;
          case 'bytes':
            memory.bytes(Mfn(op.frame), 1)[op.at] = op.value;
            memory.touch(Mfn(op.frame));
            own[op.at] = op.value;
            touched.add(op.frame);
            break;
          case 'clearAll':
            memory.clearAll();
            for (const bytes of model.values()) bytes.fill(0);
            touched.clear();
            break;
        }
      }
      for (const mfn of FRAMES) {
        const own = model.get(mfn)!;
        expect(Buffer.compare(memory.frame(Mfn(mfn)), own)).toBe(0);
        expect(memory.isTouched(Mfn(mfn))).toBe(touched.has(mfn));
        const out = new Uint8Array(4096 + 2).fill(0xee);
        memory.copyOut(Mfn(mfn), rangeOffset, out, 1, length);
        const expected = new Uint8Array(4096 + 2).fill(0xee);
        expected.set(own.subarray(rangeOffset, rangeOffset + length), 1);
        expect(Buffer.compare(out, expected)).toBe(0);
        const view = new DataView(own.buffer);
        expect(memory.readU32(Mfn(mfn), offset)).toBe(view.getUint32(offset, true));
        expect(memory.readU16(Mfn(mfn), offset)).toBe(view.getUint16(offset, true));
        expect(memory.readU8(Mfn(mfn), offset)).toBe(own[offset]);
        const from = offset >>> 2;
        const words = new Uint32Array(own.buffer);
        const other = words.findIndex((word, at) => at >= from && word !== words[from]);
        expect(memory.skipWords(Mfn(mfn), 4 * from, 4096, words[from]!)).toBe(other < 0 ? 4096 : 4 * other);
      }
    },
  );

  it('MachineMemory marks a run of frames as touched, across words of the bit map and the bank border', () => {
    memory.clearAll();
    memory.touch(Mfn(BANK_FRAMES - 40), 44);
    const marked = (mfn: number) => memory.isTouched(Mfn(mfn));
    expect([BANK_FRAMES - 41, BANK_FRAMES + 4].map(marked)).toEqual([false, false]);
    for (let mfn = BANK_FRAMES - 40; mfn < BANK_FRAMES + 4; mfn++) expect(marked(mfn)).toBe(true);
    memory.clearAll();
    expect(marked(BANK_FRAMES)).toBe(false);
  });

  it('MachineMemory takes the bytes and the marks of another one, and neither sees the stores to the other', () => {
    memory.clearAll();
    const border = [BANK_FRAMES - 2, BANK_FRAMES - 1, BANK_FRAMES, BANK_FRAMES + 1];
    const written = [0, 5, 6, ...border, BANK_FRAMES + 7];
    for (const mfn of written) memory.writeU32(Mfn(mfn), 4092, mfn + 1);
    const copy = new MachineMemory(memory.frameCount * 4096);
    copy.writeU32(Mfn(7), 0, 77);
    copy.copyFrom(memory);
    expect([copy.readU32(Mfn(7), 0), copy.isTouched(Mfn(7))]).toEqual([0, false]);
    expect(() => copy.copyFrom(new MachineMemory(4096))).toThrow(/^other: /);
    memory.writeU32(Mfn(5), 4092, 0xaaaa);
    copy.writeU32(Mfn(6), 4092, 0xbbbb);
    copy.writeU8(Mfn(BANK_FRAMES - 3), 0, 1);
    for (const mfn of written) {
      expect(copy.readU32(Mfn(mfn), 4092), `copy of ${mfn}`).toBe(mfn === 6 ? 0xbbbb : mfn + 1);
      expect(memory.readU32(Mfn(mfn), 4092), `frame ${mfn}`).toBe(mfn === 5 ? 0xaaaa : mfn + 1);
      expect(copy.isTouched(Mfn(mfn))).toBe(true);
    }
    const loose = Array.from({ length: memory.frameCount }, (_, mfn) => Mfn(mfn)).filter((mfn) => copy.isTouched(mfn));
    expect(loose).toEqual([0, 5, 6, BANK_FRAMES - 3, ...border, BANK_FRAMES + 7]);
    expect(memory.isTouched(Mfn(BANK_FRAMES - 3))).toBe(false);
    memory.clearAll();
  });

  it('MachineMemory gives words and bytes of a run that are the memory itself', () => {
    memory.clearAll();
    const words = memory.words(Mfn(BANK_FRAMES), 2);
    expect(words.length).toBe(2048);
    words[1024] = 0x01020304;
    expect(memory.readU32(Mfn(BANK_FRAMES + 1), 0)).toBe(0x01020304);
    expect([...memory.bytes(Mfn(BANK_FRAMES), 2).subarray(4096, 4100)]).toEqual([4, 3, 2, 1]);
    words[1024] = 0;
  });

  it('MachineMemory refuses what is not whole frames, leaves a frame, a bank or memory', () => {
    for (const bytes of [0, 4095, 4097, -4096, 2 ** 53]) expect(() => new MachineMemory(bytes)).toThrow(ArgumentError);
    const page = new Uint8Array(4096);
    const last = Mfn(memory.frameCount - 1);
    expect(() => memory.words(Mfn(BANK_FRAMES - 1), 2)).toThrow(ArgumentError);
    expect(() => memory.words(last, 0)).toThrow(ArgumentError);
    expect(() => memory.copyIn(last, 1, page, 0, 4096)).toThrow(ArgumentError);
    expect(() => memory.copyIn(last, 0, page, 1, 4096)).toThrow(ArgumentError);
    expect(() => memory.copyOut(last, 4000, page, 0, 97)).toThrow(ArgumentError);
    expect(() => memory.zero(last, 4000, 97)).toThrow(ArgumentError);
    expect(() => memory.copyIn(Mfn(memory.frameCount), 0, page, 0, 1)).toThrow(ArgumentError);
    expect(() => memory.readU32(Mfn(memory.frameCount), 0)).toThrow(ArgumentError);
    expect(() => memory.frame(Mfn(memory.frameCount))).toThrow(ArgumentError);
  });

  // In the last frame of all, and on both sides of the border between banks; each row: where an
  // access may begin, at the latest.
  const page = new Uint8Array(4096);
  it.each<[string, number, (mfn: Mfn, offset: number) => unknown]>([
    ['readU8', 4095, (mfn, offset) => memory.readU8(mfn, offset)],
    ['readU16', 4094, (mfn, offset) => memory.readU16(mfn, offset)],
    ['readU32', 4092, (mfn, offset) => memory.readU32(mfn, offset)],
    ['writeU8', 4095, (mfn, offset) => memory.writeU8(mfn, offset, 1)],
    ['writeU16', 4094, (mfn, offset) => memory.writeU16(mfn, offset, 1)],
    ['writeU32', 4092, (mfn, offset) => memory.writeU32(mfn, offset, 1)],
    ['copyOut of 96 bytes', 4000, (mfn, offset) => memory.copyOut(mfn, offset, page, 0, 96)],
    ['copyIn of 96 bytes', 4000, (mfn, offset) => memory.copyIn(mfn, offset, page, 0, 96)],
    ['skipWords of 96 bytes', 4000, (mfn, offset) => memory.skipWords(mfn, offset, offset + 96, 0)],
    ['zero of 96 bytes', 4000, (mfn, offset) => memory.zero(mfn, offset, 96)],
  ])('the memory of %s ends with its frame: offset %i is the last', (_, last, access) => {
    memory.clearAll();
    for (const mfn of [BANK_FRAMES - 1, BANK_FRAMES, memory.frameCount - 1]) {
      expect(() => access(Mfn(mfn), last)).not.toThrow();
      for (const offset of [last + 1, -1]) expect(() => access(Mfn(mfn), offset)).toThrow(ArgumentError);
      const neighbours = [mfn - 1, mfn + 1].filter((each) => each < memory.frameCount && each !== BANK_FRAMES - 1);
      for (const each of neighbours) expect(memory.frame(Mfn(each)).every((byte) => byte === 0)).toBe(true);
      memory.zero(Mfn(mfn));
    }
    expect(() => access(Mfn(memory.frameCount), 0)).toThrow(ArgumentError);
  });

  it('MachineMemory marks frames up to the last of all, and none behind it', () => {
    memory.clearAll();
    const { frameCount } = memory;
    memory.touch(Mfn(frameCount - 2), 2);
    expect([frameCount - 3, frameCount - 2, frameCount - 1].map((mfn) => memory.isTouched(Mfn(mfn)))).toEqual([
      false,
      true,
      true,
    ]);
    expect(() => memory.touch(Mfn(frameCount - 1), 2)).toThrow(ArgumentError);
    expect(() => memory.touch(Mfn(frameCount))).toThrow(ArgumentError);
    memory.touch(Mfn(frameCount), 0);
    memory.clearAll();
  });

  it('MachineMemory gives views of runs that end with a bank, or with memory', () => {
    expect(memory.words(Mfn(BANK_FRAMES - 2), 2)).toHaveLength(2048);
    expect(memory.words(Mfn(memory.frameCount - 2), 2)).toHaveLength(2048);
    expect(() => memory.words(Mfn(BANK_FRAMES - 2), 3)).toThrow(ArgumentError);
    expect(() => memory.words(Mfn(memory.frameCount - 2), 3)).toThrow(ArgumentError);
    expect(() => memory.words(Mfn(memory.frameCount), 1)).toThrow(ArgumentError);
  });

  it('MachineMemory keeps the last 16384 views, each of its own frame', () => {
    const VIEWS = 16_384;
    // Eight frames to a bucket of the views' index, in an order that mixes the buckets.
    const frames = Array.from({ length: 2 * VIEWS }, (_, i) => ((i * 40_503) % 4096) + 32_768 * (i >>> 12));
    const order = frames.map((_, i) => frames[(i * 12_345 + 7) % frames.length]!);
    let wrong = 0;
    for (const mfn of [...frames, ...order, ...frames])
      wrong += memory.frame(Mfn(mfn)).byteOffset === mfn * 4096 ? 0 : 1;
    const last = frames.slice(-VIEWS);
    const views = last.map((mfn) => memory.frame(Mfn(mfn)));
    for (const [i, mfn] of last.entries()) wrong += memory.frame(Mfn(mfn)) === views[i] ? 0 : 1;
    expect(wrong).toBe(0);
    const oldest = memory.frame(Mfn(last[0]!));
    memory.frame(Mfn(frames[0]!));
    expect(memory.frame(Mfn(last[0]!)) === oldest).toBe(false);
  });

  it('MachineMemory numbers frames from 0 to its size', () => {
    expect(memory.frameCount).toBe(BANK_FRAMES + 8);
    expect(new MachineMemory(4096).frameCount).toBe(1);
  });
});
