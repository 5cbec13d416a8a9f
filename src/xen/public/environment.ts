/**
 * What a guest runs in: virtual time, its processor, its memory and its hypercalls. This is the
 * whole world of a guest kernel; a rebooted guest gets a new one, and every call on the old one
 * throws.
 */

import type { Ns } from '../../base/units.ts';
import type { CpuClock } from '../../sim/cpu-clock.ts';
import type { Process, RandomStream, Task } from '../../sim/index.ts';
import type { CacheMapBatch } from './cache-map-op.ts';
import type { EventChannelOp } from './event-channel.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { XenstoreClient } from './xenbus.ts';

/**
 * Wall-clock time at the virtual instant 0, seconds since 1970: what Xen's shared-info page tells
 * as wc_sec. Assumed: the spring of 2006, when Xen 3.0.2 came out.
 */
export const WALL_CLOCK_START = 1_146_000_000;

/** Why a guest stops, as it tells the hypervisor. */
export const ShutdownReason = {
  /** It is to be taken down. */
  poweroff: 0,
  /** It is to be booted again. */
  reboot: 1,
  /** It waits to be resumed. */
  suspend: 2,
  /** Its kernel has died. */
  crash: 3,
} as const;
/** A code of `ShutdownReason`. */
export type ShutdownReason = (typeof ShutdownReason)[keyof typeof ShutdownReason];

/** General registers of a virtual processor, 32 bits each. */
export const NR_REGISTERS = 16;

/**
 * The domain's recovery box: items of bytes under keys, unsigned 32-bit numbers, which the next
 * guest finds again.
 */
export interface RecoveryBoxOp {
  /**
   * Stores an item, in place of the one of that key; false, and nothing is changed, when there is
   * no room or no such key.
   */
  put(key: number, bytes: Uint8Array): boolean;
  /** Undefined when there is none, or it is damaged. */
  get(key: number): Uint8Array | undefined;
  /** Returns whether there was one. */
  remove(key: number): boolean;
  /** Keys of all items, 32 bits each. */
  keys(): number[];
  /** How many items were found damaged, and are gone. */
  readonly damaged: number;
}

/** The hypercalls. Each charges the guest's processor with its cost. */
export interface Hypercalls {
  /** Performs a batch of table operations; see cache-map-op.ts. Does not reset the batch. */
  cacheMapOp(batch: CacheMapBatch): void;
  /** Event channels; see event-channel.ts. */
  readonly eventChannels: EventChannelOp;
  /**
   * HYPERVISOR_set_callbacks, a hypercall of the running kernel: registers what runs when
   * `upcallPending` is set and `upcallMask` is not, in interrupt context.
   */
  setCallback(callback: () => void): void;
  /**
   * memory_op: gives the frames of pages back; returns how many, which ends at the first page that
   * cannot be.
   */
  decreaseReservation(pfns: ArrayLike<number>): number;
  /** memory_op: gets frames, all zero, for pages that were given back; returns how many got one. */
  increaseReservation(pfns: ArrayLike<number>): number;
  /** The recovery box; each access is a hypercall. */
  readonly recoveryBox: RecoveryBoxOp;
  /**
   * Stops the domain. The tool stack decides what follows; the guest must not do anything
   * afterwards.
   */
  shutdown(reason: ShutdownReason): void;
  /**
   * Freezes the domain with these words in its registers, NR_REGISTERS of them. Returns when it is
   * resumed, with what the registers hold then, and with upcalls as they were. The guest is on its
   * own pages, but perhaps on other frames and under another hypervisor. That one knows its event
   * channels, but neither its grants nor its devices.
   */
  suspend(registers: Uint32Array): Process<Uint32Array>;
}

/** The world of a guest. Only the kernel of this package uses its parts. */
export interface GuestEnvironment {
  /** @internal Virtual time, ns. */
  readonly now: Ns;
  /** @internal */
  readonly cpu: CpuClock;
  /** @internal */
  readonly memory: GuestMemory;
  /** @internal */
  readonly hypercalls: Hypercalls;
  /** @internal */
  readonly xenstore: XenstoreClient;
  /**
   * @internal Computes for so long on the machine's processors, which all guests share in turns.
   */
  compute(duration: Ns): Process;
  /** @internal Starts a process of the guest; it ends where it stands when the domain goes. */
  spawn<T>(name: string, process: Process<T>): Task<T>;
  /** @internal Calls `action` after a delay, unless the domain is gone by then. */
  after(delay: Ns, action: () => void): void;
  /** @internal A seeded random stream of this domain. */
  random(name: string): RandomStream;
}
