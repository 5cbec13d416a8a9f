/**
 * The figures that the paper's slides print for a web server around a reboot of its guest: httperf
 * against Apache, one VM of 1 GB. The slides tell neither the sizes of the files nor the rate. So a
 * figure of ours is compared with theirs, and does not reproduce it. None was fitted.
 */

import type { StrategyName } from '../experiment/host/strategies.ts';

/** Throughput of the first run after the reboot over that after a conventional one. */
export const FIRST_OVER_COLD = 3;
/** Throughput of the first run after a warm-cache reboot over that of the second. */
export const FIRST_OVER_SECOND = 0.92;

/** Share of the throughput that was lost just after the reboot, and for how long. */
export const LOSSES: readonly { readonly name: StrategyName; readonly share: number; readonly seconds: 20 | 33 }[] = [
  { name: 'cold', share: 0.44, seconds: 33 },
  { name: 'warm-cache', share: 0.06, seconds: 20 },
];
