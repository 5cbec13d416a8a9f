/**
 * Extended attributes as bytes: the list of entries and values that a block holds, or an inode
 * behind its fields (fs/ext2/xattr.c and fs/ext3/xattr.c of 2.6.12).
 *
 * Nothing on the disk is trusted. What is written is laid out anew: entries from the front, values
 * from the end, in the same order. In a block the entries are sorted, so that equal attributes are
 * equal lists.
 */

import { compareBytes } from '../../../base/bytes.ts';
import { EXT2_XATTR_MAGIC, XATTR_ENTRY, XATTR_HEADER } from '../../../format/ext2.ts';

/** An attribute as the disk has it. */
export interface Attribute {
  /** e_name_index: its namespace. */
  readonly index: number;
  /** Without the prefix of the namespace; 1 to 255 bytes. */
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

export type AttributeName = Pick<Attribute, 'index' | 'name'>;

const E = XATTR_ENTRY.offset;
const H = XATTR_HEADER.offset;
/** The word of zeros that ends the entries. */
const END_BYTES = 4;

const padded = (bytes: number): number => (bytes + 3) & ~3;

/**
 * The attributes of a block or inode, in the order of the disk; undefined when they make no sense.
 * @param first offset of the first entry
 * @param base where e_value_offs counts from
 */
export function parseEntries(bytes: Uint8Array, first: number, base: number): Attribute[] | undefined {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const all: Attribute[] = [];
  for (let at = first; ; ) {
    if (at + END_BYTES > bytes.length) return undefined;
    if (words.getUint32(at, true) === 0) return all;
    if (at + XATTR_ENTRY.size > bytes.length) return undefined;
    const nameAt = at + XATTR_ENTRY.size;
    const nameLength = words.getUint8(at + E.e_name_len);
    const size = words.getUint32(at + E.e_value_size, true);
    const valueAt = base + words.getUint16(at + E.e_value_offs, true);
    if (nameAt + nameLength > bytes.length || words.getUint32(at + E.e_value_block, true) !== 0) return undefined;
    if (size > 0 && valueAt + size > bytes.length) return undefined;
    all.push({
      index: words.getUint8(at + E.e_name_index),
      name: bytes.slice(nameAt, nameAt + nameLength),
      value: size === 0 ? new Uint8Array() : bytes.slice(valueAt, valueAt + size),
    });
    at = padded(nameAt + nameLength);
  }
}

/**
 * Lays attributes out in bytes that are all zero. Returns false when there is no room for them.
 * @param first as for `parseEntries`, as `base`
 * @param hashes whether entries have hashes, as those of a block
 */
export function layOutEntries(
  attributes: readonly Attribute[],
  bytes: Uint8Array,
  first: number,
  base: number,
  hashes: boolean,
): boolean {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = first;
  let valueAt = bytes.length;
  for (const { index, name, value } of attributes) {
    const next = padded(at + XATTR_ENTRY.size + name.length);
    valueAt -= padded(value.length);
    if (next + END_BYTES > valueAt) return false;
    words.setUint8(at + E.e_name_len, name.length);
    words.setUint8(at + E.e_name_index, index);
    if (value.length > 0) words.setUint16(at + E.e_value_offs, valueAt - base, true);
    words.setUint32(at + E.e_value_size, value.length, true);
    bytes.set(name, at + XATTR_ENTRY.size);
    bytes.set(value, valueAt);
    if (hashes) words.setUint32(at + E.e_hash, hashOf(name, words, valueAt, padded(value.length)), true);
    at = next;
  }
  return true;
}

/** ext2_xattr_hash_entry: the bytes of the name count as signed, as on i386. */
function hashOf(name: Uint8Array, words: DataView, valueAt: number, valueBytes: number): number {
  let hash = 0;
  for (const byte of name) hash = (hash << 5) ^ (hash >>> 27) ^ ((byte << 24) >> 24);
  for (let at = valueAt; at < valueAt + valueBytes; at += 4)
    hash = (hash << 16) ^ (hash >>> 16) ^ words.getUint32(at, true);
  return hash >>> 0;
}

/**
 * A block of attributes with one user; undefined when they do not fit. They are in the order of
 * `inOrder`.
 */
export function blockOfAttributes(attributes: readonly Attribute[], blockBytes: number): Uint8Array | undefined {
  const bytes = new Uint8Array(blockBytes);
  if (!layOutEntries(attributes, bytes, XATTR_HEADER.size, 0, true)) return undefined;
  const words = new DataView(bytes.buffer);
  words.setUint32(H.h_magic, EXT2_XATTR_MAGIC, true);
  words.setUint32(H.h_refcount, 1, true);
  words.setUint32(H.h_blocks, 1, true);
  // ext2_xattr_rehash: 0, which no block is shared by, when an entry has none.
  let hash = 0;
  let at: number = XATTR_HEADER.size;
  for (const { name } of attributes) {
    const entry = words.getUint32(at + E.e_hash, true);
    if (entry === 0) return bytes;
    hash = (hash << 16) ^ (hash >>> 16) ^ entry;
    at = padded(at + XATTR_ENTRY.size + name.length);
  }
  words.setUint32(H.h_hash, hash >>> 0, true);
  return bytes;
}

/** The order of the entries in a block: by namespace, length of the name, name. */
export function inOrder(attributes: readonly Attribute[]): Attribute[] {
  return attributes.toSorted(
    (a, b) => a.index - b.index || a.name.length - b.name.length || compareBytes(a.name, b.name),
  );
}

export function isNamed(attribute: Attribute, { index, name }: AttributeName): boolean {
  return attribute.index === index && compareBytes(attribute.name, name) === 0;
}

/** Whether two lists in the same order are the same attributes. */
export function areEqual(a: readonly Attribute[], b: readonly Attribute[]): boolean {
  return (
    a.length === b.length && a.every((each, i) => isNamed(each, b[i]!) && compareBytes(each.value, b[i]!.value) === 0)
  );
}
