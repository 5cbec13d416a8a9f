// Pages kept over a reboot that are never claimed: what gives them back, and when.
import { describe, expect, it } from 'vitest';
import { Ns, PAGE_SIZE } from '../../../src/base/index.ts';
import { O, PG, type Syscalls } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import type { Pfn } from '../../../src/base/index.ts';
import { emptyImage, GuestDisk } from '../../support/guest-disk.ts';

const MIB = 1 << 20;
const PAGES = 300;

/** Two files of 300 pages, written, synced and cached. */
function* makeFiles(sys: Syscalls): Process {
  const page = new Uint8Array(PAGE_SIZE);
  for (const name of ['/a', '/b']) {
    const fd = yield* sys.open(name, O.rdwr | O.creat);
    for (let i = 0; i < PAGES; i++) yield* sys.pwrite(fd, page.fill(i), 0, PAGE_SIZE, i * PAGE_SIZE);
    yield* sys.close(fd);
  }
  yield* sys.sync();
}

function warm(crash = false, cmdLine = 'cachemap=all'): GuestDisk {
  const disk = new GuestDisk(emptyImage(8 * MIB), 1);
  disk.run(makeFiles(disk.guest.kernel.syscalls));
  disk.reboot(crash, true, undefined, cmdLine);
  return disk;
}

/** Both sides agree on which pages are preserved, and so does the count. */
function unclaimed({ guest, testbed }: GuestDisk): number {
  const { kernel, domain } = guest;
  let count = 0;
  for (let pfn = 0; pfn < domain.nrPages; pfn++) {
    const isPreserved = kernel.mm.map.has(pfn as Pfn, PG.preserved);
    expect(testbed.hypervisor.frames.isPreserved(domain.frameOf(pfn as Pfn))).toBe(isPreserved);
    if (isPreserved) count++;
  }
  expect(kernel.stats.pagesUnclaimed).toBe(count);
  return count;
}

describe('unclaimed pages', () => {
  it('unclaimed pages of a file that is cut short or unlinked go with its blocks', () => {
    const disk = warm();
    const sys = disk.guest.kernel.syscalls;
    const before = unclaimed(disk);
    expect(before).toBeGreaterThanOrEqual(2 * PAGES);
    const fd = disk.run(sys.open('/a', O.rdwr));
    const opened = unclaimed(disk);
    disk.run(sys.ftruncate(fd, 100 * PAGE_SIZE));
    disk.run(sys.sync());
    // 200 pages of data; of metadata the file still has its indirect block.
    expect(opened - unclaimed(disk)).toBeGreaterThanOrEqual(200);
    const cut = unclaimed(disk);
    disk.run(sys.unlink('/b'));
    disk.run(sys.sync());
    expect(cut - unclaimed(disk)).toBeGreaterThanOrEqual(PAGES);
    expect(disk.guest.domain.stats.refused.released).toBeGreaterThanOrEqual(500);
    // What is left of /a is still there to be claimed.
    const buffer = new Uint8Array(PAGE_SIZE);
    const { pagesReused } = disk.guest.kernel.stats;
    for (let i = 0; i < 100; i++) {
      disk.run(sys.pread(fd, buffer, 0, PAGE_SIZE, i * PAGE_SIZE));
      expect(buffer[7]).toBe(i);
    }
    expect(disk.guest.kernel.stats.pagesReused - pagesReused).toBe(100);
    disk.check();
  });

  it('unclaimed pages wait for ever by default, and else as long as the command line says', () => {
    const wait = function* (seconds: number): Process {
      yield Ns(seconds * 1e9);
    };
    const patient = warm();
    patient.run(wait(100_000));
    expect(unclaimed(patient)).toBeGreaterThanOrEqual(2 * PAGES);
    const disk = warm(true, 'cachemap=all cachemap_expire=60');
    const { pagesFree } = disk.guest.kernel.stats;
    const before = unclaimed(disk);
    expect(before).toBeGreaterThan(0);
    disk.run(wait(50));
    expect(unclaimed(disk)).toBe(before);
    disk.run(wait(10));
    expect(unclaimed(disk)).toBe(0);
    expect(disk.guest.kernel.stats.pagesFree - pagesFree).toBe(before);
    disk.check();
  });

  it('a time that is none panics the guest', () => {
    expect(() => warm(false, 'cachemap_expire=soon')).toThrow('cachemap_expire=soon');
  });
});
