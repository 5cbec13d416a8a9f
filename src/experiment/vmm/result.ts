/**
 * The result of a hypervisor reboot: one type for all strategies.
 *
 * All times are virtual ns. Instants count from the start of the reboot, the first act of the
 * strategy. Earlier instants are negative.
 */

export const VMM_STRATEGIES = [
  'warm-vm',
  'save-restore',
  'live-migration',
  'shutdown-boot',
  'warm-cache',
  'warm-cache+metadata',
] as const;
/**
 * - warm-vm: guests are suspended on memory and go on.
 * - save-restore: they are saved to the disk and restored.
 * - live-migration: they go to another machine, and come back.
 * - shutdown-boot: they are shut down and booted again, cold.
 * - warm-cache: the same, but the cached pages of their files are kept.
 * - warm-cache+metadata: the file systems' own blocks are kept too.
 */
export type VmmStrategyName = (typeof VMM_STRATEGIES)[number];

/** A phase of the reboot. */
export interface VmmPhase {
  readonly name:
    | 'domain 0 shutdown'
    | 'suspend guests'
    | 'save guests'
    | 'migrate guests'
    | 'shut guests down'
    | 'hand over'
    | 'reset and boot'
    | 'resume guests'
    | 'restore guests'
    | 'migrate guests back'
    | 'boot guests';
  readonly startNs: number;
  readonly endNs: number;
}

export interface VmmGuestResult {
  readonly name: string;
  /** continued: the guest goes on; booted: another one was booted; lost: there is none. */
  readonly outcome: 'continued' | 'booted' | 'lost';
  /** Why it did not go on, in words; undefined when it did. */
  readonly reason: string | undefined;
  /** The longest time in which its web server answered no client (vmm/clients.ts). */
  readonly downtimeNs: number;
  /** When that time begins. */
  readonly downFromNs: number;
  /**
   * Requests with and without an answer, from the start of the reboot until all guests served
   * again.
   */
  readonly requests: { readonly answered: number; readonly failed: number };
  /** Whether a permanent client kept its connection, and its session. */
  readonly keptConnection: boolean;
  readonly keptSession: boolean;
  /**
   * Data and metadata pages read from the disk, and pages taken over from before, by the guest
   * after the reboot.
   */
  readonly pagesRead: number;
  readonly pagesReused: number;
}

export interface VmmRebootResult {
  readonly strategy: VmmStrategyName;
  /**
   * From the first act on a guest until all have stopped here: the slides' suspend, save, shutdown.
   */
  readonly stopNs: number;
  /**
   * From domain 0's first act on a guest until all of them run: the slides' resume, restore, boot.
   */
  readonly startNs: number;
  /** Everything, from the first act until the last guest runs. */
  readonly totalNs: number;
  readonly guests: readonly VmmGuestResult[];
  /** Bytes of guests that domain 0 wrote to the disk, and read from there. */
  readonly diskBytes: { readonly written: number; readonly read: number };
  /** Bytes sent to another machine, and back. */
  readonly networkBytes: number;
  /** In the order in which they began. */
  readonly timeline: readonly VmmPhase[];
}
