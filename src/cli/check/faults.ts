/** `stillwarm check faults`: what the command line says of the faults of the lab. */

import { FAULTS_CHECK } from '../../lab/faults/check.ts';
import type { FaultsOptions } from '../../lab/faults/options.ts';
import { tableOf, VERDICT_NAMES, type FaultResult } from '../../lab/faults/table.ts';
import { counted } from '../../base/index.ts';
import type { CheckOptions, Findings } from '../../lab/check.ts';
import type { PageVerdicts } from '../../experiment/judge/page-judge.ts';
import type { CheckEntry } from './entry.ts';
import { CHECK_FAULTS } from './options.ts';
import type { ValuesOf } from '../kit/option-kinds.ts';
import { renderTable } from '../kit/table.ts';

export const FAULTS_ENTRY: CheckEntry = {
  spec: CHECK_FAULTS,
  unit: { one: 'run' },
  least: 4,
  partBytes: 64 << 20,
  optionsOf: (given) => {
    const { fault: faults, runs, seed, without, arch } = given as ValuesOf<typeof CHECK_FAULTS.options>;
    return { faults, runs, seed, without, arch };
  },
  checkOf: () => FAULTS_CHECK,
  tables,
};

const HEADS: Readonly<Record<keyof PageVerdicts, string>> = {
  reusedRightly: 'reused\nrightly',
  discardedRightly: 'discarded\nrightly',
  discardedNeedlessly: 'discarded\nneedlessly',
  notAskedFor: 'not asked\nfor',
  reusedWrongly: 'reused\nwrongly',
};
const heads = VERDICT_NAMES.map((name) => HEADS[name]);
const numbers = (verdicts: PageVerdicts): number[] => VERDICT_NAMES.map((name) => verdicts[name]);

function tables(options: CheckOptions, { counts }: Findings): string[] {
  const { runs, seed, arch, without, faults: asked } = options as unknown as FaultsOptions;
  const { faults, costs } = tableOf({ faults: asked }, counts);
  const unguarded = faults.flatMap((one): [FaultResult, PageVerdicts][] =>
    one.unguarded === null ? [] : [[one, one.unguarded]],
  );
  const wrong = faults.reduce((sum, one) => sum + one.protected.reusedWrongly, 0);
  return [
    `${counted(runs, 'run')} of each fault on ${arch!}, seed ${seed}; all protections on${
      without.length > 0 ? ` but ${without.join(', ')}` : ''
    }`,
    '',
    'What becomes of the pages that had a name when the guest died?',
    'Faults whose names begin with dirty count dirty pages; reused means written home.',
    renderTable(
      ['fault', 'injected', ...heads],
      faults.map(({ fault, injected, ...one }) => [fault, injected, ...numbers(one.protected)]),
    ),
    '',
    'And with all protections off that guard against the fault?',
    renderTable(
      ['fault', 'without', ...heads],
      unguarded.map(([{ fault, guards }, verdicts]) => [fault, guards.join('\n'), ...numbers(verdicts)]),
    ),
    '',
    ...(costs.length === 0
      ? []
      : [
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
        ]),
    wrong === 0
      ? 'with its guards on, no page was reused wrongly'
      : counted(wrong, 'page was reused wrongly', 'pages were reused wrongly'),
    '',
  ];
}
