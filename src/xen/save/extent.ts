/**
 * A file of domain 0 as it lies on a block device. It is one run of blocks, read and written
 * through frames of domain 0's page cache, with real requests.
 *
 * The device is the file: a partition, or any other run of sectors. That it is contiguous is a
 * simplification; a file system would have put it there in a few long runs.
 *
 * Domain 0 has no memory of its own here. The frames are taken from the allocator while the file is
 * open, and are the hypervisor's. They go to the scrub list afterwards, for they hold what a guest
 * had. What is written passes the frame table as any write does: no other frame is vouched for as
 * one of these blocks afterwards. A writer fills the frames, then waits until all are written.
 * Domain 0 makes a writer wait in the same way at its limit of dirty pages.
 */

import { DONE, err, ok, type Result } from '../../base/result.ts';
import { Mfn, PAGE_SIZE, Pfn, SECTORS_PER_PAGE } from '../../base/units.ts';
import type { BlockDevice, BlockOp, BlockRequest } from '../../disk/drive/block-device.ts';
import { Completion } from '../../sim/completion.ts';
import type { Process } from '../../sim/simulation.ts';
import type { BoundDevice } from '../records/devices.ts';
import { OWNER_HYPERVISOR } from '../frames/frame-record.ts';
import type { Hypervisor } from '../core/hypervisor.ts';

/** Frames of an open file: 1 MiB. */
export const EXTENT_FRAMES = 256;
const NO_MEMORY = err('no memory for domain 0');
/** Blocks of a request: 128 KiB, the most that a 2.6 block layer sends to a drive at once. */
const REQUEST_BLOCKS = 32;

/** What requests of domain 0 need. */
type TransferHost = Pick<Hypervisor, 'power' | 'domain0Cpu' | 'costs'>;
/** What an open file needs besides. */
export type ExtentHost = TransferHost &
  Pick<Hypervisor, 'memory' | 'frames' | 'allocator' | 'scrubber' | 'bindDevice' | 'releaseDevice'>;

export class SaveExtent {
  readonly blocks: number;
  readonly #hypervisor: ExtentHost;
  readonly #device: BoundDevice;
  readonly #frames: Uint32Array;

  private constructor(hypervisor: ExtentHost, device: BoundDevice, frames: Uint32Array) {
    this.#hypervisor = hypervisor;
    this.#device = device;
    this.#frames = frames;
    this.blocks = Math.floor(device.device.sectorCount / SECTORS_PER_PAGE);
    for (const mfn of frames) hypervisor.frames.assign(Mfn(mfn), OWNER_HYPERVISOR, Pfn(0), device.number);
  }

  /** Takes its frames and a number for the device, if there are enough. `close` gives them back. */
  static *open(hypervisor: ExtentHost, device: BlockDevice): Process<Result<SaveExtent>> {
    yield* hypervisor.scrubber.waitFor(EXTENT_FRAMES);
    const frames = new Uint32Array(EXTENT_FRAMES);
    if (!hypervisor.allocator.allocate(frames).ok) return NO_MEMORY;
    const bound = hypervisor.bindDevice(device);
    if (bound !== undefined) return ok(new SaveExtent(hypervisor, bound, frames));
    for (const mfn of frames) hypervisor.allocator.free(Mfn(mfn));
    return NO_MEMORY;
  }

  close(): void {
    for (const mfn of this.#frames) this.#hypervisor.scrubber.add(Mfn(mfn));
    this.#hypervisor.releaseDevice(this.#device);
  }

  /** Writes whole blocks, at most EXTENT_FRAMES. */
  *write(first: number, bytes: Uint8Array): Process<Result> {
    const { memory, frames } = this.#hypervisor;
    const count = bytes.length / PAGE_SIZE;
    const device = this.#device.number;
    for (let i = 0; i < count; i++) {
      const mfn = Mfn(this.#frames[i]!);
      frames.stored(mfn);
      memory.copyIn(mfn, 0, bytes, i * PAGE_SIZE, PAGE_SIZE);
      frames.beginWrite(mfn, device, first + i, first + i, true);
    }
    return yield* this.#transfer('write', first, count, (i, isDone) => {
      frames.endWrite(Mfn(this.#frames[i]!), device, first + i, first + i, true, isDone);
    });
  }

  /** Reads `count` blocks, at most EXTENT_FRAMES. */
  *read(first: number, count: number): Process<Result<Uint8Array>> {
    const { memory, frames } = this.#hypervisor;
    for (let i = 0; i < count; i++) frames.beginRead(Mfn(this.#frames[i]!), this.#device.number, first + i);
    const read = yield* this.#transfer('read', first, count, (i, isDone) => {
      frames.endRead(Mfn(this.#frames[i]!), first + i, isDone);
    });
    if (!read.ok) return read;
    const bytes = new Uint8Array(count * PAGE_SIZE);
    for (let i = 0; i < count; i++) memory.copyOut(Mfn(this.#frames[i]!), 0, bytes, i * PAGE_SIZE, PAGE_SIZE);
    return ok(bytes);
  }

  /** Writes, and is done when that and all that was written before is on the medium. */
  *commit(first: number, bytes: Uint8Array): Process<Result> {
    const written = yield* this.write(first, bytes);
    return written.ok ? yield* this.flush() : written;
  }

  /** Done when what was written is on the medium. */
  *flush(): Process<Result> {
    return yield* transferAll(this.#hypervisor, this.#device, [{ op: 'flush', sector: 0, segments: [] }]);
  }

  *#transfer(op: BlockOp, first: number, count: number, ended: (i: number, isDone: boolean) => void): Process<Result> {
    const requests: Transfer[] = [];
    for (let at = 0; at < count; at += REQUEST_BLOCKS) {
      const mfns = this.#frames.subarray(at, Math.min(at + REQUEST_BLOCKS, count));
      requests.push({
        op,
        sector: (first + at) * SECTORS_PER_PAGE,
        segments: Array.from(mfns, (mfn) => ({ mfn: Mfn(mfn), offset: 0, length: PAGE_SIZE })),
        ended: (isDone) => {
          for (let i = 0; i < mfns.length; i++) ended(at + i, isDone);
        },
      });
    }
    return yield* transferAll(this.#hypervisor, this.#device, requests);
  }
}

type Transfer = Omit<BlockRequest, 'done'> & { readonly ended?: (isDone: boolean) => void };

/** Submits requests of domain 0, and waits for all of them; done when all ended well. */
export function* transferAll(
  { domain0Cpu, costs, power }: TransferHost,
  device: BoundDevice,
  requests: readonly Transfer[],
): Process<Result> {
  const transfer = new Completion('requests of domain 0 to the disk', requests.length);
  domain0Cpu.charge(costs.blkbackRequestNs * requests.length);
  yield* domain0Cpu.settle();
  for (const { ended, ...request } of requests)
    device.submit({
      ...request,
      done: (error) => {
        power.run(() => {
          ended?.(error === undefined);
          transfer.complete(error === undefined);
        });
      },
    });
  return (yield* transfer.wait()) ? DONE : err('the device fails');
}
