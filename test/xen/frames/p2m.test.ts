// P2M lists: what an entry is in memory, and what a guest's memory makes of it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHS, err, FRAME_NUMBER_BYTES, Mfn, ok, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { CpuClock, Simulation } from '../../../src/sim/index.ts';
import { DeviceTable } from '../../../src/xen/records/devices.ts';
import { DomainMemory } from '../../../src/xen/frames/domain-memory.ts';
import { FrameTable } from '../../../src/xen/frames/frame-table.ts';
import { planMemory } from '../../../src/xen/records/layouts.ts';
import { NO_FRAME, P2mLists, viewP2m } from '../../../src/xen/frames/p2m.ts';
import { DEFAULT_PROTECTIONS } from '../../../src/xen/protections.ts';
import { property } from '../../support/property.ts';

const FRAMES = 2048;
const PAGES = 1100;

function listOf(arch: (typeof ARCHS)[number]) {
  const memory = new MachineMemory(FRAMES * PAGE_SIZE);
  const map = planMemory(FRAMES, arch)!;
  const lists = new P2mLists(memory, map);
  lists.allocate(5);
  const room = lists.allocate(PAGES);
  if (!room.ok) throw new Error(room.reason);
  const first = room.value;
  return { memory, map, lists, first, list: lists.view(first, PAGES)! };
}

describe('a P2M list', () => {
  property(
    'a P2M list has little-endian entries of 8 bytes on x86_64 and 4 on x86_32, all ones where there is no frame',
    fc.constantFrom(...ARCHS),
    fc.array(fc.tuple(fc.nat(PAGES - 1), fc.oneof(fc.integer({ min: 400, max: FRAMES - 1 }), fc.constant(NO_FRAME))), {
      maxLength: 60,
    }),
    (arch, stores) => {
      const { memory, map, first, list } = listOf(arch);
      const expected = new Array<number>(PAGES).fill(NO_FRAME);
      list.clear();
      list.setAll(Uint32Array.from(expected.slice(0, 100).fill(7)));
      expected.fill(7, 0, 100);
      for (const [pfn, mfn] of stores) {
        list.set(pfn, mfn);
        expected[pfn] = mfn;
      }
      expect(list.length).toBe(PAGES);
      expect([...list.frames()]).toEqual(expected);
      expect(list.holes).toBe(expected.filter((mfn) => mfn === NO_FRAME).length);
      expect(list.stray(0, FRAMES)).toBeUndefined();
      const each = FRAME_NUMBER_BYTES[arch];
      const bytes = new DataView(memory.bytes(first, Math.ceil((PAGES * each) / PAGE_SIZE)).slice().buffer);
      for (const [pfn, mfn] of expected.entries()) {
        const value = each === 8 ? bytes.getBigUint64(8 * pfn, true) : BigInt(bytes.getUint32(4 * pfn, true));
        expect(value).toBe(mfn === NO_FRAME ? 2n ** BigInt(8 * each) - 1n : BigInt(mfn));
        expect(list.at(pfn)).toBe(mfn);
      }
      for (const none of [-1, PAGES, 2 ** 31, 2 ** 32 - 1]) expect(list.at(none)).toBe(NO_FRAME);
      const again = viewP2m(memory, map, first, PAGES)!;
      expect([again.crc, again.overlaps(list)]).toEqual([list.crc, true]);
    },
    { numRuns: 16, lawRuns: 40 },
  );

  it.each(ARCHS)('a P2M list of %s is what the guest reads and stores through', (arch) => {
    const { memory, map, list } = listOf(arch);
    const simulation = new Simulation(1);
    const frames = new FrameTable(
      memory,
      map,
      DEFAULT_PROTECTIONS,
      new DeviceTable(DEFAULT_PROTECTIONS, []),
      undefined,
    );
    for (let pfn = 0; pfn < PAGES; pfn++) list.set(pfn, FRAMES - 1 - pfn);
    const costs = { trapNs: 0, windowNs: 0, sealNs: 0 };
    const { words, stride } = list;
    const place = { memory, frames, words, stride, memoryCosts: costs };
    const guest = new DomainMemory({ place, log: undefined }, PAGES, new CpuClock(simulation));
    expect(guest.nrPages).toBe(PAGES);
    for (const pfn of [0, 1, 2, 511, 512, PAGES - 1]) {
      guest.writeU32(Pfn(pfn), 8, pfn + 1);
      expect(memory.readU32(Mfn(FRAMES - 1 - pfn), 8)).toBe(pfn + 1);
      expect(guest.readU32(Pfn(pfn), 8)).toBe(pfn + 1);
    }
    for (const none of [PAGES, 2 ** 30, 2 ** 31, 2 ** 32 - 1])
      expect(() => guest.readU8(Pfn(none), 0)).toThrow(`access to page ${none}, which the domain does not have`);
  });

  it.each(ARCHS)('a P2M list of %s has room as long as the lists’ memory has', (arch) => {
    const { lists, map, first } = listOf(arch);
    expect(lists.capacity(first)).toBe(arch === 'x86_64' ? 1536 : 2048);
    const most = (map.p2mFrames * PAGE_SIZE) / FRAME_NUMBER_BYTES[arch];
    expect(lists.allocate(most)).toEqual(err(`ENOMEM: no room for a P2M list of ${most} pages`));
    lists.release(first);
    expect(lists.allocate(PAGES)).toEqual(ok(first));
  });

  it.each(ARCHS)('a P2M list of %s stays when the room around the lists is cleared, and nothing else does', (arch) => {
    const { memory, map, lists, first } = listOf(arch);
    const last = map.p2mMfn + map.p2mFrames - 1;
    const gap = lists.allocate(5);
    if (!gap.ok) throw new Error(gap.reason);
    lists.adopt(Mfn(last - 1), 5);
    lists.release(gap.value);
    const room = Array.from({ length: map.p2mFrames }, (_, i) => Mfn(map.p2mMfn + i));
    for (const mfn of [...room, Mfn(last + 1)]) memory.writeU32(mfn, 0, 7);
    lists.clearRest();
    const frames = Math.ceil((PAGES * FRAME_NUMBER_BYTES[arch]) / PAGE_SIZE);
    const kept = room.filter((mfn) => memory.readU32(mfn, 0) !== 0);
    expect(kept).toEqual([map.p2mMfn, ...Array.from({ length: frames }, (_, i) => first + i), last - 1]);
    expect(memory.readU32(Mfn(last + 1), 0)).toBe(7);
  });
});
