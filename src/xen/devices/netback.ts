/**
 * The network back-end of one domain: takes frames from the guest's pages to the bridge, and from
 * there into empty pages of the guest's.
 *
 * It runs on domain 0's processor. A frame to be sent is copied when the processor has come to it,
 * its page mapped until then. A frame that arrives is copied into the next page that the guest has
 * put on the ring. It is lost where there is no page, or where too many frames wait for the
 * processor.
 *
 * The guest is not trusted: a frame outside its page, or a grant that does not allow it, is
 * answered with an error. Nothing that a guest writes throws. When the domain dies nothing more is
 * taken up. What was taken up is not sent, and holds its grants until the processor comes to it.
 *
 * Modelled after netback of Xen 3.0, which flips pages where this copies. Differs in that there is
 * no credit scheme.
 */

import { ETHERNET_HEADER, macText, type MacAddress } from '../../base/ethernet.ts';
import { getField, putField, reservedIsZero } from '../../base/layout.ts';
import { DOM0, GrantRef, PAGE_SIZE } from '../../base/units.ts';
import type { BridgePort } from '../../machine/bridge.ts';
import { type Process, WaitQueue } from '../../sim/simulation.ts';
import { BackRing } from './back-ring.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import {
  NET_RING_SLOTS,
  NET_RX_REQUEST,
  NET_RX_RESPONSE,
  NET_TX_REQUEST,
  NET_TX_RESPONSE,
  NetStatus,
} from '../public/netif.ts';
import { VIF_FRONTEND } from '../public/xenbus.ts';
import type { Backend, BackendClient, DeviceKind } from './xenbus-backend.ts';

/** Frames that may wait to be received: as many as there are slots. */
const MAX_WAITING = NET_RING_SLOTS;

/** What a back-end of a network interface works with. */
export type NetHost = Pick<Hypervisor, 'memory' | 'frames' | 'power' | 'domain0Cpu' | 'costs' | 'network'>;

/** The network interface of a domain, for its connection. */
export function vif(hypervisor: NetHost, mac: MacAddress): DeviceKind {
  return {
    type: 'vif',
    frontend: VIF_FRONTEND,
    rings: ['tx-ring-ref', 'rx-ring-ref'],
    frontProperties: { handle: '0', mac: macText(mac) },
    configuration: { handle: '0', mac: macText(mac), script: 'vif-bridge', bridge: 'xenbr0' },
    backProperties: {},
    connect: (client) => new NetBackend(hypervisor, client),
  };
}

class NetBackend implements Backend {
  readonly #hypervisor: NetHost;
  readonly #client: BackendClient;
  readonly #port: BridgePort;
  readonly #tx: BackRing;
  readonly #rx: BackRing;
  readonly #txRequest = new Uint8Array(NET_TX_REQUEST.size);
  readonly #rxRequest = new Uint8Array(NET_RX_REQUEST.size);
  readonly #idle = new WaitQueue('the last packet of a network back-end');
  #isDead = false;
  /** Frames of the guest that were taken up. */
  #sending = 0;
  /** Frames for it that wait for the processor. */
  #waiting = 0;

  constructor(hypervisor: NetHost, client: BackendClient) {
    this.#hypervisor = hypervisor;
    this.#client = client;
    this.#tx = new BackRing(hypervisor, client.rings[0]!, NET_RING_SLOTS, NET_TX_REQUEST.size);
    this.#rx = new BackRing(hypervisor, client.rings[1]!, NET_RING_SLOTS, NET_RX_REQUEST.size);
    this.#port = hypervisor.network.bridge.attach((frame) => {
      this.#arrives(frame);
    });
  }

  stop(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#port.detach();
  }

  *drain(): Process {
    while (this.#sending > 0) yield this.#idle;
  }

  run(): void {
    while (!this.#isDead && this.#tx.take(this.#txRequest)) this.#takeUp();
  }

  #takeUp(): void {
    const request = this.#txRequest;
    const field = (name: keyof typeof NET_TX_REQUEST.offset): number => getField(NET_TX_REQUEST, request, 0, name);
    const id = field('id');
    const offset = field('offset');
    const size = field('size');
    const ref = GrantRef(field('grant'));
    const isFrame = size >= ETHERNET_HEADER.size && offset + size <= PAGE_SIZE;
    const isGood = isFrame && reservedIsZero(NET_TX_REQUEST, request, 0);
    const mfn = isGood ? this.#client.grants.map(ref, DOM0, false) : undefined;
    this.#sending++;
    this.#work(mfn === undefined ? 0 : size, () => {
      if (mfn !== undefined) {
        const frame = new Uint8Array(size);
        this.#hypervisor.memory.copyOut(mfn, offset, frame, 0, size);
        this.#client.grants.unmap(ref, false);
        if (!this.#isDead) this.#port.input(frame);
      }
      if (--this.#sending === 0) this.#idle.wakeAll();
      if (this.#isDead) return;
      const response = new Uint8Array(NET_TX_RESPONSE.size);
      putField(NET_TX_RESPONSE, response, 0, 'id', id);
      putField(NET_TX_RESPONSE, response, 0, 'status', mfn === undefined ? NetStatus.error : NetStatus.ok);
      if (this.#tx.respond(response)) this.#client.notify();
    });
  }

  #arrives(frame: Uint8Array): void {
    if (this.#waiting === MAX_WAITING || frame.length > PAGE_SIZE) return;
    this.#waiting++;
    this.#work(frame.length, () => {
      this.#waiting--;
      if (!this.#isDead && this.#rx.take(this.#rxRequest)) this.#receive(frame);
    });
  }

  #receive(frame: Uint8Array): void {
    const { memory, frames } = this.#hypervisor;
    const ref = GrantRef(getField(NET_RX_REQUEST, this.#rxRequest, 0, 'grant'));
    const mfn = this.#client.grants.map(ref, DOM0, true);
    if (mfn !== undefined) {
      // A store of the hypervisor into the guest's page: it does not trap, so the frame table
      // learns of it here.
      frames.stored(mfn);
      memory.copyIn(mfn, 0, frame, 0, frame.length);
      this.#client.grants.unmap(ref, true);
    }
    const response = new Uint8Array(NET_RX_RESPONSE.size);
    putField(NET_RX_RESPONSE, response, 0, 'id', getField(NET_RX_REQUEST, this.#rxRequest, 0, 'id'));
    putField(NET_RX_RESPONSE, response, 0, 'size', mfn === undefined ? 0 : frame.length);
    if (this.#rx.respond(response)) this.#client.notify();
  }

  /** Goes on when domain 0's processor has done the work on a frame. */
  #work(bytes: number, then: () => void): void {
    const { domain0Cpu, power, costs } = this.#hypervisor;
    domain0Cpu.charge(costs.netbackPacketNs + costs.netbackNsPerByte * bytes);
    power.after(domain0Cpu.book(), then);
  }
}
