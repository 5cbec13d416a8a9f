import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ino, Lba, PAGE_SIZE, PageIndex, Pfn } from '../../../src/base/index.ts';
import { type Protections, Reason } from '../../../src/xen/index.ts';
import { BlkifOp, CacheMapBatch } from '../../../src/xen/public/index.ts';
import { bootMachine, cacheBlocks, LEAST_PAGES, restartGuest, startGuest } from '../../support/machine.ts';
import { property } from '../../support/property.ts';

function warm(blocks: readonly number[], protections: Partial<Protections> = {}) {
  const machine = bootMachine(1, { protections });
  const before = startGuest(machine);
  cacheBlocks(machine, before, blocks);
  return { machine, before };
}

describe('claims', () => {
  it('claims hand over what was named and clean: page, bytes, once', () => {
    const { machine, before } = warm([3, 9]);
    const guest = restartGuest(machine, before);
    expect(guest.domain.stats.preserved).toBe(2);
    expect(guest.claim(12, 9, 9)).toEqual({ result: Reason.ok, pfn: 101 });
    expect(guest.page(101)).toEqual(machine.disk.block(9));
    expect(guest.claim(12, 9, 9).result).toBe(Reason.absent);
    expect(guest.claim(12, 3, 3)).toEqual({ result: Reason.ok, pfn: 100 });
    expect(guest.domain.stats.cacheMap).toEqual({
      inserts: 0,
      erases: 0,
      claims: 3,
      reused: 2,
      released: 0,
      dirtied: 0,
    });
    machine.toolstack.list.checkInvariants();
  });

  it('claims go on over many restarts, claimed or not', () => {
    const { machine, before } = warm([3, 9]);
    let guest = restartGuest(machine, before);
    guest.claim(12, 3, 3);
    guest = restartGuest(machine, guest);
    guest = restartGuest(machine, guest);
    expect(guest.claim(12, 3, 3).result).toBe(Reason.ok);
    expect(guest.claim(12, 9, 9).result).toBe(Reason.ok);
  });

  it('claims are absent for what was never named, was erased, or is of another domain', () => {
    const { machine, before } = warm([3, 9]);
    const other = startGuest(machine, 'other');
    before.erase(100);
    const guest = restartGuest(machine, before);
    expect(guest.claim(12, 3, 3).result).toBe(Reason.absent);
    expect(guest.claim(13, 9, 9).result).toBe(Reason.absent);
    expect(other.claim(12, 9, 9).result).toBe(Reason.absent);
    expect(guest.domain.stats.refused.absent).toBe(2);
    expect(guest.claim(12, 9, 9).result).toBe(Reason.ok);
  });

  it('claims refuse another block, and give the page back as an ordinary one', () => {
    const { machine, before } = warm([3]);
    const guest = restartGuest(machine, before);
    expect(guest.claim(12, 3, 4)).toEqual({ result: Reason.staleBlock, pfn: 100 });
    expect(guest.claim(12, 3, 3).result).toBe(Reason.absent);
    expect(guest.domain.stats.refused).toMatchObject({ staleBlock: 1, absent: 1 });
    const mfn = guest.domain.frameOf(Pfn(100));
    expect([machine.hypervisor.frames.isNamed(mfn), machine.hypervisor.frames.isPreserved(mfn)]).toEqual([
      false,
      false,
    ]);
    machine.toolstack.list.checkInvariants();
  });

  it('claims refuse another generation', () => {
    const { machine, before } = warm([3]);
    const guest = restartGuest(machine, before);
    expect(guest.claim(12, 3, 3, 2)).toEqual({ result: Reason.generation, pfn: 100 });
  });

  it('claims find the right generation among two', () => {
    const { machine, before } = warm([3, 4]);
    before.insert(101, 12, 3, 2);
    const guest = restartGuest(machine, before);
    expect(guest.claim(12, 3, 4, 2)).toEqual({ result: Reason.ok, pfn: 101 });
    expect(guest.claim(12, 3, 3, 1)).toEqual({ result: Reason.ok, pfn: 100 });
  });

  it('claims refuse a page whose block was written since', () => {
    const { machine, before } = warm([3]);
    const guest = restartGuest(machine, before);
    guest.write(200, 3);
    machine.simulation.run();
    expect(guest.claim(12, 3, 3)).toEqual({ result: Reason.dirty, pfn: 100 });
  });

  it('claims refuse a page that the new guest has stored to', () => {
    const { machine, before } = warm([3]);
    const guest = restartGuest(machine, before);
    guest.domain.environment.memory.writeU8(Pfn(100), 0, 1);
    expect(guest.claim(12, 3, 3)).toEqual({ result: Reason.dirty, pfn: 100 });
    expect(guest.domain.stats.traps).toBe(1);
  });

  it('claims refuse a page whose bytes changed under the checksum', () => {
    const { machine, before } = warm([3, 4], { checksum: true });
    const mfn = before.domain.frameOf(Pfn(100));
    const betweenGuests = () => machine.memory.writeU8(mfn, 5, machine.memory.readU8(mfn, 5) ^ 1);
    const guest = restartGuest(machine, before, { betweenGuests });
    const claim = (index: number): [result: number, ns: number] => {
      const { ns } = guest.domain.stats.hypercalls;
      const { result } = guest.claim(12, index, index);
      return [result, guest.domain.stats.hypercalls.ns - ns];
    };
    const [refused, reused, absent] = [claim(3), claim(4), claim(3)];
    expect([refused[0], reused[0], absent[0]]).toEqual([Reason.checksum, Reason.ok, Reason.absent]);
    // The checksum is made of a page that is handed out, and of one that it refuses.
    expect(refused[1]).toBe(reused[1]);
    expect(reused[1] - absent[1]).toBeCloseTo(PAGE_SIZE * machine.hypervisor.costs.crcNsPerByte, 6);
    machine.toolstack.list.checkInvariants();
  });
});

property(
  'a batch of claims is answered as the same claims one after the other',
  fc.array(
    fc.record({ index: fc.constantFrom(3, 4, 5), block: fc.constantFrom(3, 4), generation: fc.constantFrom(1, 2) }),
    { minLength: 2, maxLength: 8 },
  ),
  (claims) => {
    const answers = (batchSize: number) => {
      const { machine, before } = warm([3, 4, 9]);
      before.insert(102, 12, 3, 2);
      const guest = restartGuest(machine, before);
      const results: unknown[] = [];
      for (let at = 0; at < claims.length; at += batchSize) {
        const batch = new CacheMapBatch(batchSize);
        for (const { index, block, generation } of claims.slice(at, at + batchSize))
          batch.claim(Ino(12), generation, PageIndex(index), Lba(block));
        guest.domain.environment.hypercalls.cacheMapOp(batch);
        for (let i = 0; i < batch.count; i++) {
          const result = batch.result(i);
          results.push(result === Reason.absent ? { result } : { result, pfn: batch.pfn(i) });
        }
      }
      machine.toolstack.list.checkInvariants();
      const { cacheMap, refused } = guest.domain.stats;
      return { results, cacheMap, refused };
    };
    expect(answers(claims.length)).toEqual(answers(1));
  },
  { numRuns: 16, lawRuns: 40 },
);

describe('release', () => {
  it('release gives a preserved page back, once, and counts it', () => {
    const { machine, before } = warm([3]);
    const guest = restartGuest(machine, before);
    expect(guest.release(100)).toBe(Reason.ok);
    expect(guest.release(100)).toBe(Reason.absent);
    expect(guest.claim(12, 3, 3).result).toBe(Reason.absent);
    expect(guest.domain.stats.refused).toMatchObject({ released: 1 });
    expect(guest.domain.stats.cacheMap.released).toBe(1);
    machine.toolstack.list.checkInvariants();
  });
});

describe('discard', () => {
  it('discard gives back a preserved page that equals the block, and nothing else', () => {
    const { machine, before } = warm([3, 9]);
    const other = startGuest(machine, 'other');
    const guest = restartGuest(machine, before);
    expect(other.discard(3).result).toBe(Reason.absent);
    expect(guest.discard(4).result).toBe(Reason.absent);
    expect(guest.discard(3)).toEqual({ result: Reason.ok, pfn: 100 });
    expect(guest.discard(3).result).toBe(Reason.absent);
    expect(guest.claim(12, 3, 3).result).toBe(Reason.absent);
    // A page that was claimed is the guest's own.
    expect(guest.claim(12, 9, 9)).toEqual({ result: Reason.ok, pfn: 101 });
    expect(guest.discard(9).result).toBe(Reason.absent);
    expect(machine.hypervisor.frames.isNamed(guest.domain.frameOf(Pfn(101)))).toBe(true);
    expect(guest.domain.stats.refused).toMatchObject({ released: 1 });
    machine.toolstack.list.checkInvariants();
  });
});

describe('insert and erase', () => {
  it('insert and erase answer a page that the domain does not have, and go on with the batch', () => {
    const machine = bootMachine();
    const guest = startGuest(machine);
    const batch = new CacheMapBatch(4);
    batch.insert(Pfn(LEAST_PAGES), 12 as never, 1, 0 as never);
    batch.erase(Pfn(0xffff_ffff));
    batch.release(Pfn(LEAST_PAGES));
    batch.insert(Pfn(100), 12 as never, 1, 0 as never);
    const { hypercalls, cpu } = guest.domain.environment;
    const [counted, owed] = [guest.domain.stats.hypercalls, cpu.debt];
    hypercalls.cacheMapOp(batch);
    expect([0, 1, 2, 3].map((i) => batch.result(i))).toEqual([Reason.absent, Reason.absent, Reason.absent, Reason.ok]);
    expect(machine.hypervisor.frames.isNamed(guest.domain.frameOf(Pfn(100)))).toBe(true);
    expect(guest.domain.stats.hypercalls).toEqual({ count: counted.count + 1, ns: counted.ns + 320 });
    expect(cpu.debt - owed).toBe(320);
  });

  it('insert and erase of a preserved page end its preservation', () => {
    const { machine, before } = warm([3, 4]);
    const guest = restartGuest(machine, before);
    guest.erase(100);
    guest.insert(101, 77, 0);
    machine.toolstack.list.checkInvariants();
    expect(guest.claim(12, 3, 3).result).toBe(Reason.absent);
    expect(guest.claim(12, 4, 4).result).toBe(Reason.absent);
    expect(guest.claim(77, 0, 4).result).toBe(Reason.absent);
  });
});

// Each protection, switched off, lets a wrong page through: so the checks above do check.
describe('without', () => {
  const wrong = (protections: Partial<Protections>, spoil: (w: ReturnType<typeof warm>) => void, generation = 1) => {
    const warmed = warm([3], protections);
    spoil(warmed);
    const guest = restartGuest(warmed.machine, warmed.before);
    const { result } = guest.claim(12, 3, 3, generation);
    return result === Reason.ok && Buffer.compare(guest.page(100), warmed.machine.disk.block(3)) !== 0;
  };
  const store = ({ before }: ReturnType<typeof warm>) => before.domain.environment.memory.writeU8(Pfn(100), 64, 0);

  it('a store goes unseen without write protection', () => {
    expect(wrong({}, store)).toBe(false);
    expect(wrong({ writeProtection: false }, store)).toBe(true);
  });

  it('a dirty page is handed over without provenance', () => {
    expect(wrong({ provenance: false }, store)).toBe(true);
  });

  it('a page that moved is handed over without the block check', () => {
    const moved = ({ machine, before }: ReturnType<typeof warm>) => {
      before.read(100, 7);
      machine.simulation.run();
    };
    expect(wrong({}, moved)).toBe(false);
    expect(wrong({ blockCheck: false }, moved)).toBe(true);
  });

  it('a page of a dead inode is handed over without the generation', () => {
    const { machine, before } = warm([3], { generation: false });
    expect(restartGuest(machine, before).claim(12, 3, 3, 2).result).toBe(Reason.ok);
  });

  it('a damaged record is believed without the record check', () => {
    for (const recordCheck of [true, false]) {
      const { machine, before } = warm([3], { recordCheck });
      const mfn = before.domain.frameOf(Pfn(100));
      // The block number in the record: 3 becomes 2.
      const at = mfn * 32 + 16;
      const betweenGuests = () => machine.memory.writeU8((1 + Math.floor(at / PAGE_SIZE)) as never, at % PAGE_SIZE, 2);
      const guest = restartGuest(machine, before, { betweenGuests });
      expect(guest.claim(12, 3, 2).result).toBe(recordCheck ? Reason.absent : Reason.ok);
      expect(guest.domain.stats.refused.corruptRecord).toBe(recordCheck ? 1 : 0);
    }
  });

  it('the next domain reads what the last one left without scrubbing', () => {
    const leaks = (scrub: boolean) => {
      const machine = bootMachine(1, { protections: { scrub } });
      const guest = startGuest(machine);
      for (let pfn = 50; pfn < LEAST_PAGES - 1; pfn++) guest.domain.environment.memory.writeU32(Pfn(pfn), 0, 0x5ec4e7);
      machine.simulation.runProcess('destroy', machine.toolstack.destroyDomain(guest.domain));
      machine.simulation.run();
      let seen = 0;
      for (const next of [startGuest(machine, 'x'), startGuest(machine, 'y')])
        for (let pfn = 50; pfn < LEAST_PAGES - 1; pfn++)
          if (next.domain.environment.memory.readU32(Pfn(pfn), 0) === 0x5ec4e7) seen++;
      return seen > 0;
    };
    expect(leaks(true)).toBe(false);
    expect(leaks(false)).toBe(true);
  });
});

it('a partial write from a clean page to its own block takes its provenance when it moves bytes', () => {
  const { machine, before } = warm([3]);
  before.request(BlkifOp.write, 3 * 8, [{ pfn: 100, first: 2, last: 2 }]);
  machine.simulation.run();
  const guest = restartGuest(machine, before);
  expect(guest.claim(12, 3, 3).result).toBe(Reason.absent);
  expect(guest.domain.stats.refused.dirty).toBe(1);
});
