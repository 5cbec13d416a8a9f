/**
 * A fixed loop over typed arrays, so that an absolute target means the same on each machine.
 * Targets are those of a reference machine of two cores. They scale with the speed of the loop
 * here, timed in the same run.
 */

import { median, processorNs, ROUNDS } from './harness.ts';

/** Words of the arrays: together as large as a second-level cache. */
const WORDS = 1 << 17;
const PASSES = 16;
/**
 * The loop on the reference machine, millions of steps a second: `npm run bench -- rebuild` prints
 * it beside the target.
 */
const REFERENCE = 400;

/** An absolute target, scaled to this machine. */
export interface ScaledTarget {
  /** In words, with the loop beside it. */
  readonly target: string;
  /** The target here. */
  readonly here: number;
}

/** Millions of steps a second of processor time. */
function loopSpeed(): number {
  const words = new Uint32Array(WORDS);
  const order = new Uint32Array(WORDS);
  for (let i = 0; i < WORDS; i++) order[i] = Math.imul(i, 0x9e37_79b1) & (WORDS - 1);
  const round = (): number =>
    processorNs(() => {
      let sum = 0;
      for (let pass = 0; pass < PASSES; pass++)
        for (let i = 0; i < WORDS; i++) {
          const at = order[i]!;
          sum = (sum + words[at]!) | 0;
          words[at] = Math.imul(sum ^ i, 0x85eb_ca6b);
        }
    });
  round();
  return (WORDS * PASSES * 1e3) / median(Array.from({ length: ROUNDS }, round));
}

/**
 * @param figure the target on the reference machine
 * @param better whether a figure is a speed, which is to be at least that, or a time, at most
 */
export function scaledTarget(figure: number, unit: string, better: 'higher' | 'lower'): ScaledTarget {
  const loop = loopSpeed();
  const speed = loop / REFERENCE;
  const here = better === 'higher' ? figure * speed : figure / speed;
  const target = `${figure} ${unit} where the loop does ${REFERENCE} M/s; here ${loop.toFixed(0)}: ${here.toPrecision(3)}`;
  return { target, here };
}
