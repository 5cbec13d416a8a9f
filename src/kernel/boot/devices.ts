/**
 * The second phase of a boot: event channels, grants, the block device, the network, and what
 * suspends them.
 */

import { Pfn } from '../../base/units.ts';
import type { Process } from '../../sim/index.ts';
import { VIF_FRONTEND, type GuestEnvironment } from '../../xen/public/index.ts';
import { BlockFront } from '../block/blkfront.ts';
import { BlockQueue, PendingRequests } from '../block/block-queue.ts';
import type { KernelCosts } from '../costs.ts';
import type { KernelLog } from '../log.ts';
import type { MemoryManagement } from '../mm/mm.ts';
import { dividePages, NETFRONT_PAGES } from '../net/frame-buffers.ts';
import { NetFront } from '../net/netfront.ts';
import { NetTransmitter } from '../net/net-tx.ts';
import { Sockets } from '../net/socket.ts';
import { EventChannels } from '../xen/evtchn.ts';
import { GrantTable } from '../xen/gnttab.ts';
import { Panic, Suspension } from '../xen/suspend.ts';
import { reservePage, type BootMemory } from './memory.ts';
import type { BootParameters } from './start-info.ts';

export interface Devices {
  readonly events: EventChannels;
  readonly queue: BlockQueue;
  /** Size of the block device in 512-byte sectors. */
  readonly sectorCount: number;
  readonly sockets: Sockets;
  readonly suspension: Suspension;
  readonly panic: Panic;
}

/** Returns when the devices are connected. Throws GuestPanic when there is no disk. */
export function* bootDevices(
  env: GuestEnvironment,
  costs: KernelCosts,
  log: KernelLog,
  memory: BootMemory,
  parameters: BootParameters,
): Process<Devices> {
  const events = new EventChannels(env, Pfn(parameters.sharedInfoPfn));
  const grants = new GrantTable(env, Pfn(parameters.grantTablePfn));
  const pending = new PendingRequests();
  const front = new BlockFront(env, events, grants, memory.blockRing, costs.interruptNs, pending.dispatchTo);
  yield* front.connect();
  const queue = new BlockQueue(env, pending, front, costs.bioSubmitNs);
  const panic = new Panic(env.hypercalls, log);
  const suspension = new Suspension(env, costs, events, grants, memory.kernelPages, panic);
  suspension.add(front);
  const network = yield* connectNetwork(env, costs, memory.mm, events, grants);
  if (network !== undefined) suspension.add(network.front);
  const sockets = network?.sockets ?? new Sockets(env, undefined);
  return { events, queue, sectorCount: front.sectorCount, sockets, suspension, panic };
}

/** The network interface, if the domain has one, and its users. */
function* connectNetwork(
  env: GuestEnvironment,
  costs: KernelCosts,
  mm: MemoryManagement,
  events: EventChannels,
  grants: GrantTable,
): Process<{ readonly front: NetFront; readonly sockets: Sockets } | undefined> {
  if ((yield* env.xenstore.read(`${VIF_FRONTEND}/backend`)) === undefined) return undefined;
  const pages = Array.from({ length: NETFRONT_PAGES }, () =>
    reservePage(mm, 'no page is free for the network interface'),
  );
  const { tx, rx } = dividePages(pages);
  const transmitter = new NetTransmitter(env, costs, events, grants, tx);
  const sockets = new Sockets(env, transmitter);
  const front = new NetFront(env, costs, events, grants, transmitter, sockets, rx);
  yield* front.connect();
  return { front, sockets };
}
