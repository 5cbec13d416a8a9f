// fsync, fdatasync, O_SYNC and msync mean durable, or an error: with each request of the drive failing, in the call and in the
// background before it. An error is told once.
import { describe, expect, it } from 'vitest';
import { Ns, PAGE_SIZE, SECTOR_SIZE } from '../../src/base/index.ts';
import { getField } from '../../src/base/layout.ts';
import type { BlockRequest } from '../../src/disk/block-device.ts';
import { EXT2_STATE, GROUP_DESCRIPTOR, SUPERBLOCK } from '../../src/disk/ext2-format.ts';
import type { ImageStore } from '../../src/disk/image-store.ts';
import { OracleExt2 } from '../../src/experiment/oracle-ext2.ts';
import { O, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { readWhole } from './file-programs.ts';
import {
  CHANGES,
  type ChangeName,
  codeOf,
  DurableFile,
  type FileSystem,
  imageOf,
  pageOf,
  SYNC_CALLS,
  type SyncName,
} from './durable-file.ts';
import { GuestDisk } from './guest-disk.ts';

const CHANGE_NAMES = Object.keys(CHANGES) as ChangeName[];
const CALL_NAMES = Object.keys(SYNC_CALLS) as SyncName[];
/** Until kupdate has written everything. */
const QUIET_SECONDS = 45;
const JOURNAL_INO = 8;

/** Blocks that a request moves. */
function blocksOf({ sector, segments }: BlockRequest): number[] {
  return segments.map((_, i) => (sector * SECTOR_SIZE) / PAGE_SIZE + i);
}

/** What a block of these small disks, which have one group, is, as long as nothing but /f, /g and /h has data. */
function kindsOf(fs: FileSystem): (block: number) => string {
  const image = imageOf(fs);
  const descriptor = new Uint8Array(PAGE_SIZE);
  image.read(PAGE_SIZE, descriptor, 0, PAGE_SIZE);
  const field = (name: 'bg_block_bitmap' | 'bg_inode_table'): number => getField(GROUP_DESCRIPTOR, descriptor, 0, name);
  const [bitmap, table] = [field('bg_block_bitmap'), field('bg_inode_table')];
  const oracle = new OracleExt2(image);
  const journal = new Set<number>();
  if (fs === 'ext3') for (let page = 0; page < 1024; page++) journal.add(oracle.blockOf(JOURNAL_INO, page));
  return (block) => {
    if (block === 0) return 'superblock';
    if (block === 1) return 'descriptors';
    if (block === bitmap) return 'block bitmap';
    if (block === table) return 'inode table';
    return journal.has(block) ? 'journal' : 'data or indirect';
  };
}

interface Outcome {
  /** Of the call, and of a later fsync that nothing disturbs. */
  readonly answers: [string, string];
  /** Whether what the call promised is there after a loss of power at its end; and at the end of the fsync. */
  readonly survived: [boolean, boolean];
  readonly isReadOnly: boolean;
  readonly failed: BlockRequest[];
}

/**
 * A change and a call, while requests fail.
 * @param background whether everything is written in the background, and the inode evicted, before the call, and all that fails fails there
 * @param fails asked of every request, with the number of those of its kind so far, from 1
 */
function play(
  fs: FileSystem,
  change: ChangeName,
  call: SyncName,
  background: boolean,
  op: 'read' | 'write',
  fails: (number: number) => boolean,
): Outcome {
  let isCounting = false;
  let requests = 0;
  const failed: BlockRequest[] = [];
  const file = new DurableFile(fs, change, (request) => {
    if (!isCounting || request.op !== op || !fails(++requests)) return false;
    failed.push(request);
    return true;
  });
  file.change();
  if (op === 'read') file.sys.dropCaches();
  isCounting = true;
  if (background) {
    file.wait(Infinity, QUIET_SECONDS);
    isCounting = false;
    file.sys.dropCaches();
  }
  const first = file.call(call);
  isCounting = false;
  const survived = file.survives(file.promised(call));
  file.sys.dropCaches();
  const second = file.call('fsync');
  const survivedSecond = file.survives(file.promised(call));
  return { answers: [first, second], survived: [survived, survivedSecond], isReadOnly: file.isReadOnly, failed };
}

interface Played extends Outcome {
  readonly name: string;
}

/** Every change, with the calls in turn; each request fails alone, and each with all that follow it; and none does. */
function playAll(fs: FileSystem, background: boolean, op: 'read' | 'write', calls: readonly SyncName[]): Played[] {
  const outcomes: Played[] = [];
  for (const [i, change] of CHANGE_NAMES.entries())
    for (const alone of [true, false]) {
      // A direct write that fails after what the cache had of its range did are two errors.
      const some = alone ? calls : calls.filter((each) => !each.includes('O_DIRECT'));
      const call = some[i % some.length]!;
      for (let k = 1; outcomes.at(-1)?.failed.length !== 0 || k === 1; k++) {
        const outcome = play(fs, change, call, background, op, (n) => (alone ? n === k : n >= k));
        outcomes.push({ ...outcome, name: `${change}, ${call}, ${alone ? 'request' : 'from request'} ${k}` });
      }
    }
  return outcomes;
}

const namesOf = (outcomes: readonly Played[]): string[] => outcomes.map(({ name }) => name);

describe.each([
  ['ext2', false],
  ['ext2', true],
  ['ext3', false],
  ['ext3', true],
] as const)('%s: a write fails, in the background: %s', (fs, background) => {
  const outcomes = playAll(fs, background, 'write', CALL_NAMES);
  const withFailure = outcomes.filter(({ failed }) => failed.length > 0);

  it('and a call that says ok has kept its promise', () => {
    expect(namesOf(outcomes.filter(({ answers, survived }) => answers[0] === 'ok' && !survived[0]))).toEqual([]);
    // A program that stores beyond the end of a file whose growth was lost meets EFAULT; one that writes after metadata was lost, EROFS.
    expect([...new Set(outcomes.map(({ answers }) => answers[0]))].sort()).toEqual(
      [...(background ? ['EFAULT', 'EROFS'] : []), 'EIO', 'ok'].sort(),
    );
  });

  it('every kind of block is among those that fail, and without a failure there is no error', () => {
    const kinds = new Set(withFailure.flatMap(({ failed }) => failed.flatMap(blocksOf)).map(kindsOf(fs)));
    const inCall = fs === 'ext2' ? ['data or indirect', 'inode table'] : ['data or indirect', 'journal'];
    const all = ['block bitmap', 'data or indirect', 'descriptors', 'inode table', 'superblock'];
    const expected = background ? [...all, ...(fs === 'ext3' ? ['journal'] : [])] : inCall;
    expect([...kinds].sort()).toEqual(expected.sort());
    const others = outcomes.filter(({ failed }) => failed.length === 0);
    expect(others.length).toBe(2 * CHANGE_NAMES.length);
    for (const { answers, survived } of others)
      expect({ answers, survived }).toEqual({ answers: ['ok', 'ok'], survived: [true, true] });
  });

  if (fs === 'ext2')
    it('each is told, whatever it was of, and once', () => {
      for (const { name, answers } of withFailure)
        expect({ name, told: answers.filter((answer) => answer === 'EIO').length, lie: answers[0] === 'ok' }).toEqual({
          name,
          told: 1,
          lie: false,
        });
    });
  else
    it('a journal that has ended says EIO again; another error is told once', () => {
      const kindOf = kindsOf(fs);
      for (const { name, answers, isReadOnly, failed } of outcomes) {
        // What is in the log is durable, though it was lost on its way home: the next change finds that, and ends the journal.
        const isLostAtHome = failed.some((request) => kindOf(blocksOf(request)[0]!) !== 'journal');
        const endsLater = background && isLostAtHome && answers[1] === 'ok';
        expect({ name, second: answers[1] }).toEqual({ name, second: isReadOnly && !endsLater ? 'EIO' : 'ok' });
      }
    });
});

describe.each(['ext2', 'ext3'] as const)('%s: a read fails in the call', (fs) => {
  const outcomes = playAll(fs, false, 'read', ['fsync', 'fdatasync']);

  it('and a call that says ok has kept its promise', () => {
    const told = outcomes.filter(({ failed, answers }) => failed.length > 0 && answers[0] === 'EIO');
    expect(told.length).toBeGreaterThan(CHANGE_NAMES.length);
    expect(namesOf(outcomes.filter(({ answers, survived }) => answers[0] === 'ok' && !survived[0]))).toEqual([]);
  });

  it('and the next one does what it could not do', () => {
    // As in 2.6.12, a page of a hole for which no place is found is given up, and that is told once.
    const others = outcomes.filter(({ name }) => !name.startsWith('stores into a hole'));
    const lost = others.filter(({ answers, survived }) => answers[1] !== 'ok' || !survived[1]);
    expect(namesOf(lost.filter(({ isReadOnly }) => fs === 'ext2' || !isReadOnly))).toEqual([]);
  });
});

describe('ext2: metadata of several files fails in the background', () => {
  /** All that is written of the inode table within 45 s fails. */
  function afterFailure(): DurableFile {
    let isFailing = true;
    const kindOf = kindsOf('ext2');
    const fails = (request: BlockRequest): boolean =>
      isFailing && request.op === 'write' && blocksOf(request).some((block) => kindOf(block) === 'inode table');
    const file = new DurableFile('ext2', 'overwrites a page', fails);
    // What the change does before the clock of its failure starts must not fail.
    isFailing = false;
    file.change();
    isFailing = true;
    file.wait(Infinity, QUIET_SECONDS);
    isFailing = false;
    return file;
  }

  it.each([false, true])('each file is told once; evicted between: %s', (evicts) => {
    const file = afterFailure();
    const answers: string[] = [];
    for (const path of ['/f', '/f', '/g', '/f', '/g', '/h', '/h']) {
      if (evicts) file.sys.dropCaches();
      answers.push(`${path} ${file.call('fsync', undefined, path)}`);
    }
    expect(answers).toEqual(['/f EIO', '/f ok', '/g EIO', '/f ok', '/g ok', '/h EIO', '/h ok']);
  });

  it('an orderly shutdown says so in the superblock', () => {
    const stateOf = (file: DurableFile): number => {
      file.disk.run(file.disk.guest.kernel.shutdown());
      return superblockField(file.disk.image, 's_state');
    };
    const sound = new DurableFile('ext2', 'overwrites a page');
    sound.change();
    expect(stateOf(sound)).toBe(EXT2_STATE.valid);
    expect(stateOf(afterFailure()) & EXT2_STATE.error).toBe(EXT2_STATE.error);
    const told = afterFailure();
    expect(told.call('fsync')).toBe('EIO');
    expect(stateOf(told) & EXT2_STATE.error).toBe(EXT2_STATE.error);
  });
});

function superblockField(image: ImageStore, name: 's_state'): number {
  const bytes = new Uint8Array(SUPERBLOCK.size);
  image.read(1024, bytes, 0, bytes.length);
  return getField(SUPERBLOCK, bytes, 0, name);
}

describe('ext3: metadata fails on its way to its place', () => {
  /** Makes files until one cannot be; each is there, by fsync. */
  function* makeFiles(sys: Syscalls, directory: string, count: number, made: string[]): Process {
    for (let i = 0; i < count; i++) {
      const path = `${directory}/${made.length}`;
      const fd = yield* sys.open(path, O.wronly | O.creat);
      yield* sys.pwrite(fd, pageOf(made.length), 0, PAGE_SIZE, 0);
      yield* sys.fsync(fd);
      made.push(path);
      yield* sys.close(fd);
    }
  }

  /**
   * Files are made in /d and brought home, where the k-th write fails; then files are made in `directory` until the log has
   * gone round, or the journal has ended. Returns the files that the next guest lacks.
   */
  function missing(k: number, directory: string): { lost: string[]; failed: number; made: number; commits: number } {
    let home = 0;
    let isCounting = false;
    let failed = 0;
    const kindOf = kindsOf('ext3');
    const fails = (request: BlockRequest): boolean => {
      if (!isCounting || request.op !== 'write' || kindOf(blocksOf(request)[0]!) === 'journal' || ++home !== k)
        return false;
      failed++;
      return true;
    };
    const disk = new GuestDisk(imageOf('ext3'), 1, { hasCache: true, cmdLine: 'cachemap=off', fails });
    const { kernel } = disk.guest;
    const sys = kernel.syscalls;
    const made: string[] = [];
    disk.run(sys.mkdir('/d'));
    disk.run(sys.mkdir('/e'));
    disk.run(makeFiles(sys, '/d', 5, made));
    isCounting = true;
    disk.run(
      (function* (): Process {
        yield Ns(QUIET_SECONDS * 1e9);
      })(),
    );
    isCounting = false;
    sys.dropCaches();
    codeOf(() => disk.run(makeFiles(sys, directory, 100, made)));
    const { commits } = kernel.stats;
    disk.losePower();
    disk.switchOn();
    const again = disk.guest.kernel.syscalls;
    const lost = made.filter((path, i) => {
      let bytes: Uint8Array | undefined;
      const code = codeOf(() => (bytes = disk.run(readWhole(again, path))));
      return code !== 'ok' || Buffer.compare(bytes!, pageOf(i)) !== 0;
    });
    return { lost, failed, made: made.length, commits };
  }

  it.each(['/d', '/e'])(
    'nothing that fsync has promised is lost, when the log goes round meanwhile in %s',
    (directory) => {
      const outcomes = [];
      for (let k = 1; outcomes.at(-1)?.failed !== 0; k++) outcomes.push(missing(k, directory));
      expect(outcomes.flatMap(({ lost }) => lost)).toEqual([]);
      expect(outcomes.length).toBeGreaterThan(4);
      expect(outcomes.at(-1)).toMatchObject({ failed: 0, made: 105 });
    },
  );
});
