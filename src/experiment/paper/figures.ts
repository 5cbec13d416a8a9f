/**
 * The registry: each figure of the slides with the runs that it comes from, and how it is worked
 * out from their readings.
 */

import {
  figureName,
  SLIDE_FIGURES,
  type LossFigure,
  type SlideFigure,
  type VmmFigure,
  type VmmMeasure,
} from '../../slides/figures.ts';
import type { FilesRun, PaperRun, Readings, ServerRun, VmmRun } from './runs.ts';

/** A figure of the slides, and where ours comes from. */
export interface PaperFigure {
  /** No other has it. */
  readonly name: string;
  readonly slide: SlideFigure;
  readonly runs: readonly PaperRun[];
  /** Our figure, in the unit of the slide, from what the runs gave; undefined if they gave none. */
  readonly measure: (readings: readonly Readings[]) => number | undefined;
}

const GIB = 1 << 30;
/** Memory of the guest that is rebooted, and the file that it reads, bytes. */
const GUEST = { memory: GIB, fileBytes: GIB / 2 };
/**
 * Files of the web server, bytes. The ratios of runs do not depend on how many there are; what is
 * lost until a cache is full does (slides/figures.ts).
 */
const FILE = 512 * 1024;
const FILES = { runs: 128, service: 909 } as const;

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

function sourceOf(slide: SlideFigure, shrink: number): Pick<PaperFigure, 'runs' | 'measure'> {
  switch (slide.kind) {
    case 'hypervisor':
      return { runs: [runOf(slide, shrink)], measure: ([run]) => run![READING[slide.measure]]! / 1e9 };
    case 'files':
    case 'web server': {
      const runWith = (strategy: 'cold' | 'warm-cache'): PaperRun =>
        slide.kind === 'files' ? filesRun(strategy, shrink) : serverRun('runs', strategy, shrink);
      return {
        runs: slide.measure === 'against cold' ? [runWith('cold'), runWith('warm-cache')] : [runWith('warm-cache')],
        measure:
          slide.measure === 'against cold'
            ? ([cold, warm]) => cold!['firstNs']! / warm!['firstNs']!
            : ([warm]) => (100 * warm!['secondNs']!) / warm!['firstNs']!,
      };
    }
    case 'throughput lost':
      return { runs: [serverRun('service', slide.strategy, shrink)], measure: ([run]) => lossOf(slide, run!) };
  }
}

function lossOf({ strategy, measure }: LossFigure, readings: Readings): number | undefined {
  const value = readings[measure === 'seconds' ? 'recoveryNs' : strategy === 'cold' ? 'lost33' : 'lost20'];
  if (value === undefined) return undefined;
  return measure === 'seconds' ? value / 1e9 : 100 * value;
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

/** @internal The same over a disk that is a file. @param domain0Cache 0: it is a partition */
export const curveRun = (strategy: FilesRun['strategy'], domain0Cache: number, shrink: number): FilesRun => ({
  ...filesRun(strategy, shrink),
  ...(domain0Cache > 0 && { domain0Cache }),
});

/** @internal */
export const serverRun = (part: ServerRun['part'], strategy: ServerRun['strategy'], shrink: number): ServerRun => ({
  kind: 'web server',
  part,
  memory: GUEST.memory / shrink,
  files: { count: Math.ceil(FILES[part] / shrink), size: FILE },
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
