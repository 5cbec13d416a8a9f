import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHS, DomId, PAGE_SIZE } from '../../../src/base/index.ts';
import { crc32c } from '../../../src/base/crc32c.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import {
  consumeHandover,
  eraseHandover,
  type HandoverEntry,
  writeHandover,
} from '../../../src/xen/records/handover.ts';
import { DOMAIN_SLOTS, HANDOVER, planMemory } from '../../../src/xen/records/layouts.ts';
import { property } from '../../support/property.ts';

const FRAMES = 2048;
const map = planMemory(FRAMES, 'x86_64')!;
const maps = ARCHS.map((arch) => planMemory(FRAMES, arch)!);
const ENTRIES: readonly HandoverEntry[] = [
  { domid: DomId(1), suspended: true, recordChecksum: 0x11223344 },
  { domid: DomId(7), suspended: false, recordChecksum: 0xaabbccdd },
];

function written(entries = ENTRIES, at = map): MachineMemory {
  const memory = new MachineMemory(FRAMES * PAGE_SIZE);
  writeHandover(memory, at, entries);
  return memory;
}

/** Stores words and a checksum that fits them. */
function forged(words: readonly (readonly [at: number, word: number])[]): MachineMemory {
  const memory = written();
  for (const [at, word] of words) memory.writeU32(map.handoverMfn, at, word);
  const end = HANDOVER.size - 4;
  memory.writeU32(map.handoverMfn, end, crc32c(memory.frame(map.handoverMfn), 0, end));
  return memory;
}

describe('handover record', () => {
  it('handover record has the bytes of the reference page', () => {
    const bytes = Buffer.from(written().frame(map.handoverMfn).subarray(0, HANDOVER.size)).toString('hex');
    const head = '737768616e6431000100000000040000000000000200000001000100443322110700000' + '0ddccbbaa';
    expect(bytes).toBe(`${head}${'00'.repeat(HANDOVER.size - head.length / 2 - 4)}750b90cf`);
  });

  it('handover record is consumed once, and is nothing when erased', () => {
    const memory = written();
    expect(consumeHandover(memory, map)).toEqual({ ok: true, value: ENTRIES });
    expect(consumeHandover(memory, map)).toHaveProperty('reason');
    eraseHandover(memory, map);
    expect(consumeHandover(memory, map)).toEqual({ ok: false, reason: 'none' });
  });

  property(
    'a handover record with any byte changed is a problem, and is consumed all the same',
    fc.constantFrom(...maps),
    fc.nat(HANDOVER.size - 1),
    fc.integer({ min: 1, max: 255 }),
    (map, at, flip) => {
      const memory = written(ENTRIES, map);
      memory.writeU8(map.handoverMfn, at, memory.readU8(map.handoverMfn, at) ^ flip);
      expect(consumeHandover(memory, map)).toHaveProperty('reason');
      // Putting it right does not make it new.
      memory.writeU8(map.handoverMfn, at, memory.readU8(map.handoverMfn, at) ^ flip);
      expect(consumeHandover(memory, map)).toHaveProperty('reason');
    },
  );

  property(
    'a handover record of any bytes with a good checksum is a list of domains or a problem',
    fc.array(fc.tuple(fc.nat((HANDOVER.size - 8) / 4 - 1), fc.nat(0xffff_ffff)), { maxLength: 8 }),
    (words) => {
      const found = consumeHandover(forged(words.map(([word, value]) => [4 * word, value] as const)), map);
      if (!found.ok) return;
      expect(new Set(found.value.map(({ domid }) => domid)).size).toBe(found.value.length);
      for (const { domid } of found.value) expect(domid >= 1 && domid < DOMAIN_SLOTS).toBe(true);
    },
  );

  it('handover record of another version, of too many domains, of one twice, or of none that can be is a problem', () => {
    const { version, count, entries } = HANDOVER.offset;
    const problems = [
      [version, 2] as const,
      [count, DOMAIN_SLOTS + 1] as const,
      [entries + 8, 0x1_0001] as const,
      [entries, DOMAIN_SLOTS] as const,
    ].map((word) => consumeHandover(forged([word]), map));
    expect(problems).toEqual([
      { ok: false, reason: 'unknown version' },
      { ok: false, reason: 'too many domains' },
      { ok: false, reason: 'a domain twice' },
      { ok: false, reason: 'no such domain' },
    ]);
  });
});
