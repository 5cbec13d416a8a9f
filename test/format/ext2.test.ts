import { DONE, err, ok, type Result } from '../../src/base/result.ts';
import { closeSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantViolation } from '../../src/base/assert.ts';
import { getField, putField } from '../../src/base/layout.ts';
import {
  blockPath,
  checkDirent,
  checkGroupDescriptor,
  checkSuperblock,
  descriptorBlock,
  DIRENT,
  direntLength,
  EXT2_COMPAT,
  EXT2_INCOMPAT,
  EXT2_MAX_FILE_BLOCKS,
  EXT2_RO_COMPAT,
  type Ext2Geometry,
  GROUP_DESCRIPTOR,
  groupHeadBlocks,
  hasSuperblock,
  INODE,
  inodeLocation,
  SUPERBLOCK,
} from '../../src/format/ext2.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../src/disk/mkfs/tree.ts';
import { itWithE2fsprogs, run } from '../support/e2fsprogs.ts';
import { property } from '../support/property.ts';

type SuperField = keyof typeof SUPERBLOCK.offset;

const image = makeExt2(tree(directory([['file', file('contents')]])), { size: 8 << 20, label: 'golden' });
const superblock = Buffer.alloc(1024);
image.read(1024, superblock, 0, 1024);

function changed(name: SuperField, value: number): Buffer {
  const bytes = Buffer.from(superblock);
  putField(SUPERBLOCK, bytes, 0, name, value);
  return bytes;
}

function geometryOf(bytes: Uint8Array, deviceBytes: number): Ext2Geometry {
  const result = checkSuperblock(bytes, deviceBytes);
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

/** One line that says why, or a geometry that all of a device follows from. */
function mustBeSane(result: Result<Ext2Geometry>, deviceBytes: number): void {
  if (!result.ok) {
    expect(result.reason).toMatch(/^[\x20-\x7e]{10,250}$/);
    return;
  }
  const { blockCount, groupCount, blocksPerGroup, inodeCount, inodesPerGroup } = result.value;
  expect(blockCount * 4096).toBeLessThanOrEqual(deviceBytes);
  expect(groupCount * blocksPerGroup).toBeGreaterThanOrEqual(blockCount);
  expect((groupCount - 1) * blocksPerGroup).toBeLessThan(blockCount);
  expect(inodeCount).toBe(groupCount * inodesPerGroup);
  expect(result.value.descriptorBlocks * 128).toBeGreaterThanOrEqual(groupCount);
  expect(result.value.inodeTableBlocks * result.value.inodesPerBlock).toBe(inodesPerGroup);
  expect(result.value.inodesPerBlock * result.value.inodeSize).toBe(4096);
  expect(1 + result.value.descriptorBlocks + 2 + result.value.inodeTableBlocks).toBeLessThanOrEqual(blockCount);
  expect(inodeLocation(result.value, inodeCount)).toEqual({ group: groupCount - 1, indexInTable: inodesPerGroup - 1 });
}

describe('the layouts', () => {
  it('the layouts have the bytes of the format', () => {
    // The parts of the structures that mkfs writes, as hexadecimal, from an image that e2fsck
    // accepts.
    expect(superblock.subarray(0, 104).toString('hex')).toBe(
      '000200000008000000000000e6070000f4010000000000000200000002000000008000000080000000020000' +
        '0000000080' +
        '12b2420000ffff53ef010001000000' +
        '8012b242000000000000000001000000' +
        '000000000b00000080000000' +
        '00000000' +
        '02000000' +
        '03000000',
    );
    expect(superblock.subarray(120, 136).toString('hex')).toBe('676f6c64656e00000000000000000000');
    expect(INODE.offset).toMatchObject({
      i_size: 4,
      i_links_count: 26,
      i_block: 40,
      i_generation: 100,
      i_size_high: 108,
    });
    expect(GROUP_DESCRIPTOR.offset).toMatchObject({ bg_inode_table: 8, bg_used_dirs_count: 16 });
    expect(DIRENT.offset).toEqual({ inode: 0, rec_len: 4, name_len: 6, file_type: 7 });
    expect(SUPERBLOCK.offset).toMatchObject({ s_magic: 56, s_feature_compat: 92, s_uuid: 104, s_mkfs_time: 264 });
  });

  it('the layouts give every feature one bit of its own', () => {
    for (const table of [EXT2_COMPAT, EXT2_INCOMPAT, EXT2_RO_COMPAT]) {
      const bits: number[] = Object.values(table);
      expect(new Set(bits).size).toBe(bits.length);
      expect(bits.every((bit) => Math.log2(bit) % 1 === 0)).toBe(true);
    }
  });
});

describe('checkSuperblock', () => {
  it('checkSuperblock accepts what mkfs made', () => {
    expect(geometryOf(superblock, image.size)).toEqual({
      blockCount: 2048,
      inodeCount: 512,
      groupCount: 1,
      blocksPerGroup: 32768,
      inodesPerGroup: 512,
      inodeSize: 128,
      inodesPerBlock: 32,
      inodeTableBlocks: 16,
      firstInode: 11,
      descriptorBlocks: 1,
      headDescriptorBlocks: 1,
      features: { compat: 0, incompat: 2, roCompat: 3 },
      readOnlyFeatures: [],
      clean: true,
      journalInode: 0,
      needsRecovery: false,
      directoryHash: { seed: [0, 0, 0, 0], version: 0, isUnsigned: false },
    });
  });

  property(
    'checkSuperblock is sane about a superblock with one field of garbage',
    fc.constantFrom(...SUPERBLOCK.fields),
    fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 2, 3, 2 ** 31, 2 ** 32 - 1), fc.nat(40000)),
    fc.nat(64 << 20),
    (field, value, deviceBytes) => {
      const bytes = changed(field.name, value % 256 ** Math.min(field.width, 4));
      mustBeSane(checkSuperblock(bytes, deviceBytes), deviceBytes);
      mustBeSane(checkSuperblock(bytes, image.size), image.size);
    },
    { numRuns: 400, lawRuns: 1000 },
  );

  property(
    'checkSuperblock is sane about any bytes of any length, with the magic or without',
    fc.uint8Array({ maxLength: 1024 }),
    fc.boolean(),
    fc.boolean(),
    (garbage, full, magic) => {
      const bytes = full ? Buffer.concat([garbage, garbage, superblock]).subarray(0, 1024) : garbage;
      if (magic && bytes.length > 58) bytes.set([0x53, 0xef], 56);
      mustBeSane(checkSuperblock(bytes, 2 ** 40), 2 ** 40);
    },
  );

  it.each<[SuperField, number, string]>([
    ['s_magic', 0x1234, 'no ext2 file system: s_magic is 0x1234, not 0xef53'],
    ['s_rev_level', 2, 's_rev_level is 2; 0 and 1 are supported'],
    ['s_log_block_size', 0, 'block size 1024 (s_log_block_size 0); only 4096 is supported'],
    ['s_log_block_size', 0xffffffff, 'block size out of range (s_log_block_size 4294967295); only 4096 is supported'],
    ['s_feature_incompat', 0x46, 'incompatible feature extents'],
    ['s_feature_incompat', 0x6, 'needs_recovery is set and there is no journal'],
    ['s_feature_compat', 0x34, 's_journal_inum is 0, not from 1 to s_inodes_count 512'],
    ['s_feature_incompat', 0x80000002, 'incompatible feature bits 0x80000000'],
    ['s_inode_size', 192, 's_inode_size is 192, not a power of two from 128 to 4096'],
    ['s_inode_size', 8192, 's_inode_size is 8192, not a power of two from 128 to 4096'],
    ['s_blocks_per_group', 0, 's_blocks_per_group is 0, not a multiple of 8 from 8 to 32768'],
    ['s_blocks_per_group', 16, 's_blocks_per_group is 16, but the metadata of a group needs 20'],
    ['s_inodes_per_group', 513, 's_inodes_per_group is 513, not a multiple of 32 up to 32768'],
    ['s_inodes_count', 513, 's_inodes_count is 513, not 512: 1 group of 512'],
    ['s_blocks_count', 2049, 'image cut short: s_blocks_count is 2049 (8392704 bytes), the device has 8388608 bytes'],
    ['s_blocks_count', 0, 's_blocks_count is 0, but the metadata of a group needs 19'],
    ['s_first_data_block', 1, 's_first_data_block is 1, not 0'],
    ['s_first_ino', 600, 's_first_ino is 600, not from 11 to s_inodes_count 512'],
  ])('checkSuperblock refuses %s %d', (name, value, refused) => {
    expect(checkSuperblock(changed(name, value), image.size)).toEqual(err(refused));
  });

  it('checkSuperblock tells what forbids writing, and what was not unmounted', () => {
    expect(geometryOf(changed('s_feature_ro_compat', 0x413), image.size).readOnlyFeatures).toEqual([
      'uninit_bg',
      'metadata_csum',
    ]);
    expect(geometryOf(changed('s_state', 0), image.size).clean).toBe(false);
    expect(geometryOf(changed('s_state', 3), image.size).clean).toBe(false);
  });

  itWithE2fsprogs('checkSuperblock accepts the ext2 and the ext3 of mke2fs', ({ dir, mke2fs }) => {
    mkdirSync(join(dir, 'tree'));
    writeFileSync(join(dir, 'tree', 'a'), 'a');
    const path = join(dir, 'image');
    const make = (...options: string[]): Ext2Geometry => {
      run(mke2fs, '-q', '-F', '-b', '4096', '-d', join(dir, 'tree'), ...options, path, '16M');
      const bytes = readFileSync(path);
      const geometry = geometryOf(bytes.subarray(1024, 2048), bytes.length);
      mustBeSane(ok(geometry), bytes.length);
      expect(checkGroupDescriptor(geometry, 0, bytes, 4096)).toBe(DONE);
      return geometry;
    };
    expect(make('-t', 'ext2')).toMatchObject({ inodeSize: 256, readOnlyFeatures: [], clean: true });
    expect(make('-t', 'ext2', '-I', '128')).toMatchObject({ inodeSize: 128 });
    expect(make('-t', 'ext2', '-I', '1024')).toMatchObject({ inodesPerBlock: 4 });
    expect(make('-t', 'ext2', '-g', '1024')).toMatchObject({ groupCount: 4 });
    expect(make('-r', '0', '-t', 'ext2')).toMatchObject({ inodeSize: 128, firstInode: 11 });
    expect(make('-t', 'ext2').journalInode).toBe(0);
    expect(make('-t', 'ext3')).toMatchObject({ readOnlyFeatures: [], journalInode: 8, needsRecovery: false });
  });

  itWithE2fsprogs('checkSuperblock refuses what it cannot read, by name', ({ dir, mke2fs, debugfs }) => {
    const path = join(dir, 'image');
    const refusal = (options: string[], ...commands: string[]): unknown => {
      run(mke2fs, '-q', '-F', ...options, path, '16M');
      for (const command of commands) run(debugfs, '-w', '-R', command, path);
      const bytes = readFileSync(path);
      return checkSuperblock(bytes.subarray(1024, 2048), bytes.length);
    };
    expect(refusal(['-t', 'ext4', '-b', '4096', '-O', '^64bit,^flex_bg'])).toEqual(err('incompatible feature extents'));
    expect(refusal(['-t', 'ext4', '-b', '4096', '-O', '64bit,flex_bg'])).toEqual(
      err('incompatible feature extents, 64bit, flex_bg'),
    );
    expect(refusal(['-t', 'ext3', '-b', '4096'], 'feature needs_recovery')).toMatchObject({
      value: { needsRecovery: true },
    });
    expect(refusal(['-t', 'ext3', '-b', '4096'], 'set_super_value journal_dev 0x801')).toEqual(
      err('s_journal_dev is 2049; only a journal of its own is supported'),
    );
    expect(refusal(['-t', 'ext2', '-b', '1024'])).toEqual(
      err('block size 1024 (s_log_block_size 0); only 4096 is supported'),
    );
    expect(refusal(['-t', 'ext2', '-b', '4096', '-O', 'meta_bg,^resize_inode'], 'ssv first_meta_bg 2')).toEqual(
      err('s_first_meta_bg is 2, but the descriptors have 1 block'),
    );
  });

  itWithE2fsprogs(
    'the format finds descriptors and heads of groups where dumpe2fs does, with meta_bg and without',
    ({ dir, mke2fs, dumpe2fs }) => {
      const path = join(dir, 'image');
      for (const [features, groups] of [
        ['meta_bg,^resize_inode', 300],
        ['meta_bg,^resize_inode,^sparse_super', 300],
        ['^resize_inode', 300],
        ['^resize_inode,^sparse_super', 130],
      ] as const) {
        run(
          mke2fs,
          '-q',
          '-F',
          '-t',
          'ext2',
          '-b',
          '4096',
          '-g',
          '256',
          '-N',
          '5000',
          '-O',
          features,
          path,
          `${groups}M`,
        );
        const superblock = Buffer.alloc(1024);
        const fd = openSync(path, 'r');
        readSync(fd, superblock, 0, 1024, 1024);
        closeSync(fd);
        const geometry = geometryOf(superblock, groups << 20);
        expect([geometry.groupCount, geometry.headDescriptorBlocks]).toEqual([
          groups,
          features.startsWith('meta') ? 0 : Math.ceil(groups / 128),
        ]);
        const told = run(dumpe2fs, path)
          .split(/^Group /m)
          .slice(1);
        expect(told).toHaveLength(groups);
        told.forEach((text, group) => {
          const start = group * 256;
          const place = /Group descriptors? at (\d+)(?:-(\d+))?/.exec(text);
          const head = Math.max(/superblock at/.test(text) ? start : -1, Number(place?.[2] ?? place?.[1] ?? -1)) + 1;
          expect([group, groupHeadBlocks(geometry, group)]).toEqual([group, Math.max(0, head - start)]);
          if (group % 128 !== 0) return;
          const first = features.startsWith('meta') ? Number(place![1]) : 1 + group / 128;
          expect(descriptorBlock(geometry, group / 128)).toBe(first);
        });
      }
    },
  );

  it('checkSuperblock counts from s_first_meta_bg on', () => {
    const geometry = {
      ...geometryOf(superblock, image.size),
      blocksPerGroup: 1000,
      groupCount: 1000,
      descriptorBlocks: 8,
      headDescriptorBlocks: 3,
    };
    // 384 and 896 are powers of nothing, 625 is one of 5.
    expect(Array.from({ length: 8 }, (_, n) => descriptorBlock(geometry, n))).toEqual([
      1, 2, 3, 384_000, 512_000, 640_000, 768_000, 896_000,
    ]);
    expect(
      [0, 1, 2, 3, 127, 243, 343, 384, 385, 511, 512, 625, 729].map((group) => groupHeadBlocks(geometry, group)),
    ).toEqual([4, 4, 0, 4, 0, 4, 4, 1, 1, 1, 1, 1, 1]);
  });
});

describe('checkGroupDescriptor', () => {
  const geometry = geometryOf(superblock, image.size);
  const descriptor = Buffer.alloc(32);
  image.read(4096, descriptor, 0, 32);

  property(
    'checkGroupDescriptor accepts only places inside the group',
    fc.constantFrom('bg_block_bitmap' as const, 'bg_inode_bitmap' as const, 'bg_inode_table' as const),
    fc.oneof(fc.nat(2100), fc.constantFrom(0xffffffff, 2032, 2033)),
    (name, block) => {
      const bytes = Buffer.from(descriptor);
      putField(GROUP_DESCRIPTOR, bytes, 0, name, block);
      const inside = block >= 2 && block + (name === 'bg_inode_table' ? 16 : 1) <= 2048;
      const refused = checkGroupDescriptor(geometry, 0, bytes, 0);
      if (inside) expect(refused).toBe(DONE);
      else expect(refused).toEqual(err(`group 0: ${name} is ${block}, which leaves the group's blocks 2 to 2047`));
    },
  );
});

describe('places', () => {
  property('every block of a file has a path, and no two have the same', fc.nat(EXT2_MAX_FILE_BLOCKS - 1), (index) => {
    const path = blockPath(index);
    const [first, ...rest] = path;
    const base = [0, 12, 12 + 1024, 12 + 1024 + 1024 ** 2][rest.length]!;
    expect(rest.every((element) => element >= 0 && element < 1024)).toBe(true);
    if (rest.length === 0) expect(first).toBe(index);
    else {
      expect(first).toBe(11 + rest.length);
      expect(base + rest.reduce((sum, element) => sum * 1024 + element, 0)).toBe(index);
    }
  });

  it('places changes depth where the format does', () => {
    expect([11, 12, 1035, 1036].map(blockPath)).toEqual([[11], [12, 0], [12, 1023], [13, 0, 0]]);
    expect(blockPath(12 + 1024 + 1024 ** 2 - 1)).toEqual([13, 1023, 1023]);
    expect(blockPath(12 + 1024 + 1024 ** 2)).toEqual([14, 0, 0, 0]);
    expect(blockPath(EXT2_MAX_FILE_BLOCKS - 1)).toEqual([14, 1023, 1023, 1023]);
    expect(() => blockPath(EXT2_MAX_FILE_BLOCKS)).toThrow(InvariantViolation);
  });

  property('superblocks lie in the groups of the sparse rule', fc.nat(100_000), (group) => {
    let rest = group;
    const divides = [3, 5, 7].find((base) => rest % base === 0);
    while (divides !== undefined && rest > 1 && rest % divides === 0) rest /= divides;
    expect(hasSuperblock(group)).toBe(group === 0 || rest === 1);
  });

  it('places numbers inodes from 1', () => {
    const geometry = geometryOf(superblock, image.size);
    expect(inodeLocation(geometry, 1)).toEqual({ group: 0, indexInTable: 0 });
    expect(() => inodeLocation(geometry, 0)).toThrow(InvariantViolation);
    expect(() => inodeLocation(geometry, 513)).toThrow(InvariantViolation);
  });
});

describe('checkDirent', () => {
  property(
    'checkDirent lets a reader of any block end inside it',
    fc.uint8Array({ minLength: 4096, maxLength: 4096 }),
    fc.array(fc.tuple(fc.nat(1023), fc.nat(300), fc.nat(255)), { maxLength: 40 }),
    (bytes, entries) => {
      for (const [word, recordLength, nameLength] of entries) {
        putField(DIRENT, bytes, Math.min(word * 4, 4088), 'rec_len', recordLength);
        putField(DIRENT, bytes, Math.min(word * 4, 4088), 'name_len', nameLength);
      }
      let read = 0;
      let offset = 0;
      while (offset < 4096 && checkDirent(bytes, offset, 4096, 2 ** 31).ok) {
        const end = offset + getField(DIRENT, bytes, offset, 'rec_len');
        expect(offset + direntLength(getField(DIRENT, bytes, offset, 'name_len'))).toBeLessThanOrEqual(end);
        expect(end).toBeLessThanOrEqual(4096);
        offset = end;
        read++;
      }
      expect(read).toBeLessThanOrEqual(4096 / 12);
    },
  );

  it.each<[number, number, number, string | undefined]>([
    [11, 12, 1, undefined],
    [0, 4096, 0, undefined],
    [11, 8, 0, 'rec_len is 8, less than 12'],
    [11, 14, 1, 'rec_len is 14, not a multiple of 4'],
    [11, 12, 5, 'rec_len is 12, too short for name_len 5'],
    [11, 4100, 1, 'rec_len is 4100: the entry crosses the end of its block'],
    [513, 12, 1, 'inode is 513, but there are 512'],
    [11, 12, 0, 'name_len is 0'],
  ])(
    'an entry with inode %d, rec_len %d and name_len %d is refused: %s',
    (inode, recordLength, nameLength, refused) => {
      const bytes = new Uint8Array(4096);
      putField(DIRENT, bytes, 0, 'inode', inode);
      putField(DIRENT, bytes, 0, 'rec_len', recordLength);
      putField(DIRENT, bytes, 0, 'name_len', nameLength);
      expect(checkDirent(bytes, 0, 4096, 512)).toEqual(refused === undefined ? DONE : err(refused));
    },
  );

  it('checkDirent refuses an entry without room for itself', () => {
    expect(checkDirent(new Uint8Array(4096), 4088, 4096, 1)).toEqual(
      err('directory entry crosses the end of its block'),
    );
  });
});
