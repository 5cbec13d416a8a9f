// Memories of machines that are gone, for those that come. A new one is megabytes that the host
// finds, zeroes and collects, which is a fifth of what a short test costs.
//
// What a test takes belongs to others when the test is over, or that case of its property. What is
// taken outside of any test stays where it is.
import { MachineMemory } from '../../src/machine/memory.ts';

/** Of a test: others are the host's to collect, while the test runs. */
const MOST = 4;
/** By their sizes, bytes. */
const free = new Map<number, MachineMemory[]>();
/** Taken by the test that runs, or by none. */
let taken: { readonly bytes: number; readonly memory: MachineMemory }[] | undefined;

/** The memory of a machine that is switched on. */
export function memoryOf(bytes: number): MachineMemory {
  const before = free.get(bytes)?.pop();
  before?.clearAll();
  const memory = new MachineMemory(bytes, before);
  if (taken !== undefined && taken.length < MOST) taken.push({ bytes, memory });
  return memory;
}

/** Runs a case of a property, and takes back what it took. */
export function givingBack<T>(run: () => T): T {
  const first = taken?.length ?? 0;
  try {
    return run();
  } finally {
    giveBack(first);
  }
}

/** Around each test (setup.ts). */
export function beginTest(): void {
  taken = [];
}
export function endTest(): void {
  giveBack(0);
  taken = undefined;
}

function giveBack(first: number): void {
  for (const { bytes, memory } of taken?.splice(first) ?? []) {
    const same = free.get(bytes) ?? [];
    free.set(bytes, same);
    if (same.length < 2) same.push(memory);
  }
}
