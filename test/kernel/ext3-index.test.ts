// Directories with an index on ext3: hashes as debugfs computes them, indices that e2fsck finds sound, that are searched by their
// levels and not by their blocks, that are whole after any crash, and that are not believed when they make no sense.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/base/index.ts';
import type { MemoryImage } from '../../src/disk/memory-image.ts';
import { O, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { itWithE2fsprogs, type Judge, loadImage, mustPassE2fsck, run, saveImage } from '../support/e2fsprogs.ts';
import { FakeMachine } from './fake-machine.ts';

function madeImage(judge: Judge, size = '64M', ...options: string[]): MemoryImage {
  const path = `${judge.dir}/made.img`;
  run(judge.mke2fs, '-q', '-F', '-t', 'ext3', '-b', '4096', '-N', '16384', '-J', 'size=8', ...options, path, size);
  return loadImage(path);
}

function* create(sys: Syscalls, path: string): Process {
  yield* sys.close(yield* sys.open(path, O.creat | O.excl | O.wronly));
}

describe('a directory that a guest makes', () => {
  itWithE2fsprogs('is sound', (judge) => {
    const image = madeImage(judge);
    const machine = new FakeMachine({ image, nrPages: 4096 });
    const kernel = machine.run(machine.boot());
    const sys = kernel.syscalls;
    machine.run(
      (function* (): Process {
        yield* sys.mkdir('/d');
        for (let n = 0; n < 6000; n++) yield* create(sys, `/d/${n}-${'n'.repeat(240)}`);
      })(),
      10_000_000,
    );
    machine.run(kernel.shutdown());
    saveImage(image, `${judge.dir}/disk.img`);
    console.log(run(judge.debugfs, '-R', 'htree_dump /d', `${judge.dir}/disk.img`).slice(0, 1500));
    mustPassE2fsck(judge, `${judge.dir}/disk.img`);
  });
});
