// Properties for vitest: `property(name, ...arbitraries, predicate, params?)` is `it` around fast-check's `check`.
//
// - Deterministic: the seed is derived from the property's name, so two runs of the suite check the same cases.
// - A failure prints the shrunken counterexample and exactly one line that begins with `replay:`, a shell command that
//   runs that one case again, first.
// - STILLWARM_SEED and STILLWARM_PATH (from that line) replay; STILLWARM_SEED alone explores elsewhere;
//   STILLWARM_RUNS=100 makes every property run 100 times as many cases.
// - One that runs out of time says how many cases had passed until then, and that none had failed.
// - Model-based properties: write fc.commands(list, replayOfCommands()), fast-check needs a second path there.
//
// Predicates are synchronous: nothing in the model waits for the host.
import fc from 'fast-check';
import { it } from 'vitest';

const DEFAULT_RUNS = 100;
export const TIMEOUT_MS = 60_000;
/** A property that is not through a little before its test's time limit stops, and says so: load is no counterexample. */
const PATIENCE_MS = TIMEOUT_MS - 5_000;

/** fast-check's own parameters, less those this file decides. */
export type PropertyParams<Ts> = Omit<
  fc.Parameters<Ts>,
  'seed' | 'path' | 'endOnFailure' | 'reporter' | 'asyncReporter'
>;

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

/** What `property` does inside its test: returns when every case passed, throws the report when one did not. */
export function checkProperty(
  where: { name: string; file: string },
  arbitraries: fc.Arbitrary<unknown>[],
  predicate: (...values: unknown[]) => boolean | void,
  params: PropertyParams<Values> = {},
  patienceMs = PATIENCE_MS * Math.max(1, runsFactor()),
): void {
  const path = process.env['STILLWARM_PATH'];
  const synchronous = (...values: unknown[]): boolean => {
    const answer: unknown = predicate(...values);
    if (answer instanceof Promise) throw new TypeError('a property is synchronous here, this one returned a promise');
    return answer !== false; // `(n) => expect(n).toBe(1)` returns an object
  };
  const wanted = Math.max(1, Math.round((params.numRuns ?? DEFAULT_RUNS) * runsFactor()));
  const details = fc.check(fc.property(...(arbitraries as Arbitraries<Values>), synchronous), {
    ...params,
    numRuns: wanted,
    plugins: [fc.interruptAfterTimeLimit(patienceMs)],
    seed: integerFromEnv('STILLWARM_SEED') ?? seedOf(where.name),
    ...(path === undefined ? {} : { path, endOnFailure: true }),
  });
  const { counterexample, counterexamplePath, errorInstance, seed, numRuns, numShrinks, numSkips } = details;
  if (details.interrupted && counterexample === null) {
    throw new Error(
      `${where.name}: the time limit: ${numRuns} of ${wanted} cases in ${patienceMs / 1000} s, and none of them failed ` +
        `(seed ${seed}): the host is too busy, or a case takes too long`,
    );
  }
  if (!details.failed) return;
  if (counterexample === null || counterexamplePath === null) {
    throw new Error(`${where.name}: gave up after ${numRuns} cases, ${numSkips} skipped by fc.pre (seed ${seed})`);
  }
  const shown = fc.stringify(counterexample);
  const cause = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  const report = [
    `${where.name}: failed at case ${numRuns}, after ${numShrinks} shrinks`,
    `counterexample: ${shown}`,
    `because: ${cause}`,
  ];
  // Exactly one line begins with `replay:`, whatever the cause or the counterexample say.
  const quiet = report.join('\n').replace(/^(?=replay:)/gm, '  ');
  const replay = `replay: ${replayCommand(where, seed, counterexamplePath, shown)}`;
  throw new Error(`${quiet}\n${replay}`, { cause: errorInstance });
}

/** For fc.commands: the second path a model-based property needs to be replayed. */
export function replayOfCommands(): fc.CommandsContraints {
  const replayPath = process.env['STILLWARM_COMMANDS'];
  return replayPath === undefined ? {} : { replayPath };
}

function replayCommand(where: { name: string; file: string }, seed: number, path: string, shown: string): string {
  const commands = /\/\*replayPath=("[^"]*")\*\//.exec(shown)?.[1];
  const test = where.name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll("'", `'\\''`);
  return [
    `STILLWARM_SEED=${seed}`,
    `STILLWARM_PATH="${path}"`,
    ...(commands === undefined ? [] : [`STILLWARM_COMMANDS=${commands}`]),
    `npx vitest run ${where.file} -t '${test}$'`,
  ].join(' ');
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

/** FNV-1a over the UTF-16 code units, as a signed 32-bit integer: what fast-check calls a seed. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash | 0;
}
