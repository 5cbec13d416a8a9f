// A guest with the kernel's network front-end and nothing else.
import { EtherType, type EthernetFrame, type MacAddress } from '../../src/base/ethernet.ts';
import { getField, PAGE_SIZE, Pfn } from '../../src/base/index.ts';
import { EventChannels } from '../../src/kernel/xen/evtchn.ts';
import { GrantTable } from '../../src/kernel/xen/gnttab.ts';
import { dividePages, NETFRONT_PAGES } from '../../src/kernel/net/frame-buffers.ts';
import { type FrameReceiver, NetFront } from '../../src/kernel/net/netfront.ts';
import { NetTransmitter } from '../../src/kernel/net/net-tx.ts';
import { values } from '../../src/machine/profile.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../src/sim/index.ts';
import type { Domain } from '../../src/xen/domain/domain.ts';
import { domainOf } from '../../src/xen/index.ts';
import { SHUTDOWN_NODE, START_INFO, START_INFO_PFN } from '../../src/xen/public/index.ts';
import { LEAST_PAGES, REGISTERS, type TestMachine } from './machine.ts';

/** First page of the driver. */
export const NET_PFN = 200;
/** Its two rings. */
export const TX_RING = Pfn(NET_PFN);
export const RX_RING = Pfn(NET_PFN + 1);
/** Pages in which it receives: the last of its own. */
export const isReceivePage = (pfn: number): boolean => pfn >= NET_PFN + 2 + 64 && pfn < NET_PFN + NETFRONT_PAGES;

export class NetGuest {
  domain: Domain;
  readonly front: NetFront;
  readonly transmitter: NetTransmitter;
  readonly received: EthernetFrame[] = [];
  readonly #grants: GrantTable;
  readonly #events: EventChannels;

  constructor({ simulation }: TestMachine, domain: Domain) {
    this.domain = domain;
    const { environment } = domain;
    const page = new Uint8Array(PAGE_SIZE);
    environment.memory.copyOut(START_INFO_PFN, 0, page, 0, PAGE_SIZE);
    this.#events = new EventChannels(environment, Pfn(getField(START_INFO.x86_64, page, 0, 'sharedInfoPfn')));
    this.#grants = new GrantTable(environment, Pfn(getField(START_INFO.x86_64, page, 0, 'grantTablePfn')));
    const pages = Array.from({ length: NETFRONT_PAGES }, (_, n) => Pfn(NET_PFN + n));
    const costs = values(SERVER_2026.guest);
    const { tx, rx } = dividePages(pages);
    this.transmitter = new NetTransmitter(environment, costs, this.#events, this.#grants, tx);
    const receiver: FrameReceiver = {
      receive: (frame) => {
        if (frame.type === EtherType.transport) this.received.push({ ...frame, payload: frame.payload.slice() });
      },
    };
    this.front = new NetFront(environment, costs, this.#events, this.#grants, this.transmitter, receiver, rx);
    simulation.runProcess('connect', this.front.connect());
  }

  send(destination: MacAddress, payload: Uint8Array): void {
    this.transmitter.send(destination, EtherType.transport, [payload]);
    this.domain.environment.cpu.book();
  }

  /** Suspends itself when asked to, and connects anew when it goes on. */
  *suspends(): Process {
    const { environment } = this.domain;
    let isAsked = false;
    yield* environment.xenstore.watch(SHUTDOWN_NODE, () => (isAsked = true));
    while (!isAsked || (yield* environment.xenstore.read(SHUTDOWN_NODE)) !== 'suspend') yield 1000;
    this.#events.disable();
    yield* environment.hypercalls.suspend(REGISTERS);
    this.#grants.reset();
    this.front.disconnected();
    this.#events.enable();
    yield* this.front.connect();
  }
}

export function startNetGuest(machine: TestMachine, mac: MacAddress, name = 'guest'): NetGuest {
  const { simulation, toolstack, disk } = machine;
  const config = { name, memoryBytes: LEAST_PAGES * PAGE_SIZE, device: disk, mac };
  return new NetGuest(machine, simulation.runProcess('create', domainOf(toolstack.createDomain(config))));
}
