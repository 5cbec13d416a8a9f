// Stores into shared mappings as the hypervisor sees them: the first to a page that it calls clean
// traps; later ones do not.
import { expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../src/base/index.ts';
import { MAP, MS, O, PROT } from '../../../src/kernel/index.ts';
import { emptyImage, GuestDisk } from '../../support/guest-disk.ts';

it('the first store to a page traps, later ones do not; after msync the next one does', () => {
  const pages = 6;
  const disk = new GuestDisk(emptyImage(8 << 20), 1);
  const sys = disk.guest.kernel.syscalls;
  const fd = disk.run(sys.open('/f', O.rdwr | O.creat));
  const bytes = new Uint8Array(pages * PAGE_SIZE).fill(1);
  disk.run(sys.write(fd, bytes, 0, bytes.length));
  disk.run(sys.fsync(fd));
  const traps = (): number => disk.guest.domain.stats.traps;
  const address = sys.mmap(bytes.length, PROT.read | PROT.write, MAP.shared, fd, 0);
  const storeAll = (value: number): number => {
    const before = traps();
    const one = Uint8Array.of(value);
    for (let page = 0; page < pages; page++) disk.run(sys.store(address + page * PAGE_SIZE + value, one, 0, 1));
    return traps() - before;
  };
  const before = traps();
  disk.run(sys.load(address, bytes, 0, bytes.length));
  expect(traps()).toBe(before);
  expect(storeAll(2)).toBe(pages);
  for (let value = 3; value < 10; value++) expect(storeAll(value)).toBe(0);
  disk.check();
  disk.run(sys.msync(address, bytes.length, MS.sync));
  expect(storeAll(10)).toBe(pages);
  expect(storeAll(11)).toBe(0);
  // A write through the descriptor is a store like any other: the page is not clean any more.
  disk.run(sys.pwrite(fd, Uint8Array.of(1), 0, 1, 0));
  expect(storeAll(12)).toBe(0);
  disk.check();
});
