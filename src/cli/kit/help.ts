/**
 * What the table of options tells people: the help of the program and of each command, and the
 * tables of docs/reference/cli.md.
 */

import { usage } from './args.ts';
import type { CommandFamily, CommandSpec, Option } from './option-kinds.ts';

const leftOf = (name: string, { value }: Option<unknown>): string =>
  `--${name}${value === undefined ? '' : ` ${value}`}`;

/** The help of one command, ended by a newline. */
export function commandHelp(spec: CommandSpec): string {
  const rows = Object.entries(spec.options).map(([name, option]) => [leftOf(name, option), meaningOf(option)] as const);
  return [
    `Usage: stillwarm ${usage(spec)}`,
    '',
    ...wrap(spec.summary, ''),
    '',
    'Options:',
    ...twoColumns(rows),
    '',
  ].join('\n');
}

function meaningOf({ value, help, choices, otherwise }: Option<unknown>): string {
  if (value === undefined) return help;
  const names = choices === undefined ? '' : `: ${Object.keys(choices).join(', ')}`;
  return `${help}${names} (default${'text' in otherwise ? ` ${otherwise.text}` : `: ${otherwise.words}`})`;
}

/** The table of the command in docs/reference/cli.md, ended by a newline. */
export function optionTable(spec: CommandSpec): string {
  const rows = Object.entries(spec.options).map(([name, option]) => {
    const { help, choices, otherwise, more } = option;
    const names = Object.entries(choices ?? {}).map(([choice, meaning]) =>
      meaning === '' ? `\`${choice}\`` : `\`${choice}\` (${meaning})`,
    );
    const without = 'text' in otherwise ? `\`${otherwise.text}\`` : otherwise.words;
    const meaning = `${help}${names.length === 0 ? '' : `: ${names.join(', ')}`}${more === undefined ? '' : `. ${more}`}`;
    return `| \`${leftOf(name, option)}\` | ${without} | ${meaning} |`;
  });
  return `${['| option | default | meaning |', '|---|---|---|', ...rows].join('\n')}\n`;
}

/** The help of the program, ended by a newline. */
export function programHelp(commands: readonly CommandSpec[]): string {
  return [
    'Usage: stillwarm COMMAND [OPTION]...',
    '',
    'A deterministic model of a machine whose page cache survives a reboot.',
    '',
    'Commands:',
    ...twoColumns(commands.map(({ name, summary }) => [name, summary])),
    '',
    'stillwarm COMMAND --help describes a command; stillwarm --version prints the version.',
    'Exit status: 0 all is well, 1 a page differs from the disk (inspect: something does not parse,',
    'diff: the results differ, check: a law does not hold), 2 a mistake in what was asked, or a',
    'refusal of the host such as a full disk: one line says which; 3 the budget of a check ended.',
    '',
  ].join('\n');
}

/** The help of commands that share their first word, ended by a newline. */
export function familyHelp({ name, summary }: CommandFamily, commands: readonly CommandSpec[]): string {
  return [
    `Usage: stillwarm ${name} COMMAND [OPTION]...`,
    '',
    ...wrap(summary, ''),
    '',
    'Commands:',
    ...twoColumns(commands.map((each) => [each.name, each.summary])),
    '',
    `stillwarm ${name} COMMAND --help describes one.`,
    '',
  ].join('\n');
}

/** Lines of at most 100 columns: the right column is wrapped beside the left one. */
function twoColumns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.flatMap(([left, right]) => {
    const lines = wrap(right, ' '.repeat(width + 4));
    return [`  ${left.padEnd(width)}  ${lines[0]!.trimStart()}`, ...lines.slice(1)];
  });
}

/** Lines of at most so many columns, each with the indent. */
export function wrap(text: string, indent: string, columns = 100): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > columns && line.trim() !== '') {
      lines.push(line);
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  return [...lines, line];
}
