/**
 * The last acts of a hypervisor that is to be replaced. Domain 0 goes down while the guests still
 * serve. Then the hypervisor itself asks each guest to suspend, writes down what the next one
 * needs, and empties the CPU caches. The reset of the machine halts it.
 *
 * Nothing of a domain's memory is copied or saved. The work for a domain does not grow with its
 * memory, except that its P2M list has a checksum. The commit point is the checksum of the handover
 * record (handover.ts): a crash before it leaves nothing to be resumed. A guest that has no
 * handler, or does not suspend itself in time, is not handed over.
 *
 * Guests are asked one after the other, as on the one processor of the paper's machine. Modelled
 * after RootHammer's on-memory suspend: the suspend event comes from Xen and not from domain 0,
 * which is why the guests serve so long.
 */

import { checkObject } from '../../base/argument-error.ts';
import { DONE } from '../../base/result.ts';
import { type DomId, Ns } from '../../base/units.ts';
import type { Power } from '../../sim/power.ts';
import type { Process } from '../../sim/simulation.ts';
import type { Domain } from '../domain/domain.ts';
import { writeDomainState } from '../records/domain-state.ts';
import { type HandoverEntry, writeHandover } from '../records/handover.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { failed, type Outcome, refused } from '../domain/lifecycle.ts';
import { Virq } from '../public/event-channel.ts';
import { domainRecordChecksum } from '../records/records.ts';
import type { Toolstack } from './toolstack.ts';

/** The tool stack, as far as these acts look at it: its domains. */
type Domains = Pick<Toolstack, 'list'>;

/** How long a guest has: as long as one that is asked to shut down. Assumed. */
const SUSPEND_TIMEOUT = Ns(30e9);

/** Why a domain that ran was not suspended: in words. */
export interface NotSuspended {
  /** Its number. */
  readonly domid: DomId;
  /** In words. */
  readonly reason: string;
}

/**
 * Domain 0 goes down. What only it has stops, while its back-ends still work, and what the tool
 * stack has under way ends. Then the back-ends end, with what the devices have in flight, and the
 * store with them. What a guest has on its rings, or asks the store, stays there.
 */
export function* shutdownDomain0(hypervisor: Pick<Hypervisor, 'costs' | 'xenstore'>, toolstack: Domains): Process {
  checkObject('hypervisor', hypervisor, 'costs', 'xenstore');
  checkObject('toolstack', toolstack, 'list');
  yield Ns(hypervisor.costs.domain0ShutdownNs);
  yield* toolstack.list.idle();
  hypervisor.xenstore.stop();
  for (const domain of toolstack.list.domains) domain.stopDevices();
  for (const domain of toolstack.list.domains) yield* domain.released();
}

/** Suspends all domains that run, after domain 0 has gone. Returns those that were not. */
export function* suspendDomains(hypervisor: Pick<Hypervisor, 'power'>, toolstack: Domains): Process<NotSuspended[]> {
  checkObject('hypervisor', hypervisor, 'power');
  checkObject('toolstack', toolstack, 'list');
  const notSuspended: NotSuspended[] = [];
  for (const domain of toolstack.list.domains) {
    if (!domain.isRunning) continue;
    const outcome = yield* suspendDomain(hypervisor, domain);
    if (!outcome.ok) notSuspended.push({ domid: domain.domid, reason: outcome.reason.why });
  }
  return notSuspended;
}

/**
 * Has a guest suspend itself on memory. It stays there until it is resumed, or another hypervisor
 * goes on with it.
 */
export function* suspendDomain(hypervisor: Pick<Hypervisor, 'power'>, domain: Domain): Process<Outcome> {
  checkObject('hypervisor', hypervisor, 'power');
  checkObject('domain', domain, 'isPaused', 'begin');
  const { power } = hypervisor;
  const begun = domain.isPaused ? refused('paused') : domain.begin('suspend');
  if (!begun.ok) return begun;
  const outcome = yield* askToSuspend(power, domain);
  domain.end();
  return outcome;
}

function* askToSuspend(power: Power, domain: Domain): Process<Outcome> {
  if (!domain.events.raiseVirq(Virq.suspend)) return failed('no handler');
  return (yield* isSuspendedInTime(power, domain)) ? DONE : failed('not in time');
}

/** Waits until a guest that was asked to has suspended itself, or has not in time. */
export function* isSuspendedInTime(power: Power, domain: Domain): Process<boolean> {
  let isLate = false;
  power.after(SUSPEND_TIMEOUT, () => {
    isLate = true;
    domain.stateChanged.wakeAll();
  });
  while (domain.isRunning && !isLate) yield domain.stateChanged;
  return domain.state === 'suspended';
}

/**
 * Writes down what the next hypervisor needs: the state of every suspended domain, then the
 * handover record. Domains that were left by `Toolstack.leaveDomain` are kept. Afterwards the
 * machine may be reset.
 */
export function* handOver(
  hypervisor: Pick<Hypervisor, 'memory' | 'map' | 'costs' | 'protections'>,
  toolstack: Domains,
): Process {
  checkObject('hypervisor', hypervisor, 'memory', 'map', 'costs', 'protections');
  checkObject('toolstack', toolstack, 'list');
  const { memory, map, costs, protections } = hypervisor;
  yield Ns(costs.handoverNs);
  toolstack.list.sealStores();
  const entries: HandoverEntry[] = [];
  for (const { domid, domain, life } of toolstack.list.entries) {
    if (life.state !== 'suspended' && life.state !== 'kept') continue;
    if (domain !== undefined) writeDomainState(memory, map, domain.freeze());
    entries.push({ domid, suspended: domain !== undefined, recordChecksum: domainRecordChecksum(memory, map, domid) });
  }
  writeHandover(memory, map, entries);
  if (protections.cpuCacheFlush) memory.flushCpuCache();
}
