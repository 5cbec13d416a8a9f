// Extended attributes in a block, which the guest has no calls for. An inode that has them is read,
// changed and removed as one without. The block goes with its last user, and a block that makes no
// sense is an error of the file system. Images by mke2fs and debugfs; e2fsck judges.
import { mkdirSync, mkdtempSync, openSync, closeSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { ModelError, Ns } from '../../../../src/base/index.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { type Kernel, O } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import {
  itWithE2fsprogs,
  loadImage,
  mke2fs,
  mustPassE2fsck,
  run,
  saveImage,
  type Judge,
} from '../../../support/e2fsprogs.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';
import { runProgram } from '../../../support/shell.ts';

const FAST = 'x'.repeat(59);
const SLOW = 'x'.repeat(60);
/**
 * What has attributes: a file without and with blocks, a directory, links that lie in the inode and
 * in a block, a pipe.
 */
const VICTIMS = ['empty', 'file', 'dir', 'short', 'fast', 'slow', 'pipe'] as const;
type Victim = (typeof VICTIMS)[number];
const TEXTS: Partial<Record<Victim, string>> = { short: 'file', fast: FAST, slow: SLOW };

interface Bed {
  readonly path: string;
  /** Block of attributes. */
  readonly block: number;
}

/**
 * A file system in which each of the victims has attributes, in the one block that the first of
 * them was given.
 */
function bed(judge: Judge, type: string, inodeSize: number, victims: readonly string[]): Bed {
  const dir = mkdtempSync(`${judge.dir}/`);
  const source = `${dir}/source`;
  const path = `${dir}/disk.img`;
  mkdirSync(`${source}/dir`, { recursive: true });
  writeFileSync(`${source}/empty`, '');
  writeFileSync(`${source}/file`, 'f'.repeat(70_000));
  writeFileSync(`${source}/other`, '');
  for (const [name, text] of Object.entries(TEXTS)) symlinkSync(text, `${source}/${name}`);
  mke2fs(judge, '-t', type, '-b', '4096', '-I', String(inodeSize), '-N', '64', '-d', source, path, '8M');
  const debugfs = (...commands: string[]): string => {
    writeFileSync(`${dir}/commands`, commands.join('\n'));
    return run(judge.debugfs, '-w', '-f', `${dir}/commands`, path);
  };
  // Too long for what an inode of 256 bytes has behind its fields.
  const first = `ea_set ${victims[0]!} user.long ${'v'.repeat(500)}`;
  const told = debugfs('mknod pipe p', first, ...victims.map((victim) => `stat ${victim}`))
    .split('debugfs: stat ')
    .slice(1);
  const block = Number(/File ACL: (\d+)/.exec(told[0]!)?.[1]);
  const others = told
    .slice(1)
    .flatMap((text, i) => [
      `sif ${victims[i + 1]!} blocks ${Number(/Blockcount: (\d+)/.exec(text)?.[1]) + 8}`,
      `sif ${victims[i + 1]!} file_acl ${block}`,
    ]);
  if (others.length > 0) debugfs(...others);
  patch(path, 4096 * block + 4, victims.length);
  mustPassE2fsck(judge, path);
  return { path, block };
}

function patch(path: string, at: number, value: number): void {
  const fd = openSync(path, 'r+');
  const word = Buffer.alloc(4);
  word.writeUInt32LE(value >>> 0);
  writeSync(fd, word, 0, 4, at);
  closeSync(fd);
}

function wordAt(image: MemoryImage, at: number): number {
  const word = Buffer.alloc(4);
  image.read(at, word, 0, 4);
  return word.readUInt32LE(0);
}

function boot(image: MemoryImage) {
  const machine = new FakeMachine({ image });
  const kernel: Kernel = machine.run(machine.boot());
  const code = (process: Process<unknown>): string => {
    try {
      machine.run(process);
      return 'ok';
    } catch (error) {
      if (error instanceof ModelError) return error.code;
      throw error;
    }
  };
  return { machine, kernel, sys: kernel.syscalls, code, run: <T>(process: Process<T>): T => machine.run(process) };
}

const remove = (sys: Kernel['syscalls'], victim: string): Process =>
  victim === 'dir' ? sys.rmdir('/dir') : sys.unlink(`/${victim}`);

describe.each([
  ['ext2', 128],
  ['ext3', 256],
] as const)('attributes in a block, %s with inodes of %d bytes', (type, inodeSize) => {
  itWithE2fsprogs('attributes in a block leave the inode that has them as it is to read and to change', (judge) => {
    const { path } = bed(judge, type, inodeSize, VICTIMS);
    const image = loadImage(path);
    const { sys, run: go, code, kernel } = boot(image);
    for (const [name, text] of Object.entries(TEXTS))
      expect([name, go(sys.readlink(`/${name}`))]).toEqual([name, text]);
    expect(go(sys.stat('/short')).size).toBe(70_000);
    expect(VICTIMS.map((name) => go(sys.lstat(`/${name}`)).sectors)).toEqual([8, 160, 16, 8, 8, 16, 8]);
    // The oracle finds a page where the guest does.
    const oracle = new OracleExt2(image);
    expect(VICTIMS.map((name) => oracle.blockOf(go(sys.lstat(`/${name}`)).ino, 0) > 0)).toEqual(
      VICTIMS.map((name) => ['file', 'dir', 'slow'].includes(name)),
    );
    const changes = [
      ...VICTIMS.map((name) => sys.rename(`/${name}`, `/new-${name}`)),
      sys.truncate('/new-file', 5000),
      sys.truncate('/new-empty', 100_000),
      sys.open('/new-dir/in', O.creat),
      ...['file', 'empty', 'pipe', 'dir'].map((name) => sys.chmod(`/new-${name}`, 0o600)),
    ];
    expect(changes.map(code)).toEqual(changes.map(() => 'ok'));
    go(kernel.shutdown());
    saveImage(image, path);
    mustPassE2fsck(judge, path);
    for (const name of VICTIMS)
      expect(run(judge.debugfs, '-R', `ea_list new-${name}`, path)).toContain('user.long (500)');
  });

  itWithE2fsprogs('attributes in a block go with the inode that has them', (judge) => {
    for (const victim of VICTIMS) {
      const { path } = bed(judge, type, inodeSize, [victim]);
      const image = loadImage(path);
      const { sys, run: go, code, kernel } = boot(image);
      expect([victim, code(remove(sys, victim)), code(sys.mkdir('/after'))]).toEqual([victim, 'ok', 'ok']);
      go(kernel.shutdown());
      saveImage(image, path);
      mustPassE2fsck(judge, path);
    }
  });

  itWithE2fsprogs('attributes of several inodes are counted down, over reboots, by whatever ends an inode', (judge) => {
    const { path, block } = bed(judge, type, inodeSize, VICTIMS);
    const image = loadImage(path);
    const ends: ((sys: Kernel['syscalls']) => Process<unknown>)[] = [
      (sys) => sys.unlink('/empty'),
      (sys) => sys.rename('/other', '/file'),
      (sys) => sys.rmdir('/dir'),
      (sys) => sys.rename('/short', '/fast'),
      // The last use of a file without a name: its descriptor.
      function* (sys) {
        const fd = yield* sys.open('/slow', O.creat);
        yield* sys.unlink('/slow');
        yield* sys.close(fd);
      },
      (sys) => sys.unlink('/pipe'),
      (sys) => sys.unlink('/fast'),
    ];
    for (let left = VICTIMS.length, n = 0; n < ends.length; n++) {
      const { sys, run: go, kernel } = boot(image);
      go(ends[n]!(sys));
      go(kernel.shutdown());
      left--;
      saveImage(image, path);
      mustPassE2fsck(judge, path);
      // The block is freed as it is.
      expect(wordAt(image, 4096 * block + 4)).toBe(Math.max(1, left));
    }
    expect(run(judge.debugfs, '-R', `testb ${block}`, path)).toContain('not in use');
  });

  itWithE2fsprogs(
    'attributes lose one user for each inode that goes, though two go while the block is being written',
    (judge) => {
      const { path, block } = bed(judge, type, inodeSize, ['empty', 'other', 'file', 'pipe']);
      const pristine = loadImage(path);
      // Whenever both begin, from one end of the writing to the other: most do not meet it.
      for (let begin = 0; begin < 20_000; begin += 400) {
        const image = pristine.clone();
        const { machine, sys, run: go, kernel } = boot(image);
        const fds = [go(sys.open('/empty', O.rdwr)), go(sys.open('/other', O.rdwr))];
        for (const name of ['empty', 'other', 'pipe']) go(sys.unlink(`/${name}`));
        const { simulation } = machine;
        const closings = fds.map(
          (fd) =>
            function* (): Process {
              yield Ns(begin);
              yield* sys.close(fd);
            },
        );
        const writing = function* (): Process {
          yield* sys.sync();
          yield* sys.sync();
        };
        const tasks = [writing, ...closings].map((process, n) => simulation.spawn(`process ${n}`, process()));
        simulation.run(() => tasks.every(({ isOver }) => isOver));
        go(kernel.shutdown());
        expect([begin, wordAt(image, 4096 * block + 4)]).toEqual([begin, 1]);
      }
    },
  );

  itWithE2fsprogs(
    'attributes that make no sense are an error of the file system, and nothing else is lost',
    (judge) => {
      const MAGIC = 0xea02_0000;
      for (const [what, damage] of [
        ['another magic number', [[0, MAGIC + 1]]],
        ['two blocks', [[8, 2]]],
        ['no user', [[4, 0]]],
        ['not to be read', []],
      ] as const) {
        const { path, block } = bed(judge, type, inodeSize, ['file', 'empty']);
        for (const [at, value] of damage) patch(path, 4096 * block + at, value);
        const image = loadImage(path);
        const { machine, sys, code } = boot(image);
        if (damage.length === 0) machine.badBlocks.add(block);
        expect([what, code(sys.unlink('/file')), code(sys.stat('/file'))]).toEqual([what, 'ok', 'ENOENT']);
        expect([what, code(sys.mkdir('/after'))]).toEqual([what, 'EROFS']);
        machine.run(sys.sync());
        // s_state has the bit of errors: e2fsck looks, and repairs.
        expect([what, wordAt(image, 1024 + 56) >>> 16]).toEqual([
          what,
          expect.toSatisfy((state: number) => (state & 2) !== 0),
        ]);
        saveImage(image, path);
        const { status } = runProgram(judge.e2fsck, '-y', path);
        expect([what, [0, 1].includes(status)]).toEqual([what, true]);
        mustPassE2fsck(judge, path);
      }
    },
  );

  itWithE2fsprogs('attributes beyond the file system are an error of it, too', (judge) => {
    for (const block of [2048, 0xffff_ffff]) {
      const { path } = bed(judge, type, inodeSize, ['file']);
      run(judge.debugfs, '-w', '-R', `sif file file_acl ${block}`, path);
      const image = loadImage(path);
      const { sys, code } = boot(image);
      expect([code(sys.chmod('/file', 0o600)), code(sys.unlink('/file')), code(sys.mkdir('/after'))]).toEqual([
        'ok',
        'ok',
        'EROFS',
      ]);
    }
  });
});

describe('a block of attributes that was freed', () => {
  itWithE2fsprogs(
    'a block of attributes that was freed is not brought back by recovery over the file that has the block now',
    (judge) => {
      const { path, block } = bed(judge, 'ext3', 256, ['empty', 'pipe']);
      const image = loadImage(path);
      const { sys, run: go } = boot(image);
      // Counted down in one transaction, freed in the next.
      for (const name of ['pipe', 'empty']) {
        go(sys.unlink(`/${name}`));
        go(sys.sync());
      }
      // All that is free.
      const fd = go(sys.open('/all', O.creat | O.rdwr));
      const written = new Uint8Array(64 << 10).fill(0x5a);
      let size = 0;
      try {
        for (; ; size += written.length) go(sys.pwrite(fd, written, 0, written.length, size));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
      }
      go(sys.fsync(fd));
      expect(wordAt(image, 4096 * block)).toBe(0x5a5a5a5a);
      // Power fails.
      boot(image);
      expect(wordAt(image, 4096 * block)).toBe(0x5a5a5a5a);
    },
  );
});

describe.each(['ext2', 'ext3'])('attributes behind the fields of an inode of 256 bytes, %s', (type) => {
  itWithE2fsprogs(
    'attributes behind the fields of an inode stay while it is in use, and are not those of the next',
    (judge) => {
      const { path } = bed(judge, type, 256, ['file']);
      for (const name of ['empty', 'other']) run(judge.debugfs, '-w', '-R', `ea_set ${name} user.a inside`, path);
      mustPassE2fsck(judge, path);
      const image = loadImage(path);
      const { sys, run: go, kernel } = boot(image);
      const { ino } = go(sys.stat('/empty'));
      go(sys.unlink('/empty'));
      go(sys.chmod('/other', 0o600));
      go(sys.close(go(sys.open('/next', O.creat))));
      expect(go(sys.stat('/next')).ino).toBe(ino);
      go(kernel.shutdown());
      saveImage(image, path);
      mustPassE2fsck(judge, path);
      expect(run(judge.debugfs, '-R', 'ea_list other', path)).toContain('user.a');
      expect(run(judge.debugfs, '-R', 'ea_list next', path)).not.toContain('user.a');
    },
  );
});
