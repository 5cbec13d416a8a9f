// A cable between two machines that is unkind to a migration at each of its packets, in either
// direction.
import { describe, expect, it } from 'vitest';
import { crc32c, Ns, Pfn } from '../../../src/base/index.ts';
import { noteChange } from '../../../src/disk/image/backing-store.ts';
import type { Process } from '../../../src/sim/index.ts';
import {
  endOf,
  type ArrivalOutcome,
  type Domain,
  migrateDomain,
  type MigrationOutcome,
  receiveMigration,
  resumeDomain,
} from '../../../src/xen/index.ts';
import { MIGRATION_PACKET } from '../../../src/xen/save/migration-link.ts';
import { casesOf } from '../../support/product.ts';
import { TIMEOUT_MS } from '../../support/property.ts';
import {
  BOOT_PAGES,
  LEAST_PAGES,
  startGuest,
  suspends,
  suspendsAlways,
  TestDisk,
  type TestMachine,
} from '../../support/machine.ts';
import { migrate, type Room, room } from './migration-room.ts';

/**
 * What becomes of one packet. From a cable that is cut on nothing arrives in either direction,
 * until it is mended.
 */
const HARMS = ['lost', 'twice', 'overtaken', 'damaged', 'cut short', 'late', 'too late', 'cut'] as const;
type Harm = (typeof HARMS)[number];
/** Less than the silence after which an end is taken for dead, and more than twice that. */
const LATE = { late: Ns(59e9), 'too late': Ns(121e9) };

const SOURCE = 0;
const TARGET = 1;
type End = typeof SOURCE | typeof TARGET;

/**
 * Does a harm to packet `n` of an end, and nothing more once it is mended. Packets keep their order
 * unless one is overtaken.
 */
class UnkindCable {
  /** What each end has sent: "data", "ack", or a word. */
  readonly sent: readonly [string[], string[]] = [[], []];
  isMended = false;
  #isCut = false;

  constructor({ cable, source: { simulation } }: Room, end: End, n: number, harm: Harm | undefined) {
    ([SOURCE, TARGET] as const).forEach((from) => {
      const nic = cable[from];
      const take = nic.send.bind(nic);
      const held: Uint8Array[] = [];
      let isWaiting = false;
      const flush = function* (): Process {
        for (let one = held.shift(); one !== undefined; one = held.shift()) while (!take(one)) yield 1000;
        isWaiting = false;
      };
      const hold = (packet: Uint8Array): true => {
        held.push(packet.slice());
        return true;
      };
      const pass = (packet: Uint8Array, isIt: boolean): boolean => {
        this.#isCut ||= isIt && harm === 'cut';
        if (this.#isCut) return true;
        if (isWaiting) return hold(packet);
        if (!isIt) {
          const isTaken = take(packet);
          if (isTaken && held.length > 0) simulation.spawn('overtaken', flush());
          return isTaken;
        }
        const at = (n * 7919) % packet.length;
        switch (harm) {
          case 'twice':
            return take(packet) && (take(packet) || true);
          case 'damaged':
            return take(packet.map((byte, i) => (i === at ? byte ^ 4 : byte)));
          case 'cut short':
            return take(packet.slice(0, Math.max(1, at)));
          case 'late':
          case 'too late':
            isWaiting = true;
            simulation.after(LATE[harm], () => simulation.spawn('late', flush()));
            return hold(packet);
          case 'overtaken':
            return hold(packet);
          default:
            return true;
        }
      };
      nic.send = (packet) => {
        if (this.isMended) return take(packet);
        const isIt = from === end && harm !== undefined && this.sent[from].length === n;
        const isTaken = pass(packet, isIt);
        // Of one that finds no room another try is made.
        if (isTaken) this.sent[from].push(nameOf(packet));
        return isTaken;
      };
    });
  }
}

function nameOf(packet: Uint8Array): string {
  const { size, offset } = MIGRATION_PACKET;
  const kind = packet[offset.kind];
  return kind === 3 ? new TextDecoder().decode(packet.subarray(size)) : kind === 1 ? 'data' : 'ack';
}

interface Ended {
  readonly left: MigrationOutcome;
  readonly arrived: ArrivalOutcome | undefined;
}

/** As the owner of both machines has it done. */
function* attempt({ source, target, cable }: Room, domain: Domain): Process<Ended> {
  const options = { devicesOf: () => ({ device: target.disk }), vouch: false };
  const arrival = target.hypervisor.power.spawn('arrival', receiveMigration(target, cable[1], options));
  const left = yield* migrateDomain(source, domain, { device: source.disk }, cable[0]);
  return { left, arrived: yield* arrival.join() };
}

/** Of the pages that are the guest's own. */
const pagesOf = ({ memory }: TestMachine, domain: Domain): number[] =>
  Array.from({ length: LEAST_PAGES - BOOT_PAGES }, (_, i) => crc32c(memory.frame(domain.frameOf(Pfn(BOOT_PAGES + i)))));

type Place = 'here' | 'there' | 'still' | 'there, and still';

/**
 * Where the guest is afterwards. It runs in one place at most; what is asked of it next shows that
 * it is whole.
 */
function migrateBy(end: End, n: number, harm: Harm | undefined): { place: Place; sent: UnkindCable['sent'] } {
  const given = room();
  const { source, target } = given;
  const guest = startGuest(source);
  const { memory } = guest.domain.environment;
  for (let pfn = BOOT_PAGES; pfn < LEAST_PAGES - 1; pfn++) memory.writeU32(Pfn(pfn), 8, 7 * pfn + 1);
  suspendsAlways(guest);
  source.simulation.run();
  const pages = pagesOf(source, guest.domain);
  const cable = new UnkindCable(given, end, n, harm);
  let place: Place | undefined;
  const process = function* (): Process {
    const { left, arrived } = yield* attempt(given, guest.domain);
    const isThere = arrived?.ok === true;
    cable.isMended = true;
    if (left.ok) {
      place = 'there';
      expect([isThere, source.toolstack.list.domains]).toEqual([true, []]);
    } else if (left.reason.domain !== undefined) {
      place = 'here';
      expect([left.reason.domain.isRunning, isThere, target.toolstack.list.entries]).toEqual([true, false, []]);
      expect(pagesOf(source, left.reason.domain)).toEqual(pages);
      // It goes at once over the same cable, on which something of the first time may be on its
      // way.
      const again = yield* attempt(given, left.reason.domain);
      expect([again.left.ok, again.arrived?.ok, harm]).toEqual([true, true, harm]);
    } else {
      expect(left.reason.why).toMatch(/^it is not known whether it goes on there: /);
      expect(source.toolstack.list.domains.map(({ state }) => state)).toEqual(['suspended']);
      place = isThere ? 'there, and still' : 'still';
      // A resume here goes on with it exactly if none does there.
      const config = { name: 'guest', memoryBytes: 0, device: source.disk };
      const resumed = yield* resumeDomain(source.hypervisor, source.toolstack.list, config);
      expect([endOf(resumed), place]).toEqual([isThere ? 'failed' : 'done', place]);
      if (resumed.ok) expect(pagesOf(source, resumed.value)).toEqual(pages);
    }
  };
  source.simulation.runProcess('migrate', process());
  source.simulation.run();
  const copies = [source, target].flatMap((machine) =>
    machine.toolstack.list.domains.filter(({ isRunning }) => isRunning).map((domain) => pagesOf(machine, domain)),
  );
  expect(copies).toEqual([pages]);
  for (const { toolstack } of [source, target]) toolstack.list.checkInvariants();
  return { place: place!, sent: cable.sent };
}

/** Where a guest is after that harm to that packet. */
function expected(name: string, harm: Harm): Place {
  if (harm === 'twice' || harm === 'late') return 'there';
  if (name === 'running') return 'there, and still';
  // The target says that it has waited for too long, or that it cannot read this, unless nothing
  // arrives any more.
  return name === 'go' && harm === 'cut' ? 'still' : 'here';
}

describe('a migration over an unkind cable', () => {
  const { place, sent } = migrateBy(SOURCE, 0, undefined);

  it('a migration over an unkind cable is as many packets as it is pages, and three words, where it is kind', () => {
    expect(place).toBe('there');
    // 16 pages to a packet, the boot region among them, and a last one with the rest; all are
    // acknowledged.
    expect(sent[SOURCE]).toEqual([...new Array<string>(sent[SOURCE].length - 1).fill('data'), 'go']);
    expect(sent[TARGET]).toEqual([...new Array<string>(sent[SOURCE].length - 1).fill('ack'), 'complete', 'running']);
    expect(sent[SOURCE].length - 1).toBe(Math.ceil(LEAST_PAGES / 16) + 1);
  });

  it.each(HARMS)(
    'a migration over an unkind cable of which a packet is %s leaves the guest whole, and in one place',
    { timeout: TIMEOUT_MS },
    (harm) => {
      for (const end of [SOURCE, TARGET] as const) {
        const names = sent[end];
        const words = [...names.keys()].filter((n) => !['data', 'ack'].includes(names[n]!));
        // All words, and of the first, the last of the stream and those between a sample.
        const stream = Array.from({ length: words[0]! }, (_, n) => n);
        const others = casesOf('a packet that is harmed', `${harm}, ${end}`, stream, { sample: 2 });
        for (const n of [...words, ...others])
          expect([harm, end, n, names[n], migrateBy(end, n, harm).place]).toEqual([
            harm,
            end,
            n,
            names[n],
            expected(names[n]!, harm),
          ]);
      }
    },
  );
});

describe('an end of a migration that gives up', () => {
  it('an end of a migration that gives up tells the other at once: the domain that was to come is gone there when it is known here', () => {
    const given = room();
    const { source, target } = given;
    // It does not suspend itself.
    const { domain } = startGuest(source);
    const process = function* (): Process<Ns> {
      const { left, arrived } = yield* attempt(given, domain);
      const { now } = source.simulation;
      expect(left).toEqual({ ok: false, reason: { kind: 'failed', why: 'it does not suspend itself', domain } });
      expect(arrived).toEqual({ ok: false, reason: { kind: 'failed', why: 'refused: it does not suspend itself' } });
      return now;
    };
    // As long as a guest has to suspend itself, and the time that the pages take.
    expect(source.simulation.runProcess('migrate', process()) / 1e9).toBeCloseTo(30, 1);
    expect(target.toolstack.list.entries).toEqual([]);
  });
});

describe('a disk at the target that is not the one that the guest has left', () => {
  /**
   * The words of the source, and what became of the guest, when the source sends no packet from
   * `go` on but what `atGo` lets it.
   */
  function migrateTo(device: (target: TestMachine) => TestDisk, atGo: (given: Room) => boolean) {
    const given = room();
    const guest = startGuest(given.source);
    suspends(guest);
    const [nic] = given.cable;
    const send = nic.send.bind(nic);
    const words: string[] = [];
    nic.send = (packet) => {
      const name = nameOf(packet);
      if (name !== 'data' && name !== 'ack') words.push(name);
      return name === 'go' && !atGo(given) ? true : send(packet);
    };
    const { left } = migrate(given, guest, { devicesOf: () => ({ device: device(given.target) }) });
    expect(given.target.toolstack.list.entries).toEqual([]);
    return { words, left };
  }

  it('a disk at the target that is not the one that the guest has left is refused before `go`: the guest goes on here, whatever the cable does to that', () => {
    const other = ({ simulation, memory }: TestMachine): TestDisk => new TestDisk(simulation, memory, 64);
    const { words, left } = migrateTo(other, () => false);
    expect(left).toMatchObject({ reason: { why: 'refused: its disk is another one', domain: { isRunning: true } } });
    expect(words).toEqual([]);
  });

  it('a disk at the target that is not the one that the guest has left is refused behind it when somebody writes to it at that instant, and here too: the guest stays suspended', () => {
    const { words, left } = migrateTo(
      ({ disk }) => disk,
      ({ source }) => {
        noteChange(source.disk.store, 5);
        return true;
      },
    );
    const problem = 'refused: its disk was written to while it was away';
    expect(left).toEqual({ ok: false, reason: { kind: 'failed', why: problem, domain: undefined } });
    expect(words).toEqual(['go']);
  });
});
