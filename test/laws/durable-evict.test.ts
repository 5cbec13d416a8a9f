// After fsync, fdatasync, O_SYNC or msync data is durable, even if the inode has left memory
// between the change and the call. What they owe is not forgotten with it. Each case evicts at one
// moment, an event after the change, and loses the power when the call returns.
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/base/index.ts';
import { O, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { casesOf, containsSample } from '../support/product.ts';
import { TIMEOUT_MS } from '../support/property.ts';
import {
  CHANGES,
  type ChangeName,
  DurableFile,
  type FileSystem,
  pageOf,
  SYNC_CALLS,
  type SyncName,
} from './durable-file.ts';

/** Until kupdate has written everything. */
const QUIET_SECONDS = 45;
const CHANGE_NAMES = Object.keys(CHANGES) as ChangeName[];
const CALL_NAMES = Object.keys(SYNC_CALLS) as SyncName[];
/** About: a call that has something to write takes as many. */
const EVENTS_OF_A_CALL = 17;
/** Events after which a new file is committed. */
const NEW_FILE_MOMENTS = 24;
/** Cases of a file system that `npm test` tries; `npm run test:laws` tries all. */
const SAMPLE = 16;

interface Case {
  readonly change: ChangeName;
  readonly call: SyncName;
  /** Events between the change and the eviction. */
  readonly moment: number;
  /** Event of the call at which once more is evicted what can be. */
  readonly again: number;
}

function allCases(fs: FileSystem): Case[] {
  const cases: Case[] = [];
  for (const change of CHANGE_NAMES) {
    const file = new DurableFile(fs, change);
    file.change();
    const moments = file.wait(Infinity, QUIET_SECONDS);
    for (let moment = 0; moment <= moments; moment++)
      for (const call of CALL_NAMES) cases.push({ change, call, moment, again: cases.length % EVENTS_OF_A_CALL });
  }
  return cases;
}

describe.each(['ext2', 'ext3'] as const)('%s: the inode leaves memory at each moment', (fs) => {
  it('what a call has returned for survives a loss of power, though the inode left memory at any moment', {
    timeout: TIMEOUT_MS,
  }, () => {
    const lost: Case[] = [];
    let evicted = 0;
    const tried = casesOf('an inode that leaves memory', fs, allCases(fs), { sample: SAMPLE });
    for (const each of tried) {
      const file = new DurableFile(fs, each.change);
      file.change();
      file.wait(each.moment);
      const before = file.inodes;
      file.sys.dropCaches();
      if (file.inodes < before) evicted++;
      let left = each.again;
      const answer = file.call(each.call, () => {
        if (left-- === 0) file.sys.dropCaches();
      });
      expect({ ...each, answer }).toEqual({ ...each, answer: 'ok' });
      if (!file.survives(file.promised(each.call))) lost.push(each);
    }
    expect(lost).toEqual([]);
    if (!containsSample()) return;
    expect(tried.length).toBeGreaterThanOrEqual(SAMPLE);
    expect(evicted).toBeGreaterThan(tried.length / 10);
  });
});

// With a journal, either brings the other along.
describe.each([
  ['ext2', ['/new', '/']],
  ['ext2', ['/', '/new']],
  ['ext3', ['/new']],
  ['ext3', ['/']],
] as const)('%s: a new file', (fs, paths) => {
  it(`a new file survives fsync of ${paths.join(' and ')}, with either inode evicted at each moment`, () => {
    const lost: number[] = [];
    const moments = Array.from({ length: NEW_FILE_MOMENTS }, (_, moment) => moment);
    const part = `${fs}, ${paths.join(' and ')}`;
    const size = { sample: 8, whole: NEW_FILE_MOMENTS };
    for (const moment of casesOf('a new file, and an inode that leaves memory', part, moments, size)) {
      const file = new DurableFile(fs, 'overwrites a page');
      file.disk.run(makeFile(file.sys));
      file.wait(moment);
      for (const path of paths) {
        file.sys.dropCaches();
        expect(file.call('fsync', undefined, path)).toBe('ok');
      }
      if (!file.survives({ path: '/new', index: 0, size: PAGE_SIZE, bytes: pageOf(3) })) lost.push(moment);
    }
    expect(lost).toEqual([]);
  });
});

function* makeFile(sys: Syscalls): Process {
  const fd = yield* sys.open('/new', O.wronly | O.creat);
  yield* sys.pwrite(fd, pageOf(3), 0, PAGE_SIZE, 0);
  yield* sys.close(fd);
}
