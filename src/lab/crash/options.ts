/** What a run of the crash check is asked for: plain JSON, which is checked here. */

import {
  ArgumentError,
  checkArgument,
  checkInteger,
  checkKeys,
  checkListOf,
  checkObject,
  checkOneOf,
  checkText,
} from '../../base/argument-error.ts';
import { STRATEGIES, type StrategyName } from '../../doors/machine/index.ts';
import { GUEST_RULES, type GuestRule } from '../../doors/machine/make-room.ts';
import { DEFAULT_PROTECTIONS, type Protections } from '../../xen/index.ts';

/** What stops: the guest; the hypervisor with everything on it; the power of machine and drive. */
export const CRASH_KINDS = ['guest', 'hypervisor', 'power'] as const;
/** What stops. */
export type CrashKind = (typeof CRASH_KINDS)[number];

/** File systems of a guest's disk. */
export const FILE_SYSTEMS = ['ext2', 'ext3'] as const;
/** A file system of a guest's disk. */
export type FileSystemName = (typeof FILE_SYSTEMS)[number];

/** Protections of the hypervisor, and rules of the guest. */
export type Guard = keyof Protections | GuestRule;
/** All that can be switched off. */
export const GUARDS = [...Object.keys(DEFAULT_PROTECTIONS), ...GUEST_RULES] as readonly Guard[];

/** A step before which something stops. */
export interface Moment {
  readonly step: number;
  /** Of a copy, so many lines of 64 bytes are stored first. */
  readonly lines: number;
  /**
   * Number of the subset of blocks that survives a loss of power (lost-blocks.ts). By default a
   * part of the sectors survives, by the seed.
   */
  readonly kept?: number;
}

/** What decides the cases of the check. */
export interface CrashOptions {
  /** A built-in workload, or one of the caller's. */
  readonly workload: string;
  /** ext3 by default. */
  readonly fs: FileSystemName;
  /** warm-cache+metadata by default. */
  readonly strategy: StrategyName;
  /** All by default. */
  readonly kinds: readonly CrashKind[];
  /**
   * `every`, by default: every moment, and one cut of each copy by the seed. Each subset of the
   * blocks that a loss of power may lose is played, too. `every-line`: the same, and each copy cut
   * at every line of the CPU cache. Or so many of `every`, by the seed.
   */
  readonly crash: 'every' | 'every-line' | { readonly sample: number };
  /** Of the machine, of the sample and of everything that is chosen. 1 by default. */
  readonly seed: number;
  /** Crashes of a case at most: the second and third come in the recovery. 1 by default. */
  readonly depth: 1 | 2 | 3;
  /** The one case with these moments, as a replay line has it. By default all cases. */
  readonly at: readonly Moment[] | undefined;
  /** What is switched off. Nothing by default. */
  readonly without: readonly Guard[];
}

const KEYS = Object.keys({
  ...{ workload: 1, fs: 1, strategy: 1, kinds: 1, crash: 1, seed: 1, depth: 1, at: 1, without: 1 },
} satisfies Record<keyof CrashOptions, 1>);

/**
 * The options of a part, with what is by default.
 * @throws ArgumentError for options that are missing, unknown or of another kind
 */
export function crashOptions(options: Readonly<Record<string, unknown>>): CrashOptions {
  checkKeys('options', options, KEYS);
  const { workload, fs = 'ext3', strategy = 'warm-cache+metadata', kinds = CRASH_KINDS } = options;
  const { crash = 'every', seed = 1, depth = 1, at, without = [] } = options;
  checkText('workload', workload);
  checkOneOf('fs', fs, FILE_SYSTEMS);
  checkOneOf('strategy', strategy, STRATEGIES);
  checkListOf('kinds', kinds, CRASH_KINDS);
  checkArgument(kinds.length > 0, 'kinds', 'expected one or more');
  checkArgument(new Set(kinds).size === kinds.length, 'kinds', 'one is there twice');
  if (crash !== 'every' && crash !== 'every-line') {
    checkObject('crash', crash, 'sample');
    checkInteger('crash.sample', (crash as { sample: number }).sample, 1);
  }
  checkInteger('seed', seed, Number.MIN_SAFE_INTEGER);
  checkOneOf('depth', depth, [1, 2, 3]);
  checkListOf('without', without, GUARDS);
  const moments = at === undefined ? undefined : momentsOf(at);
  checkArgument(moments === undefined || kinds.length === 1, 'kinds', 'with `at`, expected one');
  const [first, ...later] = moments ?? [];
  const isOfPower = first?.kept === undefined || (kinds[0] === 'power' && first.lines === 0);
  checkArgument(
    isOfPower && later.every(({ kept }) => kept === undefined),
    'at',
    'a subset is that of a first loss of power',
  );
  return { workload, fs, strategy, kinds, crash, seed, depth, at: moments, without } as CrashOptions;
}

/**
 * Moments as a replay line has them: `STEP`, `STEP:LINES` of a copy, or `STEP=SUBSET` where
 * these blocks survive, with commas between.
 */
export function shownMoments(moments: readonly Moment[]): string {
  const shown = ({ step, lines, kept }: Moment): string =>
    String(step) + (lines === 0 ? '' : `:${lines}`) + (kept === undefined ? '' : `=${kept}`);
  return moments.map(shown).join(',');
}

/** The same from text, or from a list of steps. */
function momentsOf(at: unknown): readonly Moment[] {
  const parts = Array.isArray(at) ? at.map(String) : typeof at === 'string' ? at.split(',') : [];
  if (parts.length < 1 || parts.length > 3) throw new ArgumentError('at: expected STEP[,STEP[,STEP]]');
  return parts.map((part) => {
    const [, step, lines = '0', kept] = /^(\d{1,15})(?::(\d{1,2}))?(?:=(\d{1,9}))?$/.exec(part) ?? [];
    if (step === undefined)
      throw new ArgumentError(`at: ${JSON.stringify(part)} is neither STEP, STEP:LINES nor STEP=SUBSET`);
    return { step: Number(step), lines: Number(lines), ...(kept !== undefined && { kept: Number(kept) }) };
  });
}

/** The line that plays one case alone. */
export function replayLine(
  options: Pick<CrashOptions, 'workload' | 'fs' | 'strategy' | 'seed' | 'without'>,
  kind: CrashKind,
  moments: readonly Moment[],
): string {
  const { workload, fs, strategy, seed, without } = options;
  const off = without.length === 0 ? '' : ` --without ${without.join(',')}`;
  return (
    `stillwarm check crash --workload ${workload} --fs ${fs} --strategy ${strategy} --seed ${seed} ` +
    `--kind ${kind} --at ${shownMoments(moments)}${off}`
  );
}
