// A domain of 6 GiB that hardly holds anything, on a machine of 16 GiB: its pages and its frames
// are beyond 4 GiB.
import { expect, it } from 'vitest';
import { Mfn, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import {
  handOver,
  Hypervisor,
  inspectMemory,
  Reason,
  resumeDomain,
  shutdownNodeOf,
  Toolstack,
} from '../../../src/xen/index.ts';
import {
  bootMachine,
  cacheBlocks,
  COSTS,
  MiniGuest,
  restartGuest,
  startGuest,
  suspends,
} from '../../support/machine.ts';

const GIB = 2 ** 30;
const PAGES = (6 * GIB) / PAGE_SIZE;
const FIRST_BLOCKS = [3, 9, 20];
const MORE_BLOCKS = [4, 11, 40];

it('a domain of 6 GiB keeps each page where it was, over a quick reboot and its own', () => {
  const machine = bootMachine(1, { arch: 'x86_64' }, 16 * GIB);
  const { simulation, memory, hypervisor, toolstack, disk } = machine;
  const guest = startGuest(machine, 'large', PAGES);
  suspends(guest);
  const { domain } = guest;
  // Each page that is stored to says which it is; some of them are beyond 4 GiB, in the domain and
  // in the machine.
  const pages = Array.from({ length: 600 }, (_, i) => 1000 + i * 2600);
  for (const pfn of pages) domain.environment.memory.writeU32(Pfn(pfn), 8, pfn);
  cacheBlocks(machine, guest, FIRST_BLOCKS, PAGES - 100);
  const frames = pages.map((pfn) => domain.frameOf(Pfn(pfn)));
  expect(pages.at(-1)).toBeGreaterThan(2 ** 20);
  expect(frames.filter((mfn) => mfn >= 2 ** 20).length).toBeGreaterThan(100);

  hypervisor.xenstore.write(shutdownNodeOf(domain.domid), 'suspend');
  simulation.run();
  expect(domain.state).toBe('suspended');
  simulation.runProcess('hand over', handOver(hypervisor, toolstack));
  hypervisor.halt();
  const found = Hypervisor.reload(simulation, memory, COSTS, { kernelPages: 2 });
  expect([found.problem, found.lost]).toEqual([undefined, []]);
  const list = new Toolstack(found.hypervisor);
  const config = { name: 'large', memoryBytes: 6 * GIB, device: disk };
  const outcome = simulation.runProcess('resume', resumeDomain(found.hypervisor, list.list, config));
  if (!outcome.ok) throw new Error(outcome.reason.why);
  expect(pages.map((pfn) => outcome.value.frameOf(Pfn(pfn)))).toEqual(frames);
  expect(pages.map((pfn) => outcome.value.environment.memory.readU32(Pfn(pfn), 8))).toEqual(pages);
  expect(frames.map((mfn) => memory.readU32(Mfn(mfn), 8))).toEqual(pages);

  const after = { ...machine, hypervisor: found.hypervisor, toolstack: list };
  const resumed = new MiniGuest(after, outcome.value);
  cacheBlocks(after, resumed, MORE_BLOCKS, PAGES - 50);
  const next = restartGuest(after, resumed);
  expect(next.domain.stats.preserved).toBe(FIRST_BLOCKS.length + MORE_BLOCKS.length);
  for (const [i, block] of FIRST_BLOCKS.entries())
    expect(next.claim(12, block, block)).toEqual({ result: Reason.ok, pfn: PAGES - 100 + i });
  const report = inspectMemory(memory);
  expect(report.problems).toEqual([]);
  expect(report.domains).toMatchObject([{ name: 'large', nrPages: PAGES, pages: PAGES }]);
});
