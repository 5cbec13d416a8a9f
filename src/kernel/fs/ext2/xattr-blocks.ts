/**
 * The blocks of extended attributes (fs/ext2/xattr.c and fs/mbcache.c of 2.6.12). An inode has its
 * attributes in a block of its own, or in one that it shares with others. The block's header counts
 * its users.
 *
 * Changed attributes go to a block that holds the same ones already, if one is known. Otherwise
 * they stay in their block, if no other inode shares it, or get a new one. Blocks are known by the
 * hash in their header, one for each hash. They are known from when they are read or written until
 * they are freed.
 *
 * Lock: a caller that changes a block or counts its users holds `#lock`, inside a handle.
 */

import { ModelError } from '../../../base/errno.ts';
import { PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import {
  EXT2_COMPAT,
  EXT2_SUPERBLOCK_OFFSET,
  EXT2_XATTR_MAGIC,
  SUPERBLOCK,
  XATTR_HEADER,
} from '../../../format/ext2.ts';
import { NOTHING, type Process } from '../../../sim/index.ts';
import { Mutex } from '../mutex.ts';
import { freeBlocks, newBlock, prepareFreeing } from './balloc.ts';
import type { Ext2Inode } from './inode-info.ts';
import { SECTORS_PER_BLOCK } from './map.ts';
import type { Ext2Super } from './super.ts';
import { type Attribute, areEqual, blockOfAttributes, inOrder, parseEntries } from './xattr-entries.ts';

const H = XATTR_HEADER.offset;
const FEATURES = EXT2_SUPERBLOCK_OFFSET + SUPERBLOCK.offset.s_feature_compat;
/** EXT2_XATTR_REFCOUNT_MAX: users of a block. */
const MAX_USERS = 1024;
/** Blocks that are known at most; the one that was met first is forgotten. */
const MAX_KNOWN = 1024;

export class AttributeBlocks {
  readonly #super: Ext2Super;
  readonly #lock = new Mutex('the attribute blocks');
  readonly #byHash = new Map<number, number>();
  readonly #hashes = new Map<number, number>();

  constructor(superblock: Ext2Super) {
    this.#super = superblock;
  }

  /** The attributes in the block of an inode, in order. Throws EIO when they make no sense. */
  *read(inode: Ext2Inode): Process<Attribute[]> {
    for (;;) {
      const block = inode.fields.fileAcl;
      if (block === 0) return [];
      const attributes = yield* this.#read(block);
      // Meanwhile they may have gone to another block.
      if (inode.fields.fileAcl !== block) continue;
      if (attributes === undefined)
        throw new ModelError('EIO', `ext2: block ${block} has no attributes of inode ${inode.ino}`);
      return attributes;
    }
  }

  /** What a block holds; undefined when that is no attributes. Throws EIO. */
  *#read(block: number): Process<Attribute[] | undefined> {
    const { buffers, geometry } = this.#super;
    if (block >= geometry.blockCount) return undefined;
    const pfn = buffers.find(block) ?? (yield* buffers.bread(block));
    if (!this.#isSound(pfn)) return undefined;
    const bytes = new Uint8Array(PAGE_SIZE);
    buffers.copyOut(pfn, 0, bytes, PAGE_SIZE);
    const attributes = parseEntries(bytes, XATTR_HEADER.size, 0);
    if (attributes === undefined) return undefined;
    this.#know(block, buffers.readU32(pfn, H.h_hash));
    return inOrder(attributes);
  }

  #isSound(pfn: Pfn): boolean {
    const { buffers } = this.#super;
    return buffers.readU32(pfn, H.h_magic) === EXT2_XATTR_MAGIC && buffers.readU32(pfn, H.h_blocks) === 1;
  }

  /**
   * ext2_xattr_set2: the inode has these attributes in a block, or no block when there are none.
   * Its fields change with the last store. Before the first one everything is read. Throws ENOSPC
   * when they do not fit, or no block is free; EIO.
   * @param old those that its block has now
   * @param store what else changes; the last step, which does not fail
   */
  *replace(
    inode: Ext2Inode,
    old: readonly Attribute[],
    attributes: readonly Attribute[],
    store: () => Process,
  ): Process {
    const sorted = inOrder(attributes);
    const bytes = sorted.length === 0 ? undefined : blockOfAttributes(sorted, PAGE_SIZE);
    if (sorted.length > 0 && bytes === undefined)
      throw new ModelError('ENOSPC', 'no room for the attribute in its block');
    yield* this.#lock.run(this.#replace(inode, areEqual(old, sorted), sorted, bytes, store));
  }

  *#replace(
    inode: Ext2Inode,
    isSame: boolean,
    sorted: readonly Attribute[],
    bytes: Uint8Array | undefined,
    store: () => Process,
  ): Process {
    const { buffers } = this.#super;
    const { fileAcl } = inode.fields;
    if (!this.#hasFeature) yield* buffers.breadForChange(0);
    if (isSame) {
      yield* this.#super.begun(this.#storeRest(store));
      return;
    }
    if (fileAcl !== 0) {
      yield* buffers.breadForChange(fileAcl);
      yield* prepareFreeing(this.#super, fileAcl);
    }
    const target =
      bytes === undefined ? 0 : ((yield* this.#choose(fileAcl, sorted, bytes)) ?? (yield* this.#allocate(inode)));
    yield* this.#super.begun(this.#move(inode, target, bytes, store));
  }

  *#storeRest(store: () => Process): Process {
    yield* this.#setFeature();
    yield* store();
  }

  /** A block that there is, for the attributes; undefined: none. */
  *#choose(own: number, sorted: readonly Attribute[], bytes: Uint8Array): Process<number | undefined> {
    const { buffers } = this.#super;
    const same = this.#byHash.get(hashIn(bytes));
    if (same !== undefined && (yield* this.#holds(same, sorted))) return same;
    if (own === 0) return undefined;
    const pfn = buffers.findForChange(own) ?? (yield* buffers.breadForChange(own));
    return buffers.readU32(pfn, H.h_refcount) === 1 ? own : undefined;
  }

  /**
   * Whether a block holds these attributes, and may have one more user. It is ready for a change.
   */
  *#holds(block: number, sorted: readonly Attribute[]): Process<boolean> {
    const { buffers } = this.#super;
    try {
      const attributes = yield* this.#read(block);
      if (attributes === undefined || !areEqual(attributes, sorted)) return false;
      const users = buffers.readU32(yield* buffers.breadForChange(block), H.h_refcount);
      return users > 0 && users < MAX_USERS;
    } catch (error) {
      // It is not needed.
      if (!(error instanceof ModelError)) throw error;
      return false;
    }
  }

  /** A new block, which is a buffer and all zero. Throws ENOSPC, EIO, ENOMEM. */
  *#allocate(inode: Ext2Inode): Process<number> {
    const { buffers, geometry } = this.#super;
    const group = Math.floor((inode.ino - 1) / geometry.inodesPerGroup);
    const block = yield* newBlock(this.#super, group * geometry.blocksPerGroup);
    try {
      yield* buffers.getblk(block);
    } catch (error) {
      yield* freeBlocks(this.#super, block, 1);
      throw error;
    }
    return block;
  }

  /** @param target where the attributes go; 0: there are none */
  *#move(inode: Ext2Inode, target: number, bytes: Uint8Array | undefined, store: () => Process): Process {
    const { buffers, journal } = this.#super;
    const { fields } = inode;
    const old = fields.fileAcl;
    yield* this.#setFeature();
    if (target !== 0 && bytes !== undefined) {
      const pfn = buffers.findForChange(target) ?? (yield* buffers.breadForChange(target));
      const isNew = buffers.readU32(pfn, H.h_magic) !== EXT2_XATTR_MAGIC;
      if (isNew || target === old) {
        buffers.copyIn(pfn, 0, bytes, PAGE_SIZE);
        this.#forget(target);
        this.#know(target, hashIn(bytes));
      } else buffers.writeU32(pfn, H.h_refcount, buffers.readU32(pfn, H.h_refcount) + 1);
      if (!journal.isKept) inode.addMetadataBlock(target);
    }
    fields.fileAcl = target;
    if (old === 0) fields.sectors += SECTORS_PER_BLOCK;
    else if (target === 0) fields.sectors = Math.max(0, fields.sectors - SECTORS_PER_BLOCK);
    yield* store();
    if (old !== 0 && old !== target) {
      inode.removeMetadataBlock(old);
      yield* this.#drop(inode, old);
    }
  }

  get #hasFeature(): boolean {
    const { buffers, superblockPage } = this.#super;
    return (buffers.readU32(superblockPage, FEATURES) & EXT2_COMPAT.ext_attr) !== 0;
  }

  /** ext2_xattr_update_super_block. */
  *#setFeature(): Process {
    const { buffers, superblockPage } = this.#super;
    if (this.#hasFeature) return;
    if (buffers.findForChange(0) === undefined) yield* buffers.breadForChange(0);
    buffers.writeU32(
      superblockPage,
      FEATURES,
      (buffers.readU32(superblockPage, FEATURES) | EXT2_COMPAT.ext_attr) >>> 0,
    );
  }

  /**
   * ext2_xattr_delete_inode: the inode gives its block of attributes back. A block that cannot be
   * read or does not hold attributes is an error of the file system, and stays as it is. Throws
   * EIO.
   */
  release(inode: Ext2Inode): Process {
    return inode.fields.fileAcl === 0 ? NOTHING : this.#lock.run(this.#release(inode));
  }

  *#release(inode: Ext2Inode): Process {
    const { fields } = inode;
    const block = fields.fileAcl;
    fields.fileAcl = 0;
    fields.sectors = Math.max(0, fields.sectors - SECTORS_PER_BLOCK);
    yield* this.#drop(inode, block);
  }

  /** The block has one user less; the last one frees it. */
  *#drop(inode: Ext2Inode, block: number): Process {
    const { buffers, geometry } = this.#super;
    if (block >= geometry.blockCount) {
      this.#super.error(`ext2: inode ${inode.ino} has its attributes in block ${block}, beyond the file system`);
      return;
    }
    let pfn: Pfn;
    try {
      pfn = yield* buffers.bread(block);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      this.#super.error(`ext2: the attributes of inode ${inode.ino} cannot be read: ${error.message}`);
      return;
    }
    if (!this.#isSound(pfn) || buffers.readU32(pfn, H.h_refcount) === 0) {
      this.#super.error(`ext2: block ${block} has no attributes of inode ${inode.ino}`);
      return;
    }
    const changed = buffers.findForChange(block) ?? (yield* buffers.breadForChange(block));
    const users = buffers.readU32(changed, H.h_refcount);
    if (users > 1) {
      buffers.writeU32(changed, H.h_refcount, users - 1);
      return;
    }
    this.#forget(block);
    buffers.revoke(block);
    yield* buffers.forget(block);
    yield* freeBlocks(this.#super, block, 1);
  }

  /** ext2_xattr_cache_insert. */
  #know(block: number, hash: number): void {
    if (hash === 0 || this.#byHash.get(hash) === block) return;
    this.#forget(block);
    const other = this.#byHash.get(hash);
    if (other !== undefined) this.#forget(other);
    if (this.#hashes.size === MAX_KNOWN) this.#forget(this.#hashes.keys().next().value!);
    this.#byHash.set(hash, block);
    this.#hashes.set(block, hash);
  }

  /** The block does not hold what it was known by any more. */
  #forget(block: number): void {
    const hash = this.#hashes.get(block);
    if (hash === undefined) return;
    this.#hashes.delete(block);
    this.#byHash.delete(hash);
  }
}

function hashIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(H.h_hash, true);
}
