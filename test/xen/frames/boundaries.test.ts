/**
 * The last of each kind and the one behind it: pages of a guest, frames of the machine, entries of
 * a list, and blocks.
 */

import { describe, expect, it } from 'vitest';
import { ArgumentError, ARCHS, type Arch, FRAME_NUMBER_BYTES, Mfn, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { MachineMemory } from '../../../src/machine/memory.ts';
import { Reason, restoreDomain, saveDomain, ShutdownReason } from '../../../src/xen/index.ts';
import { BlkifOp, BlkifStatus } from '../../../src/xen/public/index.ts';
import { planMemory } from '../../../src/xen/records/layouts.ts';
import { NO_FRAME, viewP2m } from '../../../src/xen/frames/p2m.ts';
import { saveFileBytes } from '../../../src/xen/save/format.ts';
import { bootMachine, LEAST_PAGES, restartGuest, startGuest, suspends, TestDisk } from '../../support/machine.ts';

describe('the last page of a guest, and the one behind it', () => {
  const machine = bootMachine();
  const guest = startGuest(machine);
  const { memory } = guest.domain.environment;
  const last = LEAST_PAGES - 1;

  it('the page behind the last one of a guest is closed to loads and stores', () => {
    const word = memory.readU32(Pfn(last - 1), PAGE_SIZE - 4);
    memory.writeU32(Pfn(last - 1), PAGE_SIZE - 4, word + 1);
    expect(memory.readU32(Pfn(last - 1), PAGE_SIZE - 4)).toBe(word + 1);
    expect(memory.readU8(Pfn(last), PAGE_SIZE - 1)).toBe(0);
    for (const pfn of [last + 1, -1, 0xffff_ffff]) {
      expect(() => memory.readU8(Pfn(pfn), 0)).toThrow();
      expect(() => memory.writeU32(Pfn(pfn), 0, 1)).toThrow();
      expect(() => memory.copyIn(Pfn(pfn), 0, new Uint8Array(4), 0, 4)).toThrow();
      expect(() => memory.copyOut(Pfn(pfn), 0, new Uint8Array(4), 0, 4)).toThrow();
      expect(() => memory.zero(Pfn(pfn), 0, 4)).toThrow();
    }
  });

  it('the page behind the last one of a guest is closed to the cache-mapping table', () => {
    expect(guest.insert(last, 12, 1)).toBe(Reason.ok);
    expect(guest.tellRecency(last, 5)).toBe(Reason.ok);
    expect(guest.dirty(last, 3)).toBe(Reason.ok);
    expect(guest.erase(last)).toBe(Reason.ok);
    for (const pfn of [last + 1, 0xffff_ffff]) {
      const results = [
        guest.insert(pfn, 12, 2),
        guest.tellRecency(pfn, 5),
        guest.dirty(pfn, 3),
        guest.erase(pfn),
        guest.release(pfn),
      ];
      expect(results.includes(Reason.ok)).toBe(false);
    }
    machine.toolstack.list.checkInvariants();
  });

  it('the page behind the last one of a guest is closed to the back-end, in a grant', () => {
    const ask = (pfn: number): number | undefined => {
      const id = guest.request(BlkifOp.read, 8, [{ pfn }]);
      machine.simulation.run();
      return guest.responses.get(id);
    };
    expect(ask(last - 1)).toBe(BlkifStatus.ok);
    for (const pfn of [last + 1, last + 2, 0xffff_ffff]) expect(ask(pfn)).toBe(BlkifStatus.error);
    machine.toolstack.list.checkInvariants();
  });

  it('the last page that was kept is found by a claim, with the sector at the end of the device', () => {
    const own = bootMachine();
    const before = startGuest(own);
    const pfn = LEAST_PAGES - 2;
    before.read(pfn, 63);
    own.simulation.run();
    before.insert(pfn, 12, 0xffff_ffff);
    const next = restartGuest(own, before);
    expect(next.claim(12, 0xffff_ffff, 63)).toEqual({ result: Reason.ok, pfn });
    expect(next.page(pfn)).toEqual(own.disk.block(63));
  });
});

describe.each(ARCHS)('on %s, a P2M list', (arch: Arch) => {
  const FRAMES = 2048;
  const map = planMemory(FRAMES, arch)!;
  const LENGTH = 1030;
  const { firstDomainMfn: low, frameCount: end } = map;
  const bytes = FRAME_NUMBER_BYTES[arch];

  it.each([0, 1, LENGTH - 2, LENGTH - 1])(
    'a P2M list has entry %i looked at, up to the last frame and down to the first',
    (pfn) => {
      const memory = new MachineMemory(FRAMES * PAGE_SIZE);
      const list = viewP2m(memory, map, map.p2mMfn, LENGTH)!;
      for (const [mfn, stray] of [
        [low, undefined],
        [low - 1, low - 1],
        [0, 0],
        [end - 1, undefined],
        [end, end],
        [NO_FRAME - 1, NO_FRAME - 1],
        [NO_FRAME, undefined],
      ] as const) {
        list.setAll(new Uint32Array(LENGTH).fill(low));
        list.set(pfn, mfn);
        expect([mfn, list.stray(low, end)]).toEqual([mfn, stray]);
        const place = pfn * bytes;
        expect(memory.readU32(Mfn(map.p2mMfn + Math.floor(place / PAGE_SIZE)), place % PAGE_SIZE)).toBe(mfn);
      }
      if (bytes === 4) return;
      // The upper half is looked at, too.
      list.setAll(new Uint32Array(LENGTH).fill(low));
      list.words[2 * pfn + 1] = 1;
      expect(list.stray(low, end)).toBe(2 ** 32 + low);
    },
  );

  it('a P2M list lies in the memory of the lists from its first entry to its last', () => {
    const memory = new MachineMemory(FRAMES * PAGE_SIZE);
    const perFrame = PAGE_SIZE / bytes;
    const all = map.p2mFrames * perFrame;
    const has = (first: number, pages: number): boolean => viewP2m(memory, map, Mfn(first), pages) !== undefined;
    const last = map.p2mMfn + map.p2mFrames - 1;
    expect([has(map.p2mMfn, all), has(map.p2mMfn, all + 1)]).toEqual([true, false]);
    expect([has(last, perFrame), has(last, perFrame + 1), has(last + 1, 1)]).toEqual([true, false, false]);
    expect([has(map.p2mMfn, 1), has(map.p2mMfn, 0), has(map.p2mMfn - 1, 1)]).toEqual([true, false, false]);
  });
});

describe('the frames of the machine', () => {
  it('the frames of the machine go to domains up to the last, and the page that is one too many is refused', () => {
    const machine = bootMachine();
    const { allocator, map } = machine.hypervisor;
    const room = allocator.freeCount;
    expect(room).toBe(map.frameCount - map.firstDomainMfn);
    expect(() => startGuest(machine, 'too large', room + 1)).toThrow();
    expect(allocator.freeCount).toBe(room);
    const guest = startGuest(machine, 'all of it', room);
    expect(allocator.freeCount).toBe(0);
    const frames = new Set(Array.from({ length: room }, (_, pfn) => guest.domain.frameOf(Pfn(pfn))));
    expect([frames.size, Math.min(...frames), Math.max(...frames)]).toEqual([
      room,
      map.firstDomainMfn,
      map.frameCount - 1,
    ]);
    // The page in the last frame is written to, kept over a restart, and found.
    const pfn = Array.from({ length: room }, (_, n) => n).find(
      (n) => guest.domain.frameOf(Pfn(n)) === map.frameCount - 1,
    )!;
    expect(pfn).toBeLessThan(room - 1);
    if (pfn >= 9) {
      guest.read(pfn, 5);
      machine.simulation.run();
      guest.insert(pfn, 12, 5);
      const next = restartGuest(machine, guest);
      expect(next.claim(12, 5, 5)).toEqual({ result: Reason.ok, pfn });
      expect(next.domain.frameOf(Pfn(pfn))).toBe(map.frameCount - 1);
    }
    machine.toolstack.list.checkInvariants();
  });

  it('the frames of the machine are a guest with the least memory, and not with a page less', () => {
    const machine = bootMachine();
    expect(() => startGuest(machine, 'small', LEAST_PAGES - 1)).toThrow(ArgumentError);
    expect(startGuest(machine, 'least', LEAST_PAGES).domain.nrPages).toBe(LEAST_PAGES);
  });
});

describe('the last block of a device', () => {
  it('the last block of a device takes a dirty page, and the one behind it does not', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const { memory } = guest.domain.environment;
    [62, 63, 64, 0xffff_ffff].forEach((block, i) => {
      memory.writeU32(Pfn(100 + i), 0, 7000 + i);
      guest.dirty(100 + i, block);
    });
    guest.domain.environment.hypercalls.shutdown(ShutdownReason.crash);
    const next = restartGuest(machine, guest, { writeDirty: true });
    expect(next.domain.stats.dirty).toMatchObject({ written: 2, lost: { ioError: 2 } });
    expect([62, 63].map((block) => Buffer.from(machine.disk.block(block)).readUInt32LE(0))).toEqual([7000, 7001]);
  });
});

describe.each(ARCHS)('on %s, a save file', (arch: Arch) => {
  function savedTo(blocks: number) {
    const machine = bootMachine(1, { arch });
    const guest = startGuest(machine);
    suspends(guest);
    const file = new TestDisk(machine.simulation, machine.memory, blocks);
    let last = -1;
    file.onFrame = (_, __, { sector, segments }) => {
      last = Math.max(last, sector / 8 + segments.length - 1);
    };
    const outcome = machine.simulation.runProcess(
      'save',
      saveDomain(machine, guest.domain, { device: machine.disk, cmdLine: '' }, file),
    );
    return { machine, file, outcome, last };
  }

  it('a save file needs as many blocks as are set aside for it, and is refused, unwritten, where there is one less', () => {
    // Sooner than it is known how many it takes: while it is written its guest stands still.
    const blocks = saveFileBytes(LEAST_PAGES * PAGE_SIZE, arch) / PAGE_SIZE;
    const { outcome, last, machine, file } = savedTo(blocks);
    expect(outcome).toHaveProperty('value.bytes', (last + 1) * PAGE_SIZE);
    expect(last).toBeLessThan(blocks);
    expect(last).toBeGreaterThan(LEAST_PAGES);
    const restored = machine.simulation.runProcess(
      'restore',
      restoreDomain(machine, file, { device: machine.disk, vouch: false }),
    );
    expect(restored).toHaveProperty('value.domain');
    const short = savedTo(blocks - 1);
    expect(short.outcome).toHaveProperty('reason.why', 'the file is too small');
    expect(short.last).toBe(-1);
    short.machine.toolstack.list.checkInvariants();
  });
});
