// Tables in documents and drawings of formats say what the code does. Other drawings in comments
// are checked beside what they draw.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { getField, type Ino, type Pfn } from '../../src/base/index.ts';
import { mapExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { planExt2 } from '../../src/disk/mkfs/plan.ts';
import { directory, tree } from '../../src/disk/mkfs/tree.ts';
import { EXT2_MAGIC, GROUP_DESCRIPTOR, hasSuperblock, SUPERBLOCK } from '../../src/format/ext2.ts';
import { JBD_BLOCK, JBD_TAGS_PER_BLOCK, jbdBlockType, jbdWords } from '../../src/format/jbd.ts';
import { MemoryManagement, PG } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { FrameEvent, nextProvenance, Provenance, PROVENANCE_NAMES } from '../../src/xen/frames/provenance.ts';
import { GuestDisk } from '../support/guest-disk.ts';
import { ext3Image, JOURNAL_BLOCKS, JournalFile, readBlock } from '../support/journal-image.ts';
import { ROOMS } from '../../tools/rooms.cjs';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The rows of the Markdown table whose heading begins with `first`: their cells. */
function table(page: string, first: string): string[][] {
  const lines = page.split('\n');
  const at = lines.findIndex((line) => line.startsWith(first));
  expect(at).toBeGreaterThanOrEqual(0);
  const rows = lines.slice(at + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/explanation/architecture.md', () => {
  const page = read('docs/explanation/architecture.md');

  it('the drawing of the architecture leads to every room', () => {
    const links = [...page.matchAll(/\[([a-z0-9/-]+)\]\(\.\.\/\.\.\/src\/\1\/README\.md\)/g)].map((match) => match[1]!);
    expect([...new Set(links)].sort()).toEqual([...ROOMS].sort());
  });

  it('the drawing of provenance shows a frame as it changes', () => {
    const { readSubmitted, writeSubmitted, completed, failed, stored, overwritten } = FrameEvent;
    const EVENTS: readonly (readonly [RegExp, readonly FrameEvent[]])[] = [
      [/a read of a whole block is submitted/, [readSubmitted]],
      [/a write of a whole page/, [writeSubmitted]],
      [/a whole read or write/, [readSubmitted, writeSubmitted]],
      [/completes/, [completed]],
      [/fails/, [failed]],
      [/anything is stored|a store traps/, [stored]],
      [/block( \*b\*)? is written/, [overwritten]],
    ];
    const rows = table(page, '| provenance | meaning | becomes |');
    expect(rows.map((row) => row[0]!.replace('(*b*)', ''))).toEqual(PROVENANCE_NAMES);
    let edges = 0;
    for (const [name, , becomes] of rows) {
      const from = Provenance[name!.replace('(*b*)', '') as keyof typeof Provenance];
      for (const part of becomes!.split('; ')) {
        const [what, to] = part.split(': ');
        const events = EVENTS.flatMap(([pattern, list]) => (pattern.test(what!) ? list : []));
        const results = events.map((event) => PROVENANCE_NAMES[nextProvenance(from, event)]!);
        expect([part, [...new Set(results)].join(', ')]).toEqual([part, to]);
        edges += events.length;
      }
    }
    expect(edges).toBe(14);
  });
});

describe('CONTRIBUTING.md', () => {
  const page = read('CONTRIBUTING.md');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

  it('CONTRIBUTING.md names only scripts that there are, and every one that is run by hand', () => {
    const named = [...page.matchAll(/`npm (?:run )?([a-z-]+(?::[a-z-]+)?)/g)].map((match) => match[1]!);
    const inside = ['prepack', 'prepare', 'build:bench', 'ci'];
    expect([...new Set(named)].filter((name) => !inside.includes(name)).sort()).toEqual(
      Object.keys(scripts)
        .filter((name) => !inside.includes(name))
        .sort(),
    );
  });
});

/** The cells of the rows of a drawing, those of one column joined. */
function cellsOf(path: string): string[] {
  const rows = [...read(path).matchAll(/^ \* +\|(.*)\|/gm)].map((match) => match[1]!.split('|'));
  return rows[0]!.map((_, column) =>
    rows
      .map((row) => row[column]!.trim())
      .join(' ')
      .trim(),
  );
}

describe('the drawing of an ext2 file system', () => {
  const BLOCKS_PER_GROUP = 32768;
  const image = mapExt2(planExt2(tree(directory([])), { size: 3 * BLOCKS_PER_GROUP * 4096 }));
  const descriptors = readBlock(image, 1);
  const placeIn = (group: number, name: keyof typeof GROUP_DESCRIPTOR.offset): number =>
    getField(GROUP_DESCRIPTOR, descriptors, 32 * group, name);
  const superblock = readBlock(image, 0).subarray(1024);

  it('the drawing of a group shows its parts in the order in which mkfs lays them out', () => {
    expect(getField(SUPERBLOCK, superblock, 0, 's_magic')).toBe(EXT2_MAGIC);
    const tableBlocks = (getField(SUPERBLOCK, superblock, 0, 's_inodes_per_group') * 128) / 4096;
    const table = placeIn(0, 'bg_inode_table');
    const places: [string, number][] = [
      ['data, indirect blocks, dirs', table + tableBlocks],
      ['inode table', table],
      ['inode bitmap 1 block', placeIn(0, 'bg_inode_bitmap')],
      ['block bitmap 1 block', placeIn(0, 'bg_block_bitmap')],
      ['descriptors of all groups', 1],
      ['boot, superblock (at byte 1024)', 0],
    ];
    const ordered = places.sort(([, a], [, b]) => a - b);
    expect(cellsOf('src/format/ext2.ts')).toEqual(ordered.map(([name]) => name));
    // The bitmaps have one block each, and the block bitmap is the first behind the descriptors.
    expect(ordered.map(([, place]) => place).slice(0, 5)).toEqual([0, 1, 2, 3, 4]);
  });

  it('the drawing of a group says which parts one without a superblock lacks', () => {
    expect(read('src/format/ext2.ts')).toContain('the same, without the first two where `hasSuperblock` is false');
    expect([0, 1, 2].map(hasSuperblock)).toEqual([true, true, false]);
    const first = [0, 1, 2].map((group) => placeIn(group, 'bg_block_bitmap') - group * BLOCKS_PER_GROUP);
    expect(first).toEqual([2, 2, 0]);
  });
});

it('the drawing of a journal shows the blocks of a transaction in the order in which the guest writes them', () => {
  const image = ext3Image([], 32 << 20);
  const journal = new JournalFile(image);
  const disk = new GuestDisk(image, 1);
  const { syscalls } = disk.guest.kernel;
  disk.run(
    (function* (): Process {
      yield* syscalls.mkdir('/d');
      for (let n = 0; n < 40; n++) yield* syscalls.mkdir(`/d/${n}`);
      yield* syscalls.sync();
      yield* syscalls.rmdir('/d/0');
      yield* syscalls.mkdir('/d/again');
      yield* syscalls.sync();
    })(),
  );
  const names = new Map<number, string>([
    [JBD_BLOCK.revoke, 'revoke'],
    [JBD_BLOCK.descriptor, 'descriptor'],
    [JBD_BLOCK.commit, 'commit'],
  ]);
  const transactions: string[] = [];
  let blocks: string[] = [];
  for (let position = 1; position < JOURNAL_BLOCKS; position++) {
    const block = journal.read(position);
    const type = names.get(jbdBlockType(block, jbdWords(block).getUint32(8)));
    blocks.push(type ?? 'contents');
    if (type !== 'commit') continue;
    transactions.push(blocks.join(' '));
    blocks = [];
  }
  expect(transactions.length).toBeGreaterThan(1);
  // A descriptor with its contents comes again when there are more blocks than tags in one.
  const ORDER = /^(revoke )*(descriptor( contents)+ )+commit$/;
  for (const transaction of transactions) expect(transaction).toMatch(ORDER);
  expect(transactions.some((transaction) => transaction.startsWith('revoke'))).toBe(true);
  expect(JBD_TAGS_PER_BLOCK).toBeGreaterThan(1);
  const [, second] = read('src/format/jbd.ts').split('+\n', 3);
  const drawn = second!.split('|').slice(1, -1);
  const filled = drawn.map((cell, at) => {
    const name = cell.trim();
    if (name !== '...') return name;
    return drawn[at - 1]!.trim() === '...' ? undefined : 'contents';
  });
  expect(filled.filter((name) => name !== undefined).join(' ')).toMatch(ORDER);
});

it('the drawing of mem_map has each word of a page where it lies', () => {
  const names = { insert: () => undefined, erase: () => undefined, flush: () => undefined };
  const mm = new MemoryManagement(64, names);
  mm.freeAll();
  const { map, cache } = mm;
  const place = (list: 'words' | 'links', pfn: Pfn, at: number): number => map[list][4 * pfn + at]!;
  const take = (): Pfn => mm.allocate();
  cache.open(7 as Ino);
  const space = cache.open(8 as Ino);
  const other = take();
  const page = take();
  cache.add(space, 3, other);
  cache.add(space, 3 + 2 ** 20, page);
  map.set(page, PG.pinned);
  const [older, head] = [take(), map.head(5)];
  map.link(head, older);
  const linked = take();
  map.link(head, linked);
  const seen: Record<string, [number, number]> = {
    flags: [place('words', page, 0), map.flagsOf(page)],
    space: [place('words', page, 1), space.slot],
    index: [place('words', page, 2), 3 + 2 ** 20],
    'hash next': [place('words', page, 3), other],
    next: [place('links', linked, 0), older],
    prev: [place('links', linked, 1), head],
    'space next': [place('links', page, 2), other],
    'space prev': [place('links', other, 3), page],
  };
  const drawn = [
    ...read('src/kernel/mm/mem-map.ts').matchAll(/^ \* (words|links)? .*?\+ (\d) ((?:hash |space )?\w+)/gm),
  ];
  const rows = drawn.map(([, list, at, name]) => [list ?? '', Number(at), name]);
  const keys = Object.keys(seen);
  expect(rows).toEqual(keys.map((name, n) => [n === 0 ? 'words' : n === 4 ? 'links' : '', n % 4, name]));
  expect(space.slot).toBeGreaterThan(0);
  for (const [name, [is, expected]] of Object.entries(seen)) expect([name, is]).toEqual([name, expected]);
});
