/** The object that `stillwarm check protocol --json` prints. */

import { version } from '../version.ts';
import type { Checked } from './protocol.ts';
import type { ProtocolResult } from './protocol-result.ts';

export function protocolResult(checked: readonly Checked[]): ProtocolResult {
  return {
    schema: 'stillwarm/check-protocol@1',
    version: version(),
    protocols: checked.map(({ file, protocol, what, rows }) => ({
      ...{ file, protocol, what },
      laws: rows[0]?.row.outcome.laws ?? [],
      searches: rows.map(({ row: { fault, breaks, within, verdict, why, outcome } }) => {
        const { states, transitions, depth, broken, isShortest, coverage, unreached, reached } = outcome;
        return {
          ...{ fault, breaks, within, verdict, why, states, transitions, depth, broken, isShortest },
          ...{ searchedDepth: coverage.depth, frontier: coverage.frontier, grew: coverage.grew, unreached },
          reached: Object.entries(reached).map(([name, times]) => ({ name, times })),
          history: historyOf(outcome.counterexample),
        };
      }),
    })),
  };
}

type History = NonNullable<Checked['rows'][number]['row']['outcome']['counterexample']>;

const historyOf = (history: History | undefined) =>
  history === undefined
    ? null
    : {
        law: history.law,
        initial: JSON.stringify(history.initial),
        steps: history.steps.map(({ state, ...step }, n) => ({ number: n + 1, ...step, state: JSON.stringify(state) })),
        replay: history.replay,
      };
