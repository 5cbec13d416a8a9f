/**
 * The block back-end of one domain. It takes requests from the ring in the guest's page, checks
 * them, and moves them to and from the device. It keeps the provenance of every frame that it
 * moves.
 *
 * It runs on domain 0's processor, driven by events. When notified, it takes up all requests that
 * are there and maps their grants. Each is submitted when the processor has done the work on it.
 * When the device has ended it, its grants are unmapped and its response is published. The
 * front-end gets an event if it asked for one.
 *
 * The guest is not trusted. A bad request is answered with an error. The operation may be unknown,
 * or the number of segments wrong. A grant may not allow it, or sectors may be outside the page or
 * the device. Nothing that a guest writes throws.
 *
 * When the domain dies no more requests are taken up. Those taken up go on to the device under
 * their grants, which pin the frames, and complete without a response or an event. `drain` waits
 * for them.
 *
 * Modelled after Xen 3.0 blkback, without its limit of requests per turn. The cost of mapping and
 * unmapping a grant is in blkbackSegmentNs.
 */

import { putField } from '../../base/layout.ts';
import { DOM0, GrantRef, PAGE_SIZE, SECTOR_SIZE, SECTORS_PER_PAGE } from '../../base/units.ts';
import type { BlockOp, Segment } from '../../disk/drive/block-device.ts';
import { type Process, WaitQueue } from '../../sim/simulation.ts';
import { BackRing } from './back-ring.ts';
import type { BoundDevice } from '../records/devices.ts';
import type { Hypervisor } from '../core/hypervisor.ts';
import {
  BlkifOp,
  BlkifStatus,
  RING_REQUEST,
  RING_RESPONSE,
  RING_SLOT_BYTES,
  RING_SLOTS,
  SEGMENTS_PER_REQUEST,
} from '../public/blkif.ts';
import { VBD_FRONTEND } from '../public/xenbus.ts';
import { beginTransfer, endTransfer, type Transfer } from './transfer.ts';
import type { Backend, BackendClient, DeviceKind } from './xenbus-backend.ts';

// The second word of a segment: its first sector of the page, its last one, and zeros.
const SECTOR_MASK = 0xff;
const LAST_SHIFT = 8;
const SPAN_BITS = 16;

/** What a back-end of a block device works with. */
export type BlockHost = Pick<Hypervisor, 'memory' | 'frames' | 'power' | 'domain0Cpu' | 'costs' | 'protections'>;

/** The block device of a domain, for its connection. */
export function vbd(hypervisor: BlockHost, device: BoundDevice): DeviceKind {
  return {
    type: 'vbd',
    frontend: VBD_FRONTEND,
    rings: ['ring-ref'],
    frontProperties: { 'virtual-device': '769', 'device-type': 'disk' },
    configuration: { type: 'phy', dev: 'hda1', mode: 'w' },
    backProperties: { sectors: String(device.device.sectorCount) },
    connect: (client) => new BlockBackend(hypervisor, device, client),
  };
}

/** A segment whose grant is mapped. */
interface MappedSegment extends Segment {
  readonly ref: GrantRef;
}

const OPS: readonly (BlockOp | undefined)[] = ['read', 'write', 'flush'];

class BlockBackend implements Backend {
  readonly #hypervisor: BlockHost;
  readonly #device: BoundDevice;
  readonly #client: BackendClient;
  /** The slot being looked at: a copy, as bytes and as words. */
  readonly #slot = new Uint8Array(RING_SLOT_BYTES);
  readonly #slotWords = new Uint32Array(this.#slot.buffer);
  readonly #idle = new WaitQueue('the last request of a block back-end');
  readonly #ring: BackRing;
  readonly #response = new Uint8Array(RING_RESPONSE.size);
  #dead = false;
  #inFlight = 0;

  constructor(hypervisor: BlockHost, device: BoundDevice, client: BackendClient) {
    this.#hypervisor = hypervisor;
    this.#device = device;
    this.#client = client;
    this.#ring = new BackRing(hypervisor, client.rings[0]!, RING_SLOTS, RING_SLOT_BYTES);
  }

  stop(): void {
    this.#dead = true;
  }

  *drain(): Process {
    while (this.#inFlight > 0) yield this.#idle;
  }

  run(): void {
    // Bounded: at most a ring of requests is outstanding.
    while (!this.#dead && this.#ring.take(this.#slot)) this.#takeUp();
  }

  #takeUp(): void {
    this.#inFlight++;
    const { costs, domain0Cpu, power, protections } = this.#hypervisor;
    const id = this.#slotWords[RING_REQUEST.offset.id / 4]!;
    const operation = this.#slot[RING_REQUEST.offset.operation]!;
    const segments = this.#segments(operation);
    domain0Cpu.charge(costs.blkbackRequestNs);
    if (segments === undefined) {
      power.after(domain0Cpu.book(), () => {
        this.#end(id, operation, false);
      });
      return;
    }
    const sector = this.#sector();
    const transfers = this.#begin(operation, sector, segments);
    const whole = transfers.reduce((count, transfer) => count + (transfer.whole ? 1 : 0), 0);
    domain0Cpu.charge(costs.blkbackSegmentNs * segments.length);
    if (protections.writeProtection) domain0Cpu.charge(costs.protectNs * whole);
    power.after(domain0Cpu.book(), () => {
      this.#device.submit({
        op: OPS[operation]!,
        sector,
        segments,
        done: (error) => {
          power.run(() => {
            this.#transferred(id, operation, segments, transfers, error === undefined);
          });
        },
      });
    });
  }

  #sector(): number {
    const at = RING_REQUEST.offset.sector / 4;
    return this.#slotWords[at]! + this.#slotWords[at + 1]! * 0x1_0000_0000;
  }

  /** The segments of the request in the slot, mapped; undefined when it is bad. */
  #segments(operation: number): MappedSegment[] | undefined {
    const count = this.#slot[RING_REQUEST.offset.segmentCount]!;
    const handle = this.#slotWords[0]! >>> 16;
    if (handle !== 0 || OPS[operation] === undefined || count > SEGMENTS_PER_REQUEST) return undefined;
    if ((count === 0) !== (operation === BlkifOp.flush)) return undefined;
    const writable = operation === BlkifOp.read;
    const segments: MappedSegment[] = [];
    let sectors = 0;
    for (let i = 0; i < count; i++) {
      const at = RING_REQUEST.offset.segments / 4 + 2 * i;
      const ref = GrantRef(this.#slotWords[at]!);
      const span = this.#slotWords[at + 1]!;
      const first = span & SECTOR_MASK;
      const last = (span >>> LAST_SHIFT) & SECTOR_MASK;
      const good = last < SECTORS_PER_PAGE && first <= last && span >>> SPAN_BITS === 0;
      const mfn = good ? this.#client.grants.map(ref, DOM0, writable) : undefined;
      if (mfn === undefined) break;
      segments.push({ mfn, ref, offset: first * SECTOR_SIZE, length: (last - first + 1) * SECTOR_SIZE });
      sectors += last - first + 1;
    }
    if (segments.length === count && this.#sector() + sectors <= this.#device.device.sectorCount) return segments;
    this.#unmap(operation, segments);
    return undefined;
  }

  #unmap(operation: number, segments: readonly { readonly ref: GrantRef }[]): void {
    for (const { ref } of segments) this.#client.grants.unmap(ref, operation === BlkifOp.read);
  }

  #begin(operation: number, sector: number, segments: readonly MappedSegment[]): Transfer[] {
    const { frames } = this.#hypervisor;
    const device = this.#device.number;
    let at = sector;
    return segments.map(({ mfn, length }) => {
      const first = at;
      at += length / SECTOR_SIZE;
      return beginTransfer(frames, device, operation, mfn, first, length);
    });
  }

  /**
   * The device has ended a request. Its frames change and its grants end at once; the response
   * waits for domain 0's work, if there is any.
   */
  #transferred(
    id: number,
    operation: number,
    segments: readonly MappedSegment[],
    transfers: readonly Transfer[],
    ok: boolean,
  ): void {
    const { frames, protections, domain0Cpu, power, costs } = this.#hypervisor;
    const device = this.#device.number;
    let cleaned = 0;
    for (const transfer of transfers) if (endTransfer(frames, device, operation, transfer, ok)) cleaned++;
    this.#unmap(operation, segments);
    if (!protections.checksum || cleaned === 0) {
      this.#end(id, operation, ok);
      return;
    }
    domain0Cpu.charge(costs.crcNsPerByte * PAGE_SIZE * cleaned);
    power.after(domain0Cpu.book(), () => {
      this.#end(id, operation, ok);
    });
  }

  #end(id: number, operation: number, ok: boolean): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#idle.wakeAll();
    if (this.#dead) return;
    putField(RING_RESPONSE, this.#response, 0, 'id', id);
    putField(RING_RESPONSE, this.#response, 0, 'operation', operation);
    putField(RING_RESPONSE, this.#response, 0, 'status', ok ? BlkifStatus.ok : BlkifStatus.error);
    if (this.#ring.respond(this.#response)) this.#client.notify();
  }
}
