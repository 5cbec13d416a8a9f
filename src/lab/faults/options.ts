/** What `stillwarm check faults` is asked. */

import type { Arch } from '../../base/arch.ts';
import { DEFAULT_PROTECTIONS, type Protections } from '../../xen/index.ts';
import type { FaultName } from './faults.ts';

export type ProtectionName = keyof Protections;
export const PROTECTIONS = Object.keys(DEFAULT_PROTECTIONS) as readonly ProtectionName[];

export interface FaultsOptions {
  readonly faults: readonly FaultName[];
  /** Runs of each fault. */
  readonly runs: number;
  readonly seed: number;
  /** Protections that are off in all runs. */
  readonly without: readonly ProtectionName[];
  /** x86_64 by default. */
  readonly arch?: Arch | undefined;
}
