// The boot region of a domain, before anything of it is written.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../src/base/index.ts';
import { planBootRegion } from '../../../src/xen/domain/build.ts';
import { NR_GRANT_FRAMES } from '../../../src/xen/public/grant-table.ts';
import { START_INFO_PFN } from '../../../src/xen/public/start-info.ts';

it('the table in build.ts has the parts of the boot region in the order in which they lie', () => {
  const KERNEL_PAGES = 5;
  const module = new Uint8Array(2 * PAGE_SIZE + 1);
  // A bit a page: the bitmap has two pages.
  const region = planBootRegion('guest', (8 * PAGE_SIZE + 1) * PAGE_SIZE, KERNEL_PAGES, module);
  const kernelPfn = region.bootPages - KERNEL_PAGES;
  const places: readonly (readonly [string, number, number])[] = [
    ['start_info', START_INFO_PFN, 1],
    ['preserved bitmap', 1, 2],
    ['shared_info', region.sharedInfoPfn, 1],
    ['grant table', region.grantTablePfn, NR_GRANT_FRAMES],
    ['boot module', region.modulePfn, 3],
    ['kernel image', kernelPfn, KERNEL_PAGES],
  ];
  let end = 0;
  for (const [name, pfn, pages] of places) {
    expect([name, pfn]).toEqual([name, end]);
    end += pages;
  }
  expect(end).toBe(region.bootPages);
  const source = readFileSync(new URL('../../../src/xen/domain/build.ts', import.meta.url), 'utf8');
  const rows = [...source.matchAll(/^ \* \| (0|1 …|…|… bootPages - 1) \| ([a-z_ ]+[a-z])/gm)].map(([, , name]) => name);
  expect(rows).toEqual(places.map(([name]) => name));
});
