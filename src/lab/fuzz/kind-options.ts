/**
 * Command lines. The parser is that of the program, which gives it with one command line of each
 * command that it takes: the lab knows no command.
 */

import { type Kind, must, refusedFor, TAKEN } from './kind.ts';
import { drawText, editedTokens } from './text.ts';

/** What takes a command line. */
export interface OptionsReader {
  /**
   * Parses a command line, its command first, and does nothing with it.
   * @returns the message of the UserError for one that does not parse; undefined: it parses
   */
  readonly refusalOf: (argv: readonly string[]) => string | undefined;
  /** Command lines that parse, with every option of each command. */
  readonly commandLines: readonly (readonly string[])[];
}

const WORDS = [
  ...['', '-', '--', '-h', '--help', '--', '--=', '---', '-x', '--seed', '--seed=', '--seed=1', '--unknown'],
  ...['0', '-1', '1e3', '1e999', 'NaN', 'Infinity', '0x10', '9007199254740993', '1GiB', '99999999TiB', '0B', '1.5.5'],
  ...[',', 'a,,b', 'all,all', '1/0', '0/0', '../..', '/', '\0', '\n', '\u2028', 'constructor', '__proto__', 'toString'],
  'x'.repeat(10_000),
] as const;

/** The kind of command lines of a program. */
export function optionsKind({ refusalOf, commandLines }: OptionsReader): Kind {
  return {
    name: 'options',
    cases: 4000,
    reasons: ['unknown option', 'needs a value'],
    draw: (random) => drawText(random, commandLines, WORDS),
    play: (fuzzCase) => {
      const message = refusalOf(editedTokens(fuzzCase, commandLines));
      if (message === undefined) return TAKEN;
      must('a refusal is one line', !message.includes('\n'), () => 'the message has several lines');
      return refusedFor(reasonOf(message));
    },
  };
}

/** What is refused without what was given, of which there is no end. */
function reasonOf(message: string): string {
  const known =
    /unknown option|needs a value|takes no value|given twice|unexpected argument|is missing|is empty|unknown command/;
  return known.exec(message)?.[0] ?? 'a value that it does not take';
}
