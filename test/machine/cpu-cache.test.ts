import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE } from '../../src/base/index.ts';
import { CACHE_LINE_BYTES } from '../../src/machine/cpu-cache.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { Simulation } from '../../src/sim/index.ts';
import { property } from '../support/property.ts';

const FRAMES = 4;
const contents = (memory: MachineMemory): number[] =>
  Array.from({ length: FRAMES }, (_, mfn) => [...memory.frame(Mfn(mfn))]).flat();

const store = fc.record({
  kind: fc.constantFrom('u8', 'u16', 'u32', 'copy', 'zero', 'zero frame', 'view', 'dma', 'flush'),
  mfn: fc.nat(FRAMES - 1),
  at: fc.nat(PAGE_SIZE - 200),
  value: fc.integer({ min: 1, max: 255 }),
});

function perform(
  memory: MachineMemory,
  { kind, mfn: n, at, value }: typeof store extends fc.Arbitrary<infer T> ? T : never,
) {
  const mfn = Mfn(n);
  switch (kind) {
    case 'u8': {
      memory.writeU8(mfn, at, value);
      return;
    }
    case 'u16': {
      memory.writeU16(mfn, at, value);
      return;
    }
    case 'u32': {
      memory.writeU32(mfn, at, value);
      return;
    }
    case 'copy': {
      memory.copyIn(mfn, at, new Uint8Array(180).fill(value), 0, 180);
      return;
    }
    case 'zero': {
      memory.zero(mfn, at, 150);
      return;
    }
    case 'zero frame': {
      memory.zero(mfn);
      return;
    }
    case 'view':
      // Only the first frame is stored to through views.
      memory.words(Mfn(0), 1)[at >>> 2] = value;
      {
        memory.touch(Mfn(0));
        return;
      }
    case 'dma':
      memory.dma(mfn, at, 100, (frame) => frame.fill(value, at, at + 100));
      return;
    case 'flush':
      return memory.flushCpuCache();
  }
}

describe('the CPU cache', () => {
  property(
    'a CPU cache that a reset loses takes whole lines back to what memory had, and none that was written back',
    fc.array(store, { maxLength: 30 }),
    fc.integer(),
    fc.integer({ min: 1, max: 40 }),
    (stores, seed, capacity) => {
      const memory = new MachineMemory(FRAMES * PAGE_SIZE);
      memory.attachCpuCache(capacity, [Mfn(0)]);
      // Contents of each line at any time since it was last written back.
      const lines = (FRAMES * PAGE_SIZE) / CACHE_LINE_BYTES;
      let past: string[][] = [];
      const note = (isFlush: boolean): void => {
        const now = contents(memory);
        past = Array.from({ length: lines }, (_, line) => {
          const text = now.slice(line * CACHE_LINE_BYTES, (line + 1) * CACHE_LINE_BYTES).join();
          return isFlush ? [text] : [...(past[line] ?? []), text];
        });
      };
      note(true);
      for (const one of stores) {
        perform(memory, one);
        note(one.kind === 'flush');
      }
      memory.reset(new Simulation(seed).random.stream('reset'));
      const now = contents(memory);
      past.forEach((texts, line) => {
        expect(texts).toContain(now.slice(line * CACHE_LINE_BYTES, (line + 1) * CACHE_LINE_BYTES).join());
      });
      // A frame that was restored is cleared like any other.
      for (let mfn = 0; mfn < FRAMES; mfn++) memory.zero(Mfn(mfn));
      expect(contents(memory).every((byte) => byte === 0)).toBe(true);
    },
  );

  it('the CPU cache loses what was stored, keeps what was written back, and what a device stored', () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    memory.attachCpuCache(1000, [Mfn(0)]);
    memory.writeU32(Mfn(1), 0, 1);
    expect(memory.flushCpuCache()).toBe(1);
    memory.writeU32(Mfn(1), 0, 2);
    memory.writeU32(Mfn(1), 128, 2);
    memory.words(Mfn(0), 1)[0] = 2;
    memory.writeU32(Mfn(2), 0, 2);
    memory.dma(Mfn(2), 0, 64, (frame) => frame.fill(3, 0, 64));
    // A seed by which no line was written back by chance.
    memory.reset({ fraction: () => 0 } as never);
    expect([memory.readU32(Mfn(1), 0), memory.readU32(Mfn(1), 128), memory.readU32(Mfn(0), 0)]).toEqual([1, 0, 0]);
    expect(memory.readU8(Mfn(2), 0)).toBe(3);
  });

  it('the CPU cache holds so many lines and writes the oldest back', () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    memory.attachCpuCache(2, []);
    for (const line of [0, 1, 2]) memory.writeU8(Mfn(1), line * CACHE_LINE_BYTES, 7);
    memory.reset({ fraction: () => 0 } as never);
    expect([0, 1, 2].map((line) => memory.readU8(Mfn(1), line * CACHE_LINE_BYTES))).toEqual([7, 0, 0]);
  });
});

describe('lines of 64 bytes', () => {
  const LINES = 200;
  function cached(): MachineMemory {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    // Frames of zeros are not stored to.
    for (let mfn = 0; mfn < FRAMES; mfn++) memory.writeU8(Mfn(mfn), 0, 1);
    memory.attachCpuCache(LINES, []);
    return memory;
  }

  it.each<[string, number, (memory: MachineMemory) => void]>([
    ['a byte before a border', 1, (memory) => memory.writeU8(Mfn(0), 63, 1)],
    ['a byte behind it', 1, (memory) => memory.writeU8(Mfn(0), 64, 1)],
    ['two bytes before a border', 1, (memory) => memory.writeU16(Mfn(0), 62, 1)],
    ['two bytes across it', 2, (memory) => memory.writeU16(Mfn(0), 63, 1)],
    ['a word before a border', 1, (memory) => memory.writeU32(Mfn(0), 124, 1)],
    ['a word across it', 2, (memory) => memory.writeU32(Mfn(0), 125, 1)],
    ['64 bytes', 1, (memory) => memory.copyIn(Mfn(0), 64, new Uint8Array(64), 0, 64)],
    ['65 bytes', 2, (memory) => memory.copyIn(Mfn(0), 64, new Uint8Array(65), 0, 65)],
    ['64 bytes from another place', 2, (memory) => memory.zero(Mfn(0), 65, 64)],
    ['the last line of a frame', 1, (memory) => memory.zero(Mfn(1), 4032, 64)],
    ['one byte more', 2, (memory) => memory.zero(Mfn(1), 4031, 65)],
    ['a frame', 64, (memory) => memory.copyIn(Mfn(1), 0, new Uint8Array(PAGE_SIZE), 0, PAGE_SIZE)],
    [
      'the last of a frame and the first of the next',
      2,
      (memory) => {
        memory.writeU8(Mfn(1), 4095, 1);
        memory.writeU8(Mfn(2), 0, 1);
      },
    ],
    [
      'all but what a device has stored to since',
      1,
      (memory) => {
        memory.writeU8(Mfn(1), 4095, 1);
        memory.writeU8(Mfn(2), 0, 1);
        memory.writeU8(Mfn(2), 4095, 1);
        memory.dma(Mfn(2), 0, PAGE_SIZE, () => undefined);
      },
    ],
  ])('the cache with lines of 64 bytes flushes, after a store to %s, %i of them', (_, lines, store) => {
    const memory = cached();
    store(memory);
    expect([memory.flushCpuCache(), memory.flushCpuCache()]).toEqual([lines, 0]);
  });

  it.each([LINES - 1, LINES, LINES + 1, LINES + 2])(
    'lines of 64 bytes of %i that are stored to the last 200 can be lost',
    (count) => {
      const memory = cached();
      const place = (line: number): [Mfn, number] => [Mfn(line >> 6), 64 * (line & 63) + 5];
      for (let line = 0; line < count; line++) memory.writeU8(...place(line), 7);
      // No line is written back by chance.
      memory.reset({ fraction: () => 0 } as never);
      const kept = Array.from({ length: count }, (_, line) => memory.readU8(...place(line)));
      expect(kept).toEqual(kept.map((_, line) => (line < count - LINES ? 7 : 0)));
    },
  );
});
