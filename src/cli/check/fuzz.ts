/** `stillwarm check fuzz`: what the command line says of the fuzz of the lab. */

import { fuzzCheckWith, type OptionsReader } from '../../lab/fuzz/index.ts';
import type { Violation } from '../../lab/part.ts';
import type { CheckEntry } from './entry.ts';
import { CHECK_FUZZ } from './options.ts';
import type { ValuesOf } from '../kit/option-kinds.ts';

/** All kinds. @param reader the parser of the program */
export function fuzzEntry(reader: OptionsReader): CheckEntry {
  const check = fuzzCheckWith(reader);
  return {
    spec: CHECK_FUZZ,
    unit: { one: 'case' },
    least: 16,
    partBytes: 256 << 20,
    optionsOf: (given) => {
      const { kind, cases, seed } = given as ValuesOf<typeof CHECK_FUZZ.options>;
      return { kind, cases, seed };
    },
    checkOf: () => check,
    kept,
  };
}

/** The case as a file of the corpus: what the violation has as its history. */
function kept({ replay, history }: Violation): { readonly name: string; readonly text: string } {
  const [, kind, seed, number] = /--kind (\S+) .*--seed (\S+) --case (\d+)$/.exec(replay)!;
  return { name: `${kind}-${seed}-${number}.json`, text: `${history.join('\n')}\n` };
}
