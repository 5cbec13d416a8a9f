/** The program's parser of command lines as a reader for the fuzz of the lab. */

import { UserError } from '../base/index.ts';
import type { OptionsReader } from '../lab/fuzz/index.ts';
import { parseCommand } from './kit/args.ts';
import type { CommandSpec } from './kit/option-kinds.ts';
import { COMMANDS } from './options.ts';

const wordsOf = (name: string): readonly string[] => name.split(' ');

/** A command line of each command has all its options. */
export const COMMAND_LINES: OptionsReader = {
  refusalOf: (argv) => {
    const spec = COMMANDS.find(({ name }) => wordsOf(name).every((word, n) => argv[n] === word));
    if (spec === undefined) return 'unknown command';
    try {
      parseCommand(spec, argv.slice(wordsOf(spec.name).length));
      return undefined;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.message;
    }
  },
  commandLines: COMMANDS.map(lineOf),
};

function lineOf({ name, options, positionals }: CommandSpec): readonly string[] {
  return [
    ...wordsOf(name),
    ...Object.entries(options).flatMap(([option, { value, choices = {}, otherwise }]) => {
      if (option === 'help') return [];
      if (value === undefined) return [`--${option}`];
      const sample = 'text' in otherwise ? otherwise.text : (Object.keys(choices)[0] ?? '1');
      return [`--${option}`, sample];
    }),
    ...positionals.map((each) => each.name),
  ];
}
