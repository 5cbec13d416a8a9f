/**
 * The network back-end of one domain: takes frames from the guest's pages to the bridge, and from
 * there into empty pages of the guest's.
 *
 * It runs on domain 0's processor, which works on a burst in one go: on what was on the ring, or on
 * what arrived together. The work counts segments. A frame to be sent is copied when the processor
 * has come to it, its page mapped until then. A frame that arrives is copied into the next page
 * that the guest has put on the ring. It is lost where there is no page, or where too many frames
 * wait for the processor.
 *
 * While frames wait for the machine's adapter, requests to send are not answered. So the guest's
 * pages run out, and frames wait in the guest.
 *
 * Some machines give pages (`netbackFlips`). There the guest gets the page in which a packet has
 * come, and gives an empty one for it. Of what it sends, the headers are copied. That is a matter
 * of costs here: the frames stay where they are, and the bytes move.
 *
 * The guest is not trusted: a frame outside its page, or a grant that does not allow it, is
 * answered with an error. Nothing that a guest writes throws. When the domain dies nothing more is
 * taken up. What was taken up is not sent, and holds its grants until the processor comes to it.
 *
 * Modelled after netback of Xen 3.0.0 and 3.0.3. Differs in that there is no credit scheme, and
 * that no page changes its owner. The original answers when the adapter has sent the very frame.
 */

import { ETHERNET_HEADER, macText, type MacAddress, segmentsOf } from '../../base/ethernet.ts';
import { getU16, getU32, putU16, reservedIsZero } from '../../base/layout.ts';
import { Slab } from '../../base/slab.ts';
import { DOM0, GrantRef, type Mfn, PAGE_SIZE } from '../../base/units.ts';
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

const TX = NET_TX_REQUEST.offset;

/** Bytes of a frame to be sent that are copied in any case: PKT_PROT_LEN of netback. */
const HEADERS = 64;

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

/** A request to send that was taken up; without a frame it is answered with an error. */
interface Sending {
  readonly id: number;
  readonly ref: GrantRef;
  readonly offset: number;
  readonly size: number;
  readonly mfn: Mfn | undefined;
}

class NetBackend implements Backend {
  readonly #hypervisor: NetHost;
  readonly #client: BackendClient;
  readonly #port: BridgePort;
  readonly #tx: BackRing;
  readonly #rx: BackRing;
  readonly #txRequest = new Uint8Array(NET_TX_REQUEST.size);
  readonly #txResponse = new Uint8Array(NET_TX_RESPONSE.size);
  readonly #rxRequest = new Uint8Array(NET_RX_REQUEST.size);
  readonly #rxResponse = new Uint8Array(NET_RX_RESPONSE.size);
  /** For frames of the guest. */
  readonly #slab = new Slab();
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
    this.#port = hypervisor.network.bridge.attach((frames) => {
      this.#arrive(frames);
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
    const burst: Sending[] = [];
    while (!this.#isDead && this.#tx.take(this.#txRequest)) burst.push(this.#takeUp());
    if (burst.length === 0) return;
    this.#sending += burst.length;
    let costNs = 0;
    for (const { mfn, size } of burst) costNs += this.#sendingNs(mfn === undefined ? 0 : size);
    this.#work(costNs, (overNs) => {
      this.#send(burst, overNs);
    });
  }

  #takeUp(): Sending {
    const request = this.#txRequest;
    const id = getU16(request, TX.id);
    const offset = getU16(request, TX.offset);
    const size = getU16(request, TX.size);
    const ref = GrantRef(getU32(request, TX.grant));
    const isFrame = size >= ETHERNET_HEADER.size && offset + size <= PAGE_SIZE;
    const isGood = isFrame && reservedIsZero(NET_TX_REQUEST, request, 0);
    return { id, ref, offset, size, mfn: isGood ? this.#client.grants.map(ref, DOM0, false) : undefined };
  }

  /** The processor has come to a burst. */
  #send(burst: readonly Sending[], overNs: number): void {
    const frames: Uint8Array[] = [];
    for (const { ref, offset, size, mfn } of burst) {
      if (mfn === undefined) continue;
      const frame = this.#slab.take(size);
      this.#hypervisor.memory.copyOut(mfn, offset, frame, 0, size);
      this.#client.grants.unmap(ref, false);
      frames.push(frame);
    }
    if (!this.#isDead) this.#port.input(frames, overNs);
    this.#sending -= burst.length;
    if (this.#sending === 0) this.#idle.wakeAll();
    if (this.#isDead) return;
    this.#hypervisor.network.hold(() => {
      this.#respond(burst);
    });
  }

  #respond(burst: readonly Sending[]): void {
    if (this.#isDead) return;
    let isWanted = false;
    for (const { id, mfn } of burst) {
      const response = this.#txResponse;
      putU16(response, NET_TX_RESPONSE.offset.id, id);
      putU16(response, NET_TX_RESPONSE.offset.status, mfn === undefined ? NetStatus.error : NetStatus.ok);
      if (this.#tx.respond(response)) isWanted = true;
    }
    if (isWanted) this.#client.notify();
  }

  #arrive(frames: readonly Uint8Array[]): void {
    const taken = frames.filter(({ length }) => length <= PAGE_SIZE).slice(0, MAX_WAITING - this.#waiting);
    if (taken.length === 0) return;
    this.#waiting += taken.length;
    let costNs = 0;
    for (const { length } of taken) costNs += this.#receivingNs(length);
    this.#work(costNs, () => {
      this.#waiting -= taken.length;
      let isWanted = false;
      for (const frame of taken) {
        if (this.#isDead || !this.#rx.take(this.#rxRequest)) break;
        if (this.#receive(frame)) isWanted = true;
      }
      if (isWanted) this.#client.notify();
    });
  }

  /** Puts a frame into the page that was taken. Returns whether the guest wants an event. */
  #receive(frame: Uint8Array): boolean {
    const { memory, frames } = this.#hypervisor;
    const ref = GrantRef(getU32(this.#rxRequest, NET_RX_REQUEST.offset.grant));
    const mfn = this.#client.grants.map(ref, DOM0, true);
    if (mfn !== undefined) {
      // A store of the hypervisor into the guest's page: it does not trap, so the frame table
      // learns of it here.
      frames.stored(mfn);
      memory.copyIn(mfn, 0, frame, 0, frame.length);
      this.#client.grants.unmap(ref, true);
    }
    const response = this.#rxResponse;
    putU16(response, NET_RX_RESPONSE.offset.id, getU16(this.#rxRequest, NET_RX_REQUEST.offset.id));
    putU16(response, NET_RX_RESPONSE.offset.size, mfn === undefined ? 0 : frame.length);
    return this.#rx.respond(response);
  }

  #sendingNs(bytes: number): number {
    const { netbackPacketNs, netbackNsPerByte, netbackFlips } = this.#hypervisor.costs;
    const copied = netbackFlips === 0 ? bytes : Math.min(bytes, HEADERS);
    return netbackPacketNs * segmentsOf(bytes) + netbackNsPerByte * copied;
  }

  #receivingNs(bytes: number): number {
    const { netbackPacketNs, netbackNsPerByte, netbackFlips, netbackFlipNs } = this.#hypervisor.costs;
    const segments = segmentsOf(bytes);
    return netbackPacketNs * segments + (netbackFlips === 0 ? netbackNsPerByte * bytes : netbackFlipNs * segments);
  }

  /**
   * Goes on when domain 0's processor has done the work on a burst.
   * @param then is told how long that took
   */
  #work(costNs: number, then: (overNs: number) => void): void {
    const { domain0Cpu, power } = this.#hypervisor;
    domain0Cpu.charge(costNs);
    power.after(domain0Cpu.book(), () => {
      then(Math.round(costNs));
    });
  }
}
