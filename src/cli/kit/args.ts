/**
 * The parser of command lines, by the table of options (../options.ts).
 *
 * Contract: what does not parse is a UserError of one line that names the option and says what is
 * allowed. Nothing is guessed: an option that is not in the table is refused, and so is a value
 * that an option does not take.
 */

import { parseArgs } from 'node:util';
import { UserError } from '../../base/index.ts';
import type { CommandSpec, Options, ValuesOf } from './option-kinds.ts';
import { oneLine } from './values.ts';

/** A command line that parsed. */
export interface ParsedArgs<Of extends Options> {
  /** The value of each option, or what stands for it when it was not given. */
  readonly options: ValuesOf<Of>;
  readonly positionals: readonly string[];
}

/**
 * Parses what follows the name of a command. When `--help` is asked for, nothing else is looked at.
 * @throws UserError
 */
export function parseCommand<Of extends Options>(spec: CommandSpec<Of>, argv: readonly string[]): ParsedArgs<Of> {
  const table = Object.entries(spec.options);
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      table.map(([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }] as const),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string>();
  const positionals: string[] = [];
  const help = tokens.some((token) => token.kind === 'option' && ['--help', '-h'].includes(token.rawName));
  if (help) given.set('help', '');
  for (const token of help ? [] : tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { rawName, name } = token;
    const option = rawName.startsWith('--') && Object.hasOwn(spec.options, name) ? spec.options[name] : undefined;
    if (option === undefined) {
      const allowed = table.map(([each]) => `--${each}`).join(', ');
      throw new UserError(`unknown option ${oneLine(rawName)}; ${spec.name} takes ${allowed}`);
    }
    if (option.value === undefined) {
      if (token.value !== undefined) throw new UserError(`option ${rawName} takes no value`);
      given.set(name, '');
      continue;
    }
    // No option begins with a digit: that is a number below zero, which is refused as such.
    const isNextOption = token.inlineValue === false && /^-(?![\d.])/.test(token.value);
    if (token.value === undefined || token.value === '' || isNextOption)
      throw new UserError(`option ${rawName} needs a value: ${rawName} ${option.value}`);
    if (given.has(name)) throw new UserError(`option ${rawName} is given twice`);
    given.set(name, token.value);
  }
  if (!help) checkPositionals(spec, positionals);
  const values = table.map(([name, { parse, otherwise }]) => {
    const text = given.get(name);
    return [name, text === undefined ? otherwise.value : parse(`--${name}`, text)] as const;
  });
  return { options: Object.fromEntries(values) as ValuesOf<Of>, positionals };
}

function checkPositionals(spec: CommandSpec, positionals: readonly string[]): void {
  const isRepeated = spec.positionals.at(-1)?.isRepeated === true;
  const surplus = isRepeated ? undefined : positionals[spec.positionals.length];
  if (surplus !== undefined)
    throw new UserError(`unexpected argument ${oneLine(surplus)}; usage: stillwarm ${usage(spec)}`);
  const missing = spec.positionals.slice(positionals.length).find(({ optional }) => optional === undefined);
  if (missing !== undefined) throw new UserError(`${missing.name} is missing; usage: stillwarm ${usage(spec)}`);
  const empty = positionals.indexOf('');
  if (empty >= 0) throw new UserError(`${(spec.positionals[empty] ?? spec.positionals.at(-1)!).name} is empty`);
}

/** How the command is called, after the name of the program. */
export function usage(spec: CommandSpec): string {
  const positionals = spec.positionals.map(({ name, optional, isRepeated }) =>
    optional ? `[${name}]` : `${name}${isRepeated ? '...' : ''}`,
  );
  return [spec.name, '[OPTION]...', ...positionals].join(' ');
}
