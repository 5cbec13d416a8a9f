// Streams of accesses for the tests, and traces that have them.
import { PageAccesses, type RecordedAccesses } from '../../../src/experiment/accesses/page-accesses.ts';
import { RandomStreams } from '../../../src/sim/index.ts';
import { OPERATION, OperationBatch, type OperationSink } from '../../../src/trace/index.ts';

const PAGE = 4096;

/** Zipf-like reuse of some pages, with a scan between. */
export function madeStream(seed: number, accesses: number, pages: number): number[] {
  const random = new RandomStreams(seed).stream('accesses');
  let scan = 0;
  return Array.from({ length: accesses }, () => {
    if (random.below(10) < 2) return scan++ % pages;
    return Math.floor(pages * random.fraction() ** 4);
  });
}

/** Tells a sink of reads of one page each, a microsecond apart, of four files. */
export function tell(sink: OperationSink, stream: readonly number[]): void {
  for (let n = 0; n < 4; n++) sink.file({ name: `f${n}`, isDevice: false, size: undefined });
  const batch = new OperationBatch();
  const flush = (): void => {
    sink.operations(batch);
    batch.count = 0;
  };
  for (const [at, page] of stream.entries()) {
    batch.add(at * 1000, 0, OPERATION.read, page % 4, Math.floor(page / 4) * PAGE, PAGE);
    if (batch.isFull) flush();
  }
  flush();
}

export function recorded(stream: readonly number[]): { accesses: RecordedAccesses; filePlaces: Uint32Array } {
  const sink = new PageAccesses(true);
  tell(sink, stream);
  return { accesses: sink.recorded, filePlaces: sink.filePlaces() };
}
