/** The object that `stillwarm check protocol --json` prints. */

import type { Row } from '../../lab/protocol/check.ts';
import { version } from '../version.ts';
import type { ProtocolResult } from './protocol-result.ts';

/** What was found of one protocol. */
export interface Checked {
  /** As the user knows the file. */
  readonly file: string;
  readonly protocol: string;
  readonly what: string;
  readonly rows: readonly { readonly row: Row; readonly ms: number }[];
}

export function protocolResult(checked: readonly Checked[]): ProtocolResult {
  return {
    schema: 'stillwarm/check-protocol@1',
    version: version(),
    protocols: checked.map(({ file, protocol, what, rows }) => ({
      ...{ file, protocol, what },
      laws: rows[0]?.row.outcome.laws ?? [],
      searches: rows.map(({ row: { fault, breaks, within, verdict, why, outcome } }) => {
        const { states, transitions, depth, broken, isShortest, coverage, unreached, idle, unmet, reached } = outcome;
        return {
          ...{ fault, breaks, within, verdict, why, states, transitions, depth, broken, isShortest },
          ...{
            searchedDepth: coverage.depth,
            frontier: coverage.frontier,
            grew: coverage.grew,
            unreached,
            idle,
            unmet,
          },
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
