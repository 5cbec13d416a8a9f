// What a system call answers when one of its own reads or writes fails: an errno. It answers ok if
// only the freeing has failed, in exactly those calls that remove the last name or use of
// something. The superblock says errors then.
import { describe, expect, it } from 'vitest';
import { getField, ModelError } from '../../src/base/index.ts';
import { EXT2_STATE, EXT2_SUPERBLOCK_OFFSET, GROUP_DESCRIPTOR, SUPERBLOCK } from '../../src/format/ext2.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { JOURNAL_BLOCKS, readBlock } from '../support/journal-image.ts';
import { CHANGING_CALLS, type ChangingCall, imageToChange, likelyPages } from './failing-calls.ts';
import { FakeMachine } from '../support/fake-machine.ts';
import { casesOf } from '../support/product.ts';

const saysErrors = (image: MemoryImage): boolean =>
  (getField(SUPERBLOCK, readBlock(image, 0), EXT2_SUPERBLOCK_OFFSET, 's_state') & EXT2_STATE.error) !== 0;

/** What the blocks of an image with one group are. */
function kindsOf(image: MemoryImage): (block: number) => string {
  const field = (name: 'bg_block_bitmap' | 'bg_inode_bitmap' | 'bg_inode_table'): number =>
    getField(GROUP_DESCRIPTOR, readBlock(image, 1), 0, name);
  const table = field('bg_inode_table');
  const tableBlocks = Math.ceil(
    getField(SUPERBLOCK, readBlock(image, 0), EXT2_SUPERBLOCK_OFFSET, 's_inodes_count') / 32,
  );
  const oracle = new OracleExt2(image);
  const data = new Set(
    oracle.listFiles().flatMap(({ ino, size }) => likelyPages(size).map((page) => oracle.blockOf(ino, page))),
  );
  return (block) => {
    if (block === 0) return 'superblock';
    if (block === field('bg_block_bitmap')) return 'block bitmap';
    if (block === field('bg_inode_bitmap')) return 'inode bitmap';
    if (block >= table && block < table + tableBlocks) return 'inode table';
    if (data.has(block)) return 'data';
    // Its first entry is ".".
    const [, , , , , , length, , first] = readBlock(image, block);
    return length === 1 && first === 0x2e ? 'directory' : 'indirect block';
  };
}

/**
 * The answer of a call, the kind of its n-th read or write, which fails, and whether the superblock
 * says errors in the end. Undefined when it has fewer.
 */
function play(
  pristine: MemoryImage,
  kindOf: (block: number) => string,
  call: ChangingCall,
  isWrite: boolean,
  n: number,
): { kind: string; end: string } | undefined {
  const image = pristine.clone();
  const machine = new FakeMachine({ image });
  const kernel = machine.run(machine.boot());
  const { syscalls } = kernel;
  const fd = call.before === undefined ? -1 : machine.run(call.before(syscalls));
  machine.run(syscalls.sync());
  syscalls.dropCaches();
  let count = 0;
  let failed: number | undefined;
  machine.fails = (isOfWrite, block) => {
    if (isOfWrite !== isWrite || ++count !== n) return false;
    failed = block;
    return true;
  };
  let answer = 'ok';
  try {
    machine.run(call.run(syscalls, fd));
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    answer = error.code;
  }
  machine.fails = () => false;
  if (failed === undefined) return undefined;
  machine.run(kernel.shutdown());
  return { kind: kindOf(failed), end: `${answer}${saysErrors(image) ? ', errors' : ''}` };
}

const [BLOCKS, INODES, TABLE, INDIRECT] = ['block bitmap', 'inode bitmap', 'inode table', 'indirect block'] as const;

/**
 * Calls that answer ok though the freeing of what they have removed met a block of these kinds. No
 * other call does.
 */
const OK_WITH_ERRORS: Record<string, readonly string[]> = {
  unlink: [BLOCKS, INDIRECT, INODES],
  'unlink of a symbolic link': [BLOCKS, INODES],
  'unlink of a file with trees of indirect blocks': [BLOCKS, INDIRECT, INODES],
  // The call that gives up the last use learns nothing at all.
  'close of a file without a name': [BLOCKS, INDIRECT, INODES, TABLE],
  rmdir: [BLOCKS, INODES],
  'rename over a file': [BLOCKS, INDIRECT, INODES],
  'rename of a directory over another': [BLOCKS, INODES],
};
/**
 * With a journal, bitmap and attributes are in memory: an uncommitted transaction has changed them.
 */
const OF_ATTRIBUTES = { ext2: [BLOCKS, INDIRECT, INODES], ext3: [INODES] } as const;
/** Calls that have changed the file, and answer EIO since not all could be freed. */
const EIO_WITH_ERRORS: Record<string, readonly string[]> = {
  'open with O_TRUNC': [BLOCKS, INDIRECT],
  'truncate to nothing': [BLOCKS, INDIRECT],
  'truncate among the direct blocks': [BLOCKS, INDIRECT],
  // The one indirect block leads to pages that stay, too: it is read before anything is changed.
  'truncate below an indirect block': [BLOCKS],
  'truncate below two indirect blocks': [BLOCKS, INDIRECT],
  'truncate of a tree': [BLOCKS, INDIRECT],
  ftruncate: [BLOCKS, INDIRECT],
};
/** A fault does not tell of what it reads beside its page. */
const OK: Record<string, readonly string[]> = { 'store into a mapped hole': ['data', INDIRECT] };
/** A block that could be shared is not needed. */
const OK_WITHOUT_SHARING = { 'setxattr of what another has': [INDIRECT] };
/**
 * Calls that never answer with an error of a change: a last use given up, in a file system that was
 * changed before; no call.
 */
const SILENT = ['close of a file without a name', 'store into a mapped hole'];

/** By end, the kinds of blocks with which each call has met it. */
type Table = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** Calls of which each block fails in turn. */
const SIZE = { sample: 20, whole: 45 };

describe.each([
  ['ext2', undefined],
  ['ext3', JOURNAL_BLOCKS],
] as const)('%s: a block fails once, in a call', (type, journalBlocks) => {
  const pristine = imageToChange(journalBlocks);
  const kindOf = kindsOf(pristine);
  const calls = casesOf('a block fails once, in a call', type, CHANGING_CALLS, SIZE);

  /** What is wanted of the calls that are played. */
  function played(wanted: Table): Table {
    const names = new Set(calls.map(({ name }) => name));
    const some = Object.entries(wanted).map(([end, kinds]) => [
      end,
      Object.fromEntries(Object.entries(kinds).filter(([name]) => names.has(name))),
    ]);
    return Object.fromEntries(some.filter(([, kinds]) => Object.keys(kinds!).length > 0)) as Table;
  }

  /** By end, the kinds of blocks with which each call has met it. */
  function tableOf(isWrite: boolean): Table {
    const table: Record<string, Record<string, string[]>> = {};
    for (const call of calls)
      for (let n = 1; ; n++) {
        const met = play(pristine, kindOf, call, isWrite, n);
        if (met === undefined) break;
        const kinds = ((table[met.end] ??= {})[call.name] ??= []);
        if (!kinds.includes(met.kind)) kinds.push(met.kind);
      }
    for (const kinds of Object.values(table).flatMap((each) => Object.values(each))) kinds.sort();
    return table;
  }

  it('a read that fails is answered ok only by calls that remove the last name or use, and only of the freeing', () => {
    const { EIO: unchanged = {}, ...others } = tableOf(false);
    expect(others).toEqual(
      played({
        'ok, errors': { ...OK_WITH_ERRORS, 'unlink of what has attributes': OF_ATTRIBUTES[type] },
        'EIO, errors': EIO_WITH_ERRORS,
        ok: type === 'ext2' ? { ...OK, ...OK_WITHOUT_SHARING } : OK,
      }),
    );
    expect(Object.keys(unchanged)).toEqual(calls.map(({ name }) => name).filter((name) => !SILENT.includes(name)));
  });

  it('a write that fails has the change refused with a journal; without one, calls write nothing', () => {
    const first = CHANGING_CALLS.filter(({ comesLater }) => comesLater !== true);
    const changing = first.map(({ name }) => name).filter((name) => !SILENT.includes(name));
    const refused = Object.fromEntries(changing.map((name) => [name, ['superblock']]));
    expect(tableOf(true)).toEqual(journalBlocks === undefined ? {} : played({ 'EROFS, errors': refused }));
  });
});
