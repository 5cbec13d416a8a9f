/**
 * The time of dd, a child process whose loop is two system calls a block. Node's own calls cost
 * several times as much as the kernel's.
 *
 * What it takes to begin and end a process is subtracted: each round runs it with one block as
 * well.
 */

import { spawnSync } from 'node:child_process';
import { type Figure, figureOf } from './figures.ts';

/** Longest run of a child, ms. */
const PATIENCE_MS = 60_000;

/** A child process that failed. */
export class ChildFailed extends Error {}

/** Runs a program to its end, and returns how long it took, ns. */
export type Timer = (command: string, args: readonly string[]) => number;

/** Runs a program to its end. Returns the time of the host that it took, ns. @throws ChildFailed */
export function timeOf(command: string, args: readonly string[]): number {
  const begin = process.hrtime.bigint();
  const { error, status, signal, stderr } = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
    timeout: PATIENCE_MS,
  });
  const ns = Number(process.hrtime.bigint() - begin);
  if (error === undefined && status === 0) return ns;
  const told = String(stderr ?? '')
    .trim()
    .split('\n')
    .at(-1);
  throw new ChildFailed(`${command}: ${error?.message ?? (told || `it ended with ${signal ?? status}`)}`);
}

/** What dd is to copy to /dev/null. */
export interface Copy {
  readonly from: string;
  readonly blockBytes: number;
  readonly blocks: number;
}

export const commandOf = ({ from, blockBytes, blocks }: Copy): string =>
  `dd if=${from} of=/dev/null bs=${blockBytes} count=${blocks}`;

/** The time of a whole run, ns. @throws ChildFailed */
export const timeOfRun = (time: Timer, { from, blockBytes, blocks }: Copy): number =>
  time('dd', [`if=${from}`, 'of=/dev/null', `bs=${blockBytes}`, `count=${blocks}`]);

/** The time of a block, ns: a read and a write. @throws ChildFailed */
export function timeOfBlock(time: Timer, copy: Copy, rounds: number): Figure {
  return figureOf(
    Array.from({ length: rounds }, () => {
      const one = timeOfRun(time, { ...copy, blocks: 1 });
      return (timeOfRun(time, copy) - one) / (copy.blocks - 1);
    }),
  );
}
