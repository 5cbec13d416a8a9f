// Machine memory that tells of each store: the same bytes, and one step a store.
import { describe, expect, it } from 'vitest';
import { Mfn } from '../../src/base/units.ts';
import { MachineMemory } from '../../src/machine/index.ts';
import { SteppedMemory } from '../../src/machine/stepped-memory.ts';
import type { StepObserver } from '../../src/sim/index.ts';

/** What was told, and what the memory held at that moment. */
class Told implements StepObserver {
  readonly wantsGuestOnly = false;
  byGuest = false;
  readonly steps: string[] = [];
  readonly cuts: string[] = [];
  readonly #lines: number;
  readonly #more: number[];
  memory: MachineMemory | undefined;

  /** @param more lines after which it wants to be told again */
  constructor(lines = 0, ...more: number[]) {
    this.#lines = lines;
    this.#more = more;
  }

  before(kind: string, what: string, at: number, size: number): number {
    this.steps.push(`${kind} ${what} ${at} ${size}`);
    return this.#lines;
  }

  torn(): number {
    this.cuts.push(this.memory!.frame(Mfn(1)).join(''));
    return this.#more.shift() ?? 0;
  }
}

const make = (told: Told): SteppedMemory => (told.memory = new SteppedMemory(4 * 4096, told));
const page = (byte: number): Uint8Array => new Uint8Array(4096).fill(byte);

describe('stepped memory', () => {
  it('each store is one step, told before it is made, with its place and size', () => {
    const told = new Told();
    const memory = make(told);
    memory.copyIn(Mfn(1), 0, page(7), 0, 4096);
    memory.copyIn(Mfn(1), 100, page(8), 0, 3);
    memory.writeU8(Mfn(2), 5, 1);
    memory.writeU16(Mfn(2), 6, 1);
    memory.writeU32(Mfn(2), 8, 1);
    memory.dma(Mfn(3), 512, 1024, () => undefined);
    memory.zero(Mfn(2), 64, 8);
    memory.zero(Mfn(0));
    expect(told.steps).toEqual([
      'store copy 4096 4096',
      'store copy 4196 3',
      'store byte 8197 1',
      'store half 8198 2',
      'store word 8200 4',
      'store DMA 12800 1024',
      'store zero 8256 8',
      // Frame 0 was never written: nothing is stored.
    ]);
  });

  it('stores through views of words, and of parts of them, are steps; loads are none', () => {
    const told = new Told();
    const memory = make(told);
    const words = memory.words(Mfn(1), 2);
    words[3] = 9;
    words.fill(1, 8, 12);
    words.set([5, 6], 20);
    words.subarray(1024)[1] = 4;
    memory.halves(Mfn(2), 1)[7] = 3;
    expect([words[3], words[8], words[21], words[1025], words.length, words.byteLength]).toEqual([
      9, 1, 6, 4, 2048, 8192,
    ]);
    expect(told.steps).toEqual([
      'word word 4108 9',
      'word word 4128 1',
      'word word 4176 5',
      'word word 8196 4',
      'word word 8206 3',
    ]);
    expect(memory.readU32(Mfn(1), 12)).toBe(9);
  });

  it('a copy that is cut has its first lines of the CPU cache, and is whole afterwards', () => {
    const told = new Told(2);
    const memory = make(told);
    memory.copyIn(Mfn(1), 10, page(1), 0, 300);
    // The first line ends at byte 64 of the frame, the second at 128.
    const [cut] = told.cuts;
    expect(cut!.lastIndexOf('1')).toBe(127);
    expect(cut!.indexOf('1')).toBe(10);
    expect(memory.frame(Mfn(1)).join('').lastIndexOf('1')).toBe(309);
    memory.zero(Mfn(1), 0, 256);
    expect(told.cuts).toHaveLength(2);
    expect(told.cuts[1]!.indexOf('1')).toBe(128);
  });

  it('a DMA that is cut has the first lines of its range, and is whole afterwards', () => {
    const told = new Told(3, 4, 15);
    const memory = make(told);
    memory.dma(Mfn(1), 512, 1024, (frame) => frame.fill(2, 512, 1536));
    expect(told.cuts.map((cut) => [cut.indexOf('2'), cut.lastIndexOf('2')])).toEqual(
      [3, 4, 15].map((lines) => [512, 512 + lines * 64 - 1]),
    );
    const whole = memory.frame(Mfn(1)).join('');
    expect([whole.indexOf('2'), whole.lastIndexOf('2')]).toEqual([512, 1535]);
  });

  it('stores the bytes that plain memory stores', () => {
    const [plain, stepped] = [new MachineMemory(4 * 4096), make(new Told(1))];
    for (const memory of [plain, stepped]) {
      memory.copyIn(Mfn(1), 7, page(7), 0, 4000);
      memory.words(Mfn(1), 1).fill(0xabcd, 3, 9);
      memory.writeU16(Mfn(2), 9, 0x1234);
      memory.dma(Mfn(3), 512, 1024, (frame) => frame.fill(9, 512, 1536));
      memory.zero(Mfn(1), 50, 500);
    }
    for (let mfn = 0; mfn < 4; mfn++) expect(stepped.frame(Mfn(mfn))).toEqual(plain.frame(Mfn(mfn)));
  });

  it('clearing all of memory is no step', () => {
    const told = new Told();
    const memory = make(told);
    memory.writeU8(Mfn(1), 0, 1);
    memory.clearAll();
    expect([told.steps.length, memory.readU8(Mfn(1), 0)]).toEqual([1, 0]);
  });

  it('memory that takes over the bytes of another has them, and must be as large', () => {
    const plain = new MachineMemory(4 * 4096);
    plain.writeU8(Mfn(1), 3, 5);
    const next = new MachineMemory(4 * 4096, plain);
    expect([next.readU8(Mfn(1), 3), next.isTouched(Mfn(1)), next.isTouched(Mfn(2))]).toEqual([5, true, false]);
    expect(() => new MachineMemory(4096, plain)).toThrow(/^before: /);
  });
});
