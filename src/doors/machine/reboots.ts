/** What each way of rebooting a machine does, with its one guest. */

import { Ns } from '../../base/units.ts';
import { HypervisorReboot } from '../../experiment/host/hypervisor-reboot.ts';
import type { VmmMachine } from '../../experiment/host/machine-room.ts';
import { STRATEGY, type StrategyName, type VmmStrategyName } from '../../experiment/host/strategies.ts';
import type { Process } from '../../sim/index.ts';
import { prefetchList } from '../../workload/prefetch.ts';
import { domainOf } from '../../xen/index.ts';

/** The machine's guest. */
export const NAME = 'guest0';

/** Power comes back: there is nothing but the disk. */
export function* switchOn(room: VmmMachine): Process {
  room.guests.clear();
  yield* room.bootHypervisor();
  yield* room.start();
}

/**
 * The next guest takes the place of one that runs, or has crashed.
 * @param reads paths of files to read ahead
 */
export function* rebootGuest(
  room: VmmMachine,
  strategy: StrategyName,
  hasCrashed: boolean,
  reads: readonly string[],
): Process {
  const { kernel, domain } = room.guests.get(NAME)!;
  const { cmdLine, preserve, writeDirty, prefetch } = STRATEGY[strategy];
  if (hasCrashed) yield Ns(room.guestCosts.crashDetectNs);
  else yield* kernel.shutdown();
  const module = prefetch ? prefetchList(reads) : undefined;
  const next = yield* domainOf(
    room.toolstack.restartDomain(domain, { preserve, writeDirty, cmdLine, ...(module && { module }) }),
  );
  yield* room.boot(room.configs[0]!, next);
}

/**
 * The hypervisor is rebooted under the guest. With a guest that has crashed it goes down where it
 * stands: nothing is handed over.
 * @param problems takes why something does not go on
 */
export function* rebootMachine(
  room: VmmMachine,
  how: VmmStrategyName,
  hasCrashed: boolean,
  problems: string[],
): Process {
  if (!hasCrashed) {
    const reboot = new HypervisorReboot(room);
    yield* reboot.run(how);
    problems.push(...reboot.reasons.values());
    return;
  }
  room.reset('kept');
  room.guests.clear();
  const { problem } = yield* room.bootHypervisor();
  if (problem !== undefined) problems.push(problem);
  yield* room.start();
}
