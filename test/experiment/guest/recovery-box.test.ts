// A server's sessions over reboots and crashes of its guest, and of the hypervisor: with a recovery
// box, and without.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ns, Pfn } from '../../../src/base/index.ts';
import { rebootHypervisor } from '../../../src/experiment/vmm/reboot.ts';
import type { VmmStrategyName } from '../../../src/experiment/host/strategies.ts';
import type { Process } from '../../../src/sim/index.ts';
import { type Session, SessionTable } from '../../../src/workload/session-table.ts';
import { property } from '../../support/property.ts';
import { emptyImage, GuestDisk } from '../../support/guest-disk.ts';
import { servingMachine, vmmClients } from '../vmm/disk.ts';

const deed = fc.record({ what: fc.constantFrom('login', 'request', 'request', 'request', 'logout'), id: fc.nat(9) });
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

/** A server that does these things, one a millisecond; `answered` is what its clients were told. */
function* serve(table: SessionTable, deeds: readonly Deed[], answered: Map<number, Session>): Process {
  for (const { what, id } of deeds) {
    if (what === 'login') {
      if (table.login(id, 100 + id)) answered.set(id, { user: 100 + id, requests: 0 });
    } else if (what === 'logout') {
      table.logout(id);
      answered.delete(id);
    } else {
      const requests = table.request(id);
      const session = answered.get(id);
      expect(requests).toBe(session === undefined ? undefined : session.requests + 1);
      if (requests !== undefined) answered.set(id, { user: 100 + id, requests });
    }
    yield Ns(1_000_000);
  }
}

describe('a server with a recovery box', () => {
  property(
    'a server with a recovery box goes on with every session, after an orderly reboot and a crash at any event, whatever its dying kernel stored where',
    fc.array(fc.tuple(fc.array(deed, { maxLength: 30 }), fc.boolean(), fc.nat(60)), { minLength: 1, maxLength: 4 }),
    fc.array(fc.tuple(fc.nat(4000), fc.nat(1023), fc.nat(0xffff_ffff)), { maxLength: 50 }),
    (lives, wildStores) => {
      const disk = new GuestDisk(emptyImage(4 << 20), 1);
      const answered = new Map<number, Session>();
      for (const [deeds, isCrash, events] of lives) {
        const table = new SessionTable(disk.guest.kernel.syscalls, true);
        expect(new Map(table.sessions)).toEqual(answered);
        if (isCrash) disk.runSome(serve(table, deeds, answered), events);
        else disk.run(serve(table, deeds, answered));
        const { memory } = disk.guest.domain.environment;
        if (isCrash)
          for (const [page, word, value] of wildStores)
            if (page < disk.guest.domain.nrPages) memory.writeU32(Pfn(page), 4 * word, value);
        disk.reboot(isCrash);
      }
      expect(new Map(new SessionTable(disk.guest.kernel.syscalls, true).sessions)).toEqual(answered);
    },
    { numRuns: 10, lawRuns: 25 },
  );

  it('a server with a recovery box without one forgets every session, and its users must log in again', () => {
    const disk = new GuestDisk(emptyImage(4 << 20), 1);
    const table = new SessionTable(disk.guest.kernel.syscalls, false);
    table.login(1, 101);
    expect(table.request(1)).toBe(1);
    disk.reboot(true);
    const next = new SessionTable(disk.guest.kernel.syscalls, false);
    expect([next.sessions.size, next.request(1)]).toEqual([0, undefined]);
  });

  it.each([
    ['warm-cache', 3],
    ['shutdown-boot', 0],
  ] as const)(
    'a server with a recovery box has, over a hypervisor reboot by %s, %i of its sessions',
    (strategy: VmmStrategyName, left) => {
      const machine = servingMachine(1);
      const clients = vmmClients(machine);
      machine.simulation.runProcess('start', machine.start());
      const tableOf = () => new SessionTable(machine.guests.get('guest0')!.kernel.syscalls, true);
      for (const id of [7, 8, 9]) tableOf().login(id, id);
      machine.simulation.runProcess('reboot', rebootHypervisor(machine, clients, strategy));
      expect([7, 8, 9].filter((id) => tableOf().sessions.has(id))).toHaveLength(left);
    },
  );

  it('a server with a recovery box has room for the sessions of a small server, and says when it is full', () => {
    const { syscalls } = new GuestDisk(emptyImage(4 << 20), 1).guest.kernel;
    const table = new SessionTable(syscalls, true);
    let sessions = 0;
    while (table.login(sessions, 7)) sessions++;
    expect(sessions).toBe(Math.floor((4096 - 32) / 24));
    expect(() => syscalls.boxPut(5000, new Uint8Array(8))).toThrow('ENOSPC');
    expect(() => syscalls.boxPut(-1, new Uint8Array(8))).toThrow('EINVAL');
    expect(table.request(0)).toBe(1);
    table.logout(1);
    expect(table.login(9999, 1)).toBe(true);
    expect(syscalls.boxGet(1)).toBeUndefined();
  });
});
