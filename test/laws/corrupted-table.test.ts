/**
 * The cache-mapping table between two guests, damaged: bytes flipped, ranges overwritten or cut.
 * Whatever the damage, the new guest boots, starts cold or partly cold with counted reasons, and
 * never reads or reuses a wrong byte.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHS, FRAME_NUMBER_BYTES, Mfn, PAGE_SIZE } from '../../src/base/index.ts';
import type { Testbed } from '../../src/experiment/host/testbed.ts';
import { property } from '../support/property.ts';
import { diskOf, runSmall, smallImage } from '../support/small-disk.ts';

const disk = diskOf(smallImage());
const untouched = runSmall(disk, 'warm-cache+metadata').result.pages;

/** The places of the hypervisor's tables, as ranges of bytes. */
function regions({
  hypervisor,
}: Testbed): Record<'root' | 'records' | 'domains' | 'p2m', [start: number, bytes: number]> {
  const { map } = hypervisor;
  const at = (mfn: number): number => mfn * PAGE_SIZE;
  return {
    root: [0, 256],
    // Only frames of domains: damage to the hypervisor's own hurts no guest.
    records: [at(map.tableMfn) + map.firstDomainMfn * 32, (map.frameCount - map.firstDomainMfn) * 32],
    domains: [at(map.domainTableMfn), 1024],
    p2m: [at(map.p2mMfn), (FRAME_NUMBER_BYTES[map.arch] * (12 << 20)) / PAGE_SIZE],
  };
}

function change({ hypervisor }: Testbed, address: number, value: (old: number) => number): void {
  const mfn = Mfn(Math.floor(address / PAGE_SIZE));
  const { memory } = hypervisor;
  memory.writeU8(mfn, address % PAGE_SIZE, value(memory.readU8(mfn, address % PAGE_SIZE)) & 255);
}

const damage = fc.record({
  region: fc.constantFrom('root' as const, 'records' as const, 'domains' as const, 'p2m' as const),
  place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  kind: fc.oneof(
    fc.record({ flip: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ overwrite: fc.uint8Array({ minLength: 1, maxLength: 64 }) }),
    fc.record({ cut: fc.integer({ min: 1, max: 20_000 }) }),
  ),
});

function inflict(
  testbed: Testbed,
  { region, place, kind }: typeof damage extends fc.Arbitrary<infer T> ? T : never,
): void {
  const [start, bytes] = regions(testbed)[region];
  const first = start + Math.floor(place * bytes);
  const length = 'flip' in kind ? 1 : 'overwrite' in kind ? kind.overwrite.length : kind.cut;
  for (let i = 0; i < length && first + i < start + bytes; i++)
    change(testbed, first + i, (old) =>
      'flip' in kind ? old ^ kind.flip : 'overwrite' in kind ? kind.overwrite[i]! : 0,
    );
}

describe('a damaged table', () => {
  it('a damaged table is not what keeps the undamaged one from working', () => {
    expect(untouched.reused).toBeGreaterThan(300);
    expect(untouched.reused).toBe(untouched.preserved);
  });

  property(
    'a damaged table is a cold or partly cold start with reasons, never a wrong page',
    fc.array(damage, { minLength: 1, maxLength: 3 }),
    fc.boolean(),
    fc.constantFrom(...ARCHS),
    (damages, crash, arch) => {
      const { result, mismatches } = runSmall(disk, 'warm-cache+metadata', { crash, arch }, (testbed) => {
        for (const one of damages) inflict(testbed, one);
      });
      expect(mismatches).toEqual([]);
      const { preserved, reused, refused } = result.pages;
      expect(reused).toBeLessThanOrEqual(preserved);
      // What is missing against an undamaged table has been counted under a reason.
      const reasons = Object.values(refused).reduce((sum, count) => sum + count, 0);
      if (!crash && preserved < untouched.preserved) expect(reasons).toBeGreaterThan(0);
    },
    { numRuns: 8, lawRuns: 60 },
  );

  it.each([
    ['root', 'badTable'],
    ['domains', 'badTable'],
    ['p2m', 'badP2m'],
  ] as const)('a damaged table with a flipped byte in %s starts cold: %s', (region, reason) => {
    const { result, mismatches } = runSmall(disk, 'warm-cache+metadata', {}, (testbed) => {
      const [start] = regions(testbed)[region];
      // The first domain record is domain 1's slot: flip in every slot.
      for (let at = start; at < start + 1024; at += region === 'domains' ? 64 : 1024)
        change(testbed, at + 9, (old) => old ^ 4);
    });
    expect(mismatches).toEqual([]);
    expect(result.pages.reused).toBe(0);
    expect(result.pages.refused[reason]).toBeGreaterThan(0);
  });
});
