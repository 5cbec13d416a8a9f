// Scrubbing in virtual time: 1 ms in 10 of a processor that is busy, all of one that is idle, and
// no more than that.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mfn, Ns, PAGE_SIZE } from '../../../src/base/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';
import { bootMachine } from '../../support/machine.ts';

/** What a frame takes, at 1 ns a byte. */
const FRAME_NS = PAGE_SIZE;
/** 1 ms, and the rest of the batch of 16 in which it ends. */
const PIECE_NS = 16 * 16 * FRAME_NS;
const TICK_NS = 10_000_000;

/** A machine of which so many frames are on the scrub list. */
function machineThatScrubs(count: number, scrubNsPerByte = 1) {
  const { hypervisor, simulation, memory } = bootMachine(1, {}, 16 << 20, { scrubNsPerByte });
  const frames = new Uint32Array(count);
  hypervisor.allocator.allocate(frames);
  for (const mfn of frames) memory.writeU8(Mfn(mfn), 7, 1);
  for (const mfn of frames) hypervisor.scrubber.add(Mfn(mfn));
  return { simulation, hypervisor, memory, frames };
}

describe('scrubbing', () => {
  property(
    'scrubbing never keeps others waiting for longer than its pieces, and never leaves the processor idle',
    fc.integer({ min: 1, max: 2500 }),
    fc.array(fc.record({ pause: fc.nat(3_000_000), work: fc.nat(40_000_000) }), { maxLength: 8 }),
    (count, jobs) => {
      const { simulation, hypervisor } = machineThatScrubs(count);
      const { domain0Cpu, scrubber } = hypervisor;
      const jobsDone = simulation.spawn(
        'jobs',
        (function* (): Process {
          for (const { pause, work } of jobs) {
            yield Ns(pause);
            const start = simulation.now;
            yield* domain0Cpu.work(work);
            const took = simulation.now - start;
            // One piece may have begun before, and one at each tick.
            expect(took).toBeLessThanOrEqual(work + PIECE_NS * (Math.floor(took / TICK_NS) + 2));
          }
        })(),
      );
      simulation.run(() => scrubber.frames.length === 0);
      expect(domain0Cpu.busy).toBeGreaterThanOrEqual(simulation.now);
      simulation.run();
      expect(jobsDone.isOver).toBe(true);
      expect(domain0Cpu.busy).toBe(count * FRAME_NS + jobs.reduce((sum, { work }) => sum + work, 0));
    },
  );

  it('scrubbing takes 1 ms in 10 ms of a busy processor, and zeroes what it frees', () => {
    const { simulation, hypervisor, memory, frames } = machineThatScrubs(2000);
    const { domain0Cpu, scrubber, allocator } = hypervisor;
    simulation.spawn('busy', domain0Cpu.work(1e9));
    for (let tick = 1; tick <= 4; tick++) {
      simulation.run(() => scrubber.frames.length < 2000 - 256 * (tick - 1));
      expect([simulation.now, scrubber.frames.length]).toEqual([tick * TICK_NS, 2000 - 256 * tick]);
      const isZero = (mfn: number): boolean => memory.readU8(Mfn(mfn), 7) === 0;
      expect([...frames].every((mfn) => isZero(mfn) === allocator.isFree(Mfn(mfn)))).toBe(true);
      // The frames that came last are the first to be free.
      expect(scrubber.frames).toEqual([...frames.subarray(0, 2000 - 256 * tick)]);
    }
  });

  it('scrubbing ends a piece that has used its 1 ms, and no more', () => {
    // So 16 batches of 16 frames take 1 ms exactly.
    const { simulation, hypervisor } = machineThatScrubs(2000, 1e6 / 2 ** 20);
    const { domain0Cpu, scrubber } = hypervisor;
    simulation.spawn('busy', domain0Cpu.work(1e9));
    simulation.run(() => scrubber.frames.length < 2000);
    expect(scrubber.frames.length).toBe(2000 - 256);
  });

  it('scrubbing begins behind what the processor owes', () => {
    const { simulation, hypervisor } = machineThatScrubs(1);
    hypervisor.domain0Cpu.charge(100);
    simulation.run(() => hypervisor.scrubber.frames.length === 0);
    expect(simulation.now).toBe(100);
  });

  it('scrubbing takes all of an idle processor, a piece at a time', () => {
    const { simulation, hypervisor } = machineThatScrubs(1000);
    const starts: number[] = [];
    for (let left = 1000; left > 0; left = hypervisor.scrubber.frames.length) {
      simulation.run(() => hypervisor.scrubber.frames.length < left);
      starts.push(simulation.now);
    }
    expect(starts).toEqual([0, PIECE_NS, 2 * PIECE_NS, 3 * PIECE_NS]);
  });
});
