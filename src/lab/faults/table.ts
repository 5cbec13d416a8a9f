/** What came of all runs of all faults, as a table. A part of it is sums by name (`Counts`). */

import type { PageVerdicts } from '../../experiment/judge/page-judge.ts';
import type { Named } from '../check.ts';
import { FAULT, type FaultName } from './faults.ts';
import type { FaultsOptions, ProtectionName } from './options.ts';

/** What came of one run of a fault. */
export interface StruckRun {
  /** Faults injected. */
  readonly injected: number;
  readonly protected: PageVerdicts;
  /** The same run with the guards off. Null when no guard can be switched off. */
  readonly unguarded: PageVerdicts | null;
}

/** All runs of one fault. */
export interface FaultResult extends StruckRun {
  readonly fault: FaultName;
  /** Protections that guard against it. */
  readonly guards: readonly ProtectionName[];
}

/**
 * Virtual time of a guest's work, on a drive that takes no time, so that nothing hides the cost of
 * a protection.
 */
export interface ProtectionCost {
  /** Protections that are off, besides those that are off in all runs. */
  readonly off: readonly ProtectionName[];
  /** Reading all files, changing some, writing them out, and reading all again, ns. */
  readonly workNs: number;
  /** The next guest's reading of all files, from pages that were preserved, ns. */
  readonly rereadNs: number;
}

export interface FaultTable {
  /** In the order asked for. */
  readonly faults: readonly FaultResult[];
  /** All protections on, and then without those that cost more than a comparison. */
  readonly costs: readonly ProtectionCost[];
}

/** Protections that trap, or read whole pages. */
export const COSTLY: readonly (readonly ProtectionName[])[] = [
  [],
  ['writeProtection'],
  ['checksum'],
  ['writeProtection', 'checksum'],
];

/** The numbers of a page's fate, in the order of the table. */
export const VERDICT_NAMES = [
  'reusedRightly',
  'discardedRightly',
  'discardedNeedlessly',
  'notAskedFor',
  'reusedWrongly',
] as const satisfies readonly (keyof PageVerdicts)[];

export type Counts = Record<string, number>;

const costName = (off: readonly ProtectionName[]): string => `cost without ${off.join('+') || 'nothing'}`;

function add(counts: Counts, name: string, value: number): void {
  counts[name] = (counts[name] ?? 0) + value;
}

export function addRun(counts: Counts, fault: FaultName, run: StruckRun): void {
  add(counts, `${fault}.injected`, run.injected);
  for (const name of VERDICT_NAMES) {
    add(counts, `${fault}.protected.${name}`, run.protected[name]);
    if (run.unguarded !== null) add(counts, `${fault}.unguarded.${name}`, run.unguarded[name]);
  }
}

/** Each is timed once. */
export function addCost(counts: Counts, { off, workNs, rereadNs }: ProtectionCost): void {
  add(counts, `${costName(off)}.workNs`, workNs);
  add(counts, `${costName(off)}.rereadNs`, rereadNs);
}

/** The table from its sums. What was not played counts 0, and what was not timed is left out. */
export function tableOf({ faults }: Pick<FaultsOptions, 'faults'>, counts: readonly Named[]): FaultTable {
  const sums = new Map(counts.map(({ name, value }) => [name, value]));
  const sum = (name: string): number => sums.get(name) ?? 0;
  const verdictsOf = (prefix: string): PageVerdicts => ({
    reusedRightly: sum(`${prefix}.reusedRightly`),
    reusedWrongly: sum(`${prefix}.reusedWrongly`),
    discardedRightly: sum(`${prefix}.discardedRightly`),
    discardedNeedlessly: sum(`${prefix}.discardedNeedlessly`),
    notAskedFor: sum(`${prefix}.notAskedFor`),
  });
  return {
    faults: faults.map((fault) => ({
      fault,
      injected: sum(`${fault}.injected`),
      guards: FAULT[fault].guards,
      protected: verdictsOf(`${fault}.protected`),
      unguarded: FAULT[fault].guards.length > 0 ? verdictsOf(`${fault}.unguarded`) : null,
    })),
    costs: COSTLY.filter((off) => sums.has(`${costName(off)}.workNs`)).map((off) => ({
      off,
      workNs: sum(`${costName(off)}.workNs`),
      rereadNs: sum(`${costName(off)}.rereadNs`),
    })),
  };
}
