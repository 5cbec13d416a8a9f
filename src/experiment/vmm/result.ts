/**
 * What a reboot of the hypervisor took, whatever the strategy: the one type that all of them return.
 *
 * All times are virtual ns. Instants count from the start of the reboot, which is when the strategy does its first
 * thing; what comes before is negative.
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
 * warm-vm: guests are suspended on memory and go on. save-restore: they are saved to the disk and restored. live-migration: they
 * go to another machine, and come back. shutdown-boot: they are shut down and booted again, cold. warm-cache: the same, and the
 * cached pages of their files are kept. warm-cache+metadata: the file systems' own blocks are kept, too.
 */
export type VmmStrategyName = (typeof VMM_STRATEGIES)[number];

/** A piece of the reboot. */
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
  /** continued: the guest that was there goes on; booted: another one was booted; lost: there is none. */
  readonly outcome: 'continued' | 'booted' | 'lost';
  /** Why it did not go on where it should have, in words; undefined when it did. */
  readonly reason: string | undefined;
  /** The longest time in which its web server answered no client (vmm/clients.ts). */
  readonly downtimeNs: number;
  /** When that begins. */
  readonly downFromNs: number;
  /** Requests that were answered, and that were not, from the start of the reboot until all guests served again. */
  readonly requests: { readonly answered: number; readonly failed: number };
  /** Whether a client that was there all the time kept its connection, and its session. */
  readonly keptConnection: boolean;
  readonly keptSession: boolean;
  /** Data and metadata pages read from the disk, and pages taken over from before, by the guest after the reboot. */
  readonly pagesRead: number;
  readonly pagesReused: number;
}

export interface VmmRebootResult {
  readonly strategy: VmmStrategyName;
  /** From the first thing that is done to a guest until all of them have stopped here: the slides' suspend, save, shutdown. */
  readonly stopNs: number;
  /** From when domain 0 begins with the first guest until all of them run: the slides' resume, restore, boot. */
  readonly startNs: number;
  /** Everything, from the first thing that is done to when the last guest runs. */
  readonly totalNs: number;
  readonly guests: readonly VmmGuestResult[];
  /** Bytes of guests that domain 0 wrote to the disk, and read from there. */
  readonly diskBytes: { readonly written: number; readonly read: number };
  /** Bytes sent to another machine, and back. */
  readonly networkBytes: number;
  /** In the order in which they began. */
  readonly timeline: readonly VmmPhase[];
}
