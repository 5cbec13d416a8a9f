// The log of the kernel: bounded, the same in each run, and what the file system says is in it.
import { describe, expect, it } from 'vitest';
import { ERRNO, ModelError } from '../../src/base/index.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../src/disk/mkfs/tree.ts';
import type { KernelMessage } from '../../src/kernel/index.ts';
import { KernelLog } from '../../src/kernel/log.ts';
import { FakeMachine } from '../support/fake-machine.ts';

describe('the log', () => {
  it('the log keeps the last 256 messages in order, and counts the others', () => {
    const log = new KernelLog(new FakeMachine({ image: makeExt2(tree(directory([]))) }).env.cpu);
    for (let i = 0; i < 1000; i++) log.say('info', `message ${i}`);
    expect(log.messages.map(({ text }) => text)).toEqual(Array.from({ length: 256 }, (_, i) => `message ${744 + i}`));
    expect(log.dropped).toBe(744);
  });
});

/** A guest on a disk that fails what it writes, until the file system is read-only. */
function ofBrokenDisk(journalBlocks: number | undefined): readonly KernelMessage[] {
  const image = makeExt2(tree(directory([['a', file('a')]])), { size: 16 << 20, journalBlocks });
  const machine = new FakeMachine({ image });
  const kernel = machine.run(machine.boot());
  machine.fails = (isWrite) => isWrite;
  for (const call of [() => kernel.syscalls.chmod('/a', 0o600), () => kernel.syscalls.sync()])
    try {
      machine.run(call());
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      expect(error.errno).toBe(ERRNO[error.code]);
    }
  return kernel.messages;
}

describe.each([
  ['ext2', undefined, 'mounted without a journal'],
  ['ext3', 1024, 'mounted with ordered data mode'],
] as const)('messages, %s', (_, journalBlocks, mounted) => {
  it('the messages tell of the mount, of what was lost and that nothing may be changed any more', () => {
    const messages = ofBrokenDisk(journalBlocks);
    expect(messages[0]).toMatchObject({ level: 'info', text: `ext2: ${mounted}` });
    expect(messages.map(({ text }) => text)).toContain('lost page write: the block device');
    expect(messages.find(({ text }) => /read-only from now on/.test(text))).toMatchObject({ level: 'crit' });
    const times = messages.map(({ time }) => time);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('the messages are the same in each run', () => {
    expect(ofBrokenDisk(journalBlocks)).toEqual(ofBrokenDisk(journalBlocks));
  });
});

describe('errno', () => {
  it('the numbers are those of Linux, each of one name', () => {
    expect([ERRNO.EPERM, ERRNO.ENOENT, ERRNO.EIO, ERRNO.EROFS, ERRNO.ENODATA, ERRNO.EOPNOTSUPP]).toEqual([
      1, 2, 5, 30, 61, 95,
    ]);
    expect(new Set(Object.values(ERRNO)).size).toBe(Object.keys(ERRNO).length);
    expect(new ModelError('ENODATA', 'no attribute').errno).toBe(61);
  });
});
