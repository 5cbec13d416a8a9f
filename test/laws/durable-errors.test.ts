// After fsync, fdatasync, O_SYNC or msync data is durable, or there is an error. Each request of
// the drive fails, in the call and in the background before it. An error is told once.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns, PAGE_SIZE, SECTOR_SIZE } from '../../src/base/index.ts';
import { getField } from '../../src/base/layout.ts';
import type { BlockOp, BlockRequest } from '../../src/disk/drive/block-device.ts';
import { EXT2_STATE, GROUP_DESCRIPTOR, SUPERBLOCK } from '../../src/format/ext2.ts';
import type { ImageStore } from '../../src/disk/image/image-store.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { O, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { casesOf, containsSample, isWhole } from '../support/product.ts';
import { property, TIMEOUT_MS } from '../support/property.ts';
import { readWhole } from '../../src/doors/testing/play-calls.ts';
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
import { GuestDisk } from '../support/guest-disk.ts';

const CHANGE_NAMES = Object.keys(CHANGES) as ChangeName[];
const CALL_NAMES = Object.keys(SYNC_CALLS) as SyncName[];
/** Until kupdate has written everything. */
const QUIET_SECONDS = 45;
const JOURNAL_INO = 8;

/** Blocks that a request moves. */
function blocksOf({ sector, segments }: BlockRequest): number[] {
  return segments.map((_, i) => (sector * SECTOR_SIZE) / PAGE_SIZE + i);
}

/**
 * What a block of these small disks, which have one group, is: where metadata lies is settled when
 * they are made.
 */
function kindsOf(fs: FileSystem, data?: ReadonlySet<number>): (block: number) => string {
  const image = imageOf(fs);
  const descriptor = new Uint8Array(PAGE_SIZE);
  image.read(PAGE_SIZE, descriptor, 0, PAGE_SIZE);
  const field = (name: 'bg_block_bitmap' | 'bg_inode_table'): number => getField(GROUP_DESCRIPTOR, descriptor, 0, name);
  const kinds = new Map([
    [0, 'superblock'],
    [1, 'descriptors'],
    [field('bg_block_bitmap'), 'block bitmap'],
    [field('bg_inode_table'), 'inode table'],
  ]);
  const oracle = new OracleExt2(image);
  if (fs === 'ext3') for (let page = 0; page < 1024; page++) kinds.set(oracle.blockOf(JOURNAL_INO, page), 'journal');
  return (block) => kinds.get(block) ?? (data?.has(block) === false ? 'indirect' : 'data');
}

/** Blocks of files' pages after a change. Every run of a change is given the same. */
function dataBlocks(fs: FileSystem, change: ChangeName): Set<number> {
  const file = new DurableFile(fs, change);
  file.change();
  file.disk.run(file.disk.guest.kernel.shutdown());
  const oracle = new OracleExt2(file.disk.image);
  const blocks = new Set<number>();
  for (const { ino, size } of oracle.listFiles())
    for (let page = 0; page < size / PAGE_SIZE; page++) blocks.add(oracle.blockOf(ino, page));
  return blocks;
}

interface Outcome {
  /** Of the call, and of a later fsync that nothing disturbs. */
  readonly answers: [string, string];
  /**
   * Whether what the call promised is there after a loss of power at its end; and at the end of the
   * fsync. True where no ok has promised it.
   */
  readonly survived: [boolean, boolean];
  readonly isReadOnly: boolean;
  readonly failed: BlockRequest[];
}

/**
 * A change and a call, while requests fail.
 * @param background whether everything is written in the background, and the inode evicted, before
 * the call, and all that fails fails there
 * @param fails asked of every request, with the number of those of its kind so far, from 1
 */
function play(
  fs: FileSystem,
  change: ChangeName,
  call: SyncName,
  background: boolean,
  op: BlockOp,
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
  const survived = first !== 'ok' || file.survives(file.promised(call));
  file.sys.dropCaches();
  const second = file.call('fsync');
  // After a write that was told to have failed, the next ok promises nothing of what it wrote.
  const isPromised = second === 'ok' && (op !== 'write' || first === 'ok');
  const survivedSecond = !isPromised || file.survives(file.promised(call));
  return { answers: [first, second], survived: [survived, survivedSecond], isReadOnly: file.isReadOnly, failed };
}

interface Played extends Outcome {
  readonly name: string;
  readonly change: ChangeName;
}

/** Each change: a request fails alone, or with all that follow it. */
const FAILING = CHANGE_NAMES.flatMap((change) => [true, false].map((alone) => ({ change, alone })));
/** Of these, in each situation. */
const SAMPLE = { sample: 4, whole: FAILING.length };

/**
 * Changes, with the calls in turn; each request fails, and none does. The sample of a situation is
 * its own.
 */
function playAll(fs: FileSystem, background: boolean, op: BlockOp, calls: readonly SyncName[]): Played[] {
  const outcomes: Played[] = [];
  const part = `${fs}, ${background ? 'background' : 'call'}, ${op}`;
  for (const { change, alone } of casesOf('requests of a change that fail', part, FAILING, SAMPLE)) {
    const i = CHANGE_NAMES.indexOf(change);
    // A direct write that fails after what the cache had of its range did are two errors.
    const some = alone ? calls : calls.filter((each) => !each.includes('O_DIRECT'));
    const call = some[i % some.length]!;
    for (let k = 1; outcomes.at(-1)?.failed.length !== 0 || k === 1; k++) {
      const outcome = play(fs, change, call, background, op, (n) => (alone ? n === k : n >= k));
      outcomes.push({ ...outcome, change, name: `${change}, ${call}, ${alone ? 'request' : 'from request'} ${k}` });
    }
  }
  return outcomes;
}

/** Runs them when they are asked for first. */
function once<T>(run: () => T): () => T {
  let result: T | undefined;
  return () => (result ??= run());
}

const namesOf = (outcomes: readonly Played[]): string[] => outcomes.map(({ name }) => name);

describe.each([
  ['ext2', false],
  ['ext2', true],
  ['ext3', false],
  ['ext3', true],
] as const)('%s: a write fails, in the background: %s', (fs, background) => {
  const played = once(() => playAll(fs, background, 'write', CALL_NAMES));
  const withFailure = (): Played[] => played().filter(({ failed }) => failed.length > 0);

  it('a call that says ok has kept its promise, though a write failed in the background', {
    timeout: TIMEOUT_MS,
  }, () => {
    const outcomes = played();
    expect(namesOf(outcomes.filter(({ survived }) => survived.includes(false)))).toEqual([]);
    // EFAULT meets a program that stores beyond the end of a file whose growth was lost. EROFS
    // meets one that writes after metadata was lost, or past the cache when that ends the journal.
    const also = background ? ['EFAULT', 'EROFS'] : fs === 'ext3' ? ['EROFS'] : [];
    const answers = [...new Set(outcomes.map((each) => each.answers[0]))];
    expect([...also, 'EIO', 'ok']).toEqual(expect.arrayContaining(answers));
    if (containsSample()) expect(answers).toEqual(expect.arrayContaining(['EIO', 'ok']));
    if (isWhole(SAMPLE)) expect(answers.sort()).toEqual([...also, 'EIO', 'ok'].sort());
  });

  it('every kind of block is among those that fail, and without a failure there is no error', () => {
    const kinds = new Set<string>();
    for (const change of new Set(withFailure().map((each) => each.change))) {
      const kindOf = kindsOf(fs, dataBlocks(fs, change));
      for (const { failed } of withFailure().filter((each) => each.change === change))
        for (const block of failed.flatMap(blocksOf)) kinds.add(kindOf(block));
    }
    const inCall = fs === 'ext2' ? ['data', 'indirect', 'inode table'] : ['data', 'journal'];
    const all = ['block bitmap', 'data', 'descriptors', 'indirect', 'inode table', 'superblock'];
    const expected = background ? [...all, ...(fs === 'ext3' ? ['journal'] : [])] : inCall;
    if (containsSample()) expect([...kinds].sort()).toEqual(expected.sort());
    else expect(expected).toEqual(expect.arrayContaining([...kinds]));
    const others = played().filter(({ failed }) => failed.length === 0);
    if (containsSample()) expect(others.length).toBeGreaterThanOrEqual(SAMPLE.sample);
    for (const { answers, survived } of others)
      expect({ answers, survived }).toEqual({ answers: ['ok', 'ok'], survived: [true, true] });
  });

  if (fs === 'ext2')
    it('each failure is told, whatever it was of, and once', () => {
      for (const { name, answers } of withFailure())
        expect({ name, told: answers.filter((answer) => answer === 'EIO').length, lie: answers[0] === 'ok' }).toEqual({
          name,
          told: 1,
          lie: false,
        });
    });
  else
    it('a journal that has ended says EIO again; another error is told once', () => {
      const kindOf = kindsOf(fs);
      for (const { name, answers, isReadOnly, failed } of played()) {
        // What is in the log is durable, though it was lost on its way home: the next change finds
        // that, and ends the journal.
        const isLostAtHome = failed.some((request) => kindOf(blocksOf(request)[0]!) !== 'journal');
        const endsLater = background && isLostAtHome && answers[1] === 'ok';
        expect({ name, second: answers[1] }).toEqual({ name, second: isReadOnly && !endsLater ? 'EIO' : 'ok' });
      }
    });
});

describe.each([
  ['ext2', 'read'],
  ['ext2', 'flush'],
  ['ext3', 'read'],
  ['ext3', 'flush'],
] as const)('%s: a %s fails in the call', (fs, op) => {
  const played = once(() => playAll(fs, false, op, ['fsync', 'fdatasync']));

  it('a call that says ok has kept its promise, though it met a failure', { timeout: TIMEOUT_MS }, () => {
    const outcomes = played();
    const told = outcomes.filter(({ failed, answers }) => failed.length > 0 && answers[0] === 'EIO');
    if (containsSample()) expect(told.length).toBeGreaterThanOrEqual(SAMPLE.sample);
    expect(namesOf(outcomes.filter(({ survived }) => !survived[0]))).toEqual([]);
  });

  it('the call after one that met a failure does what it could not do', () => {
    // As in 2.6.12, a page of a hole for which no place is found is given up, and that is told
    // once.
    const others = played().filter(({ name }) => !name.startsWith('stores into a hole'));
    const lost = others.filter(({ answers, survived }) => answers[1] !== 'ok' || !survived[1]);
    expect(namesOf(lost.filter(({ isReadOnly }) => fs === 'ext2' || !isReadOnly))).toEqual([]);
  });
});

describe.each(['ext2', 'ext3'] as const)('%s: a write fails and the inode leaves memory, at any moment', (fs) => {
  const arbitrary = fc.record({
    change: fc.constantFrom(...CHANGE_NAMES),
    call: fc.constantFrom(...CALL_NAMES),
    moment: fc.nat(70),
    again: fc.nat(16),
    first: fc.integer({ min: 1, max: 10 }),
    alone: fc.boolean(),
  });

  property(
    `a call on ${fs} that says ok has kept its promise, whatever has failed and been forgotten`,
    arbitrary,
    ({ change, call, moment, again, first, alone }) => {
      let isCounting = false;
      let writes = 0;
      const file = new DurableFile(fs, change, ({ op }) => {
        if (!isCounting || op !== 'write') return false;
        writes++;
        return alone ? writes === first : writes >= first;
      });
      file.change();
      isCounting = true;
      file.wait(moment, QUIET_SECONDS);
      file.sys.dropCaches();
      let left = again;
      const answer = file.call(call, () => {
        if (left-- === 0) file.sys.dropCaches();
      });
      return answer !== 'ok' || file.survives(file.promised(call));
    },
    { numRuns: 6, lawRuns: 60 },
  );
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

  it.each([false, true])('each file is told once of metadata that failed; evicted between: %s', (evicts) => {
    const file = afterFailure();
    const answers: string[] = [];
    for (const path of ['/f', '/f', '/g', '/f', '/g', '/h', '/h']) {
      if (evicts) file.sys.dropCaches();
      answers.push(`${path} ${file.call('fsync', undefined, path)}`);
    }
    expect(answers).toEqual(['/f EIO', '/f ok', '/g EIO', '/f ok', '/g ok', '/h EIO', '/h ok']);
  });

  it('an orderly shutdown after metadata failed says so in the superblock', () => {
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
   * Files are made in /d and brought home, where the k-th write fails; then `meanwhile` happens.
   * Returns the files that the next guest lacks.
   */
  function missing(
    k: number,
    meanwhile: (disk: GuestDisk, made: string[]) => void,
  ): { lost: string[]; failed: number; made: number } {
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
    const sys = disk.guest.kernel.syscalls;
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
    meanwhile(disk, made);
    disk.losePower();
    disk.switchOn();
    const again = disk.guest.kernel.syscalls;
    const lost = made.filter((path, i) => {
      let bytes: Uint8Array | undefined;
      const code = codeOf(() => (bytes = disk.run(readWhole(again, path))));
      return code !== 'ok' || Buffer.compare(bytes!, pageOf(i)) !== 0;
    });
    return { lost, failed, made: made.length };
  }

  /** Files are made until the log has gone round, or the journal has ended. */
  const makeMore =
    (directory: string) =>
    (disk: GuestDisk, made: string[]): void => {
      codeOf(() => disk.run(makeFiles(disk.guest.kernel.syscalls, directory, 100, made)));
    };

  function shutDown(disk: GuestDisk): void {
    disk.run(disk.guest.kernel.shutdown());
  }

  it.each([
    ['files are made in the same directory until the log has gone round', makeMore('/d'), 105],
    ['files are made in another directory until the log has gone round', makeMore('/e'), 105],
    ['the guest shuts down', shutDown, 5],
  ] as const)('nothing that fsync has promised is lost when metadata fails on its way: %s', (_, meanwhile, made) => {
    const outcomes = [];
    for (let k = 1; outcomes.at(-1)?.failed !== 0; k++) outcomes.push(missing(k, meanwhile));
    expect(outcomes.flatMap(({ lost }) => lost)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(4);
    expect(outcomes.at(-1)).toMatchObject({ failed: 0, made });
  });
});

describe('ext3: the journal ends in the middle of a write', () => {
  it("a call of fsync does not say ok of what came after the journal's end, whenever it ends", () => {
    const lies: number[] = [];
    const answers = new Set<string>();
    const kindOf = kindsOf('ext3');
    for (let moment = 0; moment < 24; moment++) {
      let isFailing = false;
      const fails = (request: BlockRequest): boolean =>
        isFailing && request.op === 'write' && kindOf(blocksOf(request)[0]!) === 'journal';
      const file = new DurableFile('ext3', 'overwrites a page', fails);
      const { sys, disk } = file;
      const size = 20 * PAGE_SIZE + 100;
      disk.run(sys.truncate('/f', size));
      disk.run(sys.chmod('/g', 0o600));
      disk.run(sys.sync());
      disk.run(sys.chmod('/g', 0o644));
      isFailing = true;
      file.begin('fsync', () => undefined, '/g');
      file.wait(moment);
      // The last page has its block, and must be read before it can grow.
      sys.dropCaches();
      const wrote = codeOf(() => disk.run(append(sys, size)));
      const synced = file.call('fsync');
      answers.add(`${wrote}, ${synced}`);
      const promised = { path: '/f', index: 1, size: size + 100, bytes: pageOf(1) };
      if (wrote === 'ok' && synced === 'ok' && !file.survives(promised)) lies.push(moment);
    }
    expect(lies).toEqual([]);
    expect([...answers].sort()).toEqual(['EROFS, EIO', 'ok, EIO']);
  });

  function* append(sys: Syscalls, at: number): Process {
    const fd = yield* sys.open('/f', O.wronly);
    yield* sys.pwrite(fd, pageOf(5), 0, 100, at);
    yield* sys.close(fd);
  }
});
