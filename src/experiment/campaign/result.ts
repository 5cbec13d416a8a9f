/** What `stillwarm campaign` answers: the definition of the object that `--json` prints. */

import { COMMON } from '../guest/result.ts';
import { count, kind, list, many, one, oneOf, oneOrNull, result, type Described } from '../guest/schema.ts';
import type { PageVerdicts } from '../judge/page-judge.ts';
import { FAULTS } from './faults.ts';
import { PROTECTIONS } from './options.ts';

const PROTECTION = oneOf('A protection.', PROTECTIONS);

export const Verdicts = kind(
  'verdicts',
  'Pages that had a name when the guest died: [what they mean](campaign.md#numbers).',
  {
    reusedRightly: count('Taken over, with the same bytes as the disk.'),
    reusedWrongly: count('Taken over with bytes that differ from the disk, or for another place: must be 0.'),
    discardedRightly: count('Not taken over, and different from the disk.'),
    discardedNeedlessly: count('Not taken over, although equal to the disk.'),
    notAskedFor: count('Kept, and never read.'),
  } satisfies Record<keyof PageVerdicts, unknown>,
);

export const FaultResult = kind('fault', 'All runs of one fault.', {
  fault: oneOf('Its name.', FAULTS),
  injected: count('Faults injected over all runs; 0 when the crash itself is the fault.'),
  guards: list('Protections that guard against it.', PROTECTION),
  protected: one('With the protections on.', Verdicts),
  unguarded: oneOrNull('The same runs with the guards off; null when no guard can be switched off.', Verdicts),
});
export type FaultResult = Described<typeof FaultResult>;

export const ProtectionCost = kind(
  'cost',
  "Virtual time of a guest's work, on a drive that takes no time, so that nothing hides the cost of a protection.",
  {
    off: list('Protections that are off, besides those that are off in all runs.', PROTECTION),
    workNs: count('Reading all files, changing some, writing them out, and reading all again, ns.'),
    rereadNs: count("The next guest's reading of all files, from pages that were preserved, ns."),
  },
);
export type ProtectionCost = Described<typeof ProtectionCost>;

export const CampaignResult = result(
  'stillwarm/campaign@1',
  'Result of stillwarm campaign --json',
  'The same options print the same object. [Fault campaign](campaign.md) says what is struck, and what is asked.',
  {
    seed: COMMON.seed,
    runs: count('Runs of each fault.', 1),
    arch: COMMON.arch,
    without: list('Protections that are off in all runs.', PROTECTION),
    faults: many('One result a fault, in the order asked for.', FaultResult),
    costs: many('All protections on, and then without those that cost more than a comparison.', ProtectionCost),
  },
  [FaultResult, Verdicts, ProtectionCost],
);
export type CampaignResult = Described<typeof CampaignResult>;
