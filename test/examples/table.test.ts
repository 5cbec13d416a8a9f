import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEMORY_BYTES, ToyHypervisor } from '../../examples/table.ts';
import { property } from '../support/property.ts';

const PAGE = 4096;
const PAGES = 100;
const INODE = 12;

/** A disk with one file of 100 pages, which say their numbers. */
function makeDisk(): Uint8Array {
  const disk = new Uint8Array((PAGES + 20) * PAGE);
  for (let index = 0; index < PAGES; index++) {
    place(disk, index, index + 1);
    new TextEncoder().encodeInto(`page ${index}`, disk.subarray((index + 1) * PAGE));
  }
  return disk;
}

/** The file system puts a page of the file to another block. */
function place(disk: Uint8Array, index: number, block: number): void {
  new DataView(disk.buffer).setUint32(4 * (16 * INODE + index), block, true);
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replace(/\0.*$/s, '');

function readAll(toy: ToyHypervisor, pages: number): string[] {
  return Array.from({ length: pages }, (_, index) => text(toy.read(INODE, index)));
}

describe('the example of the table', () => {
  it('the toy hypervisor begins without a cache, and after a reboot claims every page instead of reading it', () => {
    const [memory, disk] = [new ArrayBuffer(MEMORY_BYTES), makeDisk()];
    const first = new ToyHypervisor(memory, disk);
    expect(first.coldReason).toBe('none');
    const pages = readAll(first, 40);
    expect(first.reads).toBe(40);
    const second = new ToyHypervisor(memory, disk);
    expect(second.coldReason).toBeUndefined();
    expect(readAll(second, 40)).toEqual(pages);
    expect(second.reads).toBe(0);
    // And over a reboot more.
    const third = new ToyHypervisor(memory, disk);
    expect(readAll(third, 41)).toEqual([...pages, 'page 40']);
    expect(third.reads).toBe(1);
  });

  it('a page of the toy that was changed is read again after a reboot, and one that was written home is not', () => {
    const [memory, disk] = [new ArrayBuffer(MEMORY_BYTES), makeDisk()];
    const first = new ToyHypervisor(memory, disk);
    first.write(INODE, 1, 'lost it');
    first.write(INODE, 2, 'home it');
    first.sync(INODE, 2);
    const second = new ToyHypervisor(memory, disk);
    expect(text(second.read(INODE, 2))).toBe('home it');
    expect(second.reads).toBe(0);
    expect(text(second.read(INODE, 1))).toBe('page 1');
    expect(second.reads).toBe(1);
  });

  it('a page that the file system has moved while the toy was away is read from its new block', () => {
    const [memory, disk] = [new ArrayBuffer(MEMORY_BYTES), makeDisk()];
    readAll(new ToyHypervisor(memory, disk), 5);
    new TextEncoder().encodeInto('moved', disk.subarray((PAGES + 1) * PAGE));
    place(disk, 3, PAGES + 1);
    const second = new ToyHypervisor(memory, disk);
    expect(text(second.read(INODE, 3))).toBe('moved');
    expect(second.reads).toBe(1);
  });

  property(
    'whatever the toy reads, changes and writes home, and whatever byte of its memory is damaged, it reads what is on the disk after a reboot',
    fc.array(fc.record({ op: fc.constantFrom('read', 'write', 'sync', 'reboot'), index: fc.nat(PAGES - 1) }), {
      maxLength: 150,
    }),
    fc.nat(MEMORY_BYTES - 1),
    fc.integer({ min: 1, max: 255 }),
    (steps, at, change) => {
      const [memory, disk] = [new ArrayBuffer(MEMORY_BYTES), makeDisk()];
      let toy = new ToyHypervisor(memory, disk);
      steps.forEach(({ op, index }, i) => {
        if (op === 'read') toy.read(INODE, index);
        else if (op === 'write') toy.write(INODE, index, `step ${i}`);
        else if (op === 'sync') toy.sync(INODE, index);
        else toy = new ToyHypervisor(memory, disk);
      });
      new Uint8Array(memory)[at]! ^= change;
      toy = new ToyHypervisor(memory, disk);
      for (let index = 0; index < PAGES; index++) {
        const page = new Uint8Array(disk.buffer, (index + 1) * PAGE, PAGE);
        expect(Buffer.compare(toy.read(INODE, index), page)).toBe(0);
      }
    },
  );
});
