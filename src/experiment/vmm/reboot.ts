/**
 * A hypervisor reboot as the clients of its guests see it (host/hypervisor-reboot.ts has the
 * strategies). Costs are those of the machine's profile. Where a cost was fitted to a figure, the
 * result is no evidence for that figure.
 */

import { checkObject, checkOneOf } from '../../base/argument-error.ts';
import type { Process } from '../../sim/index.ts';
import { HypervisorReboot } from '../host/hypervisor-reboot.ts';
import type { VmmGuest, VmmMachine } from '../host/machine-room.ts';
import { VMM_STRATEGIES, type VmmPhaseName, type VmmStrategyName } from '../host/strategies.ts';
import type { VmmClients } from './clients.ts';
import type { VmmGuestResult, VmmRebootResult } from './result.ts';

/**
 * Reboots the hypervisor under all guests of a machine.
 * @param clients of the web servers that are the guests' services
 */
export function rebootHypervisor(
  machine: VmmMachine,
  clients: VmmClients,
  strategy: VmmStrategyName,
): Process<VmmRebootResult> {
  checkObject('machine', machine, 'simulation', 'guests');
  checkObject('clients', clients, 'begin');
  checkOneOf('strategy', strategy, VMM_STRATEGIES);
  return new VmmReboot(machine, clients).run(strategy);
}

type Before = Readonly<VmmGuest> & { readonly pagesRead: number; readonly pagesReused: number };

const STOPPING: readonly VmmPhaseName[] = [
  'suspend guests',
  'save guests',
  'migrate guests',
  'shut guests down',
  'hand over',
];
const STARTING: readonly VmmPhaseName[] = ['resume guests', 'restore guests', 'migrate guests back', 'boot guests'];

class VmmReboot {
  readonly #machine: VmmMachine;
  readonly #clients: VmmClients;
  readonly #reboot: HypervisorReboot;
  /** The guests before the reboot. */
  readonly #before: ReadonlyMap<string, Before>;

  constructor(machine: VmmMachine, clients: VmmClients) {
    this.#machine = machine;
    this.#clients = clients;
    this.#reboot = new HypervisorReboot(machine);
    this.#before = new Map([...machine.guests].map(([name, guest]) => [name, { ...guest, ...pagesOf(guest) }]));
  }

  *run(strategy: VmmStrategyName): Process<VmmRebootResult> {
    const { guests, simulation } = this.#machine;
    yield* this.#clients.begin(guests.values());
    const reboot = this.#reboot;
    yield* reboot.run(strategy);
    const totalNs = simulation.now - reboot.beginNs;
    yield* this.#clients.end(guests.keys());
    return {
      strategy,
      stopNs: this.#timeIn(STOPPING),
      startNs: this.#timeIn(STARTING),
      totalNs,
      guests: [...this.#before.keys()].map((name) => this.#guestResult(name)),
      diskBytes: { written: reboot.bytesWritten, read: reboot.bytesRead },
      networkBytes: reboot.bytesSent,
      timeline: reboot.phases,
    };
  }

  #timeIn(names: readonly VmmPhaseName[]): number {
    return this.#reboot.phases.reduce(
      (ns, { name, startNs, endNs }) => ns + (names.includes(name) ? endNs - startNs : 0),
      0,
    );
  }

  #guestResult(name: string): VmmGuestResult {
    const before = this.#before.get(name)!;
    const guest = this.#machine.guests.get(name);
    const goesOn = guest?.kernel === before.kernel;
    const pages = guest === undefined ? { pagesRead: 0, pagesReused: 0 } : pagesOf(guest);
    const { silence, answered, failed, keptConnection, keptSession } = this.#clients.viewOf(name);
    return {
      name,
      outcome: guest === undefined ? 'lost' : goesOn ? 'continued' : 'booted',
      reason: this.#reboot.reasons.get(name),
      downtimeNs: silence.ns,
      downFromNs: silence.fromNs - this.#reboot.beginNs,
      requests: { answered, failed },
      keptConnection,
      keptSession,
      pagesRead: pages.pagesRead - (goesOn ? before.pagesRead : 0),
      pagesReused: pages.pagesReused - (goesOn ? before.pagesReused : 0),
      boots: {
        before: before.kernel.bootStats,
        after: guest === undefined || goesOn ? null : guest.kernel.bootStats,
      },
    };
  }
}

function pagesOf({ kernel }: VmmGuest): { readonly pagesRead: number; readonly pagesReused: number } {
  const { dataPagesRead, metadataPagesRead, pagesReused } = kernel.stats;
  return { pagesRead: dataPagesRead + metadataPagesRead, pagesReused };
}
