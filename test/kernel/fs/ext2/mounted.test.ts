// A mounted file system by its parts. What is known of inodes and directories in memory? What does
// a journal ask of the file system? What is done about a change that fails in the middle?
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../../src/base/index.ts';
import { file } from '../../../../src/disk/mkfs/tree.ts';
import { mountJournal } from '../../../../src/kernel/fs/ext2/mount.ts';
import {
  EXT2_COMPAT,
  EXT2_HASH,
  EXT2_INDEX_FL,
  EXT2_MODE,
  EXT2_POINTERS_PER_BLOCK,
  EXT2_SUPERBLOCK_OFFSET,
  SUPERBLOCK,
} from '../../../../src/format/ext2.ts';
import { NOTHING, type Process } from '../../../../src/sim/index.ts';
import { WALL_CLOCK_START } from '../../../../src/xen/public/index.ts';
import { imageOf, patch, patchWord, superField } from './disk.ts';
import { MountedRig, MountRig } from './mounted-rig.ts';

const FILE = EXT2_MODE.regular | 0o644;
/** A page behind two indirect blocks. */
const DEEP = 12 + EXT2_POINTERS_PER_BLOCK;
const nameOf = (n: number): string => `${n}`.padStart(200, '0');

function* failing(code: 'EIO' | 'ENOSPC', message: string): Process {
  yield* NOTHING;
  throw new ModelError(code, message);
}

describe('blocks of a directory that a search has looked at', () => {
  it('blocks of a directory that a search has looked at are known, and passed over by the next one', () => {
    const rig = new MountedRig(
      imageOf(
        'ext2',
        Array.from({ length: 60 }, (_, n) => [nameOf(n), file('')]),
      ),
    );
    const { directories } = rig.ext2;
    const root = rig.inode(2);
    expect(root.pageCount).toBe(4);
    const known = (): boolean[] => [0, 1, 2, 3].map((block) => root.index!.isKnown(block));
    expect(known()).toEqual([false, false, false, false]);
    expect(rig.run(directories.find(root, nameOf(20)))).toBeGreaterThan(11);
    expect(known()).toEqual([true, true, false, false]);
    expect(rig.run(directories.find(root, 'none'))).toBe(0);
    expect(known()).toEqual([true, true, true, true]);
    // Every block is still paid for, entry by entry.
    const { cpu } = rig.machine;
    const { charge } = cpu;
    let charged = 0;
    cpu.charge = (ns): void => {
      charged += ns;
      charge.call(cpu, ns);
    };
    const cost = (name: string): number => {
      charged = 0;
      rig.run(directories.find(root, name));
      return charged;
    };
    const each = rig.core.costs.direntNs;
    expect(cost('none')).toBe(63 * each);
    // The first block has ".", "..", lost+found and 19 names.
    expect(cost(nameOf(20))).toBe((3 + 19 + 2) * each);
  });

  it('blocks of a directory of one block are looked at each time', () => {
    const rig = new MountedRig(imageOf('ext2', [['a', file('')]]));
    const root = rig.inode(2);
    expect(rig.run(rig.ext2.directories.find(root, 'a'))).toBeGreaterThan(11);
    expect(root.index!.isKnown(0)).toBe(false);
  });
});

describe('a directory with an index on the disk', () => {
  it('a directory with an index on the disk is read along the way to a name, and at the leaf of one that is not there', () => {
    const image = imageOf('ext3');
    const compat = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_feature_compat;
    patchWord(image, compat, superField(image, 's_feature_compat') | EXT2_COMPAT.dir_index);
    patch(image, EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_def_hash_version, EXT2_HASH.halfMd4);
    const first = new MountedRig(image);
    for (let n = 0; n < 150; n++)
      first.run(first.run(first.ext2.names.create(first.inode(2), nameOf(n), FILE)).release());
    const { pageCount, fields } = first.inode(2);
    // About 13 names are in a leaf of its hashes, which is half full at least.
    expect([fields.flags & EXT2_INDEX_FL, pageCount > 9]).toEqual([EXT2_INDEX_FL, true]);
    first.run(first.ext2.remountReadOnly());
    for (const n of [0, 77, 149, 150, 151]) {
      const rig = new MountedRig(image);
      const root = rig.inode(2);
      const ino = rig.run(rig.ext2.directories.find(root, nameOf(n)));
      // The root of the index, and a leaf.
      expect([n, ino > 11, root.space.nrPages]).toEqual([n, n < 150, 2]);
      expect(rig.run(rig.ext2.directories.find(root, '..'))).toBe(2);
      expect(root.space.nrPages).toBe(2);
    }
    // By ext2 the same names are there, and every block is read for one that is not.
    const copy = image.clone();
    patchWord(copy, compat, superField(image, 's_feature_compat') & ~EXT2_COMPAT.dir_index);
    const rig = new MountedRig(copy);
    const root = rig.inode(2);
    expect(rig.run(rig.ext2.directories.find(root, nameOf(150)))).toBe(0);
    expect(root.space.nrPages).toBe(pageCount);
    expect(rig.run(rig.ext2.directories.list(root))).toHaveLength(153);
  });
});

describe('indirect blocks and blocks of attributes', () => {
  it('indirect blocks and blocks of attributes are the inode’s to write on ext2', () => {
    const rig = new MountedRig(imageOf('ext2'));
    const { ext2 } = rig;
    const { buffers } = ext2.changes.superblock;
    const inode = rig.run(ext2.names.create(rig.inode(2), 'file', FILE));
    inode.fields.size = 4096 * 2000;
    expect([ext2.pages.hasUnwritten(inode), inode.unwrittenBlocks(buffers)]).toEqual([false, []]);
    rig.run(ext2.pages.allocate(inode, 12));
    rig.run(ext2.pages.allocate(inode, DEEP));
    const { pointers } = inode.fields;
    const above = buffers.readU32(buffers.find(pointers[13]!)!, 0);
    rig.run(ext2.attributes.set(inode, 'user.a', new Uint8Array(9), 0));
    const blocks = [pointers[12]!, pointers[13]!, above, inode.fields.fileAcl];
    expect(inode.unwrittenBlocks(buffers)).toEqual(blocks.toSorted((a, b) => a - b));
    // One of the pages behind each new block of pointers, and none behind the others.
    expect(blocks.map((block) => inode.pageBehind(block))).toEqual([12, DEEP, DEEP, -1]);
    expect([ext2.pages.leadsThrough(inode, above), ext2.pages.leadsThrough(inode, 5)]).toEqual([true, false]);
    rig.run(rig.core.writeback.writePages(ext2.device, true, pointers[12], pointers[12]! + 1));
    rig.run(rig.core.writeback.waitPages(ext2.device));
    expect(inode.unwrittenBlocks(buffers)).toEqual(blocks.slice(1).toSorted((a, b) => a - b));
    // Another change of a block that is written makes it the inode's again, by no page of its own.
    rig.run(ext2.pages.allocate(inode, 13));
    expect(inode.pageBehind(pointers[12]!)).toBe(-1);
    expect(inode.unwrittenBlocks(buffers)).toHaveLength(4);
    rig.run(ext2.pages.setSize(inode, 0));
    expect(inode.unwrittenBlocks(buffers)).toEqual([inode.fields.fileAcl]);
    rig.run(rig.core.writeback.sync(ext2.device));
    expect([ext2.pages.hasUnwritten(inode), inode.unwrittenBlocks(buffers)]).toEqual([false, []]);
  });

  it('indirect blocks and blocks of attributes are the journal’s on ext3', () => {
    const rig = new MountedRig(imageOf('ext3'));
    const { ext2 } = rig;
    const inode = rig.run(ext2.names.create(rig.inode(2), 'file', FILE));
    inode.fields.size = 4096 * 2000;
    rig.run(ext2.pages.allocate(inode, DEEP));
    rig.run(ext2.attributes.set(inode, 'user.a', new Uint8Array(9), 0));
    rig.run(ext2.changes.journal.force());
    const { buffers } = ext2.changes.superblock;
    expect(buffers.isUnwritten(inode.fields.fileAcl)).toBe(true);
    expect([ext2.pages.hasUnwritten(inode), inode.unwrittenBlocks(buffers)]).toEqual([false, []]);
  });

  it('blocks of attributes are read where an inode has some, and the group’s bitmap where one is freed', () => {
    const image = imageOf('ext2', [], { size: 512 << 20 });
    const rig = new MountedRig(image);
    const { ext2 } = rig;
    const { geometry, superblock } = ext2.changes;
    const { buffers } = superblock;
    // The first directory of the root is in the second of four groups.
    rig.run(ext2.names.mkdir(rig.inode(2), 'dir', EXT2_MODE.directory | 0o755));
    const ino = rig.run(ext2.directories.find(rig.inode(2), 'dir'));
    expect(Math.floor((ino - 1) / geometry.inodesPerGroup)).toBe(1);
    const { pfn, offset } = superblock.descriptor(0);
    const bitmap = buffers.readU32(pfn, offset);
    expect(buffers.has(bitmap)).toBe(false);
    rig.machine.badBlocks.add(bitmap);
    rig.run(ext2.attributes.set(rig.inode(ino), 'user.a', new Uint8Array(9), 0));
    expect(rig.run(ext2.attributes.get(rig.inode(ino), 'user.a'))).toEqual(new Uint8Array(9));
    expect(Math.floor(rig.inode(ino).fields.fileAcl / geometry.blocksPerGroup)).toBe(1);
    expect(buffers.has(bitmap)).toBe(false);
  });
});

describe('a file system of which metadata was lost', () => {
  it('a file system of which metadata was lost keeps its log, where an earlier call had the error', () => {
    const rig = new MountRig(imageOf('ext3'));
    const { journal, state } = rig.run(mountJournal(rig.core, rig.mount, rig.buffers));
    rig.run(journal.run(() => rig.buffers.bread(1)));
    expect(superField(rig.machine.image, 's_feature_incompat') & 4).toBe(4);
    rig.core.writeback.hasLostMetadata = true;
    expect(() => rig.run(journal.flush())).toThrow(
      expect.objectContaining({ code: 'EIO', message: 'EIO: metadata could not be written' }),
    );
    expect([journal.isAborted, state.isReadOnly]).toEqual([true, true]);
    expect(rig.log.messages.map(({ text }) => text).slice(-3)).toEqual([
      'ext3: the journal has ended',
      'EIO: metadata could not be written',
      'ext2: the file system is read-only from now on',
    ]);
  });

  it('a file system of which metadata was lost is not changed any more', () => {
    const rig = new MountedRig(imageOf('ext2'));
    rig.core.writeback.hasLostMetadata = true;
    expect(() => rig.run(rig.ext2.names.create(rig.inode(2), 'file', FILE))).toThrow(
      'EROFS: the file system is mounted read-only',
    );
    expect(rig.ext2.changes.superblock.state.lastError).toBe('ext2: metadata could not be written');
    expect(superField(rig.machine.image, 's_state') & 2).toBe(0);
    expect(() => rig.run(rig.ext2.remountReadOnly())).not.toThrow();
    expect(superField(rig.machine.image, 's_state') & 2).toBe(2);
  });
});

describe('a file system that is unmounted', () => {
  it('a file system that is unmounted while metadata cannot be written says so, and does all else', () => {
    const rig = new MountedRig(imageOf('ext2'));
    const { image } = rig.machine;
    const { ext2 } = rig;
    rig.run(ext2.names.create(rig.inode(2), 'file', FILE));
    rig.machine.badBlocks.add(ext2.changes.superblock.inodeTable(0));
    expect(ext2.isChanged).toBe(true);
    expect(() => rig.run(ext2.remountReadOnly())).toThrow('EIO: ext2: metadata could not be written');
    expect([ext2.isChanged, ext2.changes.isReadOnly]).toEqual([false, true]);
    expect(superField(image, 's_state') & 2).toBe(2);
    expect(superField(image, 's_wtime')).toBe(WALL_CLOCK_START);
  });

  it('a file system that is unmounted is clean, and has what was changed', () => {
    const rig = new MountedRig(imageOf('ext2'));
    const { image } = rig.machine;
    const before = superField(image, 's_free_inodes_count');
    rig.run(rig.ext2.names.create(rig.inode(2), 'file', FILE));
    rig.run(rig.ext2.sync());
    expect(superField(image, 's_state')).toBe(0);
    rig.run(rig.ext2.remountReadOnly());
    expect([superField(image, 's_state'), superField(image, 's_free_inodes_count')]).toEqual([1, before - 1]);
    expect(() => rig.run(rig.ext2.names.create(rig.inode(2), 'other', FILE))).toThrow('EROFS');
  });

  it('a file system that is unmounted by a defect of the simulator throws that', () => {
    const rig = new MountedRig(imageOf('ext2'));
    rig.run(rig.ext2.names.create(rig.inode(2), 'file', FILE));
    rig.core.writeback.sync = function* (): Process {
      yield* NOTHING;
      throw new RangeError('defect');
    };
    expect(() => rig.run(rig.ext2.remountReadOnly())).toThrow(RangeError);
    expect(rig.ext2.changes.isReadOnly).toBe(false);
  });
});

describe('a change whose first store is made', () => {
  it('a change whose first store is made and that fails is an error of the file system', () => {
    const rig = new MountedRig(imageOf('ext2'));
    const { superblock } = rig.ext2.changes;
    expect(superblock.begun(NOTHING)).toBe(NOTHING);
    const seven = function* (): Process<number> {
      yield* NOTHING;
      return 7;
    };
    expect(rig.run(superblock.begun(seven()))).toBe(7);
    expect(superblock.state.isReadOnly).toBe(false);
    expect(() => rig.run(superblock.begun(failing('ENOSPC', 'no block')))).toThrow('ENOSPC: no block');
    expect(superblock.state.lastError).toBe('ext2: a change was left half done: ENOSPC: no block');
    expect(superblock.state.isReadOnly).toBe(true);
  });

  it('a change whose first store is made and that meets a defect of the simulator says nothing of the disk', () => {
    const rig = new MountedRig(imageOf('ext2'));
    const { superblock } = rig.ext2.changes;
    const broken = function* (): Process {
      yield* NOTHING;
      throw new RangeError('defect');
    };
    expect(() => rig.run(superblock.begun(broken()))).toThrow(RangeError);
    expect([superblock.state.isReadOnly, superblock.state.lastError]).toEqual([false, '']);
  });
});

describe('a warning', () => {
  it('a warning is given once, and no more than 16 different ones', () => {
    const rig = new MountedRig(imageOf('ext2'));
    const { superblock } = rig.ext2.changes;
    const before = rig.log.messages.length;
    for (const n of [1, 2, 1]) superblock.warn(`${n}`);
    expect(rig.log.messages.slice(before).map(({ text }) => text)).toEqual(['1', '2']);
    for (let n = 3; n < 30; n++) superblock.warn(`${n}`);
    expect(rig.log.messages.length - before).toBe(16);
    expect(superblock.state.isReadOnly).toBe(false);
  });
});
