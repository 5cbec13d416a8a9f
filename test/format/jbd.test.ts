// The journal's blocks byte by byte: golden fixtures, what is written read back, and garbage that
// no parser minds.
import { err, ok } from '../../src/base/result.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/base/index.ts';
import {
  checkJbdSuperblock,
  descriptorTags,
  JBD_BLOCK,
  JBD_INCOMPAT_REVOKE,
  JBD_MIN_BLOCKS,
  JBD_REVOKES_PER_BLOCK,
  JBD_SUPERBLOCK,
  JBD_TAGS_PER_BLOCK,
  jbdBlockType,
  jbdWords,
  putCommit,
  putDescriptor,
  putJbdSuperblock,
  putRevokes,
  revokedBlocks,
} from '../../src/format/jbd.ts';
import { property } from '../support/property.ts';

const u32 = fc.nat(0xffff_ffff);
const block = (): Uint8Array => new Uint8Array(PAGE_SIZE).fill(0xa5);
const UUID = Uint8Array.from({ length: 16 }, (_, i) => 0x10 + i);

/** The bytes up to the last that is not zero. */
function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/(00)*$/, '');
}

describe('golden bytes', () => {
  it('a superblock of the journal has its golden bytes', () => {
    const bytes = block();
    putJbdSuperblock(bytes, 1024);
    const header = 'c03b39980000000400000000';
    const geometry = '00001000' + '00000400' + '00000001' + '00000001' + '00000000';
    expect(hex(bytes)).toBe(`${header}${geometry}${'00'.repeat(32)}00000001`);
  });

  it('a descriptor block has its golden bytes: the first tag is followed by the id, the last is marked, a block may be escaped', () => {
    const bytes = block();
    putDescriptor(bytes, 0xfffffffe, UUID, [
      { block: 7, escaped: false },
      { block: 0x12345678, escaped: true },
      { block: 9, escaped: false },
    ]);
    const header = 'c03b399800000001fffffffe';
    const first = '0000000700000000101112131415161718191a1b1c1d1e1f';
    expect(hex(bytes)).toBe(`${header}${first}1234567800000003000000090000000a`);
  });

  it('a revoke block, whose count is in bytes, and a commit block have their golden bytes', () => {
    const bytes = block();
    putRevokes(bytes, 3, [1, 0xabcdef01]);
    expect(hex(bytes)).toBe('c03b399800000005000000030000001800000001abcdef01');
    putCommit(bytes, 0x01020304);
    expect(hex(bytes)).toBe('c03b39980000000201020304');
  });
});

describe('what is written is read back', () => {
  property(
    'the tags of a descriptor block are read back as written',
    u32,
    fc.array(fc.record({ block: u32, escaped: fc.boolean() }), { minLength: 1, maxLength: JBD_TAGS_PER_BLOCK }),
    (sequence, tags) => {
      const bytes = block();
      putDescriptor(bytes, sequence, UUID, tags);
      expect(descriptorTags(bytes)).toEqual(tags);
      expect(jbdBlockType(bytes, sequence)).toBe(JBD_BLOCK.descriptor);
      expect(jbdBlockType(bytes, (sequence + 1) >>> 0)).toBe(0);
    },
    { numRuns: 30 },
  );

  property(
    'the revoked blocks are read back as written',
    u32,
    fc.array(u32, { minLength: 1, maxLength: JBD_REVOKES_PER_BLOCK }),
    (sequence, revoked) => {
      const bytes = block();
      putRevokes(bytes, sequence, revoked);
      expect(revokedBlocks(bytes)).toEqual(revoked);
      expect(jbdBlockType(bytes, sequence)).toBe(JBD_BLOCK.revoke);
    },
    { numRuns: 30 },
  );

  it('full blocks have no room for one tag or revoked block more', () => {
    const bytes = block();
    expect([JBD_TAGS_PER_BLOCK, JBD_REVOKES_PER_BLOCK]).toEqual([508, 1020]);
    const tags = Array.from({ length: JBD_TAGS_PER_BLOCK }, (_, i) => ({ block: i, escaped: false }));
    putDescriptor(bytes, 1, UUID, tags);
    expect(descriptorTags(bytes)).toEqual(tags);
    const revoked = Array.from({ length: JBD_REVOKES_PER_BLOCK }, (_, i) => i);
    putRevokes(bytes, 1, revoked);
    expect(revokedBlocks(bytes)).toEqual(revoked);
  });
});

describe('garbage', () => {
  property(
    'a descriptor or revoke block of noise names no more than fits',
    fc.uint8Array({ maxLength: 64 }),
    (noise) => {
      const bytes = new Uint8Array(PAGE_SIZE);
      for (let at = 0; noise.length > 0 && at < PAGE_SIZE; at += noise.length)
        bytes.set(noise.subarray(0, PAGE_SIZE - at), at);
      expect(descriptorTags(bytes).length).toBeLessThanOrEqual((PAGE_SIZE - 12) / 8);
      expect(revokedBlocks(bytes).length).toBeLessThanOrEqual(JBD_REVOKES_PER_BLOCK);
    },
  );
});

describe('the superblock of a journal', () => {
  const BLOCKS = 2000;
  const AT = JBD_SUPERBLOCK.offset;

  /** What the check says after some words were overwritten. */
  function checkWith(...words: [number, number][]): ReturnType<typeof checkJbdSuperblock> {
    const bytes = block();
    putJbdSuperblock(bytes, BLOCKS);
    for (const [at, value] of words) jbdWords(bytes).setUint32(at, value);
    return checkJbdSuperblock(bytes, BLOCKS);
  }

  it('the superblock of a journal says what a mount must know', () => {
    const words: [number, number][] = [
      [AT.s_sequence, 0xffff_ffff],
      [AT.s_start, 1999],
      [AT.s_errno, 0xffff_fffb],
      [AT.s_feature_incompat, JBD_INCOMPAT_REVOKE],
      [AT.s_feature_compat, 1],
      [AT.s_uuid, 0x01020304],
    ];
    expect(checkWith(...words)).toEqual(
      ok({
        maxLength: BLOCKS,
        first: 1,
        sequence: 0xffff_ffff,
        start: 1999,
        errno: 0xffff_fffb,
        incompat: 1,
        uuid: Uint8Array.from([1, 2, 3, 4, ...new Array<number>(12).fill(0)]),
      }),
    );
  });

  it.each([
    ['no magic', 0, 0xc03b_3999, 'journal: its superblock has no magic'],
    ['version 1', 4, 3, 'journal: its superblock has type 3, not version 2'],
    ['another type', 4, 2, 'journal: its superblock has type 2, not version 2'],
    ['another block size', AT.s_blocksize, 1024, 'journal: s_blocksize is 1024, not 4096'],
    ['too short', AT.s_maxlen, JBD_MIN_BLOCKS - 1, 'journal: s_maxlen is 1023, the journal has 2,000 blocks'],
    ['longer than its file', AT.s_maxlen, 2001, 'journal: s_maxlen is 2001, the journal has 2,000 blocks'],
    ['a ring that begins at its superblock', AT.s_first, 0, 'journal: s_first is 0'],
    ['a ring of nothing', AT.s_first, 1999, 'journal: s_first is 1999'],
    ['a start behind its end', AT.s_start, 2000, 'journal: s_start is 2000'],
    ['an unknown feature', AT.s_feature_incompat, 3, 'journal: incompatible feature 0x2'],
    ['an unknown feature for writers', AT.s_feature_ro_compat, 8, 'journal: s_feature_ro_compat is 8'],
  ])('the superblock of a journal is refused in one line: %s', (_, at, value, refused) => {
    expect(checkWith([at, value])).toEqual(err(refused));
  });

  property(
    'the superblock of a journal with any words is checked without an exception',
    fc.array(fc.tuple(fc.nat(255), u32)),
    (words) => {
      const checked = checkWith(...words.map(([word, value]): [number, number] => [4 * word, value]));
      if (!checked.ok) expect(checked.reason).not.toContain('\n');
      else expect(checked.value.start === 0 || checked.value.start >= checked.value.first).toBe(true);
    },
  );
});
