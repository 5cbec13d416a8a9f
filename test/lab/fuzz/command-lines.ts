// The program's parser of command lines as a reader for the fuzz, and a command line of each
// command with all its options.
import { UserError } from '../../../src/base/index.ts';
import { parseCommand } from '../../../src/cli/args.ts';
import { COMMANDS } from '../../../src/cli/options.ts';
import type { OptionsReader } from '../../../src/lab/fuzz/index.ts';

export const COMMAND_LINES: OptionsReader = {
  refusalOf: ([name, ...rest]) => {
    const spec = COMMANDS.find((command) => command.name === name);
    if (spec === undefined) return 'unknown command';
    try {
      parseCommand(spec, rest);
      return undefined;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.message;
    }
  },
  commandLines: COMMANDS.map(({ name, options, positionals }) => [
    name,
    ...Object.entries(options).flatMap(([option, { value, choices = {}, otherwise }]) => {
      if (option === 'help') return [];
      if (value === undefined) return [`--${option}`];
      const sample = 'text' in otherwise ? otherwise.text : (Object.keys(choices)[0] ?? '1');
      return [`--${option}`, sample];
    }),
    ...positionals.map((each) => each.name),
  ]),
};
