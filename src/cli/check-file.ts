/**
 * What a run of a check has found so far, as a file: `--out` writes it. `--resume` and
 * `stillwarm check merge` read it. It says of which check, options and version it is, and which
 * shard. It holds the result of each part that was played.
 */

import { writeFileSync } from 'node:fs';
import { replaceFile } from '../experiment/guest/output-file.ts';
import { InputError } from '../base/index.ts';
import { casesOf, partsOf, partsOfShard, type CheckOptions, type Shard } from '../lab/check.ts';
import type { Part, PartResult, Violation } from '../lab/part.ts';

export const CHECK_FILE_SCHEMA = 'stillwarm/check-file@1';

/** Which cases were to be played. */
export interface RunPlan {
  /** Of stillwarm: another one may have other cases. */
  readonly version: string;
  /** The name of the check. */
  readonly check: string;
  readonly options: CheckOptions;
  /** Cases of the whole check. */
  readonly cases: number;
  /** Fewest cases of a part. */
  readonly least: number;
  readonly shard: Shard;
}

export interface RunFile extends RunPlan {
  readonly results: readonly PartResult[];
}

/** All parts of the whole check. */
export const wholeOf = ({ check, options, cases, least }: RunPlan): readonly Part[] =>
  partsOf(check, options, cases, least);

/** The parts of the shard. */
export const partsOfPlan = (plan: RunPlan): readonly Part[] => partsOfShard(wholeOf(plan), plan.shard);

/** Writes the file, complete or not at all. Results may be in any order. */
export function writeRunFile(path: string, plan: RunPlan, results: readonly PartResult[]): void {
  const sorted = [...results].sort((a, b) => a.part.from - b.part.from);
  const written = {
    schema: CHECK_FILE_SCHEMA,
    ...plan,
    results: sorted.map(({ part: { from, to }, ...rest }) => ({ from, to, ...rest })),
  };
  replaceFile(path, (partPath) => writeFileSync(partPath, `${JSON.stringify(written)}\n`, { flag: 'wx' }));
}

/**
 * @param name of the file, for messages
 * @throws InputError that names the file and the place
 */
export function parseRunFile(name: string, text: string): RunFile {
  const fail = (place: string, expected: string): never => {
    throw new InputError(`${name}: ${place}: expected ${expected}: not a file that stillwarm check --out has written`);
  };
  const object = (place: string, value: unknown): Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : fail(place, 'an object');
  const list = <T>(place: string, value: unknown, item: (place: string, value: unknown) => T): T[] =>
    Array.isArray(value) ? value.map((each, n) => item(`${place}[${n}]`, each)) : fail(place, 'a list');
  const string = (place: string, value: unknown): string => (typeof value === 'string' ? value : fail(place, 'a text'));
  const integer = (place: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? (value as number)
      : fail(place, `an integer from ${least} on`);
  const sums = (place: string, value: unknown): Record<string, number> =>
    Object.fromEntries(
      Object.entries(object(place, value)).map(([key, each]) => [key, integer(`${place}.${key}`, each, 0)]),
    );

  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new InputError(`${name}: not JSON: not a file that stillwarm check --out has written`);
  }
  const root = object('the text', parsed);
  if (root['schema'] !== CHECK_FILE_SCHEMA) fail('schema', CHECK_FILE_SCHEMA);
  const { number, of } = object('shard', root['shard']);
  const total = integer('shard.of', of, 1);
  const plan: RunPlan = {
    version: string('version', root['version']),
    check: string('check', root['check']),
    options: object('options', root['options']),
    cases: integer('cases', root['cases'], 0),
    least: integer('least', root['least'], 1),
    shard: { number: integer('shard.number', number, 1, total), of: total },
  };
  const parts = new Map(partsOfPlan(plan).map((part) => [part.from, part]));
  const violation = (place: string, value: unknown): Violation => {
    const { at, law, what, replay, history } = object(place, value);
    return {
      at: integer(`${place}.at`, at, 0),
      law: string(`${place}.law`, law),
      what: string(`${place}.what`, what),
      replay: string(`${place}.replay`, replay),
      history: list(`${place}.history`, history, string),
    };
  };
  const results = list('results', root['results'], (place, value): PartResult => {
    const { from, to, done, counts, reached, violations } = object(place, value);
    const part = parts.get(from as number);
    if (part === undefined || part.to !== to) return fail(place, 'a part of the shard, once');
    parts.delete(from as number);
    return {
      part,
      done: integer(`${place}.done`, done, 0, casesOf(part)),
      counts: sums(`${place}.counts`, counts),
      reached: sums(`${place}.reached`, reached),
      violations: list(`${place}.violations`, violations, violation),
    };
  });
  return { ...plan, results };
}
