/**
 * The page accesses of a trace, without a guest and without bytes. They are replayed on caches of
 * many sizes, and on one as large as the guest's memory. After the reboot it comes back in
 * different orders. Each is a run (../guest/runs.ts).
 */

import { PAGE_SIZE } from '../../base/units.ts';
import { POLICIES } from '../../kernel/index.ts';
import { isAccess } from '../../trace/operations.ts';
import { CURVE_RUNS, halvings, usedSize, type CurveOptions } from '../accesses/curve.ts';
import { curvePoint, restoreSweep } from '../accesses/findings.ts';
import { pagesIn } from '../accesses/page-accesses.ts';
import { REPLAY_PAGE_BYTES } from '../accesses/page-replay.ts';
import {
  RESTORE_ORDERS,
  RESTORE_PERCENTS,
  RESTORE_RUNS,
  restoreJob,
  restoreOutcome,
  type RestoreFound,
  type RestoreJob,
} from '../accesses/restore.ts';
import type { CurvePoint, RestoreSweep } from '../accesses/result.ts';
import type { RunListener } from '../guest/runs.ts';
import { rebootOperation, type PredictOptions } from './options.ts';
import type { OperationColumns } from './recording.ts';

/** Bytes of the orders of restoring, for each page that the cache has at the reboot. */
const ORDER_BYTES = 32;

const IGNORED = (): void => undefined;

/** What one run has found: misses at a size, or what a restored cache gives. */
export type PagesFound = { readonly misses: number } | RestoredPages;

interface RestoredPages extends RestoreFound {
  readonly keptPages: number;
  readonly hitsBefore: number;
}

type Asked = Pick<PredictOptions, 'trace' | 'memory' | 'policy' | 'rebootAt' | 'restoreRate'>;

/** The runs on pages that a prediction has besides those of its strategies. */
export class PageRuns {
  readonly #asked: Asked;
  readonly #curve: CurveOptions;
  /** Accesses before the reboot. */
  readonly #before: number;
  readonly #hasRestore: boolean;
  #job: RestoreJob | undefined;

  constructor(asked: Asked) {
    const { trace, memory, policy = POLICIES[0], rebootAt } = asked;
    const { accesses, columns } = trace;
    const sizes = new Set(halvings(accesses.distinct));
    if (memory / PAGE_SIZE < accesses.distinct) sizes.add(memory / PAGE_SIZE);
    const hasAccesses = accesses.pages.length > 0;
    this.#asked = asked;
    this.#curve = {
      accesses,
      sizes: hasAccesses ? [...sizes].sort((a, b) => a - b) : [],
      policies: [policy],
    };
    this.#before = accessesBefore(columns, rebootOperation(trace, rebootAt));
    this.#hasRestore = this.#before > 0 && this.#before < accesses.pages.length;
  }

  /** Bytes of memory of each run. */
  get bytes(): number[] {
    const { trace, memory } = this.#asked;
    const kept = usedSize(memory / PAGE_SIZE, trace.accesses) * (REPLAY_PAGE_BYTES + ORDER_BYTES);
    const sweeps = this.#hasRestore ? 2 + RESTORE_ORDERS.length * RESTORE_PERCENTS.length : 0;
    return [...CURVE_RUNS.bytesOf(this.#curve), ...Array.from({ length: sweeps }, () => kept)];
  }

  run(index: number, onRun: RunListener): PagesFound {
    const { sizes } = this.#curve;
    if (index < sizes.length) return { misses: CURVE_RUNS.open(this.#curve, IGNORED).run(index, onRun) };
    const job = (this.#job ??= this.#restoreJob());
    return {
      ...RESTORE_RUNS.open(job, IGNORED).run(index - sizes.length, onRun),
      ...{ keptPages: job.kept.pages.length, hitsBefore: job.hitsBefore },
    };
  }

  /** @param found of all runs, in their order */
  result(found: readonly PagesFound[]): {
    readonly pageAccesses: number;
    readonly curve: readonly CurvePoint[];
    readonly restore: RestoreSweep | null;
  } {
    const { sizes } = this.#curve;
    const { trace, memory, restoreRate } = this.#asked;
    const { accesses } = trace;
    const pageAccesses = accesses.pages.length;
    const curve = sizes.map((size, n) => curvePoint(size, (found[n] as { misses: number }).misses, pageAccesses, null));
    const restored = found.slice(sizes.length) as RestoredPages[];
    const [first] = restored;
    if (first === undefined) return { pageAccesses, curve, restore: null };
    const { keptPages, hitsBefore } = first;
    const job = { accesses, size: memory / PAGE_SIZE, rebootAt: this.#before, keptPages, hitsBefore };
    return { pageAccesses, curve, restore: restoreSweep(job, restoreRate, restoreOutcome(restored)) };
  }

  #restoreJob(): RestoreJob {
    const { trace, memory, restoreRate } = this.#asked;
    const { accesses, filePlaces } = trace;
    return restoreJob({
      ...{ accesses, filePlaces, size: memory / PAGE_SIZE, rebootAt: this.#before },
      ...{ orders: RESTORE_ORDERS, percents: RESTORE_PERCENTS, rate: restoreRate },
    });
  }
}

/** Pages that the operations before one read and write. */
function accessesBefore({ kind, offset, length }: OperationColumns, operation: number): number {
  let sum = 0;
  for (let n = 0; n < operation; n++) if (isAccess(kind[n]!)) sum += pagesIn(offset[n]!, length[n]!);
  return sum;
}
