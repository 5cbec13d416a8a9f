/** `stillwarm check fuzz`: what the command line says of the fuzz of the lab. */

import { fuzzCheckWith } from '../lab/fuzz/index.ts';
import type { Violation } from '../lab/part.ts';
import type { CheckEntry } from './check-entry.ts';
import { CHECK_FUZZ } from './check-options.ts';
import { COMMAND_LINES } from './command-lines.ts';
import type { ValuesOf } from './option-kinds.ts';

/** All kinds, and the parser of this program. */
const CHECK = fuzzCheckWith(COMMAND_LINES);

export const FUZZ_ENTRY: CheckEntry = {
  spec: CHECK_FUZZ,
  unit: { one: 'case' },
  least: 16,
  partBytes: 256 << 20,
  optionsOf: (given) => {
    const { kind, cases, seed } = given as ValuesOf<typeof CHECK_FUZZ.options>;
    return { kind, cases, seed };
  },
  checkOf: () => CHECK,
  kept,
};

/** The case as a file of the corpus: what the violation has as its history. */
function kept({ replay, history }: Violation): { readonly name: string; readonly text: string } {
  const [, kind, seed, number] = /--kind (\S+) .*--seed (\S+) --case (\d+)$/.exec(replay)!;
  return { name: `${kind}-${seed}-${number}.json`, text: `${history.join('\n')}\n` };
}
