/**
 * States that a full run over all built-in workloads must meet: otherwise it has not looked where
 * it says. Each is seen from what the machine tells of itself, or from the steps of the workload.
 */

import type { Machine } from '../../doors/machine/index.ts';
import type { Step } from '../../doors/machine/steps.ts';
import { equalBytes } from '../../base/bytes.ts';
import { Mfn, PAGE_SIZE, SECTOR_SIZE } from '../../base/units.ts';
import type { Drive } from '../../disk/drive/drive.ts';
import { JBD_BLOCK, JBD_MAGIC } from '../../format/jbd.ts';
import type { ReasonName } from '../../xen/index.ts';

/**
 * Reasons for which pages are refused in these runs. The others are never met. A restart waits for
 * what is in flight. No other machine writes to the disk, and no whole table is damaged. No guest
 * shrinks, or is short of memory. Checksums are off.
 */
const REASONS = [
  'dirty',
  'staleBlock',
  'generation',
  'corruptRecord',
  'absent',
] as const satisfies readonly ReasonName[];

/** What must be met, by name. */
export const REACHED = [
  'a page is taken over',
  ...REASONS.map((reason) => `a page is refused: ${reason}` as const),
  'a dirty page is written home',
  'a torn copy is met',
  'a crash inside a recovery',
  'a crash inside the recovery from that',
  'requests are in flight at a crash',
  'a page is dirty again while its write is in flight',
  'writes are in the drive’s cache at a loss of power',
  'a sector in the drive’s cache survives a loss of power, and one before it does not',
  'a journal is replayed',
  'a revoke is in the log that is replayed',
  'a revoked block is left out of a replay',
  'a saved file is compared',
] as const;
type ReadableImage = Pick<Drive['contents'], 'read'>;
/** The name of such a state. */
export type ReachedName = (typeof REACHED)[number];

/**
 * Pages that were stored to while a write of them was in flight. Such a page is not written again
 * before that write is over: the guest waits for it.
 */
export class DirtyAgain {
  readonly #frames = new Set<Mfn>();

  /** Told of each step, before it. */
  before({ room }: Machine, { kind, isGuests, at }: Step): void {
    if (kind !== 'store' || !isGuests) return;
    const mfn = Mfn(Math.floor(at / PAGE_SIZE));
    // Guests store to no page that is being read.
    if (room.hypervisor.frames.isInFlight(mfn)) this.#frames.add(mfn);
  }

  /** Whether a write of one is in flight still. */
  isNow({ room: { hypervisor } }: Machine): boolean {
    return hypervisor.power.isOn && [...this.#frames].some((mfn) => hypervisor.frames.isInFlight(mfn));
  }
}

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
    this.met(
      'a revoked block is left out of a replay',
      machine.messages.some(({ text }) => /^ext3: \d+ revoked blocks? in the log left out$/.test(text)),
    );
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/**
 * Whether of these blocks of a disk a sector was lost, and a later one was not.
 * @param before what a read had found
 * @param after the medium, as the loss of power leaves it
 */
export function hasHole(blocks: readonly number[], before: ReadableImage, after: ReadableImage): boolean {
  const [old, now] = [new Uint8Array(PAGE_SIZE), new Uint8Array(PAGE_SIZE)];
  let isLost = false;
  for (const block of blocks) {
    before.read(block * PAGE_SIZE, old, 0, PAGE_SIZE);
    after.read(block * PAGE_SIZE, now, 0, PAGE_SIZE);
    for (let at = 0; at < PAGE_SIZE; at += SECTOR_SIZE) {
      if (equalBytes(old, at, now, at, SECTOR_SIZE)) {
        if (isLost) return true;
      } else isLost = true;
    }
  }
  return false;
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
