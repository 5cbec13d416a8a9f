// A mounted file system without the kernel around it: no daemon, no system calls, all parts in
// reach.
import type { ImageStore } from '../../../../src/disk/image/image-store.ts';
import { SlabCache } from '../../../../src/kernel/cache/slab.ts';
import { DentryCache } from '../../../../src/kernel/fs/dcache.ts';
import { Ext2 } from '../../../../src/kernel/fs/ext2/ext2.ts';
import type { Ext2Inode } from '../../../../src/kernel/fs/ext2/inode-info.ts';
import type { Ext2Mount } from '../../../../src/kernel/fs/ext2/mount.ts';
import { InodeCache } from '../../../../src/kernel/fs/inode.ts';
import { FileSystemRig } from '../../../support/file-system-rig.ts';

/** Inodes or dentries in a page of memory. */
const PER_PAGE = 8;

/** The parts of a kernel, and what a mount of its drive takes. */
export class MountRig extends FileSystemRig {
  readonly mount: Ext2Mount;

  constructor(image: ImageStore, options?: ConstructorParameters<typeof FileSystemRig>[1]) {
    super(image, options);
    const { mm, io } = this.core;
    this.mount = {
      policy: { files: false, metadata: false },
      sectorCount: image.size / 512,
      inodes: new InodeCache<Ext2Inode>(mm, new SlabCache(mm, io.supply, PER_PAGE)),
      dentries: new DentryCache(new SlabCache(mm, io.supply, PER_PAGE)),
      copies: { discard: () => undefined },
    };
  }
}

export class MountedRig extends MountRig {
  readonly ext2: Ext2;

  constructor(...args: ConstructorParameters<typeof MountRig>) {
    super(...args);
    this.ext2 = this.run(Ext2.mount(this.core, this.mount));
  }

  inode(ino: number): Ext2Inode {
    return this.run(this.ext2.iget(ino));
  }
}
