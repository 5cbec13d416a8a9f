/**
 * The block back-end of one domain: takes requests from the ring in the guest's page, checks them, moves them to and from
 * the device, and keeps the provenance of every frame that it moves.
 *
 * It runs on domain 0's processor, driven by events: notified, it runs `domainSwitchNs` later and takes up all requests
 * that are there; each is submitted when the processor has done the work on it; its response is published when the device
 * has ended it, and the guest's upcall comes `domainSwitchNs` after that, once for as many responses as there are by then.
 *
 * The guest is not trusted. A slot is copied before it is looked at. A bad request (unknown operation, no segments or too
 * many, a page the domain does not have, sectors outside the page or the device) is answered with an error. A producer
 * index that claims more than a ring of requests is ignored until it makes sense. Nothing that a guest writes throws.
 *
 * When the domain dies no more requests are taken up; those taken up go on to the device and complete into nobody's
 * hands: no response, no upcall. `drain` waits for them, so that no frame is reused under a transfer.
 *
 * Modelled after Xen 3.0 blkback, with pages named by pfn instead of grants and without its limit of requests per turn.
 */

import { Mfn, Ns, PAGE_SIZE, type Pfn, SECTOR_SIZE, SECTORS_PER_PAGE } from '../base/units.ts';
import type { BlockDevice, BlockOp, Segment } from '../disk/block-device.ts';
import { type Process, WaitQueue } from '../sim/simulation.ts';
import type { Hypervisor } from './hypervisor.ts';
import {
  BlkifOp,
  BlkifStatus,
  RING_HEADER,
  RING_HEADER_BYTES,
  RING_REQUEST,
  RING_RESPONSE,
  RING_SLOT_BYTES,
  RING_SLOTS,
  SEGMENTS_PER_REQUEST,
} from './public/blkif.ts';

/** What the back-end needs of its domain. */
export interface BackendClient {
  readonly p2m: Uint32Array;
  readonly deviceNumber: number;
  /** Runs the guest's handler, if the guest still runs. */
  upcall(): void;
}

/** A segment taken up: where on the device it lies, in blocks. `whole`: one whole page to or from one whole block. */
interface Transfer {
  readonly mfn: Mfn;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly whole: boolean;
}

const OPS: readonly (BlockOp | undefined)[] = ['read', 'write', 'flush'];
const slotOffset = (index: number): number => RING_HEADER_BYTES + (index % RING_SLOTS) * RING_SLOT_BYTES;

export class BlockBackend {
  readonly #hypervisor: Hypervisor;
  readonly #device: BlockDevice;
  readonly #client: BackendClient;
  readonly #ringMfn: Mfn;
  /** The slot being looked at: a copy, as bytes and as words. */
  readonly #slot = new Uint8Array(RING_SLOT_BYTES);
  readonly #slotWords = new Uint32Array(this.#slot.buffer);
  readonly #idle = new WaitQueue();
  #dead = false;
  #reqCons = 0;
  #rspProd = 0;
  #inFlight = 0;
  #scheduled = false;
  #upcallPending = false;

  constructor(hypervisor: Hypervisor, device: BlockDevice, client: BackendClient, ringPfn: Pfn) {
    this.#hypervisor = hypervisor;
    this.#device = device;
    this.#client = client;
    this.#ringMfn = Mfn(client.p2m[ringPfn]!);
    this.#storeWord(RING_HEADER.offset.reqEvent, 1);
    this.notify();
  }

  /** Requests taken up and not ended. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The front-end has sent its event. */
  notify(): void {
    if (this.#scheduled || this.#dead) return;
    this.#scheduled = true;
    this.#hypervisor.simulation.after(Ns(Math.round(this.#hypervisor.costs.domainSwitchNs)), () => {
      this.#scheduled = false;
      this.#run();
    });
  }

  /** The domain is gone: nothing more is taken from the ring or put into it. */
  stop(): void {
    this.#dead = true;
  }

  /** Waits until nothing is in flight. */
  *drain(): Process {
    while (this.#inFlight > 0) yield this.#idle;
  }

  #run(): void {
    // Bounded: `#take` advances, and at most a ring of requests is outstanding.
    for (let turn = 0; turn <= RING_SLOTS && !this.#dead; turn++) {
      const produced = this.#ringWord(RING_HEADER.offset.reqProd);
      if (produced === this.#reqCons) {
        // No second look at reqProd: between these two lines no guest runs.
        this.#storeWord(RING_HEADER.offset.reqEvent, (this.#reqCons + 1) >>> 0);
        return;
      }
      const outstanding = (produced - this.#rspProd) >>> 0;
      const taken = (this.#reqCons - this.#rspProd) >>> 0;
      if (outstanding > RING_SLOTS || outstanding < taken) return;
      this.#take();
    }
  }

  #take(): void {
    this.#hypervisor.memory.copyOut(this.#ringMfn, slotOffset(this.#reqCons), this.#slot, 0, RING_SLOT_BYTES);
    this.#reqCons = (this.#reqCons + 1) >>> 0;
    this.#inFlight++;
    const { costs, domain0Cpu, simulation, protections } = this.#hypervisor;
    const id = this.#slotWords[RING_REQUEST.offset.id / 4]!;
    const operation = this.#slot[RING_REQUEST.offset.operation]!;
    const segments = this.#segments(operation);
    domain0Cpu.charge(costs.blkbackRequestNs);
    if (segments === undefined) {
      simulation.after(domain0Cpu.book(), () => {
        this.#end(id, operation, false);
      });
      return;
    }
    const sector = this.#sector();
    const transfers = this.#begin(operation, sector, segments);
    const whole = transfers.reduce((count, transfer) => count + (transfer.whole ? 1 : 0), 0);
    domain0Cpu.charge(costs.blkbackSegmentNs * segments.length);
    if (protections.writeProtection) domain0Cpu.charge(costs.protectNs * whole);
    simulation.after(domain0Cpu.book(), () => {
      this.#device.submit({
        op: OPS[operation]!,
        sector,
        segments,
        done: (error) => {
          this.#transferred(id, operation, transfers, error === undefined);
        },
      });
    });
  }

  #sector(): number {
    const at = RING_REQUEST.offset.sector / 4;
    return this.#slotWords[at]! + this.#slotWords[at + 1]! * 0x1_0000_0000;
  }

  /** The segments of the request in the slot; undefined when it is bad. */
  #segments(operation: number): Segment[] | undefined {
    const count = this.#slot[RING_REQUEST.offset.segmentCount]!;
    const handle = this.#slotWords[0]! >>> 16;
    if (handle !== 0 || OPS[operation] === undefined || count > SEGMENTS_PER_REQUEST) return undefined;
    if ((count === 0) !== (operation === BlkifOp.flush)) return undefined;
    const segments: Segment[] = [];
    let sectors = 0;
    for (let i = 0; i < count; i++) {
      const at = RING_REQUEST.offset.segments / 4 + 2 * i;
      const mfn = this.#client.p2m[this.#slotWords[at]!];
      const first = this.#slotWords[at + 1]! & 0xff;
      const last = (this.#slotWords[at + 1]! >>> 8) & 0xff;
      if (mfn === undefined || last >= SECTORS_PER_PAGE || first > last || this.#slotWords[at + 1]! >>> 16 !== 0)
        return undefined;
      segments.push({ mfn: Mfn(mfn), offset: first * SECTOR_SIZE, length: (last - first + 1) * SECTOR_SIZE });
      sectors += last - first + 1;
    }
    return this.#sector() + sectors <= this.#device.sectorCount ? segments : undefined;
  }

  #begin(operation: number, sector: number, segments: readonly Segment[]): Transfer[] {
    const { frames } = this.#hypervisor;
    const device = this.#client.deviceNumber;
    let at = sector;
    return segments.map(({ mfn, length }) => {
      const last = at + length / SECTOR_SIZE - 1;
      const whole = length === PAGE_SIZE && at % SECTORS_PER_PAGE === 0;
      const firstBlock = Math.floor(at / SECTORS_PER_PAGE);
      const lastBlock = Math.floor(last / SECTORS_PER_PAGE);
      at = last + 1;
      if (operation === BlkifOp.read) frames.beginRead(mfn, device, whole ? firstBlock : -1);
      else frames.beginWrite(mfn, device, firstBlock, lastBlock, whole);
      return { mfn, firstBlock, lastBlock, whole };
    });
  }

  /** The device has ended a request. Its frames change at once; the response waits for domain 0's work, if there is any. */
  #transferred(id: number, operation: number, transfers: readonly Transfer[], ok: boolean): void {
    const { frames, protections, domain0Cpu, simulation, costs } = this.#hypervisor;
    const device = this.#client.deviceNumber;
    let cleaned = 0;
    for (const { mfn, firstBlock, lastBlock, whole } of transfers) {
      const clean =
        operation === BlkifOp.read
          ? frames.endRead(mfn, whole ? firstBlock : -1, ok)
          : frames.endWrite(mfn, device, firstBlock, lastBlock, whole, ok);
      if (clean) cleaned++;
    }
    if (!protections.checksum || cleaned === 0) {
      this.#end(id, operation, ok);
      return;
    }
    domain0Cpu.charge(costs.crcNsPerByte * PAGE_SIZE * cleaned);
    simulation.after(domain0Cpu.book(), () => {
      this.#end(id, operation, ok);
    });
  }

  #end(id: number, operation: number, ok: boolean): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#idle.wakeAll();
    if (this.#dead) return;
    const at = slotOffset(this.#rspProd);
    this.#storeWord(at + RING_RESPONSE.offset.id, id);
    this.#storeWord(at + RING_RESPONSE.offset.operation, operation);
    this.#storeWord(at + RING_RESPONSE.offset.status, ok ? BlkifStatus.ok : BlkifStatus.error);
    this.#rspProd = (this.#rspProd + 1) >>> 0;
    this.#storeWord(RING_HEADER.offset.rspProd, this.#rspProd);
    if (this.#ringWord(RING_HEADER.offset.rspEvent) === this.#rspProd) this.#notifyGuest();
  }

  #notifyGuest(): void {
    const { domain0Cpu, costs, simulation } = this.#hypervisor;
    domain0Cpu.charge(costs.eventSendNs);
    const delay = domain0Cpu.book();
    if (this.#upcallPending) return;
    this.#upcallPending = true;
    simulation.after(Ns(delay + Math.round(costs.domainSwitchNs)), () => {
      this.#upcallPending = false;
      if (!this.#dead) this.#client.upcall();
    });
  }

  #ringWord(offset: number): number {
    return this.#hypervisor.memory.readU32(this.#ringMfn, offset);
  }

  /** A store of the hypervisor into the guest's page: it does not trap, so the provenance is told here. */
  #storeWord(offset: number, value: number): void {
    this.#hypervisor.frames.stored(this.#ringMfn);
    this.#hypervisor.memory.writeU32(this.#ringMfn, offset, value);
  }
}
