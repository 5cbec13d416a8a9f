/**
 * States that a full run over all built-in workloads must meet: otherwise it has not looked where
 * it says. Each is seen from what the machine tells of itself, or from the steps of the workload.
 */

import type { Machine } from '../../doors/machine/index.ts';
import { JBD_BLOCK, JBD_MAGIC } from '../../format/jbd.ts';
import type { ReasonName } from '../../xen/index.ts';

/** Reasons for which pages are refused in these runs. */
const REASONS = ['dirty', 'inFlight', 'bootRegion'] as const satisfies readonly ReasonName[];

/** What must be met, by name. */
export const REACHED = [
  'a page is taken over',
  ...REASONS.map((reason) => `a page is refused: ${reason}` as const),
  'a dirty page is written home',
  'a torn copy is met',
  'a crash inside a recovery',
  'a crash inside the recovery from that',
  'requests are in flight at a crash',
  'writes are in the drive’s cache at a loss of power',
  'a later write survives a loss of power, and an earlier one does not',
  'a journal is replayed',
  'a revoke is in the log that is replayed',
  'a saved file is compared',
] as const;
/** The name of such a state. */
export type ReachedName = (typeof REACHED)[number];

/** How often each was met. */
export class Meetings {
  readonly #counts = new Map<ReachedName, number>(REACHED.map((name) => [name, 0]));

  met(name: ReachedName, isMet = true): void {
    if (isMet) this.#counts.set(name, this.#counts.get(name)! + 1);
  }

  /** What a machine that came up tells of its recovery. */
  recovered(machine: Machine): void {
    const { refused } = machine.domain.stats;
    for (const reason of REASONS) this.met(`a page is refused: ${reason}`, refused[reason] > 0);
    this.met('a dirty page is written home', (machine.report().reboots.at(-1)?.written ?? 0) > 0);
    this.met(
      'a journal is replayed',
      machine.messages.some(({ text }) => text === 'ext3: recovery complete'),
    );
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/**
 * Whether the log of an ext3 has a block of revokes. It is looked for in all blocks, so that
 * nothing of the kernel's own reader is used.
 */
export function hasRevoke({ disk }: Machine): boolean {
  const block = new Uint8Array(12);
  const words = new DataView(block.buffer);
  for (let at = 0; at + 4096 <= disk.size; at += 4096) {
    disk.contents.read(at, block, 0, 12);
    if (words.getUint32(0) === JBD_MAGIC && words.getUint32(4) === JBD_BLOCK.revoke) return true;
  }
  return false;
}
