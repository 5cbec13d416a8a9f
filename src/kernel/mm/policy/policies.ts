/**
 * The replacement policies by name, and what else of memory management a kernel's generation
 * decides: plain data, and one factory. A further policy is a file of this folder and a row here.
 */

import type { MemMap } from '../mem-map.ts';
import { Arc } from './arc.ts';
import { BalancedLists } from './balanced-lists.ts';
import { Clock } from './clock.ts';
import { Lru } from './lru.ts';
import { Mglru } from './mglru.ts';
import { SWAP_CLUSTER_MAX, type ReplacementPolicy } from './policy.ts';
import { S3Fifo } from './s3-fifo.ts';
import { Sieve } from './sieve.ts';
import { TwoListLru } from './two-list.ts';
import { TwoQ } from './two-q.ts';

/** Names of the policies; the first is the default. */
export const POLICIES = ['linux-2.6.12', 'linux-6', 'mglru', 'lru', 'clock', 'sieve', '2q', 's3-fifo', 'arc'] as const;
/** Name of a policy. */
export type PolicyName = (typeof POLICIES)[number];
/** The policy where none is named. */
export const DEFAULT_POLICY: PolicyName = POLICIES[0];

/** What a policy's name stands for. */
export interface PolicyRules {
  /**
   * Makes the lists.
   * @param batch pages that a pass takes at a time, 1 to 32; by default 32
   */
  readonly make: (map: MemMap, batch?: number) => ReplacementPolicy;
  /**
   * Which pages are read ahead: by the windows of 2.6.12, or on demand, as from 2.6.23 to 6.1, or
   * since 6.16 (mm/readahead.ts, mm/ondemand-readahead.ts).
   */
  readonly readahead: 'windows' | 'on-demand' | 'on-demand since 6.16';
  /**
   * Whether a write and a page fault are uses of a page, as a read is. Since Linux 4.7 a write is
   * none. There a mapped page counts as used when its mapping ends, if the processor has used it.
   */
  readonly countsWritesAndFaults: boolean;
  /** Whether an inode goes, with its cached pages, when it has not been in use for long. */
  readonly prunesInodesWithPages: boolean;
}

/** What 2.6.12 does, with other lists. */
const LISTS_ALONE = { readahead: 'windows', countsWritesAndFaults: true, prunesInodesWithPages: true } as const;

/** The policies. */
export const POLICY: Readonly<Record<PolicyName, PolicyRules>> = {
  'linux-2.6.12': {
    make: (map, batch = SWAP_CLUSTER_MAX) => new TwoListLru(map, batch),
    ...LISTS_ALONE,
  },
  'linux-6': {
    make: (map, batch = SWAP_CLUSTER_MAX) => new BalancedLists(map, batch),
    readahead: 'on-demand',
    countsWritesAndFaults: false,
    prunesInodesWithPages: false,
  },
  mglru: { make: (map, batch = SWAP_CLUSTER_MAX) => new Mglru(map, batch), ...LISTS_ALONE },
  lru: { make: (map, batch = SWAP_CLUSTER_MAX) => new Lru(map, batch), ...LISTS_ALONE },
  clock: { make: (map, batch = SWAP_CLUSTER_MAX) => new Clock(map, batch), ...LISTS_ALONE },
  sieve: { make: (map, batch = SWAP_CLUSTER_MAX) => new Sieve(map, batch), ...LISTS_ALONE },
  '2q': { make: (map, batch = SWAP_CLUSTER_MAX) => new TwoQ(map, batch), ...LISTS_ALONE },
  's3-fifo': { make: (map, batch = SWAP_CLUSTER_MAX) => new S3Fifo(map, batch), ...LISTS_ALONE },
  arc: { make: (map, batch = SWAP_CLUSTER_MAX) => new Arc(map, batch), ...LISTS_ALONE },
};

/**
 * Linux 6.18, for the comparison with recordings of it. It differs from 6.1 in readahead, and in
 * that lengths of lists are those of the last statistics. A caller gathers these
 * (BalancedLists.gatherStatistics), as the kernel does every 2 s.
 */
export const LINUX_6_18: PolicyRules = {
  ...POLICY['linux-6'],
  make: (map, batch = SWAP_CLUSTER_MAX) => new BalancedLists(map, batch, true),
  readahead: 'on-demand since 6.16',
};
