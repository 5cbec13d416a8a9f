// What the guest does with every field of the file system: the reference page says it, and here the
// guest is asked.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { getField, type Layout, putField } from '../../../../src/base/index.ts';
import { EXT2_FIELD_USES, ext2FieldsPage } from '../../../../src/format/ext2-fields-page.ts';
import {
  checkSuperblock,
  DIRENT,
  DX_ENTRY,
  DX_NODE,
  DX_ROOT,
  EXT2_INCOMPAT,
  EXT2_MODE,
  EXT2_RO_COMPAT,
  GROUP_DESCRIPTOR,
  INODE,
  INODE_EXTRA,
  SUPERBLOCK,
  XATTR_ENTRY,
  XATTR_HEADER,
} from '../../../../src/format/ext2.ts';
import type { ImageStore } from '../../../../src/disk/image/image-store.ts';
import { makeExt2 } from '../../../../src/disk/mkfs/mkfs.ts';
import { directory, file, symlink, tree } from '../../../../src/disk/mkfs/tree.ts';
import { S_IF } from '../../../../src/kernel/fs/inode.ts';
import { O, type Syscalls } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { OracleExt2 } from '../../../../src/experiment/judge/oracle-ext2.ts';
import { itWithE2fsprogs, loadImage, mke2fs, mustPassE2fsck, saveImage } from '../../../support/e2fsprogs.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

const FILE = 'docs/reference/ext2-fields.md';
const LAYOUTS: readonly Layout[] = [
  SUPERBLOCK,
  GROUP_DESCRIPTOR,
  INODE,
  INODE_EXTRA,
  DIRENT,
  DX_ROOT,
  DX_NODE,
  DX_ENTRY,
  XATTR_HEADER,
  XATTR_ENTRY,
];
it('types of inodes are numbered in memory as on the disk', () => {
  const { typeMask: mask, regular, directory: folder, symlink: link } = EXT2_MODE;
  expect(S_IF).toEqual({ mask, regular, directory: folder, symlink: link });
});

const useOf = (name: string): string => EXT2_FIELD_USES[name]![0];

it(`the page ${FILE} is what the table says; UPDATE_DOCS=1 writes it`, () => {
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(FILE, ext2FieldsPage());
  expect(readFileSync(FILE, 'utf8')).toBe(ext2FieldsPage());
});

it('the table has every field of the layouts, and no other', () => {
  const names = LAYOUTS.flatMap(({ fields }) => fields.map(({ name }) => name));
  expect(Object.keys(EXT2_FIELD_USES)).toEqual(names);
});

const imageOf = (journalBlocks?: number) =>
  makeExt2(
    tree(
      directory([
        ['file', file('0123456789')],
        ['link', symlink('file')],
        ['dir', directory([['in', file('')]])],
      ]),
    ),
    { size: 16 << 20, journalBlocks },
  );

/** Stored bytes of a layout at some place of an image, field by field. */
function fieldsAt(image: ImageStore, layout: Layout, at: number): Map<string, string> {
  const bytes = Buffer.alloc(layout.size);
  image.read(at, bytes, 0, bytes.length);
  return new Map(
    layout.fields.map(({ name, width, count = 1 }) => {
      const start = layout.offset[name]!;
      return [name, bytes.toString('hex', start, start + width * count)];
    }),
  );
}

/** Fills every field of this use with something that is nowhere else. */
function fill(image: ImageStore, layout: Layout, at: number): void {
  const bytes = Buffer.alloc(layout.size);
  image.read(at, bytes, 0, bytes.length);
  for (const { name, width, count = 1 } of layout.fields)
    if (useOf(name) === 'kept')
      for (let i = 0; i < width * count; i++) bytes[layout.offset[name]! + i] = 0xa5 ^ (i & 15);
  image.write(at, bytes, 0, bytes.length);
}

describe('the superblock', () => {
  const superblock = Buffer.alloc(1024);
  const image = imageOf(1024);
  image.read(1024, superblock, 0, 1024);
  const values = [0, 1, 2, 3, 4, 5, 7, 8, 0x10, 0x40, 0x7f, 0xff, 0x100, 0xffff, 0xffff_ffff];
  /** What a mount makes of it with any other value of a field: whether that matters. */
  const matters = (name: string, from: Uint8Array): boolean => {
    const { width } = SUPERBLOCK.fields.find((field) => field.name === name)!;
    const expected = JSON.stringify(checkSuperblock(from, image.size));
    return values.some((value) => {
      const bytes = Buffer.from(from);
      putField(SUPERBLOCK, bytes, 0, name as 's_magic', value % 2 ** (8 * width));
      return JSON.stringify(checkSuperblock(bytes, image.size)) !== expected;
    });
  };

  it('the superblock is mounted by the fields that are read, whatever is kept has in it', () => {
    const metaBg = Buffer.from(superblock);
    putField(SUPERBLOCK, metaBg, 0, 's_feature_incompat', EXT2_INCOMPAT.filetype | EXT2_INCOMPAT.meta_bg);
    const heeded = SUPERBLOCK.fields
      .map(({ name }) => name)
      .filter((name) => matters(name, superblock) || matters(name, metaBg));
    const changedOnly = [
      's_free_blocks_count',
      's_free_inodes_count',
      's_mtime',
      's_wtime',
      's_mnt_count',
      's_last_orphan',
    ];
    const expected = SUPERBLOCK.fields
      .map(({ name }) => name)
      .filter((name) => useOf(name) !== 'kept' && !changedOnly.includes(name));
    expect(heeded).toEqual(expected);
  });

  it('the superblock with each feature alone: mounted, mounted read-only, or refused by its name', () => {
    const outcome = (field: 's_feature_compat' | 's_feature_incompat' | 's_feature_ro_compat', bit: number): string => {
      const bytes = Buffer.from(superblock);
      putField(SUPERBLOCK, bytes, 0, field, (getField(SUPERBLOCK, bytes, 0, field) | bit) >>> 0);
      const result = checkSuperblock(bytes, image.size);
      if (!result.ok) return result.reason;
      return result.value.readOnlyFeatures.length === 0
        ? 'mounted'
        : `read-only: ${result.value.readOnlyFeatures.join()}`;
    };
    const bits = Array.from({ length: 32 }, (_, i) => 2 ** i);
    const nameOf = (table: object, bit: number): string =>
      Object.entries(table).find(([, value]) => value === bit)?.[0] ?? `bits 0x${bit.toString(16)}`;
    expect(bits.map((bit) => outcome('s_feature_compat', bit))).toEqual(bits.map(() => 'mounted'));
    expect(bits.map((bit) => outcome('s_feature_incompat', bit))).toEqual(
      bits.map((bit) =>
        [2, 4, 0x10].includes(bit) ? 'mounted' : `incompatible feature ${nameOf(EXT2_INCOMPAT, bit)}`,
      ),
    );
    expect(bits.map((bit) => outcome('s_feature_ro_compat', bit))).toEqual(
      bits.map((bit) => ([1, 2, 4].includes(bit) ? 'mounted' : `read-only: ${nameOf(EXT2_RO_COMPAT, bit)}`)),
    );
  });
});

/** Everything that changes a file system, with a sync after each. */
const CHANGES: ((sys: Syscalls) => Process<unknown>)[] = [
  (sys) => sys.open('/new', O.creat | O.wronly),
  (sys) => sys.write(0, new Uint8Array(60_000).fill(7), 0, 60_000),
  (sys) => sys.ftruncate(0, 2 ** 33),
  (sys) => sys.truncate('/file', 5),
  (sys) => sys.truncate('/file', 2 ** 32),
  (sys) => sys.chmod('/file', 0o600),
  (sys) => sys.utimes('/file', 7, 8),
  (sys) => sys.chown('/file', 0x1234_5678, 0x2345_6789),
  (sys) => sys.link('/file', '/dir/linked'),
  (sys) => sys.mkdir('/dir/below'),
  (sys) => sys.chmod('/dir', 0o700),
  (sys) => sys.rename('/dir', '/moved'),
  (sys) => sys.setxattr('/moved', 'user.name', new Uint8Array(9)),
  (sys) => sys.symlink('x'.repeat(100), '/far'),
  (sys) => sys.rename('/link', '/renamed'),
  (sys) => sys.unlink('/renamed'),
  (sys) => sys.rmdir('/moved/below'),
  (sys) => sys.unlink('/file'),
  (sys) => sys.unlink('/moved/linked'),
];

describe.each([
  ['ext2', undefined],
  ['ext3', 1024],
] as const)('%s', (type, journalBlocks) => {
  it('the call only changes what the table says, and changes all of that', () => {
    const image = imageOf(journalBlocks);
    // So that large_file has to be set.
    const roCompat = 1024 + SUPERBLOCK.offset.s_feature_ro_compat;
    image.write(roCompat, Uint8Array.of(EXT2_RO_COMPAT.sparse_super, 0, 0, 0), 0, 4);
    const checked = checkSuperblock(bytesAt(image, 1024, 1024), image.size);
    if (!checked.ok) throw new Error(checked.reason);
    const geometry = checked.value;
    const table = bytesAt(image, 4096 + GROUP_DESCRIPTOR.offset.bg_inode_table, 4).readUInt32LE(0) * 4096;
    const first = new FakeMachine({ image });
    const reader = first.run(first.boot()).syscalls;
    const inos = ['/file', '/link', '/dir', '/dir/in', '/'].map((path) => first.run(reader.lstat(path)).ino);
    const places: [Layout, number][] = [
      [SUPERBLOCK, 1024],
      [GROUP_DESCRIPTOR, 4096],
      ...inos.map((ino): [Layout, number] => [INODE, table + (ino - 1) * geometry.inodeSize]),
    ];
    for (const [layout, at] of places) fill(image, layout, at);
    const machine = new FakeMachine({ image });
    const kernel = machine.run(machine.boot());
    const sys = kernel.syscalls;
    const changed = new Set<string>();
    let before = places.map(([layout, at]) => fieldsAt(image, layout, at));
    const look = (): void => {
      const after = places.map(([layout, at]) => fieldsAt(image, layout, at));
      after.forEach((fields, i) => {
        for (const [name, value] of fields) if (before[i]!.get(name) !== value) changed.add(name);
      });
      before = after;
    };
    for (const change of CHANGES) {
      machine.run(change(sys));
      machine.run(sys.sync());
      look();
    }
    machine.run(kernel.shutdown());
    look();
    const expected = [SUPERBLOCK, GROUP_DESCRIPTOR, INODE]
      .flatMap(({ fields }) => fields.map(({ name }) => name as string))
      .filter((name) => useOf(name) === 'changed');
    // What only a crash leaves, or a reused inode has; and the journal's own flag, or
    // the one that it replaces.
    const unseen = ['s_last_orphan', 'i_generation', type === 'ext2' ? 's_feature_incompat' : 's_state'];
    // i_flags of a directory with an index.
    const seen = expected.filter((name) => !unseen.includes(name) && name !== 'i_flags');
    expect([...changed].sort()).toEqual(seen.sort());
  });
});

function bytesAt(image: ImageStore, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  image.read(at, bytes, 0, length);
  return bytes;
}

describe.each(['ext2', 'ext3'])('meta_bg, %s', (type) => {
  itWithE2fsprogs('the descriptors that lie in their groups are found, changed and left sound', (judge) => {
    const path = `${judge.dir}/disk.img`;
    const features = 'meta_bg,^resize_inode';
    // 140 groups: more than one block of descriptors, and files in groups of the second.
    mke2fs(judge, '-t', type, '-b', '4096', '-g', '256', '-N', '4480', '-O', features, path, '140M');
    const image = loadImage(path);
    const machine = new FakeMachine({ image, nrPages: 2048 });
    const kernel = machine.run(machine.boot());
    const sys = kernel.syscalls;
    const contents = new Uint8Array(20_000).map((_, i) => i % 251);
    const make = function* (): Process {
      for (let i = 0; i < 140; i++) {
        yield* sys.mkdir(`/d${i}`);
        const fd = yield* sys.open(`/d${i}/file`, O.creat | O.wronly);
        yield* sys.write(fd, contents, 0, contents.length);
        yield* sys.close(fd);
        if (i % 3 === 0) yield* sys.unlink(`/d${i}/file`);
      }
    };
    machine.run(make());
    const groups = Array.from({ length: 140 }, (_, i) => Math.floor((machine.run(sys.stat(`/d${i}`)).ino - 1) / 32));
    expect(groups.filter((group) => group >= 128).length).toBeGreaterThan(5);
    machine.run(kernel.shutdown());
    saveImage(image, path);
    mustPassE2fsck(judge, path);
    const oracle = new OracleExt2(image);
    const files = oracle.listFiles();
    expect(files).toHaveLength(140 - 47);
    for (const { ino } of files) expect(oracle.expect(ino, 0, contents.length, contents, 0)).toBe(-1);
    // A bad place of a descriptor is refused, as without.
    const place = 128 * 256 * 4096;
    image.write(place + GROUP_DESCRIPTOR.offset.bg_inode_table, Uint8Array.of(1, 0, 0, 0), 0, 4);
    const again = new FakeMachine({ image });
    expect(() => again.run(again.boot())).toThrow(/^EINVAL: ext2: group 128: bg_inode_table is 1, which leaves/);
  });
});
