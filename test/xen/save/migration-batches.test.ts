/**
 * What a migration sends in batches: bytes of a packet, packets under way, rounds, pages of a
 * round. Each at one less than the batch, at it, and at one more, and what then goes is counted.
 */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { err, Ns, ok, PAGE_SIZE, Pfn } from '../../../src/base/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { LogDirty } from '../../../src/xen/frames/log-dirty.ts';
import { MIGRATION_PACKET, MigrationLink } from '../../../src/xen/save/migration-link.ts';
import { LEAST_PAGES, startGuest, stateOf, suspends } from '../../support/machine.ts';
import { migrate, room } from './migration-room.ts';

const numbers = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i);

describe('the connection of a migration', () => {
  const HEAD = MIGRATION_PACKET.size;
  const PACKET = 65_536;
  function ends() {
    const { source, target, cable } = room();
    const sent: number[] = [];
    const send = cable[0].send.bind(cable[0]);
    cable[0].send = (packet) => {
      const isTaken = send(packet);
      if (isTaken) sent.push(packet.length - HEAD);
      return isTaken;
    };
    const ours = new MigrationLink(source.hypervisor, cable[0], 'connects');
    const theirs = new MigrationLink(target.hypervisor, cable[1], 'waits');
    return { simulation: source.simulation, ours, theirs, sent };
  }

  it.each([
    [PACKET - 1, [], [PACKET - 1]],
    [PACKET, [PACKET], [PACKET]],
    [PACKET + 1, [PACKET], [PACKET, 1]],
  ])(
    'the connection of a migration has %i bytes that are put sent as %j, and %j when they are flushed',
    (length, atOnce, flushed) => {
      const { simulation, ours, theirs, sent } = ends();
      const bytes = new Uint8Array(length).map((_, i) => i * 3);
      simulation.runProcess('put', ours.put(bytes));
      expect(sent).toEqual(atOnce);
      simulation.runProcess('flush', ours.flush());
      expect(sent).toEqual(flushed);
      expect(simulation.runProcess('take', theirs.take(length))).toEqual(ok(bytes));
    },
  );

  it.each([15, 16, 17])(
    'the connection of a migration has 16 packets under way, of %i, until one is taken',
    (packets) => {
      const { simulation, ours, theirs, sent } = ends();
      const put = simulation.spawn('put', ours.put(new Uint8Array(packets * PACKET)));
      const then = simulation.now + 1e9;
      simulation.after(Ns(1e9), () => undefined);
      simulation.run(() => simulation.now >= then);
      expect([sent.length, put.isOver]).toEqual([Math.min(16, packets), packets <= 16]);
      simulation.runProcess('take', theirs.take(PACKET - 1));
      expect(sent.length).toBe(Math.min(16, packets));
      simulation.runProcess('take', theirs.take(1));
      simulation.runProcess('put', put.join());
      expect(sent.length).toBe(packets);
    },
  );

  it.each([
    ['no word at all', undefined, 60e9],
    ['a byte after 30 s', 30e9, 120e9],
    ['a byte a moment before the 60 s are over', 60e9 - 20_000, 120e9],
    ['a byte a moment after them', 60e9 - 1000, 60e9],
  ])(
    'the connection of a migration ends when nothing was heard for 60 s on end: with %s',
    (_, saysAfter, endsAfter) => {
      const { simulation, ours, theirs } = ends();
      const begin = simulation.now;
      const end = simulation.spawn('take', theirs.take(1000));
      const say = function* (after: number): Process {
        // It is on its way for some microseconds.
        yield Ns(after);
        yield* ours.put(Uint8Array.of(1));
        yield* ours.flush();
      };
      if (saysAfter !== undefined) simulation.spawn('say', say(saysAfter));
      expect(simulation.runProcess('join', end.join())).toEqual(err('no answer'));
      expect(simulation.now - begin).toBe(endsAfter);
    },
  );
});

describe('the rounds of a migration', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /**
   * The pages of each round of a guest that stores to so many pages at the end of each. The last is
   * the one in which it stands still.
   */
  function rounds(stores: readonly number[]): readonly number[] {
    vi.restoreAllMocks();
    const given = room();
    const guest = startGuest(given.source);
    suspends(guest);
    given.source.simulation.run();
    const { clean } = LogDirty.prototype;
    const left = [...stores];
    let isRunning = true;
    vi.spyOn(LogDirty.prototype, 'clean').mockImplementation(function (this: LogDirty) {
      // Nothing else is logged: what the guest does to be suspended comes when no more is sent
      // while it runs.
      isRunning &&= guest.domain.isRunning;
      if (!isRunning) return clean.call(this);
      clean.call(this);
      const { memory } = guest.domain.environment;
      for (const pfn of numbers(left.shift() ?? 0, 9)) memory.writeU32(Pfn(pfn), 8, 77);
      return clean.call(this);
    });
    const { left: outcome, arrived, before } = migrate(given, guest);
    if (!outcome.ok) throw new Error(outcome.reason.why);
    if (!arrived?.ok) throw new Error(arrived?.reason.why);
    expect(stateOf(given.target, arrived.value.domain)).toEqual(before);
    const pages = outcome.value.rounds.map((round) => round.pages);
    // Nothing was stored to but by the guest's suspending itself.
    expect(pages.at(-1)).toBeLessThan(8);
    return pages.slice(0, -1);
  }
  const ALL = LEAST_PAGES;

  it('the rounds of a migration end with one of 49 pages, and not with one of 50', () => {
    expect(rounds([0])).toEqual([ALL, 0]);
    expect(rounds([49, 60])).toEqual([ALL, 49]);
    expect(rounds([50, 49])).toEqual([ALL, 50, 49]);
    expect(rounds([51, 50, 0])).toEqual([ALL, 51, 50, 0]);
  });

  it('the rounds of a migration end with the 29th in which the guest runs', () => {
    const few = new Array<number>(40).fill(60);
    expect(rounds(few)).toEqual([ALL, ...few.slice(0, 28)]);
    // The 28th is small enough, or the 29th: it makes no difference that there could be more.
    expect(rounds([...few.slice(0, 26), 49, 60])).toEqual([ALL, ...few.slice(0, 26), 49]);
    expect(rounds([...few.slice(0, 27), 49, 60])).toEqual([ALL, ...few.slice(0, 27), 49]);
  });

  it('the rounds of a migration end when the memory was sent three times, and a page more', () => {
    expect(rounds([1000, 900, 165, 60, 60])).toEqual([ALL, 1000, 900, 165, 60]);
    expect(rounds([1000, 900, 166, 60, 60])).toEqual([ALL, 1000, 900, 166, 60]);
    expect(rounds([1000, 900, 167, 60, 60])).toEqual([ALL, 1000, 900, 167]);
    expect(ALL + 1000 + 900 + 166).toBe(3 * ALL);
  });

  it.each([15, 16, 17, 31, 32, 33])('the rounds of a migration take %i pages in batches of 16', (count) => {
    const given = room();
    const guest = startGuest(given.source);
    suspends(guest);
    given.source.simulation.run();
    const puts: number[] = [];
    const { put } = MigrationLink.prototype;
    vi.spyOn(MigrationLink.prototype, 'put').mockImplementation(function (this: MigrationLink, bytes) {
      puts.push(bytes.length);
      return put.call(this, bytes);
    });
    const { clean } = LogDirty.prototype;
    let isFirst = true;
    vi.spyOn(LogDirty.prototype, 'clean').mockImplementation(function (this: LogDirty) {
      if (!isFirst) return clean.call(this);
      isFirst = false;
      clean.call(this);
      for (const pfn of numbers(count, 500)) guest.domain.environment.memory.writeU32(Pfn(pfn), 8, 77);
      return clean.call(this);
    });
    migrate(given, guest);
    const batch = (pages: number): number => 4 + pages * (8 + PAGE_SIZE);
    const inBatches = (pages: number): number[] => [
      ...new Array<number>(Math.floor(pages / 16)).fill(batch(16)),
      ...(pages % 16 > 0 ? [batch(pages % 16)] : []),
    ];
    const expected = [PAGE_SIZE, ...inBatches(ALL), ...inBatches(count)];
    expect(puts.slice(0, expected.length)).toEqual(expected);
  });
});
