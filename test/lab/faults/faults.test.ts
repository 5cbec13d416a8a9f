// The check of faults: each fault, its guards, and what it is without them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { merged, partsOf } from '../../../src/lab/check.ts';
import { FAULTS_CHECK } from '../../../src/lab/faults/check.ts';
import { FAULT, FAULTS, type FaultName } from '../../../src/lab/faults/faults.ts';
import type { FaultsOptions } from '../../../src/lab/faults/options.ts';
import { tableOf, type FaultResult, type FaultTable } from '../../../src/lab/faults/table.ts';
import type { PartResult } from '../../../src/lab/part.ts';
import type { PageVerdicts } from '../../../src/experiment/judge/page-judge.ts';
import { playsLaws, property, TIMEOUT_MS } from '../../support/property.ts';

/** Cases of a check of faults. */
function play(options: FaultsOptions, from: number, to: number): PartResult {
  return FAULTS_CHECK.play({ check: 'faults', options: { ...options }, from, to }, () => true);
}

function tableOfCases(options: FaultsOptions, from: number, to: number): FaultTable {
  const { part, counts, ...rest } = play(options, from, to);
  return tableOf(options, merged([part], [{ part, counts, ...rest }]).counts);
}

/** All runs of a fault, without the times. */
function strike(fault: FaultName, over: Partial<FaultsOptions> = {}): FaultResult {
  const options = { faults: [fault], runs: 1, seed: 1, without: [], ...over };
  return tableOfCases(options, 0, options.runs).faults[0]!;
}

/** Runs that show both of each fault: one, but two of a record that is torn. */
const runsOf = (fault: FaultName): number => (fault === 'torn-record' || playsLaws() ? 2 : 1);

const pages = (verdicts: PageVerdicts): number => (Object.values(verdicts) as number[]).reduce((sum, n) => sum + n, 0);

describe('a fault', () => {
  it.each(FAULTS)(
    'the fault %s makes no wrong page with the protections, and wrong ones without its guards',
    { timeout: TIMEOUT_MS },
    (fault) => {
      const runs = runsOf(fault);
      const { injected, guards, protected: kept, unguarded } = strike(fault, { runs });
      expect(kept.reusedWrongly).toBe(0);
      expect(injected).toBeGreaterThan(fault === 'crash' ? -1 : 0);
      if (fault === 'damaged-table') {
        // A cold start: nothing is reused, and nothing but that is wrong with it.
        expect(unguarded).toBeNull();
        expect(kept).toMatchObject({ reusedRightly: 0, notAskedFor: 0 });
        expect(kept.discardedNeedlessly).toBeGreaterThan(runs * 400);
        return;
      }
      // Each guard alone is enough.
      for (const on of guards.length > 1 ? guards : []) {
        const without = guards.filter((guard) => guard !== on);
        expect(strike(fault, { without }).protected.reusedWrongly).toBe(0);
      }
      expect(kept.reusedRightly).toBeGreaterThan(runs * (FAULT[fault].isOfDirtyPages ? 15 : 350));
      expect(guards).toEqual(FAULT[fault].guards);
      expect(unguarded!.reusedWrongly).toBeGreaterThan(0);
    },
  );

  property(
    'a fault makes no wrong page while any one of its guards is on, and every page counts once',
    fc.constantFrom(...FAULTS),
    fc.nat(),
    fc.nat(1),
    (fault, seed, on) => {
      const { guards } = FAULT[fault];
      const without = guards.filter((_, i) => guards.length > 1 && i !== on);
      const { protected: kept, unguarded } = strike(fault, { seed, without });
      expect(kept.reusedWrongly).toBe(0);
      expect(pages(kept)).toBeGreaterThan(FAULT[fault].isOfDirtyPages ? 25 : 400);
      if (unguarded !== null) expect(pages(unguarded)).toBe(pages(kept));
    },
    { numRuns: 3, lawRuns: 12 },
  );

  it('a fault that kills the guest and does nothing else costs no page that is right', () => {
    const { reusedRightly, discardedRightly, discardedNeedlessly } = strike('crash', { runs: 2 }).protected;
    expect(discardedNeedlessly).toBe(0);
    expect(discardedRightly).toBeGreaterThan(0);
    expect(reusedRightly).toBeGreaterThan(2 * 350);
  });
});

describe('a check of faults', () => {
  it('a check of faults is the same for the same seed and another for another', () => {
    const run = (seed: number): string =>
      JSON.stringify(play({ faults: ['wild-store'], runs: 1, seed, without: [] }, 0, 1).counts);
    const first = run(7);
    expect(run(7)).toBe(first);
    expect(run(8)).not.toBe(first);
  });

  it('a check of faults tells what write protection and checksum cost, and that each costs something', () => {
    const { costs } = tableOfCases({ faults: [], runs: 1, seed: 1, without: [] }, 0, 4);
    expect(costs.map(({ off }) => off.join())).toEqual(['', 'writeProtection', 'checksum', 'writeProtection,checksum']);
    const [all, noTraps, noChecksum, neither] = costs;
    expect(noTraps!.workNs).toBeLessThan(all!.workNs);
    expect(noChecksum!.workNs).toBeLessThan(all!.workNs);
    expect(neither!.workNs).toBeLessThan(Math.min(noTraps!.workNs, noChecksum!.workNs));
    // A claim reads the page under the checksum; write protection costs a reader little that has
    // its pages.
    expect(noChecksum!.rereadNs).toBeLessThan(all!.rereadNs);
    expect(all!.rereadNs - noTraps!.rereadNs).toBeLessThan(all!.rereadNs - noChecksum!.rereadNs);
  });

  it('a check of faults has protections off in all of its runs when it is asked to', () => {
    const { protected: kept, unguarded } = strike('bit-flip', { without: ['checksum'] });
    expect(kept.reusedWrongly).toBeGreaterThan(0);
    expect(kept).toEqual(unguarded);
  });

  it('a check of faults has the same result in one part and in parts, and stops where the budget ends', () => {
    const options = { faults: ['bit-flip', 'dirty-record'] as const, runs: 2, seed: 5, without: [] };
    const cases = FAULTS_CHECK.count({ ...options });
    expect(cases).toBe(2 * 2 + 4);
    const whole = partsOf('faults', { ...options }, cases, cases);
    const parts = partsOf('faults', { ...options }, cases, 3);
    expect(parts).toHaveLength(3);
    const one = merged(whole, [play(options, 0, cases)]);
    const three = merged(parts, parts.map(({ from, to }) => play(options, from, to)).reverse());
    expect(three).toEqual(one);
    expect(one.verdict).toBe('passed');
    expect(one.reached).toEqual([
      { name: 'bit-flip: a wrong page without its guards', value: 2 },
      { name: 'dirty-record: a wrong page without its guards', value: 2 },
    ]);
    const cut = FAULTS_CHECK.play(whole[0]!, (done) => done < 3);
    expect(cut.done).toBe(3);
    expect(cut.counts['states']).toBe(6);
  });

  it('a check of faults names the case that breaks the law', () => {
    const options = { faults: ['crash', 'bit-flip'] as const, runs: 1, seed: 5, without: ['checksum'] as const };
    const { violations } = play(options, 0, 2);
    expect(violations).toMatchObject([
      {
        at: 1,
        law: 'no page is reused wrongly',
        what: expect.stringMatching(/^bit-flip, run 0: \d+ pages were reused wrongly$/) as string,
        replay: 'stillwarm check faults --fault bit-flip --runs 1 --seed 5 --without checksum --case 0',
      },
    ]);
  });
});
