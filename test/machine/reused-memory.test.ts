import { expect, it } from 'vitest';
import { ReusedMemory } from '../../src/machine/reused-memory.ts';

it('machines of one size get the same memory, and one of another size gets its own', () => {
  const reused = new ReusedMemory();
  const first = reused.take(1 << 20);
  expect(first.frameCount).toBe(256);
  expect(reused.take(1 << 20)).toBe(first);
  const larger = reused.take(2 << 20);
  expect(larger.frameCount).toBe(512);
  expect(reused.take(1 << 20)).not.toBe(first);
});
