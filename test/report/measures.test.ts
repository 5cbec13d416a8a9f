import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { significant } from '../../src/report/kit/figures.ts';
import { sections, throughput, verification } from '../../src/report/measures.ts';
import { property } from '../support/property.ts';
import { sampleResult, sampleStrategy } from './sample.ts';

const valuesOf = (label: string, result = sampleResult()): readonly string[] | undefined =>
  sections(result)
    .flatMap(({ rows }) => rows)
    .find((row) => row.label === label)?.values;

describe('figures', () => {
  property(
    'figures keep three significant digits and every digit of the integer part',
    fc.double({ min: 1e-6, max: 1e9, noNaN: true }),
    (value) => {
      const shown = Number(significant(value).replaceAll(',', ''));
      const tolerance = Math.max(value * 0.005, 0) + 1e-12;
      if (Math.abs(shown - value) > Math.max(tolerance, value >= 100 ? 0.5 : 0)) throw new Error(significant(value));
    },
  );

  it('figures are MB/s of 10^6 bytes, virtual seconds and the ratios of the paper', () => {
    expect(throughput({ phase: 'after', number: 1, bytes: 3_000_000, ns: 1_500_000_000 })).toBe(2);
    expect(valuesOf('after, first run, MB/s')).toEqual(['42.0', '48.0', '640', '1,090']);
    expect(valuesOf('first after / first before')).toEqual(['1.02 ×', '1.17 ×', '15.6 ×', '26.6 ×']);
    expect(valuesOf('first after / second after')).toEqual(['3.65 %', '4.17 %', '55.7 %', '94.8 %']);
    expect(valuesOf('reboot, s')).toEqual(['23.1', '23.9', '23.3', '23.4']);
  });

  it('figures are missing, not infinite, where a run read nothing', () => {
    const strategy = sampleStrategy('cold', 42, 1e9, 0);
    const nothing = strategy.runs.map((run) => ({ ...run, bytes: 0, ns: 0 }));
    const result = { ...sampleResult(), strategies: [{ ...strategy, runs: nothing }] };
    expect(valuesOf('first after / first before', result)).toEqual(['—']);
    expect(valuesOf('after, first run, MB/s', result)).toEqual(['0']);
  });
});

describe('reasons', () => {
  it('reasons are shown when a strategy has them, and only then', () => {
    expect(valuesOf('refused: not vouched for')).toEqual(['0', '12', '12', '12']);
    expect(valuesOf('refused: checksum differs')).toBeUndefined();
  });
});

describe('verification', () => {
  it('verification sums over the strategies', () => {
    expect(verification(sampleResult())).toEqual({
      line: 'verified 1,307,744 pages, 4,628,800,000 bytes: all equal',
      allEqual: true,
    });
  });

  it('verification does not say equal when one page of one strategy is not', () => {
    const { strategies } = sampleResult();
    const bad = { ...strategies[2]!, verified: { ...strategies[2]!.verified, mismatches: 1 } };
    const { line, allEqual } = verification({ ...sampleResult(), strategies: [strategies[0]!, bad] });
    expect(allEqual).toBe(false);
    expect(line).toMatch(/: 1 NOT EQUAL$/);
  });
});
