/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), slicing by eight. Check value of
 * "123456789": 0xE3069283.
 *
 * Many pages are all zero. A run of zeros is recognised by a comparison, which the host does fast,
 * and taken in one step. The CRC is linear, so that step is four look-ups.
 */

import { isZero } from './bytes.ts';

const TABLES = buildTables();

/** Zero bytes that are taken in one step. */
const RUN = 4096;
/** What each byte of the register becomes over such a run: four tables of 256. */
const RUN_TABLES = buildRunTables();

function buildRunTables(): Uint32Array {
  const tables = new Uint32Array(4 * 256);
  for (let bit = 0; bit < 32; bit++) {
    let register = (1 << bit) >>> 0;
    for (let i = 0; i < RUN; i++) register = ((register >>> 8) ^ TABLES[register & 255]!) >>> 0;
    const table = (bit >>> 3) * 256;
    const value = 1 << (bit & 7);
    for (let rest = 0; rest < value; rest++) tables[table + value + rest] = tables[table + rest]! ^ register;
  }
  return tables;
}

function buildTables(): Uint32Array {
  const tables = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    tables[byte] = crc >>> 0;
  }
  for (let slice = 1; slice < 8; slice++)
    for (let byte = 0; byte < 256; byte++) {
      const previous = tables[(slice - 1) * 256 + byte]!;
      tables[slice * 256 + byte] = (previous >>> 8) ^ tables[previous & 255]!;
    }
  return tables;
}

/**
 * CRC-32C of `length` bytes of `bytes` from `offset`.
 * @param seed the value returned for the bytes before these, 0 for none
 * @returns an unsigned 32-bit number
 */
export function crc32c(bytes: Uint8Array, offset = 0, length = bytes.length - offset, seed = 0): number {
  const t = TABLES;
  let crc = ~seed;
  let i = offset;
  const end = offset + length;
  while (i + 8 <= end) {
    const stop = Math.min(end, i + RUN);
    if (bytes[i] === 0 && stop === i + RUN && isZero(bytes, i, stop)) {
      const z = RUN_TABLES;
      crc = z[crc & 255]! ^ z[256 + ((crc >>> 8) & 255)]! ^ z[512 + ((crc >>> 16) & 255)]! ^ z[768 + (crc >>> 24)]!;
      i = stop;
      continue;
    }
    for (; i + 8 <= stop; i += 8) {
      const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
      crc =
        t[1792 + (low & 255)]! ^
        t[1536 + ((low >>> 8) & 255)]! ^
        t[1280 + ((low >>> 16) & 255)]! ^
        t[1024 + (low >>> 24)]! ^
        t[768 + bytes[i + 4]!]! ^
        t[512 + bytes[i + 5]!]! ^
        t[256 + bytes[i + 6]!]! ^
        t[bytes[i + 7]!]!;
    }
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!;
  return ~crc >>> 0;
}
