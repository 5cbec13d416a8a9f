// What a migration takes care of while the guest is sent and comes to a stand, and who else keeps
// away meanwhile.
import { describe, expect, it } from 'vitest';
import { ok, Pfn, type Result } from '../../../src/base/index.ts';
import type { BlockRequest } from '../../../src/disk/drive/block-device.ts';
import type { Process } from '../../../src/sim/index.ts';
import { migrateDomain, receiveMigration, saveDomain, ShutdownReason } from '../../../src/xen/index.ts';
import { storeRecordOf } from '../../../src/xen/records/devices.ts';
import { MigrationLink } from '../../../src/xen/save/migration-link.ts';
import { endPages } from '../../../src/xen/save/body.ts';
import { encodeSaveHeader } from '../../../src/xen/save/format.ts';
import { BOOT_PAGES, LEAST_PAGES, startGuest, stateOf, suspends, TestDisk } from '../../support/machine.ts';
import { migrate, type Room, room } from './migration-room.ts';

/** When the source is about to send its packet `n`. */
function atPacket(given: Room, n: number, then: () => void): void {
  atEachPacket(given, (at) => {
    if (at === n) then();
  });
}

function atEachPacket({ cable: [nic] }: Room, then: (n: number) => void): void {
  const send = nic.send.bind(nic);
  let count = 0;
  nic.send = (packet) => {
    then(count++);
    return send(packet);
  };
}

/** Each request of the source's disk; returns false for one that the disk does not get. */
function atRequest({ source: { disk } }: Room, then: (request: BlockRequest) => boolean): void {
  const submit = disk.submit.bind(disk);
  disk.submit = (request) => {
    if (then(request)) submit(request);
  };
}

describe('the rounds of a migration', () => {
  it('the rounds of a migration send a page anew that was given back and has another frame', () => {
    const given = room();
    const guest = startGuest(given.source);
    const { memory, hypercalls } = guest.domain.environment;
    memory.writeU32(Pfn(100), 0, 0x1234_5678);
    suspends(guest);
    atPacket(given, 20, () => {
      expect(hypercalls.decreaseReservation([100]) + hypercalls.increaseReservation([100])).toBe(2);
    });
    const { arrived, before } = migrate(given, guest);
    if (!arrived?.ok) throw new Error(arrived?.reason.why);
    expect(stateOf(given.target, arrived.value.domain)).toEqual(before);
  });

  it('the rounds of a migration leave a page that is stored to before its turn to the next', () => {
    const given = room();
    const guest = startGuest(given.source);
    suspends(guest);
    atPacket(given, 20, () => {
      for (const pfn of [800, 801, 802]) guest.domain.environment.memory.writeU32(Pfn(pfn), 0, 1);
    });
    const { left } = migrate(given, guest);
    if (!left.ok) throw new Error(left.reason.why);
    expect(left.value.rounds[0]!.pages).toBe(LEAST_PAGES - 3);
  });

  it('the rounds of a migration end when the memory was sent three times, to a guest that stores to all of it in each', () => {
    const given = room();
    const guest = startGuest(given.source);
    const { memory } = guest.domain.environment;
    suspends(guest);
    // A round of all pages is 65 packets.
    atEachPacket(given, (n) => {
      if (n % 65 !== 64 || !guest.domain.isRunning) return;
      for (let pfn = BOOT_PAGES; pfn < LEAST_PAGES - 1; pfn++) memory.writeU32(Pfn(pfn), 0, n);
    });
    const { left } = migrate(given, guest);
    if (!left.ok) throw new Error(left.reason.why);
    const running = left.value.rounds.slice(0, -1).map(({ pages }) => pages);
    const sum = (pages: readonly number[]): number => pages.reduce((all, one) => all + one, 0);
    expect(sum(running)).toBeGreaterThan(3 * LEAST_PAGES);
    expect(sum(running.slice(0, -1))).toBeLessThanOrEqual(3 * LEAST_PAGES);
  });
});

describe('a guest that stands still to be migrated', () => {
  it('a guest that stands still to be migrated has what it had in flight, and it and its disk are at rest before the last pages go', () => {
    const given = room();
    const { disk } = given.source;
    const guest = startGuest(given.source);
    const { domain } = guest;
    suspends(guest);
    disk.latencyNs = 100_000_000;
    guest.read(100, 7);
    guest.write(101, 9);
    const flushes: unknown[] = [];
    atRequest(given, ({ op }) => {
      if (op !== 'flush') return true;
      flushes.push([domain.state, domain.grants.pinCount]);
      disk.latencyNs = 0;
      return true;
    });
    const { arrived, before } = migrate(given, guest);
    if (!arrived?.ok) throw new Error(arrived?.reason.why);
    expect(flushes).toEqual([['suspended', 0]]);
    expect(stateOf(given.target, arrived.value.domain)).toEqual(before);
    const page = given.target.memory.frame(arrived.value.domain.frameOf(Pfn(100)));
    expect(Buffer.compare(page, disk.block(7))).toBe(0);
  });

  it('a guest that stands still to be migrated goes on where it is when its disk cannot be flushed', () => {
    const given = room();
    const guest = startGuest(given.source);
    suspends(guest);
    atRequest(given, (request) => {
      if (request.op === 'flush') request.done('EIO');
      return request.op !== 'flush';
    });
    const { left } = migrate(given, guest);
    expect(left).toMatchObject({ reason: { why: 'the device fails', domain: { isRunning: true } } });
    expect(given.target.toolstack.list.entries).toEqual([]);
  });

  it('a guest that stands still to be migrated pays for no traps when it did not go, and may go later', () => {
    const given = room();
    const guest = startGuest(given.source);
    const { left } = migrate(given, guest);
    expect(left).toHaveProperty('reason.why', 'it does not suspend itself');
    const { traps } = guest.domain.stats;
    for (const pfn of [300, 301]) guest.domain.environment.memory.writeU32(Pfn(pfn), 0, 1);
    expect(guest.domain.stats.traps).toBe(traps);
    suspends(guest);
    const { source } = given;
    const file = new TestDisk(source.simulation, source.memory, 1);
    const save = saveDomain(source, guest.domain, { device: source.disk }, file);
    expect(source.simulation.runProcess('save', save)).toHaveProperty('reason.why', 'the file is too small');
    expect(migrate(given, guest).arrived).toHaveProperty('value.domain');
  });

  it('a guest that stands still to be migrated is not sent when it stops itself for another reason', () => {
    const given = room();
    const guest = startGuest(given.source);
    suspends(guest);
    atPacket(given, 20, () => guest.domain.environment.hypercalls.shutdown(ShutdownReason.crash));
    const { left } = migrate(given, guest);
    expect(left).toEqual({ ok: false, reason: { kind: 'failed', why: 'it has stopped', domain: undefined } });
    expect(guest.domain.shutdownReason).toBe(ShutdownReason.crash);
    expect(given.target.toolstack.list.entries).toEqual([]);
  });
});

describe('a domain that is being migrated', () => {
  it('a domain that is being migrated is not sent a second time, nor saved, meanwhile', () => {
    const given = room();
    const { source, cable } = given;
    const guest = startGuest(source);
    const file = new TestDisk(source.simulation, source.memory, 2000);
    suspends(guest);
    const others: unknown[] = [];
    atPacket(given, 20, () => {
      const config = { device: source.disk };
      source.simulation.spawn(
        'others',
        (function* (): Process {
          others.push(yield* migrateDomain(source, guest.domain, config, cable[0]));
          others.push(yield* saveDomain(source, guest.domain, config, file));
        })(),
      );
    });
    const { left, arrived } = migrate(given, guest);
    const refusal = { ok: false, reason: { kind: 'refused', why: 'it is being migrated', domain: guest.domain } };
    expect(others).toEqual([refusal, refusal]);
    expect(left).toHaveProperty('value.rounds');
    expect(arrived).toHaveProperty('value.domain');
  });

  it('a domain that is being migrated is not sent once somebody else has suspended it', () => {
    const given = room();
    const guest = startGuest(given.source);
    atPacket(given, 20, () => {
      guest.domain.environment.spawn('suspends', guest.domain.environment.hypercalls.suspend(new Uint32Array(16)));
    });
    const { left } = migrate(given, guest);
    expect(left).toEqual({ ok: false, reason: { kind: 'failed', why: 'it has stopped', domain: undefined } });
    expect(guest.domain.state).toBe('suspended');
    expect(given.target.toolstack.list.entries).toEqual([]);
  });
});

describe('a stream', () => {
  it('a stream that ends as that of another domain is refused', () => {
    const { source, target, cable } = room();
    const store = storeRecordOf(source.disk);
    const header = {
      arch: 'x86_64' as const,
      nrPages: 1000,
      bootPages: 9,
      boots: 1,
      name: 'guest',
      cmdLine: '',
      store,
    };
    const counts = { consumed: false, bodyCrc: 0, mappedPages: 1000, factCount: 0 };
    const options = { devicesOf: () => ({ device: target.disk }), vouch: false };
    const arrival = target.hypervisor.power.spawn('arrival', receiveMigration(target, cable[1], options));
    const link = new MigrationLink(source.hypervisor, cable[0], 'connects');
    const send = function* (): Process<Result<string>> {
      yield* link.put(encodeSaveHeader({ ...header, ...counts }));
      yield* endPages(link);
      yield* link.put(encodeSaveHeader({ ...header, ...counts, bootPages: 8 }));
      yield* link.flush();
      return yield* link.hear();
    };
    expect(source.simulation.runProcess('send', send())).toEqual(
      ok('refused: it is not the domain that was announced'),
    );
    expect(source.simulation.runProcess('join', arrival.join())).toHaveProperty('reason.why');
    source.simulation.run();
    expect(target.toolstack.list.entries).toEqual([]);
  });
});
