/**
 * Properties with one line to replay them.
 *
 * A property has a name, and its seed is derived from that: two runs check the same cases. A
 * failure shows the shrunken counterexample, its cause, and exactly one line that begins with
 * `replay:`. Properties are synchronous: nothing in the model waits for the host.
 */

import fc from 'fast-check';
import {
  ArgumentError,
  checkArgument,
  checkFunction,
  checkInteger,
  checkObject,
  checkText,
} from '../../base/argument-error.ts';
import { hashText } from '../../base/text.ts';

/** Which case of a property is to be run again. */
export interface Replay {
  /** Seed of the run, as fast-check has it. */
  readonly seed: number;
  /** The case's path through generation and shrinking, as fast-check has it. */
  readonly path: string;
  /** The second path that commands need. */
  readonly commands: string | undefined;
}

/** Of `checkProperty`: parameters of fast-check, less those that are decided here. */
export type CheckOptions<Ts> = Omit<
  fc.Parameters<Ts>,
  'seed' | 'path' | 'endOnFailure' | 'reporter' | 'asyncReporter' | 'interruptAfterTimeLimit' | 'markInterruptAsFailure'
> & {
  /** Text of an earlier `replay:` line: that case is run, and no other. */
  readonly replay?: string | undefined;
  /** Other cases than those that the name gives. */
  readonly seed?: number | undefined;
  /** Host time, ms, after which it stops and says how far it came; without a limit by default. */
  readonly limitMs?: number | undefined;
  /** What follows `replay: `; by default `REPLAY="…"`, and the text is this option's. */
  readonly replayLine?: ((replay: Replay, name: string) => string) | undefined;
};

/** Cases of a property. */
const DEFAULT_RUNS = 100;
const REPLAY = /^(-?\d+) (\d+(?::\d+)*)(?: (\S+))?$/;

/** The text of a replay: seed, path and the path of commands. */
export function textOfReplay(replay: Replay): string {
  checkObject('replay', replay, 'seed', 'path');
  const { seed, path, commands } = replay;
  return [seed, path, ...(commands === undefined ? [] : [commands])].join(' ');
}

/** @throws ArgumentError for a text that no `replay:` line has */
export function replayOf(text: string): Replay {
  checkText('text', text);
  const [, seed, path, commands] = REPLAY.exec(text.trim()) ?? [];
  if (seed === undefined || path === undefined)
    throw new ArgumentError(`text: expected what a replay: line has, as "123 0:1:2", got ${JSON.stringify(text)}`);
  // As fast-check has them: another number would stand for the same cases as one of these.
  checkInteger('text: seed', Number(seed), -(2 ** 31), 2 ** 32 - 1);
  return { seed: Number(seed), path, commands };
}

/**
 * Checks a property: returns when every case passes.
 * @param name of the property; the seed comes from it
 * @throws ArgumentError for options that cannot be, such as no runs at all
 * @throws Error with name, counterexample, cause and the `replay:` line when a case fails
 */
export function checkProperty<Ts>(name: string, property: fc.IProperty<Ts>, options: CheckOptions<Ts> = {}): void {
  checkText('name', name);
  checkObject('property', property, 'isAsync', 'generate', 'run');
  checkObject('options', options);
  const { replay: text, seed, limitMs, replayLine = defaultLine, ...parameters } = options;
  checkFunction('options.replayLine', replayLine);
  if (seed !== undefined) checkInteger('options.seed', seed, Number.MIN_SAFE_INTEGER);
  checkArgument(!property.isAsync(), 'property', 'expected a synchronous one');
  const replay = text === undefined ? undefined : replayOf(text);
  const { numRuns: wanted = DEFAULT_RUNS } = parameters;
  checkInteger('options.numRuns', wanted, 1);
  checkArgument(limitMs === undefined || limitMs >= 0, 'options.limitMs', 'expected milliseconds, 0 or more');
  const details = fc.check(property, {
    ...parameters,
    numRuns: wanted,
    seed: replay?.seed ?? seed ?? seedOf(name),
    ...(limitMs === undefined ? {} : { interruptAfterTimeLimit: limitMs, markInterruptAsFailure: true }),
    ...(replay === undefined ? {} : { path: replay.path, endOnFailure: true }),
  });
  if (!details.failed) return;

  const { counterexample, counterexamplePath, errorInstance, numRuns, numShrinks, numSkips } = details;
  if (counterexample === null || counterexamplePath === null) {
    if (details.interrupted)
      throw new Error(
        `${name}: stopped by its time limit, ${limitMs! / 1000} s: ${numRuns} of ${wanted} cases passed, and none failed`,
      );
    throw new Error(`${name}: gave up after ${numRuns} cases, ${numSkips} skipped by fc.pre (seed ${details.seed})`);
  }
  const shown = fc.stringify(counterexample);
  const cause = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  const report = [
    `${name}: failed at case ${numRuns}, after ${numShrinks} shrinks`,
    `counterexample: ${shown}`,
    `because: ${cause}`,
  ];
  // Exactly one line begins with `replay:`, whatever the cause or the counterexample say.
  const quiet = report.join('\n').replace(/^(?=replay:)/gm, '  ');
  const commands = /\/\*replayPath="([^"]*)"\*\//.exec(shown)?.[1];
  const line = replayLine({ seed: details.seed, path: counterexamplePath, commands }, name);
  throw new Error(`${quiet}\nreplay: ${line}`, { cause: errorInstance });
}

function defaultLine(replay: Replay): string {
  return `REPLAY="${textOfReplay(replay)}"`;
}

/**
 * The seed of a property of that name: FNV-1a over its UTF-16 code units, as a signed integer of 32
 * bits.
 */
export function seedOf(name: string): number {
  checkText('name', name);
  return hashText(name, 0x811c9dc5) | 0;
}
