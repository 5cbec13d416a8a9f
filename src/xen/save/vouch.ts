/**
 * Vouching for the pages of a domain that was away: which of those that equalled a block of its
 * disk still do.
 *
 * The disk is the only witness: each such block is read into a frame of domain 0 and compared. To
 * the frame table the page is read meanwhile. So a write of the block from elsewhere, which may
 * come between, takes the provenance as it always does. Blocks are read in their order, neighbours
 * together. It costs what reading the cache costs, and is worth it only before the guest is
 * rebooted.
 */

import { equalBytes } from '../../base/bytes.ts';
import { runsOf } from '../../base/runs.ts';
import { Mfn, PAGE_SIZE } from '../../base/units.ts';
import type { BlockDevice } from '../../disk/drive/block-device.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { EXTENT_FRAMES, type ExtentHost, SaveExtent } from './extent.ts';
import type { FrameFact } from './format.ts';
import type { IncomingDomain } from '../toolstack/resume.ts';

/** What pages are compared with. */
export type VouchHost = ExtentHost & Pick<Hypervisor, 'frames' | 'memory' | 'domain0Cpu' | 'costs'>;

interface Claim {
  readonly mfn: Mfn;
  readonly block: number;
}

/** Gives the pages that equal their block provenance again; returns how many. */
export function* vouchFor(
  hypervisor: VouchHost,
  device: BlockDevice,
  incoming: IncomingDomain,
  facts: readonly FrameFact[],
): Process<number> {
  const opened = yield* SaveExtent.open(hypervisor, device);
  if (!opened.ok) return 0;
  const extent = opened.value;
  const claims = facts.flatMap(({ pfn, block }): Claim[] =>
    block === undefined || block >= extent.blocks ? [] : [{ mfn: Mfn(incoming.p2m.at(pfn)), block }],
  );
  claims.sort((a, b) => a.block - b.block);
  let vouched = 0;
  const runs = runsOf(claims, ({ block }) => block, EXTENT_FRAMES);
  for (const run of runs) vouched += yield* compare(hypervisor, extent, incoming.disk.number, run);
  extent.close();
  return vouched;
}

function* compare(
  { frames, memory, domain0Cpu, costs }: VouchHost,
  extent: SaveExtent,
  device: number,
  run: readonly Claim[],
): Process<number> {
  const first = run[0]!.block;
  for (const { mfn, block } of run) frames.beginRead(mfn, device, block);
  const read = yield* extent.read(first, run.at(-1)!.block - first + 1);
  let vouched = 0;
  for (const { mfn, block } of run) {
    const at = (block - first) * PAGE_SIZE;
    const isEqual = read.ok && equalBytes(read.value, at, memory.frame(mfn), 0, PAGE_SIZE);
    if (frames.endRead(mfn, block, isEqual)) vouched++;
  }
  domain0Cpu.charge(costs.restorePageNs * run.length);
  yield* domain0Cpu.settle();
  return vouched;
}
