// A file system as it lies on the disk, read by the published layouts, and a guest on it.
import { getField, ModelError, Ns, PAGE_SIZE } from '../../../../src/base/index.ts';
import type { ImageStore } from '../../../../src/disk/image/image-store.ts';
import type { MemoryImage } from '../../../../src/disk/image/memory-image.ts';
import { makeExt2 } from '../../../../src/disk/mkfs/mkfs.ts';
import { directory, type TreeNode, tree } from '../../../../src/disk/mkfs/tree.ts';
import { EXT2_SUPERBLOCK_OFFSET, GROUP_DESCRIPTOR, INODE, SUPERBLOCK } from '../../../../src/format/ext2.ts';
import { type Kernel, O, type Syscalls } from '../../../../src/kernel/index.ts';
import type { Process } from '../../../../src/sim/index.ts';
import { FakeMachine } from '../../../support/fake-machine.ts';

/** An image of one group: ext2, or ext3 with a journal of 4 MiB. */
export const imageOf = (
  type: 'ext2' | 'ext3',
  entries: readonly [string, TreeNode][] = [],
  { size = 16 << 20, inodeBytes = 128 }: { size?: number; inodeBytes?: 128 | 256 } = {},
): MemoryImage =>
  makeExt2(tree(directory(entries)), { size, inodeBytes, journalBlocks: type === 'ext3' ? 1024 : undefined });

export function bytesAt(image: ImageStore, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  image.read(at, bytes, 0, length);
  return bytes;
}

export const superField = (image: ImageStore, name: keyof typeof SUPERBLOCK.offset): number =>
  getField(SUPERBLOCK, bytesAt(image, EXT2_SUPERBLOCK_OFFSET, SUPERBLOCK.size), 0, name);

/**
 * A field of the descriptor of a group; of descriptors that lie in the block behind the superblock.
 */
export const groupField = (image: ImageStore, group: number, name: keyof typeof GROUP_DESCRIPTOR.offset): number =>
  getField(GROUP_DESCRIPTOR, bytesAt(image, PAGE_SIZE + group * GROUP_DESCRIPTOR.size, GROUP_DESCRIPTOR.size), 0, name);

/** Byte at which an inode lies. */
export function inodeAt(image: ImageStore, ino: number): number {
  const perGroup = superField(image, 's_inodes_per_group');
  const table = groupField(image, Math.floor((ino - 1) / perGroup), 'bg_inode_table');
  return table * PAGE_SIZE + ((ino - 1) % perGroup) * superField(image, 's_inode_size');
}

export const inodeBytes = (image: ImageStore, ino: number): Uint8Array =>
  bytesAt(image, inodeAt(image, ino), superField(image, 's_inode_size'));

export const inodeField = (image: ImageStore, ino: number, name: keyof typeof INODE.offset, n = 0): number =>
  getField(INODE, inodeBytes(image, ino), 0, name, n);

export function patch(image: ImageStore, at: number, ...bytes: number[]): void {
  image.write(at, Uint8Array.from(bytes), 0, bytes.length);
}

export function patchWord(image: ImageStore, at: number, word: number): void {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, word, true);
  image.write(at, bytes, 0, 4);
}

/** The bits that are set in a bitmap, which is a block. */
export function bitsOf(image: ImageStore, block: number): Set<number> {
  const bits = new Set<number>();
  for (const [i, byte] of bytesAt(image, block * PAGE_SIZE, PAGE_SIZE).entries())
    for (let bit = 0; bit < 8; bit++) if (((byte >>> bit) & 1) !== 0) bits.add(8 * i + bit);
  return bits;
}

export class DiskGuest {
  readonly image: ImageStore;
  readonly machine: FakeMachine;
  readonly kernel: Kernel;
  readonly sys: Syscalls;

  constructor(image: ImageStore, nrPages = 768, cmdLine?: string) {
    this.image = image;
    this.machine = new FakeMachine({ image, nrPages });
    this.kernel = this.machine.run(this.machine.boot(cmdLine));
    this.sys = this.kernel.syscalls;
  }

  run<T>(process: Process<T>): T {
    return this.machine.run(process);
  }

  /** The errno of a call, or 'ok'. */
  outcome(process: Process<unknown>): string {
    try {
      this.run(process);
      return 'ok';
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return error.code;
    }
  }

  inoOf(path: string): number {
    return this.run(this.sys.lstat(path)).ino;
  }

  /** Writes pages of a file, each full of a byte, and closes it. */
  put(path: string, pages: readonly number[], byte = 1): void {
    const { sys } = this;
    this.run(
      (function* (): Process {
        const fd = yield* sys.open(path, O.rdwr | O.creat);
        for (const page of pages)
          yield* sys.pwrite(fd, new Uint8Array(PAGE_SIZE).fill(byte), 0, PAGE_SIZE, page * PAGE_SIZE);
        yield* sys.fsync(fd);
        yield* sys.close(fd);
      })(),
    );
  }

  pause(ns: number): void {
    this.run(
      (function* () {
        yield Ns(ns);
      })(),
    );
  }

  sync(): void {
    this.run(this.sys.sync());
  }

  /** Everything is at its place on the disk afterwards. */
  stop(): void {
    this.run(this.kernel.shutdown());
  }
}
