/** The replacement policies by name. A policy is one file of this folder, and one row here. */

import type { MemMap } from '../mem-map.ts';
import { Arc } from './arc.ts';
import { Clock } from './clock.ts';
import { Lru } from './lru.ts';
import { Mglru } from './mglru.ts';
import { SWAP_CLUSTER_MAX, type ReplacementPolicy } from './policy.ts';
import { S3Fifo } from './s3-fifo.ts';
import { Sieve } from './sieve.ts';
import { TwoListLru } from './two-list.ts';
import { TwoQ } from './two-q.ts';

/** The policies; the first is the default. */
export const POLICIES = ['linux-2.6.12', 'mglru', 'lru', 'clock', 'sieve', '2q', 's3-fifo', 'arc'] as const;
/** Name of a replacement policy. */
export type PolicyName = (typeof POLICIES)[number];

const CLASSES: Readonly<Record<PolicyName, new (map: MemMap, batch: number) => ReplacementPolicy>> = {
  'linux-2.6.12': TwoListLru,
  mglru: Mglru,
  lru: Lru,
  clock: Clock,
  sieve: Sieve,
  '2q': TwoQ,
  's3-fifo': S3Fifo,
  arc: Arc,
};

/**
 * A policy over the pages of `map`.
 * @param batch candidates that a pass names at a time, 1 to SWAP_CLUSTER_MAX
 */
export function makePolicy(name: PolicyName, map: MemMap, batch = SWAP_CLUSTER_MAX): ReplacementPolicy {
  return new CLASSES[name](map, batch);
}
