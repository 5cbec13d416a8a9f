// Indices of directories that make no sense are not believed. A change may end in the middle, by a
// crash, a block that cannot be read or a full disk. It leaves a sound index.
import { describe, expect, vi } from 'vitest';
import { ModelError, PAGE_SIZE } from '../../../../src/base/index.ts';
import type { ImageStore } from '../../../../src/disk/image/image-store.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { Ext2Super } from '../../../../src/kernel/fs/ext2/super.ts';
import { O } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { itWithE2fsprogs, type Judge, mustPassE2fsck, saveImage } from '../../../support/e2fsprogs.ts';
import { casesOf, isWhole } from '../../../support/product.ts';
import { runsFactor } from '../../../support/property.ts';
import {
  ROOT,
  NODE,
  RECORD,
  madeImage,
  mustBeSound,
  create,
  createAll,
  type Guest,
  bootOn,
  shutDown,
  outcome,
  long,
  range,
  OnDisk,
  haveIndex,
  largeImages,
} from './indexed-directory.ts';

describe('an index that makes no sense', () => {
  const word = (at: number, value: number) => (bytes: Buffer) => void bytes.writeUInt32LE(value, at);
  const half = (at: number, value: number) => (bytes: Buffer) => void bytes.writeUInt16LE(value, at);
  const byte = (at: number, value: number) => (bytes: Buffer) => void bytes.writeUInt8(value, at);
  const allBlocks = (records: number, count: number, value: number) => (bytes: Buffer) => {
    for (let n = 0; n < count; n++) bytes.writeUInt32LE(value, records + n * RECORD + 4);
  };
  type Damage = readonly [what: string, block: 'root' | 'node', edit: (bytes: Buffer) => void];
  const DAMAGES: readonly Damage[] = [
    ['a hash that there is not', 'root', byte(ROOT.hashVersion, 3)],
    ['another length of the head', 'root', byte(ROOT.infoLength, 16)],
    ['three levels', 'root', byte(ROOT.levels, 2)],
    ['a flag', 'root', byte(ROOT.flags, 1)],
    ['a limit that is too small', 'root', half(ROOT.limit, 507)],
    ['a limit that is too large', 'root', half(ROOT.limit, 509)],
    ['no record', 'root', half(ROOT.count, 0)],
    ['more records than fit', 'root', half(ROOT.count, 509)],
    ['only block 0', 'root', allBlocks(ROOT.records, 508, 0)],
    ['only blocks beyond the directory', 'root', allBlocks(ROOT.records, 508, 5000)],
    ['only blocks without bits that count', 'root', allBlocks(ROOT.records, 508, 0x700_0000)],
    [
      'only blocks beyond the directory by the highest bit that counts',
      'root',
      (bytes) => allBlocks(ROOT.records, 508, nodeBlock + 0x80_0000)(bytes),
    ],
    ['a leaf in the place of a node', 'root', allBlocks(ROOT.records, 508, 7)],
    ['a limit that is too small', 'node', half(NODE.limit, 510)],
    ['no record', 'node', half(NODE.count, 0)],
    ['more records than fit', 'node', half(NODE.count, 512)],
    ['only block 0', 'node', allBlocks(NODE.records, 511, 0)],
    ['only blocks beyond the directory', 'node', allBlocks(NODE.records, 511, 5000)],
    ['itself as a leaf', 'node', (bytes) => allBlocks(NODE.records, 511, nodeBlock)(bytes)],
    ['a root of one level, so that nodes are leaves', 'root', byte(ROOT.levels, 0)],
    ['nothing but zeros in a node', 'node', (bytes) => void bytes.fill(0, 8)],
    [
      'a fence of records with one hash',
      'node',
      (bytes) => {
        for (let n = 1; n < 511; n++) word(NODE.records + n * RECORD, 1)(bytes);
        half(NODE.count, 511)(bytes);
      },
    ],
  ];
  let nodeBlock = 0;
  /** Of these the guest cannot know: it finds less, and says so by ENOENT only. */
  const UNSEEN = ['a root of one level, so that nodes are leaves', 'a fence of records with one hash'];

  itWithE2fsprogs(
    'an index that makes no sense is not used: all names are found, and adding one gives it up',
    (judge) => {
      const image = largeImages(judge).twoLevels;
      const disk = new OnDisk(image);
      nodeBlock = disk.read(0).readUInt32LE(ROOT.records + 4);
      const paths: string[] = [];
      const damages = casesOf('an index that makes no sense', '', DAMAGES, { sample: 9, whole: 22 });
      for (const [what, block, edit] of damages) {
        const damaged = image.clone();
        const bytes = disk.read(block === 'root' ? 0 : nodeBlock);
        edit(bytes);
        damaged.write(disk.place(block === 'root' ? 0 : nodeBlock) * PAGE_SIZE, bytes, 0, PAGE_SIZE);
        vi.restoreAllMocks();
        const warn = vi.spyOn(Ext2Super.prototype, 'warn');
        const next = bootOn(damaged);
        const found = range(0, 40).map((n) => outcome(next, next.sys.lstat(`/d/${long(n * 100)}`)));
        const missed = outcome(next, next.sys.lstat('/d/none'));
        const added = outcome(next, create(next.sys, '/d/added'));
        const removed = outcome(next, next.sys.unlink('/d/added'));
        if (UNSEEN.includes(what)) continue;
        expect([what, block, ...new Set(found), missed, added, removed]).toEqual([
          what,
          block,
          'ok',
          'ENOENT',
          'ok',
          'ok',
        ]);
        expect(warn.mock.calls[0]).toEqual([
          `ext3: the index of directory ${disk.ino} makes no sense, and is not used`,
        ]);
        shutDown(next);
        paths.push(`${judge.dir}/${paths.length}.img`);
        saveImage(damaged, paths.at(-1)!);
      }
      mustPassE2fsck(judge, ...paths);
      expect(haveIndex(judge, ...paths)).toEqual(paths.map(() => false));
    },
  );

  itWithE2fsprogs('the guest answers, whatever bytes of an index are overwritten', (judge) => {
    const image = largeImages(judge).twoLevels;
    const node = new OnDisk(image).read(0).readUInt32LE(ROOT.records + 4);
    const disk = new OnDisk(image);
    const places = [disk.place(0), disk.place(node)];
    const random = (n: number): number => Math.imul(n + 1, 0x9e37_79b1) >>> 7;
    for (let round = 0; round < 10 * runsFactor(); round++) {
      const damaged = image.clone();
      // Half of them in the head and the first records.
      for (let n = 0; n < 12; n++) {
        const at = random(round * 100 + 2 * n) % (n < 6 ? 64 : PAGE_SIZE);
        damaged.write(places[n % 2]! * PAGE_SIZE + at, Uint8Array.of(random(round * 100 + 2 * n + 1)), 0, 1);
      }
      const next = bootOn(damaged);
      for (let n = 0; n < 60; n++) {
        const path = `/d/${long(random(n) % 4000)}`;
        outcome(
          next,
          n % 3 === 0
            ? create(next.sys, path.slice(0, 200))
            : n % 3 === 1
              ? next.sys.unlink(path)
              : next.sys.lstat(path),
        );
      }
      outcome(next, next.kernel.shutdown());
    }
  });
});

describe('a change of an index that ends in the middle', () => {
  class RecordingImage implements ImageStore {
    readonly size: number;
    readonly extents: ImageStore['extents'];
    readonly writes: { at: number; bytes: Uint8Array }[] = [];
    readonly #below: MemoryImage;

    constructor(below: MemoryImage) {
      this.#below = below;
      this.size = below.size;
      this.extents = below.extents;
    }

    read(offset: number, dst: Uint8Array, dstOffset: number, length: number): void {
      this.#below.read(offset, dst, dstOffset, length);
    }

    write(offset: number, src: Uint8Array, srcOffset: number, length: number): void {
      this.writes.push({ at: offset, bytes: src.slice(srcOffset, srcOffset + length) });
      this.#below.write(offset, src, srcOffset, length);
    }
  }

  /**
   * Adds names with a sync after each, and looks at what is on the disk after some of its writes.
   * Mounted again it must be sound.
   */
  function crashes(judge: Judge, start: MemoryImage, names: readonly string[], checks: number): void {
    const recording = new RecordingImage(start.clone());
    const guest = bootOn(recording);
    for (const name of names) {
      guest.machine.run(create(guest.sys, `/d/${name}`));
      guest.machine.run(guest.sys.sync());
    }
    shutDown(guest);
    const image = start.clone();
    const looked = new Set(
      casesOf('an index and a crash', names[0]!, [...recording.writes.keys()], { sample: checks }),
    );
    for (const [n, { at, bytes }] of recording.writes.entries()) {
      image.write(at, bytes, 0, bytes.length);
      if (!looked.has(n)) continue;
      const copy = image.clone();
      const next = bootOn(copy);
      const found = names.map((name) => outcome(next, next.sys.lstat(`/d/${name}`)));
      // What was added in order is there in order.
      expect(found.lastIndexOf('ok')).toBe(found.filter((code) => code === 'ok').length - 1);
      shutDown(next);
      mustBeSound(judge, copy);
    }
  }

  itWithE2fsprogs(
    'a directory that gets its index, and leaves that are split, survive a crash in the middle',
    (judge) => {
      const image = madeImage(judge);
      const guest = bootOn(image);
      guest.machine.run(guest.sys.mkdir('/d'));
      guest.machine.run(createAll(guest.sys, range(0, 14).map(long)));
      shutDown(guest);
      crashes(judge, image, range(14, 26).map(long), 4);
    },
  );

  itWithE2fsprogs('a root that gets a node, and a node that is split, survive a crash in the middle', (judge) => {
    const image = largeImages(judge).oneLevel;
    crashes(judge, image, range(9000, 9030).map(long), 4);
  });

  itWithE2fsprogs(
    'a block of an index that cannot be read leaves the name out, and the directory as sound as before',
    (judge) => {
      const image = largeImages(judge).oneLevel;
      // The first name for which the root is split, and the blocks that are read for it.
      const probe = bootOn(image.clone());
      let n = 9000;
      for (; probe.machine.run(probe.sys.stat('/d')).size === 509 * PAGE_SIZE; n++)
        outcome(probe, create(probe.sys, `/d/${long(n)}`));
      const name = long(n - 1);
      /**
       * Adds it while the n-th read fails, after the caches were empty once more; returns how many
       * reads there were.
       */
      const play = (emptyAt: number, failAt: number): { reads: number; code: string } => {
        const copy = image.clone();
        const guest = bootOn(copy);
        let reads = 0;
        guest.machine.fails = (isWrite) => {
          if (isWrite) return false;
          if (++reads === emptyAt) guest.sys.dropCaches();
          return reads === failAt;
        };
        const code = outcome(guest, create(guest.sys, `/d/${name}`));
        guest.machine.fails = () => false;
        expect(outcome(guest, guest.sys.lstat(`/d/${name}`))).toBe(code === 'ok' ? 'ok' : 'ENOENT');
        if (code !== 'ok') expect(guest.machine.run(guest.sys.stat('/d')).size).toBe(509 * PAGE_SIZE);
        shutDown(guest);
        mustBeSound(judge, copy);
        return { reads, code };
      };
      const { reads } = play(0, 0);
      const codes: string[] = [];
      for (let n = 1; n <= reads; n++) codes.push(play(0, n).code);
      expect(codes.filter((code) => code === 'EIO').length).toBeGreaterThan(5);
      const pairs = Array.from({ length: 4 * reads }, (_, n) => [1 + (n >>> 2), 1 + (n & 3)] as const);
      const size = { sample: 4, whole: pairs.length };
      for (const [emptyAt, n] of casesOf('a block of an index that cannot be read', '', pairs, size))
        codes.push(play(emptyAt, emptyAt + n).code);
      expect(['ok', 'EIO']).toEqual(expect.arrayContaining(codes));
      if (isWhole(size)) expect(codes).toContain('ok');
    },
  );

  itWithE2fsprogs('a full disk leaves a directory with two blocks more, or none', (judge) => {
    const oneBlock = madeImage(judge);
    const first = bootOn(oneBlock);
    first.machine.run(first.sys.mkdir('/d'));
    first.machine.run(createAll(first.sys, range(0, 15).map(long)));
    shutDown(first);
    for (const image of [oneBlock, largeImages(judge).oneLevel]) {
      const codes = [0, 1, 2].map((free) => {
        const copy = image.clone();
        const guest = bootOn(copy);
        fillDisk(guest, free);
        const size = guest.machine.run(guest.sys.stat('/d')).size;
        let n = 9000;
        let code = 'ok';
        while (code === 'ok' && guest.machine.run(guest.sys.stat('/d')).size === size)
          code = outcome(guest, create(guest.sys, `/d/${long(n++)}`));
        const grown = (guest.machine.run(guest.sys.stat('/d')).size - size) / PAGE_SIZE;
        shutDown(guest);
        mustBeSound(judge, copy);
        return `${code}, ${grown} blocks`;
      });
      expect(codes).toEqual(['ENOSPC, 0 blocks', 'ENOSPC, 0 blocks', 'ok, 2 blocks']);
    }
  });
});

/** A file takes all blocks but so many. */
function fillDisk({ machine, sys }: Guest, free: number): void {
  const buffer = new Uint8Array(1 << 20);
  machine.run(
    (function* (): Process {
      const fd = yield* sys.open('/big', O.creat | O.wronly);
      try {
        for (;;) yield* sys.write(fd, buffer, 0, buffer.length);
      } catch (error) {
        if (!(error instanceof ModelError) || error.code !== 'ENOSPC') throw error;
      }
      yield* sys.ftruncate(fd, (yield* sys.stat('/big')).size - free * PAGE_SIZE);
      yield* sys.sync();
    })(),
  );
}
