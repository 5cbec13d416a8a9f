/**
 * The figures that the paper's slides print for reboots of the hypervisor, to be set beside ours.
 * "1 GB" and "256 MB" are taken as 1 GiB and 256 MiB.
 *
 * A figure is fitted when constants of the profile `pentium4-2006` were chosen so that the model
 * meets it (their notes say how). Then agreement proves nothing. The model was never adjusted to
 * the others.
 */

import type { VmmStrategyName } from '../experiment/host/strategies.ts';

/** The measures that the slides have. */
export type VmmMeasure = 'stop' | 'start' | 'downtime';

export interface SlideFigure {
  readonly vms: number;
  /** Of each, bytes. */
  readonly memory: number;
  readonly strategy: VmmStrategyName;
  readonly measure: VmmMeasure;
  /** As printed. */
  readonly seconds: number;
  readonly fitted: boolean;
}

const MIB = 1 << 20;
const ONE = { vms: 1, memory: 1024 * MIB } as const;
const SIX = { vms: 6, memory: 256 * MIB } as const;

export const SLIDE_FIGURES: readonly SlideFigure[] = [
  { ...ONE, strategy: 'warm-vm', measure: 'stop', seconds: 0.6, fitted: false },
  { ...ONE, strategy: 'warm-vm', measure: 'start', seconds: 0.6, fitted: false },
  { ...ONE, strategy: 'warm-vm', measure: 'downtime', seconds: 40, fitted: true },
  { ...ONE, strategy: 'save-restore', measure: 'stop', seconds: 28, fitted: false },
  { ...ONE, strategy: 'save-restore', measure: 'start', seconds: 20, fitted: false },
  { ...ONE, strategy: 'save-restore', measure: 'downtime', seconds: 104, fitted: false },
  { ...ONE, strategy: 'shutdown-boot', measure: 'stop', seconds: 12, fitted: false },
  { ...ONE, strategy: 'shutdown-boot', measure: 'start', seconds: 11, fitted: false },
  { ...ONE, strategy: 'shutdown-boot', measure: 'downtime', seconds: 78, fitted: true },
  { ...SIX, strategy: 'warm-vm', measure: 'stop', seconds: 2.3, fitted: true },
  { ...SIX, strategy: 'warm-vm', measure: 'start', seconds: 2, fitted: false },
  { ...SIX, strategy: 'save-restore', measure: 'stop', seconds: 45, fitted: false },
  { ...SIX, strategy: 'save-restore', measure: 'start', seconds: 37, fitted: false },
  { ...SIX, strategy: 'shutdown-boot', measure: 'stop', seconds: 25, fitted: false },
  { ...SIX, strategy: 'shutdown-boot', measure: 'start', seconds: 56, fitted: false },
];

/**
 * The slides' figure for a strategy on that many machines of that memory; undefined when they have
 * none.
 */
export function slideFigure(
  vms: number,
  memory: number,
  strategy: VmmStrategyName,
  measure: VmmMeasure,
): SlideFigure | undefined {
  return SLIDE_FIGURES.find(
    (figure) =>
      figure.vms === vms && figure.memory === memory && figure.strategy === strategy && figure.measure === measure,
  );
}
