/** The commands on traces, and their options: a part of the table of options.ts. */

import { FORMAT_NAMES, FORMATS, TARGETS, type FormatName } from '../trace/index.ts';
import {
  choicesOf,
  flag,
  integer,
  path,
  type CommandFamily,
  type CommandSpec,
  type Option,
} from './kit/option-kinds.ts';
import { HELP, JSON_OUT } from './kit/shared-options.ts';
import { parseChoice } from './kit/values.ts';

const ROWS_MAX = 100_000;
const OFFSET_MAX = 0xffff_ffff;

export const TRACE: CommandFamily = {
  name: 'trace',
  summary: 'read traces of other programs: what is in them, how they begin, and the same in another format',
};

/** What is said of a trace that is read. */
export const READING = {
  format: {
    value: 'NAME',
    help: 'format of the trace',
    choices: choicesOf(
      FORMAT_NAMES,
      Object.fromEntries(FORMAT_NAMES.map((name) => [name, FORMATS[name].title])) as Record<FormatName, string>,
    ),
    more: 'The [formats](trace-formats.md) and how each is recognised. Where several fit, the command names them and asks for this option',
    parse: (option, text) => parseChoice(option, text, FORMAT_NAMES),
    otherwise: { value: undefined, words: 'recognised by its first bytes' },
  } satisfies Option<FormatName | undefined>,
  device: {
    value: 'NAME',
    help: 'read only the requests of this device, as the trace calls it',
    parse: (_: string, text: string): string | undefined => text,
    otherwise: { value: undefined, words: 'all, each a file' },
  } satisfies Option<string | undefined>,
  'partition-offset': {
    ...integer(
      'N',
      'sector of 512 bytes at which the partition begins, from which pages are counted',
      [0, OFFSET_MAX],
      {
        value: undefined,
        words: 'found from the requests',
      },
    ),
    more: 'Only what remains modulo 8 matters',
  },
};

export const TRACE_STAT = {
  name: 'trace stat',
  positionals: [{ name: 'TRACE' }],
  summary: 'print what is in a trace: its format, operations, pages, bytes, threads and largest files',
  options: {
    ...READING,
    largest: integer('N', 'list so many of the files with most pages', [0, ROWS_MAX], { value: 10, text: '10' }),
    json: JSON_OUT('trace-schema.md'),
    help: HELP,
  },
} as const satisfies CommandSpec;

export const TRACE_HEAD = {
  name: 'trace head',
  positionals: [{ name: 'TRACE' }],
  summary: 'print the first operations of a trace',
  options: {
    ...READING,
    lines: integer('N', 'so many operations', [1, ROWS_MAX], { value: 10, text: '10' }),
    help: HELP,
  },
} as const satisfies CommandSpec;

export const TRACE_CONVERT = {
  name: 'trace convert',
  positionals: [{ name: 'TRACE' }, { name: 'OUT' }],
  summary: 'write a trace in another format to the new file OUT, and say what that cannot hold',
  options: {
    ...READING,
    to: {
      value: 'NAME',
      help: 'format of OUT',
      choices: choicesOf(TARGETS, {
        calls: 'with a list of files beside it, for which OUT ends in .csv',
        'fio-v3': 'for `fio --read_iolog`',
        oracleGeneral: 'for libCacheSim, a record a page',
        'numbers-pages': 'a line a page',
      }),
      parse: (option, text) => parseChoice(option, text, TARGETS),
      otherwise: { value: TARGETS[0], text: TARGETS[0] },
    } satisfies Option<(typeof TARGETS)[number]>,
    force: flag('replace OUT if it exists'),
    help: HELP,
  },
} as const satisfies CommandSpec;

export const CAPTURE = {
  name: 'capture',
  positionals: [{ name: 'COMMAND', isRepeated: true }],
  summary: 'run a program, and record by strace what it does to files; -- comes before the program',
  options: {
    output: {
      ...path('FILE', 'record to the new file FILE (also -o)'),
      otherwise: { value: undefined, words: 'the name of the program, and .strace' },
    },
    force: flag('replace FILE if it exists'),
    help: HELP,
  },
} as const satisfies CommandSpec;

export const TRACE_COMMANDS: readonly CommandSpec[] = [TRACE_STAT, TRACE_HEAD, TRACE_CONVERT];
