/**
 * The registry: each figure of the slides with the runs that it comes from, and how it is worked
 * out from their readings. A figure that has no runs says why.
 */

import { figureName, SLIDE_FIGURES, type SlideFigure, type VmmFigure, type VmmMeasure } from '../../slides/figures.ts';
import type { FilesRun, PaperRun, Readings, VmmRun } from './runs.ts';

/** A figure of the slides, and where ours comes from. */
export interface PaperFigure {
  /** No other has it. */
  readonly name: string;
  readonly slide: SlideFigure;
  readonly runs: readonly PaperRun[];
  /**
   * Our figure, in the unit of the slide, from what the runs gave; undefined when there are none.
   */
  readonly measure: ((readings: readonly Readings[]) => number) | undefined;
  /** Why there are no runs. */
  readonly notRun: string | undefined;
}

const GIB = 1 << 30;
/** Memory of the guest that is rebooted, and the file that it reads, bytes. */
const GUEST = { memory: GIB, fileBytes: GIB / 2 };
const NO_WEB = 'there is no run of a web server around the reboot of a guest yet';

const READING: Readonly<Record<VmmMeasure, string>> = {
  stop: 'stopNs',
  start: 'startNs',
  downtime: 'downtimeNs',
};

/**
 * All figures.
 * @param shrink memory and files are this many times smaller than the paper's; 1 for its figures
 */
export function paperFigures(shrink = 1): PaperFigure[] {
  return SLIDE_FIGURES.map((slide) => ({ name: figureName(slide), slide, ...sourceOf(slide, shrink) }));
}

function sourceOf(slide: SlideFigure, shrink: number): Pick<PaperFigure, 'runs' | 'measure' | 'notRun'> {
  switch (slide.kind) {
    case 'hypervisor':
      return {
        runs: [runOf(slide, shrink)],
        measure: ([run]) => run![READING[slide.measure]]! / 1e9,
        notRun: undefined,
      };
    case 'files':
      return {
        runs: [filesRun('cold', shrink), filesRun('warm-cache', shrink)],
        measure:
          slide.measure === 'against cold'
            ? ([cold, warm]) => cold!['firstNs']! / warm!['firstNs']!
            : ([, warm]) => (100 * warm!['secondNs']!) / warm!['firstNs']!,
        notRun: undefined,
      };
    case 'web server':
    case 'throughput lost':
      return { runs: [], measure: undefined, notRun: NO_WEB };
  }
}

const runOf = ({ vms, memory, strategy }: Pick<VmmFigure, 'vms' | 'memory' | 'strategy'>, shrink: number): VmmRun => ({
  kind: 'hypervisor',
  vms,
  memory: memory / shrink,
  strategy,
});

/** @internal */
export const filesRun = (strategy: FilesRun['strategy'], shrink: number): FilesRun => ({
  kind: 'files',
  memory: GUEST.memory / shrink,
  fileBytes: GUEST.fileBytes / shrink,
  strategy,
});

/** Machines of the charts over memory and over the number of guests. */
export function seriesRuns(shrink = 1): VmmRun[] {
  const sizes = [
    ...[GIB / 4, GIB / 2, GIB].map((memory) => ({ vms: 1, memory })),
    ...[2, 3, 4, 5, 6].map((vms) => ({ vms, memory: GIB / 4 })),
  ];
  const strategies = ['warm-vm', 'save-restore', 'shutdown-boot'] as const;
  return sizes.flatMap((size) => strategies.map((strategy) => runOf({ ...size, strategy }, shrink)));
}
