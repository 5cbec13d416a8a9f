/**
 * The replacement policies by name, and what else of memory management a kernel's generation
 * decides: plain data, and one factory. A further policy is a file of this folder and a row here.
 */

import type { MemMap } from '../mem-map.ts';
import { BalancedLists } from './balanced-lists.ts';
import type { ReplacementPolicy } from './policy.ts';
import { TwoListLru } from './two-list.ts';

/** Names of the policies; the first is the default. */
export const POLICIES = ['linux-2.6.12', 'linux-6'] as const;
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
   * Which pages are read ahead: by the windows of 2.6.12, or on demand, as since 2.6.23
   * (mm/readahead.ts, mm/ondemand-readahead.ts).
   */
  readonly readahead: 'windows' | 'on-demand';
  /** Whether an inode goes, with its cached pages, when it has not been in use for long. */
  readonly prunesInodesWithPages: boolean;
}

/** The policies. */
export const POLICY: Readonly<Record<PolicyName, PolicyRules>> = {
  'linux-2.6.12': {
    make: (map, batch) => new TwoListLru(map, batch),
    readahead: 'windows',
    prunesInodesWithPages: true,
  },
  'linux-6': {
    make: (map, batch) => new BalancedLists(map, batch),
    readahead: 'on-demand',
    prunesInodesWithPages: false,
  },
};
