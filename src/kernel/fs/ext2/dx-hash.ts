/**
 * Hashes of names, by which a directory with an index is ordered (fs/ext3/hash.c of 2.6.12).
 *
 * Three of them: the oldest one (legacy), MD4 with three rounds of eight steps (half MD4), and a
 * cipher as a hash (TEA). A byte of a name is a signed number, as on x86, unless the superblock
 * says that it is not.
 */

import { EXT2_HASH, type DirectoryHash } from '../../../format/ext2.ts';

/** Where MD4 begins, for a file system without a seed. */
const MD4_BEGIN = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476] as const;
/** Added in the second and in the third round of MD4. */
const MD4_SECOND = 0x5a82_7999;
const MD4_THIRD = 0x6ed9_eba1;
/**
 * Words of a name in the order in which the rounds take them, and by how many bits the steps
 * rotate, over and over.
 */
const MD4_ROUNDS = [
  { order: [0, 1, 2, 3, 4, 5, 6, 7], rotations: [3, 7, 11, 19], constant: 0 },
  { order: [1, 3, 5, 7, 0, 2, 4, 6], rotations: [3, 5, 9, 13], constant: MD4_SECOND },
  { order: [3, 7, 2, 6, 1, 5, 0, 4], rotations: [3, 9, 11, 15], constant: MD4_THIRD },
] as const;
const TEA_DELTA = 0x9e37_79b9;
const TEA_ROUNDS = 16;
/** Beyond the hash of any name: a reader of the directory is at its end. */
const END = 0xffff_fffe;

/** Whether an index may say that its names are hashed so. */
export function isHashVersion(version: number): boolean {
  return version <= EXT2_HASH.tea;
}

/**
 * The hash of a name: 32 bits, the lowest of which is 0.
 * @param version of the index, for which `isHashVersion` holds
 */
export function hashName(name: Uint8Array, version: number, { seed, isUnsigned }: DirectoryHash): number {
  const bytes = isUnsigned ? name : new Int8Array(name.buffer, name.byteOffset, name.length);
  const hash = (version === EXT2_HASH.legacy ? legacy(bytes) : mixed(bytes, version, seed)) & ~1;
  return hash >>> 0 === END ? END - 2 : hash >>> 0;
}

type NameBytes = Uint8Array | Int8Array;

function legacy(bytes: NameBytes): number {
  let last = 0x12a3_fe2d;
  let before = 0x37ab_e8f9;
  for (const byte of bytes) {
    let next = (before + (last ^ Math.imul(byte, 7_152_373))) | 0;
    if (next < 0) next = (next - 0x7fff_ffff) | 0;
    before = last;
    last = next;
  }
  return last << 1;
}

function mixed(bytes: NameBytes, version: number, seed: readonly number[]): number {
  const state = Int32Array.from(seed.some((word) => word !== 0) ? seed : MD4_BEGIN);
  const isTea = version === EXT2_HASH.tea;
  const words = new Int32Array(isTea ? 4 : 8);
  for (let at = 0; at < bytes.length; at += 4 * words.length) {
    takeWords(bytes, at, words);
    if (isTea) mixByTea(state, words);
    else mixByMd4(state, words);
  }
  return isTea ? state[0]! : state[1]!;
}

/**
 * Bytes of the name from `at` on as words, the first byte of each word highest; where the name has
 * ended, its length four times.
 */
function takeWords(bytes: NameBytes, at: number, words: Int32Array): void {
  const left = bytes.length - at;
  const padding = Math.imul(left, 0x0101_0101);
  words.fill(padding);
  for (let i = 0; i < 4 * words.length && i < left; i++) {
    const before = i % 4 === 0 ? padding : words[i >>> 2]!;
    words[i >>> 2] = bytes[at + i]! + (before << 8);
  }
}

function mixByMd4(state: Int32Array, words: Int32Array): void {
  let [a, b, c, d] = [state[0]!, state[1]!, state[2]!, state[3]!];
  for (const [round, { order, rotations, constant }] of MD4_ROUNDS.entries()) {
    for (const [step, word] of order.entries()) {
      const chosen = round === 0 ? d ^ (b & (c ^ d)) : round === 1 ? ((b & c) + ((b ^ c) & d)) | 0 : b ^ c ^ d;
      const sum = (a + chosen + words[word]! + constant) | 0;
      const by = rotations[step % 4]!;
      [a, b, c, d] = [d, (sum << by) | (sum >>> (32 - by)), b, c];
    }
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}

function mixByTea(state: Int32Array, words: Int32Array): void {
  let x = state[0]!;
  let y = state[1]!;
  for (let round = 1; round <= TEA_ROUNDS; round++) {
    const sum = Math.imul(TEA_DELTA, round);
    x = (x + (((y << 4) + words[0]!) ^ (y + sum) ^ ((y >>> 5) + words[1]!))) | 0;
    y = (y + (((x << 4) + words[2]!) ^ (x + sum) ^ ((x >>> 5) + words[3]!))) | 0;
  }
  state[0]! += x;
  state[1]! += y;
}
