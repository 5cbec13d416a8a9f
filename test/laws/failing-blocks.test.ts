// A drive that fails one block, any one. For every system call that changes the file system, each
// read and each write fails in turn, once or from then on. The sync and the shutdown that follow
// are included.
//
// One of three things follows:
// - the call answers an errno, and nothing has changed;
// - it answers `ok`, and the change is made;
// - the superblock says that there are errors.
//
// With a journal, that has ended then, unless all was written but the superblock. What is wrong on
// the disk e2fsck repairs. The bytes of something deleted are never found in it, in the guest or on
// the disk. Two things are told by fsync, msync and O_SYNC alone. One is, without a journal, a
// block of data that could not be written or found again. It holds what it held, or is a hole when
// it was new. The other is a page stored into a mapped hole that got no block.
//
// `npm test` plays a sample of the failures, `npm run test:laws` all of them.
import { describe, expect } from 'vitest';
import { ModelError, getField } from '../../src/base/index.ts';
import { EXT2_COMPAT, EXT2_STATE, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK } from '../../src/format/ext2.ts';
import { JBD_SUPERBLOCK, jbdWords } from '../../src/format/jbd.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import type { Syscalls } from '../../src/kernel/index.ts';
import { NOTHING, type Process } from '../../src/sim/index.ts';
import { itWithE2fsprogs, loadImage, saveImage, type Judge } from '../support/e2fsprogs.ts';
import { JOURNAL_BLOCKS, JournalFile, readBlock, setSuper } from '../support/journal-image.ts';
import { casesOf, containsSample, isWhole, type Sample } from '../support/product.ts';
import {
  CHANGING_CALLS,
  type ChangingCall,
  type Files,
  imageToChange,
  likelyPages,
  OLD,
  readAll,
} from './failing-calls.ts';
import { FakeMachine } from '../support/fake-machine.ts';
import { runProgram } from '../support/shell.ts';

interface Fault {
  readonly isWrite: boolean;
  /** Which read or write, from 1 on. */
  readonly n: number;
  /** Whether the block fails from then on. */
  readonly isLasting?: boolean;
  /** Which read finds the caches empty once more: what was read before it is gone. */
  readonly emptyAt?: number;
}

interface Outcome {
  readonly answer: string;
  readonly image: MemoryImage;
  /** The block that failed; undefined when there were fewer reads or writes. */
  readonly failed: number | undefined;
  /** Whether it failed after the call had answered. */
  readonly isAfter: boolean;
  /** Blocks read and written from the call on, failed ones included. */
  readonly reads: number;
  readonly writes: number;
}

/** Called after the call, when nothing more will fail. */
type Look = (machine: FakeMachine, sys: Syscalls, answer: string) => void;

/**
 * Runs a call on cold caches, then sync and shutdown, while a block fails; one of those in which
 * errors are noted fails once only.
 */
function play(
  pristine: MemoryImage,
  call: ChangingCall,
  fault?: Fault,
  notedIn: readonly number[] = [],
  look?: Look,
): Outcome {
  const image = pristine.clone();
  const machine = new FakeMachine({ image });
  const kernel = machine.run(machine.boot());
  const { syscalls } = kernel;
  const fd = call.before === undefined ? -1 : machine.run(call.before(syscalls));
  machine.run(syscalls.sync());
  syscalls.dropCaches();
  let failed: number | undefined;
  const counts = { reads: 0, writes: 0 };
  machine.fails = (isWrite, block) => {
    const n = ++counts[isWrite ? 'writes' : 'reads'];
    if (!isWrite && n === fault?.emptyAt) syscalls.dropCaches();
    if (isWrite !== fault?.isWrite) return false;
    if (n === fault.n) failed = block;
    return n === fault.n || (fault.isLasting === true && block === failed && !notedIn.includes(block));
  };
  const answer = answerOf(machine, call.run(syscalls, fd));
  const isAfter = failed === undefined;
  if (failed !== undefined && fault?.isLasting !== true) look?.(machine, syscalls, answer);
  answerOf(machine, syscalls.sync());
  machine.run(kernel.shutdown());
  return { answer, image, failed, isAfter, ...counts };
}

function answerOf(machine: FakeMachine, process: Process<unknown>): string {
  try {
    machine.run(process);
    return 'ok';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

/** What a guest finds on an image. */
function contentsOf(image: MemoryImage): Files {
  const machine = new FakeMachine({ image: image.clone() });
  const { syscalls } = machine.run(machine.boot());
  return machine.run(readAll(syscalls));
}

function superField(image: MemoryImage, name: 's_state' | 's_free_blocks_count'): number {
  return getField(SUPERBLOCK, readBlock(image, 0), EXT2_SUPERBLOCK_OFFSET, name);
}

const saysErrors = (image: MemoryImage): boolean => (superField(image, 's_state') & EXT2_STATE.error) !== 0;

/** What e2fsck says of images, several at a time: starting a program takes longer than it runs. */
class Checker {
  readonly #judge: Judge;
  readonly #images: MemoryImage[] = [];

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  add(image: MemoryImage): void {
    this.#images.push(image);
  }

  /**
   * For each image that was added since: what is wrong with it, empty for nothing, and what becomes
   * of it then. Throws when one cannot be repaired.
   */
  run(): { problems: string; repaired: MemoryImage }[] {
    const images = this.#images.splice(0);
    const paths = images.map((_, i) => `${this.#judge.dir}/${i}.img`);
    for (const [i, image] of images.entries()) saveImage(image, paths[i]!);
    const script = `for each in "$@"; do
      if said="$("${this.#judge.e2fsck}" -fn "$each" 2> /dev/null)"
      then printf 'sound\\0'; continue
      fi
      "${this.#judge.e2fsck}" -fy "$each" > /dev/null 2>&1; first=$?
      "${this.#judge.e2fsck}" -fn "$each" > /dev/null 2>&1; second=$?
      printf '%s %s %s\\0' $first $second "$said"
    done`;
    const { stdout } = runProgram('sh', '-c', script, 'sh', ...paths);
    return stdout
      .split('\0')
      .slice(0, -1)
      .map((answer, i) => {
        if (answer === 'sound') return { problems: '', repaired: images[i]! };
        const [first, second] = answer.split(' ', 2);
        if (Number(first) > 1 || second !== '0') throw new Error(`e2fsck has not repaired image ${i}: ${answer}`);
        const repaired = loadImage(paths[i]!);
        return { problems: answer.slice(first!.length + second.length + 2), repaired };
      });
  }
}

/**
 * One line for each path; of files that hold more than the other in some page, both lines differ.
 */
function show(files: Files, withSectors = true): string[] {
  return [...files].map(([path, { stat, sectors, pages }]) => {
    const bytes = [...pages].map(([page, each]) => `${page}:${each.reduce((sum, byte) => (sum * 31 + byte) | 0, 0)}`);
    return `${path} ${stat} ${withSectors ? sectors : ''} ${bytes.join(' ')}`;
  });
}

/**
 * Throws when a file shows a byte that it held neither before nor after the call, or one of what
 * was deleted. A hole may have come anywhere.
 */
function mustHoldItsOwn(files: Files, before: Files, after: Files): void {
  for (const [path, { pages }] of files)
    for (const [page, bytes] of pages) {
      if (bytes.includes(OLD)) throw new Error(`page ${page} of ${path} shows what was deleted`);
      if (path.startsWith('/lost+found/')) continue;
      const may = [before, after].map((each) => each.get(path)?.pages.get(page));
      const stranger = bytes.findIndex((byte, i) => byte !== 0 && may.every((each) => each?.[i] !== byte));
      if (stranger >= 0) throw new Error(`byte ${stranger} of page ${page} of ${path} is another's`);
    }
}

/** Blocks with data of regular files. */
function dataBlocksOf(image: MemoryImage): Set<number> {
  const oracle = new OracleExt2(image);
  return new Set(
    oracle.listFiles().flatMap(({ ino, size }) => likelyPages(size).map((page) => oracle.blockOf(ino, page))),
  );
}

/**
 * A directory that grows gets an index where the file system has them; the other calls are as
 * without.
 */
const GROWING_CALLS = CHANGING_CALLS.filter(({ name }) => name.includes('directory that grows'));

const SYSTEMS: [string, number | undefined, boolean][] = [
  ['ext2', undefined, false],
  ['ext3', JOURNAL_BLOCKS, false],
  ['ext3 with dir_index', JOURNAL_BLOCKS, true],
];

/** How the cases of a file system end, in any sample; and how else. */
const ENDS: Record<string, readonly [always: string[], rarely: string[]]> = {
  ext2: [
    ['read: EIO', 'write: ok, errors'],
    ['read: EFAULT', 'read: EIO, errors', 'read: ok', 'read: ok, errors', 'write: ok'],
  ],
  ext3: [
    ['read: EIO', 'write: EROFS, errors, ended', 'write: ok, errors, ended'],
    ['read: EFAULT', 'read: EIO, errors, ended', 'read: ok', 'read: ok, errors, ended', 'write: ok, errors'],
  ],
  'ext3 with dir_index': [
    ['read: EIO', 'read: ok, errors, ended', 'write: ok, errors, ended'],
    ['write: EROFS, errors, ended', 'write: ok, errors'],
  ],
};

/** Cases of a file system: each read and each write of every call, once and from then on. */
const FAULTS: Record<string, Required<Sample>> = {
  ext2: { whole: 962, sample: 12 },
  ext3: { whole: 1812, sample: 12 },
  'ext3 with dir_index': { whole: 230, sample: 8 },
};
/** Each read of every call after each read at which the caches were emptied. */
const FAULTS_ON_EMPTY: Record<string, Required<Sample>> = {
  ext2: { whole: 1562, sample: 6 },
  ext3: { whole: 1460, sample: 6 },
  'ext3 with dir_index': { whole: 181, sample: 5 },
};

/** What there is before and after a call without a fault. */
interface Baseline {
  readonly before: Files;
  readonly after: Files;
  /** Blocks with data of regular files afterwards. */
  readonly data: ReadonlySet<number>;
}

describe.each(SYSTEMS)('a block that fails: %s', (system, journalBlocks, hasIndices) => {
  const pristine = imageToChange(journalBlocks);
  const calls = hasIndices ? GROWING_CALLS : CHANGING_CALLS;
  if (hasIndices) setSuper(pristine, 's_feature_compat', EXT2_COMPAT.has_journal | EXT2_COMPAT.dir_index);
  const journal = journalBlocks === undefined ? undefined : new JournalFile(pristine).place(0);
  const notedIn = journal === undefined ? [0] : [0, journal];
  const hasEnded = (image: MemoryImage): boolean =>
    journal !== undefined && jbdWords(readBlock(image, journal)).getUint32(JBD_SUPERBLOCK.offset.s_errno) !== 0;

  const untouched = contentsOf(pristine);
  /** Of each call, a run without a fault. */
  const wholes = once(() => {
    const all = new Map(calls.map((call) => [call, play(pristine, call)]));
    for (const { answer } of all.values()) expect(answer).toBe('ok');
    return all;
  });
  const baselines = new Map<ChangingCall, Baseline>();

  function baselineOf(call: ChangingCall): Baseline {
    let baseline = baselines.get(call);
    if (baseline === undefined) {
      const before =
        call.before === undefined ? untouched : contentsOf(play(pristine, { ...call, run: () => NOTHING }).image);
      const { image } = wholes().get(call)!;
      baseline = { before, after: contentsOf(image), data: dataBlocksOf(image) };
      baselines.set(call, baseline);
    }
    return baseline;
  }

  /**
   * Plays every call with some of the faults that it may meet; returns how the cases have ended.
   */
  function playAll(judge: Judge, law: string, size: Sample, faultsOf: (whole: Outcome) => Fault[]): string[] {
    const checker = new Checker(judge);
    const ends = new Set<string>();
    const wrong: string[] = [];
    const all = [...wholes()].flatMap(([call, whole]) => faultsOf(whole).map((fault) => ({ call, fault })));
    const cases = casesOf(law, system, all, size);
    for (const call of new Set(cases.map((each) => each.call))) {
      const { before, after, data } = baselineOf(call);
      checker.add(wholes().get(call)!.image);
      const played: { fault: Fault; outcome: Outcome }[] = [];
      const look = (machine: FakeMachine, sys: Syscalls, answer: string): void => {
        const expected = show(answer === 'ok' ? after : before, false);
        const strange = show(machine.run(readAll(sys)), false).filter((line) => !expected.includes(line));
        // What is half done is no worse for the guest than for e2fsck.
        if (strange.length > 0 && !isReadOnly(machine, sys))
          wrong.push(`${call.name}: the guest sees ${strange.join('; ')}`);
      };
      for (const { fault } of cases.filter((each) => each.call === call)) {
        const outcome = play(pristine, call, fault, notedIn, look);
        // Fewer reads than without the fault: the call has ended before.
        if (outcome.failed === undefined) continue;
        played.push({ fault, outcome });
        checker.add(outcome.image);
      }
      const [sound, ...answers] = checker.run();
      expect(sound!.problems).toBe('');
      for (const [i, { fault, outcome }] of played.entries()) {
        const { answer, image, failed, isAfter } = outcome;
        const { problems, repaired } = answers[i]!;
        // A block of data, or an indirect block that is read again to find one.
        const isData = isAfter && (!fault.isWrite || data.has(failed!));
        const isTold = !(isData && journal === undefined) && !(call.isLazy === true && (isData || !fault.isWrite));
        const [errors, ended] = [saysErrors(image), hasEnded(image)];
        try {
          if (problems !== '' && !errors) throw new Error(problems);
          mustHoldItsOwn(contentsOf(repaired), before, after);
          if (isTold && (!errors || (journal !== undefined && !ended)))
            expect(show(contentsOf(image))).toEqual(show(answer === 'ok' ? after : before));
        } catch (error) {
          wrong.push(`${call.name}: ${JSON.stringify(fault)}, block ${failed}: ${answer}: ${(error as Error).message}`);
        }
        ends.add(`${fault.isWrite ? 'write' : 'read'}: ${answer}${errors ? ', errors' : ''}${ended ? ', ended' : ''}`);
      }
    }
    expect(wrong).toEqual([]);
    return [...ends].sort();
  }

  itWithE2fsprogs(
    'a call that meets a failing block does nothing, all, or leaves errors that are noted and can be repaired',
    (judge) => {
      const ends = playAll(judge, 'a block that fails', FAULTS[system]!, ({ reads, writes }) => [
        ...faults(false, reads),
        ...faults(true, writes),
      ]);
      const [always, rarely] = ENDS[system]!;
      if (containsSample()) expect(ends).toEqual(expect.arrayContaining(always));
      expect([...always, ...rarely]).toEqual(expect.arrayContaining(ends));
      if (isWhole(FAULTS[system]!)) expect(ends).toEqual([...always, ...rarely].sort());
    },
  );

  itWithE2fsprogs(
    'a call that meets a failing block does the same when what was read before the first store is gone again',
    (judge) => {
      const ends = playAll(judge, 'a block that fails on empty caches', FAULTS_ON_EMPTY[system]!, ({ reads }) =>
        upTo(reads).flatMap((emptyAt) => upTo(reads + 2).map((n) => ({ isWrite: false, n: emptyAt + n, emptyAt }))),
      );
      if (containsSample()) expect(ends).toContain('read: EIO');
    },
  );
});

/** Runs it when it is asked for first. */
function once<T>(run: () => T): () => T {
  let result: T | undefined;
  return () => (result ??= run());
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

function faults(isWrite: boolean, count: number): Fault[] {
  return upTo(count).flatMap((n) => [
    { isWrite, n, isLasting: false },
    { isWrite, n, isLasting: true },
  ]);
}

function isReadOnly(machine: FakeMachine, sys: Syscalls): boolean {
  return answerOf(machine, sys.chmod('/untouched', 0o644)) === 'EROFS';
}
