/**
 * Makes a domain: its half of the channels, its tables and its back-ends, then the domain, then the
 * guest enters it. A new guest and one that goes on differ only in where the guest comes from.
 */

import type { MacAddress } from '../../base/ethernet.ts';
import { Ns, PAGE_SIZE } from '../../base/units.ts';
import { EventPorts } from '../channels/event-channel.ts';
import { GrantTable } from '../channels/grant-table.ts';
import { SharedInfo } from '../channels/shared-info.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import { type BlockHost, vbd } from '../devices/blkback.ts';
import { type NetHost, vif } from '../devices/netback.ts';
import { XenbusBackend, type XenbusHost } from '../devices/xenbus-backend.ts';
import { CacheMap } from '../frames/cache-map.ts';
import type { MemoryCosts } from '../frames/domain-memory.ts';
import { NR_REGISTERS } from '../public/environment.ts';
import type { EvtchnStatus } from '../public/event-channel.ts';
import { noReasons, type ReasonCounts } from '../public/reason.ts';
import { RecoveryBox } from '../records/recovery-box.ts';
import { type DirtyPages, Domain, type DomainHost, type DomainParts } from './domain.ts';
import { DomainEnvironment } from './environment.ts';
import { Reservation, type ReservationHost } from './reservation.ts';
import type { GuestPlace } from './seat.ts';
import { StoreConnection } from './store-connection.ts';

type Told =
  | 'life'
  | 'domid'
  | 'name'
  | 'disk'
  | 'p2m'
  | 'bootPages'
  | 'sharedInfoPfn'
  | 'grantTablePfn'
  | 'preserved'
  | 'recency';

/** What the builder says of a domain. */
export interface DomainPlan extends Pick<DomainParts, Told> {
  /** Prefix of the names of its random streams. */
  readonly seedName: string;
  /** Address of its network interface; undefined: it has none. */
  readonly mac: MacAddress | undefined;
  /** Counted on by the domain. */
  readonly refused: ReasonCounts;
  readonly dirty?: DirtyPages | undefined;
  /** A guest that goes on; by default a new one. */
  readonly frozen?: FrozenGuest;
}

/** A guest that was frozen, and the part of it that was saved. */
export interface FrozenGuest {
  readonly environment: DomainEnvironment;
  readonly registers: Uint32Array;
  readonly ports: readonly EvtchnStatus[];
}

/** What a domain is made on: the share of each of its parts, and what wires them. */
export type MakerHost = DomainHost &
  BlockHost &
  NetHost &
  XenbusHost &
  ReservationHost &
  GuestPlace['hypervisor'] &
  Pick<Hypervisor, 'simulation' | 'domainPorts' | 'recency' | 'host' | 'steps'>;

export function makeDomain(hypervisor: MakerHost, plan: DomainPlan): Domain {
  const { simulation, memory, frames, map, costs, xenstore, steps } = hypervisor;
  const { domid, name, disk, p2m, refused, frozen } = plan;
  const environment = frozen?.environment ?? new DomainEnvironment(simulation, p2m.length, plan.seedName, steps);
  const cacheMap = new CacheMap(hypervisor, { domid, p2m, disk, refused, hasRecency: plan.recency === 'told' });
  const recoveryBox = new RecoveryBox(memory, map, domid);
  const grants = new GrantTable(memory, frames, p2m, plan.grantTablePfn);
  const switchNs = Math.round(costs.domainSwitchNs);
  const sharedInfo = new SharedInfo(memory, frames, p2m.at(plan.sharedInfoPfn), (delayNs, isDue) => {
    environment.upcallAfter(Ns(delayNs + switchNs), isDue);
  });
  const events = new EventPorts(domid, hypervisor.domainPorts, sharedInfo, frozen?.ports, steps);
  const kinds = [vbd(hypervisor, disk)];
  if (plan.mac !== undefined) kinds.push(vif(hypervisor, plan.mac));
  const domain = new Domain(hypervisor, {
    ...plan,
    dirty: plan.dirty ?? { written: 0, lost: noReasons() },
    environment,
    registers: frozen?.registers ?? new Uint32Array(NR_REGISTERS),
    cacheMap,
    recoveryBox,
    grants,
    sharedInfo,
    events,
    devices: kinds.map((kind) => new XenbusBackend(hypervisor, domid, grants, kind)),
  });
  environment.enter({
    domain,
    hypervisor,
    memory,
    frames,
    words: p2m.words,
    stride: p2m.stride,
    memoryCosts: memoryCosts(hypervisor),
    cacheMap,
    recoveryBox,
    events,
    reservation: new Reservation(hypervisor, plan, grants),
    store: new StoreConnection(xenstore, domid, name),
  });
  plan.life.step('built');
  hypervisor.host(domain);
  return domain;
}

function memoryCosts({ costs, protections }: Pick<Hypervisor, 'costs' | 'protections'>): MemoryCosts {
  return {
    trapNs: costs.faultNs + costs.protectNs,
    windowNs: protections.dirtyProtection ? costs.hypercallNs + costs.protectNs : 0,
    sealNs: protections.checksum ? costs.crcNsPerByte * PAGE_SIZE : 0,
  };
}
