/** What a run of a fio workload gave: counts and latencies of each job, and of all. */

import type { FioDone } from '../../workload/fio.ts';
import type { FioFigures, FioLatency, FioRun } from './result.ts';
import type { PlannedClone } from './fio-plan.ts';

export class FioTally {
  readonly #name: string;
  readonly #readNs: number[] = [];
  readonly #writeNs: number[] = [];
  #bytesRead = 0;
  #bytesWritten = 0;
  #hits = 0;
  #startNs = Infinity;
  #endNs = -Infinity;

  constructor(name: string) {
    this.#name = name;
  }

  begins(nowNs: number): void {
    this.#startNs = Math.min(this.#startNs, nowNs);
  }

  ends(nowNs: number): void {
    this.#endNs = Math.max(this.#endNs, nowNs);
  }

  read({ bytes, startNs, endNs, isHit }: FioDone): void {
    this.#readNs.push(endNs - startNs);
    this.#bytesRead += bytes;
    if (isHit) this.#hits++;
  }

  wrote({ bytes, startNs, endNs }: FioDone): void {
    this.#writeNs.push(endNs - startNs);
    this.#bytesWritten += bytes;
  }

  get figures(): FioFigures {
    return {
      name: this.#name,
      reads: this.#readNs.length,
      writes: this.#writeNs.length,
      readBytes: this.#bytesRead,
      writtenBytes: this.#bytesWritten,
      hits: this.#hits,
      ns: Math.max(0, Math.round(this.#endNs - this.#startNs)),
      readLatency: latencyOf(this.#readNs),
      writeLatency: latencyOf(this.#writeNs),
    };
  }
}

/** By nearest rank; null when there is none. */
function latencyOf(times: readonly number[]): FioLatency | null {
  if (times.length === 0) return null;
  const sorted = Float64Array.from(times).sort();
  const rank = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1]!);
  const meanNs = Math.round(sorted.reduce((sum, ns) => sum + ns, 0) / sorted.length);
  return { meanNs, p50Ns: rank(0.5), p99Ns: rank(0.99), mostNs: rank(1) };
}

/** The tallies of one run: of all jobs, and of each clone or, where they report as a group, job. */
export class FioTallies {
  readonly #all = new FioTally('all jobs');
  readonly #each: readonly FioTally[];
  readonly #ofClone: ReadonlyMap<PlannedClone, FioTally>;

  constructor(clones: readonly PlannedClone[]) {
    const groups = new Map<string, FioTally>();
    const ofClone = clones.map((clone) => {
      const { job, number } = clone;
      const isAlone = !job.values.groupReporting && job.values.numjobs > 1;
      const name = isAlone ? `${job.name}.${number}` : job.name;
      const tally = groups.get(name) ?? new FioTally(name);
      groups.set(name, tally);
      return [clone, tally] as const;
    });
    this.#each = [...groups.values()];
    this.#ofClone = new Map(ofClone);
  }

  /** Those to which what a clone does counts. */
  of(clone: PlannedClone): readonly FioTally[] {
    return [this.#all, this.#ofClone.get(clone)!];
  }

  get run(): FioRun {
    return { all: this.#all.figures, jobs: this.#each.map(({ figures }) => figures) };
  }
}
