/** The kernels that the model stands for, and page caches as each of them has one. */

import { EmbeddedPageCache } from '../../src/doors/page-cache/index.ts';
import { BalancedLists } from '../../src/kernel/mm/policy/balanced-lists.ts';
import { LINUX_6_18, POLICY, type PolicyRules } from '../../src/kernel/mm/policy/policies.ts';

export const KERNELS = ['linux-2.6.12', 'linux-6', 'linux-6.18'] as const;
export type KernelName = (typeof KERNELS)[number];

export const rulesOf = (kernel: KernelName): PolicyRules => (kernel === 'linux-6.18' ? LINUX_6_18 : POLICY[kernel]);

export const cacheOf = (kernel: KernelName, capacity: number, maxCapacity = capacity): EmbeddedPageCache =>
  new EmbeddedPageCache({ capacity, maxCapacity, rules: rulesOf(kernel), batch: 32 });

/** What a kernel does every 2 s: only 6.18 looks at it. */
export function gatherStatistics({ memory: { lru } }: EmbeddedPageCache): void {
  if (lru instanceof BalancedLists) lru.gatherStatistics();
}
