// A shutdown while the k-th write, flush or read fails, for all k. The guest stops all the same,
// and says that it could not write everything. The next one takes over no page that differs from
// its block.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/base/index.ts';
import { getField } from '../../src/base/layout.ts';
import type { BlockOp } from '../../src/disk/drive/block-device.ts';
import { EXT2_STATE, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../src/format/ext2.ts';
import { O, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { ShutdownReason } from '../../src/xen/index.ts';
import { readBlock } from '../support/journal-image.ts';
import { type FileSystem, imageOf, pageOf } from './durable-file.ts';
import { GuestDisk } from '../support/guest-disk.ts';

const F_PAGES = 21;

/** What a guest does before it is shut down: its files stay open, and everything is dirty. */
function* change(sys: Syscalls): Process {
  const f = yield* sys.open('/f', O.rdwr);
  for (const index of [1, 3, F_PAGES]) yield* sys.pwrite(f, pageOf(99), 0, PAGE_SIZE, index * PAGE_SIZE);
  const fresh = yield* sys.open('/new', O.rdwr | O.creat);
  for (let index = 0; index < 14; index++) yield* sys.pwrite(fresh, pageOf(98), 0, PAGE_SIZE, index * PAGE_SIZE);
  yield* sys.unlink('/h');
  yield* sys.truncate('/g', 5_000);
}

/** Bytes of a file; undefined when there is none, or it cannot be read. */
function* contents(sys: Syscalls, path: string): Process<Uint8Array> {
  const fd = yield* sys.open(path);
  const bytes = new Uint8Array(sys.fstat(fd).size);
  yield* sys.pread(fd, bytes, 0, bytes.length, 0);
  yield* sys.close(fd);
  return bytes;
}

const PATHS = ['/f', '/g', '/new'];

interface Outcome {
  readonly hasFailed: boolean;
  readonly code: string | undefined;
  readonly refusedDirty: number;
  readonly reused: number;
  /** Of the superblock on the disk. */
  readonly saysErrors: boolean;
}

/** The k-th request of a kind fails, or that and all that follow it until the guest has stopped. */
function play(fs: FileSystem, op: BlockOp, k: number, isLasting: boolean): Outcome {
  let isShuttingDown = false;
  let requests = 0;
  const fails = (request: { readonly op: BlockOp }): boolean => {
    if (!isShuttingDown || request.op !== op) return false;
    requests++;
    return isLasting ? requests >= k : requests === k;
  };
  const image = imageOf(fs);
  const disk = new GuestDisk(image, 1, { fails });
  disk.run(change(disk.guest.kernel.syscalls));
  const { domain, kernel } = disk.guest;
  isShuttingDown = true;
  const code = disk.run(kernel.shutdown());
  isShuttingDown = false;
  expect([domain.state, domain.shutdownReason]).toEqual(['shutdown', ShutdownReason.reboot]);
  const saysErrors =
    (getField(SUPERBLOCK, readBlock(image, 0), EXT2_SUPERBLOCK_OFFSET, 's_state') & EXT2_STATE.error) !== 0;
  // It compares every page that is taken over with its block.
  disk.restart();
  const warm = disk.guest;
  const reader = new GuestDisk(image.clone(), 1, { cmdLine: 'cachemap=off', memory: 'reader' });
  for (const path of PATHS) {
    const [seen, expected] = [disk, reader].map((each) => {
      try {
        return each.run(contents(each.guest.kernel.syscalls, path));
      } catch (error) {
        return (error as { code?: string }).code;
      }
    });
    expect(seen instanceof Uint8Array && expected instanceof Uint8Array ? Buffer.compare(seen, expected) : seen).toBe(
      expected instanceof Uint8Array ? 0 : expected,
    );
  }
  const { refused } = warm.domain.stats;
  return {
    hasFailed: requests >= k,
    code,
    refusedDirty: refused.dirty,
    reused: warm.kernel.stats.pagesReused,
    saysErrors,
  };
}

// Which requests leave a superblock that says errors: 1. With ext2, five write data, and so does
// the seventh; that is told, and the file system is sound. Where everything fails from some request
// on, the superblock cannot be written either.
describe.each([
  ['ext2', 'write', false, '00000101111'],
  ['ext2', 'write', true, '00000000000'],
  ['ext2', 'flush', false, '11'],
  ['ext2', 'flush', true, '11'],
  ['ext3', 'write', false, '111111111111111'],
  ['ext3', 'write', true, '000000000000000'],
  ['ext3', 'flush', false, '1111111'],
  ['ext3', 'flush', true, '1111111'],
] as const)('%s, a shutdown in which a %s fails; and all that follow: %s', (fs, op, isLasting, errors) => {
  it('the shutdown stops the domain, says EIO, and leaves nothing that the next guest takes for clean', () => {
    const outcomes: Outcome[] = [];
    for (let k = 1; outcomes.at(-1)?.hasFailed !== false; k++) outcomes.push(play(fs, op, k, isLasting));
    const whole = outcomes.pop()!;
    expect(whole).toMatchObject({ code: undefined, refusedDirty: 0, saysErrors: false });
    expect(outcomes.map(({ code }) => code)).toEqual(outcomes.map(() => 'EIO'));
    expect(outcomes.map(({ saysErrors }) => Number(saysErrors)).join('')).toBe(errors);
    // Pages that could not be written are refused, with a reason that is counted; a page that was
    // to be reused otherwise.
    for (const { reused } of outcomes) expect(reused).toBeLessThanOrEqual(whole.reused);
    if (op === 'write' && isLasting) for (const { refusedDirty } of outcomes) expect(refusedDirty).toBeGreaterThan(0);
  });
});
