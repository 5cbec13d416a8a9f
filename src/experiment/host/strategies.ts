/** What happens to a guest's cache when the guest, or the hypervisor under it, is rebooted. */

import type { PolicyName } from '../../kernel/index.ts';

/** Names of the strategies of a reboot of a guest. */
export const STRATEGIES = ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata', 'rio', 'rio+warm-cache'] as const;
/**
 * What survives a reboot of the guest. `cold` and `prefetch`: nothing. `warm-cache`: clean pages of
 * files. `+metadata`: those of the file system too. `rio`: dirty pages.
 */
export type StrategyName = (typeof STRATEGIES)[number];

/** How the reboots of a guest differ. */
export interface Strategy {
  /** The kernel's command line (kernel/command-line.ts). */
  readonly cmdLine: string;
  /** Whether pages that are named and clean are kept. */
  readonly preserve: boolean;
  /** Whether the next guest reads in the background what this one had read. */
  readonly prefetch: boolean;
  /** Whether dirty pages that are registered are written home. */
  readonly writeDirty: boolean;
}

const CONVENTIONAL: Strategy = { cmdLine: 'cachemap=off', preserve: false, prefetch: false, writeDirty: false };
/** What each strategy does. */
export const STRATEGY: Readonly<Record<StrategyName, Strategy>> = {
  cold: CONVENTIONAL,
  prefetch: { ...CONVENTIONAL, prefetch: true },
  'warm-cache': { ...CONVENTIONAL, cmdLine: 'cachemap=files', preserve: true },
  'warm-cache+metadata': { ...CONVENTIONAL, cmdLine: 'cachemap=all', preserve: true },
  rio: { ...CONVENTIONAL, cmdLine: 'cachemap=off rio=on', writeDirty: true },
  'rio+warm-cache': { ...CONVENTIONAL, cmdLine: 'cachemap=files rio=on', preserve: true, writeDirty: true },
};

/** What a guest's command line says besides the strategy. */
export interface KernelOptions {
  /** What the kernel replaces and reads ahead; as Linux 2.6.12 by default. */
  readonly policy?: PolicyName | undefined;
}

/** The command line of a guest. */
export function cmdLineOf(strategy: StrategyName, { policy }: KernelOptions = {}): string {
  const { cmdLine } = STRATEGY[strategy];
  return policy === undefined ? cmdLine : `${cmdLine} policy=${policy}`;
}

/** Names of the strategies of a reboot of the hypervisor. */
export const VMM_STRATEGIES = [
  'warm-vm',
  'save-restore',
  'live-migration',
  'shutdown-boot',
  'warm-cache',
  'warm-cache+metadata',
] as const;
/**
 * What becomes of the guests:
 * - warm-vm: they are suspended on memory and go on.
 * - save-restore: they are saved to the disk and restored.
 * - live-migration: they go to another machine, and come back.
 * - shutdown-boot: they are shut down and booted again, cold.
 * - warm-cache: the same, and the cached pages of their files are kept.
 * - warm-cache+metadata: the file systems' own blocks are kept, too.
 */
export type VmmStrategyName = (typeof VMM_STRATEGIES)[number];

/** Parts of a hypervisor reboot. */
export const VMM_PHASES = [
  'domain 0 shutdown',
  'suspend guests',
  'save guests',
  'migrate guests',
  'shut guests down',
  'hand over',
  'reset and boot',
  'resume guests',
  'restore guests',
  'migrate guests back',
  'boot guests',
] as const;
/** Name of a part of a hypervisor reboot. */
export type VmmPhaseName = (typeof VMM_PHASES)[number];
