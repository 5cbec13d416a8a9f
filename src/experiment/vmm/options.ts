/** What `stillwarm vmm-reboot` is asked: the options of the experiment. */

import { checkInteger, checkListOf, checkObject, checkOneOf } from '../../base/argument-error.ts';
import { DOMAIN_SLOTS } from '../../xen/records/layouts.ts';
import { checkCommonOptions, type RebootOptions } from '../guest/options.ts';
import { VMM_STRATEGIES, type VmmStrategyName } from '../host/strategies.ts';

export interface VmmExperimentOptions
  extends Pick<
    RebootOptions,
    | 'image'
    | 'withoutHidden'
    | 'withoutBootFiles'
    | 'disk'
    | 'profile'
    | 'constants'
    | 'arch'
    | 'seed'
    | 'backend'
    | 'domain0Cache'
  > {
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
