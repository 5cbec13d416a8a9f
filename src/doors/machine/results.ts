/** What a machine tells about itself. */

import type { DriveCounters } from '../../disk/drive/drive.ts';
import type { StrategyName, VmmStrategyName } from '../../experiment/host/strategies.ts';
import type { Difference } from '../../experiment/judge/verifier.ts';
import type { KernelStats } from '../../kernel/index.ts';
import type { StepKind } from '../../sim/index.ts';
import type { HypercallStats } from '../../xen/index.ts';

/** running: a guest runs; crashed: it is dead; off: the machine has lost power. */
export type MachineState = 'running' | 'crashed' | 'off';

/** What a reboot has done. */
export interface RebootReport {
  /** Strategy of the guest that runs now. One that goes on keeps its own. */
  readonly strategy: StrategyName;
  /** How the hypervisor was rebooted; undefined: it was not. */
  readonly hypervisor: VmmStrategyName | undefined;
  /** Whether the guest that was there goes on, instead of another one that was booted. */
  readonly continued: boolean;
  /** Virtual ns from the request until the guest runs. */
  readonly ns: number;
  /** Pages kept for the next guest. */
  readonly preserved: number;
  /** By reason: named pages that are not kept, and claims of the boot that were refused. */
  readonly refused: Readonly<Record<string, number>>;
  /** Dirty pages written home (Rio). */
  readonly written: number;
  /** Blocks of 4 KiB that `betweenGuests` has changed. */
  readonly changed: number;
  /** Why something that was to survive did not; empty when all did. */
  readonly problems: readonly string[];
}

/** What the oracle has compared with the disk. */
export interface Verification {
  /** Pages that guests took over, compared as they took them over. */
  readonly reused: number;
  /** Pages of the running guest's cache that were compared now. */
  readonly cached: number;
  /**
   * Cached pages that the disk need not have yet: dirty, under I/O, or of a changed file system.
   */
  readonly skipped: number;
  /** Pages that differ from the disk; 0 is what this model is about. */
  readonly mismatches: number;
  /** The first of them. */
  readonly differences: readonly Difference[];
}

/** Figures of a machine. */
export interface MachineStats {
  /** Virtual time, ns. */
  readonly now: number;
  /** Events dispatched since the machine was made. */
  readonly events: number;
  /** Of the guest; undefined when none runs. */
  readonly guest: KernelStats | undefined;
  /** Hypercalls of the guest, and the ns that they took; undefined when none has run. */
  readonly hypercalls: HypercallStats | undefined;
  /** Requests of the drive since the machine was made. */
  readonly drive: DriveCounters;
  /** Steps of runs, by kind; undefined when the machine counts none. */
  readonly steps: Readonly<Record<StepKind, number>> | undefined;
}

/** What has happened to a machine. */
export interface MachineReport {
  /** The strategy of the guest that runs, or ran last. */
  readonly strategy: StrategyName;
  /** Whether a guest runs. */
  readonly state: MachineState;
  /** Digest of the run: 16 hexadecimal digits. */
  readonly digest: string;
  /** Figures of now. */
  readonly stats: MachineStats;
  /** What each reboot has done, the oldest first. */
  readonly reboots: readonly RebootReport[];
  /** What was compared with the disk. */
  readonly verification: Verification;
}
