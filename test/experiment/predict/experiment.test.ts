// The laws of a trace over a reboot, on a small machine.
import { describe, expect, it } from 'vitest';
import { PREDICT_RUNS, runPredict } from '../../../src/experiment/predict/experiment.ts';
import type { PredictResult, PredictStrategy } from '../../../src/experiment/predict/result.ts';
import { mixedLines, options, readsOf, record } from './made-traces.ts';

const of = ({ strategies }: PredictResult, name: string): PredictStrategy =>
  strategies.find((strategy) => strategy.name === name)!;

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b);

/** What must hold of every result. */
function lawful(result: PredictResult): void {
  for (const { name, pages, parts, windows, verified, service, failed } of result.strategies) {
    expect([name, verified.mismatches]).toEqual([name, 0]);
    expect([name, pages.reused + pages.unclaimed + sum(pages.refused)]).toEqual([name, pages.named]);
    const done = parts.reduce((all, { operations }) => all + operations, 0);
    expect(done + failed).toBe(result.operations);
    for (const figure of ['operations', 'bytes', 'late', 'pages', 'missed'] as const)
      expect([figure, windows.reduce((all, window) => all + window[figure], 0)]).toEqual([
        figure,
        parts.reduce((all, part) => all + part[figure], 0),
      ]);
    expect(service.rebootNs).toBeGreaterThan(0);
  }
}

describe('a trace over a reboot', () => {
  it('a warm cache misses less than a cold one after the reboot, and all adds up', () => {
    const trace = record(readsOf(2000, 6000));
    const { result, mismatches } = runPredict(
      options(trace, { strategies: ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'] }),
    );
    expect(mismatches).toEqual([]);
    lawful(result);
    const [cold, warm] = [of(result, 'cold'), of(result, 'warm-cache')];
    expect(cold.pages.named).toBe(0);
    expect(warm.pages.reused).toBeGreaterThan(500);
    expect(warm.parts[1]!.missed).toBeLessThan(cold.parts[1]!.missed / 3);
    console.log(
      JSON.stringify(
        result.strategies.map(({ windows, ...r }) => r),
        null,
        1,
      ),
    );
  });
  it('files that are written, cut, made and deleted by several threads hold what the trace wrote', () => {
    const trace = record(mixedLines(5, 3000));
    const { result, mismatches } = runPredict(options(trace, { pace: 'asfast' }));
    expect(mismatches).toEqual([]);
    lawful(result);
    console.log(
      JSON.stringify(
        result.strategies.map(({ windows, ...r }) => r),
        null,
        1,
      ),
    );
  });
});
void PREDICT_RUNS;
