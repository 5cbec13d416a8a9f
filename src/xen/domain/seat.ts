/**
 * Where a guest is: in one domain, or in none. This is the one part of a guest that changes when it
 * goes on elsewhere.
 *
 * A new guest is in no domain until the first one takes it in. A guest leaves its domain when it
 * stops or stands still. A guest that stands still may enter another domain later, perhaps under
 * another hypervisor. The objects that a guest holds (its environment, memory, hypercalls and
 * store) stay the same. Each use of them asks this one for the domain of the moment.
 */

import { checkArgument } from '../../base/argument-error.ts';
import { WaitQueue } from '../../sim/simulation.ts';
import type { EventPorts } from '../channels/event-channel.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import type { CacheMap } from '../frames/cache-map.ts';
import type { MemoryPlace, MemorySeat } from '../frames/domain-memory.ts';
import type { LogDirty } from '../frames/log-dirty.ts';
import type { RecoveryBoxOp, ShutdownReason } from '../public/environment.ts';
import type { Reservation } from './reservation.ts';
import type { StoreConnection } from './store-connection.ts';

/** What a guest can make of its stay in a domain. */
export interface GuestDomain {
  readonly name: string;
  /** What the registers hold that were saved when the guest was frozen. */
  readonly registers: Uint32Array;
  shutdown(reason: ShutdownReason): void;
  /** The guest has given up, or did what its machine cannot. */
  panicked(message: string): void;
  /** Freezes the guest. */
  suspend(registers: Uint32Array): void;
}

/** What a domain lends to the guest that is in it. */
export interface GuestPlace extends MemoryPlace {
  readonly domain: GuestDomain;
  readonly hypervisor: Pick<Hypervisor, 'costs' | 'nextProcessor' | 'steps'>;
  readonly cacheMap: CacheMap;
  readonly recoveryBox: RecoveryBoxOp;
  readonly events: EventPorts;
  readonly reservation: Reservation;
  readonly store: StoreConnection;
}

export class Seat implements MemorySeat {
  /** Woken when the guest enters a domain. */
  readonly entered = new WaitQueue('a domain to go on in');
  /** Where the guest's stores are logged; undefined when they are not. */
  log: LogDirty | undefined;
  /** What is lent to the guest; undefined while it is in no domain. Changed here alone. */
  place: GuestPlace | undefined;

  /** @throws ArgumentError when the guest is in no domain */
  get lent(): GuestPlace {
    const { place } = this;
    checkArgument(place !== undefined, 'kernel', 'a guest that is gone used its environment');
    return place;
  }

  enter(place: GuestPlace): void {
    this.place = place;
    this.log = undefined;
    this.entered.wakeAll();
  }

  /** From now on every use of what was lent throws. */
  leave(): void {
    this.place = undefined;
    this.log = undefined;
  }
}
