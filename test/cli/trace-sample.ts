// A result of `trace stat`, with something in each list.
import { traceResult } from '../../src/cli/trace.ts';
import type { TraceResult } from '../../src/cli/trace-result.ts';
import { TraceReader, TraceStatistics } from '../../src/trace/index.ts';

export function sampleTraceResult(): TraceResult {
  const statistics = new TraceStatistics();
  const reader = new TraceReader({}, statistics);
  const lines = Array.from({ length: 20 }, (_, n) => `0,${7 + 8 * n},4096,${n % 3 === 0 ? 'w' : 'r'},${n}.5`);
  const text = ['0,15,0,r,0.5', ...lines, 'rubbish', '1,7,8192,r,30.0', 'more rubbish', ''].join('\n');
  reader.push(new TextEncoder().encode(text));
  return traceResult({ ...reader.end(), packer: 'gzip', bytes: text.length }, statistics, 10);
}
