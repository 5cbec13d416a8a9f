/**
 * Numbers and names in a copy of a directory's block. They are little-endian, and checked before
 * they are believed (`checkDirent`).
 */

import { DIRENT } from '../../../format/ext2.ts';

export function getU16(block: Uint8Array, at: number): number {
  return block[at]! | (block[at + 1]! << 8);
}

export function getU32(block: Uint8Array, at: number): number {
  return (block[at]! | (block[at + 1]! << 8) | (block[at + 2]! << 16) | (block[at + 3]! << 24)) >>> 0;
}

export function putU16(block: Uint8Array, at: number, value: number): void {
  block[at] = value;
  block[at + 1] = value >>> 8;
}

export function putU32(block: Uint8Array, at: number, value: number): void {
  putU16(block, at, value);
  putU16(block, at + 2, value >>> 16);
}

/** Whether the entry at `at` has this name; its inode may be 0. */
export function hasName(block: Uint8Array, at: number, wanted: Uint8Array): boolean {
  if (block[at + DIRENT.offset.name_len] !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) if (block[at + DIRENT.size + i] !== wanted[i]) return false;
  return true;
}
