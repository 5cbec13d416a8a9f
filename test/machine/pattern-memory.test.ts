// Memory that keeps pages of a pattern as places: the bytes are those of plain memory, and few of
// them are stored.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn } from '../../src/base/units.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { PatternMemory } from '../../src/machine/pattern-memory.ts';
import { RandomStream } from '../../src/sim/random.ts';
import { property } from '../support/property.ts';

const FRAMES = 6;
const PLACES = 3000;
const random = new RandomStream(1);
const PATTERN = Uint8Array.from({ length: PLACES + 4095 }, () => random.u32() & 0xff);
// The same first word at two places, and at the end of the index.
PATTERN.copyWithin(2000, 100, 104);
PATTERN.copyWithin(PLACES - 1, 100, 104);

const page = (place: number): Uint8Array => PATTERN.slice(place, place + 4096);
const mfn = fc.integer({ min: 0, max: FRAMES - 1 });
const place = fc.oneof(fc.constantFrom(0, 100, 2000, PLACES - 1), fc.integer({ min: 0, max: PLACES - 1 }));
const range = fc
  .tuple(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 1, max: 4096 }))
  .map(([offset, length]) => ({ offset, length: Math.min(length, 4096 - offset) }));
const isWhole = ({ offset, length }: { offset: number; length: number }): boolean => offset === 0 && length === 4096;

/** Stores and looks: each is done to both memories, and says what becomes of "kept as a place". */
const OPERATIONS = {
  'store a page of the pattern': (memory: MachineMemory, at: Mfn, from: number) => {
    memory.copyIn(at, 0, page(from), 0, 4096);
  },
  'store a page that differs in its last byte': (memory: MachineMemory, at: Mfn, from: number) => {
    const bytes = page(from);
    bytes[4095]! ^= 1;
    memory.copyIn(at, 0, bytes, 0, 4096);
  },
  'store a part': (
    memory: MachineMemory,
    at: Mfn,
    from: number,
    { offset, length }: { offset: number; length: number },
  ) => {
    memory.copyIn(at, offset, page(from), offset, length);
  },
  DMA: (memory: MachineMemory, at: Mfn, from: number, { offset, length }: { offset: number; length: number }) => {
    memory.dma(at, offset, length, (frame) => {
      frame.set(page(from).subarray(0, length), offset);
    });
  },
  zero: (memory: MachineMemory, at: Mfn, _: number, { offset, length }: { offset: number; length: number }) => {
    memory.zero(at, offset, length);
  },
  'store a byte': (memory: MachineMemory, at: Mfn, from: number) => {
    memory.writeU8(at, from, 0xa5);
  },
  'store a half': (memory: MachineMemory, at: Mfn, from: number) => {
    memory.writeU16(at, from, 0xa5a5);
  },
  'store a word': (memory: MachineMemory, at: Mfn, from: number) => {
    memory.writeU32(at, from, 0xa5a5_a5a5);
  },
  'store through a view': (memory: MachineMemory, at: Mfn, from: number) => {
    memory.words(at, 1)[from >>> 2] = 7;
    memory.touch(at);
  },
  touch: (memory: MachineMemory, at: Mfn) => {
    memory.touch(at, 1);
  },
  'read a byte': (memory: MachineMemory, at: Mfn, from: number) => memory.readU8(at, from),
  'read a half': (memory: MachineMemory, at: Mfn, from: number) => memory.readU16(at, from),
  'read a word': (memory: MachineMemory, at: Mfn, from: number) => memory.readU32(at, from),
  'skip words': (memory: MachineMemory, at: Mfn, from: number) => memory.skipWords(at, from & ~3, 4096, 0),
  'copy a part out': (
    memory: MachineMemory,
    at: Mfn,
    _: number,
    { offset, length }: { offset: number; length: number },
  ) => {
    const bytes = new Uint8Array(length + 1);
    memory.copyOut(at, offset, bytes, 1, length);
    return bytes;
  },
  'look at a frame': (memory: MachineMemory, at: Mfn) => memory.frame(at).slice(),
  'peek at a frame': (memory: MachineMemory, at: Mfn) => memory.peek(at).slice(),
} as const;
type Name = keyof typeof OPERATIONS;
const NAMES = Object.keys(OPERATIONS) as Name[];
const LOOKS: readonly Name[] = ['copy a part out', 'look at a frame', 'peek at a frame'];

describe('pattern memory', () => {
  property(
    'pattern memory has the bytes and the marks of plain memory after any operations, and stores whole pages of the pattern as places alone',
    fc.array(fc.tuple(fc.constantFrom(...NAMES), mfn, place, range), { minLength: 1, maxLength: 40 }),
    (operations) => {
      const plain = new MachineMemory(FRAMES * 4096);
      const memory = new PatternMemory(FRAMES * 4096, PATTERN);
      const kept = new Set<number>();
      for (const [name, at, from, part] of operations) {
        const operation = OPERATIONS[name];
        expect(operation(memory, Mfn(at), from, part), name).toEqual(operation(plain, Mfn(at), from, part));
        if (name === 'store a page of the pattern' || (name === 'DMA' && isWhole(part))) kept.add(at);
        // A part of all bytes is a whole page.
        else if (name === 'store a part' && isWhole(part)) kept.add(at);
        else if (!LOOKS.includes(name)) kept.delete(at);
        expect(memory.keptAsPlaces).toBe(kept.size);
      }
      for (let n = 0; n < FRAMES; n++) {
        expect(memory.isTouched(Mfn(n)), `mark of ${n}`).toBe(plain.isTouched(Mfn(n)));
        expect(Buffer.compare(memory.frame(Mfn(n)), plain.frame(Mfn(n))), `bytes of ${n}`).toBe(0);
      }
    },
    { numRuns: 300, lawRuns: 5000 },
  );

  it('every page that can be cut from the pattern is found, of those that begin alike the right one', () => {
    const memory = new PatternMemory(4096, PATTERN);
    for (const from of [0, 1, 100, 2000, PLACES - 1]) {
      memory.copyIn(Mfn(0), 0, page(from), 0, 4096);
      expect([memory.keptAsPlaces, Buffer.compare(memory.frame(Mfn(0)), page(from))], `${from}`).toEqual([1, 0]);
    }
    const behind = PATTERN.slice(PLACES, PLACES + 4096);
    memory.copyIn(Mfn(0), 0, new Uint8Array([...behind, 0]), 0, 4096);
    expect(memory.keptAsPlaces).toBe(0);
  });

  it('a memory that takes over or copies the bytes of pattern memory has them all', () => {
    const memory = new PatternMemory(3 * 4096, PATTERN);
    memory.copyIn(Mfn(1), 0, page(7), 0, 4096);
    const copy = new MachineMemory(3 * 4096);
    copy.copyFrom(memory);
    expect(copy.frame(Mfn(1))).toEqual(page(7));
    memory.copyIn(Mfn(2), 0, page(9), 0, 4096);
    expect(new MachineMemory(3 * 4096, memory).frame(Mfn(2))).toEqual(page(9));
  });

  it('pattern memory with a CPU cache stores the bytes of every frame', () => {
    const memory = new PatternMemory(2 * 4096, PATTERN);
    memory.copyIn(Mfn(0), 0, page(7), 0, 4096);
    memory.attachCpuCache(1, []);
    expect([memory.keptAsPlaces, Buffer.compare(memory.frame(Mfn(0)), page(7))]).toEqual([0, 0]);
    memory.dma(Mfn(1), 0, 4096, (frame) => {
      frame.set(page(9));
    });
    expect([memory.keptAsPlaces, Buffer.compare(memory.frame(Mfn(1)), page(9))]).toEqual([0, 0]);
    memory.clearAll();
    expect([memory.isTouched(Mfn(0)), memory.isTouched(Mfn(1))]).toEqual([false, false]);
  });

  it.each([
    [new Uint8Array(4095), 'shorter than a page'],
    [new Uint8Array(new ArrayBuffer(8192), 1), 'a part of a buffer'],
  ])('a pattern of bytes is refused that is no buffer of a page: %#', (pattern) => {
    expect(() => new PatternMemory(4096, pattern)).toThrow('pattern');
  });
});
