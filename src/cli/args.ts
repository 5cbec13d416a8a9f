/**
 * Command lines: one table of commands and options, from which the parser, the help texts and the test of
 * docs/reference/cli.md are derived.
 *
 * Contract: whatever does not parse is a UserError of one line that names the option and says what is allowed.
 * Nothing is guessed: an option that is not in the table is refused, and so is a value that an option does not take.
 */

import { parseArgs } from 'node:util';
import { type Arch, ARCHS, PAGE_SIZE, printable, UserError } from '../base/index.ts';
import { PROTECTIONS } from '../experiment/campaign/options.ts';
import { FAULTS } from '../experiment/campaign/faults.ts';
import { guestMemoryMax, MEMORY_MAX } from '../experiment/guest/testbed.ts';
import {
  DISKS,
  PROFILES,
  STRATEGIES,
  STRATEGIES_OF_CRASHES,
  STRATEGIES_OF_READERS,
  WORKLOADS,
} from '../experiment/guest/options.ts';
import { VMM_STRATEGIES } from '../experiment/vmm/options.ts';

export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  /** What its value is called in the help; absent when the option takes none. */
  readonly value?: string;
  readonly help: string;
}

export interface CommandSpec {
  readonly name: string;
  /** Positional arguments as the help shows them. */
  readonly positionals: readonly { readonly name: string; readonly optional?: true }[];
  readonly summary: string;
  readonly options: readonly OptionSpec[];
}

const HELP: OptionSpec = { name: 'help', help: 'print this help (also -h)' };

const ARCH_HELP = `architecture of the machine, which says how wide numbers of frames are: ${ARCHS.join(', ')}`;
const ARCH = { name: 'arch', value: 'NAME', help: `${ARCH_HELP} (default: that of the profile)` } as const;

const GIB = 1 << 30;
/** Smallest guest memory, bytes. */
export const MEMORY_MIN = 16 << 20;
export const MEMORY_DEFAULT = GIB;
const MEMORY_HELP = `${sizeText(MEMORY_MIN)} to ${sizeText(MEMORY_MAX)}, on x86_32 to ${sizeText(guestMemoryMax('x86_32'))} (default ${sizeText(MEMORY_DEFAULT)})`;
const SEED_MAX = 0xffff_ffff;
/** Runs of each fault of a campaign. */
export const RUNS_DEFAULT = 10;
const RUNS_MAX = 100_000;
/** As many digits as the guest's command line takes. */
const EXPIRE_MAX = 999_999;
/** As many as there are records of domains. */
const VMS_MAX = 95;
/** What a guest of `vmm-reboot` reads in one run, bytes. */
export const VMM_LIMIT_DEFAULT = 16 << 20;

export const REBOOT = {
  name: 'reboot',
  positionals: [{ name: 'PATH', optional: true }],
  summary: 'read the files of PATH in a guest, reboot it, read them again; print what each strategy of reboot buys',
  options: [
    { name: 'memory', value: 'SIZE', help: `guest memory, ${MEMORY_HELP}` },
    { name: 'disk', value: 'NAME', help: `service times of the drive: ${DISKS.join(', ')} (default ${DISKS[0]})` },
    { name: 'profile', value: 'NAME', help: `costs of the machine: ${PROFILES.join(', ')} (default ${PROFILES[0]})` },
    ARCH,
    {
      name: 'strategy',
      value: 'LIST',
      help: `comma-separated, of: ${STRATEGIES.join(', ')} (default: ${STRATEGIES_OF_READERS.join(', ')}; with --crash --workload log: ${STRATEGIES_OF_CRASHES.join(', ')})`,
    },
    {
      name: 'workload',
      value: 'NAME',
      help: `how files are read, and a log written: ${WORKLOADS.join(', ')} (default ${WORKLOADS[0]})`,
    },
    { name: 'seed', value: 'N', help: 'seed of everything random, 0 to 4294967295 (default 1)' },
    {
      name: 'limit',
      value: 'SIZE',
      help: 'read at most this much in one run; of a directory, only the first files are used, up to this much (default: no limit)',
    },
    { name: 'crash', help: 'crash the guest (nothing is flushed) instead of an orderly reboot' },
    {
      name: 'checksum',
      help: 'record a CRC-32C of each page that is vouched for and ask that it matches before the page is taken over',
    },
    {
      name: 'expire',
      value: 'SECONDS',
      help: `give pages back that the new guest has not claimed so long after it began to boot, 1 to ${EXPIRE_MAX} (default: never)`,
    },
    { name: 'json', help: 'print the result as one JSON object' },
    { name: 'report', value: 'DIR', help: 'also write DIR/index.html, one self-contained page with charts' },
    {
      name: 'dump-memory',
      value: 'FILE',
      help: "write the machine's memory between the old guest and the new to FILE",
    },
    HELP,
  ],
} as const satisfies CommandSpec;

export const MKFS = {
  name: 'mkfs',
  positionals: [{ name: 'DIR' }, { name: 'IMAGE' }],
  summary: 'write an ext2 image with the files of DIR to the new file IMAGE',
  options: [
    { name: 'force', help: 'replace IMAGE when it exists' },
    { name: 'journal', help: 'make it ext3, with a journal of 16 MiB' },
    HELP,
  ],
} as const satisfies CommandSpec;

export const INSPECT = {
  name: 'inspect',
  positionals: [{ name: 'MEMORY.img' }],
  summary: 'read a dump of machine memory (reboot --dump-memory) and print what the hypervisor left in it',
  options: [{ name: 'json', help: 'print the findings as one JSON object' }, HELP],
} as const satisfies CommandSpec;

export const CAMPAIGN = {
  name: 'campaign',
  positionals: [],
  summary:
    'strike dying guests and what they leave in memory with faults; print which pages the next guest reuses, and which of them wrongly',
  options: [
    { name: 'fault', value: 'LIST', help: `comma-separated, of: ${FAULTS.join(', ')} (default: all)` },
    { name: 'runs', value: 'N', help: `runs of each fault, 1 to ${RUNS_MAX} (default ${RUNS_DEFAULT})` },
    { name: 'seed', value: 'N', help: 'seed of everything random, 0 to 4294967295 (default 1)' },
    {
      name: 'without',
      value: 'LIST',
      help: `protections to switch off, of: ${PROTECTIONS.join(', ')} (default: none)`,
    },
    { ...ARCH, help: `${ARCH_HELP} (default ${ARCHS[0]})` },
    { name: 'json', help: 'print the result as one JSON object' },
    HELP,
  ],
} as const satisfies CommandSpec;

export const VMM_REBOOT = {
  name: 'vmm-reboot',
  positionals: [{ name: 'PATH', optional: true }],
  summary:
    'reboot the hypervisor under guests that read the files of PATH; print what each strategy takes, how long services are down, and the figures of the paper beside it',
  options: [
    { name: 'vms', value: 'N', help: `guests, 1 to ${VMS_MAX} (default 1)` },
    { name: 'memory', value: 'SIZE', help: `memory of each guest, ${MEMORY_HELP}` },
    {
      name: 'strategy',
      value: 'LIST',
      help: `comma-separated, of: ${VMM_STRATEGIES.join(', ')} (default: all)`,
    },
    { name: 'single', help: 'only this machine, without the series over memory sizes and numbers of guests' },
    { name: 'disk', value: 'NAME', help: `service times of the drive: ${DISKS.join(', ')} (default ${DISKS[0]})` },
    { name: 'profile', value: 'NAME', help: `costs of the machine: ${PROFILES.join(', ')} (default ${PROFILES[0]})` },
    ARCH,
    { name: 'seed', value: 'N', help: 'seed of everything random, 0 to 4294967295 (default 1)' },
    {
      name: 'limit',
      value: 'SIZE',
      help: 'each guest reads at most this much in one run; of a directory, only the first files are used, up to this much (default 16MiB)',
    },
    { name: 'json', help: 'print the result as one JSON object' },
    { name: 'report', value: 'DIR', help: 'also write DIR/index.html, one self-contained page with charts' },
    HELP,
  ],
} as const satisfies CommandSpec;

export const COMMANDS: readonly CommandSpec[] = [REBOOT, VMM_REBOOT, MKFS, INSPECT, CAMPAIGN];

/** A command line that parsed: option values by name (true for an option without value), and the positionals. */
export interface ParsedArgs<Name extends string = string> {
  readonly help: boolean;
  /** The parsed value of an option, or what stands for it when it was not given. */
  readonly value: <T, D>(name: Name, parse: (option: string, text: string) => T, otherwise: D) => T | D;
  readonly values: ReadonlyMap<Name, string>;
  readonly flags: ReadonlySet<Name>;
  readonly positionals: readonly string[];
}

/**
 * Parses what follows the name of a command. When `help` is asked for, the rest is not checked.
 * @throws UserError
 */
export function parseCommand<const Spec extends CommandSpec>(
  spec: Spec,
  argv: readonly string[],
): ParsedArgs<Spec['options'][number]['name']> {
  type Name = Spec['options'][number]['name'];
  const byName = new Map(spec.options.map((option) => [option.name, option]));
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      spec.options.map(({ name, value }) => [name, { type: value === undefined ? 'boolean' : 'string' }] as const),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<Name, string>();
  const flags = new Set<Name>();
  const positionals: string[] = [];
  const help = tokens.some((token) => token.kind === 'option' && ['--help', '-h'].includes(token.rawName));
  for (const token of help ? [] : tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { rawName } = token;
    const option = rawName.startsWith('--') ? byName.get(token.name) : undefined;
    if (option === undefined) {
      const allowed = spec.options.map(({ name }) => `--${name}`).join(', ');
      throw new UserError(`unknown option ${oneLine(rawName)}; ${spec.name} takes ${allowed}`);
    }
    if (option.value === undefined) {
      if (token.value !== undefined) throw new UserError(`option ${rawName} takes no value`);
      flags.add(option.name);
      continue;
    }
    // No option begins with a digit: that is a number below zero, which is refused as such.
    const isNextOption = token.inlineValue === false && /^-(?![\d.])/.test(token.value);
    if (token.value === undefined || token.value === '' || isNextOption)
      throw new UserError(`option ${rawName} needs a value: ${rawName} ${option.value}`);
    if (values.has(option.name)) throw new UserError(`option ${rawName} is given twice`);
    values.set(option.name, token.value);
  }
  if (!help) checkPositionals(spec, positionals);
  return {
    help,
    values,
    flags,
    positionals,
    value: (name, parse, otherwise) => {
      const text = values.get(name);
      return text === undefined ? otherwise : parse(`--${name}`, text);
    },
  };
}

function checkPositionals(spec: CommandSpec, positionals: readonly string[]): void {
  const surplus = positionals[spec.positionals.length];
  if (surplus !== undefined)
    throw new UserError(`unexpected argument ${oneLine(surplus)}; usage: stillwarm ${usage(spec)}`);
  const missing = spec.positionals.slice(positionals.length).find(({ optional }) => optional === undefined);
  if (missing !== undefined) throw new UserError(`${missing.name} is missing; usage: stillwarm ${usage(spec)}`);
  const empty = positionals.indexOf('');
  if (empty >= 0) throw new UserError(`${spec.positionals[empty]!.name} is empty`);
}

/**
 * One of `allowed`.
 * @throws UserError naming the option and all that is allowed
 */
export function parseChoice<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const choice = allowed.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new UserError(`${option}: ${oneLine(text)} is none of ${allowed.join(', ')}`);
}

/** An architecture. @throws UserError */
export const parseArch = (option: string, text: string): Arch => parseChoice(option, text, ARCHS);

/** A comma-separated list of different ones of `allowed`. @throws UserError */
export function parseList<T extends string>(option: string, text: string, allowed: readonly T[]): T[] {
  const list = text.split(',').map((part) => parseChoice(option, part.trim(), allowed));
  const twice = list.find((name, index) => list.indexOf(name) !== index);
  if (twice !== undefined) throw new UserError(`${option}: ${twice} is named twice`);
  return list;
}

/** log2 of the units of a size. */
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 0, k: 10, m: 20, g: 30, t: 40 };

/**
 * A positive size in bytes: 4096, 512M, 1.5GiB, 256MB, 64 MiB. All units are powers of 1024, as those of memory are, and case
 * does not matter.
 * @throws UserError
 */
export function parseSize(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(?:([kmgt])(?:i?b)?|b)?$/i.exec(text);
  const bytes = match === null ? Number.NaN : Number(match[1]) * 2 ** SIZE_UNITS[(match[2] ?? '').toLowerCase()]!;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UserError(`${option}: ${oneLine(text)} is not a size in bytes such as 65536, 512M, 256MB or 1.5GiB`);
}

/** A size in the largest unit of which it is a whole number, as `parseSize` takes it: 64GiB, 1536MiB. */
export function sizeText(bytes: number): string {
  const units = ['', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = units.findLastIndex((_, i) => bytes % 1024 ** i === 0);
  return `${bytes / 1024 ** unit}${units[unit]}`;
}

/** A size of memory: whole pages, within what the model takes. @throws UserError */
export function parseMemory(option: string, text: string): number {
  const bytes = parseSize(option, text);
  if (bytes < MEMORY_MIN || bytes > MEMORY_MAX)
    throw new UserError(`${option}: ${text} is not ${sizeText(MEMORY_MIN)} to ${sizeText(MEMORY_MAX)}`);
  if (bytes % PAGE_SIZE !== 0) throw new UserError(`${option}: ${text} is not a multiple of ${PAGE_SIZE} bytes`);
  return bytes;
}

/** An integer of 0 to 2^32 - 1. @throws UserError */
export function parseSeed(option: string, text: string): number {
  const seed = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (seed <= SEED_MAX) return seed;
  throw new UserError(`${option}: ${oneLine(text)} is not an integer of 0 to ${SEED_MAX}`);
}

/** How often a fault is run. @throws UserError */
export const parseRuns = (option: string, text: string): number => parseCount(option, text, RUNS_MAX);

/** Seconds after which unclaimed pages are given back. @throws UserError */
export const parseExpire = (option: string, text: string): number => parseCount(option, text, EXPIRE_MAX);

/** A number of guests. @throws UserError */
export const parseVms = (option: string, text: string): number => parseCount(option, text, VMS_MAX);

function parseCount(option: string, text: string, max: number): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= max) return count;
  throw new UserError(`${option}: ${oneLine(text)} is not an integer of 1 to ${max}`);
}

/** The help of one command, ended by a newline. */
export function commandHelp(spec: CommandSpec): string {
  const rows = spec.options.map(({ name, value, help }) => [
    `--${name}${value === undefined ? '' : ` ${value}`}`,
    help,
  ]);
  const width = Math.max(...rows.map(([left]) => left!.length));
  return [
    `Usage: stillwarm ${usage(spec)}`,
    '',
    ...wrap(spec.summary, ''),
    '',
    'Options:',
    ...rows.flatMap(([left, help]) => {
      const lines = wrap(help!, ' '.repeat(width + 4));
      return [`  ${left!.padEnd(width)}  ${lines[0]!.trimStart()}`, ...lines.slice(1)];
    }),
    '',
  ].join('\n');
}

/** The help of the program, ended by a newline. */
export function programHelp(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return [
    'Usage: stillwarm COMMAND [OPTION]...',
    '',
    'A deterministic model of a machine whose page cache survives a reboot.',
    '',
    'Commands:',
    ...COMMANDS.flatMap(({ name, summary }) => {
      const lines = wrap(summary, ' '.repeat(width + 4));
      return [`  ${name.padEnd(width)}  ${lines[0]!.trimStart()}`, ...lines.slice(1)];
    }),
    '',
    'stillwarm COMMAND --help describes a command; stillwarm --version prints the version.',
    'Exit status: 0 all is well, 1 a page differs from the disk (inspect: something does not parse),',
    '2 a mistake in what was asked, or a refusal of the host such as a full disk: one line says which.',
    '',
  ].join('\n');
}

/** A word of the user's as part of a one-line message. */
export function oneLine(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return /^[\x21-\x7e]+$/.test(shown) ? shown : printable(JSON.stringify(shown));
}

function usage(spec: CommandSpec): string {
  const positionals = spec.positionals.map(({ name, optional }) => (optional ? `[${name}]` : name));
  return [spec.name, '[OPTION]...', ...positionals].join(' ');
}

/** Lines of at most 100 columns, each with the indent. */
function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > 100 && line.trim() !== '') {
      lines.push(line);
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  return [...lines, line];
}
