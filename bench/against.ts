/**
 * `npm run bench -- --against COMMIT [SUBJECT …]`: this tree against another commit. Both are built
 * and take turns for ROUNDS rounds, each in a process of its own. Each tree runs the benchmarks
 * that it has.
 *
 * A row's ratio is this tree's figure over the other's of the same round, inverted where needed so
 * that above 1 is better here. The interval of the median comes from order statistics: of 15
 * ratios, the 4th and the 12th enclose it with a probability of 96.5 %. A row fails when its whole
 * interval lies below LIMIT.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { UserError } from '../src/base/index.ts';
import { median, type Row, textTable } from './harness.ts';

const ROUNDS = 15;
/** Place of the ends of the interval among the sorted ratios. */
const LOW = 3;
const HIGH = 11;
const LIMIT = 0.95;
const MAIN = join('.build', 'bench', 'main.js');

/** One row over all rounds. */
export interface Comparison {
  readonly what: string;
  readonly unit: string;
  /** Medians of the figures. */
  readonly here: number;
  readonly there: number;
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly fails: boolean;
}

/**
 * Rows are the same when their words are, without the figures at the end, which differ from run to
 * run.
 */
const keyOf = ({ what, rival }: Row): string =>
  `${what.replace(/ \(misses [^)]*\)$|: [\d ]+$/, '')} / ${rival?.name ?? ''}`;

/** Whether a larger figure is better; undefined for one that is not a matter of speed or room. */
function isSpeed({ unit }: Row): boolean | undefined {
  if (unit.endsWith('/s')) return true;
  return ['ns', 'ms', 'B'].includes(unit) ? false : undefined;
}

/** Compares the rows that both trees have, of as many runs of each. */
export function compareRows(here: readonly (readonly Row[])[], there: readonly (readonly Row[])[]): Comparison[] {
  const figuresOf = (runs: readonly (readonly Row[])[], key: string): number[] =>
    runs.flatMap((rows) => rows.filter((row) => keyOf(row) === key).slice(0, 1)).map(({ figure }) => figure);
  return (here[0] ?? []).flatMap((row) => {
    const larger = isSpeed(row);
    const [ours, theirs] = [figuresOf(here, keyOf(row)), figuresOf(there, keyOf(row))];
    if (larger === undefined || ours.length !== here.length || theirs.length !== here.length) return [];
    const ratios = ours.map((figure, i) => (larger ? figure / theirs[i]! : theirs[i]! / figure)).sort((a, b) => a - b);
    const scale = (ratios.length - 1) / (ROUNDS - 1);
    const [low, high] = [ratios[Math.floor(LOW * scale)]!, ratios[Math.ceil(HIGH * scale)]!];
    const { what, unit } = row;
    const medians = { here: median(ours), there: median(theirs), ratio: median(ratios) };
    return [{ what, unit, ...medians, low, high, fails: high < LIMIT }];
  });
}

export function comparisonTable(comparisons: readonly Comparison[]): string {
  const figure = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3 });
  return textTable(
    ['what', 'here', 'there', 'ratio', 'interval', ''],
    comparisons.map(({ what, unit, here, there, ratio, low, high, fails }) => [
      what,
      `${figure(here)} ${unit}`,
      figure(there),
      ratio.toFixed(2),
      `${low.toFixed(2)} to ${high.toFixed(2)}`,
      fails ? 'SLOWER' : 'ok',
    ]),
  );
}

/**
 * Builds the other tree and runs both in turn. Progress goes to standard error.
 * @throws UserError when there is no such commit, or it does not build
 */
export function against(commit: string, args: readonly string[]): Comparison[] {
  const dir = mkdtempSync(join(tmpdir(), 'stillwarm-against-'));
  try {
    checkOut(commit, dir);
    const runs: { here: Row[][]; there: Row[][] } = { here: [], there: [] };
    for (let round = 1; round <= ROUNDS; round++) {
      process.stderr.write(`round ${round} of ${ROUNDS}\n`);
      // Each is first as often as the other, but once.
      const turns = [
        { cwd: '.', rows: runs.here },
        { cwd: dir, rows: runs.there },
      ];
      for (const { cwd, rows } of round % 2 === 0 ? turns.reverse() : turns) rows.push(runOnce(cwd, args));
    }
    return compareRows(runs.here, runs.there);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function checkOut(commit: string, dir: string): void {
  const git = (...words: string[]): Buffer =>
    execFileSync('git', words, { maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe'] });
  let archive: Buffer;
  try {
    archive = git('archive', '--format=tar', `${commit}^{commit}`);
  } catch {
    throw new UserError(`--against: ${commit} is not a commit of this repository`);
  }
  execFileSync('tar', ['-x', '-C', dir], { input: archive });
  const lockOf = (root: string): string => readFileSync(join(root, 'package-lock.json'), 'utf8');
  if (lockOf('.') === lockOf(dir)) symlinkSync(resolve('node_modules'), join(dir, 'node_modules'));
  else execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: dir, stdio: 'ignore' });
  try {
    execFileSync('npm', ['run', '-s', 'build:bench'], { cwd: dir, stdio: 'ignore' });
  } catch {
    throw new UserError(`--against: the benchmarks of ${commit} cannot be built`);
  }
}

function runOnce(cwd: string, args: readonly string[]): Row[] {
  const words = ['--expose-gc', MAIN, '--json', ...args];
  const env = { ...process.env, STILLWARM_BENCH_ROUNDS: '1' };
  const printed = execFileSync(process.execPath, words, {
    cwd,
    env,
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(printed.toString()) as Row[];
}
