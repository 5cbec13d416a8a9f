// A made-up result of stillwarm paper: as the experiment makes it of made-up readings.
import { paper, type PaperOutcome, type WrittenRanges } from '../../src/experiment/paper/paper.ts';
import type { PaperOptions } from '../../src/experiment/paper/options.ts';
import type { PaperJob, PaperPart } from '../../src/experiment/paper/runs.ts';

const OPTIONS: PaperOptions = { seed: 7, study: false, samples: 3, shrink: 1 };

/**
 * What a job gives: times that differ by machine, strategy, and two constants. A page more or less
 * differs in nothing.
 */
export function madeUpPart({ run, constants }: PaperJob): PaperPart {
  const save = constants['hypervisor.savePageNs'] ?? 7_500;
  const media = constants['disk.outerMBps'] ?? 61;
  const common = { digest: '00000000000000ff', verified: { pages: 1, bytes: 10, mismatches: 0 }, mismatches: [] };
  if (run.kind === 'files') {
    const firstNs = { cold: 8e9, 'warm-cache': 1e9, 'warm-cache+metadata': 0.5e9 }[run.strategy];
    const secondNs = Math.round((0.4e9 * media) / 61);
    return { ...common, readings: { firstBeforeNs: 9e9, secondBeforeNs: 0.4e9, firstNs, secondNs } };
  }
  const { vms, strategy } = run;
  const times = { 'warm-vm': [0.5, 0.7], 'save-restore': [15, 19], 'shutdown-boot': [10, 12] }[strategy];
  const [stop, start] = [times[0]! * vms, times[1]! * vms];
  const stopNs = stop * 1e9 + (strategy === 'save-restore' ? (save - 7_500) * 1e6 : 0);
  return {
    ...common,
    readings: { stopNs, startNs: Math.round(start * 1e9), downtimeNs: Math.round(stopNs + start * 1e9 + 50e9) },
  };
}

/** The whole work, on made-up parts. */
export function madeUpPaper(
  change: Partial<PaperOptions> = {},
  written?: WrittenRanges,
  partOf: (job: PaperJob) => PaperPart = madeUpPart,
): PaperOutcome {
  const work = paper({ ...OPTIONS, ...change }, written);
  for (let step = work.next(); ; step = work.next(step.value.jobs.map(partOf))) if (step.done) return step.value;
}
