/**
 * Names in a copy of a directory's block. They are checked before they are believed
 * (`checkDirent`).
 */

import { DIRENT } from '../../../format/ext2.ts';

/** Whether the entry at `at` has this name; its inode may be 0. */
export function hasName(block: Uint8Array, at: number, wanted: Uint8Array): boolean {
  if (block[at + DIRENT.offset.name_len] !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) if (block[at + DIRENT.size + i] !== wanted[i]) return false;
  return true;
}
