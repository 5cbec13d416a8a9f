// Properties for vitest: `property(name, ...arbitraries, predicate,
// params?)` is `it` around fast-check's `check`.
//
// - What checks it is `checkProperty` of stillwarm/testing. The seed is derived from the property's
//   name. A failure prints exactly one line that begins with `replay:`. Here that is a shell
//   command that runs the one case again, first.
// - STILLWARM_SEED and STILLWARM_PATH (from that line) replay; STILLWARM_SEED alone explores
//   elsewhere; STILLWARM_RUNS=100 makes every property run 100 times as many cases.
// - A property with `lawRuns` runs as many cases in `npm run test:laws`, in the shard that its seed
//   chooses. One that says no number has 20, and 100 there.
// - Model-based properties: write fc.commands(list, replayOfCommands()), fast-check needs a second
//   path there.
//
// - A property that is too slow, on a busy machine perhaps, stops before the test's time limit and
//   says how many cases passed.
//
// Predicates are synchronous: nothing in the model waits for the host.
import fc from 'fast-check';
import { it } from 'vitest';
import * as door from '../../src/doors/testing/check.ts';
import { givingBack } from './memories.ts';

/**
 * Cases of a property that does not say how many, in `npm test` and in a run of the laws. A mutant
 * meets more cases than `npm test` has (tools/mutants.mjs).
 */
const DEFAULT_RUNS = process.env['STILLWARM_MUTANTS'] === undefined ? 20 : 40;
const DEFAULT_LAW_RUNS = 100;
/**
 * What a test may take of the host's time: some ten times what the slowest takes alone. So none
 * fails on a machine that is busy with eight other things. In a run of the laws a test may take as
 * much as all of them. It is not what finds a model that hangs: that is event-limit.ts.
 */
export const TIMEOUT_MS = playsLaws() ? 7_200_000 : 300_000;
/**
 * Share of it after which a property stops and says how far it came, before the test is cut off
 * without a word.
 */
const PROPERTY_SHARE = 0.9;

/** fast-check's own parameters, less those that are decided here. */
export type PropertyParams<Ts> = Omit<door.CheckOptions<Ts>, 'replay' | 'seed' | 'limitMs' | 'replayLine'> & {
  /**
   * Cases in a run of the laws, where that is more than `numRuns`; those of `npm test` are the
   * first of them.
   */
  readonly lawRuns?: number;
};

type Values = [unknown, ...unknown[]];
type Arbitraries<Ts extends Values> = { [K in keyof Ts]: fc.Arbitrary<Ts[K]> };

export function property<Ts extends Values>(
  name: string,
  ...args: [...arbitraries: Arbitraries<Ts>, predicate: (...values: Ts) => boolean | void]
): void;
export function property<Ts extends Values>(
  name: string,
  ...args: [...arbitraries: Arbitraries<Ts>, predicate: (...values: Ts) => boolean | void, params: PropertyParams<Ts>]
): void;
export function property(name: string, ...args: unknown[]): void {
  const params = typeof args.at(-1) === 'function' ? {} : (args.pop() as PropertyParams<Values>);
  const predicate = args.pop() as (...values: unknown[]) => boolean | void;
  const arbitraries = args as fc.Arbitrary<unknown>[];
  it(name, { timeout: TIMEOUT_MS * Math.max(1, runsFactor()) }, ({ task }) => {
    checkProperty({ name, file: task.file.name }, arbitraries, predicate, params);
  });
}

/**
 * What `property` does inside its test: returns when every case passed, throws the report when one
 * did not.
 */
export function checkProperty(
  where: { name: string; file: string },
  arbitraries: fc.Arbitrary<unknown>[],
  predicate: (...values: unknown[]) => boolean | void,
  { lawRuns, ...params }: PropertyParams<Values> = {},
  limitMs = PROPERTY_SHARE * TIMEOUT_MS * Math.max(1, runsFactor()),
): void {
  const path = process.env['STILLWARM_PATH'];
  const own = door.seedOf(where.name);
  const { numRuns = DEFAULT_RUNS } = params;
  const most = lawRuns ?? (params.numRuns === undefined ? DEFAULT_LAW_RUNS : numRuns);
  const runs = playsLaws() && isInShard(own) ? most : numRuns;
  const synchronous = (...values: unknown[]): boolean => {
    const answer: unknown = givingBack(() => predicate(...values));
    if (answer instanceof Promise) throw new TypeError('a property is synchronous here, this one returned a promise');
    return answer !== false; // `(n) => expect(n).toBe(1)` returns an object
  };
  const seed = integerFromEnv('STILLWARM_SEED') ?? own;
  door.checkProperty(where.name, fc.property(...(arbitraries as Arbitraries<Values>), synchronous), {
    ...params,
    numRuns: Math.max(1, Math.round(runs * runsFactor())),
    limitMs,
    seed,
    replay: path === undefined ? undefined : door.textOfReplay({ seed, path, commands: undefined }),
    replayLine: (replay) => replayCommand(where, replay),
  });
}

/** For fc.commands: the second path a model-based property needs to be replayed. */
export function replayOfCommands(): fc.CommandsContraints {
  const replayPath = process.env['STILLWARM_COMMANDS'];
  return replayPath === undefined ? {} : { replayPath };
}

function replayCommand(where: { name: string; file: string }, { seed, path, commands }: door.Replay): string {
  const test = where.name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll("'", `'\\''`);
  return [
    `STILLWARM_SEED=${seed}`,
    `STILLWARM_PATH="${path}"`,
    ...(commands === undefined ? [] : [`STILLWARM_COMMANDS="${commands}"`]),
    `npx vitest run ${where.file} -t '${test}$'`,
  ].join(' ');
}

/** A part of the laws: its index, from 0 on, of so many. */
interface Shard {
  readonly index: number;
  readonly count: number;
}

/** The part of the laws that STILLWARM_SHARD=i/n names, i from 1 on; undefined: all. */
export function shardToPlay(): Shard | undefined {
  const text = process.env['STILLWARM_SHARD'];
  if (text === undefined || !playsLaws()) return undefined;
  const [, index, count] = (/^([1-9]\d*)\/([1-9]\d*)$/.exec(text) ?? []).map(Number);
  if (index === undefined || count === undefined || index > count)
    throw new Error(`STILLWARM_SHARD: expected i/n, with i from 1 to n, got "${text}"`);
  return { index: index - 1, count };
}

/** Whether the shard to play is the one in which a property of that seed runs longest. */
function isInShard(seed: number): boolean {
  const shard = shardToPlay();
  return shard === undefined || (seed >>> 0) % shard.count === shard.index;
}

/**
 * Whether this run plays all of what has this name. A run of the laws does. Of its shards, the one
 * that the name chooses does.
 */
export const playsWhole = (name: string): boolean => playsLaws() && isInShard(door.seedOf(name));

/**
 * Whether this run is one of the laws, which plays whole products and not samples of them
 * (product.ts).
 */
export function playsLaws(): boolean {
  return process.env['STILLWARM_LAWS'] === 'whole';
}

/** How many times as many cases STILLWARM_RUNS asks for. */
export function runsFactor(): number {
  const text = process.env['STILLWARM_RUNS'];
  if (text === undefined) return 1;
  const factor = Number(text);
  if (!(factor > 0)) throw new Error(`STILLWARM_RUNS: expected a positive number, got "${text}"`);
  return factor;
}

function integerFromEnv(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value))
    throw new Error(`${variable}: expected an integer, got "${text}"`);
  return value;
}
