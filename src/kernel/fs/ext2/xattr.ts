/**
 * Extended attributes of ext2 and ext3: names, and the two places that an inode may have attributes
 * in. Modelled after fs/ext2/xattr.c, fs/ext3/xattr.c and their handlers of namespaces, 2.6.12. One
 * place is behind the inode's fields, where it has more than 128 bytes and says how many are
 * fields. The other is a block (xattr-blocks.ts). What has room behind the fields goes there, as on
 * ext3.
 *
 * Differs from the original: ext2 uses the room in the inode too, as the driver of later kernels
 * does. So no attribute is there twice. An inode that does not say how many bytes are fields has no
 * such room. Mounted with user_xattr, and without acl.
 */

import { ModelError } from '../../../base/errno.ts';
import { decodeText, encodeText } from '../../../base/text.ts';
import { PAGE_SIZE, type Pfn } from '../../../base/units.ts';
import { EXT2_XATTR_MAGIC, INODE } from '../../../format/ext2.ts';
import type { Process } from '../../../sim/index.ts';
import type { Buffers } from '../buffer.ts';
import { type AttributeOperations, XATTR } from '../file-system.ts';
import { S_IS } from '../inode.ts';
import { Mutex } from '../mutex.ts';
import type { Ext2Changes } from './change.ts';
import type { Ext2Inode } from './inode-info.ts';
import type { AttributeBlocks } from './xattr-blocks.ts';
import { type Attribute, type AttributeName, isNamed, layOutEntries, parseEntries } from './xattr-entries.ts';

/** Namespaces by e_name_index. */
const PREFIXES: ReadonlyMap<number, string> = new Map([
  [1, 'user.'],
  [4, 'trusted.'],
  [6, 'security.'],
]);
const USER = 1;
/** Bytes of the longest name, with its prefix. */
const MAX_NAME_BYTES = 255;
/** Bytes of h_magic, which is all the header that an inode has; e_value_offs counts from behind. */
const BODY_HEADER = 4;

export class Ext2Attributes implements AttributeOperations {
  readonly #changes: Ext2Changes;
  readonly #buffers: Buffers;
  readonly #blocks: AttributeBlocks;
  /**
   * xattr_sem, one for all inodes: held while attributes are read, and inside of a handle when they
   * change.
   */
  readonly #sem = new Mutex('xattr_sem');

  constructor(changes: Ext2Changes, blocks: AttributeBlocks) {
    this.#changes = changes;
    this.#buffers = changes.superblock.buffers;
    this.#blocks = blocks;
  }

  *get(inode: Ext2Inode, name: string): Process<Uint8Array> {
    const key = parseName(name);
    const { body, block } = yield* this.#sem.run(this.#read(inode));
    const found = [...(body ?? []), ...block].find((each) => isNamed(each, key));
    if (found === undefined) throw new ModelError('ENODATA', name);
    return found.value;
  }

  *list(inode: Ext2Inode): Process<string[]> {
    const { body, block } = yield* this.#sem.run(this.#read(inode));
    return [...(body ?? []), ...block].flatMap(({ index, name }) => {
      const prefix = PREFIXES.get(index);
      return prefix === undefined ? [] : [prefix + decodeText(name)];
    });
  }

  *set(inode: Ext2Inode, name: string, value: Uint8Array | undefined, flags: number): Process {
    const key = parseName(name);
    const isSticky = inode.isDirectory && (inode.fields.mode & S_IS.vtx) !== 0;
    if (key.index === USER && (isSticky || !(inode.isRegular || inode.isDirectory)))
      throw new ModelError('EPERM', `${name} is for regular files and directories`);
    if (value !== undefined && value.length > PAGE_SIZE)
      throw new ModelError('ERANGE', `a value of ${value.length} bytes for ${name}`);
    // The caller may change its bytes meanwhile.
    const attribute = value && { ...key, value: value.slice() };
    yield* this.#changes.change(() => this.#sem.run(this.#set(inode, key, attribute, flags)));
    const { state } = this.#changes.superblock;
    if (state.isReadOnly) throw new ModelError('EIO', state.lastError);
  }

  /** @param attribute undefined: it is removed */
  *#set(inode: Ext2Inode, key: AttributeName, attribute: Attribute | undefined, flags: number): Process {
    const changes = this.#changes;
    changes.superblock.beginChange();
    const { body, block } = yield* this.#read(inode);
    const exists = [...(body ?? []), ...block].some((each) => isNamed(each, key));
    if (exists && (flags & XATTR.create) !== 0) throw new ModelError('EEXIST', 'the attribute is there');
    if (!exists && (flags & XATTR.replace) !== 0) throw new ModelError('ENODATA', 'the attribute is not there');
    const others = block.filter((each) => !isNamed(each, key));
    let newBody = body && this.#layOut(inode, replaced(body, key, attribute));
    let newBlock = others;
    if (body === undefined || newBody === undefined) {
      newBody = body && this.#layOut(inode, replaced(body, key, undefined));
      newBlock = attribute === undefined ? others : [...others, attribute];
    }
    const { inodeTable } = changes;
    yield* changes.prepare(inode);
    yield* this.#buffers.breadForChange(inodeTable.place(inode.ino).block);
    yield* this.#blocks.replace(inode, block, newBlock, () => this.#store(inode, newBody));
  }

  /** Fields of the inode, and the attributes behind them. */
  *#store(inode: Ext2Inode, body: Uint8Array | undefined): Process {
    const changes = this.#changes;
    changes.superblock.state.stampInode(inode.fields);
    inode.isSizeDirty = true;
    changes.markInodeDirty(inode);
    if (body === undefined) return;
    const { block, offset } = changes.inodeTable.place(inode.ino);
    // A new inode is all zero behind its fields when these are stored first.
    yield* changes.inodeTable.store(inode);
    const pfn = this.#buffers.findForChange(block) ?? (yield* this.#buffers.breadForChange(block));
    this.#buffers.copyIn(pfn, offset + INODE.size + inode.fields.extraBytes, body, body.length);
  }

  /** Bytes of an inode behind its fields; 0: no room for attributes. */
  #bodyBytes({ fields }: Ext2Inode): number {
    const bytes = this.#changes.geometry.inodeSize - INODE.size - fields.extraBytes;
    return fields.extraBytes === 0 || bytes <= BODY_HEADER ? 0 : bytes;
  }

  /** All attributes; `body` is undefined where there is no room behind the fields. Throws EIO. */
  *#read(inode: Ext2Inode): Process<{ body: Attribute[] | undefined; block: Attribute[] }> {
    const { inodeTable } = this.#changes;
    const block = yield* this.#blocks.read(inode);
    if (this.#bodyBytes(inode) === 0) return { body: undefined, block };
    const pfn = inodeTable.find(inode.ino) ?? (yield* inodeTable.bread(inode.ino));
    const body = this.#parseBody(inode, pfn);
    if (body === undefined) throw new ModelError('EIO', `ext2: the attributes in inode ${inode.ino} make no sense`);
    return { body, block };
  }

  #parseBody(inode: Ext2Inode, pfn: Pfn): Attribute[] | undefined {
    const { offset } = this.#changes.inodeTable.place(inode.ino);
    // An inode that was not stored yet has what its number's last use has left there.
    if (this.#buffers.readU32(pfn, offset + INODE.offset.i_generation) !== inode.fields.generation) return [];
    const bytes = new Uint8Array(this.#bodyBytes(inode));
    this.#buffers.copyOut(pfn, offset + INODE.size + inode.fields.extraBytes, bytes, bytes.length);
    const hasMagic = new DataView(bytes.buffer).getUint32(0, true) === EXT2_XATTR_MAGIC;
    return hasMagic ? parseEntries(bytes, BODY_HEADER, BODY_HEADER) : [];
  }

  /** What is to lie behind the fields; undefined when there is no room for it. */
  #layOut(inode: Ext2Inode, attributes: readonly Attribute[]): Uint8Array | undefined {
    const bytes = new Uint8Array(this.#bodyBytes(inode));
    if (attributes.length === 0) return bytes;
    new DataView(bytes.buffer).setUint32(0, EXT2_XATTR_MAGIC, true);
    return layOutEntries(attributes, bytes, BODY_HEADER, BODY_HEADER, false) ? bytes : undefined;
  }
}

/** A list in which an attribute is replaced at its place, or added at the end, or removed. */
function replaced(list: readonly Attribute[], key: AttributeName, attribute: Attribute | undefined): Attribute[] {
  if (attribute === undefined) return list.filter((each) => !isNamed(each, key));
  const at = list.findIndex((each) => isNamed(each, key));
  return at < 0 ? [...list, attribute] : list.with(at, attribute);
}

/** Throws ERANGE for a name that is empty or too long, EOPNOTSUPP, EINVAL. */
function parseName(name: string): AttributeName {
  const bytes = encodeText(name);
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES)
    throw new ModelError('ERANGE', `a name of ${bytes.length} bytes of an attribute`);
  for (const [index, prefix] of PREFIXES) {
    if (!name.startsWith(prefix)) continue;
    if (bytes.length === prefix.length) throw new ModelError('EINVAL', `an attribute ${name} without a name`);
    return { index, name: bytes.slice(prefix.length) };
  }
  throw new ModelError('EOPNOTSUPP', `the namespace of ${name}`);
}
