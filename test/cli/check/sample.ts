// A result of `stillwarm check --json` with something in each list.
import { checkResult } from '../../../src/cli/check/result-of.ts';
import type { CheckResult } from '../../../src/cli/check/result.ts';
import { merged, partsOf } from '../../../src/lab/check.ts';

export function sampleCheckResult(): CheckResult {
  const options = { runs: 3, faults: ['crash', 'bit-flip'], seed: 7 };
  const parts = partsOf('faults', options, 6, 3);
  const violation = { law: 'a law', what: 'a page', replay: 'stillwarm again', history: ['step-1', 'step-2'] };
  const findings = merged(parts, [
    { part: parts[1]!, done: 2, counts: { states: 4, pages: 70 }, reached: { moon: 0, sea: 2 }, violations: [] },
    {
      ...{ part: parts[0]!, done: 3, counts: { states: 6, pages: 80 }, reached: { moon: 1, sea: 5 } },
      violations: [
        { at: 2, ...violation },
        { at: 1, ...violation },
      ],
    },
  ]);
  const plan = { version: '1.2.3', check: 'faults', options, cases: 6, least: 3, shard: { number: 1, of: 1 } };
  return checkResult(plan, findings);
}
