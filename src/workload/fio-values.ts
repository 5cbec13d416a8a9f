/**
 * The kinds of values in a job file of fio: amounts of bytes, times, numbers, switches, and ranges
 * of sizes of blocks.
 *
 * Contract: each kind prints what it has parsed, and what it has printed it parses to the same. A
 * value that is refused is a reason, the end of a sentence about its key.
 *
 * Modelled after parse.c of fio with its default `kb_base=1024`: `k` is 1024 there, and `ki` 1000.
 */

import { err, ok, type Result } from '../base/result.ts';

/** A kind of value. */
export interface FioKind<T> {
  /** What it takes, for the reference. */
  readonly words: string;
  readonly parse: (text: string) => Result<T>;
  readonly print: (value: T) => string;
}

/** Least and most bytes of a block. */
export interface BlockRange {
  readonly least: number;
  readonly most: number;
}

/** Of a job's blocks, those that are read and those that are written. */
export interface BlockSizes {
  readonly read: BlockRange;
  readonly write: BlockRange;
}

/** A size of all that a job does: bytes, or percent of its files. */
export type FioSize = { readonly bytes: number } | { readonly percent: number };

/** How random places are distributed. */
export type FioDistribution =
  | { readonly kind: 'random' }
  | { readonly kind: 'zipf' | 'pareto' | 'normal'; readonly parameter: number };

const SCALES = ['', 'k', 'm', 'g', 't', 'p'] as const;
const NS_PER: Readonly<Record<string, number>> = {
  d: 86_400e9,
  h: 3600e9,
  m: 60e9,
  s: 1e9,
  ms: 1e6,
  msec: 1e6,
  us: 1e3,
  usec: 1e3,
};
/** The longest time, ns: a day. */
const LONGEST_NS = 86_400e9;
/** The largest block, bytes. */
export const BLOCK_MAX = 16 << 20;

const number = (text: string): number => (/^(?:0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : Number.NaN);

function parseBytes(text: string): Result<number> {
  const parts = /^(0x[0-9a-f]+|[0-9]+)([kmgtp]?)(i?)b?$/i.exec(text);
  if (parts === null) return err(`expected bytes, as 4096, 64k or 1g, not ${shownText(text)}`);
  const [, digits = '', scale = '', isBinary = ''] = parts;
  if (scale === '' && isBinary !== '') return err(`expected bytes, not ${shownText(text)}`);
  const base = isBinary === '' ? 1024 : 1000;
  const bytes = Number(digits) * base ** SCALES.indexOf(scale.toLowerCase() as (typeof SCALES)[number]);
  return Number.isSafeInteger(bytes) ? ok(bytes) : err(`${shownText(text)} is too much`);
}

function printBytes(bytes: number): string {
  let power = 0;
  let rest = bytes;
  for (; rest > 0 && rest % 1024 === 0 && power < SCALES.length - 1; power++) rest /= 1024;
  return `${rest}${SCALES[power]!}`;
}

/** A value of the file as a message has it. */
export function shownText(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

/** Bytes, 1 or more. */
export const BYTES: FioKind<number | undefined> = {
  words: 'bytes: a number with k, m, g, t (of 1024) or ki, mi, gi, ti (of 1000)',
  parse: (text) => {
    const bytes = parseBytes(text);
    return bytes.ok && bytes.value === 0 ? err('expected 1 byte or more') : bytes;
  },
  print: (bytes) => (bytes === undefined ? '' : printBytes(bytes)),
};

export const SIZE: FioKind<FioSize | undefined> = {
  words: 'bytes, or 1% to 100% of the files',
  parse: (text) => {
    const percent = /^([0-9]{1,3})%$/.exec(text);
    if (percent === null) {
      const bytes = parseBytes(text);
      if (!bytes.ok) return bytes;
      return bytes.value === 0 ? err('expected 1 byte or more') : ok({ bytes: bytes.value });
    }
    const value = Number(percent[1]);
    return value >= 1 && value <= 100 ? ok({ percent: value }) : err('expected 1% to 100%');
  },
  print: (size) => {
    if (size === undefined) return '';
    return 'bytes' in size ? printBytes(size.bytes) : `${size.percent}%`;
  },
};

/** A time in ns. */
export const duration = (unit: 's' | 'us'): FioKind<number> => ({
  words: `a time in ${unit}, or with d, h, m, s, ms, us; a day at most`,
  parse: (text) => {
    const parts = /^([0-9]+)([a-z]*)$/i.exec(text);
    const per = parts === null ? undefined : NS_PER[parts[2] === '' ? unit : parts[2]!.toLowerCase()];
    if (per === undefined) return err(`expected a time, as 10s or 500ms, not ${shownText(text)}`);
    const ns = Number(parts![1]) * per;
    return ns <= LONGEST_NS ? ok(ns) : err(`${shownText(text)} is more than a day`);
  },
  print: (ns) => (ns % 1e9 === 0 ? `${ns / 1e9}s` : `${ns / 1e3}us`),
});

export const integer = (least: number, most: number): FioKind<number> => ({
  words: `${least} to ${most}`,
  parse: (text) => {
    const value = number(text);
    return value >= least && value <= most ? ok(value) : err(`expected ${least} to ${most}, not ${shownText(text)}`);
  },
  print: String,
});

/** A switch: a key without a value is 1. */
export const FLAG: FioKind<boolean> = {
  words: '0 or 1; without a value: 1',
  parse: (text) => {
    if (text === '' || text === '1') return ok(true);
    return text === '0' ? ok(false) : err(`expected 0 or 1, not ${shownText(text)}`);
  },
  print: (value) => (value ? '1' : '0'),
};

/** @param synonyms other words for some of the values */
export const oneOf = <T extends string>(
  values: readonly T[],
  synonyms: Readonly<Record<string, T>> = {},
): FioKind<T> => ({
  words: [...values, ...Object.keys(synonyms)].join(', '),
  parse: (text) => {
    const known =
      values.find((value) => value === text) ?? (Object.hasOwn(synonyms, text) ? synonyms[text] : undefined);
    return known === undefined ? err(`${shownText(text)} is none of ${values.join(', ')}`) : ok(known);
  },
  print: String,
});

/** Text of which a path is made. */
export const PATH: FioKind<string> = {
  words: 'a path in the guest',
  parse: (text) =>
    /^[^\0:]+$/.test(text) && !text.split('/').some((part) => part === '.' || part === '..')
      ? ok(text)
      : err(`expected a path without "." and "..", not ${shownText(text)}`),
  print: String,
};

export const PATHS: FioKind<readonly string[]> = {
  words: 'paths in the guest, a colon between two',
  parse: (text) => {
    const names = text.split(':');
    for (const name of names) {
      const parsed = PATH.parse(name);
      if (!parsed.ok) return parsed;
    }
    return new Set(names).size === names.length ? ok(names) : err('a file is named twice');
  },
  print: (names) => names.join(':'),
};

function parseRange(text: string): Result<BlockRange> {
  const bounds = text.split('-');
  if (bounds.length > 2) return err(`expected bytes or a range, not ${shownText(text)}`);
  const least = parseBytes(bounds[0]!);
  const most = bounds.length === 1 ? least : parseBytes(bounds[1]!);
  if (!least.ok) return least;
  if (!most.ok) return most;
  if (least.value < 1 || most.value > BLOCK_MAX) return err(`expected 1 byte to ${printBytes(BLOCK_MAX)}`);
  return least.value <= most.value ? ok({ least: least.value, most: most.value }) : err('the range is empty');
}

const printRange = ({ least, most }: BlockRange): string =>
  least === most ? printBytes(least) : `${printBytes(least)}-${printBytes(most)}`;

export const BLOCKS: FioKind<BlockSizes> = {
  words: 'bytes or a range as 4k-64k, 16m at most; two of them with a comma: of reads and of writes',
  parse: (text) => {
    const parts = text.split(',');
    if (parts.length > 2) return err('blocks to trim are not modelled');
    const read = parseRange(parts[0]!);
    const write = parts.length === 1 ? read : parseRange(parts[1]!);
    if (!read.ok) return read;
    return write.ok ? ok({ read: read.value, write: write.value }) : write;
  },
  print: ({ read, write }) => `${printRange(read)},${printRange(write)}`,
};

/** Operations a second, of reads and of writes; 0: as many as there can be. */
export const RATES: FioKind<{ readonly read: number; readonly write: number }> = {
  words: 'operations a second, 1 to 1000000; two of them with a comma: of reads and of writes',
  parse: (text) => {
    const parts = text.split(',');
    const read = number(parts[0]!);
    const write = parts.length === 1 ? read : number(parts[1]!);
    const isRate = (rate: number): boolean => rate >= 0 && rate <= 1e6;
    return parts.length <= 2 && isRate(read) && isRate(write)
      ? ok({ read, write })
      : err(`expected operations a second, not ${shownText(text)}`);
  },
  print: ({ read, write }) => `${read},${write}`,
};

/** What the parameter of a distribution may be. */
const PARAMETERS = {
  zipf: (theta: number) => theta > 0 && theta !== 1 && theta <= 100,
  pareto: (h: number) => h > 0 && h < 1,
  normal: (deviation: number) => deviation > 0 && deviation <= 100,
} as const;

export const DISTRIBUTION: FioKind<FioDistribution> = {
  words: 'random; zipf:T with T above 0 and not 1; pareto:H with H between 0 and 1; normal:D with D of 100 %',
  parse: (text) => {
    if (text === 'random') return ok({ kind: 'random' });
    const [kind = '', digits = '', ...rest] = text.split(':');
    if (!Object.hasOwn(PARAMETERS, kind)) return err(`${shownText(text)} is none of random, zipf, pareto, normal`);
    const name = kind as keyof typeof PARAMETERS;
    const parameter = /^[0-9]+(?:\.[0-9]+)?$/.test(digits) ? Number(digits) : Number.NaN;
    return rest.length === 0 && PARAMETERS[name](parameter)
      ? ok({ kind: name, parameter })
      : err(`${shownText(digits)} is no parameter of ${name}`);
  },
  print: (value) => (value.kind === 'random' ? 'random' : `${value.kind}:${value.parameter}`),
};
