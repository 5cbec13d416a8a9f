/**
 * `stillwarm campaign`: faults that strike a dying guest and what it leaves in memory, and what
 * came of the pages. The campaign is experiment/campaign/campaign.ts; here its result is printed.
 */

import { counted } from '../base/index.ts';
import type { CampaignResult, FaultResult } from '../experiment/campaign/result.ts';
import type { CampaignOptions } from '../experiment/campaign/options.ts';
import type { PageVerdicts } from '../experiment/judge/page-judge.ts';
import { parseCommand } from './args.ts';
import { commandHelp } from './help.ts';
import type { Io } from './io.ts';
import { CAMPAIGN } from './options.ts';
import { withProgress } from './progress.ts';
import { renderTable } from './table.ts';

/**
 * @returns the exit status: 1 when a page was reused wrongly although its guards were on, else 0
 * @throws UserError
 */
export function campaign(argv: readonly string[], io: Io): number {
  const { options: given } = parseCommand(CAMPAIGN, argv);
  if (given.help) {
    io.stdout.write(commandHelp(CAMPAIGN));
    return 0;
  }
  const { fault: faults, json, help: _help, ...rest } = given;
  const options: CampaignOptions = { faults, ...rest };
  const result = withProgress(io.stderr, (onProgress) => io.runCampaign(options, onProgress));
  io.stdout.write(json ? `${JSON.stringify(result)}\n` : renderCampaign(result));
  return wrongPages(result) > 0 ? 1 : 0;
}

const NUMBERS: readonly (readonly [keyof PageVerdicts, head: string])[] = [
  ['reusedRightly', 'reused\nrightly'],
  ['discardedRightly', 'discarded\nrightly'],
  ['discardedNeedlessly', 'discarded\nneedlessly'],
  ['notAskedFor', 'not asked\nfor'],
  ['reusedWrongly', 'reused\nwrongly'],
];
const HEADS = NUMBERS.map(([, head]) => head);
const numbers = (verdicts: PageVerdicts): number[] => NUMBERS.map(([key]) => verdicts[key]);

function wrongPages({ faults }: CampaignResult): number {
  return faults.reduce((sum, one) => sum + one.protected.reusedWrongly, 0);
}

function renderCampaign(result: CampaignResult): string {
  const { runs, seed, arch, without, faults, costs } = result;
  const unguarded = faults.flatMap((one): [FaultResult, PageVerdicts][] =>
    one.unguarded === null ? [] : [[one, one.unguarded]],
  );
  const wrong = wrongPages(result);
  return [
    `${counted(runs, 'run')} of each fault on ${arch}, seed ${seed}; all protections on${
      without.length > 0 ? ` but ${without.join(', ')}` : ''
    }`,
    '',
    'What becomes of the pages that had a name when the guest died?',
    'Faults whose names begin with dirty count dirty pages; reused means written home.',
    renderTable(
      ['fault', 'injected', ...HEADS],
      faults.map(({ fault, injected, ...one }) => [fault, injected, ...numbers(one.protected)]),
    ),
    '',
    'And with all protections off that guard against the fault?',
    renderTable(
      ['fault', 'without', ...HEADS],
      unguarded.map(([{ fault, guards }, verdicts]) => [fault, guards.join('\n'), ...numbers(verdicts)]),
    ),
    '',
    'What do the protections cost that trap or read whole pages? Virtual time on a drive that takes none.',
    renderTable(
      ['without', "the guest's work, µs", 'reading again after its death, µs'],
      costs.map(({ off, workNs, rereadNs }) => [
        off.length === 0 ? '–' : off.join(', '),
        Math.round(workNs / 1000),
        Math.round(rereadNs / 1000),
      ]),
    ),
    '',
    wrong === 0
      ? 'with its guards on, no page was reused wrongly'
      : counted(wrong, 'page was reused wrongly', 'pages were reused wrongly'),
    '',
  ].join('\n');
}
