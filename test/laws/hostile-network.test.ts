/**
 * Web servers of guests, and their clients, while the hypervisor under the guests is rebooted.
 * Every cable of their network loses some frames, repeats some, lets some overtake others and
 * delivers some late. The cable over which guests are migrated is one of them.
 */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { rebootHypervisor } from '../../src/experiment/vmm/reboot.ts';
import { Ns } from '../../src/base/index.ts';
import { Nic } from '../../src/machine/nic.ts';
import type { Simulation } from '../../src/sim/index.ts';
import { servingMachine, vmmClients } from '../experiment/vmm/disk.ts';
import { casesOf } from '../support/product.ts';

interface Harm {
  /**
   * One of so many frames is lost, sent twice, held until the next one has gone, or 30 ms late; 0:
   * none.
   */
  readonly lost: number;
  readonly twice: number;
  readonly held: number;
  readonly late: number;
}

/** From here on every adapter does this to what it sends. */
function harm(simulation: Simulation, { lost, twice, held, late }: Harm): { -readonly [K in keyof Harm]: number } {
  const done = { lost: 0, twice: 0, held: 0, late: 0 };
  const waiting = new Map<Nic, Uint8Array>();
  const { send, sendFrames } = Nic.prototype;
  let sent = 0;
  const isNth = (n: number): boolean => n > 0 && sent % n === 0;
  /** What becomes of a packet, which `take` would send. */
  const meet = (nic: Nic, packet: Uint8Array, take: (packet: Uint8Array) => boolean): boolean => {
    sent++;
    if (isNth(lost)) {
      done.lost++;
      return true;
    }
    if (isNth(late)) {
      done.late++;
      const copy = packet.slice();
      simulation.after(Ns(30_000_000), () => take(copy));
      return true;
    }
    const before = waiting.get(nic);
    if (before === undefined && isNth(held)) {
      done.held++;
      waiting.set(nic, packet.slice());
      return true;
    }
    waiting.delete(nic);
    const isTaken = take(packet);
    if (isNth(twice)) {
      done.twice++;
      take(packet);
    }
    if (before !== undefined) take(before);
    return isTaken;
  };
  vi.spyOn(Nic.prototype, 'send').mockImplementation(function (this: Nic, packet: Uint8Array): boolean {
    return meet(this, packet, (each) => send.call(this, each));
  });
  vi.spyOn(Nic.prototype, 'sendFrames').mockImplementation(function (this: Nic, frames: readonly Uint8Array[]): number {
    return frames.filter((frame) => meet(this, frame, (each) => sendFrames.call(this, [each]) === 1)).length;
  });
  return done;
}

afterEach(() => {
  vi.restoreAllMocks();
});

type Network = readonly [what: string, harm: Harm];
/** The last one of NETWORKS does this, too. */
const ONE_HARM: readonly Network[] = [
  ['lets every third frame be overtaken', { lost: 0, twice: 0, held: 3, late: 0 }],
  ['delivers every fifth frame late', { lost: 0, twice: 0, held: 0, late: 5 }],
];
const NETWORKS: readonly Network[] = [
  ['repeats every frame', { lost: 0, twice: 1, held: 0, late: 0 }],
  ...casesOf('a network with one harm', '', ONE_HARM, { sample: 0, whole: 2 }),
  ['loses, repeats, reorders and delays', { lost: 13, twice: 5, held: 7, late: 11 }],
];

describe.each(NETWORKS)('a network that %s', (_, what) => {
  it('a hostile network has visitors answered with the right bytes, and a user keep its connection over warm-vm', () => {
    // Several guests meet all harm at once.
    const machine = servingMachine(what.lost > 0 ? 2 : 1);
    const clients = vmmClients(machine);
    machine.simulation.runProcess('start', machine.start());
    const done = harm(machine.simulation, what);
    // A wrong byte that a client is sent throws.
    const result = machine.simulation.runProcess('reboot', rebootHypervisor(machine, clients, 'warm-vm'));
    for (const guest of result.guests) {
      expect([guest.outcome, guest.reason]).toEqual(['continued', undefined]);
      expect([guest.keptConnection, guest.keptSession]).toEqual([true, true]);
      expect(guest.requests.answered).toBeGreaterThan(100);
      expect(guest.downtimeNs).toBeLessThan(result.totalNs + 2e9);
    }
    for (const kind of ['lost', 'twice', 'held', 'late'] as const) expect(done[kind] > 100).toBe(what[kind] > 0);
    machine.toolstack.list.checkInvariants();
  });

  it('a hostile network has a guest that is booted anew tell its user apart', () => {
    const machine = servingMachine(1);
    const clients = vmmClients(machine);
    machine.simulation.runProcess('start', machine.start());
    harm(machine.simulation, what);
    const result = machine.simulation.runProcess('reboot', rebootHypervisor(machine, clients, 'shutdown-boot'));
    const [guest] = result.guests;
    expect([guest!.outcome, guest!.keptConnection, guest!.keptSession]).toEqual(['booted', false, false]);
    expect(guest!.requests.answered).toBeGreaterThan(0);
  });

  it('a hostile network has a guest migrated there and back where nothing is missing, and else booted, and it is known why', () => {
    const machine = servingMachine(1);
    const clients = vmmClients(machine);
    machine.simulation.runProcess('start', machine.start());
    const done = harm(machine.simulation, what);
    const result = machine.simulation.runProcess('reboot', rebootHypervisor(machine, clients, 'live-migration'));
    const [guest] = result.guests;
    const isWhole = what.lost + what.held + what.late === 0;
    expect([guest!.outcome, guest!.reason]).toEqual(
      isWhole
        ? ['continued', undefined]
        : ['booted', expect.stringMatching(/^((refused: )?a packet is missing|no answer)$/)],
    );
    expect([guest!.keptConnection, guest!.keptSession]).toEqual([isWhole, isWhole]);
    expect(guest!.requests.answered).toBeGreaterThan(isWhole ? 100 : 0);
    expect(Object.values(done).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(100);
    for (const each of [machine, machine.neighbour]) each.toolstack.list.checkInvariants();
    expect(machine.neighbour.toolstack.list.entries).toEqual([]);
  });
});
