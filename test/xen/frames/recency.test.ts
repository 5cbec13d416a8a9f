// What survives of recency: bytes that were told before an orderly shutdown, and nothing else.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import { DOMAIN_RECORD } from '../../../src/xen/records/layouts.ts';
import { Reason, ShutdownReason } from '../../../src/xen/index.ts';
import { rankOf, RECENCY_ACTIVE, RECENCY_RANK, RECENCY_REFERENCED } from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import { bootMachine, cacheBlocks, LEAST_PAGES, restartGuest, startGuest } from '../../support/machine.ts';

const WORD = RECENCY_REFERENCED | RECENCY_ACTIVE | 0x1234;

/** A guest with blocks 3 and 9 in pages 100 and 101, which has told the recency of the first. */
function told(reason: ShutdownReason = ShutdownReason.reboot) {
  const machine = bootMachine(1);
  const before = startGuest(machine);
  cacheBlocks(machine, before, [3, 9]);
  expect(before.tellRecency(100, WORD)).toBe(Reason.ok);
  before.domain.environment.hypercalls.shutdown(reason);
  const { recencyMfn, domainTableMfn } = machine.hypervisor.map;
  const mfn = before.domain.frameOf(Pfn(100));
  return { machine, before, entryAt: recencyMfn * PAGE_SIZE + 2 * mfn, recordAt: domainTableMfn * PAGE_SIZE };
}

describe('recency', () => {
  it('recency lies in two bytes at the place of its frame, and is answered to the next guest, and to that one only', () => {
    const { machine, before, entryAt } = told();
    const entry = machine.memory.frame(Math.floor(entryAt / PAGE_SIZE) as never).subarray(entryAt % PAGE_SIZE);
    expect(Buffer.from(entry.subarray(0, 2)).toString('hex')).toBe('34d2');
    const guest = restartGuest(machine, before);
    expect(guest.domain.stats.recency).toBe('told');
    expect([guest.askRecency(100), guest.askRecency(101), guest.askRecency(102)]).toEqual([WORD, 0, undefined]);
    expect(guest.askRecency(LEAST_PAGES)).toBeUndefined();
    expect(guest.claim(12, 3, 3).result).toBe(Reason.ok);
    expect(guest.askRecency(100)).toBeUndefined();
    guest.domain.environment.hypercalls.shutdown(ShutdownReason.reboot);
    const next = restartGuest(machine, guest);
    expect([next.domain.stats.recency, next.askRecency(101)]).toEqual(['untold', undefined]);
    machine.toolstack.list.checkInvariants();
  });

  it('recency that is told anew replaces all that was told before', () => {
    const { machine, before } = told();
    const guest = restartGuest(machine, before);
    guest.tellRecency(101, 7);
    expect(guest.askRecency(100)).toBeUndefined();
    guest.domain.environment.hypercalls.shutdown(ShutdownReason.reboot);
    const next = restartGuest(machine, guest);
    expect([next.askRecency(100), next.askRecency(101)]).toEqual([0, 7]);
  });

  it('recency of a guest that crashes, even after it began to tell, is not believed', () => {
    const { machine, before } = told(ShutdownReason.crash);
    const guest = restartGuest(machine, before);
    expect([guest.domain.stats.recency, guest.askRecency(100)]).toEqual(['untold', undefined]);
    expect(guest.claim(12, 3, 3)).toEqual({ result: Reason.ok, pfn: 100 });
  });

  property(
    'recency with any byte of it changed is as if it were not told, and takes no page along',
    fc.constantFrom('entry', 'crc', 'other' as const),
    fc.nat(3),
    fc.integer({ min: 1, max: 255 }),
    (where, byte, flip) => {
      const { machine, before, entryAt, recordAt } = told();
      const { domid } = before.domain;
      const record = recordAt + domid * DOMAIN_RECORD.x86_64.size;
      const otherMfn = before.domain.frameOf(Pfn(500));
      const at =
        where === 'entry'
          ? entryAt + (byte & 1)
          : where === 'crc'
            ? record + DOMAIN_RECORD.x86_64.offset.recencyCrc + byte
            : machine.hypervisor.map.recencyMfn * PAGE_SIZE + 2 * otherMfn;
      const mfn = Math.floor(at / PAGE_SIZE) as never;
      const betweenGuests = (): void =>
        machine.memory.writeU8(mfn, at % PAGE_SIZE, machine.memory.readU8(mfn, at % PAGE_SIZE) ^ flip);
      const guest = restartGuest(machine, before, { betweenGuests });
      expect(guest.askRecency(100)).toBeUndefined();
      // The record has a checksum over all of it: then the whole table is not believed.
      if (where === 'crc') expect(guest.domain.stats).toMatchObject({ preserved: 0, refused: { badTable: 2 } });
      else {
        expect(guest.domain.stats).toMatchObject({ preserved: 2, recency: 'damaged' });
        expect(guest.claim(12, 3, 3)).toEqual({ result: Reason.ok, pfn: 100 });
      }
      machine.toolstack.list.checkInvariants();
    },
    { numRuns: 12, lawRuns: 30 },
  );

  property(
    'the ranks of recency keep the order, are never 0, and are exact for a list of up to 16383 pages',
    fc.nat(300_000),
    fc.nat(300_000),
    fc.nat(300_000),
    (a, b, more) => {
      const length = Math.max(a, b) + 1 + more;
      const [low, high] = [rankOf(Math.min(a, b), length), rankOf(Math.max(a, b), length)];
      expect(low).toBeGreaterThan(0);
      expect(low).toBeLessThanOrEqual(high);
      expect(high).toBeLessThanOrEqual(RECENCY_RANK);
      if (length <= RECENCY_RANK && a !== b) expect(low).not.toBe(high);
    },
  );
});
