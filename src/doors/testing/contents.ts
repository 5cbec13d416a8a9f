/** What calls on files write. Apart from the arbitraries, so that it needs no fast-check. */

import { checkInteger } from '../../base/argument-error.ts';

/**
 * `size` bytes that a call of this salt writes: they differ from page to page.
 * @param salt 0 to 255
 * @throws ArgumentError for a size or a salt that is no such integer
 */
export function contents(size: number, salt: number): Uint8Array {
  checkInteger('size', size, 0, 2 ** 32);
  checkInteger('salt', salt);
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + (i >>> 8) * 13 + salt * 31 + 1) & 255;
  return bytes;
}
