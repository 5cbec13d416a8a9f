/**
 * The first phase of a boot: memory. The boot region and the pages kept from before the reboot are
 * taken out before the first allocation. Then the rest is free, and the kernel's own tables are
 * allocated.
 */

import { counted } from '../../base/counted.ts';
import { GuestPanic } from '../../base/errno.ts';
import { PAGE_SIZE, pagesOf, Pfn } from '../../base/units.ts';
import { NR_GRANT_FRAMES, type GuestEnvironment } from '../../xen/public/index.ts';
import { NameBatch } from '../cache/name-batch.ts';
import { PreservedPages, Unclaimed, type ReuseObserver } from '../cache/preserved-pages.ts';
import type { CommandLine } from '../command-line.ts';
import { NO_PAGE, PG } from '../mm/mem-map.ts';
import { MemoryManagement } from '../mm/mm.ts';
import { POLICY } from '../mm/policy/policies.ts';
import type { NameTable } from '../mm/page-users.ts';
import type { BootParameters } from './start-info.ts';

/** mem_map and the page cache's buckets, in bytes a page: taken from memory at boot. */
const MEM_MAP_BYTES_PER_PAGE = 38;

export interface BootMemory {
  readonly mm: MemoryManagement;
  readonly names: NameBatch;
  readonly preserved: PreservedPages;
  /** Pages of the kernel image and of its tables. */
  readonly kernelPages: readonly Pfn[];
  /** The page of the block ring. */
  readonly blockRing: Pfn;
}

/** Throws GuestPanic when memory is too small, or start_info does not say what is preserved. */
export function bootMemory(
  env: GuestEnvironment,
  parameters: BootParameters,
  { policy, rules }: Pick<CommandLine, 'policy' | 'rules'>,
  onReuse: ReuseObserver | undefined,
): BootMemory {
  const names = new NameBatch(env.hypercalls);
  const unclaimed = new Unclaimed(names);
  const told = rules.flushBeforeReuse ? names : lazily(names);
  const mm = new MemoryManagement(parameters.nrPages, told, unclaimed, POLICY[policy]);
  setAside(env, mm, parameters);
  mm.freeAll();
  const preserved = new PreservedPages(env.hypercalls, mm, names, unclaimed, onReuse);
  const kernelPages = takeKernelPages(mm, parameters);
  const blockRing = reservePage(mm, 'no page is free for the block ring');
  return { mm, names, preserved, kernelPages, blockRing };
}

/** The same names, but no page waits until its name is gone. */
function lazily(names: NameBatch): NameTable {
  return {
    insert: (...name) => {
      names.insert(...name);
    },
    erase: (pfn) => {
      names.erase(pfn);
    },
    flush: () => undefined,
  };
}

/** Marks the pages of the boot region, and those that were kept. */
function setAside({ memory }: GuestEnvironment, { map }: MemoryManagement, parameters: BootParameters): void {
  const { nrPages, bootPages, preservedPfn, preservedCount } = parameters;
  for (let pfn = 0; pfn < bootPages; pfn++) map.set(Pfn(pfn), PG.reserved);
  let preserved = 0;
  let bits = 0;
  for (let pfn = bootPages; preservedCount > 0 && pfn < nrPages; pfn++) {
    const byte = pfn >>> 3;
    if (pfn === bootPages || (pfn & 7) === 0)
      bits = memory.readU8(Pfn(preservedPfn + Math.floor(byte / PAGE_SIZE)), byte % PAGE_SIZE);
    if (((bits >>> (pfn & 7)) & 1) === 0) continue;
    map.set(Pfn(pfn), PG.preserved);
    preserved++;
  }
  if (preserved !== preservedCount)
    throw new GuestPanic(`start_info: ${counted(preservedCount, 'page')} preserved, ${counted(preserved, 'bit')} set`);
}

/** The pages of the kernel image, and new ones for its tables. */
function takeKernelPages(mm: MemoryManagement, parameters: BootParameters): Pfn[] {
  const { nrPages, bootPages, preservedCount, grantTablePfn, modulePfn, moduleBytes } = parameters;
  const { allocator } = mm;
  const image = modulePfn === 0 ? grantTablePfn + NR_GRANT_FRAMES : modulePfn + pagesOf(moduleBytes);
  const kernelPages: Pfn[] = [];
  for (let pfn = image; pfn < bootPages; pfn++) kernelPages.push(Pfn(pfn));
  const tables = Math.ceil((nrPages * MEM_MAP_BYTES_PER_PAGE) / PAGE_SIZE);
  for (let i = 0; i < tables; i++)
    kernelPages.push(reservePage(mm, `memory of ${nrPages} pages is too small for the kernel's tables`));
  if (allocator.freeCount + preservedCount <= allocator.marks.high)
    throw new GuestPanic(`memory of ${nrPages} pages leaves too few for the page cache`);
  return kernelPages;
}

/** A page that stays the kernel's own. Throws GuestPanic when none is free. */
export function reservePage(mm: MemoryManagement, message: string): Pfn {
  const pfn = mm.allocate();
  if (pfn === NO_PAGE) throw new GuestPanic(message);
  mm.map.set(pfn, PG.reserved);
  return pfn;
}
