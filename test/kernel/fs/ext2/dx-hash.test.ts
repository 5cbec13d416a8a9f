// Hashes of names. The expected ones are those of `debugfs -R 'dx_hash -h VERSION -s SEED NAME'`.
import { describe, expect, it } from 'vitest';
import { EXT2_HASH, type DirectoryHash } from '../../../../src/format/ext2.ts';
import { hashName, isHashVersion } from '../../../../src/kernel/fs/ext2/dx-hash.ts';

const { legacy, halfMd4, tea } = EXT2_HASH;
const WITHOUT: DirectoryHash = { seed: [0, 0, 0, 0], version: 0, isUnsigned: false };
/** UUID fedcba98-7654-3210-0123-456789abcdef, as words. */
const SEEDED: DirectoryHash = { ...WITHOUT, seed: [0x98badcfe, 0x10325476, 0x67452301, 0xefcdab89] };
const HALF = '0123456789abcde';

describe('the hash of a name', () => {
  // Without a seed, and with one.
  it.each([
    [legacy, 'a', 0xe74b53e2, 0xe74b53e2],
    [legacy, 'ab', 0xda0d8cd0, 0xda0d8cd0],
    [legacy, 'abcd', 0xfafa23ca, 0xfafa23ca],
    [legacy, HALF, 0xe3a73290, 0xe3a73290],
    [legacy, `${HALF}_${HALF}_0`, 0x705e46e2, 0x705e46e2],
    [legacy, 'é', 0x11083c86, 0x11083c86],
    [halfMd4, 'a', 0xd5fa7d7a, 0xc8c2ad3e],
    [halfMd4, 'ab', 0xee5ef564, 0x11f0effc],
    [halfMd4, 'abcd', 0xad7557a8, 0x2acf69a],
    [halfMd4, HALF, 0x3a73e9ca, 0xb78644d8],
    [halfMd4, `${HALF}f`, 0x8cb502b6, 0xf9bb7188],
    [halfMd4, `${HALF}_${HALF}`, 0x9b388c7e, 0xc674f54a],
    [halfMd4, `${HALF}_${HALF}_`, 0x7fe633ec, 0xe7ad49ba],
    [halfMd4, `${HALF}_${HALF}_0`, 0x9246d818, 0x13115bf8],
    [halfMd4, 'é', 0x89d4704e, 0x998de0fa],
    [tea, 'a', 0x6d0ea4c0, 0xc5be6c94],
    [tea, 'ab', 0xd27d8658, 0x5bb401c],
    [tea, 'abcd', 0x5a24112e, 0xd86298a],
    [tea, HALF, 0xdc363310, 0xc55f5dc4],
    [tea, `${HALF}f`, 0x5a0788b2, 0x6eb882ac],
    [tea, `${HALF}_${HALF}`, 0x6be6c4e6, 0xdc820f10],
    [tea, `${HALF}_${HALF}_`, 0x84e399f8, 0x46cb30b0],
    [tea, `${HALF}_${HALF}_0`, 0xb18dfccc, 0x42f13b2],
    [tea, 'é', 0x591e9bd6, 0x140541ec],
  ])('the hash of a name by version %i: that of %s is 0x%x', (version, name, without, seeded) => {
    const bytes = new TextEncoder().encode(name);
    expect([WITHOUT, SEEDED].map((hash) => hashName(bytes, version, hash))).toEqual([without, seeded]);
    // Bytes of ASCII are the same number with a sign and without.
    const unsigned = hashName(bytes, version, { ...WITHOUT, isUnsigned: true });
    expect(unsigned === without).toBe(bytes.length === name.length);
  });

  it('the hash of a name needs one word of the seed that is not 0', () => {
    const bytes = Uint8Array.of(0x61);
    const seeds = [0, 1, 2, 3].map((n) => [0, 1, 2, 3].map((i) => (i === n ? 5 : 0)));
    const hashes = seeds.map((seed) => hashName(bytes, halfMd4, { ...WITHOUT, seed }));
    expect(new Set([...hashes, 0xd5fa7d7a]).size).toBe(5);
  });

  it('the hash of a name is that of the bytes of a view, wherever they lie', () => {
    const bytes = new TextEncoder().encode(`__${HALF}__`);
    expect(hashName(bytes.subarray(2, 2 + HALF.length), tea, WITHOUT)).toBe(0xdc363310);
  });

  it('the hash of a name is by one of three versions', () => {
    expect([0, 1, 2, 3, 4, 255].map(isHashVersion)).toEqual([true, true, true, false, false, false]);
  });
});
