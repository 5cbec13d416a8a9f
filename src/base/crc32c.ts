/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), slicing by eight. Check value of
 * "123456789": 0xE3069283.
 *
 * The CRC is linear: what a run of zeros makes of the register is four look-ups. Two things follow.
 * Many pages are all zero. A run of zeros is recognised by a comparison, which the host does fast,
 * and taken in one step. Of other long blocks, two lanes that do not wait for each other are taken
 * at once. The register of the first one is then moved over the second one, as over zeros.
 */

import { isZero } from './bytes.ts';

const TABLES = buildTables();

/** Zero bytes that are taken in one step. */
const RUN = 4096;
const OVER_RUN = buildZeroTables(RUN);
/** Bytes of a lane: a multiple of 8. Two of them divide a run. */
const LANE = 512;
const OVER_LANE = buildZeroTables(LANE);

/** What each byte of the register becomes over so many zeros: four tables of 256. */
function buildZeroTables(zeros: number): Uint32Array {
  const tables = new Uint32Array(4 * 256);
  for (let bit = 0; bit < 32; bit++) {
    let register = (1 << bit) >>> 0;
    for (let i = 0; i < zeros; i++) register = ((register >>> 8) ^ TABLES[register & 255]!) >>> 0;
    const table = (bit >>> 3) * 256;
    const value = 1 << (bit & 7);
    for (let rest = 0; rest < value; rest++) tables[table + value + rest] = tables[table + rest]! ^ register;
  }
  return tables;
}

/** The register after the zeros of which `z` is the table. */
const overZeros = (z: Uint32Array, crc: number): number =>
  z[crc & 255]! ^ z[256 + ((crc >>> 8) & 255)]! ^ z[512 + ((crc >>> 16) & 255)]! ^ z[768 + (crc >>> 24)]!;

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

/** The register after eight bytes, as two little-endian words. */
function overWords(crc: number, first: number, second: number): number {
  const t = TABLES;
  const low = crc ^ first;
  return (
    t[1792 + (low & 255)]! ^
    t[1536 + ((low >>> 8) & 255)]! ^
    t[1280 + ((low >>> 16) & 255)]! ^
    t[1024 + (low >>> 24)]! ^
    t[768 + (second & 255)]! ^
    t[512 + ((second >>> 8) & 255)]! ^
    t[256 + ((second >>> 16) & 255)]! ^
    t[second >>> 24]!
  );
}

/** The register after bytes[from, to), whole pairs of lanes. */
function overLanes(bytes: Uint8Array, from: number, to: number, seed: number): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let crc = seed;
  for (let i = from; i < to; ) {
    if (bytes[i] === 0 && i + RUN <= to && isZero(bytes, i, i + RUN)) {
      crc = overZeros(OVER_RUN, crc);
      i += RUN;
      continue;
    }
    let second = 0;
    for (const end = i + LANE; i < end; i += 8) {
      crc = overWords(crc, words.getInt32(i, true), words.getInt32(i + 4, true));
      second = overWords(second, words.getInt32(i + LANE, true), words.getInt32(i + LANE + 4, true));
    }
    crc = overZeros(OVER_LANE, crc) ^ second;
    i += LANE;
  }
  return crc;
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
  if (length >= 2 * LANE) {
    i = end - (length % (2 * LANE));
    crc = overLanes(bytes, offset, i, crc);
  }
  for (; i + 8 <= end; i += 8) {
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
  for (; i < end; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!;
  return ~crc >>> 0;
}
