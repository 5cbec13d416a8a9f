// The fault campaign: each fault, its guards, and what it is without them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CampaignOptions } from '../../../src/experiment/campaign/options.ts';
import type { FaultResult } from '../../../src/experiment/campaign/result.ts';
import { runCampaign, runFaults, timeProtections } from '../../../src/experiment/campaign/campaign.ts';
import { FAULT, FAULTS, type FaultName } from '../../../src/experiment/campaign/faults.ts';
import type { PageVerdicts } from '../../../src/experiment/judge/page-judge.ts';
import { property, TIMEOUT_MS } from '../../support/property.ts';

function strike(fault: FaultName, over: Partial<CampaignOptions> = {}): FaultResult {
  return runFaults({ faults: [fault], runs: 1, seed: 1, without: [], ...over })[0]!;
}

/** So many for each fault show both. */
const RUNS = 2;

const pages = (verdicts: PageVerdicts): number => (Object.values(verdicts) as number[]).reduce((sum, n) => sum + n, 0);

describe('a fault', () => {
  it.each(FAULTS)(
    'the fault %s makes no wrong page with the protections, and wrong ones without its guards',
    { timeout: TIMEOUT_MS },
    (fault) => {
      const { injected, guards, protected: kept, unguarded } = strike(fault, { runs: RUNS });
      expect(kept.reusedWrongly).toBe(0);
      expect(injected).toBeGreaterThan(fault === 'crash' ? -1 : 0);
      if (fault === 'damaged-table') {
        // A cold start: nothing is reused, and nothing but that is wrong with it.
        expect(unguarded).toBeNull();
        expect(kept).toMatchObject({ reusedRightly: 0, notAskedFor: 0 });
        expect(kept.discardedNeedlessly).toBeGreaterThan(RUNS * 400);
        return;
      }
      // Each guard alone is enough.
      for (const on of guards.length > 1 ? guards : []) {
        const without = guards.filter((guard) => guard !== on);
        expect(strike(fault, { without }).protected.reusedWrongly).toBe(0);
      }
      expect(kept.reusedRightly).toBeGreaterThan(RUNS * (FAULT[fault].isOfDirtyPages ? 15 : 350));
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
    { numRuns: 5, lawRuns: 12 },
  );

  it('a fault that kills the guest and does nothing else costs no page that is right', () => {
    const { reusedRightly, discardedRightly, discardedNeedlessly } = strike('crash', { runs: RUNS }).protected;
    expect(discardedNeedlessly).toBe(0);
    expect(discardedRightly).toBeGreaterThan(0);
    expect(reusedRightly).toBeGreaterThan(RUNS * 350);
  });
});

describe('a campaign', () => {
  it('a campaign is the same for the same seed and another for another', () => {
    const run = (seed: number): string =>
      JSON.stringify(runCampaign({ faults: ['wild-store'], runs: 1, seed, without: [] }));
    const first = run(7);
    expect(run(7)).toBe(first);
    expect(run(8)).not.toBe(first);
  });

  it('a campaign tells what write protection and checksum cost, and that each costs something', () => {
    const costs = timeProtections(1, []);
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

  it('a campaign has protections off in all of its runs when it is asked to', () => {
    const { protected: kept, unguarded } = strike('bit-flip', { without: ['checksum'] });
    expect(kept.reusedWrongly).toBeGreaterThan(0);
    expect(kept).toEqual(unguarded);
  });
});
