// A change that fails half way. What was cut off does not come back, what can be freed is freed,
// and what was allocated for nothing is given back.
import { describe, expect, it } from 'vitest';
import { getField, ModelError, Ns, PAGE_SIZE } from '../../src/base/index.ts';
import { EXT2_STATE, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../src/format/ext2.ts';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../src/disk/mkfs/tree.ts';
import { type Kernel, O } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { JOURNAL_BLOCKS, readBlock } from '../support/journal-image.ts';
import { CHANGING_CALLS, imageToChange, own } from './failing-calls.ts';
import { FakeMachine } from '../support/fake-machine.ts';

const SYSTEMS: [string, number | undefined][] = [
  ['ext2', undefined],
  ['ext3', JOURNAL_BLOCKS],
];

function superField(image: ImageStore, name: keyof typeof SUPERBLOCK.offset): number {
  return getField(SUPERBLOCK, readBlock(image, 0), EXT2_SUPERBLOCK_OFFSET, name);
}

const saysErrors = (image: ImageStore): boolean => (superField(image, 's_state') & EXT2_STATE.error) !== 0;

function boot(image: ImageStore): { machine: FakeMachine; kernel: Kernel } {
  const machine = new FakeMachine({ image });
  return { machine, kernel: machine.run(machine.boot()) };
}

function errno(machine: FakeMachine, process: Process<unknown>): string {
  try {
    machine.run(process);
    return 'ok';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

describe.each(SYSTEMS)('a file that is cut while a block cannot be read: %s', (_, journalBlocks) => {
  const pristine = imageToChange(journalBlocks);

  it.each([0, 5_000, 12 * PAGE_SIZE, 15 * PAGE_SIZE + 1])(
    'a file that is cut to %i bytes while a block cannot be read never brings back what was cut off',
    (length) => {
      const size = 20 * PAGE_SIZE;
      const whole = own(size, 2);
      const seen: string[] = [];
      for (let n = 1, hasFailed = true; hasFailed; n++) {
        const { machine, kernel } = boot(pristine.clone());
        const { syscalls } = kernel;
        let reads = 0;
        machine.fails = (isWrite) => !isWrite && ++reads === n;
        const answer = errno(machine, syscalls.truncate('/d/f', length));
        hasFailed = reads >= n;
        const now = machine.run(syscalls.stat('/d/f')).size;
        const grown = errno(machine, syscalls.truncate('/d/f', size));
        // Done, though not all was freed: nothing can be changed any more.
        const isCut = answer === 'ok' || grown === 'EROFS';
        expect(now).toBe(isCut ? length : size);
        const bytes = new Uint8Array(size);
        const read = machine.run(syscalls.read(machine.run(syscalls.open('/d/f')), bytes, 0, size));
        expect(read).toBe(grown === 'ok' ? size : now);
        const kept = isCut ? length : size;
        expect(Buffer.compare(bytes.subarray(0, kept), whole.subarray(0, kept))).toBe(0);
        expect(bytes.subarray(kept).some((byte) => byte !== 0)).toBe(false);
        seen.push(`${answer}, then ${grown}`);
      }
      expect(seen).toContain('EIO, then ok');
      // A bitmap or an indirect block that only tells what to free.
      expect(seen).toContain('EIO, then EROFS');
      expect(seen.at(-1)).toBe('ok, then ok');
    },
  );
});

describe('a file that is deleted while a block cannot be read', () => {
  it('a file that is deleted while a block cannot be read gives back every block but those that the missing one leads to, and its number', () => {
    const { run } = CHANGING_CALLS.find(({ name }) => name === 'unlink of a file with trees of indirect blocks')!;
    const pristine = imageToChange(undefined);
    const before = superField(pristine, 's_free_blocks_count');
    const inodes = superField(pristine, 's_free_inodes_count');
    const kept: string[] = [];
    for (let n = 1, hasFailed = true; hasFailed; n++) {
      const image = pristine.clone();
      const { machine, kernel } = boot(image);
      let reads = 0;
      machine.fails = (isWrite) => !isWrite && ++reads === n;
      const answer = errno(machine, run(kernel.syscalls, -1));
      hasFailed = reads >= n;
      machine.run(kernel.shutdown());
      const blocks = 8 - (superField(image, 's_free_blocks_count') - before);
      const number = 1 - (superField(image, 's_free_inodes_count') - inodes);
      kept.push(`${answer}: ${blocks} blocks, ${number} inodes${saysErrors(image) ? ', errors' : ''}`);
    }
    expect(kept.filter((line) => line !== 'EIO: 8 blocks, 1 inodes')).toEqual([
      // The indirect block and the one below it.
      'ok: 2 blocks, 0 inodes, errors',
      // The bitmap of blocks, when the first are freed; it is read again for the others.
      'ok: 1 blocks, 0 inodes, errors',
      // The double indirect block, two below it, and two of data.
      'ok: 5 blocks, 0 inodes, errors',
      'ok: 2 blocks, 0 inodes, errors',
      'ok: 2 blocks, 0 inodes, errors',
      // The bitmap of inodes.
      'ok: 0 blocks, 1 inodes, errors',
      'ok: 0 blocks, 0 inodes',
    ]);
  });
});

describe.each(SYSTEMS)('metadata that background writeback could not write: %s', (system, journalBlocks) => {
  it('metadata that could not be written ends all changes, before anything is built on it, and the superblock says so', () => {
    const image = imageToChange(journalBlocks);
    const { machine, kernel } = boot(image);
    const { syscalls } = kernel;
    machine.run(syscalls.mkdir('/new'));
    let failures = 0;
    machine.fails = (isWrite) => isWrite && failures++ === 3;
    machine.run(
      (function* () {
        yield Ns(60e9);
      })(),
    );
    expect(failures).toBeGreaterThan(4);
    expect(errno(machine, syscalls.mkdir('/more'))).toBe('EROFS');
    expect(machine.run(syscalls.stat('/untouched')).size).toBe(30_000);
    machine.run(kernel.shutdown());
    expect([system, saysErrors(image)]).toEqual([system, true]);
  });
});

describe.each(SYSTEMS)('a block for which there is no room: %s', (_, journalBlocks) => {
  it('a block for which there is no room takes nothing along: the indirect blocks on the way to it are given back', () => {
    const image = makeExt2(tree(directory([['f', file('f')]])), { slack: 0, journalBlocks });
    /**
     * What writing one page each at these indices of a file answers, to a guest of its own; and the
     * sectors of the file then.
     */
    const writeAt = (path: string, indices: readonly number[]): [answers: string[], sectors: number] => {
      const { machine, kernel } = boot(image);
      const { syscalls } = kernel;
      const fd = machine.run(syscalls.open(path, O.rdwr | O.creat));
      const page = own(PAGE_SIZE, 1);
      const answers: string[] = [];
      for (const index of indices)
        answers.push(errno(machine, syscalls.pwrite(fd, page, 0, PAGE_SIZE, index * PAGE_SIZE)));
      const { sectors } = syscalls.fstat(fd);
      machine.run(kernel.shutdown());
      return [answers, sectors];
    };
    const free = (): number => superField(image, 's_free_blocks_count');
    // Its own indirect block, and all that is free but two.
    writeAt(
      '/filler',
      Array.from({ length: free() - 3 }, (_, index) => index),
    );
    expect(free()).toBe(2);
    // Two indirect blocks and one of data.
    expect(writeAt('/f', [12 + 1024])).toEqual([['ENOSPC'], 8]);
    expect(free()).toBe(2);
    expect(writeAt('/f', [12, 13])).toEqual([['ok', 'ENOSPC'], 24]);
    expect(free()).toBe(0);
    expect(saysErrors(image)).toBe(false);
  });
});
