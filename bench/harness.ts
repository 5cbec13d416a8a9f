/**
 * What every benchmark shares: rounds in turn, medians, and the row that a figure becomes.
 *
 * A figure is a median of ROUNDS rounds. A figure and its rival take turns (A B A B …) in one
 * process, so that other work of the host falls on both. WARM_ROUNDS of each are thrown away,
 * because the engine still compiles: a loop that ran long is compiled again when it is called next.
 */

/**
 * Rounds that count: 5; or as many as a comparison with another tree asks for, which repeats whole
 * runs.
 */
export const ROUNDS = Number(process.env['STILLWARM_BENCH_ROUNDS'] ?? 5);

/** Rounds that do not count. */
const WARM_ROUNDS = 2;

/** One figure, with what it is compared to. */
export interface Row {
  /** What was measured, and on what. */
  readonly what: string;
  readonly figure: number;
  /** Unit of both figures. */
  readonly unit: string;
  readonly rival?: { readonly name: string; readonly figure: number };
  /** Figure against rival, above 1 where ours is the better one; or a growth, as `what` says. */
  readonly ratio?: number;
  /** What the figure or the ratio should be, in words. */
  readonly target?: string;
  /** Whether it is; given if and only if there is a target. */
  readonly met?: boolean;
}

/** The user's choices. */
export interface Options {
  /** Directory with recorded traces. */
  readonly traces: string | undefined;
}

/** The middle one of the figures; of an even number, the lower of the two. */
export function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[(figures.length - 1) >>> 1]!;
}

/**
 * Lets the contestants run in turn; each returns its figure of one round. Returns their medians.
 */
export function takeTurns(...contestants: readonly (() => number)[]): number[] {
  for (let round = 0; round < WARM_ROUNDS; round++) for (const run of contestants) run();
  const figures = contestants.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) contestants.forEach((run, i) => figures[i]!.push(run()));
  return figures.map(median);
}

/** Wall-clock nanoseconds that `work` takes. */
export function elapsedNs(work: () => unknown): number {
  const start = performance.now();
  work();
  return (performance.now() - start) * 1e6;
}

/**
 * Nanoseconds of this process's processor time that `work` takes, without other work on the host.
 */
export function processorNs(work: () => unknown): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) * 1e3;
}

/** Rows as a Markdown table. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.what,
    `${digits(row.figure)} ${row.unit}`,
    row.rival === undefined ? '' : `${digits(row.rival.figure)} (${row.rival.name})`,
    row.ratio === undefined ? '' : row.ratio.toFixed(2),
    row.target ?? '',
    row.met === undefined ? '' : row.met ? 'ok' : 'MISSED',
  ]);
  return textTable(['what', 'figure', 'rival', 'ratio', 'target', ''], cells);
}

/** A Markdown table whose columns are aligned. */
export function textTable(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  const format = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [format(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines.map(format)].join('\n');
}

/** Three significant digits, and no exponent. */
function digits(figure: number): string {
  return figure.toLocaleString('en', { maximumSignificantDigits: 3 });
}
