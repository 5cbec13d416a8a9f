/**
 * What a run of a check has found so far, as a file: `--out` writes it. `--resume` and
 * `stillwarm check merge` read it. It says of which check, options and version it is, and which
 * shard. It holds the result of each part that was played.
 */

import { writeFileSync } from 'node:fs';
import { replaceFile } from '../../experiment/guest/output-file.ts';
import { InputError } from '../../base/index.ts';
import { casesOf, partsOf, partsOfShard, type CheckOptions, type Shard } from '../../lab/check.ts';
import type { Part, PartResult, Violation } from '../../lab/part.ts';

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

/** A result as a file and a queue have it. */
export const written = ({ part: { from, to }, ...rest }: PartResult) => ({ from, to, ...rest });

/** Writes the file, complete or not at all. Results may be in any order. */
export function writeRunFile(path: string, plan: RunPlan, results: readonly PartResult[]): void {
  const sorted = [...results].sort((a, b) => a.part.from - b.part.from);
  const file = {
    schema: CHECK_FILE_SCHEMA,
    ...plan,
    results: sorted.map(written),
  };
  replaceFile(path, (partPath) => writeFileSync(partPath, `${JSON.stringify(file)}\n`, { flag: 'wx' }));
}

/** What is read from outside, by its place. Each throws what `fail` makes of the place. */
class Reader {
  readonly fail: (place: string, expected: string) => never;

  /** @param source what is read, and @param wanted what it is not when it does not parse */
  constructor(source: string, wanted: string) {
    this.fail = (place, expected) => {
      throw new InputError(`${source}: ${place}: expected ${expected}: ${wanted}`);
    };
  }

  object(place: string, value: unknown): Readonly<Record<string, unknown>> {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    return this.fail(place, 'an object');
  }

  list<T>(place: string, value: unknown, item: (place: string, value: unknown) => T): T[] {
    if (Array.isArray(value)) return value.map((each, n) => item(`${place}[${n}]`, each));
    return this.fail(place, 'a list');
  }

  string(place: string, value: unknown): string {
    return typeof value === 'string' ? value : this.fail(place, 'a text');
  }

  integer(place: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number {
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    return this.fail(place, `an integer from ${least} on`);
  }

  sums(place: string, value: unknown): Record<string, number> {
    const entries = Object.entries(this.object(place, value));
    return Object.fromEntries(entries.map(([key, each]) => [key, this.integer(`${place}.${key}`, each, 0)]));
  }

  violation(place: string, value: unknown): Violation {
    const { at, law, what, replay, history } = this.object(place, value);
    return {
      at: this.integer(`${place}.at`, at, 0),
      law: this.string(`${place}.law`, law),
      what: this.string(`${place}.what`, what),
      replay: this.string(`${place}.replay`, replay),
      history: this.list(`${place}.history`, history, (each, line) => this.string(each, line)),
    };
  }

  /** @param least fewest cases that were played */
  result(place: string, value: unknown, part: Part, least: number): PartResult {
    const { done, counts, reached, violations } = this.object(place, value);
    return {
      part,
      done: this.integer(`${place}.done`, done, least, casesOf(part)),
      counts: this.sums(`${place}.counts`, counts),
      reached: this.sums(`${place}.reached`, reached),
      violations: this.list(`${place}.violations`, violations, (each, one) => this.violation(each, one)),
    };
  }
}

/**
 * @param name of the file, for messages
 * @throws InputError that names the file and the place
 */
export function parseRunFile(name: string, text: string): RunFile {
  const wanted = 'not a file that stillwarm check --out has written';
  const reader = new Reader(name, wanted);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new InputError(`${name}: not JSON: ${wanted}`);
  }
  const root = reader.object('the text', parsed);
  if (root['schema'] !== CHECK_FILE_SCHEMA) reader.fail('schema', CHECK_FILE_SCHEMA);
  const { number, of } = reader.object('shard', root['shard']);
  const total = reader.integer('shard.of', of, 1);
  const plan: RunPlan = {
    version: reader.string('version', root['version']),
    check: reader.string('check', root['check']),
    options: reader.object('options', root['options']),
    cases: reader.integer('cases', root['cases'], 0),
    least: reader.integer('least', root['least'], 1),
    shard: { number: reader.integer('shard.number', number, 1, total), of: total },
  };
  const parts = new Map(partsOfPlan(plan).map((part) => [part.from, part]));
  const results = reader.list('results', root['results'], (place, value): PartResult => {
    const { from, to } = reader.object(place, value);
    const part = parts.get(from as number);
    if (part === undefined || part.to !== to) return reader.fail(place, 'a part of the shard, once');
    parts.delete(from as number);
    return reader.result(place, value, part, 0);
  });
  return { ...plan, results };
}

/** What a worker is given: a part, and the sub-command that it is of. */
export interface PartJob {
  readonly command: string;
  readonly part: Part;
}

/**
 * @param source the queue, for messages
 * @throws InputError that names the queue and the place
 */
export function parsePartJob(source: string, value: unknown): PartJob {
  const reader = new Reader(source, 'not a part that stillwarm check --queue has written');
  const { command, part: given } = reader.object('job', value);
  const { check, options, from, to } = reader.object('part', given);
  const first = reader.integer('part.from', from, 0);
  const part = {
    check: reader.string('part.check', check),
    options: reader.object('part.options', options),
    from: first,
    to: reader.integer('part.to', to, first + 1),
  };
  return { command: reader.string('command', command), part };
}

/**
 * The result of a whole part that a worker has played.
 * @param source the queue, for messages
 * @throws InputError that names the queue and the place
 */
export function parsePartResult(source: string, part: Part, value: unknown): PartResult {
  const place = `cases ${part.from} to ${part.to - 1}`;
  const reader = new Reader(source, 'not a result that stillwarm worker has written');
  const { from, to } = reader.object(place, value);
  if (from !== part.from || to !== part.to) return reader.fail(place, 'these cases');
  return reader.result(place, value, part, casesOf(part));
}
