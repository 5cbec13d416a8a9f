// Extended attributes, owners, nanoseconds and statfs by the guest's calls, on images of mke2fs.
// What the guest has written, debugfs reads, and the other way round; e2fsck finds nothing wrong.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../../src/base/index.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../../../src/disk/mkfs/mkfs.ts';
import { directory, file, symlink, tree, type TreeNode } from '../../../../src/disk/mkfs/tree.ts';
import { SUPERBLOCK } from '../../../../src/format/ext2.ts';
import { type Kernel, O, XATTR } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import {
  itWithE2fsprogs,
  type Judge,
  loadImage,
  mke2fs,
  mustPassE2fsck,
  run,
  saveImage,
} from '../../../support/e2fsprogs.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);
const LONG = 'v'.repeat(600);

function boot(image: MemoryImage) {
  const machine = new FakeMachine({ image });
  const kernel: Kernel = machine.run(machine.boot());
  const go = <T>(process: Process<T>): T => machine.run(process);
  const code = (process: Process<unknown>): string => {
    try {
      go(process);
      return 'ok';
    } catch (error) {
      if (error instanceof ModelError) return error.code;
      throw error;
    }
  };
  return { machine, kernel, sys: kernel.syscalls, go, code };
}

/** An image of mke2fs with files a, b, c and a directory dir, and how to ask debugfs of it. */
function bed(judge: Judge, type: string, inodeSize: number) {
  const dir = mkdtempSync(`${judge.dir}/`);
  const path = `${dir}/disk.img`;
  mke2fs(judge, '-t', type, '-b', '4096', '-I', String(inodeSize), '-N', '64', path, '8M');
  const debugfs = (...commands: string[]): string => {
    writeFileSync(`${dir}/commands`, commands.join('\n'));
    return run(judge.debugfs, '-w', '-f', `${dir}/commands`, path);
  };
  writeFileSync(`${dir}/data`, 'data');
  debugfs('mkdir dir', ...['a', 'b', 'c'].map((name) => `write ${dir}/data ${name}`));
  return { path, debugfs, load: () => loadImage(path), save: (image: MemoryImage) => saveImage(image, path) };
}

const KINDS = [
  ['ext2', 128],
  ['ext2', 256],
  ['ext3', 128],
  ['ext3', 256],
] as const;

describe.each(KINDS)('%s with inodes of %d bytes', (type, inodeSize) => {
  itWithE2fsprogs('attributes of the guest are read by debugfs, and those of debugfs by the guest', (judge) => {
    const disk = bed(judge, type, inodeSize);
    disk.debugfs('ea_set a user.theirs short', `ea_set a user.long ${LONG}`, 'ea_set dir trusted.t x');
    const image = disk.load();
    const { sys, go, kernel } = boot(image);
    expect(go(sys.listxattr('/a')).sort()).toEqual(['user.long', 'user.theirs']);
    expect([text(go(sys.getxattr('/a', 'user.theirs'))), text(go(sys.getxattr('/a', 'user.long')))]).toEqual([
      'short',
      LONG,
    ]);
    expect(text(go(sys.getxattr('/dir', 'trusted.t')))).toBe('x');
    go(sys.setxattr('/a', 'user.theirs', bytes('ours now')));
    go(sys.setxattr('/b', 'security.label', bytes('l'.repeat(40))));
    go(sys.setxattr('/b', 'user.empty', new Uint8Array()));
    go(sys.setxattr('/dir', 'user.big', bytes('B'.repeat(3000))));
    go(sys.removexattr('/a', 'user.long'));
    const fd = go(sys.open('/new', O.creat | O.rdwr));
    go(sys.fsetxattr(fd, 'user.fresh', bytes('leaves')));
    go(sys.mkdir('/made'));
    go(sys.setxattr('/made', 'user.fresh', bytes('leaves')));
    go(kernel.shutdown());
    disk.save(image);
    mustPassE2fsck(judge, disk.path);
    const told = (path: string, name: string): string => disk.debugfs(`ea_get ${path} ${name}`);
    expect(told('a', 'user.theirs')).toContain('"ours now"');
    expect(told('a', 'user.long')).not.toContain('vvv');
    expect(told('b', 'security.label')).toContain('l'.repeat(40));
    expect(told('dir', 'user.big')).toContain('B'.repeat(3000));
    for (const path of ['new', 'made']) expect(told(path, 'user.fresh')).toContain('"leaves"');
    expect(disk.debugfs('ea_list b')).toContain('user.empty (0)');
    const last = disk.load();
    const again = boot(last);
    expect(again.go(again.sys.listxattr('/b')).sort()).toEqual(['security.label', 'user.empty']);
    for (const path of ['/a', '/b', '/new', '/dir'])
      again.go(path === '/dir' ? again.sys.rmdir(path) : again.sys.unlink(path));
    again.go(again.kernel.shutdown());
    disk.save(last);
    mustPassE2fsck(judge, disk.path);
  });

  itWithE2fsprogs('owners, nanoseconds and the figures of statfs are those of debugfs and dumpe2fs', (judge) => {
    const disk = bed(judge, type, inodeSize);
    const image = disk.load();
    const { sys, go, kernel } = boot(image);
    go(sys.chown('/a', 100_000, 3));
    go(sys.utimes('/a', { seconds: 3_000_000_000, ns: 123_456_789 }, { seconds: 1_600_000_000, ns: 987_654_321 }));
    const isFine = inodeSize > 128;
    const expected = {
      ...{ uid: 100_000, gid: 3, atime: 3_000_000_000, mtime: 1_600_000_000 },
      ...{ atimeNs: isFine ? 123_456_789 : 0, mtimeNs: isFine ? 987_654_321 : 0 },
    };
    expect(go(sys.stat('/a'))).toMatchObject(expected);
    const figures = go(sys.statfs('/'));
    go(kernel.shutdown());
    disk.save(image);
    mustPassE2fsck(judge, disk.path);
    const told = disk.debugfs('stat a');
    expect(told).toMatch(/User:\s*100000\s+Group:\s+3\b/);
    if (isFine) {
      expect(told).toContain(`mtime: 0x5f5e1000:${((987_654_321 << 2) >>> 0).toString(16)}`);
      expect(told).toContain(
        `atime: 0x${(3_000_000_000).toString(16)}:${(((123_456_789 << 2) | 1) >>> 0).toString(16)}`,
      );
    }
    const again = boot(disk.load());
    expect(again.go(again.sys.stat('/a'))).toMatchObject(expected);
    const header = run(judge.dumpe2fs, '-h', disk.path);
    const word = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(header)![1]);
    expect(figures).toMatchObject({
      ...{ files: word('Inode count'), filesFree: word('Free inodes'), blocksFree: word('Free blocks') },
      blocksAvailable: word('Free blocks') - word('Reserved block count'),
    });
    expect(figures.blocks).toBeLessThan(word('Block count'));
    expect(figures.blocks).toBeGreaterThanOrEqual(figures.blocksFree);
  });
});

describe.each([
  ['ext2', undefined],
  ['ext3', 1024],
] as const)('attributes, %s', (_, journalBlocks) => {
  /** @param files in /dir */
  const start = (files = 0) => {
    const inside = Array.from({ length: files }, (_unused, i): [string, TreeNode] => [String(i), file('')]);
    const contents = directory([
      ['a', file('a')],
      ['b', file('b')],
      ['dir', directory(inside)],
      ['link', symlink('a')],
    ]);
    return boot(makeExt2(tree(contents), { size: 16 << 20, journalBlocks }));
  };

  it('a value is replaced, kept or refused as the flags say', () => {
    const { sys, go, code } = start();
    expect(code(sys.getxattr('/a', 'user.x'))).toBe('ENODATA');
    expect(code(sys.removexattr('/a', 'user.x'))).toBe('ENODATA');
    expect(code(sys.setxattr('/a', 'user.x', bytes('1'), XATTR.replace))).toBe('ENODATA');
    expect(code(sys.setxattr('/a', 'user.x', bytes('1'), XATTR.create))).toBe('ok');
    expect(code(sys.setxattr('/a', 'user.x', bytes('2'), XATTR.create))).toBe('EEXIST');
    expect(text(go(sys.getxattr('/a', 'user.x')))).toBe('1');
    expect(code(sys.setxattr('/a', 'user.x', bytes('2'), XATTR.replace))).toBe('ok');
    expect(text(go(sys.getxattr('/a', 'user.x')))).toBe('2');
    expect(code(sys.setxattr('/a', 'user.x', bytes('2'), 4))).toBe('EINVAL');
  });

  it('names and values that 2.6.12 refuses are refused', () => {
    const { sys, go, code } = start();
    expect(code(sys.setxattr('/a', 'system.posix_acl_access', bytes('')))).toBe('EOPNOTSUPP');
    expect(code(sys.setxattr('/a', 'x', bytes('')))).toBe('EOPNOTSUPP');
    expect(code(sys.setxattr('/a', 'user.', bytes('')))).toBe('EINVAL');
    expect(code(sys.setxattr('/a', '', bytes('')))).toBe('ERANGE');
    expect(code(sys.setxattr('/a', `user.${'n'.repeat(251)}`, bytes('')))).toBe('ERANGE');
    expect(code(sys.setxattr('/a', `user.${'n'.repeat(250)}`, bytes('')))).toBe('ok');
    expect(code(sys.setxattr('/a', 'user.x', new Uint8Array(65_537)))).toBe('E2BIG');
    expect(code(sys.setxattr('/a', 'user.x', new Uint8Array(4097)))).toBe('ERANGE');
    expect(code(sys.setxattr('/a', 'user.x', new Uint8Array(4096)))).toBe('ENOSPC');
    expect(code(sys.lsetxattr('/link', 'user.x', bytes('')))).toBe('EPERM');
    expect(code(sys.lsetxattr('/link', 'trusted.x', bytes('of the link')))).toBe('ok');
    expect([go(sys.llistxattr('/link')), go(sys.listxattr('/link')).length]).toEqual([['trusted.x'], 1]);
    expect(go(sys.readlink('/link'))).toBe('a');
    go(sys.lremovexattr('/link', 'trusted.x'));
    expect([go(sys.llistxattr('/link')), go(sys.listxattr('/link')).length]).toEqual([[], 1]);
    go(sys.chmod('/dir', 0o1777));
    expect(code(sys.setxattr('/dir', 'user.x', bytes('')))).toBe('EPERM');
  });

  it('statfs of a descriptor is that of its file system, and EBADF of one that is not open', () => {
    const { sys, go } = start();
    const fd = go(sys.open('/a'));
    expect(sys.fstatfs(fd)).toEqual(go(sys.statfs('/')));
    expect(() => sys.fstatfs(fd + 1)).toThrow('EBADF');
  });

  it('no block is available when more are reserved than are free', () => {
    const image = makeExt2(tree(directory([])), { size: 16 << 20, journalBlocks });
    image.write(1024 + SUPERBLOCK.offset.s_r_blocks_count, Uint8Array.of(0, 16, 0, 0), 0, 4);
    const { sys, go } = boot(image);
    expect(go(sys.statfs('/')).blocksFree).toBeLessThan(4096);
    expect(go(sys.statfs('/')).blocksAvailable).toBe(0);
  });

  it('a block takes what fits into it to the last byte', () => {
    const { sys, go, code } = start();
    // 32 of header, 16 + 4 of the entry with its name, 4 at the end of the entries.
    const room = 4096 - 32 - 20 - 4;
    expect(code(sys.setxattr('/a', 'user.x', new Uint8Array(room + 1)))).toBe('ENOSPC');
    expect(go(sys.stat('/a')).sectors).toBe(8);
    expect(code(sys.setxattr('/a', 'user.x', new Uint8Array(room).fill(7)))).toBe('ok');
    expect(go(sys.getxattr('/a', 'user.x'))).toEqual(new Uint8Array(room).fill(7));
    expect(code(sys.setxattr('/a', 'user.y', new Uint8Array()))).toBe('ENOSPC');
    expect(go(sys.listxattr('/a'))).toEqual(['user.x']);
    expect(go(sys.stat('/a')).sectors).toBe(16);
  });

  it('equal attributes share a block, whatever the order in which they were set, and part again', () => {
    const { sys, go } = start();
    const free = (): number => go(sys.statfs('/')).blocksFree;
    const before = free();
    go(sys.setxattr('/a', 'user.x', bytes('x')));
    go(sys.setxattr('/a', 'user.long', bytes(LONG)));
    expect(free()).toBe(before - 1);
    go(sys.setxattr('/b', 'user.long', bytes(LONG)));
    expect(free()).toBe(before - 2);
    go(sys.setxattr('/b', 'user.x', bytes('x')));
    expect(free()).toBe(before - 1);
    go(sys.setxattr('/b', 'user.x', bytes('y')));
    expect(free()).toBe(before - 2);
    expect(text(go(sys.getxattr('/a', 'user.x')))).toBe('x');
    go(sys.setxattr('/b', 'user.x', bytes('x')));
    expect(free()).toBe(before - 1);
    go(sys.removexattr('/b', 'user.x'));
    go(sys.removexattr('/b', 'user.long'));
    expect([free(), go(sys.listxattr('/b')).length, go(sys.stat('/b')).sectors]).toEqual([before - 1, 0, 8]);
    go(sys.unlink('/a'));
    expect(free()).toBe(before + 1);
  });

  it('of 1025 inodes with equal attributes, 1024 share a block', () => {
    const { sys, go } = start(1025);
    const before = go(sys.statfs('/')).blocksFree;
    for (let i = 0; i < 1025; i++) go(sys.setxattr(`/dir/${i}`, 'user.x', bytes('x')));
    expect(before - go(sys.statfs('/')).blocksFree).toBe(2);
  });

  it('owners change as asked, and the bits setuid and setgid go', () => {
    const { sys, go, code } = start();
    go(sys.chmod('/a', 0o6755));
    go(sys.chown('/a', 0xffff_fffe, -1));
    expect(go(sys.stat('/a'))).toMatchObject({ uid: 0xffff_fffe, gid: 0, mode: 0o100755 });
    go(sys.lchown('/link', 5, 6));
    expect([go(sys.lstat('/link')).uid, go(sys.stat('/link')).uid]).toEqual([5, 0xffff_fffe]);
    const fd = go(sys.open('/b'));
    go(sys.fchown(fd, -1, 9));
    go(sys.fchmod(fd, 0o2644));
    go(sys.futimes(fd, 1.5, 2));
    expect(sys.fstat(fd)).toMatchObject({ uid: 0, gid: 9, mode: 0o102644, atime: 1, atimeNs: 0, mtime: 2 });
    // Without the bit to execute, setgid of a file means another thing; of a directory both bits
    // do.
    go(sys.fchown(fd, -1, 8));
    go(sys.chmod('/dir', 0o6755));
    go(sys.chown('/dir', 1, 2));
    expect([sys.fstat(fd).mode, go(sys.stat('/dir')).mode]).toEqual([0o102644, 0o46755]);
    for (const id of [-2, 0xffff_ffff, 1.5]) expect(code(sys.chown('/a', id, 0))).toBe('EINVAL');
    for (const time of [-1, 2 ** 32, Number.NaN]) expect(code(sys.utimes('/a', time, 0))).toBe('EINVAL');
    expect(code(sys.utimes('/a', { seconds: 1, ns: 1e9 }, 0))).toBe('EINVAL');
    go(sys.lutimes('/link', 7, 8));
    expect(go(sys.lstat('/link'))).toMatchObject({ atime: 7, mtime: 8 });
  });

  it('what is made in a directory with the bit setgid has its group', () => {
    const { sys, go } = start();
    go(sys.chown('/dir', 1, 77));
    go(sys.chmod('/dir', 0o2755));
    go(sys.mkdir('/dir/sub'));
    go(sys.close(go(sys.open('/dir/f', O.creat | O.wronly))));
    expect(go(sys.stat('/dir/sub'))).toMatchObject({ uid: 0, gid: 77, mode: 0o42755 });
    expect(go(sys.stat('/dir/f'))).toMatchObject({ uid: 0, gid: 77, mode: 0o100644 });
  });
});
