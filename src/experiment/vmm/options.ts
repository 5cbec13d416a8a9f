/** What `stillwarm vmm-reboot` is asked: the options of the experiment. */

import { checkInteger, checkListOf, checkObject, checkOneOf } from '../../base/argument-error.ts';
import { DOMAIN_SLOTS } from '../../xen/records/layouts.ts';
import { checkCommonOptions, type RebootOptions } from '../guest/options.ts';

export const VMM_STRATEGIES = [
  'warm-vm',
  'save-restore',
  'live-migration',
  'shutdown-boot',
  'warm-cache',
  'warm-cache+metadata',
] as const;
/**
 * warm-vm: guests are suspended on memory and go on. save-restore: they are saved to the disk and
 * restored. live-migration: they go to another machine, and come back. shutdown-boot: they are shut
 * down and booted again, cold. warm-cache: the same, and the cached pages of their files are kept.
 * warm-cache+metadata: the file systems' own blocks are kept, too.
 */
export type VmmStrategyName = (typeof VMM_STRATEGIES)[number];

export interface VmmExperimentOptions
  extends Pick<RebootOptions, 'withoutHidden' | 'disk' | 'profile' | 'arch' | 'seed'> {
  /** A directory of files or an ext2 image; each guest has a disk with the same. */
  readonly path: string;
  readonly vms: number;
  /** Memory of each guest, bytes. */
  readonly memory: number;
  readonly strategies: readonly VmmStrategyName[];
  /** At most this many bytes are read by a guest in one run. */
  readonly limit: number;
  /** Measure the two series, too. */
  readonly series: boolean;
}

/** @internal @throws ArgumentError for what is missing, unknown or out of range */
export function checkOptions(options: VmmExperimentOptions): void {
  checkObject('options', options);
  checkCommonOptions(options);
  checkListOf('strategies', options.strategies, VMM_STRATEGIES);
  checkInteger('vms', options.vms, 1, DOMAIN_SLOTS - 1);
  checkInteger('limit', options.limit, 1);
  checkOneOf('series', options.series, [false, true]);
}
