/**
 * The block device as its users see it: requests that move bytes between the device and machine frames, and complete
 * later. Modelled after a 2.6 bio with its scatter list.
 */

import type { Mfn } from '../base/units.ts';
import type { BackingStore, Writer } from './backing-store.ts';

export type BlockOp = 'read' | 'write' | 'flush';

/** A piece of one machine frame. `offset` and `length` are bytes, multiples of 512. */
export interface Segment {
  readonly mfn: Mfn;
  readonly offset: number;
  readonly length: number;
}

/** A request. The segments' bytes lie one after the other on the device, from `sector` on. A flush has none. */
export interface BlockRequest {
  readonly op: BlockOp;
  /** First 512-byte sector. */
  readonly sector: number;
  readonly segments: readonly Segment[];
  /** Whoever keeps account of its own writes. */
  readonly by?: Writer | undefined;
  /** Called once, later than `submit`, when the request has ended. */
  readonly done: (error: 'EIO' | undefined) => void;
}

export interface BlockDevice {
  /** Size in 512-byte sectors. */
  readonly sectorCount: number;
  /** What its sectors lie on; the same for as long as the device is there. */
  readonly store: BackingStore;
  /** Queues a request. Requests outside the device complete with EIO. */
  submit(request: BlockRequest): void;
}
