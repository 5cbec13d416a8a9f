/** What an option is, and the kinds of options that the commands have (../options.ts). */

import { parseChoice, parseInteger, parseList, parseNumber } from './values.ts';

export interface Option<T> {
  /** What its value is called; undefined when it takes none. */
  readonly value?: string;
  /** What it does, in one line. */
  readonly help: string;
  /** The values that it takes, each with what cli.md says of it. */
  readonly choices?: Readonly<Record<string, string>>;
  /** What cli.md says besides. */
  readonly more?: string;
  /** @throws UserError */
  readonly parse: (option: string, text: string) => T;
  /** What it is when it is not given: as the user would write it, or in words. */
  readonly otherwise: { readonly value: T } & ({ readonly text: string } | { readonly words: string });
}

export type Options = Readonly<Record<string, Option<unknown>>>;

export type ValuesOf<Of extends Options> = {
  readonly [Name in keyof Of]: Of[Name] extends Option<infer T> ? T : never;
};

export interface CommandSpec<Of extends Options = Options> {
  /** One word, or that of a family and one more. */
  readonly name: string;
  /** Positional arguments as the help shows them. The last one may be repeated. */
  readonly positionals: readonly { readonly name: string; readonly optional?: true; readonly isRepeated?: true }[];
  readonly summary: string;
  /** By name, without the dashes. */
  readonly options: Of;
}

/** Commands that share their first word. */
export interface CommandFamily {
  readonly name: string;
  readonly summary: string;
}

export const flag = (help: string, more?: string): Option<boolean> => ({
  help,
  ...(more === undefined ? {} : { more }),
  parse: () => true,
  otherwise: { value: false, words: 'off' },
});

/** One of `names`; by default the first, or in words what else. */
export function choice<T extends string>(help: string, names: readonly T[], meanings?: Meanings<T>): Option<T> {
  return {
    value: 'NAME',
    help,
    choices: choicesOf(names, meanings),
    parse: (option, text) => parseChoice(option, text, names),
    otherwise: { value: names[0]!, text: names[0]! },
  };
}

/** One of `names`, or none. */
export const oneOf = <T extends string>(help: string, names: readonly T[]): Option<T | undefined> => ({
  value: 'NAME',
  help,
  choices: choicesOf(names),
  parse: (option, text) => parseChoice(option, text, names),
  otherwise: { value: undefined, words: 'none' },
});

/** Different ones of `names`, in the order given. */
export function several<T extends string, D>(
  help: string,
  names: readonly T[],
  meanings: Meanings<T>,
  otherwise: { readonly value: D; readonly words: string },
): Option<readonly T[] | D> {
  return {
    value: 'LIST',
    help,
    choices: choicesOf(names, meanings),
    parse: (option, text) => parseList(option, text, names),
    otherwise,
  };
}

type Meanings<T extends string> = { readonly [Name in T]?: string };

export const choicesOf = <T extends string>(names: readonly T[], meanings?: Meanings<T>) =>
  Object.fromEntries(names.map((name) => [name, meanings?.[name] ?? '']));

/** An integer of `min` to `max`, which are part of the help. */
export const integer = <D>(
  value: string,
  help: string,
  [min, max]: readonly [min: number, max: number],
  otherwise: Option<number | D>['otherwise'],
): Option<number | D> => ({
  value,
  help: `${help}, ${min} to ${max}`,
  parse: (option, text) => parseInteger(option, text, min, max),
  otherwise,
});

export const number = <D>(
  value: string,
  help: string,
  [least, max]: readonly [least: 'more than 0' | '0', max: number],
  otherwise: Option<number | D>['otherwise'],
): Option<number | D> => ({
  value,
  help: `${help}, ${least} to ${max}`,
  parse: (option, text) => parseNumber(option, text, max, least),
  otherwise,
});

export const path = (value: string, help: string): Option<string | undefined> => ({
  value,
  help,
  parse: (_, text) => text,
  otherwise: { value: undefined, words: 'none' },
});
